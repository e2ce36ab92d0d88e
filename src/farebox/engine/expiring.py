"""Who has expired is written down, and his sessions ended where that is wanted (isp.md 2.1, 2.2).

Whether somebody has expired follows from the clock alone: no answer depends on this job. It settles
the figures under the old status first, as every change of an input does, and leaves alone when a
subscriber was last changed, because nobody has changed him. Of several processes each takes others.
"""

from collections.abc import Callable
from typing import Final

from farebox.engine.metering import BANDWIDTH, VENDOR, read, write
from farebox.engine.switching import END
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWEEP_S: Final = 30.0
# Subscribers of a transaction, and of a sweep: the others have to wait for the next one.
LOT: Final = 200
SWEPT_MAX: Final = 20_000


class Expiries:
    """Sweeps."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def sweep(self) -> int:
        """Everybody who has expired since; how many that were."""
        swept, lot = 0, LOT
        while lot == LOT and swept < SWEPT_MAX:
            lot = await self._lot()
            swept += lot
        return swept

    async def _lot(self) -> int:
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(SQL.take, now_ms, LOT)
            numbers = [row["id"] for row in rows]
            if not numbers:
                return 0
            for kind in (BANDWIDTH, VENDOR):
                meters = await read(connection, numbers, now_ms, kind)
                tallies = {number: meter.tally for number, meter in meters.items()}
                await write(connection, kind, tallies, now_ms)
            await connection.execute(SQL.expire, numbers)
            ended = [row["id"] for row in rows if row["after_action"] == "suspend"]
            await connection.execute(SQL.end, ended, END, now_ms)
        return len(numbers)
