"""How long subscribers may use the network, and the book of every extension (isp.md E14, E35).

An extension counts whole days of the subscriber's calendar and keeps the wall time; who has expired
is extended from now. Every change of group or expiry leaves a line in the book.
"""

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any, Final

from farebox.domain import wall_clocks
from farebox.domain.errors import ConflictError
from farebox.engine.collecting import span_of
from farebox.engine.credentials import Account
from farebox.engine.holding import hold
from farebox.engine.metering import settle
from farebox.engine.subscribers import Subscribers
from farebox.storage.pool import Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
ADDITION, RENEWAL, MOVE, GRACE = "1", "2", "3", "4"
BY_API: Final = "API"


class Renewals:
    """Extends, and reads the book."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def grace(self, account: str, number: int, days: int, base: date | None) -> None:
        """So many days more, from the expiry or from a given date at the expiry's wall time."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            row = await hold(connection, account, number, now_ms)
            zone, expires_ms = row["zone"], row["expires_at_ms"]
            if expires_ms is None and base is None:
                raise ConflictError(f"User {number} does not expire", "no_expiry")
            start_ms = expires_ms
            if base is not None:
                at = time() if expires_ms is None else wall_clocks.local(expires_ms, zone).time()
                start_ms = wall_clocks.instant(datetime.combine(base, at), zone)
            start_ms = max(start_ms, now_ms)
            end_ms = wall_clocks.plus_days(start_ms, days, zone)
            # What he used until now was used under the old expiry.
            await settle(connection, number, now_ms)
            await connection.execute(SQL.extend, number, end_ms, now_ms)
            await connection.execute(
                SQL.add, account, number, BY_API, f"{days} days", GRACE, row["user_group"],
                row["user_group"], wall_clocks.day_of(start_ms, zone),
                wall_clocks.day_of(end_ms, zone), "grace period", now_ms,
            )  # fmt: skip

    async def list(
        self, account: Account, number: int | None, days: tuple[date | None, date | None],
        after: int, most: int,
    ) -> list[Any]:  # fmt: skip
        """Lines of the book after an id, of one subscriber or of all, written on some days."""
        if number is not None:
            await Subscribers(self._pool, self._clock).get(account.id, number)
        start_ms, end_ms = span_of(account, days)
        async with storage_errors():
            rows = await self._pool.fetch(
                SQL.list, account.id, number, start_ms, end_ms, after, most
            )
        return list(rows)
