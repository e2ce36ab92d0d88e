"""Wall clocks of a zone: text without an offset, and steps of days and months (isp.md 1.4, 4.5).

A wall time that does not exist means the first instant after the gap; one that exists twice means
the first of the two. Stepping keeps the wall time; a day that a month lacks becomes its last.
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from farebox.domain.instants import Moment, to_ms
from farebox.domain.windows import zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_DAY_S = 86_400
_WALL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock's, without a zone


def local(instant_ms: int, zone_name: str) -> datetime:
    """The wall clock at an instant, without its zone."""
    return (_EPOCH + instant_ms * _MS).astimezone(zone(zone_name)).replace(tzinfo=None)


def text(instant_ms: int, zone_name: str) -> str:
    """`2019-02-06 07:06:17`."""
    second = instant_ms // 1000
    offset_s = _offset_s(zone_name, second // _DAY_S)
    if offset_s is None:
        return local(instant_ms, zone_name).isoformat(" ", "seconds")
    return (_WALL_EPOCH + timedelta(0, second + offset_s)).isoformat(" ")


@lru_cache(maxsize=1 << 14)
def _offset_s(zone_name: str, day: int) -> int | None:
    """How far ahead of UTC a zone is on all of a day of UTC; None where clocks change in it.

    No zone has ever changed its clocks twice within two days.
    """
    first, last = (
        datetime.fromtimestamp(day * _DAY_S + second, zone(zone_name)).utcoffset()
        for second in (0, _DAY_S - 1)
    )
    return first // _SECOND if first is not None and first == last else None


def optional_text(instant_ms: int | None, zone_name: str) -> str | None:
    """The same, or nothing for nothing."""
    return None if instant_ms is None else text(instant_ms, zone_name)


def day_of(instant_ms: int, zone_name: str) -> date:
    """The local date at an instant."""
    return local(instant_ms, zone_name).date()


def instant(wall: datetime, zone_name: str) -> int:
    """Epoch milliseconds of a wall clock."""
    where = zone(zone_name)
    first = wall.replace(tzinfo=where, fold=0).astimezone(UTC)
    if first.astimezone(where).replace(tzinfo=None) != wall:
        first = _end_of_gap(wall, where)
    return (first - _EPOCH) // _MS


def of_moment(moment: Moment, zone_name: str) -> int:
    """Epoch milliseconds of what a date text says; without an offset it is a wall clock."""
    if moment.instant is not None:
        return to_ms(moment.instant)
    return instant(moment.local or datetime.combine(moment.day or date.min, time()), zone_name)


def _end_of_gap(wall: datetime, where: ZoneInfo) -> datetime:
    """The first second at which clocks show more than the skipped wall time."""
    low = wall.replace(tzinfo=where, fold=1).astimezone(UTC)
    high = wall.replace(tzinfo=where, fold=0).astimezone(UTC)
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        if middle.astimezone(where).replace(tzinfo=None) > wall:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def plus_days(instant_ms: int, days: int, zone_name: str) -> int:
    """The same wall time so many days later."""
    return instant(local(instant_ms, zone_name) + timedelta(days=days), zone_name)


def plus_months(instant_ms: int, months: int, zone_name: str) -> int:
    """The same day of the month and wall time so many months later."""
    wall = local(instant_ms, zone_name)
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    moved = wall.replace(year=year, month=month + 1, day=min(wall.day, last))
    return instant(moved, zone_name)
