"""What is asked about sales and what is told: the same whoever adds them up.

Days are ordinals of local dates (1 = 0001-01-01); counts are of sales with a price of zero or more,
totals of all prices, in minor units of their currency.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from farebox.domain import offsets
from farebox.domain.periods import DAY_S, EPOCH_S, Period
from farebox.domain.sales import Today


class Selection(msgspec.Struct, frozen=True):
    """Whose sales: places that the caller sees, of these machines where machines are named."""

    locations: Sequence[int]
    machines: Sequence[int] | None = None
    currency: str | None = None

    @property
    def key(self) -> Hashable:
        """What is equal for equal selections, in whatever order they name things."""
        machines = None if self.machines is None else frozenset(self.machines)
        return frozenset(self.locations), machines, self.currency


class Daily(NamedTuple):
    """One local day in one currency."""

    currency: str
    day: int
    units: int
    total: int


class Best(NamedTuple):
    """A product by name, with the units of each day that had some."""

    name: str
    days: Mapping[int, int]


class ToDate(NamedTuple):
    """Counts and totals since the beginning of day, week, month and year."""

    currency: str
    day: tuple[int, int]
    week: tuple[int, int]
    month: tuple[int, int]
    year: tuple[int, int]


class Hourly(NamedTuple):
    """One local hour of one day (0: of all days); hours of the week from Monday midnight on."""

    currency: str
    day: int
    hour_of_week: int
    units: int
    total: int


class Adder(Protocol):
    """Somebody who adds sales up."""

    async def daily(self, chosen: Selection, period: Period) -> list[Daily]:
        """By currency, then day; days with sales only."""

    async def best(self, chosen: Selection, period: Period, amount: int) -> list[Best]:
        """By units, then total, then name."""

    async def to_date(self, chosen: Selection, now_ms: int) -> list[ToDate]:
        """By currency; currencies with sales this week or this year."""

    async def hourly(self, chosen: Selection, now_ms: int, *, by_day: bool) -> list[Hourly]:
        """Since local midnight of the date three months earlier."""


def learn(zones: Iterable[str]) -> None:
    """Have the tables of zones at hand; the first time that takes longer than others can wait."""
    for name in zones:
        offsets.table(name)


def todays(zones: Iterable[str], now_ms: int) -> dict[str, Today]:
    """What the date is in each zone."""
    found = {}
    for name in zones:
        transitions, steps = offsets.table(name)
        local_s = now_ms // 1000 + steps[bisect_right(transitions, now_ms // 1000)]
        found[name] = Today.of((local_s + EPOCH_S) // DAY_S + 1)
    return found
