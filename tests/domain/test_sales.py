"""Periods and rates of sales (vending-commerce.md 4.12)."""

from datetime import date
from decimal import Decimal

import pytest

from farebox.domain.errors import InvalidError
from farebox.domain.instants import parse
from farebox.domain.sales import DAY_S, EPOCH_S, Rates, Today, later_by_months, period

RATES = Rates(
    "EUR",
    {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3},
    [
        ("JPY", 100, Decimal("0.00615")),
        ("KWD", 100, Decimal("3.0")),
        ("USD", 100, Decimal("0.9")),
        ("USD", 200, Decimal("0.5")),
    ],
)


@pytest.mark.parametrize(
    ("currency", "day", "total", "expected"),
    [
        ("EUR", 1, 1240, 1240),
        # No rate is known yet, or ever.
        ("USD", 99, 1240, 1240),
        ("AMD", 150, 81000, 81000),
        # The latest on or before the day.
        ("USD", 100, 1240, 1116),
        ("USD", 199, 1240, 1116),
        ("USD", 200, 1240, 620),
        # Half to even, refunds too.
        ("USD", 200, 1, 0),
        ("USD", 200, 3, 2),
        ("USD", 200, -3, -2),
        # Currencies of no and of three digits.
        ("JPY", 100, 1000, 615),
        ("KWD", 100, 1005, 302),
        ("USD", 100, 9223372036854775807, 8301034833169298226),
    ],
)
def test_conversion(currency: str, day: int, total: int, expected: int) -> None:
    """A sum in the reporting currency."""
    assert expected == RATES.value(total, currency, day)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("2019-02-07", "2019-02-06", "startDate"),
        ("2019-02-06 12:00:01", "2019-02-06 12:00", "startDate"),
        ("2019-02-06T12:00:00Z", "2019-02-06T12:00:00+01:00", "startDate"),
        ("2019-02-06", "2022-02-07", "endDate"),
        ("0002-01-01", "9998-12-31", "endDate"),
    ],
)
def test_refused_periods(start: str, end: str, field: str) -> None:
    """Ends before it begins, or longer than three years."""
    with pytest.raises(InvalidError) as caught:
        period(parse(start), parse(end))
    assert ("invalid_range", [field]) == (caught.value.code, [*caught.value.fields])


@pytest.mark.parametrize(
    ("start", "end", "days", "wall_s"),
    [
        ("2019-02-06", "2019-02-06", 1, DAY_S),
        ("2019-02-06", "2022-02-06", 1097, 1097 * DAY_S),
        ("2024-02-29", "2024-03-01 00:00", 2, DAY_S + 1),
        ("2019-02-06 12:00", "2019-02-06 12:00:00", 1, 1),
    ],
)
def test_periods(start: str, end: str, days: int, wall_s: int) -> None:
    """Both ends are included, to the second."""
    made = period(parse(start), parse(end))
    assert (days, wall_s) == (len(made.days), made.wall_until_s - made.wall_from_s)


def test_a_period_between_instants() -> None:
    """Instants bound it exactly, whatever the clock on the wall says."""
    made = period(parse("2019-02-06T12:00:00Z"), parse("2019-02-06T13:00:00+01:00"))
    assert 1 == made.until_s - made.from_s
    assert made.from_s - DAY_S == made.wall_from_s - EPOCH_S
    assert made.until_s + DAY_S == made.wall_until_s - EPOCH_S


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-05-31", -3, "2026-02-28"),
        ("2024-05-31", -3, "2024-02-29"),
        ("2026-01-15", -3, "2025-10-15"),
        ("2026-12-01", 1, "2027-01-01"),
    ],
)
def test_months(day: str, months: int, expected: str) -> None:
    """Calendar months, on the last day where the day does not exist."""
    assert expected == later_by_months(date.fromisoformat(day), months).isoformat()


def test_today() -> None:
    """A Friday whose week began in the year before."""
    today = Today.of(date(2027, 1, 1).toordinal())
    assert date(2026, 12, 28).toordinal() == today.week[0]
    assert date(2028, 1, 1).toordinal() == today.year[1]
    assert date(2027, 2, 1).toordinal() == today.month[1]
