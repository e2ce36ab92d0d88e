"""Dates and rates of what sales amount to (vending-commerce.md 4.12); pure.

Days are ordinals of local dates. Sums are converted, never single sales; nothing here knows places
or rows.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

_ONE: Final = Decimal(1)
# Wide enough for every product of an int64 and a rate: nothing is rounded before the end.
_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)


def later_by_months(day: date, months: int) -> date:
    """So many calendar months later (or earlier), on that month's last day at most."""
    number = 12 * day.year + day.month - 1 + months
    first = date(number // 12, number % 12 + 1, 1)
    following = date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + timedelta(days=min(day.day, (following - first).days) - 1)


@dataclass(frozen=True, slots=True)
class Today:
    """Where day, week, month and year of a date begin and end, as half-open ordinals."""

    day: tuple[int, int]
    week: tuple[int, int]
    month: tuple[int, int]
    year: tuple[int, int]
    # Where the last three months begin.
    quarter: int

    @classmethod
    def of(cls, ordinal: int) -> "Today":
        """The spans that contain the date of this ordinal."""
        today = date.fromordinal(ordinal)
        monday = ordinal - today.weekday()
        month, year = today.replace(day=1), date(today.year, 1, 1)
        return cls(
            (ordinal, ordinal + 1),
            (monday, monday + 7),
            (month.toordinal(), later_by_months(month, 1).toordinal()),
            (year.toordinal(), date(today.year + 1, 1, 1).toordinal()),
            later_by_months(today, -3).toordinal(),
        )


class Rates:
    """Multipliers to the reporting currency, each from its day on until the next."""

    def __init__(
        self,
        reporting: str,
        exponents: Mapping[str, int],
        rows: Iterable[tuple[str, int, Decimal]],
    ) -> None:
        """`rows` are currency, ordinal of the day and rate, by day within a currency."""
        self._reporting = reporting
        self._exponents = exponents
        self._days: dict[str, list[int]] = {}
        self._rates: dict[str, list[Decimal]] = {}
        for currency, day, rate in rows:
            self._days.setdefault(currency, []).append(day)
            self._rates.setdefault(currency, []).append(rate)

    def __bool__(self) -> bool:
        """Whether any rate is known."""
        return bool(self._days)

    def rate(self, currency: str, day: int) -> Decimal | None:
        """The latest rate on or before a day; 1 for the reporting currency, None if unknown."""
        if currency == self._reporting:
            return _ONE
        known = bisect_right(self._days.get(currency, ()), day)
        return self._rates[currency][known - 1] if known else None

    def value(self, total: int, currency: str, day: int) -> int:
        """A sum in the reporting currency's minor units, half to even; as it is without a rate."""
        rate = self.rate(currency, day) if self._days else None
        if rate is None or currency == self._reporting:
            return total
        shift = self._exponents.get(self._reporting, 2) - self._exponents.get(currency, 2)
        exact = _EXACT.scaleb(_EXACT.multiply(Decimal(total), rate), shift)
        return int(exact.to_integral_value(ROUND_HALF_EVEN))
