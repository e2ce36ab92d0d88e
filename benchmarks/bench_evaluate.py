"""The quotas of a whole provider evaluated at once, beside the same job row by row.

`python -m benchmarks.bench_evaluate [subscribers] [idle]`, 100 000 by default. One in a hundred is
over his quota and is switched, one in fifty begins a new window. The baseline asks asyncpg for one
subscriber at a time, judges him in Python by the same rule and writes down what changes, all in
transactions of a thousand; it runs on a tenth of the rows, after the job. It is compared with the
job's second run, before which the network has taken the switches, so that there is nothing to write
either, and must find nothing to do. With `idle` only that run is measured, three times: nobody is
to be switched, and no switch is unanswered.
"""

import itertools
import resource
import sys
import time
from typing import Any

import msgspec
import uvloop

from benchmarks import report
from benchmarks.fleet import fleet
from farebox.domain.quotas import Policy, window
from farebox.engine.evaluating import Evaluating
from farebox.engine.metering import BANDWIDTH, read, write
from farebox.engine.switching import emit
from farebox.storage.pool import Connection, Pool, open_pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SUBSCRIBERS = 100_000
ZONE = "Asia/Kolkata"
LIMIT = 1 << 30
TOGETHER = 1000
IDLE_RUNS = 3


async def fill(pool: Pool | Connection, subscribers: int, now_ms: int) -> int:
    """A crowd of so many, all online; when its present window began."""
    await pool.execute(SQL.account)
    first, second = [await pool.fetchval(SQL.template, name) for name in ("fast", "slow")]
    policy = Policy(mode="data", first=first, second=second, limit=LIMIT, every="monthly")
    written = msgspec.to_builtins(policy)
    group = await pool.fetchval(SQL.group, written)
    now = window(policy, ZONE, now_ms)
    await pool.execute(
        SQL.subscribers, group, subscribers, written, now_ms, first, now.start_ms, now.end_ms,
        LIMIT, now.before_ms,
    )  # fmt: skip
    return now.start_ms


async def one_by_one(pool: Pool, numbers: list[int], now_ms: int) -> None:
    """The job without columns."""
    for at in range(0, len(numbers), TOGETHER):
        async with transaction(pool) as connection:
            for number in numbers[at : at + TOGETHER]:
                await connection.execute(SQL.lock, number)
                meters = await read(connection, [number], now_ms)
                if meters[number].verdict.is_rolled:
                    await write(connection, BANDWIDTH, {number: meters[number].tally}, now_ms)
                await emit(connection, {BANDWIDTH: meters[number]}, now_ms)


class _Crowd:
    """The job over a filled crowd, timed."""

    def __init__(self, pool: Pool, subscribers: int, now_ms: int) -> None:
        self._pool = pool
        self._subscribers = subscribers
        self._job = Evaluating(pool, lambda: now_ms)

    async def evaluate(self, *, dry_run: bool = False) -> tuple[float, int]:
        """Seconds, and how many were to be switched."""
        began = time.perf_counter()
        told = await self._job.run("crowd", dry_run=dry_run)
        span = time.perf_counter() - began
        if told.evaluated != self._subscribers:
            raise RuntimeError(f"{told.evaluated} of {self._subscribers} were evaluated")
        return span, told.switched

    async def acknowledge(self) -> None:
        """As devices answer: from now on there is nothing to switch."""
        await self._pool.execute(SQL.acknowledge)
        await self._pool.execute("vacuum analyze")


async def measure(dsn: str, subscribers: int, now_ms: int) -> dict[str, Any]:
    """Rows a second of both, and how much memory this process has grown by."""
    pool = await open_pool(dsn, max_size=2, statement_timeout_ms=600_000)
    try:
        start_ms = await fill(pool, subscribers, now_ms)
        await pool.execute("vacuum analyze")
        crowd = _Crowd(pool, subscribers, now_ms)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        dry_s, _ = await crowd.evaluate(dry_run=True)
        job_s, switched = await crowd.evaluate()
        await crowd.acknowledge()
        again_s, _ = await crowd.evaluate()
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
        left = dict(await pool.fetchrow(SQL.figures, start_ms))
        numbers = [row["id"] for row in await pool.fetch(SQL.numbers)]
        few = numbers[: max(1, subscribers // 10)]
        began = time.perf_counter()
        await one_by_one(pool, few, now_ms)
        slow_s = time.perf_counter() - began
        if left != dict(await pool.fetchrow(SQL.figures, start_ms)):
            raise RuntimeError("row by row, something was left that the job had not done")
    finally:
        await pool.close()
    spans = {"dry": dry_s, "job": job_s, "again": again_s}
    return {
        "subscribers": subscribers,
        "switched": switched,
        **{f"{name}_rows_s": round(subscribers / span) for name, span in spans.items()},
        "row_by_row_rows_s": round(len(few) / slow_s),
        "times_faster": round(subscribers / again_s * slow_s / len(few), 1),
        "memory_mib": grown_kib // 1024,
    }


async def idle(dsn: str, subscribers: int, now_ms: int) -> dict[str, Any]:
    """Seconds where nothing is to be done, and the most memory that this process has had."""
    pool = await open_pool(dsn, max_size=2, statement_timeout_ms=600_000)
    try:
        await fill(pool, subscribers, now_ms)
        await pool.execute("vacuum analyze")
        crowd = _Crowd(pool, subscribers, now_ms)
        await crowd.evaluate()
        await crowd.acknowledge()
        began = time.process_time()
        runs = [await crowd.evaluate() for _ in range(IDLE_RUNS)]
        busy_s = time.process_time() - began
    finally:
        await pool.close()
    if any(switched for _, switched in runs):
        raise RuntimeError("somebody was switched again")
    figures = {f"run_{number}_s": round(span, 2) for number, (span, _) in enumerate(runs, 1)}
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "subscribers": subscribers,
        **figures,
        "processor_s_of_a_run": round(busy_s / IDLE_RUNS, 2),
        "process_mib_at_most": peak_kib // 1024,
    }


async def main() -> None:
    """Prints the figures."""
    given = dict(itertools.zip_longest(("subscribers", "what"), sys.argv[1:]))
    subscribers = int(given["subscribers"] or SUBSCRIBERS)
    take = idle if given["what"] == "idle" else measure
    now_ms = time.time_ns() // 1_000_000
    async with fleet(1, now_ms, lambda _done, _of: None) as filled:
        for name, value in report.machine(filled.server).items():
            print(f"{name}: {value}")
        for name, figure in (await take(filled.dsn, subscribers, now_ms)).items():
            print(f"{name}: {figure:,}")


if __name__ == "__main__":
    uvloop.run(main())
