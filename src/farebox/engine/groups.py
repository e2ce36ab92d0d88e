"""Groups of subscribers with their counts (isp.md E5, E29)."""

from collections.abc import Callable
from typing import Any

from farebox.domain.errors import NotFoundError
from farebox.engine.subscribers import SILENCE_MS
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Groups:
    """Reads groups."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def list(self, account: str, only: int | None = None) -> list[Any]:
        """All groups of an account, or one; NotFoundError when that one is not there."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.list, self._clock(), account, only, SILENCE_MS)
        if only is not None and not rows:
            raise NotFoundError(f"Group {only} not found", "group_not_found")
        return list(rows)
