"""Bytes of many events, posted to days, cycles and windows of their subscribers (isp.md 4.9.1).

Every byte belongs to the day, cycle and window of its event; figures roll up to it before it is
added, so it does not matter when they were looked at. Usually all events of a subscriber lie in one
day, and in the window and the cycle that are written down: one statement adds all such in place,
and the kernel judges what it gives back. Everybody else's figures are taken through their events
one by one. Both come out the same. The subscribers are locked, and their sessions are written down
already.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from operator import or_
from typing import Final

import msgspec

from farebox.core.quota import SWITCH, Calendars
from farebox.domain import wall_clocks
from farebox.domain.quotas import Policy
from farebox.domain.tallies import Tally
from farebox.domain.windows import local_day_start
from farebox.engine.advancing import NOTHING, Gains
from farebox.engine.concerned import Concerned, by_keys, by_sets
from farebox.engine.counting import numbers
from farebox.engine.metering import BANDWIDTH, VENDOR, tallies, write
from farebox.engine.quota_columns import COLUMNS, Terms, evaluate, spread, terms_of
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
KINDS: Final = (BANDWIDTH, VENDOR)
# Instant, upload, download.
Event = tuple[int, int, int]
Switches = dict[str, list[int]]
_NO_CALENDARS: Final = Calendars(array("q", [0]), array("q"))
# Columns of the figures that are given back.
_FIGURES: Final = (
    "subscriber", "policy", "online", "topup", "carried", "up", "down", "period_start",
    "period_end", "applied",
)  # fmt: skip
# Events are added in place on so many days back from the last of a batch.
_BACK_MS: Final = 2 * 86_400_000
# Most cycles are months: those that have begun so recently are looked for together.
_RECENT_MS: Final = 32 * 86_400_000


async def post(
    connection: Connection, gains: Gains, events: Mapping[int, Sequence[Event]],
    concerned: Concerned, now_ms: int,
) -> Switches:  # fmt: skip
    """Posts the events of subscribers in their order; by kind, who is to be switched then.

    `gains` are what sessions add that simply went on.
    """
    gains, events = _apart(gains, events)
    totals = [
        list(one) for one in zip(*(_total(*of_one) for of_one in events.items()), strict=True)
    ]
    subscribers, _, instants, ups, downs = gains
    alone = (subscribers, instants, instants, ups, downs)
    columns = [one + other for one, other in zip(alone, totals or [[]] * 5, strict=True)]
    if not columns[0]:
        return {kind: [] for kind in KINDS}
    if events:
        await by_sets(connection)
    figures: dict[str, list[int]] = {name: [] for name in _FIGURES}
    for silence_ms, some in _by_silence(columns, concerned):
        added = await _add_in_place(connection, some, concerned, silence_ms, now_ms)
        for name, column in added.items():
            figures[name] += column
    switches = {BANDWIDTH: await _judge(connection, figures, concerned, now_ms), VENDOR: []}
    if len(figures["subscriber"]) < len(columns[0]):
        done = set(figures["subscriber"])
        left = {number: ones for number, ones in events.items() if number not in done}
        for number, _, *event in zip(*gains, strict=True):
            if number not in done:
                left[number] = [(event[0], event[1], event[2])]
        await by_keys(connection)
        for kind, found in (await _Replay(connection, left, now_ms).run(sorted(left))).items():
            switches[kind] += found
    return switches


def _apart(
    gains: Gains, events: Mapping[int, Sequence[Event]]
) -> tuple[Gains, Mapping[int, Sequence[Event]]]:
    """Gains of those who have no events, and events of the others, their gains before them."""
    both = events.keys() & set(gains.subscribers) if events else None
    if not both:
        return gains, events
    rows = list(zip(*gains, strict=True))
    joined = dict(events)
    for number, _, at_ms, upload, download in rows:
        if number in both:
            joined[number] = [(at_ms, upload, download), *events[number]]
    kept = [row for row in rows if row[0] not in both]
    return Gains(*map(list, zip(*kept, strict=True))) if kept else NOTHING, joined


def _total(number: int, events: Sequence[Event]) -> tuple[int, int, int, int, int]:
    """A subscriber, his first and last event, and all bytes."""
    instants, ups, downs = zip(*events, strict=True)
    return number, min(instants), max(instants), sum(ups), sum(downs)


def _by_silence(
    columns: Sequence[Sequence[int]], concerned: Concerned
) -> Iterator[tuple[int, Sequence[Sequence[int]]]]:
    """The columns apart by the silence that ends a session; accounts mostly have the same one."""
    terms, standing = concerned.terms, concerned.standing
    if len({one.silence_ms for one in terms}) == 1:
        yield terms[0].silence_ms, columns
        return
    rows = defaultdict(list)
    for row in zip(*columns, strict=True):
        rows[terms[standing[row[0]][0]].silence_ms].append(row)
    for silence_ms, ones in rows.items():
        yield silence_ms, [list(column) for column in zip(*ones, strict=True)]


async def _add_in_place(
    connection: Connection, columns: Sequence[Sequence[int]], concerned: Concerned,
    silence_ms: int, now_ms: int,
) -> dict[str, list[int]]:  # fmt: skip
    """Figures of those to whose written ones all of their events could be added."""
    subscribers, firsts, lasts, ups, downs = columns
    first_ms, last_ms = min(firsts), max(lasts)
    # The last of each is the silence, which is given on its own.
    terms = [
        (place, *one[:-1], *span)
        for place, one in enumerate(concerned.terms)
        for span in _days(one.zone, first_ms, last_ms)
    ]
    standing = concerned.standing
    row = await connection.fetchrow(
        SQL.add_in_place, subscribers, numbers(standing[one][0] for one in subscribers),
        *map(numbers, (firsts, lasts, ups, downs)), now_ms, silence_ms,
        *map(list, zip(*terms, strict=True)), now_ms - _RECENT_MS,
    )  # fmt: skip
    return {name: column or [] for name, column in zip(_FIGURES, row, strict=True)}


async def _judge(
    connection: Connection, figures: Mapping[str, list[int]], concerned: Concerned, now_ms: int
) -> list[int]:
    """Who is to be switched, by the kernel's rule over figures as they are now."""
    subscribers, policies = figures["subscriber"], figures["policy"]
    if not subscribers:
        return []
    some = {policy: subscribers[policies.index(policy)] for policy in set(policies)}
    columns = spread(await _terms(connection, some), policies)
    standing = [concerned.standing[number] for number in subscribers]
    marks = map(or_, columns.pop("marks"), [one[1] for one in standing])
    columns["flags"] = array("B", map(or_, marks, figures["online"]))
    columns["expires"] = array("q", [one[2] for one in standing])
    columns |= {name: array(COLUMNS[name], figures[name]) for name in _FIGURES[3:]}
    answers = evaluate(now_ms, _NO_CALENDARS, columns)
    if not answers.switched:
        return []
    flags = answers.columns["flags"]
    return [number for number, flag in zip(subscribers, flags, strict=True) if flag & SWITCH]


async def _terms(connection: Connection, some: Mapping[int, int]) -> dict[int, Terms]:
    """Terms by the numbers of policies, each as one of its subscribers has it written down."""
    written = await connection.fetch(SQL.policies, list(some.values()))
    return {number: _read(policy) for number, policy in written}


@lru_cache(maxsize=10_000)
def _read(written: str) -> Terms:
    return terms_of(msgspec.json.decode(written, type=Policy))


class _Replay:
    """Figures that are taken through their events one by one."""

    def __init__(
        self, connection: Connection, events: Mapping[int, Sequence[Event]], now_ms: int
    ) -> None:
        self._connection = connection
        self._events = events
        self._now_ms = now_ms
        self._days: dict[tuple[int, date], list[int]] = {}

    async def run(self, subscribers: Sequence[int]) -> Switches:
        """By kind, who of some subscribers is to be switched."""
        begun_ms = {number: min(self._events[number])[0] for number in subscribers}
        rows = await self._connection.fetch(SQL.floors, subscribers)
        floors = {row["subscriber"]: row for row in rows}
        of_kind: dict[str, dict[int, Tally]] = {}
        for kind in KINDS:
            found = await tallies(self._connection, subscribers, self._now_ms, kind, begun_ms)
            of_kind[kind] = {row["subscriber"]: tally for row, tally in found}
        later: list[tuple[int, int, int, int]] = []
        lowered: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for number in subscribers:
            mine = [of_kind[kind][number] for kind in KINDS if number in of_kind[kind]]
            self._add_days(number, mine[0].zone)
            for at_ms, up, down in self._events[number]:
                instant_ms = max(at_ms, *(one.usage.start_ms for one in mine))
                for one in mine:
                    one.roll(instant_ms)
                floor = floors.get(number)
                if floor is None or at_ms >= floor["at_ms"]:
                    later.append((number, at_ms, up, down))
                    for one in mine:
                        one.add(at_ms, up, down)
                elif _day(at_ms, mine[0].zone)[2] == floor["day"]:
                    lowered[number][0] += up
                    lowered[number][1] += down
        switches = await self._move(of_kind)
        await self._write(later, lowered)
        return switches

    def _add_days(self, number: int, zone: str) -> None:
        for at_ms, up, down in self._events[number]:
            total = self._days.setdefault((number, _day(at_ms, zone)[2]), [0, 0])
            total[0] += up
            total[1] += down

    async def _move(self, of_kind: Mapping[str, Mapping[int, Tally]]) -> Switches:
        """Writes figures down as they are now; who is to be switched then."""
        switches: Switches = {}
        for kind, moved in of_kind.items():
            switches[kind] = [
                number for number, tally in moved.items() if tally.roll(self._now_ms).is_switch
            ]
            await write(self._connection, kind, moved, self._now_ms)
        return switches

    async def _write(
        self, later: Sequence[tuple[int, ...]], lowered: Mapping[int, Sequence[int]]
    ) -> None:
        """Writes days, cycles of events, and what clears have forgotten."""
        used = [(*pair, *total) for pair, total in self._days.items() if any(total)]
        forgotten = [(number, *total) for number, total in lowered.items()]
        for statement, rows in (
            (SQL.add_days, used), (SQL.add_events, later), (SQL.lower, forgotten),
        ):  # fmt: skip
            if rows:
                await self._connection.execute(statement, *map(list, zip(*rows, strict=True)))


# The day of each zone that was asked for last, after its beginning and end.
_latest: dict[str, tuple[int, int, date]] = {}


def _day(at_ms: int, zone: str) -> tuple[int, int, date]:
    """Beginning and end of the local day of an instant; mostly it is that of the one before."""
    span = _latest.get(zone, (0, 0, date.min))
    if not span[0] <= at_ms < span[1]:
        day = wall_clocks.day_of(at_ms, zone)
        # Where clocks once fell back over midnight, the day that has begun goes on.
        while (end_ms := local_day_start(zone, day + timedelta(days=1))) <= at_ms:
            day += timedelta(days=1)
        span = _latest[zone] = local_day_start(zone, day), end_ms, day
    return span


def _days(zone: str, first_ms: int, last_ms: int) -> Iterator[tuple[int, int, date]]:
    """The last days of a zone until an instant, back to another one or a few days."""
    at_ms = max(first_ms, last_ms - _BACK_MS)
    while at_ms <= last_ms:
        span = _day(at_ms, zone)
        yield span
        at_ms = span[1]
