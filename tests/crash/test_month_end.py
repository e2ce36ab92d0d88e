"""A month ends while devices redeem, and the next month has no partition for its history."""

import asyncio
from collections import Counter

from farebox.storage import partitions
from farebox.storage.pool import Pool
from tests import golden
from tests.clocks import SettableClock
from tests.engine.crew import insist
from tests.engine.desks import campaign, open_desk, voucher
from tests.oracle_desk import Device, Order

BEFORE = golden.ms("2026-03-31T23:59:58+02:00")
MONTH_END = golden.ms("2026-04-01T00:00:00+02:00")
UTC_MONTH_END = golden.ms("2026-04-01T00:00:00Z")
LIMIT = 40


async def test_month_end_under_load(database: str, pool: Pool, clock: SettableClock) -> None:
    """The limit holds in each month, nothing is refused for want of a table, nothing is lost."""
    clock.now_ms = BEFORE
    await partitions.make_ahead(pool, BEFORE)
    await pool.execute("drop table if exists voucher.history_2026_04")
    number = await campaign(pool, BEFORE)
    await voucher(pool, "MONTH", number, BEFORE, redemption_limit=LIMIT, reset_frequency="month")
    async with open_desk(database, clock) as one, open_desk(database, clock) as two:

        async def work(who: int) -> list[str]:
            device = Device(f"D{who}", f"d:D{who}", user=True, owners=frozenset({2}))
            reasons = []
            for n in range(60):
                order = Order(f"{who}-{n}")
                asked = {"device": device, "code": "MONTH", "order": order}
                told = await insist((one, two)[who % 2], ("redeem", asked))
                reasons.append(told.answer.body["reason"])
                # Each call moves time on; half of them come before the month's end.
                clock.advance_ms(10)
            return reasons

        first = await asyncio.gather(*map(work, range(8)))
        clock.now_ms = UTC_MONTH_END
        late = await asyncio.gather(*map(work, range(8, 10)))
    reasons = Counter(reason for told in (*first, *late) for reason in told)
    assert {"": 2 * LIMIT, "redemption_limit_reached": 600 - 2 * LIMIT} == reasons
    rows = await pool.fetch(
        "select period_seq, count(*), max(redeemed_at_ms) as last from voucher.redemption"
        " group by period_seq"
    )
    assert {0: LIMIT, 1: LIMIT} == {row["period_seq"]: row["count"] for row in rows}
    assert all((row["last"] >= MONTH_END) == (row["period_seq"] == 1) for row in rows)
    assert 600 - 2 * LIMIT == await pool.fetchval("select count(*) from voucher.history")
    assert 0 < await pool.fetchval("select count(*) from voucher.history_rest")
    assert (LIMIT, 2 * LIMIT) == tuple(
        await pool.fetchrow("select count, total from voucher.voucher")
    )
