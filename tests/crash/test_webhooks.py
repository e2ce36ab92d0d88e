"""The server is killed while it sends sales to a webhook: each arrives, in order, under one key."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from farebox.storage.pool import Pool, open_pool
from tests.crash.http import Client
from tests.crash.processes import HOST, Database, Server
from tests.crash.scenario import DEVICE, LOGIN, SECRETS, Pass, prepare
from tests.outbound.test_webhook import LOOPBACK, Receiver, receiving

SALES = 24
# The server dies after so many requests, while the next one waits for its answer.
DEATHS = (5, 13)
ROOT = {"username": "root", "password": "root horse 99"}


async def send(client: Client, caller: Pass, path: str, body: Any) -> Any:
    """One call that must succeed."""
    client.authorization = await caller.renew()
    answer = await client.post(f"/vending{path}", body)
    assert answer.status in (200, 201), answer.body
    return answer.json()


async def set_up(port: int, url: str) -> None:
    """An integration of North that sends to `url`, and sales that it has to send."""
    login, token = "/vending/auth/login", "/vending/device/token"
    client = Client(HOST, port, patience_s=60)
    target = await send(
        client, Pass(port, login, ROOT), "/admin/connector", {"name": "Webhook", "url": url}
    )
    wanted = {"externalId": target["id"], "name": "ERP", "throttle": 0, "retryThrottle": 0}
    await send(client, Pass(port, login, LOGIN), "/integration", wanted)
    now_s = int(time.time())
    sales = [{"remote": n, "timestamp": now_s, "price": n} for n in range(1, SALES + 1)]
    told = await send(
        client, Pass(port, token, DEVICE), "/device/transactions", {"transactions": sales}
    )
    assert SALES == told["accepted"]
    client.close()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds; tries instead of a clock, as we may have stood still too."""
    for _ in range(3000):
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it took too long")


async def done(pool: Pool) -> bool:
    """Whether every job has succeeded."""
    states = await pool.fetch("select state from vending.integrationjob")
    return ["success"] * SALES == [row["state"] for row in states]


def has_come(receiver: Receiver, number: int) -> bool:
    """Whether so many requests have come."""
    return len(receiver.requests) >= number


def arrived(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    """Keys and sales in the order of their arrival."""
    return [
        (headers["idempotency-key"], json.loads(body)) for _, headers, body in receiver.requests
    ]


async def test_webhooks_are_sent_at_least_once(folder: Path) -> None:
    """After every SIGKILL the sale under way comes again under its key, and then the next ones."""
    database = Database(folder / "database")
    await prepare(database.start())
    pool = await open_pool(database.dsn, max_size=1, statement_timeout_ms=60_000)
    environment = {
        "FAREBOX_DATABASE_URL": database.dsn,
        "FAREBOX_DATA_DIR": str(folder / "data"),
        "FAREBOX_SECRETS": SECRETS,
        "FAREBOX_WEBHOOK_NETWORKS": ",".join(LOOPBACK),
    }
    server = Server(environment, folder / "server.log")
    try:
        async with receiving() as receiver:
            receiver.delay_s = 0.01
            await server.start()
            await set_up(server.port, receiver.url)
            for number in DEATHS:
                await until(partial(has_come, receiver, number))
                receiver.delay_s = 2
                await until(partial(has_come, receiver, len(receiver.requests) + 1))
                server.kill()
                receiver.delay_s = 0.01
                await server.start()
            await until(lambda: done(pool))
            told = arrived(receiver)
        sales = dict(told)
        # One key for each sale, whose body is the same whenever it comes.
        assert SALES == len(sales) == len({sale["id"] for sale in sales.values()})
        assert all(sales[key] == sale for key, sale in told)
        # In the order of the sales; only what was under way when the server died came twice.
        assert [*range(1, SALES + 1)] == [sale["remote"] for sale in sales.values()]
        assert SALES < len(told) <= SALES + len(DEATHS)
    finally:
        server.stop()
        await pool.close()
        database.stop()
