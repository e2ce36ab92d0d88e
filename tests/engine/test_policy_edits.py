"""P20 at the desk: an edit of a campaign binds every call that comes after it, whatever is held."""

import asyncio

import pytest

from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.desks import answer, campaign, open_desk, redeem, validate, voucher

CLOSE = "update voucher.campaign set status = 'inactive', policy_revision = policy_revision + 1"
OPEN = "update voucher.campaign set status = 'active', policy_revision = policy_revision + 1"
NOT_ACTIVE = "campaign_not_active"


@pytest.mark.parametrize("first", ["HELD", "NEW"])
@pytest.mark.parametrize("hold_ms", [None, 0, 60_000])
async def test_held_and_unheld_codes_of_a_closed_campaign_in_one_batch(
    database: str, pool: Pool, clock: SettableClock, first: str, hold_ms: int | None
) -> None:
    """A code that the desk holds is not decided by the past because another one is read anew."""
    number = await campaign(pool, clock())
    for code in ("HELD", "NEW"):
        await voucher(pool, code, number, clock(), redemption_limit=5)

    codes = [first, "NEW" if first == "HELD" else "HELD"]
    async with open_desk(database, clock) as desk:
        assert (await answer(desk, redeem("HELD")))["redeemed"]
        await pool.execute(CLOSE)
        calls = [redeem(c) if hold_ms is None else validate(c, hold_ms) for c in codes]
        told = await asyncio.gather(*(answer(desk, call) for call in calls))

    assert [NOT_ACTIVE, NOT_ACTIVE] == [one["reason"] for one in told]
    assert 1 == await pool.fetchval("select count(*) from voucher.redemption")


@pytest.mark.parametrize("first", ["HELD", "NEW"])
async def test_held_and_unheld_codes_of_a_reopened_campaign_in_one_batch(
    database: str, pool: Pool, clock: SettableClock, first: str
) -> None:
    """Nor is a held code refused by the past."""
    number = await campaign(pool, clock(), status="inactive")
    for code in ("HELD", "NEW"):
        await voucher(pool, code, number, clock())

    codes = [first, "NEW" if first == "HELD" else "HELD"]
    async with open_desk(database, clock) as desk:
        assert NOT_ACTIVE == (await answer(desk, redeem("HELD")))["reason"]
        await pool.execute(OPEN)
        told = await asyncio.gather(*(answer(desk, redeem(code)) for code in codes))

    assert [True, True] == [one["redeemed"] for one in told]
