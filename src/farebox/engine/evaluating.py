"""The quotas of a whole provider, evaluated at once (isp.md 4.3, 4.10).

Subscribers are read in stretches of their ids, as columns, and judged by the kernel without a lock.
Only those whose window moves on or who change speed are then locked, read again and written down:
one transaction per stretch, so what a process that dies has finished stays, and the next job does
the rest. Because they are read again under their locks, and a switch that is open is not opened
twice, jobs beside each other and beside usage from the network do everything once. Whose policy
has changed since his figures were written, or whose cycle has to go on first, goes the way of one
subscriber. Counts of those over and invalid are those of the first reading.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from farebox.core import quota
from farebox.domain.errors import NotFoundError
from farebox.engine.metering import BANDWIDTH, VENDOR, Meter, read, write
from farebox.engine.quota_columns import COLUMNS, Answers, Windows, evaluate, received
from farebox.engine.subscribers import SILENCE_MS
from farebox.engine.switching import SWITCH
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Some 200 bytes a row, so a stretch is a few MiB.
STRETCH: Final = 10_000
CHANGES_MAX: Final = 1_000
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


class _Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one reading, the kernel's answers, and the ids of those it is not asked about."""

    ids: Any
    columns: dict[str, Any]
    answers: Answers
    others: list[int]
    total: int
    last: int

    def touched(self) -> list[int]:
        """Places of the rows that are to be written."""
        flags, ends = self.answers.columns["flags"], self.answers.columns["period_end"]
        places = [at for at, flag in enumerate(flags) if flag & _TOUCHED]
        before = self.columns["period_end"]
        if ends == before:
            return places
        moved = {at for at, end in enumerate(ends) if end != before[at]}
        return sorted(moved.union(places))


class Evaluating:
    """Runs the job."""

    def __init__(self, pool: Pool, clock: Callable[[], int], *, stretch: int = STRETCH) -> None:
        self._pool = pool
        self._clock = clock
        self._stretch = stretch

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
                job = _Job(row["id"], row["alert_thresholds"], kind, at_ms, told, dry_run)
                after: int | None = only[0] - 1 if only else 0
                while after is not None and only != []:
                    before = told.evaluated
                    async with transaction(self._pool) as connection:
                        await connection.execute(SQL.patience)
                        after = await job.stretch(connection, after, self._stretch, only)
                    progress(told.evaluated - before)
        return told


class _Job:
    """The subscribers of one account, of one kind."""

    def __init__(
        self, account: str, thresholds: Sequence[int], kind: str, now_ms: int, told: Summary,
        dry_run: bool,
    ) -> None:  # fmt: skip
        self._account = account
        self._thresholds = thresholds
        self._kind = kind
        self._now_ms = now_ms
        self._told = told
        self._dry_run = dry_run
        self._windows = Windows(now_ms)

    async def stretch(
        self, connection: Connection, after: int, rows: int, only: list[int] | None
    ) -> int | None:
        """One stretch above an id; where the next one begins, None after the last."""
        found = await self._read(connection, after, rows, only)
        self._told.evaluated += found.total
        self._told.over += found.answers.over
        self._told.invalid += found.answers.invalid
        places = found.touched()
        concerned = sorted([*(found.ids[at] for at in places), *found.others])
        if concerned and not self._dry_run:
            await connection.execute(SQL.lock, concerned)
            found_again = await self._read(connection, after, rows, concerned)
            await self._settle(connection, found_again)
        elif concerned:
            await self._foresee(connection, found, places)
        return found.last if found.total == rows else None

    async def _read(
        self, connection: Connection, after: int, rows: int, only: list[int] | None
    ) -> _Stretch:
        row = await connection.fetchrow(
            SQL.columns, self._account, after, rows, self._kind, self._now_ms, SILENCE_MS, only
        )
        columns = {name: received(row[name], code) for name, code in COLUMNS.items()}
        calendars = self._windows.calendars(row["zones"] or (), row["policies"] or ())
        return _Stretch(
            ids=received(row["id"], "q"), columns=columns,
            answers=evaluate(self._now_ms, calendars, columns, thresholds=self._thresholds),
            others=row["others"] or [], total=row["total"], last=row["last"] or 0,
        )  # fmt: skip

    async def _settle(self, connection: Connection, found: _Stretch) -> None:
        """Writes down what was read under the locks."""
        places, answers = found.touched(), found.answers.columns
        moved = [
            at for at in places
            if answers["flags"][at] & quota.ROLLED
            or answers["period_end"][at] != found.columns["period_end"][at]
        ]  # fmt: skip
        columns = [
            found.ids,
            *(answers[name] for name in ("period_start", "period_end", "carried")),
        ]
        if moved:
            asked = [[column[at] for at in moved] for column in columns]
            await connection.execute(SQL.roll, self._kind, *asked)
        self._told.rolled += found.answers.rolled
        changes = self._changes(found, places)
        changes += await self._others(connection, found.others)
        asked_for = [change.subscriber for change in changes]
        if asked_for:
            begun = await begin(connection, self._kind, asked_for, self._now_ms)
            self._note([change for change in changes if change.subscriber in begun])

    async def _foresee(self, connection: Connection, found: _Stretch, places: list[int]) -> None:
        """Counts what would be written down."""
        self._told.rolled += found.answers.rolled
        changes = self._changes(found, places)
        changes += await self._others(connection, found.others)
        asked_for = [change.subscriber for change in changes]
        rows = await connection.fetch(SQL.open, self._kind, asked_for)
        known = {row["subscriber"] for row in rows}
        self._note([change for change in changes if change.subscriber not in known])

    async def _others(self, connection: Connection, numbers: list[int]) -> list[Change]:
        """Those who go the way of one subscriber."""
        meters = await read(connection, numbers, self._now_ms, self._kind) if numbers else {}
        for meter in meters.values():
            self._told.rolled += meter.verdict.is_rolled
            self._told.over += meter.verdict.is_over
        if not self._dry_run:
            tallies = {number: meter.tally for number, meter in meters.items()}
            await write(connection, self._kind, tallies, self._now_ms)
        return [_change(self._kind, one) for one in meters.values() if one.verdict.is_switch]

    def _changes(self, found: _Stretch, places: list[int]) -> list[Change]:
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

    def _note(self, changes: list[Change]) -> None:
        self._told.switched += len(changes)
        self._told.changes += changes[: CHANGES_MAX - len(self._told.changes)]


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
