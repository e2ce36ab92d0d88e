"""The quotas of a whole provider, evaluated at once (isp.md 4.3, 4.10).

Everybody of an account is read as columns, without a lock, and judged by the kernel; many are read
in halves over two connections. Only those whose window moves on or who change speed are then
locked, read again and written down: some thousands in a transaction, so what a process that dies
has finished stays, and the next job does the rest. Because they are read again under their locks,
and a switch that is open is not opened twice, jobs beside each other and beside usage from the
network do everything once. Whose terms have changed since his figures were written, whose cycle
has to go on first or who has slept through a window goes the way of one subscriber. Counts of
those over and invalid are those of the first reading.
"""

import asyncio
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from farebox.core import quota
from farebox.domain.errors import NotFoundError
from farebox.domain.quotas import Policy
from farebox.engine.metering import BANDWIDTH, VENDOR, Meter, read, write
from farebox.engine.quota_rows import ZONES, Block, Rows
from farebox.engine.switching import SWITCH
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
# How many are locked and written down in a transaction.
STRETCH: Final = 5_000
CHANGES_MAX: Final = 1_000
# From so many subscribers on they are read in halves.
HALVED_MIN: Final = 100_000
Bounds = tuple[int | None, int | None]
_TOUCHED: Final = quota.ROLLED | quota.SWITCH


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber whose speed or attributes change, and why."""

    subscriber: int
    kind: str
    applied: int
    active: int
    used: int
    effective: int
    window_end_ms: int
    is_over: bool
    is_rolled: bool

    @property
    def reason(self) -> str:
        """In a word."""
        return "over_quota" if self.is_over else "new_period" if self.is_rolled else "within_quota"


class Summary(msgspec.Struct, kw_only=True):
    """What a job has done, or would do; `changes` are the first thousand."""

    evaluated: int = 0
    rolled: int = 0
    over: int = 0
    switched: int = 0
    invalid: int = 0
    changes: list[Change] = []


def _touched(block: Block) -> list[int]:
    """Places of the rows that are to be written."""
    answers = block.answers
    ends, before = answers.columns["period_end"], block.columns["period_end"]
    if not answers.rolled and not answers.switched and ends == before:
        return []
    flags = answers.columns["flags"]
    places = {at for at, flag in enumerate(flags) if flag & _TOUCHED}
    if ends != before:
        places.update(at for at, end in enumerate(ends) if end != before[at])
    return sorted(places)


class Evaluating:
    """Runs the job."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], *, stretch: int = STRETCH,
        halved_min: int = HALVED_MIN) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._stretch = stretch
        self._halved_min = halved_min

    async def count(self, account: str) -> int:
        """How many subscribers the job passes for each kind, at most."""
        async with storage_errors():
            return sum(row["subscribers"] for row in await self._pool.fetch(SQL.accounts, account))

    async def run(
        self, account: str, subscribers: Iterable[int] | None = None, *, dry_run: bool = False,
        now_ms: int | None = None, progress: Callable[[int], None] = lambda _rows: None,
    ) -> Summary:  # fmt: skip
        """Evaluates an account and all below it, or only these of its subscribers.

        A dry run writes nothing and may be at any instant. `progress` hears of every stretch.
        """
        told = Summary()
        only = None if subscribers is None else sorted(set(subscribers))
        async with storage_errors():
            accounts = await self._pool.fetch(SQL.accounts, account)
        if not accounts:
            raise NotFoundError(f"Account {account} not found", "account_not_found")
        for kind in (BANDWIDTH, VENDOR):
            for row in accounts:
                at_ms = self._clock() if now_ms is None else now_ms
                job = _Job(row, kind, at_ms, told)
                looks = [
                    self._look(job, only, bounds, progress, dry_run=dry_run)
                    for bounds in await self._bounds(row, only)
                ]
                # One alone stays in this task, and so in its caller's transaction.
                seen = await asyncio.gather(*looks) if len(looks) > 1 else [await looks[0]]
                for changes in seen:
                    job.note(changes)
                concerned = [] if dry_run else sorted(job.concerned)
                for first in range(0, len(concerned), self._stretch):
                    async with transaction(self._pool) as connection:
                        await job.settle(connection, concerned[first : first + self._stretch])
        return told

    async def _bounds(self, account: Any, only: list[int] | None) -> list[Bounds]:
        """Ids from and to which an account's subscribers are read beside each other."""
        if only is not None or account["subscribers"] < self._halved_min:
            return [(None, None)]
        async with storage_errors():
            middle = await self._pool.fetchval(SQL.middle, account["id"])
        return [(None, middle), (middle, None)]

    async def _look(self, job: "_Job", *asked: Any, dry_run: bool) -> list[Change]:
        async with transaction(self._pool) as connection:
            return await job.look(connection, *asked, dry_run=dry_run)


class _Job:
    """The subscribers of one account, of one kind."""

    def __init__(self, account: Any, kind: str, now_ms: int, told: Summary) -> None:
        self._account = account["id"]
        self._thresholds = account["alert_thresholds"]
        self._silence_ms = 1000 * account["session_silence_s"]
        zone = account["time_zone"]
        self._zone = ZONES.index(zone) + 1 if zone in ZONES else None
        self._kind = kind
        self._now_ms = now_ms
        self._told = told
        # Ids of those who are not as they are written down.
        self.concerned = array("q")

    async def look(
        self, connection: Connection, only: list[int] | None, bounds: Bounds,
        progress: Callable[[int], None], *, dry_run: bool,
    ) -> list[Change]:  # fmt: skip
        """Reads everybody, or only these, within bounds; in a dry run, what would change."""
        others: list[int] = []
        changes: list[Change] = []

        def see(block: Block) -> None:
            self._told.evaluated += len(block.ids) + len(block.others)
            self._told.over += block.answers.over
            self._told.invalid += block.answers.invalid
            places = _touched(block)
            self.concerned.extend(block.ids[at] for at in places)
            others.extend(block.others)
            if dry_run:
                self._told.rolled += block.answers.rolled
                changes.extend(self._changes(block, places))
            progress(len(block.ids) + len(block.others))

        await self._read(connection, only, see, bounds)
        self.concerned.extend(others)
        if not dry_run:
            return []
        meters = await read(connection, others, self._now_ms, self._kind) if others else {}
        changes += self._counted(meters.values())
        rows = await connection.fetch(SQL.open, self._kind, [one.subscriber for one in changes])
        known = {row["subscriber"] for row in rows}
        return [change for change in changes if change.subscriber not in known]

    async def settle(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Locks some, reads them again and writes them down."""
        await connection.fetch(SQL.lock, numbers)
        blocks: list[Block] = []
        await self._read(connection, numbers, blocks.append)
        changes: list[Change] = []
        slow: list[int] = []
        for block in blocks:
            places = _touched(block)
            slow += block.others
            slow += await self._roll(connection, block, places)
            known = set(slow)
            changes += [one for one in self._changes(block, places) if one.subscriber not in known]
        if slow:
            meters = await read(connection, slow, self._now_ms, self._kind)
            tallies = {number: meter.tally for number, meter in meters.items()}
            await write(connection, self._kind, tallies, self._now_ms)
            changes += self._counted(meters.values())
        asked_for = [change.subscriber for change in changes]
        begun = await begin(connection, self._kind, asked_for, self._now_ms)
        self.note([change for change in changes if change.subscriber in begun])

    async def _roll(self, connection: Connection, block: Block, places: Sequence[int]) -> list[int]:
        """Writes windows that have followed the written ones; whose have moved otherwise."""
        answers, ends = block.answers.columns, block.columns["period_end"]
        starts, moved = answers["period_start"], answers["period_end"]
        rolled = [at for at in places if answers["flags"][at] & quota.ROLLED]
        next_ones = [at for at in rolled if starts[at] == ends[at]]
        self._told.rolled += len(next_ones)
        if next_ones:
            columns = (block.ids, starts, moved, answers["carried"])
            asked = [[column[at] for at in next_ones] for column in columns]
            await connection.execute(SQL.roll, self._kind, *asked)
        return [block.ids[at] for at in places if moved[at] != ends[at] and starts[at] != ends[at]]

    async def _read(
        self, connection: Connection, only: Sequence[int] | None, see: Callable[[Block], None],
        bounds: Bounds = (None, None),
    ) -> None:  # fmt: skip
        await connection.execute(SQL.patience)
        found = await connection.fetch(SQL.policies, self._account, self._kind)
        policies = [msgspec.convert(row["policy"], Policy) for row in found]
        billed = [policy.rhythm[0] == "billing" for policy in policies]
        groups: list[tuple[Any, int, bool]] = []
        own: list[tuple[Any, int, bool]] = []
        for place, row in enumerate(found, 1):
            told = row["policy"] if row["user_group"] is None else row["user_group"]
            (own if row["user_group"] is None else groups).append((told, place, billed[place - 1]))
        rows = Rows(self._now_ms, policies, self._thresholds)

        async def take(chunk: bytes) -> None:
            for block in rows.feed(chunk):
                see(block)

        await connection.copy_from_query(
            SQL.rows, self._account, self._kind, self._now_ms, self._silence_ms, only,
            *_columns(groups), *_columns(own), ZONES, self._zone, any(billed), *bounds,
            output=take, format="binary",
        )  # fmt: skip
        for block in rows.rest():
            see(block)

    def _counted(self, meters: Iterable[Meter]) -> list[Change]:
        """Those who went the way of one subscriber, and which of them change."""
        changes = []
        for meter in meters:
            self._told.rolled += meter.verdict.is_rolled
            self._told.over += meter.verdict.is_over
            if meter.verdict.is_switch:
                changes.append(_change(self._kind, meter))
        return changes

    def _changes(self, found: Block, places: list[int]) -> list[Change]:
        answers, applied = found.answers.columns, found.columns["applied"]
        return [
            Change(
                subscriber=found.ids[at], kind=self._kind, applied=applied[at],
                active=answers["active"][at], used=answers["used"][at],
                effective=answers["effective"][at], window_end_ms=answers["period_end"][at],
                is_over=bool(answers["flags"][at] & quota.OVER),
                is_rolled=bool(answers["flags"][at] & quota.ROLLED),
            )
            for at in places
            if answers["flags"][at] & quota.SWITCH
        ]  # fmt: skip

    def note(self, changes: Sequence[Change]) -> None:
        """Adds to what the job tells."""
        self._told.switched += len(changes)
        self._told.changes += changes[: CHANGES_MAX - len(self._told.changes)]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]


async def begin(
    connection: Connection, kind: str, subscribers: Sequence[int], now_ms: int
) -> set[int]:
    """Has the network told of subscribers; those of whom it was not to be told already."""
    if not subscribers:
        return set()
    rows = await connection.fetch(SQL.switch, kind, subscribers, now_ms, SWITCH)
    return {row["subscriber"] for row in rows}


def _change(kind: str, meter: Meter) -> Change:
    verdict = meter.verdict
    return Change(
        subscriber=meter.subscriber, kind=kind, applied=meter.applied, active=verdict.active,
        used=verdict.used, effective=verdict.effective, window_end_ms=verdict.usage.end_ms,
        is_over=verdict.is_over, is_rolled=verdict.is_rolled,
    )  # fmt: skip
