"""More volume for a window, or less (isp.md 4.9): a top-up ends with the window it was given for.

The figures are settled before it counts, and the network is told if another speed follows.
"""

from collections.abc import Callable
from typing import Final

from farebox.domain.errors import InvalidError
from farebox.domain.quotas import BYTES_MAX
from farebox.engine.holding import hold
from farebox.engine.metering import BANDWIDTH, Meter, settle
from farebox.engine.switching import emit
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_MODE_WITHOUT: Final = "always"


class Topups:
    """Gives them."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def add(self, account: str, number: int, volume: int) -> Meter:
        """So many bytes more, or less; the figures that follow."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            before = (await settle(connection, number, now_ms))[BANDWIDTH]
            if before.policy.mode == _MODE_WITHOUT:
                raise InvalidError(f"User {number} has no quota", "invalid_argument")
            if abs(before.verdict.usage.topup + volume) > BYTES_MAX:
                raise InvalidError("bytes must leave a smaller sum", "invalid_argument")
            await connection.execute(SQL.add, number, BANDWIDTH, volume)
            after = await settle(connection, number, now_ms)
            await emit(connection, after, now_ms)
        return after[BANDWIDTH]
