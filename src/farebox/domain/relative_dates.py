"""Dates relative to a reference: what the descriptors of reports mean (vending-commerce.md 4.13).

Of year, month, day and week, zero is the reference's own, a negative number that many back, a
positive one absolute. Days that a month lacks become its last. The time of day is always absolute:
a report of "today" begins at midnight, whatever the hour in which it was asked for.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final

import msgspec

from farebox.domain.errors import InvalidError

START: Final = time(0, 0, 0)
END: Final = time(23, 59, 59)
YEAR_MIN: Final = 1000
YEAR_MAX: Final = 9998
_BACK: Final = -1_000_000
# What each number of a descriptor may be; what they lead to is only known with a reference.
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "year": (_BACK, YEAR_MAX),
    "month": (_BACK, 12),
    "day": (_BACK, 31),
    "week": (_BACK, 53),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}


class Descriptor(msgspec.Struct, frozen=True):
    """The numbers of a relative date; without a week the month counts, with one it does not."""

    year: int = 0
    month: int = 0
    day: int = 0
    week: int | None = None
    # None: the beginning of the day for a start, its last second for an end.
    at: time | None = None


def resolve(given: Descriptor, reference: date, *, is_end: bool = False) -> datetime:
    """The wall clock that a descriptor means; InvalidError names the number that leads nowhere."""
    year = given.year if given.year > 0 else reference.year + given.year
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise _nowhere("year")
    if given.week is None:
        day = _in_month(given, year, reference)
    else:
        day = _in_week(given.day, given.week, year, reference)
    return datetime.combine(day, given.at or (END if is_end else START))


def _in_month(given: Descriptor, year: int, reference: date) -> date:
    number = given.month or reference.month
    if given.month < 0:
        year, month = divmod(12 * year + reference.month - 1 + given.month, 12)
        number = month + 1
    if year < YEAR_MIN:
        raise _nowhere("month")
    first = date(year, number, 1)
    if given.day > 0:
        return _clamped(first, given.day)
    return _back(_clamped(first, reference.day), -given.day, "day")


def _in_week(day: int, week: int, year: int, reference: date) -> date:
    if week > 0:
        try:
            monday = date.fromisocalendar(year, week, 1)
        except ValueError:
            raise _nowhere("week") from None
    else:
        moved = _clamped(date(year, reference.month, 1), reference.day)
        monday = _back(moved, moved.weekday() - 7 * week, "week")
    if day > 7:
        raise InvalidError("day must be a weekday", fields={"day": "must be <= 7 beside a week"})
    weekday = day if day > 0 else reference.isoweekday() + day
    return _back(monday, 1 - weekday, "day")


def _clamped(first: date, day: int) -> date:
    return first.replace(day=min(day, monthrange(first.year, first.month)[1]))


def _back(day: date, days: int, name: str) -> date:
    try:
        found = day - timedelta(days=days)
    except OverflowError:
        raise _nowhere(name) from None
    if not YEAR_MIN <= found.year <= YEAR_MAX:
        raise _nowhere(name)
    return found


def _nowhere(name: str) -> InvalidError:
    reason = "leads to no date"
    return InvalidError(f"{name} {reason}", fields={name: reason})
