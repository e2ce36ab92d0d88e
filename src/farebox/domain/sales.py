"""Spans and rates of what sales amount to (vending-commerce.md 4.12); pure.

A period is bounded by the clock on the wall of each place, both ends included to the second, or by
instants where a date has an offset. Wall-clock seconds count from Monday 0001-01-01, so that
`// 86_400 + 1` is the ordinal of a day, and `// 3600 % 168` the hour of the week.
Sums are converted, never single sales; nothing here knows places or rows.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from farebox.domain.errors import InvalidError
from farebox.domain.instants import Moment

DAY_S: Final = 86_400
# Seconds from Monday 0001-01-01 to 1970-01-01.
EPOCH_S: Final = (date(1970, 1, 1).toordinal() - 1) * DAY_S
YEARS_MAX: Final = 3
_ONE: Final = Decimal(1)
# Wide enough for every product of an int64 and a rate: nothing is rounded before the end.
_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open spans of instants and of wall-clock seconds; a sale must lie in both."""

    from_s: int
    until_s: int
    wall_from_s: int
    wall_until_s: int
    # Ordinals, for answers that have every day.
    days: range


def period(start: Moment, end: Moment) -> Period:
    """From one date to another. Raises InvalidError (invalid_range) naming what is wrong."""
    first, last = _nominal(start), _nominal(end)
    if end.day is not None:
        last += timedelta(days=1) - timedelta(seconds=1)
    if first > last:
        reason = "must not be after endDate"
        raise InvalidError(f"startDate {reason}", "invalid_range", {"startDate": reason})
    longest = (first.year + YEARS_MAX, first.month, first.day)
    if (last.year, last.month, last.day) > longest:
        reason = f"must be at most {YEARS_MAX} years after startDate"
        raise InvalidError(f"endDate {reason}", "invalid_range", {"endDate": reason})
    from_s, until_s = _wall_s(first), _wall_s(last) + 1
    # No clock is a day away from UTC: a bound of one kind is a wide one of the other.
    start_wide, end_wide = (0 if start.instant else DAY_S), (0 if end.instant else DAY_S)
    return Period(
        from_s - EPOCH_S - start_wide,
        until_s - EPOCH_S + end_wide,
        from_s - (DAY_S - start_wide),
        until_s + (DAY_S - end_wide),
        range(first.toordinal(), last.toordinal() + 1),
    )


def later_by_months(day: date, months: int) -> date:
    """So many calendar months later (or earlier), on that month's last day at most."""
    number = 12 * day.year + day.month - 1 + months
    first = date(number // 12, number % 12 + 1, 1)
    following = date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + timedelta(days=min(day.day, (following - first).days) - 1)


def _nominal(moment: Moment) -> datetime:
    if moment.instant is not None:
        return moment.instant.replace(tzinfo=None)
    return moment.local or datetime.combine(moment.day or date.min, datetime.min.time())


def _wall_s(moment: datetime) -> int:
    return (moment.toordinal() - 1) * DAY_S + (
        moment.hour * 3600 + moment.minute * 60 + moment.second
    )


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
