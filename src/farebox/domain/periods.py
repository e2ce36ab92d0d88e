"""Periods of reports and summaries: spans of wall clocks, and which instants they are in a zone.

A period without offsets is meant on every place's own wall: an instant is in it if the clock there
shows a second from its start to its end, both included (vending-commerce.md 4.12). Where clocks go
back inside the first or last hour that is more than one span; where they go forward over an edge,
the span begins or ends with the jump. An edge with an offset is one instant everywhere. Wall-clock
seconds count from Monday 0001-01-01, so that `// 86_400 + 1` is the ordinal of a day, and
`// 3600 % 168` the hour of the week.
"""

import re
from datetime import MAXYEAR, date, datetime
from typing import Final

import msgspec

from farebox.domain import instants, offsets
from farebox.domain.errors import InvalidError
from farebox.domain.instants import to_ms
from farebox.domain.relative_dates import END, START

DAY_S: Final = 86_400
# Seconds from Monday 0001-01-01 to 1970-01-01.
EPOCH_S: Final = (date(1970, 1, 1).toordinal() - 1) * DAY_S
YEARS_MAX: Final = 3
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

    @property
    def days(self) -> range:
        """The ordinals of its days as they were told."""
        return range(self.start.wall.toordinal(), self.end.wall.toordinal() + 1)

    @property
    def instants_s(self) -> tuple[int, int]:
        """From an instant until another: exactly where they were told, else as wide as needed."""
        start, end = self.start, self.end
        return (
            to_ms(start.instant) // 1000 if start.instant else _wall_s(start) - EPOCH_S - DAY_S,
            to_ms(end.instant) // 1000 + 1 if end.instant else _wall_s(end) + 1 - EPOCH_S + DAY_S,
        )

    @property
    def walls_s(self) -> tuple[int, int]:
        """The same on the wall; what is in the period lies in both."""
        # No clock is a day away from UTC: a bound of one kind is a wide one of the other.
        from_s, until_s = self.instants_s
        return (
            from_s + EPOCH_S - DAY_S if self.start.instant else _wall_s(self.start),
            until_s + EPOCH_S + DAY_S if self.end.instant else _wall_s(self.end) + 1,
        )

    def spans(self, zone_name: str) -> list[Span]:
        """The spans of instants at which a wall clock in this zone is in the period."""
        walls_s = [wall_s - EPOCH_S for wall_s in self.walls_s]
        found: list[Span] = []
        for from_s, until_s, offset_s in offsets.stretches(zone_name, *self.instants_s):
            since = max(from_s, walls_s[0] - offset_s) * 1000
            until = min(until_s, walls_s[1] - offset_s) * 1000
            if found and found[-1][1] == since < until:
                found[-1] = found[-1][0], until
            elif since < until:
                found.append((since, until))
        return found


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
    """From an edge to another. Raises InvalidError (invalid_range) naming what is wrong."""
    both = start.instant is not None and end.instant is not None
    first, last = (start.instant, end.instant) if both else (start.wall, end.wall)
    if first is None or last is None or first > last:
        reason = "must not be after endDate"
        raise InvalidError(f"startDate {reason}", "invalid_range", {"startDate": reason})
    if end.wall.date() > years_later(start.wall.date(), YEARS_MAX):
        reason = f"must be at most {YEARS_MAX} years after startDate"
        raise InvalidError(f"endDate {reason}", "invalid_range", {"endDate": reason})
    return Period(start, end)


def years_later(day: date, years: int) -> date:
    """The same date so many years later, or the end of February; at most in 9999."""
    year = min(day.year + years, MAXYEAR)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def _wall_s(given: Edge) -> int:
    wall = given.wall
    seconds = wall.hour * 3600 + wall.minute * 60 + wall.second
    return (wall.toordinal() - 1) * DAY_S + seconds
