"""What sales amount to, added up from columns in memory (vending-commerce.md 4.12).

The rows answer what the months that are kept cannot: while some of a question's are still to be
read, and what does not fit. Both give the same figures.
"""

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from farebox.core import revenue as kernel
from farebox.core.revenue import Cube
from farebox.domain.periods import DAY_S, EPOCH_S, Period
from farebox.domain.sales import Today
from farebox.engine.revenue_figures import Best, Daily, Hourly, Selection, ToDate, todays
from farebox.engine.revenue_months import Held, Months
from farebox.engine.revenue_rows import Rows
from farebox.engine.revenue_scan import Scanner, added
from farebox.storage.pool import Pool

_EPOCH_DAY: Final = EPOCH_S // DAY_S + 1
# The part of the memory that figures of whole months take at most.
_REMEMBERED: Final = 16


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
        remembered = bytes_max // _REMEMBERED
        self.months = Months(pool, bytes_max=bytes_max - remembered, monotonic=monotonic)
        self.scanner = Scanner(self.months.numbers, threads=threads, bytes_max=remembered)
        self._numbers = self.months.numbers
        self._rows = Rows(pool)

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self.months.nbytes + self.scanner.remembered.nbytes

    async def daily(self, chosen: Selection, period: Period) -> list[Daily]:
        """By currency, then day; days with sales only."""
        held = await self.months.hold(*period.instants_s)
        if held is None:
            return await self._rows.daily(chosen, period)
        codes = [*self._numbers.currencies]
        cube = self._during(period, kernel.DAY, kernel.CURRENCY, currencies=len(codes) or 1)
        (from_s, until_s), walls_s = period.instants_s, period.walls_s
        begin, end = walls_s[0] - EPOCH_S + DAY_S, walls_s[1] - EPOCH_S - DAY_S
        edges, inside = _apart(held, max(from_s, begin), min(until_s, end))
        await self.scanner.add(edges, [cube], chosen)
        rows = [*cube.rows(), *await self.scanner.whole(inside, kernel.DAY, chosen)]
        return sorted(Daily(codes[key], day + _EPOCH_DAY, *rest) for day, key, *rest in added(rows))

    async def best(self, chosen: Selection, period: Period, amount: int) -> list[Best]:
        """By units, then total, then name."""
        held = await self.months.hold(*period.instants_s)
        if held is None:
            return await self._rows.best(chosen, period, amount)
        names, ranks = [*self._numbers.names], self._numbers.ranks()
        whole = self._during(period, kernel.WHOLE, kernel.PRODUCT, products=len(names) or 1)
        await self.scanner.add(held, [whole], chosen)
        top = whole.top(amount, ranks or None)
        # Days of the best ones only: those of all products could be without number.
        groups = array("I", [kernel.NO_GROUP]) * len(names)
        for place, (key, _, _) in enumerate(top):
            groups[key] = place
        cube = self._during(
            period, kernel.DAY, kernel.PRODUCT, products=len(top) or 1, groups=groups or None
        )
        await self.scanner.add(held, [cube], chosen)
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
        # Months of this year that this month and this week have nothing of.
        begin = max(one.year[0] for one in dates)
        end = min(min(one.month[0], one.week[0]) for one in dates)
        edges, inside = _apart(held, _instant(begin) + DAY_S, _instant(end) - DAY_S)
        await self.scanner.add(edges, cubes, chosen)
        rows = [cube.rows() for cube in cubes]
        rows[3] += await self.scanner.whole(inside, kernel.DAY, chosen)
        told = [
            {key: (units, total) for _, key, units, total in added((0, *row[1:]) for row in some)}
            for some in rows
        ]
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
        begin, end = max(one.quarter for one in dates), min(one.day[1] for one in dates)
        edges, inside = _apart(
            held, _instant(begin) + DAY_S, min(now_ms // 1000 + 1, _instant(end + 1) - DAY_S)
        )
        await self.scanner.add(edges, [cube], chosen)
        unit = kernel.HOUR if by_day else kernel.HOUR_OF_WEEK
        rows = [*cube.rows(unit), *await self.scanner.whole(inside, unit, chosen)]
        if by_day:
            # Hours since 1970 on the wall as hours of the week, behind 168 times their day.
            weeks = (168 * (row[0] // 24 + _EPOCH_DAY) + (row[0] + 72) % 168 for row in rows)
            rows = [(hour, *row[1:]) for hour, row in zip(weeks, rows, strict=True)]
        return [
            Hourly(codes[key], *divmod(hour, 168), *rest)
            for hour, key, *rest in added(rows)
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
        (from_s, until_s), walls_s = period.instants_s, period.walls_s
        return Cube(
            self._numbers.places,
            time_unit,
            key,
            from_s=from_s,
            until_s=until_s,
            local_from_s=walls_s[0] - EPOCH_S,
            local_until_s=walls_s[1] - EPOCH_S,
            currencies=currencies,
            products=products,
            groups=groups,
        )


def _apart(held: list[Held], begin_s: int, end_s: int) -> tuple[list[Held], list[Held]]:
    """The months that these instants enclose, after those that they do not."""
    inside = [one for one in held if begin_s <= one.from_s and one.until_s <= end_s]
    return [one for one in held if one not in inside], inside


def _instant(day: int) -> int:
    """Midnight of a day in UTC."""
    return (day - 1) * DAY_S - EPOCH_S


def _walls(days: Iterable[int]) -> "array[int]":
    """Midnights of the zones, on the wall."""
    return array("q", [_instant(day) for day in days])
