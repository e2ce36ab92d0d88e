"""Groups of subscribers with their counts (isp.md E5, E29)."""

from collections.abc import Callable, Sequence
from typing import Any

from farebox.domain.errors import NotFoundError
from farebox.engine.subscribers import SQL as SUBSCRIBERS
from farebox.engine.subscribers import thoroughly
from farebox.storage.pool import Pool
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Groups:
    """Reads groups."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def list(self, account: str, only: Sequence[int] | None = None) -> list[Any]:
        """All groups of an account, or those of some ids."""
        async with thoroughly(self._pool) as connection:
            silence_ms = await connection.fetchval(SUBSCRIBERS.silence, account)
            return list(await connection.fetch(SQL.list, self._clock(), account, only, silence_ms))

    async def one(self, account: str, number: int) -> Any:
        """A group; NotFoundError when it is not there."""
        rows = await self.list(account, [number])
        if not rows:
            raise NotFoundError(f"Group {number} not found", "group_not_found")
        return rows[0]
