"""The desk when a commit's answer never comes, or one row would poison a batch."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from farebox.domain.errors import UnavailableError
from farebox.engine.calls import Answer
from farebox.engine.redemption import Desk
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.crash.proxy import Held, Proxy
from tests.engine.desks import answer, campaign, open_desk, redeem, roll_back, validate, voucher

HOUR_MS = 3_600_000


def _upstream(dsn: str) -> str | tuple[str, int]:
    """Where the server listens: a socket file, or host and port."""
    parts = urlsplit(dsn)
    told = parse_qs(parts.query)
    if "host" in told:
        return f"{told['host'][0]}/.s.PGSQL.{told.get('port', ['5432'])[0]}"
    return (parts.hostname or "127.0.0.1", parts.port or 5432)


@asynccontextmanager
async def _cut_desk(dsn: str, clock: SettableClock) -> AsyncIterator[tuple[Desk, Proxy]]:
    """A desk whose connection goes through a proxy that can lose answers."""
    proxy = Proxy(_upstream(dsn), seed=1)
    await proxy.start()
    parts = urlsplit(dsn)
    through = f"postgresql://{parts.username or 'farebox'}@127.0.0.1:{proxy.port}{parts.path}"
    try:
        async with open_desk(through, clock) as desk:
            yield desk, proxy
    finally:
        await proxy.stop()


@pytest.mark.parametrize("round_", range(3))
async def test_a_lost_answer_is_asked_for_and_never_taken_twice(
    database: str, pool: Pool, clock: SettableClock, round_: int
) -> None:
    """Whether the lost commit happened or not, every order ends with one effect and one answer."""
    number = await campaign(pool, clock())
    await voucher(pool, "CUT", number, clock())
    async with _cut_desk(database, clock) as (desk, proxy):
        assert (await answer(desk, redeem("CUT", "first")))["redeemed"]
        proxy.cut()
        calls = [redeem("CUT", f"{round_}-{index}") for index in range(20)]
        lost = await asyncio.gather(*map(desk.submit, calls), return_exceptions=True)
        again = await asyncio.gather(*(desk.submit(redeem("CUT", call.order_id)) for call in calls))

    assert 1 == proxy.cuts
    for one, two in zip(lost, again, strict=True):
        if isinstance(one, BaseException):
            assert isinstance(one, UnavailableError)
        else:
            assert (200, two.body) == (one.status, one.body)
    assert 21 == await pool.fetchval("select total from voucher.voucher")
    assert 21 == await pool.fetchval("select count(*) from voucher.redemption")


async def test_a_lost_rollback_is_told_when_asked_again(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """The careful path's lost commit is settled the same way: one effect, the stored answer."""
    number = await campaign(pool, clock())
    await voucher(pool, "BACK", number, clock())
    async with _cut_desk(database, clock) as (desk, proxy):
        await answer(desk, redeem("BACK", "o1"))
        proxy.cut()
        try:
            await desk.submit(roll_back("BACK", "o1"))
        except UnavailableError:
            pass
        told = await answer(desk, roll_back("BACK", "o1"))

    assert told["rolledBack"]
    assert (0, 0) == tuple(await pool.fetchrow("select total, amount from voucher.voucher"))


async def _overtake(
    desk: Desk, proxy: Proxy, clock: SettableClock
) -> tuple[Held, "asyncio.Future[Answer]"]:
    """A redeem whose commit is still on its way when its connection and its voucher have ended.

    A refusal changes no version: the commit, coming late, would find all that it compares.
    """
    held = proxy.hold()
    told = desk.submit(redeem("LATE", "o2"))
    await held.arrived.wait()
    clock.advance_ms(HOUR_MS)
    held.cut()
    return held, told


async def test_a_refusal_is_not_overtaken_by_a_lost_commit(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """An order is told refused only when its lost commit can come no more."""
    number = await campaign(pool, clock())
    until_ms = clock() + HOUR_MS
    await voucher(
        pool, "LATE", number, clock(), expires_on="2026-03-10", expires_before_ms=until_ms
    )
    async with _cut_desk(database, clock) as (desk, proxy):
        assert (await answer(desk, redeem("LATE", "o1")))["redeemed"]
        held, told = await _overtake(desk, proxy, clock)
        assert b'"voucher_expired"' in (await told).body
        await held.release()

    assert 1 == await pool.fetchval("select count(*) from voucher.redemption")
    assert 1 == await pool.fetchval("select total from voucher.voucher")


async def test_nothing_is_decided_beside_a_backend_that_does_not_end(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """While the lost backend lives, "not found" proves nothing and the answer is 503."""
    number = await campaign(pool, clock())
    until_ms = clock() + HOUR_MS
    await voucher(
        pool, "LATE", number, clock(), expires_on="2026-03-10", expires_before_ms=until_ms
    )
    async with _cut_desk(database, clock) as (desk, proxy):
        assert (await answer(desk, redeem("LATE", "o1")))["redeemed"]
        backend = await pool.fetchval(
            "select pid from pg_stat_activity"
            " where application_name = 'farebox desk' and datname = current_database()"
        )
        os.kill(backend, signal.SIGSTOP)
        try:
            held, told = await _overtake(desk, proxy, clock)
            with pytest.raises(UnavailableError):
                await told
            with pytest.raises(UnavailableError):
                await desk.submit(redeem("LATE", "o2"))
        finally:
            os.kill(backend, signal.SIGCONT)
        await held.release()
        assert "voucher_expired" == (await answer(desk, redeem("LATE", "o2")))["reason"]

    assert 1 == await pool.fetchval("select count(*) from voucher.redemption")


async def test_a_server_that_ends_connections_is_survived(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Connections ended by an administrator between batches cost nothing but the reconnect."""
    number = await campaign(pool, clock())
    await voucher(pool, "KILL", number, clock())
    done = 0
    async with open_desk(database, clock) as desk:
        for index in range(6):
            await pool.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'farebox desk' and datname = current_database()"
            )
            try:
                done += (await answer(desk, redeem("KILL", f"o{index}")))["redeemed"]
            except UnavailableError:
                done += (await answer(desk, redeem("KILL", f"o{index}")))["redeemed"]

    assert 6 == done == await pool.fetchval("select total from voucher.voucher")


async def test_one_poisoned_voucher_does_not_take_the_batch_with_it(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """A row that the database refuses ends with 503 for its own calls only."""
    number = await campaign(pool, clock())
    for index in range(8):
        await voucher(pool, f"ROW-{index}", number, clock())
    await pool.execute(
        "alter table voucher.voucher"
        " add constraint planted check (code_key <> 'ROW-5' or count < 1)"
    )
    async with open_desk(database, clock) as desk:
        got = await asyncio.gather(
            *(desk.submit(redeem(f"ROW-{index}")) for index in range(8)), return_exceptions=True
        )
        seen = await answer(desk, validate("ROW-5"))

    assert [5] == [index for index, one in enumerate(got) if isinstance(one, UnavailableError)]
    assert 7 == await pool.fetchval("select count(*) from voucher.redemption")
    assert seen["valid"]


async def test_without_a_server_calls_end_with_unavailable(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """A desk that cannot reconnect refuses at once and works again when it can."""
    number = await campaign(pool, clock())
    await voucher(pool, "AWAY", number, clock())
    async with _cut_desk(database, clock) as (desk, proxy):
        await answer(desk, redeem("AWAY", "o1"))
        await proxy.stop()
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await desk.submit(redeem("AWAY", "o2"))
        await proxy.start()
        assert (await answer(desk, redeem("AWAY", "o2")))["redeemed"]

    assert 2 == await pool.fetchval("select total from voucher.voucher")
