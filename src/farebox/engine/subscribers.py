"""Subscribers as an account sees them (isp.md 2, E4 to E9, E26, E37, E41).

Whoever is deleted, or belongs to another account, does not exist. The status given out is the
effective one: stored `active` and past its expiry is `expired`, without any job. Lists are read in
parts after an id.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any, Final

from farebox.domain.errors import NotFoundError
from farebox.domain.windows import local_day_start
from farebox.engine.credentials import Account
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
STATUSES: Final = (
    "active", "pending", "rejected", "expired", "pending-approval", "deleted", "blocked",
    "blacklisted", "terminated", "suspended",
)  # fmt: skip
WEEK_MS: Final = 7 * 86_400_000


class Subscribers:
    """Reads subscribers."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def _fetch(self, statement: str, *arguments: Any) -> list[Any]:
        async with storage_errors():
            return list(await self._pool.fetch(statement, self._clock(), *arguments))

    async def get(self, account: str, number: int) -> Any:
        """A subscriber's row."""
        rows = await self._fetch(SQL.get, account, number)
        if not rows:
            raise not_found(number)
        return rows[0]

    async def named(self, account: str, username: str) -> list[Any]:
        """The subscriber of exactly this name."""
        rows = await self._fetch(SQL.named, account, username)
        if not rows:
            raise not_found(username)
        return rows

    async def ids(self, account: str, after: int, most: int) -> list[Any]:
        """Ids only."""
        return await self._fetch(SQL.ids, account, after, most)

    async def all(self, account: str, after: int, most: int) -> list[Any]:
        """Everybody."""
        return await self._fetch(SQL.all, account, after, most)

    async def dated(
        self, account: Account, days: tuple[date, date], based_on: str, after: int, most: int
    ) -> list[Any]:
        """Those created or modified on some days of the account's calendar."""
        first, last = days
        start_ms = local_day_start(account.time_zone, first)
        end_ms = local_day_start(account.time_zone, last + timedelta(days=1))
        statement = SQL.created if based_on == "created" else SQL.modified
        return await self._fetch(statement, account.id, after, most, start_ms, end_ms)

    async def phoned(
        self, accounts: Sequence[str], phone: str, status: str | None, after: int, most: int
    ) -> list[Any]:
        """Those with this number, in one status or in any but deleted."""
        return await self._fetch(SQL.phoned, list(accounts), after, most, phone_key(phone), status)

    async def everywhere(self, root: str, by: str, value: str) -> list[Any]:
        """Those of a number or a name in an account and all below it, by account and id."""
        if by == "phone":
            return await self._fetch(SQL.phoned_below, root, phone_key(value))
        return await self._fetch(SQL.named_below, root, value)

    async def location(self, number: int) -> Any:
        """Where he lives; None when nobody has written it down."""
        async with storage_errors():
            return await self._pool.fetchrow(SQL.location, number)

    async def presence(self, account: str, number: int) -> tuple[int | None, bool, str]:
        """When his last session ended, whether one is open, and his time zone."""
        row = await self.get(account, number)
        seen = (await self._fetch(SQL.presence, number, account))[0]
        return seen["stopped_at_ms"], seen["is_online"], row["time_zone"]

    async def counts(self, account: str) -> Counter[str]:
        """How many there are by effective status, and `total`, `online`, `expiring`, `fresh`."""
        now_ms = self._clock()
        async with thoroughly(self._pool) as connection:
            kinds = await connection.fetch(SQL.kinds, now_ms, account, WEEK_MS)
            silence_ms = await connection.fetchval(SQL.silence, account)
            online = await connection.fetchval(SQL.online, now_ms, account, silence_ms)
        counts = Counter(online=online)
        for status, is_expiring, is_fresh, people in kinds:
            counts[status] += people
            counts["total"] += people
            counts["expiring"] += people if is_expiring and status == "active" else 0
            counts["fresh"] += people if is_fresh else 0
        return counts


@asynccontextmanager
async def thoroughly(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for figures of a whole account, which take as long as the account is large."""
    async with transaction(pool) as connection:
        await connection.execute(SQL.be_thorough)
        yield connection


def phone_key(phone: str) -> str:
    """What of a number is compared: its last ten digits, of a shorter one all."""
    return "".join(digit for digit in phone if digit.isdigit())[-10:]


def not_found(who: object) -> NotFoundError:
    """What is said of somebody who does not exist."""
    return NotFoundError(f"User {who} not found", "user_not_found")
