"""Calls that pin a campaign or a voucher: they mean that voucher and no other of its code."""

import asyncio

from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.desks import answer, campaign, open_desk, redeem, roll_back, validate, voucher

DAY_MS = 86_400_000


async def _twins(pool: Pool, clock: SettableClock) -> tuple[int, int]:
    """Two campaigns with a voucher of one code each; the first is preferred, it expires."""
    first, second = [await campaign(pool, clock()) for _ in range(2)]
    until_ms = clock() + 1000
    await voucher(pool, "TWIN", first, clock(), expires_on="x", expires_before_ms=until_ms)
    await voucher(pool, "TWIN", second, clock())
    return first, second


async def test_an_order_is_recorded_at_the_voucher_that_was_pinned(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Pinned elsewhere it is another redemption, as it would be under another code."""
    first, second = await _twins(pool, clock)
    async with open_desk(database, clock) as desk:
        one = await desk.submit(redeem("TWIN", "o", campaign=first))
        two = await desk.submit(redeem("TWIN", "o", campaign=second))
        again = [
            await desk.submit(redeem("TWIN", "o", campaign=number)) for number in (first, second)
        ]
        # Without a pin the record of the lowest campaign is found, whatever is usable by now.
        clock.advance_ms(5000)
        unpinned = await desk.submit(redeem("TWIN", "o"))

    assert [one.body, two.body] == [told.body for told in again]
    assert [True, True] == [told.replayed for told in again]
    assert (one.body, True) == (unpinned.body, unpinned.replayed)
    assert [1, 1] == [
        row["total"] for row in await pool.fetch("select total from voucher.voucher order by id")
    ]


async def test_a_pinned_rollback_gives_back_what_it_names(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """The order at the other voucher keeps its value, and may be given back by its own pin."""
    first, second = await _twins(pool, clock)
    async with open_desk(database, clock) as desk:
        await answer(desk, redeem("TWIN", "o", campaign=first))
        missed = await answer(desk, roll_back("TWIN", "o", campaign=second))
        assert (False, "not_redeemed") == (missed["rolledBack"], missed["reason"])
        assert 1 == await pool.fetchval("select sum(total) from voucher.voucher")
        assert (await answer(desk, roll_back("TWIN", "o", campaign=first)))["rolledBack"]
        late = await answer(desk, redeem("TWIN", "o", campaign=second))

    assert "order_rolled_back" == late["reason"]
    assert 0 == await pool.fetchval("select sum(total) from voucher.voucher")


async def test_a_pin_restricts_and_never_widens(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """The pinned voucher is decided alone, even where another one would work."""
    first, second = await _twins(pool, clock)
    clock.advance_ms(1000)
    async with open_desk(database, clock) as desk:
        told = [await answer(desk, validate("TWIN", campaign=n)) for n in (first, second)]
        taken = await answer(desk, redeem("TWIN", campaign=first))
        free = await answer(desk, redeem("TWIN"))

    assert ["voucher_expired", ""] == [one["reason"] for one in told]
    assert "voucher_expired" == taken["reason"]
    assert free["redeemed"]


async def test_of_two_records_of_an_order_the_newer_one_counts(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """An order older than the replay window at one voucher does not hide a young one at another."""
    first, second = await _twins(pool, clock)
    async with open_desk(database, clock) as desk:
        await answer(desk, redeem("TWIN", "o", campaign=first))
        clock.advance_ms(8 * DAY_MS)
        young = await desk.submit(redeem("TWIN", "o", campaign=second))
        again = await desk.submit(redeem("TWIN", "o"))

    assert (young.body, True) == (again.body, again.replayed)
    assert 2 == await pool.fetchval("select count(*) from voucher.redemption")


async def test_twins_of_an_order_that_grew_old_take_value_once(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Redeemed anew at another voucher than before, also by two at once: one effect, one answer."""
    await _twins(pool, clock)
    async with open_desk(database, clock) as desk:
        await answer(desk, redeem("TWIN", "o"))
        clock.advance_ms(8 * DAY_MS)
        told = await asyncio.gather(*(desk.submit(redeem("TWIN", "o")) for _ in range(3)))

    assert 1 == len({one.body for one in told})
    assert 2 == sum(one.replayed for one in told)
    assert [1, 1] == [
        row["total"] for row in await pool.fetch("select total from voucher.voucher order by id")
    ]
