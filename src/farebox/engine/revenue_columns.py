"""What sales amount to, added up from columns in memory (vending-commerce.md 4.12).

Months are read in the background when they are first asked for; until all of a question's months
are there, the rows answer it, as they do for what does not fit into the memory given. Every answer
has what was committed before it was asked for, on any server: the feed is looked at first, once for
all who ask meanwhile. What is kept is only a copy, and is dropped whenever the feed cannot say what
changed.
"""

import asyncio
import time
from array import array
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog

from farebox.core import revenue as kernel
from farebox.core.revenue import Cube, Snapshot
from farebox.domain.errors import UnavailableError
from farebox.domain.sales import DAY_S, EPOCH_S, Period, Today
from farebox.engine.revenue_feed import KEPT_S, Feed, News, Sold
from farebox.engine.revenue_figures import Best, Daily, Hourly, Selection, ToDate, todays
from farebox.engine.revenue_rows import Rows
from farebox.engine.revenue_segments import (
    Month,
    Numbers,
    OverBudgetError,
    month_of,
    months_between,
    read_month,
)
from farebox.storage.pool import Pool

LOOK_S: Final = 0.5
CLEAR_S: Final = 300.0
# A month that did not fit is not tried again, and one that was used is not given up, for so long.
PATIENCE_S: Final = 60.0
SCANS_AT_ONCE: Final = 2
_EPOCH_DAY: Final = EPOCH_S // DAY_S + 1
_log = structlog.get_logger("farebox.revenue")


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
        self._pool = pool
        self._rows = Rows(pool)
        self._bytes_max = bytes_max
        self._threads = threads
        self._now = monotonic
        self._feed = Feed(pool)
        self._numbers = Numbers()
        self._months: dict[int, Month] = {}
        self._used: dict[int, float] = {}
        # Months to be read, newest first, and those that did not fit, until when.
        self._wanted: set[int] = set()
        self._refused: dict[int, float] = {}
        self._awake = asyncio.Event()
        # The month that is being read, and what the feed has told about it meanwhile.
        self._reading: int | None = None
        self._missed: list[tuple[int, list[Sold] | None]] = []
        self._look: asyncio.Task[None] | None = None
        self._next_look: asyncio.Task[None] | None = None
        self._looked_at: float | None = None
        self._scans = asyncio.Semaphore(SCANS_AT_ONCE)

    @property
    def nbytes(self) -> int:
        """Memory taken by what is kept."""
        return self._numbers.nbytes + sum(month.nbytes for month in self._months.values())

    @property
    def sales(self) -> int:
        """Number of sales that are kept."""
        return sum(map(len, self._months.values()))

    @property
    def is_reading(self) -> bool:
        """Whether months are wanted or being read."""
        return bool(self._wanted) or self._reading is not None

    # Questions

    async def daily(self, chosen: Selection, period: Period) -> list[Daily]:
        """By currency, then day; days with sales only."""
        held = await self._hold(period.from_s, period.until_s)
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
        held = await self._hold(period.from_s, period.until_s)
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
        held = await self._hold(_instant(first) - DAY_S, now_ms // 1000 + 1)
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
        held = await self._hold(_instant(first) - DAY_S, now_ms // 1000 + 1)
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

    # Months

    async def _hold(self, from_s: int, until_s: int) -> list[Snapshot] | None:
        """All sales of a span as of now, with some beyond it; None where some are not here."""
        months = months_between(from_s, until_s)
        if not months or not self._has(months):
            return None
        await self.look()
        if not self._has(months):
            return None
        self._used |= dict.fromkeys(months, self._now())
        return [self._months[month].snapshot() for month in months]

    def _has(self, months: Sequence[int]) -> bool:
        missing = {month for month in months if month not in self._months}
        now = self._now()
        if missing and not any(self._refused.get(month, 0) > now for month in missing):
            self._wanted |= missing
            self._awake.set()
        return not missing

    async def read(self, months: Iterable[int]) -> None:
        """Read months that are not here, newest first, as long as they fit."""
        for month in sorted(months, reverse=True):
            self._wanted.discard(month)
            if month not in self._months:
                await self._read(month)

    async def _read(self, month: int) -> None:
        # Before the snapshot of the reading: what is committed after this look is told by the next.
        await self.look()
        self._reading, self._missed = month, []
        started = self._now()
        try:
            room = self._room()
            made = await read_month(self._pool, self._numbers, month, room)
            for txid, sales in self._missed:
                if sales is not None:
                    made.append(txid, sales)
                elif not made.seen.shows(txid):
                    self._wanted.add(month)
                    return
        except (OverBudgetError, ValueError) as error:
            # Too large, or more zones than there is room for: the rows answer.
            self._refused[month] = self._now() + PATIENCE_S
            _log.info("revenue.rows_answer", month=month, reason=type(error).__name__)
            return
        finally:
            self._reading, self._missed = None, []
        self._months[month], self._used[month] = made, self._now()
        _log.debug("revenue.read", month=month, sales=len(made), seconds=self._now() - started)

    def _room(self) -> int:
        """The memory that a month may take, after giving up months that nobody used lately."""
        idle = sorted(
            (used, month) for month, used in self._used.items() if used < self._now() - PATIENCE_S
        )
        while idle and self.nbytes > self._bytes_max // 2:
            self._drop(idle.pop(0)[1])
        return self._bytes_max - self.nbytes

    def _drop(self, month: int) -> None:
        self._months.pop(month, None)
        self._used.pop(month, None)

    # The feed

    async def look(self) -> None:
        """Have in the months what was committed before this call."""
        # A look under way may have begun before; the one after it is for all who wait now.
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._after(self._look))
        await asyncio.shield(self._next_look)

    async def _after(self, look: asyncio.Task[None] | None) -> None:
        if look is not None:
            await asyncio.wait([look])
        self._look, self._next_look = self._next_look, None
        if self._looked_at is None or self._now() - self._looked_at > KEPT_S / 2:
            self._forget()
        news = await self._feed.look()
        self._looked_at = self._now()
        self._take(news)

    def _forget(self) -> None:
        self._feed.forget()
        self._months.clear()
        self._used.clear()
        if self._reading is not None:
            self._missed.append((_FUTURE, None))

    def _take(self, news: News) -> None:
        if news.is_lost:
            self._forget()
        for txid in news.unknown:
            for month in [key for key, one in self._months.items() if not one.seen.shows(txid)]:
                self._drop(month)
            if self._reading is not None:
                self._missed.append((txid, None))
        for txid, sales in news.sales.items():
            by_month: dict[int, list[Sold]] = defaultdict(list)
            for one in sales:
                by_month[month_of(one.at_ms // 1000)].append(one)
            for month, some in by_month.items():
                if month == self._reading:
                    self._missed.append((txid, some))
                elif month in self._months:
                    self._append(month, txid, some)

    def _append(self, month: int, txid: int, sales: list[Sold]) -> None:
        try:
            self._months[month].append(txid, sales)
        except ValueError:
            # No more room for zones or currencies.
            self._drop(month)
        if self.nbytes > self._bytes_max:
            self._drop(min(self._used, key=self._used.__getitem__, default=month))

    async def run(self) -> None:
        """Look twice a second while something is kept, and read what is wanted."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_looking())
            tasks.create_task(self._keep_reading())

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._months:
                await self._calmly(self.look())

    async def _keep_reading(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while self._wanted:
                await self._calmly(self.read([max(self._wanted)]))

    async def _calmly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except UnavailableError as error:
            _log.debug("revenue.waits", reason=error.code)
            await asyncio.sleep(LOOK_S)

    async def clear_feed(self) -> None:
        """Remove what the feed has told everybody."""
        await self._feed.clear()


# No snapshot shows it.
_FUTURE: Final = 2**63


def _instant(day: int) -> int:
    """Midnight of a day in UTC."""
    return (day - 1) * DAY_S - EPOCH_S


def _walls(days: Iterable[int]) -> "array[int]":
    """Midnights of the zones, on the wall."""
    return array("q", [_instant(day) for day in days])
