"""Periods of reports: spans of wall clocks, and which instants they are in a zone.

A period without offsets is meant on every place's own wall: an instant is in it if the clock there
shows a second from its start to its end, both included (vending-commerce.md 4.12). Where clocks go
back inside the first or last hour that is more than one span; where they go forward over an edge,
the span begins or ends with the jump. An edge with an offset is one instant everywhere.
"""

import re
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from farebox.domain import instants
from farebox.domain.errors import InvalidError
from farebox.domain.instants import NEVER_MS, to_ms
from farebox.domain.relative_dates import END, START

YEARS_MAX: Final = 3
_SECOND: Final = timedelta(seconds=1)
_OFFSET: Final = re.compile(r"(?:Z|[+-]\d{2}:\d{2})$")
# From an instant up to but not including another, in epoch milliseconds.
Span = tuple[int, int]


class Edge(msgspec.Struct, frozen=True):
    """The first or last second of a period, as it was told; with an offset it is an instant."""

    wall: datetime
    instant: datetime | None = None

    @property
    def text(self) -> str:
        """The wall clock without offset: `2019-03-11 23:59:59`."""
        return self.wall.isoformat(" ")


class Period(msgspec.Struct, frozen=True):
    """From the first second to the last one."""

    start: Edge
    end: Edge

    def spans(self, zone: ZoneInfo) -> list[Span]:
        """The spans of instants at which a wall clock in this zone is in the period."""
        after = Edge(self.end.wall + _SECOND, self.end.instant and self.end.instant + _SECOND)
        ends, beginnings = _since(after, zone), _since(self.start, zone)
        # Before the end is what lies between the spans that begin after it.
        starts = [-NEVER_MS, *(until for _, until in ends[:-1])]
        before = list(zip(starts, (since for since, _ in ends), strict=True))
        met = [(max(a, c), min(b, d)) for a, b in beginnings for c, d in before]
        return [(since, until) for since, until in met if since < until]


def edge(text: str, *, is_end: bool = False) -> Edge:
    """An edge from a date text; a day alone means its first or, for an end, its last second.

    Raises InvalidError.
    """
    moment = instants.parse(text)
    if moment.day is not None:
        return Edge(datetime.combine(moment.day, END if is_end else START))
    return Edge(written(text), moment.instant)


def written(text: str) -> datetime:
    """The wall clock that a date text shows, an offset dropped. Raises InvalidError."""
    instants.parse(text)
    return datetime.fromisoformat(_OFFSET.sub("", text.strip())[:19])


def period(start: Edge, end: Edge) -> Period:
    """A period of reports; InvalidError (invalid_range) if it is backwards or over three years."""
    both = start.instant is not None and end.instant is not None
    first, last = (start.instant, end.instant) if both else (start.wall, end.wall)
    if first is None or last is None or first > last:
        raise InvalidError("The period ends before it starts", "invalid_range")
    if end.wall.date() > years_later(start.wall.date(), YEARS_MAX):
        raise InvalidError(f"The period is longer than {YEARS_MAX} years", "invalid_range")
    return Period(start, end)


def years_later(day: date, years: int) -> date:
    """The same date so many years later, or the end of February; at most in 9999."""
    year = min(day.year + years, MAXYEAR)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def _since(given: Edge, zone: ZoneInfo) -> list[Span]:
    """The instants at which the clock shows this second or a later one."""
    if given.instant is not None:
        return [(to_ms(given.instant), NEVER_MS)]
    first, second = (
        to_ms(given.wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)
    )
    if first == second:
        return [(first, NEVER_MS)]
    turn = _turn(zone, min(first, second), max(first, second))
    if first < second:
        # The second is shown twice; from the turn until it is shown again, the clock is before it.
        return [(first, turn), (second, NEVER_MS)]
    return [(turn, NEVER_MS)]


def _turn(zone: ZoneInfo, before_ms: int, after_ms: int) -> int:
    """The instant in (before, after] at which the zone changes its offset."""
    low, high = before_ms // 1000, after_ms // 1000
    old = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high * 1000
