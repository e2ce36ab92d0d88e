"""Begins shifts; the one open at a location ends where the next starts (vending-platform.md 4.9).

A lease keeps callers of one location in a row without holding connections; the location's row
decides. Whoever has had neither after five seconds is told that it is locked. First and last sale
of a shift are kept up to date by whoever stores sales.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from farebox.domain.errors import ConflictError, UnavailableError
from farebox.locks import Leases, LeaseUnavailableError, Token
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
WAIT_S: Final = 5.0
_TURN_MS: Final = 10_000
_LOOK_S: Final = 0.02


class Shifts:
    """Opens shifts, one after the other at each location."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        leases: Leases,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wait_s: float = WAIT_S,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._leases = leases
        self._monotonic = monotonic
        self._wait_s = wait_s

    @asynccontextmanager
    async def turn(self, location: int) -> AsyncIterator[float]:
        """Wait for one's turn at a location; gives the moment at which waiting must end.

        Raises ConflictError (locked).
        """
        ends_at = self._monotonic() + self._wait_s
        token = await self._take(f"shift:{location}", ends_at)
        try:
            yield ends_at
        finally:
            await self._give_back(token)

    async def begin(self, location: int, ends_at: float) -> int:
        """Close what is open at a location and open the next shift; gives its id.

        Raises ConflictError (locked) when the location's row cannot be had in time.
        """
        wait_ms = max(round((ends_at - self._monotonic()) * 1000), 1)
        try:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.be_patient, str(wait_ms))
                held = await connection.fetchrow(SQL.hold, location)
                # Read after the lock, and never before the shift that ends now.
                now_ms = max(self._clock(), held["created_at_ms"] or 0)
                before = held["active_shift"]
                if before is not None:
                    await connection.execute(SQL.close, before, now_ms)
                key: int = await connection.fetchval(SQL.open, location, before, now_ms)
                await connection.execute(SQL.note_open, location, key)
                return key
        except UnavailableError as error:
            if error.code == "busy":
                raise _locked() from error
            raise

    async def _take(self, name: str, ends_at: float) -> Token | None:
        try:
            while True:
                token = await self._leases.acquire(name, _TURN_MS)
                if token is not None:
                    return token
                if self._monotonic() >= ends_at:
                    raise _locked()
                await asyncio.sleep(_LOOK_S)
        except LeaseUnavailableError:
            # The row alone keeps the order; only connections wait longer.
            return None

    async def _give_back(self, token: Token | None) -> None:
        try:
            if token is not None:
                await self._leases.release(token)
        except LeaseUnavailableError:
            pass


def _locked() -> ConflictError:
    return ConflictError("Another shift is just beginning at this location", "locked")
