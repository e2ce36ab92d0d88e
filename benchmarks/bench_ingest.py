"""Batches of sales from gateways, from the bytes of a body to the commit, beside one INSERT each.

Eight gateways report 500 sales with a payment at a time, each waiting for its answer. The baseline
has the same eight connections and sends one INSERT per record, which writes the same three rows: a
sale, its payment, and the key that makes a repetition harmless. Beside it stands an INSERT of the
sale alone, which is two thirds less to store and stores a repetition twice. Neither tells those who
hold sales in memory, as batches do. Rows, keys and cursors are counted afterwards, and a batch is
repeated, which must change nothing.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvloop

from benchmarks.fleet import Fleet, fleet
from benchmarks.loop import Measured, summary
from benchmarks.report import Metric
from farebox.api.vending.batches import SALES
from farebox.engine.access import Principal
from farebox.engine.ingestion import Ingestion
from farebox.storage.partitions import make_ahead
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
GATEWAYS = 8
RECORDS = 500
RECORD = (
    '{"remote":%d,"timestamp":%d,"price":100,"plu":1,"token":"^^C:R/-0","payments":'
    '[{"method":"card","price":100}]}'
)

Say = Callable[[str], None]
Report = Callable[[Principal], Awaitable[int]]


class Plan(msgspec.Struct, frozen=True):
    """How long and how often."""

    seconds: float
    rounds: int
    warm_s: float


FULL = Plan(seconds=4.0, rounds=3, warm_s=1.0)
QUICK = Plan(seconds=1.5, rounds=1, warm_s=0.5)


class Load:
    """Numbers that go on where they ended, for every gateway and way of storing."""

    def __init__(self, now_ms: int) -> None:
        self._now_s = now_ms // 1000
        self._last: dict[tuple[str, int], int] = {}

    def take(self, way: str, gateway: int, count: int) -> range:
        """The next numbers of a gateway; each way has a range of its own."""
        # The product counts from one, as its cursors show; the others far above.
        first = {"": 1, "all": 10**12, "sale": 10**13}[way]
        begin = self._last.get((way, gateway), first)
        self._last[way, gateway] = begin + count
        return range(begin, begin + count)

    def body(self, numbers: range) -> bytes:
        """A batch as a gateway sends it, its sales spread over the last day."""
        records = (RECORD % (n, self._now_s - 86_400 + n % 86_400) for n in numbers)
        return f'{{"transactions":[{",".join(records)}]}}'.encode()


@asynccontextmanager
async def gateways(fleet: Fleet, now_ms: int) -> AsyncIterator[tuple[Pool, list[Principal]]]:
    """A connection and a caller for each gateway; the record tables have their months."""
    pool = await open_pool(
        fleet.dsn, min_size=GATEWAYS, max_size=GATEWAYS, statement_timeout_ms=60_000
    )
    try:
        await make_ahead(pool, now_ms - 86_400_000)
        await pool.execute(SQL.add_gateways, GATEWAYS, now_ms)
        yield pool, [
            Principal(kind="device", id=number, name=f"bench-{number - 1000}", group=2,
                      machine=number)
            for number in range(1001, 1001 + GATEWAYS)
        ]  # fmt: skip
    finally:
        await pool.close()


async def _run(callers: list[Principal], report: Report, plan: Plan) -> Measured:
    """Records per second, and how long each report took, after the warm-up."""
    begins = time.perf_counter() + plan.warm_s
    ends = begins + plan.seconds
    times_s: list[float] = []
    stored = 0

    async def work(caller: Principal) -> None:
        nonlocal stored
        counted = 0
        # A machine that is busy elsewhere may sleep through the whole span.
        while (started := time.perf_counter()) < ends or not counted:
            records = await report(caller)
            if started >= begins:
                times_s.append(time.perf_counter() - started)
                counted += records
        stored += counted

    await asyncio.gather(*map(work, callers))
    span_s = time.perf_counter() - begins
    return msgspec.structs.replace(summary(times_s, span_s), per_second=stored / span_s)


async def measure(
    fleet: Fleet, clock: Callable[[], int], say: Say, *, quick: bool
) -> dict[str, Metric]:
    """`ingest.transactions`."""
    plan, now_ms = QUICK if quick else FULL, clock()
    numbers = Load(now_ms)
    async with gateways(fleet, now_ms) as (pool, callers):
        ingestion = Ingestion(pool, clock)

        async def batches(caller: Principal) -> int:
            body = numbers.body(numbers.take("", caller.id, RECORDS))
            result = await ingestion.sales(caller, SALES.read(body, caller.name))
            return result.accepted

        async def one_by_one(way: str, statement: str, caller: Principal) -> int:
            [number] = numbers.take(way, caller.id, 1)
            await pool.execute(statement, caller.id, number, now_ms)
            return 1

        ways: dict[str, Report] = {
            "batches": batches,
            "sale_alone": lambda caller: one_by_one("sale", SQL.insert_sale, caller),
            "all_rows": lambda caller: one_by_one("all", SQL.insert_all, caller),
        }
        runs: dict[str, list[Measured]] = {name: [] for name in ways}
        for number in range(plan.rounds):
            # Every other round backwards, so that nobody always follows the same neighbour.
            for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
                say(f"ingest: {name}")
                await pool.execute(SQL.tell if name == "batches" else SQL.keep_quiet)
                runs[name].append(await _run(callers, ways[name], plan))
        await _verify(pool, ingestion, numbers, callers)
    return {"ingest.transactions": _metric(runs)}


async def _verify(
    pool: Pool, ingestion: Ingestion, numbers: Load, callers: list[Principal]
) -> None:
    """Every accepted sale is there once, and a repeated batch changes nothing."""
    for caller in callers:
        last = numbers.take("", caller.id, 0).start - 1
        before = await _counted(pool, caller.id)
        if before["cursor"] != last or before["keys"] != before["payments"]:
            raise RuntimeError(f"{dict(before)} after {last} sales")
        body = numbers.body(range(last - RECORDS + 1, last + 1))
        result = await ingestion.sales(caller, SALES.read(body, caller.name))
        if (result.accepted, result.duplicates) != (0, RECORDS):
            raise RuntimeError(f"a repeated batch was not known: {result}")
        if dict(before) != dict(await _counted(pool, caller.id)):
            raise RuntimeError("a repeated batch changed something")


async def _counted(pool: Pool, machine: int) -> Any:
    return await pool.fetchrow(SQL.counted, machine)


def _metric(runs: dict[str, list[Measured]]) -> Metric:
    def middle(name: str, field: str = "per_second") -> float:
        values: list[float] = [getattr(run, field) for run in runs[name]]
        return statistics.median(values)

    def times(name: str) -> float:
        pairs = zip(runs["batches"], runs[name], strict=True)
        return round(statistics.median(a.per_second / b.per_second for a, b in pairs), 2)

    return Metric(
        value=round(middle("batches")),
        unit="records/s",
        baseline=f"one INSERT per record that writes the same rows, {GATEWAYS} connections",
        ratio=times("all_rows"),
        p50_ms=round(middle("batches", "p50_ms"), 2),
        p99_ms=round(middle("batches", "p99_ms"), 2),
        failed=0,
        retried=0,
        beside={
            "sale_alone": round(middle("sale_alone")),
            "sale_alone_ratio": times("sale_alone"),
            "all_rows": round(middle("all_rows")),
        },
    )


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def main() -> None:
    """Prints the figures."""
    async with fleet(1, wall_clock(), lambda _done, _of: None) as filled:
        for name, metric in (await measure(filled, wall_clock, print, quick=False)).items():
            print(name, metric)


if __name__ == "__main__":
    uvloop.run(main())
