"""Puts months of calls that are over in the order in which they are asked for (pbx.md 3.10).

Afterwards a tenant's calls of a month lie beside each other, and a history reads a few pages of the
disk instead of one for nearly every call. The month is used as ever while it is copied; only when
the copy takes its place does everybody wait for a moment, and if nobody lets go of the calls for
long enough, the month stays as it is until the next time. Nothing changes but where calls lie.

Calls that come for a month afterwards stand at its end. A small month is left alone, and so is the
default partition.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from farebox.domain.errors import UnavailableError
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
PAUSE_S: Final = 300.0
# Calls are told of when they have ended, and some exchanges tell of a whole day at once.
REST_MS: Final = 2 * 86_400_000
# What is smaller stays in memory anyway.
LEAST_BYTES: Final = 64 << 20
_TRIES: Final = 10
_TRY_S: Final = 1.0
_log = structlog.get_logger("farebox.calls")


class CallMonths:
    """Looks for months that are over, one after the other."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], least_bytes: int = LEAST_BYTES,
        tries: int = _TRIES,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._least_bytes = least_bytes
        self._tries = tries

    async def run(self) -> None:
        """Puts a month in order every few minutes while there is one, for ever."""
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                part = await self.put_next()
            except UnavailableError as error:
                _log.warning("calls.unordered", error=error.message)
            except Exception as error:  # noqa: BLE001 - one defect must not end it for all months
                _log.error("calls.failed", exc_info=error)
            else:
                if part:
                    _log.info("calls.ordered", month=part)

    async def put_next(self) -> str | None:
        """Puts the latest month that needs it in order, and names it.

        None where there is none, or another process is at work. UnavailableError where nobody let
        go of the calls.
        """
        async with storage_errors(), self._pool.acquire() as connection:
            # The lock is the connection's: without it nothing can be put in a month's place.
            if not await connection.fetchval(SQL.try_alone):
                return None
            try:
                month = await connection.fetchrow(
                    SQL.next, self._clock() - REST_MS, self._least_bytes
                )
                if month is not None:
                    await self._begin(connection, month)
                    await self._fill(connection, month)
                    await self._use(connection, month)
            finally:
                await connection.execute(SQL.end_alone)
        return month and str(month["part"])

    async def _begin(self, connection: Connection, month: Any) -> None:
        async with connection.transaction():
            await connection.execute(SQL.be_brief)
            await connection.execute(SQL.begin, *month)

    async def _fill(self, connection: Connection, month: Any) -> None:
        # In a later transaction than the beginning: whatever it does not see is noted.
        async with connection.transaction():
            await connection.execute(SQL.be_patient)
            await connection.execute(SQL.fill, month["part"])

    async def _use(self, connection: Connection, month: Any) -> None:
        for left in reversed(range(self._tries)):
            try:
                async with storage_errors(), connection.transaction():
                    await connection.execute(SQL.be_brief)
                    await connection.execute(SQL.use, *month, self._clock())
                    return
            except UnavailableError as error:
                if error.code != "busy" or not left:
                    raise
                await asyncio.sleep(_TRY_S)
