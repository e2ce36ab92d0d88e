"""What expires is removed, and nothing else."""

import pytest

from farebox.demo import load_fixture
from farebox.storage import outbox, upkeep
from farebox.storage.pool import Pool
from farebox.storage.upkeep import Removed, remove_expired
from tests.clocks import SettableClock

DAY_MS = 86_400_000


async def remember(pool: Pool, key: str, at_ms: int) -> None:
    """A stored answer."""
    await pool.execute(
        "insert into farebox.idempotency values ('user:2', $1, '', 201, '{}', '', $2)", key, at_ms
    )


async def redeem(pool: Pool, number: int, state: int, at_ms: int) -> None:
    """A redemption in a state: 0 done, 1 rolled back, 2 tombstone."""
    await pool.execute(
        "insert into voucher.redemption (id, code_key, voucher, device, order_id, fingerprint,"
        " amount_off, period_seq, state, requester, currency, request, response, redeemed_at_ms)"
        " values ($1::bigint, 'C', 1, 'm:80', $1::bigint::text, 0, 0, 0, $2, 'm:80', 'EUR', '', '',"
        " $3)",
        number,
        state,
        at_ms,
    )


async def test_only_what_is_past_its_time_goes(pool: Pool, clock: SettableClock) -> None:
    """Answers go after a day, tombstones after the replay window, delivered jobs after a week,
    rejected records of devices after 90 days."""
    now = clock()
    await remember(pool, "old", now - DAY_MS - 1)
    await remember(pool, "young", now - DAY_MS)
    for state in (0, 1, 2):
        await redeem(pool, state, state, now - 7 * DAY_MS - 1)
        await redeem(pool, 10 + state, state, now - 7 * DAY_MS)
    for end in ("pending", "done", "dead"):
        number = await outbox.put(pool, end, {}, now - 30 * DAY_MS)
        await pool.execute(
            "update farebox.outbox set state = $2, finished_at_ms = $3 where id = $1",
            number,
            end,
            None if end == "pending" else now - 7 * DAY_MS - 1,
        )
    await load_fixture(pool, now)
    for number, at_ms in enumerate((now - 90 * DAY_MS - 1, now - 90 * DAY_MS)):
        await pool.execute(
            "insert into vending.dead_letter (gateway, stream, hash, reason, record, created_at_ms)"
            " values (80, 1, $1, 'conflict', '{}', $2)",
            number,
            at_ms,
        )
    removed = await remove_expired(pool, now, replay_window_ms=7 * DAY_MS)
    assert removed == Removed(idempotency=1, tombstones=1, done_jobs=1, dead_letters=1)
    assert await pool.fetchval("select array_agg(hash) from vending.dead_letter") == [1]
    assert await pool.fetchval("select array_agg(key) from farebox.idempotency") == ["young"]
    left = await pool.fetchval("select array_agg(id order by id) from voucher.redemption")
    assert left == [0, 1, 10, 11, 12]
    assert sorted(job.kind for job in await outbox.counts(pool)) == ["dead", "pending"]
    again = await remove_expired(pool, now, replay_window_ms=7 * DAY_MS)
    assert again == Removed(idempotency=0, tombstones=0, done_jobs=0, dead_letters=0)


async def test_many_go_in_bites(
    pool: Pool, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one bite is taken until nothing is left."""
    monkeypatch.setattr(upkeep, "_BITE", 3)
    for number in range(10):
        await remember(pool, str(number), 0)
    removed = await remove_expired(pool, clock(), replay_window_ms=DAY_MS)
    assert removed.idempotency == 10
