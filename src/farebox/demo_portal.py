"""The demonstration's IPTV portal: the fixture of iptv.md 5.

`load_portal` writes it into an empty schema and changes nothing where its accounts already are; it
refuses a database that holds anybody else's users, because the passwords are public.
"""

from typing import Final

from farebox.domain.errors import ConflictError
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
PASSWORDS: Final = {"stalker": "pass", "billing": "pass2"}


async def load_portal(pool: Pool, now_ms: int) -> None:
    """Writes the fixture once; ConflictError where the database holds other users."""
    async with transaction(pool) as connection:
        known = {row["login"] for row in await connection.fetch(SQL.users)}
        if known - PASSWORDS.keys():
            raise ConflictError(
                "this database holds users of its own; the demonstration has public passwords",
                code="not_empty",
            )
        if known:
            return
        await connection.execute(SQL.add_users, now_ms)
        await connection.execute(SQL.add_tariffs)
        await connection.execute(SQL.add_packages)
        await connection.execute(SQL.add_tariff_packages)
        await connection.execute(SQL.add_channels)
        await connection.execute(SQL.add_accounts, now_ms)
        await connection.execute(SQL.move_sequences)
