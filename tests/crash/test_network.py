"""The server is killed while it tells devices of the network another speed: all of them have it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench_switches import SQL, access_servers, check_servers, fill, network_of

from farebox.engine.evaluating import Evaluating
from farebox.settings import from_environment
from farebox.storage.migrate import migrate
from farebox.storage.pool import open_pool
from tests.crash.processes import Database, Server
from tests.crash.scenario import SECRETS

SWITCHES = 1200
# After so many requests, when the devices no longer answer, the server dies.
DEATHS = (150, 400)
DAY_MS = 86_400_000


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds; tries instead of a clock, as we may have stood still too."""
    for _ in range(6000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it took too long")


async def test_switches_outlive_the_server(folder: Path) -> None:
    """After every SIGKILL the next process tells the rest; nobody is switched twice or dropped."""
    database = Database(folder / "database")
    environment = {
        "FAREBOX_DATABASE_URL": database.start(),
        "FAREBOX_DATA_DIR": str(folder / "data"),
        "FAREBOX_SECRETS": SECRETS,
    }
    await migrate(database.dsn)
    pool = await open_pool(database.dsn, max_size=1, statement_timeout_ms=60_000)
    server = Server(environment, folder / "server.log")
    now_ms = time.time_ns() // 1_000_000
    settings, _ = from_environment(environment)
    network = network_of(pool, lambda: now_ms, 2, settings.secrets)
    try:
        async with access_servers(3, 0, 2) as servers:
            # A day ago, so that the midnight has passed.
            _, fast = await fill(pool, network, servers.ports, SWITCHES, 400, now_ms - DAY_MS)
            await pool.execute("update isp.session set updated_at_ms = $1", now_ms)
            assert SWITCHES == (await Evaluating(pool, lambda: now_ms).run("crowd")).switched

            async def told() -> int:
                return sum(each.get("requests", 0) for each in await servers.order("report"))

            for number in DEATHS:
                before = await told()
                await servers.order("obey", number)
                await server.start()

                async def is_time(number: int = before + number) -> bool:
                    return await told() >= number

                await until(is_time)
                server.kill()
            await servers.order("obey", 10 * SWITCHES)
            left = await pool.fetchval(SQL.left)
            assert 0 < left < SWITCHES
            await server.start()

            async def is_done() -> bool:
                return bool(await pool.fetchval(SQL.left) == 0)

            await until(is_done)
            seen = await check_servers(servers, SWITCHES, 1 + len(DEATHS))
            assert SWITCHES <= seen["requests"] == SWITCHES + seen["again"]
            figures = await pool.fetchrow(SQL.figures, fast)
            assert (SWITCHES, 0, 0, SWITCHES, 0) == tuple(figures)[:5]
    finally:
        server.stop()
        await pool.close()
        database.stop()
