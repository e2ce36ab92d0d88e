"""A midnight at which everybody's quota begins anew: 100 000 switches on lossy access servers.

`python -m benchmarks.bench_switches [switches]`. The servers are stubs in a process of their own
(`benchmarks.access_servers`); 30 % of the datagrams are lost in each direction. The first server is
deaf at first: its switches become dead jobs; then it hears, and the next evaluation emits them
again. Silences are shorter than in life (a quarter of a second for each send instead of two, and
half a second to four between attempts instead of 30 seconds to two hours), everything else is as it
is. What must hold is checked, not printed: every session has the right speed and was changed once,
none was ended, no server had more than 64 requests under way, no switch is open, no job waits.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvloop

from benchmarks.access_servers import SECRET
from benchmarks.fleet import fleet
from farebox.domain.quotas import Policy, window
from farebox.engine.evaluating import Evaluating
from farebox.engine.limits import Limits
from farebox.engine.network import Network
from farebox.engine.provider import PURPOSE
from farebox.engine.sealing import Sealer
from farebox.engine.telling import Telling
from farebox.locks import LocalAttempts
from farebox.outbound.radius import IN_FLIGHT_MAX
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWITCHES = 100_000
DEVICES = 50
# On the server that is deaf at first.
UNHEARD = 128
LOSS = 0.3
WAIT_S = 0.25
DELAYS_MS = (500, 1000, 2000, 3000, 4000)
OWN_SECRETS = {"k": "a secret of this run, and of no other"}
SLOW, FAST = "512000/512000 0 0 0 0 512000/512000", "4096000/4096000 0 0 0 0 4096000/4096000"


class Servers:
    """The process of the access servers."""

    def __init__(self, process: asyncio.subprocess.Process, ports: list[int]) -> None:
        self._process = process
        self.ports = ports

    async def order(self, *words: object) -> Any:
        """What it answers to a command."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("it has no pipes")
        self._process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        return msgspec.json.decode(await self._process.stdout.readline())


@asynccontextmanager
async def access_servers(count: int, loss: float, wait_s: float) -> AsyncIterator[Servers]:
    """So many of them, whose sessions have the second speed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.access_servers", str(count), str(loss), SLOW,
        str(wait_s), stdin=pipe, stdout=pipe, limit=1 << 20,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("it has no pipes")
    try:
        yield Servers(process, msgspec.json.decode(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def fill(
    pool: Pool, network: Network, ports: list[int], switches: int, unheard: int, now_ms: int
) -> tuple[int, int]:
    """A crowd that needs so many switches at a midnight: the midnight, and the first speed."""
    await pool.execute(SQL.account)
    fast = await pool.fetchval(SQL.template, "fast", 4096)
    slow = await pool.fetchval(SQL.template, "slow", 512)
    policy = Policy(mode="data", first=fast, second=slow, limit=1 << 29, every="daily")
    midnight_ms = window(policy, "Asia/Kolkata", now_ms).end_ms
    devices = []
    async with pool.acquire() as connection:
        for at, port in enumerate(ports):
            devices.append(await connection.fetchval(SQL.device, f"n{at}", port))
            await network.keep_secret(connection, "crowd", "isp.nas", devices[-1], SECRET.decode())
    written = msgspec.to_builtins(policy)
    group = await pool.fetchval(SQL.group, written)
    await pool.execute(
        SQL.subscribers, group, switches, written, midnight_ms, slow, devices, unheard
    )
    await pool.execute("vacuum analyze")
    return midnight_ms, fast


def network_of(
    pool: Pool, clock: Callable[[], int], wait_s: float, by_kid: Mapping[str, str] = OWN_SECRETS
) -> Network:
    """The network as a process has it."""
    sealer = Sealer(by_kid, PURPOSE)
    limits = Limits(lambda _name, limit: LocalAttempts(*limit))
    network = Network(pool, clock, sealer, limits, {})
    network.session_wait_s = wait_s
    return network


async def tell(pool: Pool, telling: Telling) -> float:
    """Tells everything as a process does, until nothing is due; the seconds it took."""
    began = time.perf_counter()
    task = asyncio.create_task(telling.run())
    while await pool.fetchval(SQL.left):  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return time.perf_counter() - began


def check(expected: dict[str, Any], found: dict[str, Any], what: str) -> None:
    """RuntimeError unless everything expected is so."""
    wrong = {name: found.get(name) for name, value in expected.items() if found.get(name) != value}
    if wrong:
        raise RuntimeError(f"{what}: expected {expected}, found {wrong}")


async def check_servers(servers: Servers, switches: int, processes: int = 1) -> dict[str, int]:
    """Every session was switched once and nothing else happened; sums over the servers.

    What a killed process had under way is still under way at a server, so each counts.
    """
    most = processes * IN_FLIGHT_MAX
    reports = await servers.order("report")
    for at, report in enumerate(reports):
        sessions = report["sessions"]
        right = {"held": {FAST: sessions}, "changes": {"1": sessions}}
        check(right, report, f"server {at}")
        if report.get("disconnects") or report.get("forged") or report["most"] > most:
            raise RuntimeError(f"server {at}: {report}")
    names = ("sessions", "datagrams", "requests", "again", "repeats")
    told = {name: sum(report.get(name, 0) for report in reports) for name in names}
    check({"sessions": switches}, told, "servers")
    return {**told, "most under way at one": max(report["most"] for report in reports)}


async def measure(
    dsn: str, switches: int, now_ms: int, *, devices: int = DEVICES, unheard: int = UNHEARD,
    wait_s: float = WAIT_S, delays_ms: tuple[int, ...] = DELAYS_MS, loss: float = LOSS,
) -> dict[str, float]:  # fmt: skip
    """The whole midnight, with what it took."""
    pool = await open_pool(dsn, max_size=4, statement_timeout_ms=600_000)
    began_s = time.monotonic()
    at_ms = [now_ms]

    def clock() -> int:
        return at_ms[0] + round((time.monotonic() - began_s) * 1000)

    network = network_of(pool, clock, wait_s)
    try:
        async with access_servers(devices, loss, wait_s) as servers:
            at_ms[0], fast = await fill(pool, network, servers.ports, switches, unheard, now_ms)
            began_s = time.monotonic()
            await servers.order("deaf", 0)
            telling = Telling(pool, clock, clock, network, delays_ms)
            began = time.perf_counter()
            told = await Evaluating(pool, clock).run("crowd")
            spans = {"evaluated in s": time.perf_counter() - began}
            check({"switched": switches}, msgspec.structs.asdict(told), "evaluation")
            busy = time.process_time()
            spans["told in s"] = await tell(pool, telling)
            spans["processor s"] = time.process_time() - busy
            middle = dict(await pool.fetchrow(SQL.figures, fast))
            # Of the others hardly one is silent in all attempts.
            if middle["dead"] < unheard:
                raise RuntimeError(f"dead letters: {middle}")
            await servers.order("hear", 0)
            again = await Evaluating(pool, clock).run("crowd")
            check({"switched": middle["dead"]}, msgspec.structs.asdict(again), "evaluation again")
            spans["the rest told in s"] = await tell(pool, telling)
            last = dict(await pool.fetchrow(SQL.figures, fast))
            right = {"applied": switches, "stopped": 0, "open": 0, "disconnects": 0}
            check(right, last, "the database")
            seen = await check_servers(servers, switches)
    finally:
        await pool.close()
    return {
        "switches": switches,
        **{name: round(span, 2) for name, span in spans.items()},
        "dead letters, told after the next evaluation": middle["dead"],
        "silences": last["silences"],
        **seen,
    }


async def main() -> None:
    """Prints the figures."""
    switches = int(sys.argv[1]) if len(sys.argv) > 1 else SWITCHES
    now_ms = time.time_ns() // 1_000_000
    async with fleet(1, now_ms, lambda _done, _of: None) as filled:
        for name, figure in (await measure(filled.dsn, switches, now_ms)).items():
            print(f"{name}: {figure:,}")


if __name__ == "__main__":
    uvloop.run(main())
