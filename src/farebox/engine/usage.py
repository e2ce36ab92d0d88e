"""Usage as the network reports it: sessions, days, cycles and windows (isp.md 4.9.1).

A batch is one transaction; a bad record harms no other. Totals come out the same whatever is sent
twice: a session remembers its last counters, a record with an id is counted once. Every byte
belongs to the day, cycle and window of its event. Whoever was touched is evaluated once at the
end, and the network is told of what follows. Subscribers are locked in the order of their ids.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from farebox.domain import wall_clocks
from farebox.domain.counters import Counts, Step, step
from farebox.domain.quotas import BYTES_MAX, Policy, Usage, left_over
from farebox.engine.metering import BANDWIDTH, VENDOR, settle
from farebox.engine.switching import emit
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
DAY_MS: Final = 86_400_000
AHEAD_MS: Final = 300_000
KEPT_MS: Final = {"session": 400 * DAY_MS, "delta": 34 * DAY_MS}
REMEMBERED_MS: Final = 35 * DAY_MS
TALLIED: Final = (
    "accepted", "duplicate", "stale", "wrapped", "reset", "unknownUser", "unknownNas", "switches",
)  # fmt: skip


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record of either kind, checked: with a `record_id` it is a delta, else cumulative."""

    user: str
    at_ms: int
    upload: int
    download: int
    record_id: str | None = None
    nas: str = ""
    session: str = ""
    type: str = "interim"
    session_time_s: int = 0
    has_gigawords: bool = False
    framed_ip: str | None = None
    mac: str | None = None
    cause: str | None = None


class UsageBook:
    """Takes batches."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def take(
        self, account: str, records: Sequence[Record | str]
    ) -> tuple[Counter[str], list[dict[str, Any]]]:
        """Counts of what became of the records, and the faults by index; a text is a fault."""
        now_ms = self._clock()
        told: Counter[str] = Counter(dict.fromkeys(TALLIED, 0))
        faults = []
        async with transaction(self._pool) as connection:
            batch = _Batch(connection, account, now_ms, told)
            await batch.lock(records)
            for index, record in enumerate(records):
                fault = record if isinstance(record, str) else await batch.add(record)
                if fault:
                    faults.append({"index": index, "error": fault})
            await batch.evaluate()
            await connection.execute(SQL.forget_records, now_ms - REMEMBERED_MS)
        return told, faults

    async def days(self, number: int) -> list[Any]:
        """What a subscriber used, by his days."""
        return list(await self._pool.fetch(SQL.days, number))


class _Batch:
    """One batch in its transaction."""

    def __init__(
        self, connection: Connection, account: str, now_ms: int, told: Counter[str]
    ) -> None:
        self._connection = connection
        self._account = account
        self._now_ms = now_ms
        self._told = told
        self._known: dict[str, Any] = {}
        self._touched: set[int] = set()

    async def lock(self, records: Sequence[Record | str]) -> None:
        """Everybody who is named, one batch at a time for each."""
        names = sorted({one.user for one in records if isinstance(one, Record)})
        rows = await self._connection.fetch(SQL.lock, self._account, names)
        self._known = {row["username"]: row for row in rows}

    async def add(self, record: Record) -> str:
        """Counts one record; the fault, if it has one."""
        kind = "delta" if record.record_id is not None else "session"
        if record.at_ms < self._now_ms - KEPT_MS[kind]:
            return "too_old"
        if record.at_ms > self._now_ms + AHEAD_MS:
            record = msgspec.structs.replace(record, at_ms=self._now_ms)
        owner = self._known.get(record.user)
        if owner is None:
            self._told["unknownUser"] += 1
            return ""
        if record.record_id is not None:
            is_new = await self._connection.fetchval(
                SQL.remember, self._account, record.record_id, self._now_ms
            )
            found = Step("new" if is_new else "duplicate", record.upload, record.download)
        else:
            stepped = await self._follow(owner["id"], record)
            if stepped is None:
                self._told["unknownNas"] += 1
                return ""
            found = stepped
        await self._count(owner, record.at_ms, found)
        return ""

    async def _follow(self, number: int, record: Record) -> Step | None:
        """The step of a session's counters; the session is written down. None: no such device."""
        nas = await self._connection.fetchval(SQL.nas, self._account, record.nas)
        if nas is None:
            return None
        row = await self._connection.fetchrow(SQL.session, self._account, nas, record.session)
        if row is not None and row["stopped_at_ms"] is not None:
            row = row if record.at_ms <= row["stopped_at_ms"] else None
        if row is None:
            start_ms = (record.at_ms - record.session_time_s * 1000) // 1000 * 1000
            row = await self._connection.fetchrow(
                SQL.open_session, self._account, nas, record.session, number, start_ms,
                record.framed_ip, record.mac,
            )  # fmt: skip
            last = None
        else:
            last = Counts(row["updated_at_ms"], row["upload"], row["download"])
        has_gigawords = row["has_gigawords"] or record.has_gigawords
        now = Counts(record.at_ms, record.upload, record.download)
        found = step(last, now, has_gigawords)
        if found.kind != "stale":
            stop_ms = record.at_ms if record.type == "stop" else row["stopped_at_ms"]
            await self._connection.execute(
                SQL.update_session, row["id"], *now, stop_ms, record.session_time_s,
                has_gigawords, record.cause,
            )  # fmt: skip
        return found

    async def _count(self, owner: Any, at_ms: int, found: Step) -> None:
        """Adds a step to the day, the cycle and the windows of its event."""
        kind, upload, download = found
        self._told["accepted" if kind in ("new", "wrapped", "reset") else kind] += 1
        if kind in ("wrapped", "reset"):
            self._told[kind] += 1
        if kind in ("duplicate", "stale"):
            return
        number, zone = owner["id"], owner["zone"]
        self._touched.add(number)
        if not upload and not download:
            return
        # First the windows as they were: a fresh one is added up from the days.
        meters = await settle(self._connection, number, max(at_ms, await self._latest(number)))
        day = wall_clocks.day_of(at_ms, zone)
        await self._connection.execute(SQL.add_day, number, day, upload, download)
        if await self._connection.fetchval(SQL.lower_floor, number, at_ms, day, upload, download):
            # What comes from before a clear is history only.
            return
        await self._connection.execute(SQL.add_cycle, number, at_ms, upload, download)
        for one in (BANDWIDTH, VENDOR):
            if one not in meters:
                continue
            if at_ms >= meters[one].verdict.usage.start_ms:
                await self._connection.execute(SQL.add_window, number, one, upload, download)
            else:
                await self._add_late(number, one, at_ms, upload, download)

    async def _add_late(
        self, number: int, kind: str, at_ms: int, upload: int, download: int
    ) -> None:
        """What the window before has used after all: less of it was left to carry."""
        row = await self._connection.fetchrow(SQL.previous, number, kind)
        if row is None or row["previous"] is None:
            return
        policy = msgspec.convert(row["previous"]["policy"], Policy)
        before = msgspec.convert(row["previous"]["usage"], Usage)
        if at_ms < before.start_ms:
            return
        whole = msgspec.structs.replace(
            before, upload=before.upload + upload, download=before.download + download
        )
        kept = {**row["previous"], "usage": msgspec.to_builtins(whole)}
        carried = min(row["carried"], left_over(policy, whole))
        await self._connection.execute(SQL.lower_carried, number, kind, kept, carried)

    async def _latest(self, number: int) -> int:
        """The beginning of the newest window that is written down."""
        found: int = await self._connection.fetchval(SQL.latest, number)
        return found

    async def evaluate(self) -> None:
        """Everybody touched, once; what follows is told to the network."""
        for number in sorted(self._touched):
            meters = await settle(self._connection, number, self._now_ms)
            self._told["switches"] += sum(one.verdict.is_switch for one in meters.values())
            await emit(self._connection, meters, self._now_ms)


def is_volume(value: object) -> bool:
    """Whether a number can be a volume."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BYTES_MAX
