"""The server is killed while it takes usage: no record is lost, and none counts twice.

Two devices report what their sessions have counted, as devices do: a batch that nobody has
acknowledged is sent again. Whenever the server dies, sessions, days, cycles and windows say the
same, and in the end each says what was reported last.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.bench_metering import SQL, downloaded, prepare, reports

from farebox.engine.credentials import SCOPES, bootstrap
from farebox.engine.evaluating import Evaluating
from farebox.engine.provider import PURPOSE
from farebox.engine.sealing import Sealer
from farebox.storage.pool import Pool, open_pool
from tests.api.isp.basic import basic
from tests.crash.http import Client, UnknownError
from tests.crash.processes import HOST, Server
from tests.crash.scenario import SECRETS

CROWD, DEVICES, KILLS = 3000, 2, 2
BATCH = "/isp/admin/usage/batch"
NOTHING_USED = "update isp.quota_state set upload = 0, download = 0"
TAKING = """
select count(*) from pg_stat_activity
 where datname = current_database() and xact_start is not null
   and query like '%insert into isp.usage_day%'
"""


class Device:
    """Reports its half of the crowd until told to stop."""

    def __init__(self, half: int, began_s: int) -> None:
        self.sessions = range(half + 1, CROWD + 1, DEVICES)
        self._began_s = began_s
        self.reported = 0
        self.repeated = 0

    async def report(self, client: Client, enough: asyncio.Event) -> None:
        """One batch after the other, each until it is acknowledged."""
        for turn in count(1):
            batch = reports(self.sessions, turn, self._began_s + turn)
            while not await self._is_taken(client, batch):
                self.repeated += 1
                await asyncio.sleep(0.02)
            self.reported = turn
            if enough.is_set():
                return

    async def _is_taken(self, client: Client, batch: list[dict[str, Any]]) -> bool:
        try:
            answer = await client.post(BATCH, batch)
        except UnknownError:
            return False
        if answer.status == 200:
            assert [] == answer.json()["data"]["errors"]
        return answer.status == 200


async def totals(pool: Pool) -> set[int]:
    """What was downloaded according to sessions, days, cycles and windows."""
    row = await pool.fetchrow(SQL.totals)
    return {int(value or 0) for value in row.values()}


async def until_taking(pool: Pool) -> None:
    """Returns while a batch is between its statements and its commit."""
    async with asyncio.timeout(30):
        while not await pool.fetchval(TAKING):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


@asynccontextmanager
async def provider(database: str, folder: Path, now_ms: int) -> AsyncIterator[tuple[Any, ...]]:
    """A pool, a server that has begun, and the header of whoever may report."""
    pool = await open_pool(database, max_size=2, statement_timeout_ms=60_000)
    await prepare(pool, CROWD, now_ms)
    await pool.execute(NOTHING_USED)
    await Evaluating(pool, lambda: now_ms).run("crowd")
    sealer = Sealer(dict([SECRETS.split(":")]), PURPOSE)
    made = await bootstrap(pool, lambda: now_ms, sealer, "crowd", None, "UTC", "", SCOPES)
    assert made is not None
    environment = {
        "FAREBOX_DATABASE_URL": database,
        "FAREBOX_DATA_DIR": str(folder / "data"),
        "FAREBOX_SECRETS": SECRETS,
    }
    server = Server(environment, folder / "server.log")
    try:
        await server.start()
        yield pool, server, basic(*made)
    finally:
        server.stop()
        await pool.close()


async def test_usage_counts_once(database: str, tmp_path: Path, seed: int) -> None:
    """After every SIGKILL all sums agree, and in the end they are those of the last reports."""
    draw, enough = random.Random(seed), asyncio.Event()
    began_s = int(time.time())
    async with provider(database, tmp_path, began_s * 1000) as (pool, server, header):
        devices = [Device(half, began_s) for half in range(DEVICES)]
        clients = [Client(HOST, server.port, header, patience_s=60) for _ in devices]
        reporting = [
            asyncio.create_task(device.report(client, enough))
            for device, client in zip(devices, clients, strict=True)
        ]
        for _ in range(KILLS):
            await asyncio.sleep(draw.uniform(0.1, 0.5))
            await until_taking(pool)
            server.kill()
            assert 1 == len(await totals(pool))
            await server.start()
        enough.set()
        await asyncio.gather(*reporting)
        for client in clients:
            client.close()
        assert all(device.repeated for device in devices)
        expected = sum(downloaded(n, one.reported) for one in devices for n in one.sessions)
        assert {expected} == await totals(pool)
