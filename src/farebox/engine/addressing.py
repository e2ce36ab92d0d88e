"""What is said to whom: templates, contacts and tickets become messages (isp.md E32, E33, E38).

Nothing is written before everything is known to be there: subscriber, ticket, contact, a server to
send through. Recovered credentials go only to the contact that is stored.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from farebox.domain import notices, thousandths, wall_clocks
from farebox.domain.errors import ConflictError, NotFoundError
from farebox.engine.credentials import Account
from farebox.engine.limits import Limits
from farebox.engine.metering import Metering
from farebox.engine.notices import Beside, Notice, Notices
from farebox.engine.passwords_kept import KeptPasswords
from farebox.engine.subscribers import not_found, phone_key
from farebox.storage.pool import Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
RECOVERED_MAX: Final = 5
TEMPORARY: Final = "temporary"


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """Which template, and what the caller says beside it."""

    channel: str
    template: str
    usage: str | None = None
    ticket: int | None = None
    otp: str | None = None
    is_alternative: bool = False


class Addressing:
    """Words messages and has them sent."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], notices: Notices, metering: Metering,
        passwords: KeptPasswords, limits: Limits,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._notices = notices
        self._metering = metering
        self._passwords = passwords
        self._limits = limits

    async def tell(self, account: Account, number: int, wording: Wording, beside: Beside) -> str:
        """Sends one message at once; the contact it went to."""
        await self._notices.require(account.id, wording.channel)
        [row] = await self._rows(account.id, [number])
        ticket = await self._ticket(account.id, wording)
        if not _contact(row, wording):
            raise ConflictError(f"User {number} has no contact of this kind", "no_contact")
        notice = await self._worded(account, row, wording, ticket)
        await self._count([notice], wording.channel)
        await self._notices.send(account, wording.channel, notice, beside)
        return notice.recipient

    async def tell_many(
        self, account: Account, named: int, numbers: Sequence[int], wording: Wording,
        beside: Beside,
    ) -> int:  # fmt: skip
        """Has messages sent to all who have a contact; how many."""
        await self._notices.require(account.id, wording.channel)
        await self._rows(account.id, [named])
        rows = await self._rows(account.id, numbers)
        ticket = await self._ticket(account.id, wording)
        reached = [row for row in rows if _contact(row, wording)]
        if not reached:
            raise ConflictError("None of the users has a contact of this kind", "no_contact")
        worded = [await self._worded(account, row, wording, ticket) for row in reached]
        await self._count(worded, wording.channel)
        async with transaction(self._pool) as connection:
            for notice in worded:
                await self._notices.put(connection, account.id, wording.channel, notice)
            await beside(connection, len(worded))
        return len(worded)

    async def worded(self, account: Account, number: int, wording: Wording) -> Notice | None:
        """A message as it is said now, not written yet; None to somebody without a contact."""
        [row] = await self._rows(account.id, [number])
        return await self._worded(account, row, wording, "") if _contact(row, wording) else None

    async def recover(self, account: Account, by: str, contact: str) -> str:
        """Sends the credentials behind a contact to it; the contact as it is stored."""
        channel = "sms" if by == "phone" else "email"
        await self._notices.require(account.id, channel)
        key = phone_key(contact) if by == "phone" else contact.lower()
        await self._limits.take("recovery-contact", f"{account.id} {key}")
        statement = SQL.by_phone if by == "phone" else SQL.by_email
        async with storage_errors():
            rows = await self._pool.fetch(statement, account.id, key, RECOVERED_MAX)
        if not rows:
            raise not_found(contact)
        async with transaction(self._pool) as connection:
            known = {}
            for at, row in enumerate(rows):
                place = notices.password_place(at)
                if account.password_recovery == TEMPORARY:
                    known[place] = await self._passwords.generate(connection, account.id, row["id"])
                else:
                    known[place] = self._passwords.opened(
                        account.id, row["id"], row["password_sealed"]
                    )
        stored: str = rows[0][by]
        notice = Notice(
            subscriber=rows[0]["id"], recipient=stored, subject="Your credentials",
            content=notices.credentials([row["username"] for row in rows]), secrets=known,
        )  # fmt: skip
        await self._notices.send(account, channel, notice)
        return stored

    async def _count(self, worded: Sequence[Notice], channel: str) -> None:
        if channel == "sms":
            numbers = [phone_key(notice.recipient) for notice in worded]
            await self._limits.take_all("sms-number", numbers)

    async def _rows(self, account: str, numbers: Sequence[int]) -> list[Any]:
        async with storage_errors():
            rows = await self._pool.fetch(SQL.subscribers, account, list(numbers))
        missing = set(numbers) - {row["id"] for row in rows}
        if missing:
            raise not_found(next(one for one in numbers if one in missing))
        return list(rows)

    async def _ticket(self, account: str, wording: Wording) -> str:
        if wording.ticket is None:
            return ""
        async with storage_errors():
            if not await self._pool.fetchval(SQL.ticket, account, wording.ticket):
                raise NotFoundError(f"Ticket {wording.ticket} not found", "ticket_not_found")
        return str(wording.ticket)

    async def _worded(self, account: Account, row: Any, wording: Wording, ticket: str) -> Notice:
        subject, text = await self._notices.text(account.id, wording.channel, wording.template)
        known = {}
        if "{password}" in text:
            known["password"] = self._passwords.opened(
                account.id, row["id"], row["password_sealed"]
            )
        if "{otp}" in text:
            known["otp"] = wording.otp or f"{secrets.randbelow(1_000_000):06d}"
        values = {
            "account": account.title,
            "username": row["username"],
            "days": str(self._days_left(row)),
            "balance": thousandths.text(row["balance"] or 0),
            "currency": account.currency,
            "ticketId": ticket,
        }
        if wording.usage is not None:
            percent = await self._percent(row["id"])
            values["usage"] = notices.fill(notices.USAGE[wording.usage], {"percent": percent})
        return Notice(
            subscriber=row["id"], recipient=_contact(row, wording), subject=subject,
            content=notices.fill(text, values), secrets=known,
        )  # fmt: skip

    async def _percent(self, number: int) -> str:
        verdict = (await self._metering.read([number]))[number].verdict
        return str(verdict.used * 100 // verdict.effective if verdict.effective else 0)

    def _days_left(self, row: Any) -> int:
        """Whole days of the subscriber's calendar until he expires."""
        if row["expires_at_ms"] is None:
            return 0
        zone = row["zone"]
        now = wall_clocks.local(self._clock(), zone)
        left: timedelta = wall_clocks.local(row["expires_at_ms"], zone) - now
        return max(0, left.days)


def _contact(row: Any, wording: Wording) -> str:
    if wording.channel == "email":
        return str(row["email"])
    return str(row["alt_phone" if wording.is_alternative else "phone"])
