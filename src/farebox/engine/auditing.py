"""The provider's audit log: who did what to whom, and how it ended (isp.md 1.2, 4.9).

Values of arguments are never written, only the target's id. Entries are written in the caller's
transaction where there is one.
"""

from collections.abc import Callable
from typing import Any

from farebox.engine.credentials import Account, Caller
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Audit:
    """Writes and reads entries."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def note(
        self, caller: Caller, account: Account, client: str, operation: str, target: str,
        outcome: str,
    ) -> None:  # fmt: skip
        """One entry."""
        async with storage_errors():
            await self._pool.execute(
                SQL.note, account.id, caller.token, client, operation, target, outcome,
                self._clock(),
            )  # fmt: skip

    async def list(
        self, account: str, subscriber: int | None, span: tuple[int | None, int | None],
        after: int, most: int,
    ) -> list[Any]:  # fmt: skip
        """Entries of an account after an id, about one subscriber or all, of a span."""
        target = None if subscriber is None else str(subscriber)
        async with storage_errors():
            return list(await self._pool.fetch(SQL.list, account, target, *span, after, most))
