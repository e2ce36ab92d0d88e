"""What sales amount to, asked of the stored rows (vending-commerce.md 4.12).

The slow and whole answer: any period, any places, always from what is committed. Column segments
give the same figures where they hold the months that are asked for. Local times come from our own
tables of offsets; PostgreSQL's zones take no part. Few of these statements run at once.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from farebox.domain import offsets
from farebox.domain.errors import UnavailableError
from farebox.domain.periods import DAY_S, EPOCH_S, Period
from farebox.engine.revenue_figures import Best, Daily, Hourly, Selection, ToDate, learn, todays
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
AT_ONCE: Final = 2
WAITING_MAX: Final = 100


class Rows:
    """Answers from the rows."""

    def __init__(self, pool: Pool, *, at_once: int = AT_ONCE) -> None:
        self._pool = pool
        self._places = asyncio.Semaphore(at_once)
        self._asked = 0

    async def daily(self, chosen: Selection, period: Period) -> list[Daily]:
        """By currency, then day; days with sales only."""
        async with self._asking() as (connection, zones):
            rows = await connection.fetch(SQL.daily, *_during(chosen, period, zones))
        return [Daily(*row) for row in rows]

    async def best(self, chosen: Selection, period: Period, amount: int) -> list[Best]:
        """By units, then total, then name."""
        async with self._asking() as (connection, zones):
            rows = await connection.fetch(SQL.best, *_during(chosen, period, zones), amount)
        found: dict[str, dict[int, int]] = {}
        for name, day, count in rows:
            found.setdefault(name, {})[day] = count
        return [Best(name, days) for name, days in found.items()]

    async def to_date(self, chosen: Selection, now_ms: int) -> list[ToDate]:
        """By currency; currencies with sales this week or this year."""
        async with self._asking() as (connection, zones):
            days = todays(zones, now_ms)
            spans = [[*span] for one in days.values() for span in (one.week, one.year)]
            first = min((begin for begin, _ in spans), default=1)
            bounds = [
                [getattr(one, unit)[end] for one in days.values()]
                for unit in ("day", "week", "month", "year")
                for end in (0, 1)
            ]
            source = _until(chosen, first, now_ms, zones)
            rows = await connection.fetch(SQL.to_date, *source, zones, *bounds)
        return [
            ToDate(row[0], *((row[place], row[place + 1]) for place in (1, 3, 5, 7)))
            for row in rows
        ]

    async def hourly(self, chosen: Selection, now_ms: int, *, by_day: bool) -> list[Hourly]:
        """Since local midnight of the date three months earlier."""
        async with self._asking() as (connection, zones):
            begins = [one.quarter for one in todays(zones, now_ms).values()]
            source = _until(chosen, min(begins, default=1), now_ms, zones)
            more = zones, begins, chosen.currency, by_day
            rows = await connection.fetch(SQL.hourly, *source, *more)
        return [Hourly(*row) for row in rows]

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[tuple[Connection, list[str]]]:
        """A connection with patience, and the zones that sales have.

        Raises UnavailableError (busy) where too many wait for one.
        """
        if self._asked >= WAITING_MAX:
            raise UnavailableError("Too many reports are asked for at once; try again", "busy")
        self._asked += 1
        try:
            async with self._places, transaction(self._pool, readonly=True) as connection:
                await connection.execute(SQL.patience)
                zones = [row["name"] for row in await connection.fetch(SQL.zones)]
                await asyncio.to_thread(learn, zones)
                yield connection, zones
        finally:
            self._asked -= 1


def _during(chosen: Selection, period: Period, zones: Iterable[str]) -> tuple[Any, ...]:
    since, until = period.instants_s
    source = (since * 1000, until * 1000, chosen.locations, chosen.machines)
    return *source, *_spans(zones, since, until), *period.walls_s


def _until(chosen: Selection, first_day: int, now_ms: int, zones: Iterable[str]) -> tuple[Any, ...]:
    # No clock is a day away from UTC.
    since = (first_day - 2) * DAY_S - EPOCH_S
    until = now_ms // 1000 + 1
    source = (since * 1000, until * 1000, chosen.locations, chosen.machines)
    return *source, *_spans(zones, since, until)


def _spans(zones: Iterable[str], from_s: int, until_s: int) -> tuple[list[Any], ...]:
    """Names, begins, ends and offsets of the spans of one offset each."""
    rows = [
        (name, *stretch) for name in zones for stretch in offsets.stretches(name, from_s, until_s)
    ]
    return tuple([*column] for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
