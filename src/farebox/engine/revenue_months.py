"""Which months of sales are kept as columns, and that they have what was committed.

Months are read in the background when they are first asked for, newest first, as long as they fit
into the memory given; what nobody used lately gives way. Before they are used the feed is looked
at, once for all who ask meanwhile, so they have what was committed before the question, on any
server. What is kept is only a copy, and is dropped whenever the feed cannot say what changed
(vending-commerce.md 4.12). Nothing is added up here.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import count
from typing import Final, NamedTuple

import structlog

from farebox.core.revenue import Snapshot
from farebox.domain.errors import UnavailableError
from farebox.engine.revenue_feed import KEPT_S, Feed, News, Sold
from farebox.engine.revenue_segments import (
    Month,
    Numbers,
    OverBudgetError,
    month_of,
    months_between,
    read_month,
    span_of,
)
from farebox.storage.pool import Pool

LOOK_S: Final = 0.1
CLEAR_S: Final = 300.0
# A month that did not fit is not tried again, and one that was used is not given up, for so long.
PATIENCE_S: Final = 60.0
# No snapshot shows it.
_FUTURE: Final = 2**63
_log = structlog.get_logger("farebox.revenue")


class Held(NamedTuple):
    """A month as it was when it was asked for: its span, which reading of it, and its sales."""

    from_s: int
    until_s: int
    serial: int
    snapshot: Snapshot


class Months:
    """The months that are kept, and the numbers that their columns hold."""

    def __init__(
        self, pool: Pool, *, bytes_max: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.numbers = Numbers()
        self._pool = pool
        self._bytes_max = bytes_max
        self._now = monotonic
        self._feed = Feed(pool)
        self._months: dict[int, Month] = {}
        # A month that is read again has another number.
        self._serials: dict[int, int] = {}
        self._counter = count()
        self._used: dict[int, float] = {}
        # Months to be read, and those that did not fit, until when.
        self._wanted: set[int] = set()
        self._refused: dict[int, float] = {}
        self._awake = asyncio.Event()
        # The month that is being read, and what the feed has told about it meanwhile.
        self._reading: int | None = None
        self._missed: list[tuple[int, list[Sold] | None]] = []
        self._look: asyncio.Task[None] | None = None
        self._next_look: asyncio.Task[None] | None = None
        self._looked_at: float | None = None
        # Questions by who answers them.
        self.told: Counter[tuple[str]] = Counter()

    @property
    def nbytes(self) -> int:
        """Memory taken by what is kept."""
        return self.numbers.nbytes + sum(month.nbytes for month in self._months.values())

    @property
    def sales(self) -> int:
        """Number of sales that are kept."""
        return sum(map(len, self._months.values()))

    @property
    def count(self) -> int:
        """Number of months that are kept."""
        return len(self._months)

    @property
    def missing(self) -> int:
        """Number of months that are wanted or being read."""
        return len(self._wanted - {self._reading}) + (self._reading is not None)

    async def hold(self, from_s: int, until_s: int) -> list[Held] | None:
        """All sales of a span as of now, with some beyond it; None where some are not here."""
        months = months_between(from_s, until_s)
        is_held = bool(months) and self._has(months)
        if is_held:
            await self.look()
            is_held = self._has(months)
        self.told["columns" if is_held else "rows",] += 1
        if not is_held:
            return None
        return [
            Held(*span_of(month), self._serials[month], self._months[month].snapshot())
            for month in months
        ]

    def _has(self, months: Sequence[int]) -> bool:
        missing = {month for month in months if month not in self._months}
        now = self._now()
        # Those that are here are asked for, too: they must not give way to the others.
        self._used |= dict.fromkeys(set(months) - missing, now)
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
            made = await read_month(self._pool, self.numbers, month, self._make_room)
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
        self._serials[month] = next(self._counter)
        _log.debug("revenue.read", month=month, sales=len(made), seconds=self._now() - started)

    def _make_room(self, nbytes: int) -> bool:
        """Whether so much memory is there, after giving up months that nobody asked for lately."""
        idle = sorted(
            (used, month) for month, used in self._used.items() if used < self._now() - PATIENCE_S
        )
        while idle and self.nbytes + nbytes > self._bytes_max:
            self._drop(idle.pop(0)[1])
        return self.nbytes + nbytes <= self._bytes_max

    def _drop(self, month: int) -> None:
        self._months.pop(month, None)
        self._used.pop(month, None)

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
