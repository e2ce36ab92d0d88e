"""Applies the numbered migrations, forward only, each in a transaction of its own.

A ledger in the database holds number, name and checksum of everything applied. A migration that was
changed or has disappeared since, or that would have to go in before one already applied, is refused
before anything runs. Migrators that start together wait for each other and the later ones find
nothing to do. There is no way back: a mistake is corrected by the next number.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec

from farebox.storage.pool import Connection, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
MIGRATIONS = Path(__file__).with_name("migrations")

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+")


class MigrationError(Exception):
    """The migrations on disk and those in the database do not belong together."""


class Migration(msgspec.Struct, frozen=True):
    """One file of the migrations folder."""

    number: int
    name: str
    sha256: str
    text: str


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing and return the names of the migrations applied now."""
    migrations = read_migrations(folder)
    async with storage_errors():
        same_for_everybody = {"application_name": "farebox", "search_path": "public"}
        connection = await asyncpg.connect(dsn, server_settings=same_for_everybody)
        try:
            return await _migrate(connection, migrations)
        finally:
            await connection.close()


def read_migrations(folder: Path) -> list[Migration]:
    """Read all migrations in order of their numbers; MigrationError on a bad or doubled name."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.stem)
        if match is None:
            raise MigrationError(f"{path.name}: expected a name like 0001_subject.sql")
        number = int(match[1])
        if number in found:
            raise MigrationError(f"{path.name}: {found[number].name} has the same number")
        text = path.read_text(encoding="utf-8")
        # Line ends are normalised on reading, so a checkout's habits do not change the checksum.
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        found[number] = Migration(number, path.stem, sha256, text)
    return list(found.values())


async def _migrate(connection: Connection, migrations: Sequence[Migration]) -> list[str]:
    await connection.execute(SQL.no_time_limit)
    await connection.execute(SQL.lock)
    await connection.execute(SQL.create_ledger)
    applied = {row["number"]: row for row in await connection.fetch(SQL.applied)}
    missing = [m for m in migrations if m.number not in applied]
    _check(migrations, list(applied.values()), missing)
    for migration in missing:
        await connection.execute(SQL.reset_settings)
        await connection.execute(SQL.no_time_limit)
        async with connection.transaction():
            await connection.execute(migration.text)
            await connection.execute(SQL.record, migration.number, migration.name, migration.sha256)
    return [migration.name for migration in missing]


def _check(
    migrations: Sequence[Migration],
    applied: Sequence[asyncpg.Record],
    missing: Sequence[Migration],
) -> None:
    known = {migration.number: migration for migration in migrations}
    for row in applied:
        migration = known.get(row["number"])
        if migration is None:
            raise MigrationError(
                f"{row['name']} was applied to this database, but this version does not have it;"
                " run the version that made the database, or a later one"
            )
        if migration.sha256 != row["sha256"]:
            raise MigrationError(
                f"{migration.name} has changed since it was applied to this database:"
                f" expected checksum {row['sha256'][:12]}, found {migration.sha256[:12]}"
            )
    highest = max((row["number"] for row in applied), default=0)
    for migration in missing:
        if migration.number < highest:
            raise MigrationError(
                f"{migration.name} cannot be applied: number {highest:04d} was applied before it;"
                " give it a higher number"
            )
