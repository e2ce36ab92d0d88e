"""Usage of many subscribers taken in batches of ten thousand records, durable.

`python -m benchmarks.bench_metering [subscribers] [seconds]`, 100 000 and 10 by default. Every
record is the next report of another subscriber's session, in no order of anything; each adds to his
session, day, cycle and window and is judged. A batch goes from the bytes of a request's body to the
commit, four at a time over four connections, all in this process: decoding, checking and what is
done with the answers is part of the figure, HTTP is not. The baseline is the same records, each a
batch of its own. A repeated batch must change nothing, and all four sums must be the same.
"""

import asyncio
import gc
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import uvloop

from benchmarks import report
from benchmarks.bench_evaluate import fill
from benchmarks.fleet import Fleet, fleet
from benchmarks.report import Metric
from farebox.api.isp.usage import records_of
from farebox.engine.usage import UsageBook
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Subscribers and seconds.
FULL, QUICK = (100_000, 10.0), (20_000, 3.0)
TOGETHER = 10_000
DEVICES = 50
AT_ONCE = 4
STEP_S = 300
ALONE = 300
# Ten in the morning of a Sunday in Kolkata.
NOW_MS = 1_795_321_800_000


def reports(numbers: Iterable[int], turn: int, at_s: int) -> list[dict[str, Any]]:
    """What the sessions of some have counted by a turn."""
    return [
        {"nas": f"n{n % DEVICES + 1}", "sessionId": f"s{n}", "user": f"u{n}", "type": "interim",
         "at": at_s, "in": 1000 * turn, "out": downloaded(n, turn), "sessionTime": STEP_S * turn,
         "gigawords": True}
        for n in numbers
    ]  # fmt: skip


def downloaded(number: int, turn: int) -> int:
    """The counter of a session then."""
    return 90_000 * turn + number % 7


def bodies(subscribers: int, turn: int, together: int = TOGETHER) -> list[bytes]:
    """One report of everybody, so many records a body, five minutes after the one before."""
    order = random.Random(turn).sample(range(1, subscribers + 1), subscribers)
    at_s = NOW_MS // 1000 + turn * STEP_S
    return [
        msgspec.json.encode(reports(order[first : first + together], turn, at_s))
        for first in range(0, subscribers, together)
    ]


async def prepare(pool: Pool, subscribers: int, now_ms: int) -> None:
    """A crowd online at devices, in cycles."""
    await fill(pool, subscribers, now_ms)
    await pool.execute(SQL.devices, DEVICES)
    await pool.execute(SQL.places, DEVICES)
    await pool.execute(SQL.cycles, now_ms - 86_400_000, now_ms + 20 * 86_400_000)
    # As in life: everybody is where he belongs.
    await pool.execute("vacuum analyze")


async def drive(pool: Pool, sent: Iterable[bytes], now_ms: int, at_once: int = AT_ONCE) -> int:
    """Takes bodies, some at once; how many records were accepted."""
    book = UsageBook(pool, lambda: now_ms)
    left = iter(sent)
    accepted = 0

    async def work() -> None:
        nonlocal accepted
        for body in left:
            told, faults = await book.take("crowd", records_of(body))
            if faults:
                raise RuntimeError(f"faults: {faults[:3]}")
            accepted += told["accepted"]

    await asyncio.gather(*(work() for _ in range(at_once)))
    return accepted


class _Run:
    """Turns in which everybody reports once."""

    def __init__(self, pool: Pool, subscribers: int) -> None:
        self._pool = pool
        self._subscribers = subscribers
        self._turns = itertools.count(1)

    async def rate(
        self, seconds: float, together: int = TOGETHER, most: int | None = None
    ) -> float:
        """Accepted records a second; at most so many of a turn."""
        taken, busy_s = 0, 0.0
        while busy_s < seconds:
            turn = next(self._turns)
            now_ms = NOW_MS + turn * STEP_S * 1000
            sent = bodies(self._subscribers, turn, together)[:most]
            began = time.perf_counter()
            accepted = await drive(self._pool, sent, now_ms)
            busy_s += time.perf_counter() - began
            taken += accepted
            if accepted != min(self._subscribers, together * len(sent)):
                raise RuntimeError(f"{accepted} of {self._subscribers} records were accepted")
        await self._repeat(sent, now_ms)
        return taken / busy_s

    async def _repeat(self, sent: list[bytes], now_ms: int) -> None:
        """What comes again must change nothing, and all sums must be the same."""
        before = dict(await self._pool.fetchrow(SQL.totals))
        again = await drive(self._pool, sent, now_ms)
        if again or before != dict(await self._pool.fetchrow(SQL.totals)):
            raise RuntimeError(f"a repeated batch has changed something: {before}")


async def measure(
    filled: Fleet, say: Callable[[str], None], subscribers: int, seconds: float
) -> dict[str, Metric]:
    """Records a second, in batches and one by one."""
    pool = await open_pool(filled.dsn, max_size=AT_ONCE, statement_timeout_ms=600_000)
    try:
        say(f"usage: filling {subscribers:,} subscribers")
        await prepare(pool, subscribers, NOW_MS)
        # As the server does once it has started.
        gc.freeze()
        run = _Run(pool, subscribers)
        say("usage: batches")
        # The first reports make the day's rows and the statements' plans.
        await run.rate(0.1)
        whole = await run.rate(seconds)
        say("usage: one by one")
        single = await run.rate(0.1, together=1, most=ALONE)
    finally:
        gc.unfreeze()
        await pool.close()
    return {
        "usage.batches": Metric(
            value=whole, unit="records/s", baseline="each record a batch of its own",
            ratio=round(whole / single, 1),
            beside={"one_by_one": single, "subscribers": subscribers},
        )
    }  # fmt: skip


async def main() -> None:
    """Prints the figures."""
    given = dict(itertools.zip_longest(("subscribers", "seconds"), sys.argv[1:]))
    subscribers = int(given["subscribers"] or FULL[0])
    seconds = float(given["seconds"] or FULL[1])
    async with fleet(1, NOW_MS, lambda _done, _of: None) as filled:
        for name, value in report.machine(filled.server).items():
            print(f"{name}: {value}")
        for name, metric in (await measure(filled, print, subscribers, seconds)).items():
            print(f"{name}: {metric.value:,.0f} {metric.unit}")
            print(f"  {metric.ratio:g} times {metric.baseline}")
            for beside, value in metric.beside.items():
                print(f"  {beside}: {value:,.0f}")


if __name__ == "__main__":
    uvloop.run(main())
