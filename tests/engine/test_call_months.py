"""Months of calls are put in order while they are used; what calls there are never changes."""

import asyncio
from typing import Any

import pytest

from farebox.domain.errors import UnavailableError
from farebox.engine import call_months
from farebox.engine.call_months import CallMonths
from farebox.storage import partitions
from farebox.storage.partitions import MONTHLY
from farebox.storage.pool import Pool, transaction
from tests.clocks import SettableClock

CDR = [one for one in MONTHLY if one.table == "pbx.cdr"]
# Sixty days of calls of seven tenants in order of time, a call an hour.
ADD = (
    "insert into pbx.cdr (id, tenant, uniqueid, sequence, linkedid, start_ms, clid, src, realsrc,"
    " dst, firstdst, lastdst, wherelanded, duration, billsec, disposition, cc_cost, userfield)"
    " select g, g % 7, g, 0, g, $1::bigint + g * 3600000, '', 'from', '', 'to', '', '', '', 1, 0,"
    " 'BUSY', 0.5, '' from generate_series($2::bigint, $3::bigint) g"
)
CALLS = "select c::text from pbx.cdr c order by start_ms, id"
LYING = "select (tenant, start_ms, id)::text as place from pbx.cdr_{} order by ctid"
IN_ORDER = "select (tenant, start_ms, id)::text as place from pbx.cdr_{} order by tenant, start_ms"
# Indexes of the whole that some month lacks.
LACKING = (
    "select count(*) from pg_index i where i.indrelid = 'pbx.cdr'::regclass"
    " and (not i.indisvalid or (select count(*) from pg_inherits h where h.inhparent ="
    " i.indexrelid) <> (select count(*) from pg_inherits h where h.inhparent = i.indrelid))"
)


@pytest.fixture
async def months(pool: Pool, clock: SettableClock) -> CallMonths:
    """Two months of calls, and three more without any; it is the tenth of the third."""
    clock.set("2026-01-01T00:00:00Z")
    await partitions.make_ahead(pool, clock(), ahead=4, tables=CDR)
    await pool.execute(ADD, clock(), 0, 1416)
    clock.set("2026-03-10T00:00:00Z")
    return CallMonths(pool, clock, least_bytes=1, tries=1)


async def column(pool: Pool, statement: str) -> list[Any]:
    """The first column of an answer."""
    return [row[0] for row in await pool.fetch(statement)]


async def test_months_are_put_in_order(months: CallMonths, pool: Pool) -> None:
    """The latest comes first, each once; a tenant's calls lie together, found by the same ways."""
    calls = await column(pool, CALLS)
    assert ["cdr_2026_02", "cdr_2026_01", None] == [await months.put_next() for _ in range(3)]
    for month in ("2026_01", "2026_02"):
        lying, in_order = LYING.format(month), IN_ORDER.format(month)
        assert await column(pool, in_order) == await column(pool, lying)
    assert (calls, 0) == (await column(pool, CALLS), await pool.fetchval(LACKING))
    # Nothing of the work is left, and the month takes calls as before.
    assert 0 == await pool.fetchval("select count(*) from pg_trigger where tgname = 'cdr_noted'")
    assert 0 == await pool.fetchval("select count(*) from pg_class where relname ~ '^cdr.*copy$'")
    await pool.execute(ADD, 1_767_225_600_000, 5000, 5000)
    await pool.execute("delete from pbx.cdr where id = 5000")


@pytest.mark.parametrize(
    ("now", "least_bytes", "part"),
    [
        ("2026-02-02T23:59:59.999Z", 1, None), ("2026-02-03T00:00:00Z", 1, "cdr_2026_01"),
        ("2026-03-10T00:00:00Z", 1 << 30, None),
    ],
    ids=["within two days of its end", "two days after", "small"],
)  # fmt: skip
async def test_some_months_are_left_alone(
    now: str, least_bytes: int, part: str | None, months: CallMonths, pool: Pool,
    clock: SettableClock,
) -> None:  # fmt: skip
    """A month rests before it is copied, and a small one needs no order."""
    del months
    clock.set(now)
    assert part == await CallMonths(pool, clock, least_bytes).put_next()


async def test_what_changes_meanwhile_is_kept(
    months: CallMonths, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that come, go, change or move while a month is copied are as they were left."""
    copy = months._fill

    async def fill(*what: Any) -> None:
        await pool.execute("delete from pbx.cdr where id = 800")
        await copy(*what)
        await pool.execute("delete from pbx.cdr where id between 801 and 850")
        await pool.execute("update pbx.cdr set billsec = 1 where id between 860 and 870")
        await pool.execute("update pbx.cdr set start_ms = start_ms + 5 where id = 880")
        await pool.execute("update pbx.cdr set start_ms = 1767225600000 where id = 890")
        await pool.execute(ADD, 1_767_225_600_001, 1410, 1420)
        async with transaction(pool) as connection:
            await connection.execute("delete from pbx.cdr where id = 891")
            await connection.execute("insert into pbx.cdr select * from pbx.cdr where id = 892")
            await connection.execute("delete from pbx.cdr where id = 892")
            raised.append(await connection.fetch(CALLS))

    raised: list[Any] = []
    monkeypatch.setattr(months, "_fill", fill)
    assert "cdr_2026_02" == await months.put_next()
    assert [row[0] for row in raised[0]] == await column(pool, CALLS)


async def test_a_month_in_use_waits(months: CallMonths, pool: Pool) -> None:
    """Where nobody lets go of the calls a month stays as it is, and the next attempt does it."""
    calls = await column(pool, CALLS)
    async with transaction(pool) as connection:
        await connection.fetch("select from pbx.cdr limit 1")
        with pytest.raises(UnavailableError):
            await months.put_next()
    assert calls == await column(pool, CALLS)
    assert "cdr_2026_02" == await months.put_next()
    assert calls == await column(pool, CALLS)


async def test_one_process_at_a_time(months: CallMonths, pool: Pool) -> None:
    """Of processes that look for months at once, one finds them."""
    async with pool.acquire() as connection:
        await connection.execute("select pg_advisory_lock(79, 4)")
        assert await months.put_next() is None
    found = await asyncio.gather(*(months.put_next() for _ in range(3)))
    named = [part for part in found if part]
    assert ("cdr_2026_02" in named, len(named)) == (True, len({*named}))


async def test_a_month_that_fails_ends_nothing(
    months: CallMonths, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is in the way of a copy is told, and the month is tried again."""
    monkeypatch.setattr(call_months, "PAUSE_S", 0.02)
    await pool.execute("create view pbx.cdr_2026_02_copy as select 1")
    work = asyncio.create_task(months.run())
    await asyncio.wait([work], timeout=0.2)
    await pool.execute("drop view pbx.cdr_2026_02_copy")
    ordered = "select count(*) from pbx.month_in_order"
    async with asyncio.timeout(10):
        while await pool.fetchval(ordered) < 2:
            await asyncio.wait([work], timeout=0.02)
    work.cancel()
