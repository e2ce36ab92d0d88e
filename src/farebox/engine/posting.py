"""Bytes of many events, posted to days, cycles and windows of their subscribers (isp.md 4.9.1).

Every byte belongs to the day, cycle and window of its event; figures roll up to it before it is
added, so it does not matter when they were looked at. Usually all events lie in the window and the
cycle that are written down: such figures are added in place and judged by the kernel. Everybody
else's are taken through their events one by one. Both come out the same. The subscribers are
locked, and their sessions are written down already.
"""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from farebox.core.quota import NEVER_MS, SWITCH, Calendars
from farebox.domain import wall_clocks
from farebox.domain.quotas import Policy
from farebox.domain.tallies import Tally
from farebox.domain.windows import local_day_start
from farebox.engine.counting import columns, numbers
from farebox.engine.metering import BANDWIDTH, VENDOR, tallies, write
from farebox.engine.quota_columns import COLUMNS, evaluate
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
KINDS: Final = (BANDWIDTH, VENDOR)
# Instant, twice, upload, download: the first and last instant of one are the same.
Event = tuple[int, int, int, int]
# By kind: who is online, and the template or set of attributes that all his sessions hold, else 0.
Holdings = Mapping[str, Mapping[int, int]]
_NUMBERS: Final = {"data": 0, "uploadDownload": 1, "always": 2}
_NO_CALENDARS: Final = Calendars(array("q", [0]), array("q"))


async def post(
    connection: Connection, events: Mapping[int, Sequence[Event]], held: Holdings, now_ms: int
) -> dict[str, list[int]]:
    """Posts the events of subscribers in their order; by kind, who is to be switched then.

    `held` says for each kind who is online, and what the network holds for him.
    """
    switches: dict[str, list[int]] = {kind: [] for kind in KINDS}
    if not events:
        return switches
    posting = _Posting(connection, events, now_ms)
    rows = {kind: await connection.fetch(SQL.rows, list(events), kind, now_ms) for kind in KINDS}
    policies = {kind: await posting.policies(kind, rows[kind]) for kind in KINDS}
    slow = {
        row[0] for kind in KINDS for row in rows[kind]
        if not posting.is_plain(row, policies[kind])
    }  # fmt: skip
    for kind in KINDS:
        plain = [row for row in rows[kind] if row[0] not in slow] if slow else rows[kind]
        switches[kind] += await posting.add_plain(kind, plain, policies[kind], held[kind])
    for kind, found in (await posting.replay(sorted(slow))).items():
        switches[kind] += found
    await posting.write()
    return switches


class _Posting:
    """One batch."""

    def __init__(
        self, connection: Connection, events: Mapping[int, Sequence[Event]], now_ms: int
    ) -> None:
        self._connection = connection
        self._events = events
        self._now_ms = now_ms
        # First and last event, and all bytes, of each.
        self._totals = {
            number: ones[0] if len(ones) == 1 else _total(ones) for number, ones in events.items()
        }
        self._days: dict[tuple[int, date], list[int]] = {}
        self._cycles: dict[tuple[int, int], list[int]] = {}

    async def policies(self, kind: str, rows: Sequence[Any]) -> dict[int | str, "_Terms"]:
        """The policies of settled figures, by group and where one has his own by its text.

        Those of a group were all written under one policy, so one of them has it.
        """
        some = {row[3]: row[0] for row in rows if row[1] and row[4] is None}
        own = {row[4] for row in rows if row[4] is not None}
        found: dict[int | str, _Terms] = {written: _terms(written) for written in own}
        if some:
            written = await self._connection.fetch(SQL.policies, kind, list(some.values()))
            found |= {group: _terms(row[0]) for group, row in zip(some, written, strict=True)}
        return found

    def is_plain(self, row: Any, policies: Mapping[int | str, "_Terms"]) -> bool:
        """Whether all events lie in what is written down, and now too."""
        (number, is_settled, _, group, own, _, _, start_ms, end_ms, _, _, _, _, cycle_start_ms,
         cycle_end_ms, floor_ms) = row  # fmt: skip
        if not is_settled:
            return False
        first_ms, last_ms = self._totals[number][:2]
        if last_ms < self._now_ms:
            last_ms = self._now_ms
        if not start_ms <= first_ms <= last_ms < end_ms:
            return False
        if floor_ms is not None and first_ms < floor_ms:
            return False
        if cycle_start_ms is None:
            return True
        cycle_end_ms = cycle_end_ms or NEVER_MS
        if not cycle_start_ms <= first_ms <= last_ms < cycle_end_ms:
            return False
        is_billed = policies[group if own is None else own].is_billed
        return not is_billed or (cycle_start_ms, cycle_end_ms) == (start_ms, end_ms)

    async def add_plain(
        self, kind: str, rows: Sequence[Any], policies: Mapping[int | str, "_Terms"],
        held: Mapping[int, int],
    ) -> list[int]:  # fmt: skip
        """Adds to what is written down of a kind; who is to be switched."""
        if not rows:
            return []
        table, used = [], []
        for (number, _, zone, group, own, is_active, expires_ms, start_ms, end_ms, upload,
             download, topup, carried, cycle_start_ms, _, _) in rows:  # fmt: skip
            terms = policies[group if own is None else own]
            _, _, up, down = self._totals[number]
            applied = held.get(number)
            flags = terms.marks + 4 * is_active + 8 * (applied is not None)
            table.append((
                terms.mode, flags, terms.limit, topup, carried, upload + up, download + down,
                start_ms, end_ms, -1, terms.first, terms.second, applied or 0, 0, 0,
                NEVER_MS if expires_ms is None else expires_ms,
            ))  # fmt: skip
            if up or down:
                used.append((number, up, down))
                if kind == BANDWIDTH:
                    self._add_days(number, zone)
                    if cycle_start_ms is not None:
                        self._cycles[number, cycle_start_ms] = [up, down]
        given = {
            name: array(code, column)
            for (name, code), column in zip(COLUMNS.items(), zip(*table, strict=True), strict=True)
        }
        told = evaluate(self._now_ms, _NO_CALENDARS, given)
        if used:
            await self._connection.execute(
                SQL.add_windows, kind, *map(numbers, zip(*used, strict=True))
            )
        if not told.switched:
            return []
        flags_out = told.columns["flags"]
        return [row[0] for row, flag in zip(rows, flags_out, strict=True) if flag & SWITCH]

    def _add_days(self, number: int, zone: str) -> None:
        for at_ms, _, up, down in self._events[number]:
            pair = number, _day(at_ms, zone)
            total = self._days.get(pair)
            if total is None:
                self._days[pair] = [up, down]
            else:
                total[0] += up
                total[1] += down

    async def replay(self, slow: Sequence[int]) -> dict[str, list[int]]:
        """Takes figures through their events one by one; by kind, who is to be switched."""
        switches: dict[str, list[int]] = {kind: [] for kind in KINDS}
        if not slow:
            return switches
        begun_ms = {number: self._totals[number][0] for number in slow}
        floors = {row["subscriber"]: row for row in await self._connection.fetch(SQL.floors, slow)}
        of_kind: dict[str, dict[int, Tally]] = {}
        for kind in KINDS:
            found = await tallies(self._connection, slow, self._now_ms, kind, begun_ms)
            of_kind[kind] = {row["subscriber"]: tally for row, tally in found}
        later: list[tuple[int, int, int, int]] = []
        lowered: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for number in slow:
            mine = [of_kind[kind][number] for kind in KINDS if number in of_kind[kind]]
            self._add_days(number, mine[0].zone)
            for at_ms, _, up, down in self._events[number]:
                instant_ms = max(at_ms, *(one.usage.start_ms for one in mine))
                for one in mine:
                    one.roll(instant_ms)
                floor = floors.get(number)
                if floor is None or at_ms >= floor["at_ms"]:
                    later.append((number, at_ms, up, down))
                    for one in mine:
                        one.add(at_ms, up, down)
                elif _day(at_ms, mine[0].zone) == floor["day"]:
                    lowered[number][0] += up
                    lowered[number][1] += down
        for kind, moved in of_kind.items():
            for number, tally in moved.items():
                if tally.roll(self._now_ms).is_switch:
                    switches[kind].append(number)
            await write(self._connection, kind, moved, self._now_ms)
        if later:
            await self._connection.execute(SQL.add_events, *map(list, zip(*later, strict=True)))
        if lowered:
            rows = [(number, up, down) for number, (up, down) in lowered.items()]
            await self._connection.execute(SQL.lower, *map(list, zip(*rows, strict=True)))
        return switches

    async def write(self) -> None:
        """Writes days, and cycles of those whose events lay in them."""
        used = {pair: total for pair, total in self._days.items() if total[0] or total[1]}
        if used:
            await self._connection.execute(SQL.add_days, *columns(used))
        if self._cycles:
            await self._connection.execute(SQL.add_cycles, *columns(self._cycles))


def _total(events: Sequence[Event]) -> Event:
    firsts, lasts, ups, downs = zip(*events, strict=True)
    return min(firsts), max(lasts), sum(ups), sum(downs)


class _Terms(msgspec.Struct, frozen=True):
    """A policy as the kernel takes it."""

    mode: int
    marks: int
    limit: int
    first: int
    second: int
    is_billed: bool


@lru_cache(maxsize=10_000)
def _terms(written: str) -> _Terms:
    policy = msgspec.json.decode(written, type=Policy)
    return _Terms(
        _NUMBERS[policy.mode], policy.excludes_upload + 2 * policy.carries, policy.limit,
        policy.first, policy.second, policy.rhythm[0] == "billing",
    )  # fmt: skip


# The day of each zone that was asked for last, with its beginning and end.
_latest: dict[str, tuple[int, int, date]] = {}


def _day(at_ms: int, zone: str) -> date:
    """The local day of an instant, from one boundary to the next; mostly that of the one before."""
    start_ms, end_ms, day = _latest.get(zone, (0, 0, date.min))
    if not start_ms <= at_ms < end_ms:
        day = wall_clocks.day_of(at_ms, zone)
        # Where clocks once fell back over midnight, the day that has begun goes on.
        while (end_ms := local_day_start(zone, day + timedelta(days=1))) <= at_ms:
            day += timedelta(days=1)
        _latest[zone] = local_day_start(zone, day), end_ms, day
    return day
