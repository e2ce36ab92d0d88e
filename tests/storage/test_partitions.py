"""Months made ahead; a month that nobody made refuses nothing."""

import asyncio
from functools import partial

import pytest

from farebox.storage import partitions
from farebox.storage.partitions import MONTHLY, Monthly, months
from farebox.storage.pool import Pool, transaction
from tests.clocks import SettableClock

INSERT = (
    "insert into voucher.history (id, voucher, requester, action, success, reason, currency,"
    " request, response, created_at_ms) values ($1, 1, 'm:80', 0, true, 'ok', 'EUR', '', '', $2)"
)
HISTORY = Monthly("voucher.history", "voucher.history_rest")
RECORDS = ("revenuetransaction", "paymenttransaction", "log", "iotevent")
make_ahead = partial(partitions.make_ahead, tables=(HISTORY,))
WHERE = "select tableoid::regclass::text from voucher.history where id = $1"


def instant(text: str) -> int:
    """Epoch milliseconds of an RFC 3339 text."""
    return SettableClock(text)()


async def put(pool: Pool, number: int, text: str) -> str:
    """Insert a history row and tell which partition took it."""
    await pool.execute(INSERT, number, instant(text))
    return str(await pool.fetchval(WHERE, number))


def test_months_are_utc_months() -> None:
    """This month and those after it, over the end of a year, each ending where the next begins."""
    made = months(instant("2026-11-30T23:59:59.999Z"), 3)
    assert [month.name for month in made] == ["2026_11", "2026_12", "2027_01", "2027_02"]
    assert made[0].start_ms == instant("2026-11-01T00:00:00Z")
    assert [month.end_ms for month in made[:-1]] == [month.start_ms for month in made[1:]]
    assert [month.name for month in months(instant("2026-12-01T00:00:00Z"), 0)] == ["2026_12"]


async def test_four_months_are_made_once(pool: Pool, clock: SettableClock) -> None:
    """The first call makes this month and three more; the second makes nothing."""
    names = ["2026_03", "2026_04", "2026_05", "2026_06"]
    assert await make_ahead(pool, clock()) == [f"voucher.history_{name}" for name in names]
    assert await make_ahead(pool, clock()) == []
    clock.set("2026-04-01T00:00:00Z")
    assert await make_ahead(pool, clock()) == ["voucher.history_2026_07"]


async def test_rows_go_to_their_month(pool: Pool, clock: SettableClock) -> None:
    """The last millisecond of a month and the first of the next lie in different partitions."""
    await make_ahead(pool, clock())
    assert await put(pool, 1, "2026-03-31T23:59:59.999Z") == "voucher.history_2026_03"
    assert await put(pool, 2, "2026-04-01T00:00:00Z") == "voucher.history_2026_04"


async def test_a_missing_month_refuses_nothing(pool: Pool, clock: SettableClock) -> None:
    """Across the end of the last month made, rows land in the rest, and move when it is made."""
    await make_ahead(pool, clock())
    assert await put(pool, 1, "2026-06-30T23:59:59.999Z") == "voucher.history_2026_06"
    assert await put(pool, 2, "2026-07-01T00:00:00Z") == "voucher.history_rest"
    assert await put(pool, 3, "2026-07-31T23:59:59.999Z") == "voucher.history_rest"
    assert await put(pool, 4, "2026-08-01T00:00:00Z") == "voucher.history_rest"
    clock.set("2026-07-01T09:00:00Z")
    assert await make_ahead(pool, clock(), ahead=0) == ["voucher.history_2026_07"]
    homes = [await pool.fetchval(WHERE, number) for number in (1, 2, 3, 4)]
    july = "voucher.history_2026_07"
    assert homes == ["voucher.history_2026_06", july, july, "voucher.history_rest"]
    assert await pool.fetchval("select count(*) from voucher.history") == 4


async def test_every_growing_table_has_its_months(pool: Pool, clock: SettableClock) -> None:
    """Vouchers' history, call records, the four record tables; each has a rest for other months."""
    tables = ["voucher.history", "pbx.cdr", *(f"vending.{name}" for name in RECORDS)]
    assert tables == [monthly.table for monthly in MONTHLY]
    made = await partitions.make_ahead(pool, clock(), ahead=1)
    assert made == [f"{table}_2026_{month}" for table in tables for month in ("03", "04")]


async def test_records_lie_in_the_month_in_which_they_happened(
    pool: Pool, clock: SettableClock
) -> None:
    """A record is placed by the instant of the event, and found again when its month is made."""
    insert = (
        "insert into vending.iotevent (machine, location, time_zone, occurred_at_ms, name, value,"
        " created_at_ms) values (80, 2, 'UTC', $1, 'door', '1', $2)"
        " returning tableoid::regclass::text"
    )
    await partitions.make_ahead(pool, clock(), ahead=0)
    for text, home in (
        ("2026-03-31T23:59:59.999Z", "vending.iotevent_2026_03"),
        ("2026-04-01T00:00:00Z", "vending.iotevent_rest"),
        ("1999-12-31T23:59:59Z", "vending.iotevent_rest"),
    ):
        assert home == await pool.fetchval(insert, instant(text), clock())
    await partitions.make_ahead(pool, clock(), ahead=1)
    homes = await pool.fetch("select tableoid::regclass::text as home from vending.iotevent")
    assert sorted(row["home"] for row in homes) == [
        "vending.iotevent_2026_03", "vending.iotevent_2026_04", "vending.iotevent_rest",
    ]  # fmt: skip


async def test_a_new_month_has_the_index(pool: Pool, clock: SettableClock) -> None:
    """A month made later is searched by voucher like the others."""
    await make_ahead(pool, clock(), ahead=0)
    attached = await pool.fetchval(
        "select count(*) from pg_inherits where inhparent = 'voucher.history_by_voucher'::regclass"
    )
    assert attached == 2


async def test_a_crowded_month_stays_in_the_rest(pool: Pool, clock: SettableClock) -> None:
    """A month with more rows than may move at once is left alone until the limit is raised."""
    for number in range(4):
        await put(pool, number, "2026-03-10T09:00:00Z")
    left = await make_ahead(pool, clock(), ahead=0, move_limit=3)
    assert left == ["voucher.history_2026_03 (crowded)"]
    assert await pool.fetchval(WHERE, 0) == "voucher.history_rest"
    made = await make_ahead(pool, clock(), ahead=0, move_limit=4)
    assert made == ["voucher.history_2026_03"]
    assert await pool.fetchval(WHERE, 0) == "voucher.history_2026_03"


async def test_makers_do_not_meet(pool: Pool, clock: SettableClock) -> None:
    """Of five at once each month is made by one."""
    made = await asyncio.gather(*(make_ahead(pool, clock()) for _ in range(5)))
    assert len([name for names in made for name in names]) == 4


async def test_a_long_transaction_is_not_waited_for(pool: Pool, clock: SettableClock) -> None:
    """A transaction that holds the rest makes the month busy, not the inserts behind it wait."""
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(INSERT, 1, clock())
        left = await make_ahead(pool, clock(), ahead=0)
        assert left == ["voucher.history_2026_03 (busy)"]
        await transaction.commit()
    assert await make_ahead(pool, clock(), ahead=0) == ["voucher.history_2026_03"]
    assert await pool.fetchval(WHERE, 1) == "voucher.history_2026_03"


async def test_one_snapshot_misses_no_rows_that_move(pool: Pool, clock: SettableClock) -> None:
    """A transaction of one snapshot that holds the history finds rows that want to move."""
    await put(pool, 1, "2026-03-10T09:00:00Z")
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        await partitions.hold_history(connection)
        await connection.fetchval("select 1")
        left = await make_ahead(pool, clock(), ahead=0)
        found = await connection.fetchval(
            "select count(*) from voucher.history where created_at_ms >= $1", clock()
        )

    assert ["voucher.history_2026_03 (busy)"] == left
    assert 1 == found
    assert ["voucher.history_2026_03"] == await make_ahead(pool, clock(), ahead=0)


async def test_readers_never_miss_rows_that_move(pool: Pool, clock: SettableClock) -> None:
    """However a month's making falls between the steps of a reader, it sees all rows, once."""
    for number in range(200):
        await put(pool, number, "2026-03-10T09:00:00Z")
    done = asyncio.Event()
    seen: set[int] = set()

    async def read() -> None:
        while not done.is_set():
            async with pool.acquire() as connection:
                # Planned anew each time, as the first reader of a connection would.
                await connection.execute("discard plans")
                seen.add(await connection.fetchval("select count(*) from voucher.history"))

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for _ in range(5):
        await make_ahead(pool, clock(), ahead=0)
        await asyncio.sleep(0.01)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("lock table only voucher.history in access exclusive mode")
            await connection.execute(
                "alter table voucher.history detach partition voucher.history_2026_03"
            )
            await connection.execute(
                "insert into voucher.history_rest select * from voucher.history_2026_03"
            )
            await connection.execute("drop table voucher.history_2026_03")
    done.set()
    await asyncio.gather(*readers)
    assert {200} == seen


@pytest.mark.parametrize("rounds", [8])
async def test_inserts_go_on_while_months_are_made(
    pool: Pool, clock: SettableClock, rounds: int
) -> None:
    """Writers across a month's end lose no row and see no error while the month is made."""
    clock.set("2026-03-31T23:59:59.900Z")
    done = asyncio.Event()

    async def write(first: int) -> int:
        number = first
        while not done.is_set():
            await pool.execute(INSERT, number, clock() + number % 200)
            number += 1
        return number - first

    writers = [asyncio.create_task(write(worker * 1_000_000)) for worker in range(4)]
    for ahead in range(rounds):
        await make_ahead(pool, clock(), ahead=ahead)
        await asyncio.sleep(0.01)
    done.set()
    written = sum(await asyncio.gather(*writers))
    assert await make_ahead(pool, clock(), ahead=rounds) == ["voucher.history_2026_11"]
    assert await pool.fetchval("select count(*) from voucher.history") == written
    assert await pool.fetchval("select count(*) from only voucher.history_rest") == 0
