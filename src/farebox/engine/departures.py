"""What is taken from subscribers: status, addresses, at last themselves (isp.md E12, E34, 2.2).

Whoever is deleted no longer exists for any call, and his name is free; his row and his history
stay. What waits for approval stays too unless the caller clears it, which also brings his balance
to nothing.
"""

from collections.abc import Callable
from typing import Final

from farebox.domain.errors import ConflictError, NotFoundError
from farebox.engine.holding import hold
from farebox.engine.metering import settle
from farebox.engine.switching import end
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)

_ENDS: Final = ("suspended", "blocked", "blacklisted", "terminated")
# From which status to which; the other arrows are those of documented operations.
TURNS: Final = {
    "pending": ("active", "rejected"),
    "pending-approval": ("active", "rejected"),
    "active": _ENDS,
    "suspended": ("active",),
    "blocked": ("active",),
    "blacklisted": ("active",),
}


class Departures:
    """Releases and deletes."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def release(self, account: str, number: int, index: int, what: str) -> None:
        """Takes the address (`ip`), the `mac` or `both` from the row at an index, from 0."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            row = await connection.fetchval(SQL.address_at, number, index)
            if row is None:
                raise NotFoundError(f"There is no row {index}", "row_not_found")
            takes_ip, takes_mac = what in ("ip", "both"), what in ("mac", "both")
            # A row of nothing may not exist, so that one goes first.
            await connection.execute(SQL.drop_address, row, takes_ip, takes_mac)
            if await connection.fetchval(SQL.strip_address, row, takes_ip, takes_mac):
                await connection.execute(SQL.touch, number, now_ms)

    async def turn(self, account: str, number: int, status: str) -> None:
        """Another status, along the arrows of isp.md 2.2."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            row = await hold(connection, account, number, now_ms)
            if status not in TURNS.get(row["effective"], ()):
                raise ConflictError(
                    f"User {number} is {row['effective']} and cannot become {status}",
                    "invalid_status",
                )
            await settle(connection, number, now_ms)
            await connection.execute(SQL.turn, number, status, now_ms)
            if status in _ENDS:
                await end(connection, number, now_ms)

    async def delete(self, account: str, number: int, *, clears: bool) -> None:
        """The end of a subscriber, and of his sessions once that is committed."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            await settle(connection, number, now_ms)
            await connection.execute(SQL.delete, number, now_ms)
            await end(connection, number, now_ms)
            for statement in (
                SQL.forget_addresses,
                SQL.forget_location,
                SQL.forget_overrides,
                SQL.forget_assignment,
                SQL.forget_request,
                SQL.cancel_moves,
            ):
                await connection.execute(statement, number)
            if clears:
                await connection.execute(SQL.disapprove, number)
                await connection.execute(SQL.balance, number, now_ms)
