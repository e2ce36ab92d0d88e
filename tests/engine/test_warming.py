"""Reading vouchers ahead while customers are served: nothing held twice, nothing answered wrong."""

import asyncio
import random

from farebox.engine import warming
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.desks import answer, campaign, open_desk, redeem, voucher

VOUCHERS = 3 * warming.STRETCH // 2

_MANY = """
insert into voucher.voucher (code_key, code, campaign, inherit, prefix, initial_value, currency,
  period_end_ms, created_at_ms, updated_at_ms)
select code, code, $1, true, '00000', 100, 'EUR', 9223372036854775807, $2, $2
from (select 'WARM-' || lpad(n::text, 6, '0') as code from generate_series(0, $3 - 1) n) codes
"""


def code(number: int) -> str:
    """The code of one of the many vouchers."""
    return f"WARM-{number:06d}"


async def many(pool: Pool, clock: SettableClock, **columns: object) -> int:
    """A campaign with more vouchers than one stretch reads."""
    number = await campaign(pool, clock(), **columns)
    await pool.execute(_MANY, number, clock(), VOUCHERS)
    return number


async def test_it_goes_on_beside_the_work(database: str, pool: Pool, clock: SettableClock) -> None:
    """What customers redeem while vouchers stream in is held once, as they left it."""
    await many(pool, clock, redemption_limit=2)
    source = random.Random(5)
    async with open_desk(database, clock, warm_s=0.001) as desk:
        done = asyncio.create_task(desk.warming.finish())
        redeemed = 0
        while not done.done():
            # Some of every stretch, some of them more often than they allow.
            drawn = [code(source.randrange(0, VOUCHERS, 50)) for _ in range(64)]
            got = await asyncio.gather(*(answer(desk, redeem(one)) for one in drawn))
            redeemed += sum(one["redeemed"] for one in got)
        desk.shelf.book.check()
        held = len(desk.shelf)
        again = await asyncio.gather(
            *(answer(desk, redeem(code(number))) for number in range(0, VOUCHERS, 500))
        )
        redeemed += sum(one["redeemed"] for one in again)
        lost = desk.lost

    assert VOUCHERS == held
    assert 0 == lost
    assert redeemed == await pool.fetchval("select sum(total) from voucher.voucher")
    assert 2 == await pool.fetchval("select max(total) from voucher.voucher")


async def test_edits_meanwhile_are_seen(database: str, pool: Pool, clock: SettableClock) -> None:
    """A limit set and a candidate made while vouchers stream in decide what comes after them."""
    number = await many(pool, clock)
    other = await campaign(pool, clock(), owner=3)
    last = code(VOUCHERS - 1)
    async with open_desk(database, clock, warm_s=0.001) as desk:
        first = await answer(desk, redeem(last))
        await pool.execute(
            "update voucher.campaign set redemption_limit = 1, policy_revision = policy_revision"
            " + 1 where id = $1", number,
        )  # fmt: skip
        await voucher(pool, code(7), other, clock())
        await pool.execute(
            "update voucher.voucher set version = version + 1"
            " where code_key = $1 and campaign = $2",
            code(7), number,
        )  # fmt: skip
        second = await answer(desk, redeem(last))
        await desk.warming.finish()
        third = await answer(desk, redeem(last))
        shared = await answer(desk, redeem(code(7)))
        desk.shelf.book.check()

    assert [True, False, False] == [one["redeemed"] for one in (first, second, third)]
    assert shared["redeemed"]


async def test_a_full_shelf_takes_no_more(database: str, pool: Pool, clock: SettableClock) -> None:
    """Streaming ends where the memory does, and what is not held is read when asked for."""
    await many(pool, clock)
    async with open_desk(database, clock, warm_s=5.0, memory_bytes=128 * VOUCHERS) as desk:
        held = len(desk.shelf)
        got = await answer(desk, redeem(code(VOUCHERS - 1)))

    assert warming.STRETCH == held
    assert got["redeemed"]
