"""Two workers on one hot voucher beside one worker: what contention costs, with and without lease.

Every worker is a process with its own desk and its own 64 clients; all redeem the same voucher for
the same time. The halved run splits the 64 clients instead. The lease is the product's, over a
Redis of the run's own.
"""

import asyncio
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import uvloop

from benchmarks.baselines import redis_server
from benchmarks.bench_engine import CLIENTS, HOT, ORDER, PRINCIPAL
from benchmarks.fleet import Fleet, code_of, fleet
from benchmarks.fleet import counted as counts
from benchmarks.loop import Measured, RepeatError, closed_loop
from benchmarks.report import Metric
from farebox.api.vending.wire_device import VendingSpelling
from farebox.demo import DEVICE
from farebox.domain.errors import UnavailableError
from farebox.engine.calls import REDEEM, Call
from farebox.engine.places import Places
from farebox.engine.redemption import Desk
from farebox.locks import RedisLease
from farebox.storage.pool import open_pool
from farebox.storage.redemption import Ledger


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def _work(dsn: str, redis_url: str | None, clients: int, seconds: float, ready: Any) -> Any:
    leases = RedisLease(redis_url) if redis_url else None
    ledger = Ledger(dsn, statement_timeout_ms=2000)
    desk = Desk(ledger, wall_clock, VendingSpelling(), leases=leases)
    await desk.start()
    pool = await open_pool(dsn, max_size=1)
    facts = await Places(pool).resolve(PRINCIPAL, DEVICE)
    orders, run = itertools.count(), f"{os.getpid()}-{time.monotonic_ns()}"

    def draw() -> Callable[[], Any]:
        order_id = f"w-{run}-{next(orders)}"

        async def attempt() -> bool:
            call = Call(
                REDEEM, code_of(HOT), facts, DEVICE, ORDER % order_id,
                guard="device:80", order_id=order_id, fingerprint=250, order_amount=250,
            )  # fmt: skip
            try:
                answer = await desk.submit(call)
            except UnavailableError as error:
                raise RepeatError from error
            return b'"redeemed":true' in answer.body

        return attempt

    ready.wait()
    measured = await closed_loop(draw, clients=clients, seconds=seconds)
    await desk.stop()
    await pool.close()
    if leases is not None:
        await leases.close()
    return measured


def _process(pipe: Any, *arguments: Any) -> None:
    pipe.send(uvloop.run(_work(*arguments)))
    pipe.close()


def _together(
    dsn: str, redis_url: str | None, workers: int, clients: int, seconds: float
) -> Measured:
    """The workers' runs as one: rates add up, the slower worker's percentiles stand."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(workers)
    ends, processes = [], []
    for _ in range(workers):
        here, there = context.Pipe(duplex=False)
        arguments = (there, dsn, redis_url, clients, seconds, ready)
        processes.append(context.Process(target=_process, args=arguments))
        processes[-1].start()
        ends.append(here)
    runs: list[Measured] = [end.recv() for end in ends]
    for process in processes:
        process.join()
    return Measured(
        per_second=sum(run.per_second for run in runs),
        p50_ms=max(run.p50_ms for run in runs),
        p99_ms=max(run.p99_ms for run in runs),
        done=sum(run.done for run in runs),
        failed=sum(run.failed for run in runs),
        retried=sum(run.retried for run in runs),
    )


async def measure(
    filled: Fleet, redis_url: str, *, seconds: float, rounds: int, progress: Callable[[str], None]
) -> dict[str, Metric]:
    """`engine.two_workers_hot`."""
    plans: dict[str, tuple[str | None, int, int]] = {
        "one worker": (None, 1, CLIENTS),
        "two workers": (redis_url, 2, CLIENTS),
        "two workers, halved": (redis_url, 2, CLIENTS // 2),
        "two workers without the lease": (None, 2, CLIENTS),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, (url, workers, clients) in plans.items():
            progress(name)
            runs[name].append(
                await asyncio.to_thread(_together, filled.dsn, url, workers, clients, seconds)
            )

    def middle(name: str, field: str = "per_second") -> float:
        return float(statistics.median(getattr(run, field) for run in runs[name]))

    def share(name: str) -> float:
        pairs = zip(runs[name], runs["one worker"], strict=True)
        return round(statistics.median(a.per_second / b.per_second for a, b in pairs), 2)

    return {
        "engine.two_workers_hot": Metric(
            value=round(middle("two workers")),
            unit="redemptions/s",
            baseline="one worker with its 64 clients",
            ratio=share("two workers"),
            p50_ms=round(middle("two workers", "p50_ms"), 2),
            p99_ms=round(middle("two workers", "p99_ms"), 2),
            failed=sum(run.failed for run in runs["two workers"]),
            retried=sum(run.retried for run in runs["two workers"]),
            beside={
                "one_worker": round(middle("one worker")),
                "halved": round(middle("two workers, halved")),
                "halved_ratio": share("two workers, halved"),
                "without_lease": round(middle("two workers without the lease")),
                "without_lease_ratio": share("two workers without the lease"),
            },
        )
    }


async def main() -> None:
    """Prints the figures for twenty thousand vouchers."""
    async with fleet(20_000, wall_clock(), lambda _done, _of: None) as filled:
        with redis_server() as redis_url:
            measured = await measure(filled, redis_url, seconds=3.0, rounds=7, progress=print)
        counted, recorded = await counts(filled.dsn)
    for name, metric in measured.items():
        print(name, metric)
    print(f"vouchers count {counted} redemptions, rows are {recorded}")


if __name__ == "__main__":
    asyncio.run(main())
