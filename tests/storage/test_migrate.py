"""Migrations: forward only, once, unchanged, alone; on every PostgreSQL of this machine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from farebox.storage.embedded import EmbeddedServer, Installation, installations
from farebox.storage.embedded.installation import examine
from farebox.storage.migrate import MIGRATIONS, MigrationError, migrate, read_migrations
from tests.servers import quick_folder

NAMES = [migration.name for migration in read_migrations(MIGRATIONS)]


def system_installations() -> list[Installation]:
    """What the operating system brings, where the distribution puts it."""
    return [examine(path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin")]


OTHERS = [one for one in [*installations()[1:], *system_installations()] if one.version >= (15, 0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two small migrations."""
    (tmp_path / "0001_first.sql").write_text("create schema farebox; create table first (n int);")
    (tmp_path / "0003_third.sql").write_text("create table third (n int);")
    return tmp_path


async def tables(dsn: str) -> list[str]:
    """The tables that the small migrations made."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "select tablename from pg_tables where schemaname = 'public' order by 1"
    )
    await connection.close()
    return [row["tablename"] for row in rows if row["tablename"] != "farebox_migration"]


async def test_from_empty_and_again(empty_database: str) -> None:
    """All shipped migrations apply to an empty database; a second run does nothing."""
    assert await migrate(empty_database) == NAMES
    assert await migrate(empty_database) == []


async def test_the_fixture_is_migrated(database: str) -> None:
    """The databases of tests hold every migration."""
    assert await migrate(database) == []


async def test_migrators_wait_for_each_other(empty_database: str) -> None:
    """Of five that start together one applies everything, the others find nothing to do."""
    answers = await asyncio.gather(*(migrate(empty_database) for _ in range(5)))
    assert [[], [], [], [], NAMES] == sorted(answers)


async def test_new_migrations_follow(empty_database: str, folder: Path) -> None:
    """What was added since is applied, in order, after what was there."""
    assert await migrate(empty_database, folder) == ["0001_first", "0003_third"]
    (folder / "0010_tenth.sql").write_text("create table tenth (n int);")
    (folder / "0009_ninth.sql").write_text("create table ninth (n int);")
    assert await migrate(empty_database, folder) == ["0009_ninth", "0010_tenth"]
    assert await tables(empty_database) == ["first", "ninth", "tenth", "third"]


async def test_a_failing_migration_leaves_nothing(empty_database: str, folder: Path) -> None:
    """A migration that fails half-way is undone; those before it stay applied."""
    bad = folder / "0004_bad.sql"
    bad.write_text("create table fourth (n int); select 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database, folder)
    assert await tables(empty_database) == ["first", "third"]
    bad.write_text("create table fourth (n int);")
    assert await migrate(empty_database, folder) == ["0004_bad"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0003_third.sql", "create table other (n int);"), "0003_third has changed since"),
        (("0003_third.sql", None), "0003_third was applied to this database, but this version"),
        (("0002_second.sql", "select 1;"), "0002_second cannot be applied: number 0003"),
    ],
)
async def test_history_cannot_be_rewritten(
    empty_database: str, folder: Path, change: tuple[str, str | None], message: str
) -> None:
    """A changed, missing or belated migration is refused before anything runs."""
    await migrate(empty_database, folder)
    name, text = change
    (folder / name).unlink() if text is None else (folder / name).write_text(text)
    (folder / "0009_ninth.sql").write_text("create table ninth (n int);")
    with pytest.raises(MigrationError, match=message):
        await migrate(empty_database, folder)
    assert await tables(empty_database) == ["first", "third"]


async def test_line_ends_do_not_count(empty_database: str, folder: Path) -> None:
    """A checkout with other line ends has the same checksums."""
    (folder / "0003_third.sql").write_bytes(b"create table\n  third (n int);\n")
    await migrate(empty_database, folder)
    (folder / "0003_third.sql").write_bytes(b"create table\r\n  third (n int);\r\n")
    assert await migrate(empty_database, folder) == []


async def test_settings_do_not_leak(empty_database: str, folder: Path) -> None:
    """What one migration sets is forgotten before the next one."""
    (folder / "0003_third.sql").write_text(
        "set search_path = farebox; create table inner_third (n int);"
    )
    (folder / "0004_fourth.sql").write_text("create table fourth (n int);")
    await migrate(empty_database, folder)
    assert await tables(empty_database) == ["first", "fourth"]


@pytest.mark.parametrize("name", ["first.sql", "1_first.sql", "0002-second.sql", "0001_again.sql"])
def test_names_are_checked(folder: Path, name: str) -> None:
    """A file whose name has no number, another form or a number that is taken is refused."""
    (folder / name).write_text("select 1")
    with pytest.raises(MigrationError, match=r"expected a name|has the same number"):
        read_migrations(folder)


@pytest.fixture(params=OTHERS, ids=[f"{one.version[0]}.{one.version[1]}" for one in OTHERS])
def other_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each other PostgreSQL from 15 on that this machine has."""
    with (
        quick_folder("farebox-other-") as folder,
        EmbeddedServer(folder / "data", installed=request.param, durable=False) as server,
    ):
        yield server.dsn


async def test_other_versions_of_postgresql(other_server: str) -> None:
    """The schema needs nothing that only the newest PostgreSQL has."""
    assert await migrate(other_server) == NAMES
    assert await migrate(other_server) == []
