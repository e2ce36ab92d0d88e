"""All secrets of the provider are sealed again with a new key, and nothing else changes."""

from typing import Any

from farebox.demo_provider import load_provider
from farebox.engine.passwords_kept import unseal
from farebox.engine.provider import PURPOSE
from farebox.engine.rotating import Rotated, rotate
from farebox.engine.sealing import Sealer
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

OLD, NEW = {"old": "an old secret of a ring of keys"}, {"new": "a new secret of a ring of keys"}
SEALED = (
    ("subscriber", "password_sealed"), ("nas", "secret_sealed"), ("radius_server", "secret_sealed"),
    ("notification", "secrets_sealed"), ("sms_gateway", "sealed"), ("smtp_server", "sealed"),
    ("credential", "key_sealed"),
)  # fmt: skip


async def sealed(pool: Pool) -> list[bytes]:
    """Every secret that is there."""
    found: list[Any] = []
    for table, column in SEALED:
        found += await pool.fetch(
            f"select {column} from isp.{table} where {column} is not null order by 1"
        )
    return [row[0] for row in found]


async def test_every_secret_is_sealed_again(pool: Pool, clock: SettableClock) -> None:
    """Once; what the ring cannot open is counted and left, and the new key opens the rest alone."""
    await load_provider(pool, clock, OLD)
    before = await sealed(pool)
    assert Rotated(sealed=0, lost=0) == await rotate(pool, OLD, PURPOSE)
    assert Rotated(sealed=0, lost=len(before)) == await rotate(pool, NEW, PURPOSE)
    assert before == await sealed(pool)
    seen: list[int] = []
    told = await rotate(pool, NEW | OLD, PURPOSE, seen.append)
    assert Rotated(sealed=len(before), lost=0) == told
    assert len(before) == sum(seen)
    assert all(secret.startswith(b"\x03new") for secret in await sealed(pool))
    row = await pool.fetchrow(
        "select id, account, password_sealed from isp.subscriber where id = 1"
    )
    assert "test2" == unseal(Sealer(NEW, PURPOSE), row["account"], "password", 1, row[2])
    assert Rotated(sealed=0, lost=0) == await rotate(pool, NEW, PURPOSE)
