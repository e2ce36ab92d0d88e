"""Figures of random sales: from the rows and told slowly, the same (vending-commerce.md 4.12)."""

import random

import pytest

from farebox.domain.instants import parse
from farebox.domain.sales import period
from farebox.engine.revenue_figures import Adder, Selection
from farebox.engine.revenue_rows import Rows
from farebox.storage.pool import Pool
from tests.engine.sales import Slow, some_sales, store
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


async def same(expected: Adder, actual: Adder) -> None:
    """All questions, asked of both."""
    for start, end in PERIODS:
        span = period(parse(start), parse(end))
        for chosen in SELECTIONS:
            assert await expected.daily(chosen, span) == await actual.daily(chosen, span)
            for amount in (2, 100):
                best = await actual.best(chosen, span, amount)
                assert await expected.best(chosen, span, amount) == best
    for now_ms in map(ms, NOWS):
        for chosen in SELECTIONS:
            assert await expected.to_date(chosen, now_ms) == await actual.to_date(chosen, now_ms)
            hours = sorted(await actual.hourly(chosen, now_ms))
            assert sorted(await expected.hourly(chosen, now_ms)) == hours


async def test_rows_tell_what_sales_tell(pool: Pool, random_source: random.Random) -> None:
    """Every answer of the statements is that of a walk over the list."""
    await pool.execute(
        "insert into vending.usergroup (id, name, created_at_ms, updated_at_ms)"
        " values (1, 'Root', 0, 0)"
    )
    sales = some_sales(random_source, 2000, FROM_MS, UNTIL_MS)
    await store(pool, sales)
    await same(Slow(sales), Rows(pool))


async def test_a_database_without_sales(pool: Pool) -> None:
    """Nothing, told as nothing."""
    await same(Slow([]), Rows(pool))


@pytest.mark.parametrize("at", NOWS)
async def test_now_is_included(pool: Pool, at: str) -> None:
    """A sale of this very instant counts as one until now, a later one does not."""
    sales = some_sales(random.Random(1), 3, ms(at), ms(at) + 1)
    assert [] != await Slow(sales).to_date(EVERYWHERE, ms(at))
    assert [] == await Slow(sales).to_date(EVERYWHERE, ms(at) - 1)
    assert [] == await Rows(pool).to_date(EVERYWHERE, ms(at))
