"""Reports of random records: what a walk over the list tells (vending-commerce.md 3.15-3.20)."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from farebox.api.vending.records import _HOT, LOG, PAYMENTTRANSACTION, REVENUETRANSACTION
from farebox.domain.periods import Period, edge, period
from farebox.domain.windows import zone as zone_of
from farebox.engine import reports
from farebox.engine.access import Principal
from farebox.engine.reports import CALCULATIONS, Choice
from farebox.resource.compile import select
from farebox.resource.criteria import Criteria
from farebox.resource.definition import View
from farebox.storage.pool import Connection, Pool
from tests.engine.sales import EPOCH, PLACES, Sale, some_sales, store
from tests.golden import ms

FROM_MS, UNTIL_MS, NOW_MS = (
    ms("2026-03-20T00:00Z"),
    ms("2026-04-10T00:00Z"),
    ms("2026-04-09T00:00Z"),
)
CALLER = Principal(kind="user", id=1, name="root", group=1, groups=frozenset({1}))
EVERYTHING = Choice()
CHOICES = (EVERYTHING, Choice(locations=[2, 7]), Choice(machines=[80, 82], locations=[2, 3, 7]))
# Over the beginning of summer time, inside its hour, by instants, and empty.
PERIODS = tuple(
    period(edge(start), edge(end, is_end=True))
    for start, end in (
        ("2026-03-25", "2026-04-06"),
        ("2026-03-29 02:30", "2026-04-05 01:45:00"),
        ("2026-03-28T22:00:00Z", "2026-04-05T06:00:00+02:00"),
        ("2027-01-01", "2027-01-02"),
    )
)
NAMES = {"Tea": 5, "zebra": 5, "Ärger": 6}
METHODS = ("cash", "card", "virtual")
CODES = ("CM_REBOOT", "ED017", "jam")


class Shift(NamedTuple):
    """One shift of a location; the last one has no end."""

    id: int
    location: int
    from_ms: int
    until_ms: int | None


class Log(NamedTuple):
    """What counts of a log."""

    at_ms: int
    location: int
    time_zone: str
    machine: int
    code: str
    is_resolvable: bool
    resolved_at_ms: int | None
    is_clearing: bool


def some_shifts(source: random.Random) -> list[Shift]:
    """Chains of shifts of three locations, from somewhere on."""
    found: list[Shift] = []
    for location in (2, 3, 7):
        starts = sorted(source.sample(range(FROM_MS, UNTIL_MS), 12))
        for begin, end in zip(starts, [*starts[1:], None], strict=True):
            found.append(Shift(len(found) + 1, location, begin, end))
    return found


def some_logs(source: random.Random, count: int) -> list[Log]:
    """Logs of a few codes: some resolved, some open, some that clear."""
    found = []
    for _ in range(count):
        at_ms, place = source.randrange(FROM_MS, NOW_MS), source.choice(PLACES)
        told = (at_ms, *place, source.randrange(80, 84), source.choice(CODES))
        ends_ms = at_ms + source.randrange(10**9)
        rest = source.choice(
            [(False, None, False), (False, None, True), (True, None, False), (True, ends_ms, False)]
        )
        found.append(Log(*told, *rest))
    return found


async def fill(pool: Pool, sales: Sequence[Sale], shifts: list[Shift], logs: list[Log]) -> None:
    """Writes records; every sale has a payment, and names that are in NAMES a product."""
    await store(pool, sales)
    await pool.execute(
        "update vending.revenuetransaction set product = ($1::jsonb ->> name)::int,"
        " original_price = id % 3 * 100, internal_ref = name", NAMES,
    )  # fmt: skip
    await pool.execute(
        "insert into vending.paymenttransaction (id, revenuetransaction, machine, location,"
        " time_zone, occurred_at_ms, method, type, price, currency, exclude, report_group,"
        " created_at_ms, updated_at_ms) select id, id, machine, location, time_zone,"
        " occurred_at_ms, ($1::text[])[1 + id % 3], case when id % 3 = 2 then 'card' else"
        " ($1::text[])[1 + id % 3] end, price, currency, excluded,"
        " case when id % 2 = 0 then 'G' end, 0, 0 from vending.revenuetransaction", METHODS,
    )  # fmt: skip
    await pool.executemany(
        "insert into vending.shift (id, location, created_at_ms, closed_at_ms, updated_at_ms)"
        " values ($1, $2, $3, $4, 0)", shifts,
    )  # fmt: skip
    await pool.executemany(
        "insert into vending.log (occurred_at_ms, location, time_zone, machine, code,"
        " is_resolvable, resolved_at_ms, duration, state, created_at_ms)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
        [
            (*log[:7], log.resolved_at_ms and (log.resolved_at_ms - log.at_ms) // 1000,
             "clear" if log.is_clearing else None)
            for log in logs
        ],
    )  # fmt: skip


def during(records: Iterable[Any], choice: Choice, asked: Period) -> Iterable[Any]:
    """The records that are meant, by the clock on their own wall."""
    for one in records:
        moment = EPOCH + timedelta(milliseconds=one.at_ms // 1000 * 1000)
        wall = moment.astimezone(zone_of(one.time_zone)).replace(tzinfo=None)
        is_after = (
            wall >= asked.start.wall
            if asked.start.instant is None
            else moment >= asked.start.instant
        )
        is_before = (
            wall <= asked.end.wall if asked.end.instant is None else moment <= asked.end.instant
        )
        if (
            is_after and is_before
            and (not choice.locations or one.location in choice.locations)
            and (not choice.machines or one.machine in choice.machines)
        ):  # fmt: skip
            yield one


class Slow:
    """The same rows, from lists."""

    def __init__(self, sales: list[Sale], shifts: list[Shift], logs: list[Log]) -> None:
        self._sales = sales
        self._shifts = shifts
        self._logs = logs
        self._numbers = {id(sale): number for number, sale in enumerate(sales, 1)}

    def rows(self, name: str, choice: Choice, asked: Period) -> list[tuple[Any, ...]]:
        """What a calculation gives."""
        told: list[tuple[Any, ...]] = getattr(self, f"_{name}")(choice, asked)
        return told

    def _sold(self, choice: Choice, asked: Period) -> list[tuple[Sale, int]]:
        found = [one for one in during(self._sales, choice, asked) if not one.excluded]
        return [(one, self._numbers[id(one)]) for one in found]

    def _shift(self, one: Sale) -> int:
        for shift in self._shifts:
            ends = shift.until_ms or UNTIL_MS + 1
            if shift.location == one.location and shift.from_ms <= one.at_ms < ends:
                return shift.id
        return 0

    def _products(self, choice: Choice, asked: Period) -> list[tuple[Any, ...]]:
        cells = self._cells(self._sold(choice, asked), lambda one: ())
        order = sorted(cells.items(), key=lambda cell: (-cell[1][0], *_last(cell[0])))
        return [
            (product, figures[3][2], figures[3][2], figures[0], figures[1], currency)
            for (product, _, currency), figures in order
        ]

    def _shift_products(self, choice: Choice, asked: Period) -> list[tuple[Any, ...]]:
        cells = self._cells(self._sold(choice, asked), lambda one: (self._shift(one),))
        order = sorted(cells.items(), key=lambda c: (c[0][0], -c[1][0], *_last(c[0][1:])))
        return [
            (
                shift,
                product,
                figures[3][2],
                None,
                None,
                figures[1],
                figures[0],
                figures[2],
                currency,
            )
            for (shift, product, _, currency), figures in order
        ]

    def _cells(self, sold: list[tuple[Sale, int]], more: Any) -> dict[Any, list[Any]]:
        """Revenue, units, gross and newest sale by what `more` says, product and currency."""
        cells: dict[Any, list[Any]] = defaultdict(lambda: [0, 0, 0, (0, 0, "")])
        for one, number in sold:
            product = NAMES.get(one.name)
            figures = cells[*more(one), product, None if product else one.name, one.currency]
            figures[0] += one.price
            figures[1] += one.price >= 0
            figures[2] += number % 3 * 100 or one.price
            figures[3] = max(figures[3], (one.at_ms, number, one.name))
        return cells

    def _paid(self, choice: Choice, asked: Period) -> Iterable[tuple[Sale, str, str, str | None]]:
        for one, number in self._sold(choice, asked):
            method = METHODS[number % 3]
            kind = "card" if method == "virtual" else method
            yield one, method, kind, None if number % 2 else "G"

    def _payment_types(self, choice: Choice, asked: Period) -> list[tuple[Any, ...]]:
        cells: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        for one, _, kind, group in self._paid(choice, asked):
            cells[kind, group is None, group, one.currency][0] += one.price >= 0
            cells[kind, group is None, group, one.currency][1] += one.price
        order = sorted(cells.items(), key=lambda cell: (-cell[1][1], str(cell[0])))
        return [(key[0], *figures, *key[2:]) for key, figures in order]

    def _shift_payments(self, choice: Choice, asked: Period) -> list[tuple[Any, ...]]:
        cells: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        # A place keeps its first name.
        places = dict(reversed(PLACES))
        for one, method, kind, group in self._paid(choice, asked):
            key = (self._shift(one), one.location, method, kind, group or "", one.currency)
            cells[key][0] += one.price >= 0
            cells[key][1] += one.price
        order = sorted(
            cells.items(),
            key=lambda c: (c[0][0], -c[1][1], places[c[0][1]], *c[0][2:4], not c[0][4], c[0][5]),
        )
        return [
            (places[key[1]], key[2], figures[0], key[4] or None, figures[1], key[0], key[3])
            for key, figures in order
        ]

    def _errors(self, choice: Choice, asked: Period) -> list[tuple[Any, ...]]:
        cells: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for log in during(self._logs, choice, asked):
            if not log.is_clearing:
                ends = min(log.resolved_at_ms or NOW_MS, asked.spans(log.time_zone)[-1][1])
                cells[log.code][0] += 1
                cells[log.code][1] += max(ends - log.at_ms, 0) // 1000 * log.is_resolvable
        order = sorted(cells.items(), key=lambda cell: (-cell[1][0], cell[0]))
        return [(code, None, code, *figures) for code, figures in order]


def _last(key: Sequence[Any]) -> tuple[Any, ...]:
    """Product, own name and currency, where no product comes last."""
    product, name, currency = key
    return product is None, product or 0, name or "", currency


async def test_rows_tell_what_records_tell(pool: Pool, random_source: random.Random) -> None:
    """Every calculation is that of a walk over the lists, in the same order."""
    sales = some_sales(random_source, 600, FROM_MS, UNTIL_MS)
    shifts, logs = some_shifts(random_source), some_logs(random_source, 300)
    await fill(pool, sales, shifts, logs)
    slow = Slow(sales, shifts, logs)
    for name in CALCULATIONS:
        for choice in CHOICES:
            told = await reports.calculate(pool, name, CALLER, choice, PERIODS, NOW_MS)
            for asked, rows in zip(PERIODS, told, strict=True):
                expected = slow.rows(name, choice, asked)
                assert expected == [tuple(row) for row in rows], (name, choice, asked)
            assert told[0]
            assert not told[-1]


MANY = """
insert into vending.usergroup (id, name, created_at_ms, updated_at_ms) values (1, 'Root', 0, 0);
insert into vending.location (id, owner, name, address, postcode, city, country, time_zone,
  created_at_ms, updated_at_ms)
select n, 1, 'place ' || n, '', '', '', '', 'UTC', 0, 0 from generate_series(1, 500) n;
insert into vending.revenuetransaction (machine, location, time_zone, occurred_at_ms, name, price,
  currency, created_at_ms, updated_at_ms)
select n % 500, 1 + n % 500, 'UTC', 1774000000000 + n * 40000::bigint, 'Tea', 1, 'EUR', 0, 0
from generate_series(1, 20000) n;
insert into vending.paymenttransaction (revenuetransaction, machine, location, time_zone,
  occurred_at_ms, method, type, price, currency, created_at_ms, updated_at_ms)
select id, machine, location, time_zone, occurred_at_ms, 'cash', 'cash', 1, 'EUR', 0, 0
from vending.revenuetransaction;
insert into vending.log (machine, location, time_zone, occurred_at_ms, code, created_at_ms)
select machine, location, time_zone, occurred_at_ms, 'x', 0 from vending.revenuetransaction;
analyze
"""


class Explaining:
    """A connection that gives the plan of a statement instead of its rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, text: str, *args: Any) -> list[Any]:
        """The lines of the plan."""
        rows = await self._connection.fetch(f"explain {text}", *args)
        return [row[0].strip() for row in rows]


async def test_the_newest_are_found_by_their_time(pool: Pool) -> None:
    """A page of the newest records of many places can be read from an index as it is."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local statement_timeout = 0")
        await connection.execute(MANY)
        # So few rows would be sorted in no time.
        await connection.execute("set local enable_sort = off")
        for resource in (REVENUETRANSACTION, PAYMENTTRANSACTION, LOG):
            order = ((resource.by_name["occurredAt"], True),)
            view = View(CALLER, NOW_MS).having(hot_from_ms=0)
            text, args = select(resource, Criteria(order=order), view, limit=100, within=_HOT)
            plan = await Explaining(connection).fetch(text, *args)
            assert [] == [line for line in plan if line.startswith(("->  Sort  (", "Sort  ("))]


async def test_nothing_large_is_scanned(pool: Pool) -> None:
    """Reports of a place or of a machine find their records by an index."""
    tables = ("revenuetransaction_", "paymenttransaction_", "log_")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local statement_timeout = 0")
        await connection.execute(MANY)
        await connection.execute(reports.SQL.prepare)
        for choice in (Choice(locations=[7]), Choice(machines=[7])):
            scope = await reports._scope(connection, CALLER, choice)
            for name in CALCULATIONS:
                explaining: Any = Explaining(connection)
                asked = (explaining, name, scope, PERIODS[0], (NOW_MS, 1))
                plan: list[Any] = await reports._calculated(*asked)
                scans = [line for line in plan if "Seq Scan on " in line]
                assert [] == [line for line in scans if any(table in line for table in tables)]
