"""Usage as the network reports it: sessions, days, cycles and windows (isp.md 4.9.1).

A batch is one transaction of few statements, however many records it has; a bad record harms no
other. Totals come out the same whatever is sent twice: a session remembers its last counters, a
record with an id is counted once. Every byte belongs to the day, cycle and window of its event.
Whoever was touched is evaluated once at the end, and the network is told of what follows.
Subscribers are locked in the order of their ids. Records of names that nobody has are kept for a
week and counted when somebody gets the name.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from farebox.domain.errors import ForbiddenError
from farebox.engine.advancing import NOTHING, Report, advance
from farebox.engine.concerned import Concerned, by_keys, by_sets
from farebox.engine.counting import CUTS, INTERIM, Counting, Key, Record
from farebox.engine.evaluating import begin
from farebox.engine.posting import Event, post
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWEEP_S: Final = 30.0
DAY_MS: Final = 86_400_000
AHEAD_MS: Final = 300_000
KEPT_MS: Final = {"session": 400 * DAY_MS, "delta": 34 * DAY_MS}
REMEMBERED_MS: Final = 35 * DAY_MS
WAITING_MS: Final = 7 * DAY_MS
TALLIED: Final = (
    "accepted", "duplicate", "stale", "wrapped", "reset", "unknownUser", "unknownNas", "switches",
)  # fmt: skip
_ADDS: Final = ("new", "wrapped", "reset")
_SWEPT: Final = 1000
_SESSIONS_MAX: Final = 1000

Told = tuple[Counter[str], list[dict[str, Any]]]


class UsageBook:
    """Takes batches."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def take(self, account: str, records: Sequence[Record | str]) -> Told:
        """Counts of what became of the records, and the faults by index; a text is a fault."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.patience)
            return await _Batch(connection, account, self._clock()).take(records)

    async def sweep(self) -> int:
        """Counts records that have waited for a name which somebody has by now; how many.

        What is too old to come again, or has waited too long, is forgotten first.
        """
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.patience)
            await connection.execute(SQL.forget, now_ms - REMEMBERED_MS, now_ms - WAITING_MS)
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.patience)
            rows = await connection.fetch(SQL.come, _SWEPT)
            waited = defaultdict(list)
            for row in sorted(rows, key=lambda row: row["id"]):
                waited[row["account"]].append(msgspec.convert(row["record"], Record))
            for account, records in waited.items():
                batch = _Batch(connection, account, self._clock(), has_waited=True)
                await batch.take(records)
        return len(rows)

    async def days(self, number: int, span: tuple[date | None, date | None]) -> list[Any]:
        """What a subscriber used, by his days."""
        return list(await self._pool.fetch(SQL.days, number, *span))

    async def sessions(self, number: int, span: tuple[int | None, int | None]) -> list[Any]:
        """His sessions between two instants, the newest first, at most a thousand."""
        return list(await self._pool.fetch(SQL.sessions, number, *span, _SESSIONS_MAX))


class _Batch:
    """One batch in its transaction."""

    def __init__(
        self, connection: Connection, account: str, now_ms: int, *, has_waited: bool = False
    ) -> None:
        self._connection = connection
        self._account = account
        self._now_ms = now_ms
        self._oldest_ms = now_ms - min(KEPT_MS.values())
        self._newest_ms = now_ms + AHEAD_MS
        self._has_waited = has_waited
        self._told: Counter[str] = Counter(dict.fromkeys(TALLIED, 0))
        self._concerned = Concerned(connection)
        self._fresh: set[tuple[str, str]] = set()
        self._counting = Counting(connection)
        self._gains = NOTHING
        self._events: dict[int, list[Event]] = defaultdict(list)
        self._waiting: list[tuple[str, str, Any]] = []

    async def take(self, records: Sequence[Record | str]) -> Told:
        """Everything of it."""
        whole = [one for one in records if not isinstance(one, str)]
        gone_on: set[int] = set()
        if whole:
            await self._check_accounts(whole)
            await self._lock(whole)
            gone_on = await self._advance(records)
        faults = []
        if len(gone_on) < len(records):
            await by_keys(self._connection)
            others = {place: one for place, one in enumerate(records) if place not in gone_on}
            await self._look_up([one for one in others.values() if not isinstance(one, str)])
            for place, record in others.items():
                fault = record if isinstance(record, str) else self._add(record)
                if fault:
                    faults.append({"index": place, "error": fault})
            await self._counting.write()
        switches = await post(
            self._connection, self._gains, self._events, self._concerned, self._now_ms
        )
        for kind, numbers in switches.items():
            self._told["switches"] += len(
                await begin(self._connection, kind, numbers, self._now_ms)
            )
        if self._waiting:
            columns = map(list, zip(*self._waiting, strict=True))
            await self._connection.execute(SQL.wait, *columns, self._now_ms)
        return self._told, faults

    async def _check_accounts(self, records: Sequence[Record]) -> None:
        """Raises ForbiddenError where a record names an account that is not the caller's."""
        named = {one.account for one in records if one.account is not None} - {self._account}
        if named:
            rows = await self._connection.fetch(SQL.below, self._account, sorted(named))
            if strange := named - {row["id"] for row in rows}:
                raise ForbiddenError(f"Account {min(strange)} is not yours", "forbidden_account")

    async def _lock(self, records: Sequence[Record]) -> None:
        """Locks everybody who is named, and gets to know the devices that are."""
        names: dict[str, set[str]] = defaultdict(set)
        devices: dict[str, set[str]] = defaultdict(set)
        for one in records:
            account = one.account or self._account
            names[account].add(one.user)
            if one.record_id is None:
                devices[account].add(one.nas)
        await self._concerned.lock(names)
        await self._counting.find_devices(devices)

    async def _advance(self, records: Sequence[Record | str]) -> set[int]:
        """Goes on with sessions that allow it; places of the records that are done with."""
        reports: dict[int, Report | None] = {}
        mine, numbers, find = self._account, self._concerned.numbers, self._counting.device
        for place, one in enumerate(records):
            if isinstance(one, str):
                continue
            if one.type in CUTS:
                # What comes after it may begin anew what seems to go on.
                return set()
            account, at_ms = one.account or mine, one.at_ms
            number = numbers[account].get(one.user)
            if number is None:
                continue
            device = find(account, one.nas)
            if (
                number in reports or one.type != INTERIM or one.record_id is not None
                or device is None or at_ms is None
                or not self._oldest_ms <= at_ms <= self._newest_ms
            ):  # fmt: skip
                # Whoever is told of twice is followed record by record.
                reports[number] = None
            else:
                reports[number] = (
                    place, number, device, one.session, at_ms, one.upload, one.download,
                    one.session_time_s, one.has_gigawords,
                )  # fmt: skip
        alone = [one for _, one in sorted(reports.items()) if one]
        await by_sets(self._connection)
        self._gains = await advance(self._connection, alone)
        self._told["accepted"] += len(self._gains.places)
        return set(self._gains.places)

    async def _look_up(self, records: Sequence[Record]) -> None:
        """Gets to know sessions and ids of records that are followed one by one."""
        if not records:
            return
        mine, counting = self._account, self._counting
        named = {self._concerned.number(one.account or mine, one.user) for one in records}
        await counting.find_open(sorted(number for number in named if number is not None))
        keys = {self._key(one) for one in records if one.record_id is None and one.type not in CUTS}
        owners = await counting.find_named(key for key in keys if key is not None)
        await self._concerned.lock_owners(owners)
        await self._remember(records)

    def _key(self, record: Record) -> Key | None:
        """What a session is known by; None if there is no such device."""
        account = record.account or self._account
        device = self._counting.device(account, record.nas)
        return None if device is None else (account, device, record.session)

    async def _remember(self, records: Sequence[Record]) -> None:
        """Finds out which ids of records are new."""
        ids = {
            (one.account or self._account, one.record_id): None for one in records
            if one.record_id is not None and not self._is_too_old(one)
        }  # fmt: skip
        if ids:
            rows = await self._connection.fetch(
                SQL.remember, *map(list, zip(*ids, strict=True)), self._now_ms
            )
            self._fresh = {(row[0], row[1]) for row in rows}
            if self._has_waited:
                # They were seen when they came.
                self._fresh = set(ids)

    def _is_too_old(self, record: Record) -> bool:
        kind = "session" if record.record_id is None else "delta"
        return record.at_ms is not None and record.at_ms < self._now_ms - KEPT_MS[kind]

    def _add(self, record: Record) -> str:
        """Counts one record; the fault, if it has one."""
        at_ms = record.at_ms
        if at_ms is not None and not self._oldest_ms <= at_ms <= self._newest_ms:
            if self._is_too_old(record):
                return "too_old"
            if at_ms > self._newest_ms:
                record = msgspec.structs.replace(record, at_ms=self._now_ms)
        if record.type in CUTS:
            return self._cut(record)
        found = self._follow(record)
        if found is None:
            return ""
        number, kind, upload, download = found
        self._told["accepted" if kind in _ADDS else kind] += 1
        if kind in ("wrapped", "reset"):
            self._told[kind] += 1
        if kind in _ADDS:
            at_ms = self._now_ms if record.at_ms is None else record.at_ms
            self._events[number].append((at_ms, upload, download))
        return ""

    def _cut(self, record: Record) -> str:
        """A device begins or ends."""
        device = self._counting.device(record.account or self._account, record.nas)
        if device is None:
            self._told["unknownNas"] += 1
        else:
            at_ms = self._now_ms if record.at_ms is None else record.at_ms
            self._counting.cut(device, at_ms, record.type)
            self._told["accepted"] += 1
        return ""

    def _follow(self, record: Record) -> tuple[int, str, int, int] | None:
        """Whose a record is and what it adds; None where somebody or something is not known."""
        account = record.account or self._account
        number = self._concerned.number(account, record.user)
        if record.record_id is not None:
            is_new = (account, record.record_id) in self._fresh
            self._fresh.discard((account, record.record_id))
            if number is None:
                self._unknown(account, record, is_new=is_new)
                return None
            return number, "new" if is_new else "duplicate", record.upload, record.download
        key = self._key(record)
        if key is None:
            self._told["unknownNas"] += 1
            return None
        if number is None:
            number = self._counting.owner(key, record)
        if number is None:
            self._unknown(account, record, is_new=True)
            return None
        return self._counting.follow(key, record, number, self._now_ms)

    def _unknown(self, account: str, record: Record, *, is_new: bool) -> None:
        self._told["unknownUser"] += 1
        if is_new and not self._has_waited:
            at_ms = self._now_ms if record.at_ms is None else record.at_ms
            kept = msgspec.structs.replace(record, at_ms=at_ms)
            self._waiting.append((account, record.user, msgspec.to_builtins(kept)))
