"""Dates and rates of sales (vending-commerce.md 4.12)."""

from datetime import date
from decimal import Decimal

import pytest

from farebox.domain.sales import Rates, Today, later_by_months

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
