"""Commands for devices: queued here, fetched by them, over in a day (vending-platform.md 4.6).

Which commands there are is a setting; none of them is ever run on a server.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from farebox.domain.errors import ConflictError
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
LIFE_MS: Final = 86_400_000
EXPIRE_S: Final = 60.0


class Commands:
    """Queues, cancels and ends commands."""

    def __init__(self, pool: Pool, clock: Callable[[], int], names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._pool = pool
        self._clock = clock

    async def queue(
        self, connection: Connection, machines: Sequence[int], command: str, params: list[Any]
    ) -> list[int]:
        """One command for each of the machines; gives their ids."""
        rows = await connection.fetch(SQL.queue, machines, command, params, self._clock(), LIFE_MS)
        return [row["id"] for row in rows]

    async def cancel(self, connection: Connection, command: int) -> None:
        """Take a command back. ConflictError (in_use) once a device has it or it is over."""
        if not await connection.fetchval(SQL.cancel, command, self._clock()):
            raise ConflictError("Only a queued command can be cancelled", "in_use")

    async def expire(self) -> str:
        """End the commands whose day is over."""
        async with storage_errors():
            done: str = await self._pool.execute(SQL.expire, self._clock())
        return done
