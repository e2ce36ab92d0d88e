"""Figures of random sales: from the rows and told slowly, the same (vending-commerce.md 4.12)."""

import asyncio
import random
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from farebox.demo import load_fixture
from farebox.domain import records as record
from farebox.domain.errors import UnavailableError
from farebox.domain.periods import Period, edge, period
from farebox.engine.access import Principal
from farebox.engine.ingestion import Batch, Ingestion
from farebox.engine.revenue_columns import Columns
from farebox.engine.revenue_feed import KEPT_S
from farebox.engine.revenue_figures import Adder, Selection
from farebox.engine.revenue_months import PATIENCE_S
from farebox.engine.revenue_rows import WAITING_MAX, Rows
from farebox.storage.partitions import MONTHLY, make_ahead
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.sales import COLUMNS, Sale, Slow, some_sales, store, values
from tests.golden import ms

FROM_MS, UNTIL_MS = ms("2025-12-20T00:00Z"), ms("2026-04-10T00:00Z")
EVERYWHERE = Selection(range(2, 8))
SELECTIONS = (
    EVERYWHERE,
    Selection([2, 4, 7]),
    Selection(range(2, 8), [80, 82]),
    Selection([7], [81], "USD"),
    Selection([]),
    Selection([2], []),
    # Machines that nobody knows take no memory either.
    Selection(range(2, 8), [81, 5, 2**31 - 1]),
)
# Across a summer time's beginning, inside its hour, with offsets, with none of the sales.
PERIODS = (
    ("2026-01-01", "2026-03-31"),
    ("2026-03-29T02:30:00", "2026-03-29 03:30"),
    ("2026-03-28T22:00:00Z", "2026-03-29T06:00:00+02:00"),
    ("2026-03-28", "2026-03-29T06:00:00+02:00"),
    ("2027-01-01", "2027-01-02"),
)
NOWS = ("2026-01-01T00:30:00Z", "2026-03-29T01:00:00Z", "2026-04-05T14:45:00Z", "2030-01-01T00:00Z")


def between(start: str, end: str) -> Period:
    """From a date to another, both included."""
    return period(edge(start), edge(end, is_end=True))


SPRING = between("2025-12-01", "2026-04-30")
SALES = "vending.revenuetransaction"
AGAIN = (
    f"insert into {SALES} ({', '.join(COLUMNS)}) select 99, 80, 2, 'UTC', occurred_at_ms, 'Tea', 5,"
    f" 'AMD', false, 0, 0 from {SALES} where id = 5"
)
UNTOLD = (
    f"update {SALES} set price = 7 where id < 9",
    f"delete from {SALES} where id = 3",
    AGAIN,
    f"truncate {SALES}",
)
# Every month that the questions are about.
MONTHS = (*range(2024 * 12 + 11, 2027 * 12 + 2), *range(2028 * 12 + 11, 2030 * 12 + 2))


def some(count: int = 20, seed: int = 1) -> list[Sale]:
    """A few sales."""
    return some_sales(random.Random(seed), count, FROM_MS, UNTIL_MS)


async def columns(pool: Pool, months: Iterable[int] = MONTHS) -> Columns:
    """Columns that hold these months and have nobody else to ask."""
    made = Columns(pool, bytes_max=1 << 24, threads=2)
    await made.months.read(months)
    made._rows = cast("Rows", None)
    return made


async def same(expected: Adder, actual: Adder) -> None:
    """All questions, asked of both."""
    for start, end in PERIODS:
        span = between(start, end)
        for chosen in SELECTIONS:
            assert await expected.daily(chosen, span) == await actual.daily(chosen, span)
            for amount in (2, 100):
                best = await actual.best(chosen, span, amount)
                assert await expected.best(chosen, span, amount) == best
    for now_ms in map(ms, NOWS):
        for chosen in SELECTIONS:
            assert await expected.to_date(chosen, now_ms) == await actual.to_date(chosen, now_ms)
            for by_day in (True, False):
                hours = await actual.hourly(chosen, now_ms, by_day=by_day)
                told = await expected.hourly(chosen, now_ms, by_day=by_day)
                assert sorted(told) == sorted(hours)


async def test_rows_tell_what_sales_tell(pool: Pool, random_source: random.Random) -> None:
    """Every answer of the statements is that of a walk over the list."""
    sales = some_sales(random_source, 1000, FROM_MS, UNTIL_MS)
    await store(pool, sales)
    await same(Slow(sales), Rows(pool))
    server = await columns(pool)
    # The second time from what was remembered of whole months.
    for _ in range(2):
        await same(Slow(sales), server)
    assert 0 < server.scanner.remembered.nbytes


async def test_a_database_without_sales(pool: Pool) -> None:
    """Nothing, told as nothing."""
    await same(Slow([]), Rows(pool))
    server = Columns(pool, bytes_max=1 << 20)
    await server.months.read(MONTHS)
    await same(Slow([]), server)


async def test_now_is_included(pool: Pool) -> None:
    """A sale of this very second counts as one until now, a later one does not."""
    now_ms = ms(NOWS[2])
    sales = [one._replace(at_ms=now_ms + 999, excluded=False) for one in some()]
    await store(pool, sales)
    for adder in (Slow(sales), Rows(pool)):
        assert [] != await adder.to_date(EVERYWHERE, now_ms)
        assert [] == await adder.to_date(EVERYWHERE, now_ms - 1)


async def add(connection: Any, sales: list[Sale], first_id: int) -> None:
    """New sales, told as ingestion tells them, not committed yet."""
    ids = [*range(first_id, first_id + len(sales))]
    await connection.execute("select vending.tell_sales($1, $2)", ids, [one.at_ms for one in sales])
    await connection.copy_records_to_table(
        "revenuetransaction",
        schema_name="vending",
        columns=COLUMNS,
        records=values(sales, first_id),
    )


async def test_two_servers_see_every_commit(pool: Pool, random_source: random.Random) -> None:
    """Commits of overlapping transactions in any order are there at once, on every server."""
    stored = some(200)
    await store(pool, stored)
    servers = [await columns(pool, MONTHS), await columns(pool, MONTHS)]
    kept = [server.months._months[2026 * 12] for server in servers]
    open_ones: list[tuple[Any, Any, list[Sale]]] = []
    for number in range(40):
        if len(open_ones) < 5 and random_source.random() < 0.6:
            connection = await pool.acquire()
            transaction = connection.transaction()
            await transaction.start()
            sales = some(7, seed=100 + number)
            await add(connection, sales, 1000 * (number + 1))
            open_ones.append((connection, transaction, sales))
        elif open_ones:
            connection, transaction, sales = open_ones.pop(random_source.randrange(len(open_ones)))
            if random_source.random() < 0.2:
                await transaction.rollback()
            else:
                await transaction.commit()
                stored += sales
            await pool.release(connection)
        expected = await Slow(stored).daily(EVERYWHERE, SPRING)
        server = random_source.choice(servers)
        assert expected == await server.daily(EVERYWHERE, SPRING)
    for connection, transaction, _ in open_ones:
        await transaction.rollback()
        await pool.release(connection)
    # By appending, not by reading anew.
    assert kept == [server.months._months[2026 * 12] for server in servers]


async def test_sales_of_the_time_of_reading(pool: Pool) -> None:
    """Sales that are committed while their month is read are there once."""
    stored = some(3000)
    await store(pool, stored)
    server = await columns(pool, ())
    reading = asyncio.create_task(server.months.read(MONTHS))
    number = 0
    while not reading.done():
        number += 1
        sales = some(5, seed=number)
        async with pool.acquire() as connection, connection.transaction():
            await add(connection, sales, 10_000 + 10 * number)
        stored += sales
        await server.months.look()
    await reading
    assert await Slow(stored).daily(EVERYWHERE, SPRING) == await server.daily(EVERYWHERE, SPRING)


async def test_what_was_not_told_is_read_anew(pool: Pool) -> None:
    """Rows that anybody else writes, changes or removes are told by the rows until read again."""
    await store(pool, some())
    server = await columns(pool)
    server._rows = Rows(pool)
    for statement in UNTOLD:
        await pool.execute(statement)
        expected = await Rows(pool).daily(EVERYWHERE, SPRING)
        assert expected == await server.daily(EVERYWHERE, SPRING), statement
        assert 0 == server.months.sales
        assert statement.startswith("truncate") == (expected == [])
        await server.months.read(server.months._wanted.copy())
        assert expected == await server.daily(EVERYWHERE, SPRING), statement
        assert 7 == len(server.months._months)


async def test_memory_is_bounded(pool: Pool) -> None:
    """What does not fit is not kept, and answered all the same."""
    sales = some(20_000)
    await store(pool, sales)
    server = Columns(pool, bytes_max=1 << 18)
    assert await Slow(sales).daily(EVERYWHERE, SPRING) == await server.daily(EVERYWHERE, SPRING)
    await server.months.read(server.months._wanted.copy())
    assert server.nbytes <= 1 << 18
    assert await Slow(sales).daily(EVERYWHERE, SPRING) == await server.daily(EVERYWHERE, SPRING)
    assert set() == server.months._wanted


async def test_months_give_way_only_for_others(pool: Pool) -> None:
    """What nobody asked for lately is given up where there is no room, and only there."""
    await store(pool, some(20_000))
    january, february, march = range(2026 * 12, 2026 * 12 + 3)
    for bytes_max, kept in ((1 << 18, {february}), (1 << 20, {january, february})):
        seconds = [0.0]
        server = Columns(pool, bytes_max=bytes_max, monotonic=partial(max, seconds))
        months = server.months
        await months.read([january])
        seconds.append(PATIENCE_S + 1)
        await months.read([february])
        assert kept == set(months._months)
        # Asked for a moment ago: the question's other month finds no room.
        await months.read([march])
        assert february in months._months


async def test_a_question_has_its_months_read(pool: Pool) -> None:
    """The rows answer first; soon afterwards the columns do."""
    await store(pool, some())
    server = Columns(pool, bytes_max=1 << 24)
    running = asyncio.create_task(server.months.run())
    expected = await server.daily(EVERYWHERE, SPRING)
    async with asyncio.timeout(20):
        while len(server.months._months) < 7:  # noqa: ASYNC110 - nobody tells when a month is there
            await asyncio.sleep(0.01)
    server._rows = cast("Rows", None)
    assert expected == await server.daily(EVERYWHERE, SPRING)
    running.cancel()


async def test_reports_of_devices_are_appended(pool: Pool, clock: SettableClock) -> None:
    """What ingestion stores is told to the columns, which need not read anything again."""
    await load_fixture(pool, clock())
    server = await columns(pool, [2026 * 12 + 2])
    month = server.months._months[2026 * 12 + 2]
    gateway = Principal(kind="device", id=80, name="gw-0080", group=2, machine=80)
    for first in (1, 3):
        sales = [record.Sale(remote=first + n, at_ms=clock(), price=100, plu=1) for n in (0, 1)]
        batch = Batch(sales, [None, None], lambda _: b"")
        assert 2 == (await Ingestion(pool, clock).sales(gateway, batch)).accepted
        [figures] = await server.daily(Selection([2]), between("2026-03-10", "2026-03-10"))
        assert (first + 1, 100 * (first + 1)) == (figures.units, figures.total)
    assert (month, 4) == (server.months._months[2026 * 12 + 2], server.months.sales)


async def test_what_ends_the_trust_in_columns(pool: Pool) -> None:
    """A feed not looked at for long, and a partition that goes, have everything read anew."""
    stored = some()
    await store(pool, stored)
    seconds = [0.0]
    server = Columns(pool, bytes_max=1 << 24, monotonic=lambda: seconds[0])
    for _ in range(2):
        await server.months.read(MONTHS)
        seconds[0] += KEPT_S / 4
        await server.months.look()
        assert len(server.months._months) == len(MONTHS)
        seconds[0] += KEPT_S
        await server.months.look()
        assert {} == server.months._months
    await server.months.read(MONTHS)
    part = f"{SALES}_rest"
    await pool.execute(f"alter table {SALES} detach partition {part}")
    assert [] == await server.daily(EVERYWHERE, SPRING)
    assert {} == server.months._months


async def test_rows_move_to_their_month_meanwhile(pool: Pool) -> None:
    """A month whose partition is made while it is read is read whole."""
    stored = some(2000)
    await store(pool, stored)
    server = await columns(pool, ())
    tables = [one for one in MONTHLY if one.table == SALES]
    await asyncio.gather(
        server.months.read(MONTHS), make_ahead(pool, FROM_MS, ahead=5, tables=tables)
    )
    assert await Slow(stored).daily(EVERYWHERE, SPRING) == await server.daily(EVERYWHERE, SPRING)


async def test_waiting_is_bounded(pool: Pool) -> None:
    """Beyond a hundred questions to the rows at once, others are told to come again."""
    rows, day = Rows(pool), between("2026-01-01", "2026-01-01")
    asked = [rows.daily(EVERYWHERE, day) for _ in range(WAITING_MAX + 5)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert 5 == sum(isinstance(one, UnavailableError) for one in told)
    assert [] == await rows.daily(EVERYWHERE, day)
