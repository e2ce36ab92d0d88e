"""Two workers whose Redis stops, forgets and hangs: counts stay exact, at worst there are 503s."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.crash import checker
from tests.crash.http import Client
from tests.crash.ledger import Ledger
from tests.crash.load import DeviceLoop
from tests.crash.processes import HOST, Server
from tests.crash.scenario import LOGIN, SECRETS, build_world, prepare, sign_in
from tests.servers import Redis

CLIENTS = 10
# Longer than a lease, which is a tenth of a second.
OUTAGE_S = 0.5


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that this test may kill."""
    made = Redis()
    yield made
    made.stop()


@pytest.fixture
async def server(database: str, own_redis: Redis, tmp_path: Path) -> AsyncIterator[Server]:
    """The real server with two workers."""
    await prepare(database)
    environment = {
        "FAREBOX_DATABASE_URL": database,
        "FAREBOX_REDIS_URL": own_redis.url,
        "FAREBOX_DATA_DIR": str(tmp_path),
        "FAREBOX_SECRETS": SECRETS,
    }
    made = Server(environment, tmp_path / "server.log", workers=2)
    await made.start()
    try:
        yield made
    finally:
        made.stop()


async def trouble(redis: Redis) -> None:
    """Everything a Redis can do to those who lean on it, one after the other."""
    for _ in range(2):
        await asyncio.sleep(OUTAGE_S)
        redis.flush()
        redis.pause()
        await asyncio.sleep(OUTAGE_S)
        redis.resume()
        await asyncio.sleep(OUTAGE_S)
        redis.flush()
        redis.stop()
        await asyncio.sleep(OUTAGE_S)
        await asyncio.to_thread(redis.start)


async def test_redis_decides_nothing(
    database: str, server: Server, own_redis: Redis, seed: int
) -> None:
    """Few hot codes, two workers, no Redis to rely on: every count is exact afterwards."""
    admin = Client(HOST, server.port)
    admin.authorization = await sign_in(admin, "/vending/auth/login", LOGIN)
    world = await build_world(admin, codes=2, limit=25)
    ledger = Ledger()
    stopping = asyncio.Event()
    loops = []
    for number in range(CLIENTS):
        client = Client(HOST, server.port, admin.authorization)
        loop = DeviceLoop(client, f"D{number}", f"c{number}", world, ledger, seed + number)
        loops.append(asyncio.create_task(loop.run(stopping.is_set)))
    await trouble(own_redis)
    stopping.set()
    await asyncio.wait_for(asyncio.gather(*loops), 30)
    admin.close()
    await asyncio.to_thread(server.stop)
    assert [] == await checker.check(database, world, ledger), ledger.summary()
    assert ledger.summary()["redeemed"] > 50, ledger.summary()
