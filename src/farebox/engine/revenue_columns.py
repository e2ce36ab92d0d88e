"""What sales amount to, added up from columns in memory (vending-commerce.md 4.12).

The rows answer what the months that are kept cannot: while some of a question's are still to be
read, and what does not fit. Both give the same figures.
"""

import asyncio
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from farebox.core import revenue as kernel
from farebox.core.revenue import Cube, Snapshot
from farebox.domain.sales import DAY_S, EPOCH_S, Period, Today
from farebox.engine.revenue_figures import Best, Daily, Hourly, Selection, ToDate, todays
from farebox.engine.revenue_months import Months
from farebox.engine.revenue_rows import Rows
from farebox.storage.pool import Pool

SCANS_AT_ONCE: Final = 2
_EPOCH_DAY: Final = EPOCH_S // DAY_S + 1


class Columns:
    """Answers from columns where it can, else from the rows."""

    def __init__(
        self,
        pool: Pool,
        *,
        bytes_max: int,
        threads: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`bytes_max` bounds the columns; the months are read where `months.run()` runs."""
        self.months = Months(pool, bytes_max=bytes_max, monotonic=monotonic)
        self._numbers = self.months.numbers
        self._rows = Rows(pool)
        self._threads = threads
        self._scans = asyncio.Semaphore(SCANS_AT_ONCE)

    async def daily(self, chosen: Selection, period: Period) -> list[Daily]:
        """By currency, then day; days with sales only."""
        held = await self.months.hold(period.from_s, period.until_s)
        if held is None:
            return await self._rows.daily(chosen, period)
        codes = [*self._numbers.currencies]
        cube = self._during(period, kernel.DAY, kernel.CURRENCY, currencies=len(codes) or 1)
        await self._scan(held, [cube], chosen)
        figures = [
            Daily(codes[key], day + _EPOCH_DAY, units, total)
            for day, key, units, total in cube.rows()
        ]
        return sorted(figures)

    async def best(self, chosen: Selection, period: Period, amount: int) -> list[Best]:
        """By units, then total, then name."""
        held = await self.months.hold(period.from_s, period.until_s)
        if held is None:
            return await self._rows.best(chosen, period, amount)
        names, ranks = [*self._numbers.names], self._numbers.ranks()
        whole = self._during(period, kernel.WHOLE, kernel.PRODUCT, products=len(names) or 1)
        await self._scan(held, [whole], chosen)
        top = whole.top(amount, ranks or None)
        # Days of the best ones only: those of all products could be without number.
        groups = array("I", [kernel.NO_GROUP]) * len(names)
        for place, (key, _, _) in enumerate(top):
            groups[key] = place
        cube = self._during(
            period, kernel.DAY, kernel.PRODUCT, products=len(top) or 1, groups=groups or None
        )
        await self._scan(held, [cube], chosen)
        days: dict[int, dict[int, int]] = defaultdict(dict)
        for day, place, units, _ in cube.rows():
            days[place][day + _EPOCH_DAY] = units
        return [Best(names[key], days[place]) for place, (key, _, _) in enumerate(top)]

    async def to_date(self, chosen: Selection, now_ms: int) -> list[ToDate]:
        """By currency; currencies with sales this week or this year."""
        dates = self._dates(now_ms)
        first = min(min(one.week[0], one.year[0]) for one in dates)
        held = await self.months.hold(_instant(first) - DAY_S, now_ms // 1000 + 1)
        if held is None or len(dates) != len(self._numbers.zones):
            return await self._rows.to_date(chosen, now_ms)
        codes = [*self._numbers.currencies]
        cubes = [
            Cube(
                self._numbers.places,
                kernel.WHOLE,
                kernel.CURRENCY,
                until_s=now_ms // 1000 + 1,
                local_from_s=_walls(getattr(one, unit)[0] for one in dates),
                local_until_s=_walls(getattr(one, unit)[1] for one in dates),
                currencies=len(codes) or 1,
            )
            for unit in ("day", "week", "month", "year")
        ]
        await self._scan(held, cubes, chosen)
        told = [{key: (units, total) for _, key, units, total in cube.rows()} for cube in cubes]
        return sorted(
            ToDate(codes[key], *(figures.get(key, (0, 0)) for figures in told))
            for key in {*told[1], *told[3]}
        )

    async def hourly(self, chosen: Selection, now_ms: int, *, by_day: bool) -> list[Hourly]:
        """Since local midnight of the date three months earlier."""
        dates = self._dates(now_ms)
        first = min(one.quarter for one in dates)
        held = await self.months.hold(_instant(first) - DAY_S, now_ms // 1000 + 1)
        if held is None or len(dates) != len(self._numbers.zones):
            return await self._rows.hourly(chosen, now_ms, by_day=by_day)
        codes = [*self._numbers.currencies]
        cube = Cube(
            self._numbers.places,
            kernel.HOUR,
            kernel.CURRENCY,
            until_s=now_ms // 1000 + 1,
            local_from_s=_walls(one.quarter for one in dates),
            local_until_s=_walls(one.day[1] + 1 for one in dates),
            currencies=len(codes) or 1,
        )
        await self._scan(held, [cube], chosen)
        figures = (
            [(hour // 24 + _EPOCH_DAY, (hour + 72) % 168, *rest) for hour, *rest in cube.rows()]
            if by_day
            else [(0, *row) for row in cube.rows(kernel.HOUR_OF_WEEK)]
        )
        return [
            Hourly(codes[key], day, hour, units, total)
            for day, hour, key, units, total in figures
            if chosen.currency in (None, codes[key])
        ]

    def _dates(self, now_ms: int) -> list[Today]:
        """What the date is in each zone by its number; in UTC where none is known yet."""
        return [*todays(self._numbers.zones or ("UTC",), now_ms).values()]

    def _during(
        self,
        period: Period,
        time_unit: int,
        key: int,
        *,
        currencies: int = 1,
        products: int = 1,
        groups: "array[int] | None" = None,
    ) -> Cube:
        return Cube(
            self._numbers.places,
            time_unit,
            key,
            from_s=period.from_s,
            until_s=period.until_s,
            local_from_s=period.wall_from_s - EPOCH_S,
            local_until_s=period.wall_until_s - EPOCH_S,
            currencies=currencies,
            products=products,
            groups=groups,
        )

    async def _scan(self, held: list[Snapshot], cubes: list[Cube], chosen: Selection) -> None:
        places = self._numbers.mask(chosen.locations)
        machines = self._numbers.machine_mask(chosen.machines)
        async with self._scans:
            await asyncio.to_thread(
                kernel.scan,
                held,
                cubes,
                places=places,
                machines=machines,
                threads=self._threads,
            )


def _instant(day: int) -> int:
    """Midnight of a day in UTC."""
    return (day - 1) * DAY_S - EPOCH_S


def _walls(days: Iterable[int]) -> "array[int]":
    """Midnights of the zones, on the wall."""
    return array("q", [_instant(day) for day in days])
