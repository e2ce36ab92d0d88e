"""The desk on real PostgreSQL: one decision at a time, then many at once."""

import asyncio

import pytest

from farebox.domain.errors import InvalidError, RateLimitedError
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.desks import (
    answer,
    campaign,
    open_desk,
    redeem,
    refund,
    roll_back,
    unlock,
    validate,
    voucher,
)


async def test_a_limit_holds_and_refusals_write_history(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Two redemptions are allowed, the third is refused and leaves only a history row."""
    number = await campaign(pool, clock())
    voucher_id = await voucher(pool, "SUMMER", number, clock(), redemption_limit=2)
    async with open_desk(database, clock) as desk:
        got = [await answer(desk, redeem("SUMMER")) for _ in range(3)]

    assert [True, True, False] == [one["redeemed"] for one in got]
    assert "redemption_limit_reached" == got[2]["reason"]
    row = await pool.fetchrow("select * from voucher.voucher where id = $1", voucher_id)
    assert (2, 2, 200, 200, 3) == tuple(
        row[name] for name in ("count", "total", "amount", "total_amount", "version")
    )
    assert 2 == await pool.fetchval("select count(*) from voucher.redemption")
    assert 1 == await pool.fetchval("select count(*) from voucher.history where not success")


async def test_a_retry_gets_the_first_answer_byte_for_byte(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """A replay changes nothing, also when another desk answers it and nothing is left."""
    number = await campaign(pool, clock())
    await voucher(pool, "ONCE", number, clock(), redemption_limit=1)
    async with open_desk(database, clock) as one, open_desk(database, clock) as two:
        first = await one.submit(redeem("ONCE", "o1"))
        again = await one.submit(redeem("ONCE", "o1"))
        elsewhere = await two.submit(redeem("ONCE", "o1"))
        other = await answer(two, redeem("ONCE", "o1", fingerprint=9))

    assert (False, True, True) == (first.replayed, again.replayed, elsewhere.replayed)
    assert first.body == again.body == elsewhere.body
    assert "order_id_reused" == other["reason"]
    assert 1 == await pool.fetchval("select total from voucher.voucher")


async def test_twins_in_one_batch_take_value_once(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Sixty-four concurrent redeems of one order get one answer and count once."""
    number = await campaign(pool, clock())
    await voucher(pool, "TWIN", number, clock())
    async with open_desk(database, clock) as desk:
        got = await asyncio.gather(*(desk.submit(redeem("TWIN", "o1")) for _ in range(64)))

    assert 1 == len({one.body for one in got})
    assert 63 == sum(one.replayed for one in got)
    assert 1 == await pool.fetchval("select total from voucher.voucher")


async def test_rollback_returns_the_value_and_bars_the_order(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """A rolled back order cannot be redeemed; its repetition gets the stored answer."""
    number = await campaign(pool, clock(), type="dynamic")
    await voucher(pool, "GIFT", number, clock(), type="gift", value=500)
    async with open_desk(database, clock) as desk:
        redeemed = await answer(desk, redeem("GIFT", "a", demand=120))
        back = await desk.submit(roll_back("GIFT", "a"))
        again = await desk.submit(roll_back("GIFT", "a"))
        late = await answer(desk, redeem("GIFT", "a", demand=120))
        unknown = await answer(desk, roll_back("GIFT", "z"))
        buried = await answer(desk, redeem("GIFT", "z", demand=1))

    assert 380 == redeemed["voucherValue"]
    assert back.body == again.body
    assert b'"rolledBack":true' in back.body
    assert b'"voucherValue":500' in back.body
    assert ["order_rolled_back", "not_redeemed", "order_rolled_back"] == [
        late["reason"], unknown["reason"], buried["reason"],
    ]  # fmt: skip
    assert (0, 0) == tuple(await pool.fetchrow("select count, total_amount from voucher.voucher"))


async def test_redeem_and_rollback_in_one_batch_keep_their_order(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """What arrives in one batch for one voucher is served in order of arrival."""
    number = await campaign(pool, clock(), type="dynamic")
    await voucher(pool, "GIFT", number, clock(), type="gift", value=100)
    async with open_desk(database, clock) as desk:
        calls = [
            redeem("GIFT", "a", demand=100), redeem("GIFT", "b", demand=1),
            roll_back("GIFT", "a"), redeem("GIFT", "a", demand=100),
            redeem("GIFT", "c", demand=100), roll_back("GIFT", "c"), roll_back("GIFT", "c"),
        ]  # fmt: skip
        got = [one.body.decode() for one in await asyncio.gather(*map(desk.submit, calls))]

    assert ["", "balance_empty", "", "order_rolled_back", "", "", ""] == [
        one.split('"reason":"')[1].split('"')[0] for one in got
    ]
    assert got[5] == got[6]
    assert (0, 0) == tuple(await pool.fetchrow("select total, amount from voucher.voucher"))


async def test_holds_exclude_others_until_they_end(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """A hold taken at one desk is honoured at another, ends by unlock, and ends by itself."""
    number = await campaign(pool, clock())
    await voucher(pool, "HELD", number, clock(), redemption_limit=5)
    async with open_desk(database, clock) as one, open_desk(database, clock) as two:
        taken = await answer(one, validate("HELD", 60_000))
        refused = await answer(two, redeem("HELD", device="m:81"))
        not_mine = await answer(two, unlock("HELD", device="m:81"))
        released = await answer(one, unlock("HELD"))
        free = await answer(two, validate("HELD", 30_000, device="m:81"))
        clock.advance_ms(30_000)
        ended = await answer(one, redeem("HELD"))

    assert taken["valid"]
    assert "voucher_locked" == refused["reason"]
    assert [False, True] == [not_mine["unlocked"], released["unlocked"]]
    assert free["valid"]
    assert ended["redeemed"]


async def test_the_earliest_expiry_is_taken_first(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Of two candidates the one that expires first is used up before the other."""
    one = await campaign(pool, clock())
    two = await campaign(pool, clock())
    never = await voucher(pool, "BOTH", one, clock(), redemption_limit=1)
    soon = await voucher(
        pool, "BOTH", two, clock(), redemption_limit=1, expires_on="2030-01-01",
        expires_before_ms=1893538800000,
    )  # fmt: skip
    async with open_desk(database, clock) as desk:
        got = [await answer(desk, redeem("BOTH")) for _ in range(3)]

    assert [str(soon), str(never)] == [got[0]["voucherId"], got[1]["voucherId"]]
    assert "redemption_limit_reached" == got[2]["reason"]


async def test_two_desks_share_one_limit(database: str, pool: Pool, clock: SettableClock) -> None:
    """Two desks and many clients on one voucher give out exactly the limit."""
    number = await campaign(pool, clock())
    await voucher(pool, "HOT", number, clock(), redemption_limit=50)
    async with open_desk(database, clock) as one, open_desk(database, clock) as two:
        got = await asyncio.gather(
            *(answer(desk, redeem("HOT")) for _ in range(60) for desk in (one, two))
        )

    assert 50 == sum(answered["redeemed"] for answered in got)
    assert 50 == await pool.fetchval("select count from voucher.voucher")


async def test_a_campaign_edit_binds_at_once(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """A lowered limit decides the next redeem although the desk holds the voucher as it was."""
    number = await campaign(pool, clock(), redemption_limit=5)
    await voucher(pool, "EDIT", number, clock(), inherit=True)
    async with open_desk(database, clock) as desk:
        before = await answer(desk, redeem("EDIT"))
        await pool.execute(
            "update voucher.campaign set redemption_limit = 1,"
            " policy_revision = policy_revision + 1"
        )
        after = await answer(desk, redeem("EDIT"))
        seen = await answer(desk, validate("EDIT"))

    assert before["redeemed"]
    assert "redemption_limit_reached" == after["reason"] == seen["reason"]


async def test_a_refund_needs_no_order(database: str, pool: Pool, clock: SettableClock) -> None:
    """A person gives one redemption back by its id, long after the device could."""
    number = await campaign(pool, clock())
    voucher_id = await voucher(pool, "BACK", number, clock())
    async with open_desk(database, clock) as desk:
        redeemed = await answer(desk, redeem("BACK", "o1"))
        clock.advance_ms(30 * 86_400_000)
        closed = await answer(desk, roll_back("BACK", "o1"))
        refunded = await answer(desk, refund("BACK", redeemed["redemptionId"], voucher_id))

    assert "rollback_window_closed" == closed["reason"]
    assert refunded["rolledBack"]
    assert 0 == await pool.fetchval("select total from voucher.voucher")


async def test_an_order_beyond_the_window_is_new(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Eight days later the same order id takes value again and the older row loses its key."""
    number = await campaign(pool, clock())
    await voucher(pool, "WEEK", number, clock())
    async with open_desk(database, clock) as desk:
        first = await answer(desk, redeem("WEEK", "o1"))
        clock.advance_ms(8 * 86_400_000)
        second = await answer(desk, redeem("WEEK", "o1"))

    assert first["redemptionId"] != second["redemptionId"]
    rows = await pool.fetch("select keyed from voucher.redemption order by id")
    assert [False, True] == [row["keyed"] for row in rows]


async def test_unknown_codes_and_missing_demands(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Unknown codes are 404 until the caller is blocked; a gift without a demand is an error."""
    number = await campaign(pool, clock(), type="dynamic")
    await voucher(pool, "GIFT", number, clock(), type="gift", value=100)
    async with open_desk(database, clock) as desk:
        with pytest.raises(InvalidError, match="demand"):
            await desk.submit(redeem("GIFT"))
        done = await answer(desk, redeem("GIFT", "known", demand=10))
        for _ in range(20):
            assert 404 == (await desk.submit(validate("NOPE"))).status
        with pytest.raises(RateLimitedError):
            await desk.submit(validate("NOPE"))
        with pytest.raises(RateLimitedError):
            await desk.submit(redeem("GIFT", demand=1))
        replay = await answer(desk, redeem("GIFT", "known", demand=10))
        back = await answer(desk, roll_back("GIFT", "known"))

    assert done == replay
    assert back["rolledBack"]


async def test_validations_reach_the_history(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """The history of plain validations is written when the desk stops at the latest."""
    number = await campaign(pool, clock())
    await voucher(pool, "LOOK", number, clock())
    async with open_desk(database, clock) as desk:
        for _ in range(3):
            assert (await answer(desk, validate("LOOK")))["valid"]

    assert 3 == await pool.fetchval("select count(*) from voucher.history where action = 0")


async def test_a_warm_shelf_answers_like_a_cold_one(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Plain inherit vouchers are held before the first call; all others are read when asked for."""
    number = await campaign(pool, clock(), redemption_limit=1)
    other = await campaign(pool, clock())
    for index in range(300):
        code = f"WARM-{index:03d}-{'LONG' * (index % 2) * 5}"
        await voucher(pool, code, number, clock(), inherit=True)
    await voucher(pool, "WARM-000-", other, clock())
    await voucher(pool, "Spelled", number, clock(), inherit=True)
    await voucher(pool, "RULED", number, clock(), inherit=True, rules="[]")
    async with open_desk(database, clock, warm_s=5.0) as desk:
        held = len(desk.shelf)
        desk.shelf.book.check()
        got = [
            await answer(desk, redeem(code))
            for code in ("WARM-001-" + "LONG" * 5, "WARM-000-", "SPELLED", "RULED", "WARM-002-")
        ]

    assert 299 == held
    assert all(one["redeemed"] for one in got)
    assert ["WARM-001-" + "LONG" * 5, "WARM-000-", "Spelled"] == [one["code"] for one in got[:3]]


async def test_the_shelf_keeps_to_its_memory(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Beyond its bound the shelf forgets vouchers and their counts stay right."""
    number = await campaign(pool, clock())
    codes = [f"MANY-{index}" for index in range(1500)]
    for start in range(0, 1500, 500):
        await asyncio.gather(
            *(voucher(pool, code, number, clock()) for code in codes[start : start + 500])
        )
    async with open_desk(database, clock, memory_bytes=0) as desk:
        for _ in range(2):
            for start in range(0, 1500, 100):
                part = codes[start : start + 100]
                await asyncio.gather(*(answer(desk, redeem(code)) for code in part))
        assert len(desk.shelf) <= desk.shelf.capacity + 100

    assert 1500 == await pool.fetchval("select count(*) from voucher.voucher where total = 2")
