"""What sales amount to: by day, by product, to date, by hour (vending-commerce.md 4.12).

Figures are added up by whoever is given (the rows, or the columns in memory); here currencies are
converted and days without sales filled in. A sum is converted once for each currency and day, in
the heat map for each hour of a day, never sale by sale. Those who ask the same at the same time are
answered together, each with what had been committed when they asked.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from farebox.domain.periods import Period
from farebox.engine.making_way import Readers
from farebox.engine.rates import read_rates
from farebox.engine.revenue_figures import Adder, Daily, Selection, ToDate
from farebox.engine.shared_answers import SharedAnswers
from farebox.storage.pool import Pool

HOURS: Final = 168


class Converted(NamedTuple):
    """A day's figures, the rate that applied, and the total in the reporting currency."""

    daily: Daily
    rate: float
    value: int


class Revenue:
    """Answers about sales, in the reporting currency where rates are known."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], adder: Adder, *,
        readers: Readers | None = None, reporting_currency: str = "EUR",
    ) -> None:  # fmt: skip
        """Whoever asks is one of the readers, whom other work makes way for."""
        self.readers = readers or Readers()
        self._pool = pool
        self._clock = clock
        self._adder = adder
        self._reporting = reporting_currency
        self._shared = SharedAnswers()

    async def summary(self, chosen: Selection, period: Period) -> list[Converted]:
        """Days with sales, by currency, then day."""
        key = "daily", chosen.key, period
        figures, rates = await asyncio.gather(
            self._shared.ask(key, lambda: self._adder.daily(chosen, period)),
            read_rates(self._pool, self._reporting),
        )
        if not rates:
            return [Converted(one, 1.0, one.total) for one in figures]
        return [
            Converted(
                one,
                float(rates.rate(one.currency, one.day) or 1),
                rates.value(one.total, one.currency, one.day),
            )
            for one in figures
        ]

    async def bestselling(
        self, chosen: Selection, period: Period, amount: int
    ) -> list[tuple[str, list[tuple[int, int]]]]:
        """The products sold most, with the units of every day, days without sales included."""
        key = "best", chosen.key, period, amount
        best = await self._shared.ask(key, lambda: self._adder.best(chosen, period, amount))
        # Between instants a far place may have days that nobody named.
        days = sorted({*period.days, *(day for one in best for day in one.days)})
        return [(one.name, [(day, one.days.get(day, 0)) for day in days]) for one in best]

    async def periods(self, chosen: Selection) -> list[ToDate]:
        """Figures since the beginning of day, week, month and year, by currency."""
        return await self._shared.ask(
            ("to_date", chosen.key), lambda: self._adder.to_date(chosen, self._clock())
        )

    async def heatmap(self, chosen: Selection) -> list[tuple[int, int]]:
        """Units and total of each hour of the week, over three months."""
        rates = await read_rates(self._pool, self._reporting)
        by_day = bool(rates)
        figures = await self._shared.ask(
            ("hourly", chosen.key, by_day),
            lambda: self._adder.hourly(chosen, self._clock(), by_day=by_day),
        )
        counts, totals = [0] * HOURS, [0] * HOURS
        for one in figures:
            counts[one.hour_of_week] += one.units
            totals[one.hour_of_week] += rates.value(one.total, one.currency, one.day)
        return [*zip(counts, totals, strict=True)]
