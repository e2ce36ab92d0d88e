"""`farebox pbx`: an admin who may call at once, and files that Asterisk may read."""

from pathlib import Path

from tests.api.pbx.conftest import authorization, opened
from tests.clocks import SettableClock
from tests.commands import farebox
from tests.servers import Databases


async def test_an_admin_and_the_files(databases: Databases, tmp_path: Path) -> None:
    """A made password works, a taken name is refused, secrets are in files of their owner only."""
    dsn = databases.create()
    where = {"FAREBOX_DATABASE_URL": dsn, "FAREBOX_DATA_DIR": str(tmp_path)}
    made = farebox("pbx", "bootstrap", "chief", **where)
    assert 0 == made.returncode, made.stderr
    password = made.stdout.split("password ")[1].strip()
    again = farebox("pbx", "bootstrap", "CHIEF", "--password-stdin", stdin="x" * 8, **where)
    assert (1, "there is a user CHIEF already" in again.stderr) == (again.returncode, True)
    async with opened(dsn, tmp_path, SettableClock()) as api:
        headers = authorization(f"chief:{password}")
        answer = await api.client.get("/pbx/admin/tenants", headers=headers)
        assert ["2", "80"] == [row["te_id"] for row in answer.json()["data"]]
    done = farebox(
        "pbx", "export-asterisk", str(tmp_path / "out"), "--tenant", "adviceWISE", **where
    )
    assert 0 == done.returncode, done.stderr
    lines = tmp_path / "out" / "pjsip_farebox.conf"
    assert 0o600 == lines.stat().st_mode & 0o777
    assert "[100-AdviceWise]\n" in lines.read_text()
    assert "251-UniglobeDorval" not in lines.read_text()
    databases.drop(dsn)
