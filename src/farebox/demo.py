"""A demonstration: people, places and machines whose names and passwords the documentation shows.

`load_fixture` writes the fixture of vending-platform.md 5 and changes nothing where it already is.
It refuses a database that holds other people's data, because its passwords are public.
"""

from typing import Final

from farebox.domain.errors import ConflictError
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)

PASSWORDS: Final = {"root": "root horse 99", "nora": "correct horse 9", "sam": "battery staple 9"}
DEVICE: Final = "gw-0080"
DEVICE_KEY: Final = "demo-device-key"


async def load_fixture(pool: Pool, now_ms: int) -> None:
    """Writes the fixture; ConflictError where the database holds anybody else's data."""
    async with transaction(pool) as connection:
        if await connection.fetchval(SQL.holds_other_data):
            raise ConflictError(
                "this database holds data of its own; the demonstration has public passwords and"
                " is only loaded into an empty one",
                code="not_empty",
            )
        for statement in (
            SQL.insert_groups,
            SQL.insert_language,
            SQL.insert_users,
            SQL.insert_locations,
            SQL.insert_location_group,
            SQL.insert_machines,
            SQL.insert_device_key,
        ):
            await connection.execute(statement, now_ms)
        await connection.execute(SQL.insert_location_group_members)
        await connection.execute(SQL.move_sequences)
