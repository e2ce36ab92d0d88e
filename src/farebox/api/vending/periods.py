"""Reads periods of reports from bodies and queries (vending-commerce.md 4.13).

A period is an object with `startDate` and `endDate`, each a date text or a descriptor of numbers
relative to `referenceDate`, which is now unless it is told. Every fault is reported under the path
of its member. Which instants a period is, is no business of this module.
"""

from datetime import datetime, time
from typing import Final

import msgspec

from farebox.api.vending.fields import Fields
from farebox.domain import periods, relative_dates
from farebox.domain.errors import InvalidError
from farebox.domain.periods import Edge, Period
from farebox.domain.relative_dates import BOUNDS, Descriptor

FIXED: Final = "fixed date"
TYPES: Final = (FIXED, "relative")
MEMBERS: Final = ("startDate", "endDate", "referenceDate", "type")
_TIMES: Final = ("hour", "minute", "second")


class DescriptorBody(msgspec.Struct):
    """A relative date: 0 is the reference's, a negative number that many back, others absolute."""

    year: int | None = 0
    month: int | None = 0
    day: int | None = 0
    week: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None


class PeriodBody(msgspec.Struct, kw_only=True, rename="camel"):
    """A period, for the document."""

    start_date: str | DescriptorBody
    end_date: str | DescriptorBody
    reference_date: str | None = None
    type: str | None = None


def read_period(
    body: Fields, name: str, today: datetime | None, *, required: bool = False
) -> Period | None:
    """The member `name` of a body; None when it is absent or wrong. `today` is a wall clock.

    Without `today` nothing is resolved: what can be wrong on every day is noted, and no more.
    """
    given = body.nested(name, known=MEMBERS, required=required)
    if given is None:
        return None
    is_fixed = given.enum("type", TYPES) == FIXED
    told = _reference(given)
    reference = today and (told or today)
    start = _edge(given, "startDate", reference, is_fixed=is_fixed, is_end=False)
    end = _edge(given, "endDate", reference, is_fixed=is_fixed, is_end=True)
    if start is None or end is None:
        return None
    try:
        return periods.period(start, end)
    except InvalidError as error:
        body.wrong(name, error.message, error.code)
        return None


def _reference(given: Fields) -> datetime | None:
    text = given.optional_string("referenceDate")
    try:
        return periods.written(text) if text else None
    except InvalidError as error:
        given.wrong("referenceDate", _reason(error))
        return None


def _edge(
    given: Fields, name: str, reference: datetime | None, *, is_fixed: bool, is_end: bool
) -> Edge | None:
    if is_fixed or isinstance(given.given(name), str):
        text = given.string(name)
        try:
            return periods.edge(text, is_end=is_end) if text else None
        except InvalidError as error:
            given.wrong(name, _reason(error))
            return None
    inner = given.nested(name, known=tuple(BOUNDS), required=True)
    descriptor = None if inner is None else _descriptor(inner)
    if inner is None or descriptor is None or reference is None:
        return None
    try:
        return Edge(relative_dates.resolve(descriptor, reference.date(), is_end=is_end))
    except InvalidError as error:
        for number, reason in error.fields.items():
            inner.wrong(number, reason)
        return None


def _descriptor(inner: Fields) -> Descriptor | None:
    numbers = {
        name: inner.optional_integer(name, low=low, high=high)
        for name, (low, high) in BOUNDS.items()
    }
    if 0 < (numbers["year"] or 0) < relative_dates.YEAR_MIN:
        inner.wrong("year", f"must be >= {relative_dates.YEAR_MIN}, or 0 or less")
    if not inner.is_clean:
        return None
    hour, minute, second = (numbers[name] for name in _TIMES)
    is_timed = (hour, minute, second) != (None, None, None)
    return Descriptor(
        year=numbers["year"] or 0,
        month=numbers["month"] or 0,
        day=numbers["day"] or 0,
        week=numbers["week"],
        at=time(hour or 0, minute or 0, second or 0) if is_timed else None,
    )


def _reason(error: InvalidError) -> str:
    return error.message.removeprefix("The date ")
