"""One redemption given back by two at once: the device's rollback and a user's refund."""

import asyncio

import pytest

from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.desks import answer, campaign, open_desk, redeem, refund, roll_back, voucher


@pytest.mark.parametrize("refund_first", [False, True])
async def test_a_refund_beside_a_rollback_gives_back_once(
    database: str, pool: Pool, clock: SettableClock, refund_first: bool
) -> None:
    """Whichever comes first gives back; the other one is told the same, and nothing else moves."""
    number = await campaign(pool, clock())
    number = await voucher(pool, "BACK", number, clock(), type="gift", value=1000)
    async with open_desk(database, clock) as desk:
        for order in ("o1", "o2"):
            await answer(desk, redeem("BACK", order, 100))
        redemption = await pool.fetchval("select id from voucher.redemption where order_id = 'o1'")
        calls = [roll_back("BACK", "o1"), refund("BACK", redemption, number)]
        told = await asyncio.gather(*map(desk.submit, calls[::-1] if refund_first else calls))
        replayed = await answer(desk, redeem("BACK", "o1", 100))

    assert told[0].body == told[1].body
    assert "order_rolled_back" == replayed["reason"]
    assert (1, 100, 1, 100) == tuple(
        await pool.fetchrow("select count, amount, total, total_amount from voucher.voucher")
    )
    assert 1 == await pool.fetchval(
        "select count(*) from voucher.history where action = 2 and success"
    )
