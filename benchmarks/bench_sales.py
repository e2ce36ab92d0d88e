"""GET /revenuetransaction/summary over millions of sales, from columns and from the rows.

The sales of a year, of 10 000 machines at 2 000 places in twelve zones. Every question has another
span and other machines, so nothing can have been answered before. Asked through the whole stack
without a socket; the rows are asked the same questions in turns, and every answer is compared.
Then ten readers ask for summaries, figures to date, best sellers and heat maps while eight gateways
report sales as fast as they can; a summary that lacks a sale acknowledged before it was asked for
ends the run. `python -m benchmarks.bench_sales 50000000` takes as many sales.
"""

import asyncio
import gc
import math
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks import bench_ingest
from benchmarks.fleet import Fleet, fleet
from farebox.api.services import Services
from farebox.api.vending.batches import SALES
from farebox.app import assemble, open_services
from farebox.engine.revenue import Revenue
from farebox.engine.revenue_rows import Rows
from farebox.settings import from_environment
from farebox.storage.partitions import MONTHLY, make_ahead
from farebox.storage.pool import open_pool
from farebox.storage.sqlfile import load
from farebox.web import ASGI

SQL = load(__file__)
SALES_DEFAULT = 2_000_000
CHUNK = 250_000
QUESTIONS, COMPARED, READERS = 200, 8, 10
INGEST_S = 5.0
YEAR_MS = 365 * 86_400_000

Say = Callable[[str], None]
Ask = Callable[[str], Any]
_decode = msgspec.json.decode


async def _fill(dsn: str, sales: int, now_ms: int, say: Say) -> None:
    pool = await open_pool(dsn, max_size=1, statement_timeout_ms=600_000)
    months = [one for one in MONTHLY if one.table.endswith("revenuetransaction")]
    await make_ahead(pool, now_ms - YEAR_MS, ahead=13, tables=months)
    await pool.execute(SQL.add_places)
    for first in range(0, sales, CHUNK):
        await pool.execute(SQL.add_sales, first, min(first + CHUNK, sales), sales, now_ms)
        say(f"sales: {first:,} of {sales:,} filled")
    await pool.execute(SQL.settle)
    await pool.close()


@asynccontextmanager
async def _served(beside: Fleet) -> AsyncIterator[tuple[Services, ASGI, str]]:
    settings, _ = from_environment(
        {
            "FAREBOX_DATABASE_URL": beside.dsn,
            "FAREBOX_DATA_DIR": str(Path(beside.data_dir).parent / "served"),
            "FAREBOX_STATEMENT_TIMEOUT_MS": "60000",
            "FAREBOX_REVENUE_MEMORY": "2GiB",
        }
    )
    async with open_services(settings) as services:
        pair = await services.people.sign_in("nora", "correct horse 9", "bench")
        yield services, assemble(services, settings), f"Bearer {pair.access_token}"


async def _ask(app: ASGI, header: str, target: str) -> bytes:
    """The body of an answer, without a socket."""
    parts = urlsplit(target)
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": f"/vending/revenuetransaction/{parts.path}",
        "raw_path": f"/vending/revenuetransaction/{parts.path}".encode(),
        "query_string": parts.query.encode(), "root_path": "", "state": {},
        "headers": [(b"authorization", header.encode()), (b"host", b"farebox.test")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] != 200:
        raise RuntimeError(f"{sent[0]['status']}: {sent[1]['body'][:200]!r}")
    body: bytes = sent[1]["body"]
    return body


def _question(source: random.Random, now_ms: int) -> str:
    """A span of months, and every other time a thousand of the machines."""
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).date()
    start = today - timedelta(days=source.randrange(300, 360))
    end = today - timedelta(days=source.randrange(1, 30))
    machines = ""
    if source.random() < 0.5:
        chosen = source.sample(range(10_000, 20_000), 1000)
        machines = "&machines=" + ",".join(map(str, chosen))
    return f"summary?startDate={start}&endDate={end}{machines}"


async def _warm(services: Services, ask: Ask, question: str) -> float:
    """Have the columns read; how long that took."""
    started = time.perf_counter()
    for target in (question, "periods", "heatmap"):
        await ask(target)
    kept = services.columns.months
    while kept.is_reading:  # noqa: ASYNC110 - nobody tells when months are there
        await asyncio.sleep(0.05)
    return time.perf_counter() - started


async def _compare(
    services: Services, app: ASGI, header: str, questions: list[str]
) -> tuple[list[float], list[float]]:
    """Times of the same questions from columns and from rows, in turns; the answers are equal."""
    columns, rows = services.revenue, Revenue(services.pool, services.clock, Rows(services.pool))
    router = {"columns": columns, "rows": rows}
    times: dict[str, list[float]] = {name: [] for name in router}
    for question in questions:
        told = {}
        for name, revenue in router.items():
            services.revenue = revenue
            served = app if name == "columns" else assemble(services, from_environment({})[0])
            best = math.inf
            # The best of three: others may be at work on the machine, too.
            for _ in range(3):
                started = time.perf_counter()
                told[name] = await _ask(served, header, question)
                best = min(best, time.perf_counter() - started)
            times[name].append(best)
        if told["columns"] != told["rows"]:
            raise RuntimeError(f"the answers differ for {question[:60]}")
    services.revenue = columns
    return times["columns"], times["rows"]


async def _beside_ingestion(
    beside: Fleet, services: Services, ask: Ask, now_ms: int
) -> tuple[list[float], float]:
    """Waits of the readers, and sales stored per second meanwhile."""
    numbers, stored = bench_ingest.Load(now_ms), 0
    today = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)
    days = f"startDate={(today - timedelta(days=3)).date()}&endDate={today.date()}"
    # The gateways are at place 2, where nobody else sells.
    fresh, waits, ends = f"summary?{days}&locations=2", [], time.perf_counter() + INGEST_S

    async def report(caller: Any) -> None:
        nonlocal stored
        while time.perf_counter() < ends:
            body = numbers.body(numbers.take("", caller.id, bench_ingest.RECORDS))
            batch = SALES.read(body, caller.name)
            result = await services.ingestion.sales(caller, batch)
            stored += result.accepted

    async def read(number: int) -> None:
        targets = [fresh, "periods", f"bestselling?{days}", "heatmap", fresh]
        while time.perf_counter() < ends:
            target = targets[number % len(targets)]
            known, started = stored, time.perf_counter()
            body = await ask(target)
            waits.append(time.perf_counter() - started)
            if target == fresh:
                total = sum(row["value"] for row in _decode(body).get("EUR", ()))
                if total < known * 100:
                    raise RuntimeError(f"{known - total / 100:g} acknowledged sales are missing")
            number += 1
            await asyncio.sleep(0.02)

    async with bench_ingest.gateways(beside, now_ms) as (_, callers):
        await asyncio.gather(*map(report, callers), *map(read, range(READERS)))
    return waits, stored / INGEST_S


async def main(sales: int) -> None:
    """Prints the figures."""
    now_ms = time.time_ns() // 1_000_000
    source = random.Random(1)
    async with fleet(1, now_ms, lambda _done, _of: None) as filled:
        await _fill(filled.dsn, sales, now_ms, print)
        async with _served(filled) as (services, app, header):

            async def ask(target: str) -> bytes:
                return await _ask(app, header, target)

            today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
            year = f"summary?startDate={today - timedelta(days=364)}&endDate={today}"
            warm_s = await _warm(services, ask, year)
            # As the service does once it is ready.
            gc.collect()
            gc.freeze()
            kept = services.columns.months
            print(
                f"{kept.sales:,} sales read in {warm_s:.1f} s,"
                f" {kept.nbytes / max(kept.sales, 1):.1f} bytes each"
            )
            ours, theirs = await _compare(
                services, app, header, [_question(source, now_ms) for _ in range(COMPARED)]
            )
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            print(f"rows {statistics.median(theirs) * 1e3:.0f} ms, {ratio:.0f} times as long")
            times, cpu_s = [], time.process_time()
            for _ in range(QUESTIONS):
                question, started = _question(source, now_ms), time.perf_counter()
                await ask(question)
                times.append((time.perf_counter() - started) * 1e3)
            cpu_ms = (time.process_time() - cpu_s) / QUESTIONS * 1e3
            cut = statistics.quantiles(times, n=100)
            print(f"summary: p50 {cut[49]:.1f} ms, p99 {cut[98]:.1f} ms, CPU {cpu_ms:.1f} ms each")
            waits, rate = await _beside_ingestion(filled, services, ask, now_ms)
            print(f"{READERS} readers beside {rate:,.0f} sales/s: {len(waits)} answers,"
                  f" longest wait {max(waits) * 1e3:.0f} ms; no sale was late")  # fmt: skip


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else SALES_DEFAULT))
