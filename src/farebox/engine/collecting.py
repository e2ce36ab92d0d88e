"""Money collected at the door: who collects from whom, what was taken, who approved it
(isp.md E21 to E25, E27, E39).

A balance is the sum of the ledger. Taking money changes nothing in it: only an approval does, in
one transaction with the collection's own state, and a unique index of the ledger makes a second
credit for one collection impossible. Of a card only the last four digits are ever kept.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from farebox.domain import thousandths
from farebox.domain.errors import ConflictError, NotFoundError
from farebox.domain.windows import local_day_start
from farebox.engine.areas import AREA, require
from farebox.engine.credentials import Account
from farebox.engine.holding import hold
from farebox.engine.subscribers import not_found
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
CASH: Final = "cashCollected"
PAID: Final = "alreadyPaid"
# Places of lists that are no area.
EVERYWHERE: Final = -1
NOWHERE: Final = 0


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A visit to a subscriber and what it brought."""

    amount: int
    outcome: str
    method: str | None = None
    bank: str | None = None
    cheque_number: str | None = None
    cheque_day: date | None = None
    card_last4: str | None = None
    card_expiration: str | None = None
    notes: str = ""
    admin: int | None = None


class Collecting:
    """Assignments, visits, approvals."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def areas(self, account: str, admin: int | None, area: int | None) -> list[int]:
        """The places that a list goes through: all, or just one; NotFoundError of what is named."""
        async with storage_errors():
            if admin is not None:
                await require_admin(self._pool, account, admin)
            if area is not None:
                await require(self._pool, account, AREA, area)
                return [area]
            return [row["id"] for row in await self._pool.fetch(SQL.areas, account)] + [NOWHERE]

    async def assigned(
        self, account: str, admin: int, owing: bool, place: int, after: int, most: int
    ) -> list[Any]:
        """Those a collector collects from, by id, with their balances."""
        asked = (account, admin, owing, after, most)
        return await self._at(place, SQL.assigned, SQL.assigned_in, *asked)

    async def pending(
        self, account: Account, days: tuple[date | None, date | None], admin: int | None,
        place: int, after: int, most: int,
    ) -> list[Any]:  # fmt: skip
        """Collections that wait for approval, by id, those made on some days by somebody."""
        asked = (account.id, *span_of(account, days), admin, after, most)
        return await self._at(place, SQL.pending, SQL.pending_in, *asked)

    async def _at(self, place: int, everywhere: str, within: str, *asked: Any) -> list[Any]:
        async with storage_errors():
            if place == EVERYWHERE:
                return list(await self._pool.fetch(everywhere, *asked))
            return list(await self._pool.fetch(within, *asked, place))

    async def assign(self, account: str, subscribers: Sequence[int], admin: int) -> None:
        """Gives subscribers to a collector: all of them or none."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(SQL.present, account, list(subscribers))
            missing = set(subscribers) - {row["id"] for row in rows}
            if missing:
                raise not_found(next(one for one in subscribers if one in missing))
            await require_admin(connection, account, admin)
            await connection.execute(SQL.assign, list(subscribers), admin, self._clock())

    async def requests(
        self, account: str, subscriber: int | None, span: tuple[int | None, int | None],
        after: int, most: int,
    ) -> list[Any]:  # fmt: skip
        """Who wants to be visited, by id, those who asked in a span."""
        async with storage_errors():
            return list(
                await self._pool.fetch(SQL.requests, account, subscriber, *span, after, most)
            )

    async def ask(self, account: str, subscriber: int, bring_change_for: str) -> None:
        """A subscriber wants to be visited; asked again, only the change to bring is new."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, subscriber, now_ms)
            await connection.execute(SQL.ask, subscriber, bring_change_for, now_ms)

    async def collect(self, account: Account, subscriber: int, payment: Payment) -> int:
        """Writes a visit down; its id. What was taken waits for approval unless that is given."""
        now_ms = self._clock()
        state = "pending" if payment.outcome == CASH else "visit"
        async with transaction(self._pool) as connection:
            await hold(connection, account.id, subscriber, now_ms)
            if payment.admin is not None:
                await require_admin(connection, account.id, payment.admin)
            number: int | None = await connection.fetchval(
                SQL.add, account.id, subscriber, payment.admin, payment.amount, payment.outcome,
                payment.method, payment.bank, payment.cheque_number, payment.cheque_day,
                payment.card_last4, payment.card_expiration, payment.notes, state, now_ms,
            )  # fmt: skip
            if number is None:
                raise ConflictError("This cheque was collected before", "duplicate_cheque")
            if payment.outcome == PAID:
                await connection.execute(SQL.close_request, subscriber)
            if account.collection_auto_approve and state == "pending":
                await self._credit(connection, subscriber, number, payment.amount, now_ms)
        return number

    async def approve(self, account: str, subscriber: int, number: int, amount: int) -> None:
        """Credits what was taken, once."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, subscriber, now_ms, deleted_too=True)
            recorded = await self._pending_amount(connection, subscriber, number)
            if amount != recorded:
                raise ConflictError(
                    f"amount must be {thousandths.text(recorded)}", "amount_mismatch"
                )
            await self._credit(connection, subscriber, number, amount, now_ms)

    async def disapprove(self, account: str, subscriber: int, number: int) -> None:
        """Sets aside what was said to be taken; no money moves."""
        async with transaction(self._pool) as connection:
            await hold(connection, account, subscriber, self._clock(), deleted_too=True)
            await self._pending_amount(connection, subscriber, number)
            await connection.execute(SQL.settle, number, "disapproved")

    async def _pending_amount(self, connection: Connection, subscriber: int, number: int) -> int:
        row = await connection.fetchrow(SQL.find, number, subscriber)
        if row is None or row["state"] == "visit":
            raise NotFoundError(f"Collection {number} not found", "collection_not_found")
        if row["state"] != "pending":
            raise ConflictError(f"Collection {number} is {row['state']}", f"already_{row['state']}")
        amount: int = row["amount_thousandths"]
        return amount

    async def _credit(
        self, connection: Connection, subscriber: int, number: int, amount: int, now_ms: int
    ) -> None:
        await connection.execute(SQL.settle, number, "approved")
        reference = f"collection:{number}"
        await connection.execute(SQL.credit, subscriber, -amount, reference, now_ms)
        await connection.execute(SQL.close_request, subscriber)


async def require_admin(connection: Connection | Pool, account: str, admin: int) -> None:
    """NotFoundError unless the account, or one above it, has this collector."""
    if not await connection.fetchval(SQL.find_admin, admin, account):
        raise NotFoundError(f"Admin {admin} not found", "admin_not_found")


def span_of(
    account: Account, days: tuple[date | None, date | None]
) -> tuple[int | None, int | None]:
    """Whole days of the account's calendar as instants, open where a day is missing."""
    first, last = days
    start_ms = None if first is None else local_day_start(account.time_zone, first)
    end = None if last is None else last + timedelta(days=1)
    return start_ms, None if end is None else local_day_start(account.time_zone, end)
