"""Relative dates: the table of vending-commerce.md 4.13, what leads nowhere, and a naive reader."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.domain.errors import InvalidError
from farebox.domain.relative_dates import Descriptor, resolve

MONDAY = date(2019, 3, 11)
LEAP = date(2024, 2, 29)
START, END = False, True

ROWS: tuple[tuple[str, date, dict[str, Any], bool], ...] = (
    ("2019-01-01 00:00:00", MONDAY, {"month": 1, "day": 1}, START),
    ("2019-03-11 23:59:59", MONDAY, {}, END),
    ("2018-01-01 00:00:00", MONDAY, {"year": -1, "month": 1, "day": 1}, START),
    ("2018-03-11 23:59:59", MONDAY, {"year": -1}, END),
    ("2019-02-01 00:00:00", MONDAY, {"month": -1, "day": 1}, START),
    ("2019-02-28 23:59:59", MONDAY, {"month": -1, "day": 31}, END),
    ("2019-03-10 00:00:00", MONDAY, {"day": -1}, START),
    ("2019-03-10 23:59:59", MONDAY, {"day": -1}, END),
    ("2019-02-28 00:00:00", MONDAY, {"day": -11}, START),
    ("2019-03-11 00:00:00", MONDAY, {"week": 0, "day": 1}, START),
    ("2019-03-17 23:59:59", MONDAY, {"week": 0, "day": 7}, END),
    ("2019-03-04 00:00:00", MONDAY, {"week": -1, "day": 1}, START),
    ("2019-03-10 23:59:59", MONDAY, {"week": -1, "day": 7}, END),
    ("2018-12-31 00:00:00", MONDAY, {"week": 1, "day": 1}, START),
    ("2018-03-05 00:00:00", MONDAY, {"year": -1, "week": 0, "day": 1}, START),
    ("2023-02-28 00:00:00", LEAP, {"year": -1}, START),
    ("2024-02-29 23:59:59", date(2024, 3, 31), {"month": -1}, END),
    # Beyond the table: an absolute year, years crossed by months, weekdays before a week, times.
    ("2020-03-11 00:00:00", MONDAY, {"year": 2020}, START),
    ("2017-12-11 00:00:00", MONDAY, {"month": -15}, START),
    ("2019-03-11 00:00:00", MONDAY, {"week": 0}, START),
    ("2019-03-09 00:00:00", MONDAY, {"week": 0, "day": -2}, START),
    ("2019-03-06 00:00:00", MONDAY, {"week": -1, "day": 3, "month": 7}, START),
    ("2020-12-31 00:00:00", MONDAY, {"year": 2020, "week": 53, "day": 4}, START),
    ("2023-02-26 00:00:00", LEAP, {"year": -1, "week": 0, "day": -4}, START),
    ("2019-03-11 12:30:00", MONDAY, {"at": time(12, 30)}, END),
)


@pytest.mark.parametrize(("expected", "reference", "numbers", "is_end"), ROWS)
def test_what_descriptors_mean(
    expected: str, reference: date, numbers: dict[str, Any], is_end: bool
) -> None:
    """Each row of the table, and its neighbours."""
    assert expected == str(resolve(Descriptor(**numbers), reference, is_end=is_end))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("year", {"year": 999}),
        ("year", {"year": -1020}),
        ("month", {"month": -12_240}),
        ("day", {"day": -400_000}),
        ("day", {"day": -1_000_000}),
        ("week", {"year": 2019, "week": 53}),
        ("week", {"week": -60_000}),
        ("week", {"week": -1_000_000}),
        ("day", {"week": 1, "day": 8}),
    ],
)
def test_what_leads_nowhere(name: str, numbers: dict[str, Any]) -> None:
    """The refusal names the number that is to blame."""
    with pytest.raises(InvalidError) as refused:
        resolve(Descriptor(**numbers), MONDAY)
    assert [name] == list(refused.value.fields)


def _months_back(day: date, count: int) -> tuple[int, int]:
    """Year and month so many months back, one month after the other."""
    year, month = day.year, day.month
    for _ in range(count):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return year, month


@given(
    st.dates(date(1990, 1, 1), date(2060, 12, 31)),
    st.integers(0, 30), st.integers(0, 60), st.integers(0, 800),
)  # fmt: skip
def test_negative_numbers_count_back(reference: date, years: int, months: int, days: int) -> None:
    """Years, months and days back are what stepping back one at a time arrives at."""
    start = reference.replace(year=reference.year - years, day=1)
    year, month = _months_back(start, months)
    day = reference.day
    while True:
        try:
            expected = date(year, month, day)
            break
        except ValueError:
            day -= 1
    for _ in range(days):
        expected -= timedelta(days=1)
    found = resolve(Descriptor(-years, -months, -days), reference)
    assert datetime.combine(expected, time()) == found


@given(st.dates(date(1990, 1, 1), date(2060, 12, 31)), st.integers(0, 200), st.integers(1, 7))
def test_weeks_begin_on_monday(reference: date, weeks: int, day: int) -> None:
    """A weekday of a week back lies in the ISO week that many weeks before the reference's."""
    found = resolve(Descriptor(week=-weeks, day=day), reference)
    then = reference - timedelta(weeks=weeks)
    assert (*then.isocalendar()[:2], day) == found.date().isocalendar()
