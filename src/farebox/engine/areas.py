"""Areas, their streets, and the buildings in them: where money is collected (isp.md E15 to E20).

Names are compared without regard to case and surrounding spaces, each within the place above. A
place of another account does not exist.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from farebox.domain.errors import ConflictError, NotFoundError
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)


@dataclass(frozen=True)
class Level:
    """One kind of place: its name, the level above, its statements."""

    name: str
    above: "Level | None"
    find: str
    list: str
    add: str
    edit: str
    is_taken: str


AREA: Final = Level(
    "area", None, SQL.find_area, SQL.list_areas, SQL.add_area, SQL.edit_area, SQL.is_area_taken
)
STREET: Final = Level(
    "street", AREA, SQL.find_street, SQL.list_streets, SQL.add_street, SQL.edit_street,
    SQL.is_street_taken,
)  # fmt: skip
BLOCK: Final = Level(
    "block", STREET, SQL.find_block, SQL.list_blocks, SQL.add_block, SQL.edit_block,
    SQL.is_block_taken,
)  # fmt: skip


class Areas:
    """Lists, adds and renames places."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def list(
        self, account: str, level: Level, above: int | None, after: int, most: int
    ) -> list[Any]:
        """Places after an id, those of one place above if it is given."""
        async with storage_errors():
            if level.above is None:
                return list(await self._pool.fetch(level.list, account, after, most))
            if above is not None:
                await require(self._pool, account, level.above, above)
            return list(await self._pool.fetch(level.list, account, after, most, above))

    async def save(
        self, account: str, level: Level, name: str, above: int | None, number: int | None
    ) -> int:
        """Adds a place, or gives the one with this number another name and place above."""
        async with transaction(self._pool) as connection:
            if level.above is not None and above is not None:
                await require(connection, account, level.above, above)
            if number is not None:
                await require(connection, account, level, number)
            # Names of one account are given one after another.
            await connection.execute(SQL.hold_names, account)
            scope = account if above is None else above
            if await connection.fetchval(level.is_taken, scope, name, number):
                raise ConflictError(f"There is another {level.name} {name}", "duplicate_name")
            if number is None:
                added: int = await connection.fetchval(level.add, account, name, above)
                return added
            await connection.execute(level.edit, number, name, above)
            return number


async def require(connection: Connection | Pool, account: str, level: Level, number: int) -> None:
    """NotFoundError unless the account has this place."""
    if not await connection.fetchval(level.find, number, account):
        raise NotFoundError(f"{level.name.title()} {number} not found", f"{level.name}_not_found")
