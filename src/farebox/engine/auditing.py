"""The provider's audit log: who did what to whom, and how it ended (isp.md 1.2).

Values of arguments are never written, only the target's id. Entries are written in the caller's
transaction where there is one.
"""

from collections.abc import Callable

from farebox.engine.credentials import Account, Caller
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Audit:
    """Writes entries."""

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
