"""Random sales, and what they amount to, told slowly sale by sale (vending-commerce.md 4.12)."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from farebox.domain.periods import Period
from farebox.domain.sales import Today
from farebox.domain.windows import zone
from farebox.engine.revenue_figures import Best, Daily, Hourly, Selection, ToDate
from farebox.storage.pool import Pool

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("Europe/Amsterdam", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "UTC")
# More places than zones; place 7 has moved from one zone to another.
PLACES = (*((number, name) for number, name in enumerate(ZONES, 2)), (7, "UTC"), (7, ZONES[1]))
NAMES = ("Kaffee klein", "Tea", "Ärger", "zebra")
COLUMNS = (
    "id", "machine", "location", "time_zone", "occurred_at_ms", "name", "price", "currency",
    "excluded", "created_at_ms", "updated_at_ms",
)  # fmt: skip


class Sale(NamedTuple):
    """What counts of a sale."""

    at_ms: int
    location: int
    time_zone: str
    machine: int
    name: str
    currency: str
    price: int
    excluded: bool = False

    @property
    def wall(self) -> datetime:
        """The clock on the wall."""
        return _wall(self.at_ms, self.time_zone)


@lru_cache(maxsize=100_000)
def _wall(at_ms: int, time_zone: str) -> datetime:
    moment = EPOCH + timedelta(milliseconds=at_ms)
    return moment.astimezone(zone(time_zone)).replace(tzinfo=None)


def some_sales(source: random.Random, count: int, from_ms: int, until_ms: int) -> list[Sale]:
    """Sales in several places, currencies and zones, refunds and excluded ones among them."""
    return [
        Sale(
            source.randrange(from_ms, until_ms),
            *source.choice(PLACES),
            source.randrange(80, 84),
            source.choice(NAMES),
            source.choice(["EUR", "EUR", "USD", "JPY"]),
            source.choice([100, 250, 0, -100, 2**31 - 1]),
            source.random() < 0.1,
        )
        for _ in range(count)
    ]


def values(sales: Iterable[Sale], first_id: int) -> list[tuple[Any, ...]]:
    """Rows of COLUMNS."""
    return [
        (number, one.machine, one.location, one.time_zone, one.at_ms, one.name, one.price,
         one.currency, one.excluded, 0, 0)
        for number, one in enumerate(sales, first_id)
    ]  # fmt: skip


async def store(pool: Pool, sales: Sequence[Sale], first_id: int = 1) -> None:
    """Writes sales, and the places they are of."""
    await pool.execute(
        "insert into vending.usergroup (id, name, created_at_ms, updated_at_ms)"
        " values (1, 'Root', 0, 0) on conflict do nothing"
    )
    await pool.executemany(
        "insert into vending.location (id, owner, name, address, postcode, city, country,"
        " time_zone, created_at_ms, updated_at_ms) values ($1, 1, $2, '', '', '', '', $2, 0, 0)"
        " on conflict (id) do update set time_zone = excluded.time_zone", PLACES,
    )  # fmt: skip
    async with pool.acquire() as connection:
        await connection.copy_records_to_table(
            "revenuetransaction",
            schema_name="vending",
            columns=COLUMNS,
            records=values(sales, first_id),
        )


class Slow:
    """The same answers, from a list."""

    def __init__(self, sales: Iterable[Sale]) -> None:
        self._sales = list(sales)

    def _chosen(self, chosen: Selection, now_ms: int | None = None) -> list[Sale]:
        return [
            one
            for one in self._sales
            if not one.excluded
            and one.location in chosen.locations
            and (chosen.machines is None or one.machine in chosen.machines)
            and (now_ms is None or one.at_ms // 1000 <= now_ms // 1000)
        ]

    def _during(self, chosen: Selection, period: Period) -> list[Sale]:
        return [one for one in self._chosen(chosen) if _is_during(one, period)]

    async def daily(self, chosen: Selection, period: Period) -> list[Daily]:
        """By currency, then day."""
        cells: Any = defaultdict(lambda: [0, 0])
        for one in self._during(chosen, period):
            _add(cells[one.currency, one.wall.toordinal()], one)
        return [Daily(*key, *cells[key]) for key in sorted(cells)]

    async def best(self, chosen: Selection, period: Period, amount: int) -> list[Best]:
        """By units, then total, then name."""
        cells: Any = defaultdict(lambda: [0, 0])
        days: Any = defaultdict(lambda: defaultdict(int))
        for one in self._during(chosen, period):
            _add(cells[one.name], one)
            days[one.name][one.wall.toordinal()] += one.price >= 0
        order = sorted(cells, key=lambda name: (-cells[name][0], -cells[name][1], name))
        return [Best(name, dict(days[name])) for name in order[:amount]]

    async def to_date(self, chosen: Selection, now_ms: int) -> list[ToDate]:
        """By currency."""
        cells: Any = defaultdict(
            lambda: {unit: [0, 0] for unit in ("day", "week", "month", "year")}
        )
        for one in self._chosen(chosen, now_ms):
            today, day = _today(one.time_zone, now_ms), one.wall.toordinal()
            for unit in ("day", "week", "month", "year"):
                begin, end = getattr(today, unit)
                if begin <= day < end:
                    _add(cells[one.currency][unit], one)
        return [
            ToDate(currency, *(tuple(figures) for figures in cells[currency].values()))
            for currency in sorted(cells)
        ]

    async def hourly(self, chosen: Selection, now_ms: int, *, by_day: bool) -> list[Hourly]:
        """In no order."""
        cells: Any = defaultdict(lambda: [0, 0])
        for one in self._chosen(chosen, now_ms):
            wall = one.wall
            is_late = wall.toordinal() >= _today(one.time_zone, now_ms).quarter
            if is_late and chosen.currency in (None, one.currency):
                hour = wall.weekday() * 24 + wall.hour
                _add(cells[one.currency, wall.toordinal() if by_day else 0, hour], one)
        return [Hourly(*key, *figures) for key, figures in cells.items()]


def _add(cell: list[int], one: Sale) -> None:
    cell[0] += one.price >= 0
    cell[1] += one.price


def _today(zone_name: str, now_ms: int) -> Today:
    return Today.of(
        (EPOCH + timedelta(milliseconds=now_ms)).astimezone(zone(zone_name)).toordinal()
    )


def _is_during(one: Sale, period: Period) -> bool:
    moment = EPOCH + timedelta(seconds=one.at_ms // 1000)
    wall = one.wall.replace(microsecond=0)
    start, end = period.start, period.end
    is_after = wall >= start.wall if start.instant is None else moment >= start.instant
    return is_after and (wall <= end.wall if end.instant is None else moment <= end.instant)
