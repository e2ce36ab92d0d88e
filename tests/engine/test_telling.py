"""The network is told what has changed: whatever is lost, by one process, nobody held up."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.bench_switches import (
    SQL,
    Servers,
    access_servers,
    fill,
    measure,
    network_of,
    tell,
)

from farebox.engine.evaluating import Evaluating
from farebox.engine.network import Network
from farebox.engine.telling import DEVICE_ROOM, Telling
from farebox.storage.pool import Pool, open_pool
from tests.clocks import SettableClock

DELAYS_MS = (20, 20, 20, 20, 20)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds; tries instead of a clock, as we may have stood still too."""
    for _ in range(2000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it took too long")


async def test_a_midnight_on_lossy_devices(database: str, clock: SettableClock) -> None:
    """Everybody has the right speed in the end, changed once; dead letters are emitted again."""
    told = await measure(
        database, 150, clock(), devices=4, unheard=6, wait_s=0.1, delays_ms=DELAYS_MS
    )
    assert 150 == told["sessions"]
    assert 6 <= told["dead letters, told after the next evaluation"]


@asynccontextmanager
async def midnight(
    pool: Pool, clock: SettableClock, switches: int, unheard: int
) -> AsyncIterator[tuple[Servers, Network]]:
    """So many switches that wait to be told on two devices, so many of them on the first."""
    network = network_of(pool, clock, 0.2)
    async with access_servers(2, 0, 0.2) as servers:
        clock.now_ms, _ = await fill(pool, network, servers.ports, switches, unheard, clock())
        told = await Evaluating(pool, clock).run("crowd")
        assert switches == told.switched
        yield servers, network


def moving(clock: SettableClock) -> Callable[[], int]:
    """A clock that goes on."""
    began_s = time.monotonic()
    return lambda: clock() + round((time.monotonic() - began_s) * 1000)


async def test_a_silent_device_holds_up_nobody_else(pool: Pool, clock: SettableClock) -> None:
    """Who waits behind hundreds that a deaf device does not answer is told before them."""
    async with midnight(pool, clock, 3 * DEVICE_ROOM, 3 * DEVICE_ROOM - 10) as (servers, network):
        await servers.order("deaf", 0)
        telling = Telling(pool, clock, moving(clock), network)
        task = asyncio.create_task(telling.run())

        async def heard() -> bool:
            return bool((await servers.order("report"))[1]["sessions"] == 10)

        await until(heard)
        assert 3 * DEVICE_ROOM - 10 <= await pool.fetchval(SQL.left)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_process_tells(database: str, pool: Pool, clock: SettableClock) -> None:
    """The other waits, and goes on where the first has ended."""
    async with midnight(pool, clock, 20, 10) as (_, network):
        others = await open_pool(database, min_size=1, max_size=2)
        first, second = (Telling(each, clock, moving(clock), network) for each in (pool, others))
        leading = asyncio.create_task(first.run())

        async def is_led() -> bool:
            return bool(first.counted)

        await until(is_led)
        waiting = asyncio.create_task(second.run())
        await until(lambda: _is_done(pool))
        assert ({("isp.switch", "ack"): 20}, {}) == (dict(first.counted), dict(second.counted))
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        await pool.execute("update isp.session set applied_template = 0")
        await Evaluating(pool, clock).run("crowd")
        await until(lambda: _is_done(pool))
        assert {("isp.switch", "ack"): 20} == dict(second.counted)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        others.terminate()


async def _is_done(pool: Pool) -> bool:
    return bool(await pool.fetchval(SQL.left) == 0)


async def test_a_speed_beyond_the_attribute_is_the_largest(
    pool: Pool, clock: SettableClock
) -> None:
    """A device that wants numbers hears the largest there is; one that wants text, all of it."""
    async with midnight(pool, clock, 2, 1) as (servers, network):
        await pool.execute("update isp.bandwidth_template set up_kbps = 10485760")
        await tell(pool, Telling(pool, clock, moving(clock), network))
        [held] = (await servers.order("report"))[0]["held"]
        assert held.startswith("10485760000/4096000 ")
