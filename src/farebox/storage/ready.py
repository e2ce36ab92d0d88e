"""Whether the database can be reached and has every migration of this version; changes nothing."""

from farebox.storage.migrate import MIGRATIONS, read_migrations
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
_WANTED = frozenset(migration.name for migration in read_migrations(MIGRATIONS))


async def missing_migrations(pool: Pool) -> list[str]:
    """The migrations that were not applied yet; UnavailableError without a database."""
    async with storage_errors():
        applied = {row["name"] for row in await pool.fetch(SQL.applied)}
    return sorted(_WANTED - applied)
