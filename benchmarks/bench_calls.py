"""getCallHistory of a tenant's month among fifty million calls, beside one among a million.

Both tables have a year of calls, and a usual tenant as many of them a month: the large one has a
thousand such tenants, the small one twenty. A crowded tenant has a fifth of all calls. Months that
are over were put in order as a server does it, where they are large enough for that. Every question
is for another tenant and one of the last three whole months, which were read into memory before,
and is asked of both tables in turns, through the whole stack without a socket. At last the pages of
a crowded day are compared with what SQL adds up.

Cold questions are asked apart, of any month: PostgreSQL has a megabyte of memory for pages, and
before every question the system forgets what it holds of the files of both tables. The month that
has not ended is asked about by itself, for its calls lie as they came.

`python -m benchmarks.bench_calls fill FOLDER` makes both databases there, which takes half an hour
and 30 GB; `python -m benchmarks.bench_calls warm|cold FOLDER` measures.
"""

import base64
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
import uvloop

from farebox.app import assemble, open_services
from farebox.engine.call_months import CallMonths
from farebox.engine.passwords import Passwords
from farebox.settings import from_environment
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.migrate import migrate
from farebox.storage.partitions import MONTHLY, make_ahead
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load
from farebox.web import ASGI

SQL = load(__file__)
# Calls of a table, and its usual tenants.
SIZES = {1_000_000: 20, 50_000_000: 1_000}
CHUNK = 500_000
ROUNDS, ROUNDS_COLD = 50, 12
CROWDED = 1000
PASSWORD = "a history of calls"
NOW_MS = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)
AUGUST_MS = int(datetime(2026, 8, 1, tzinfo=UTC).timestamp() * 1000)
YEAR_MS = 365 * 86_400_000
# Nothing of the load has to survive a crash: it is made again.
HASTY = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "max_wal_size": "8GB", "maintenance_work_mem": "1GB",
    "autovacuum": "off",
}  # fmt: skip
# Pages come from the system, which can be told to forget them.
FORGETFUL = {"shared_buffers": "1MB", "autovacuum": "off"}
WARM_MONTHS, ANY_MONTHS, OPEN_MONTHS = (8, 11), (1, 11), (11, 12)

Form = dict[str, str]


# Filling


async def fill(server: EmbeddedServer) -> None:
    """Makes the databases that are not there yet."""
    admin = await open_pool(server.dsn, max_size=1)
    known = {row["datname"] for row in await admin.fetch(SQL.known)}
    for calls, tenants in SIZES.items():
        if f"calls_{calls}" not in known:
            await admin.execute(f"create database calls_{calls}")
            await _fill(_dsn(server, calls), calls, tenants)
    await admin.close()


async def _fill(dsn: str, calls: int, tenants: int) -> None:
    await migrate(dsn)
    pool = await open_pool(dsn, max_size=1, statement_timeout_ms=3_600_000)
    months = [one for one in MONTHLY if one.table == "pbx.cdr"]
    await make_ahead(pool, NOW_MS - YEAR_MS, ahead=13, tables=months)
    indexes = await pool.fetch(SQL.indexes)
    for index in indexes:
        await pool.execute(index["drop"])
    await pool.execute(SQL.add_tenants, tenants)
    passwords = Passwords()
    await pool.execute(SQL.add_admin, await passwords.hash(PASSWORD))
    passwords.close()
    for first in range(0, calls, CHUNK):
        end = min(first + CHUNK, calls)
        await pool.execute(SQL.add_calls, first, end, calls, NOW_MS, tenants)
        print(f"{end:,} of {calls:,} calls")
    for index in indexes:
        await pool.execute(index["make"].replace(" ON ONLY ", " ON "))
    ordering = CallMonths(pool, lambda: NOW_MS)
    while part := await ordering.put_next():
        print(f"{part} is in order")
    await pool.execute(SQL.settle)
    await pool.close()


def _dsn(server: EmbeddedServer, calls: int) -> str:
    return urlunsplit(urlsplit(server.dsn)._replace(path=f"/calls_{calls}"))


# Asking


class Table:
    """One of the tables, behind the service."""

    def __init__(self, calls: int, app: ASGI, pool: Pool) -> None:
        self.tenants = SIZES[calls]
        self.pool = pool
        self._app = app
        pair = base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
        self._headers = [
            (b"authorization", f"Basic {pair}".encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"host", b"farebox.test"),
        ]

    async def ask(self, form: Mapping[str, str]) -> bytes:
        """The body of an answer, without a socket."""
        path = "/pbx/cdr/getCallHistory"
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "state": {}, "headers": self._headers, "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": urlencode(form).encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        if sent[0]["status"] != 200:
            raise RuntimeError(f"{sent[0]['status']}: {sent[1]['body'][:200]!r}")
        body: bytes = sent[1]["body"]
        return body


@asynccontextmanager
async def _opened(server: EmbeddedServer, calls: int) -> AsyncIterator[Table]:
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        settings, _ = from_environment({
            "FAREBOX_DATABASE_URL": _dsn(server, calls),
            "FAREBOX_DATA_DIR": folder,
            "FAREBOX_STATEMENT_TIMEOUT_MS": "60000",
        })  # fmt: skip
        async with open_services(settings) as services:
            yield Table(calls, assemble(services, settings), services.pool)


def _forget(folder: Path) -> None:
    """The system drops what it has in memory of the files below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def _month(source: random.Random, months: tuple[int, int]) -> Form:
    """The first and the last day of one of these months."""
    first = date(2026, source.randrange(*months), 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return {"start_date_ymd": str(first), "end_date_ymd": str(last)}


def _number(source: random.Random, tenant: int) -> str:
    return str(15140000000 + tenant * 1000 + source.randrange(500))


def _questions(source: random.Random, tenant: int) -> dict[str, Form]:
    """Filters by what they are."""
    numbers = ",".join(_number(source, tenant) for _ in range(3))
    return {
        "a whole month": {},
        "disposition": {"disposition": "BUSY"},
        "rare disposition": {"disposition": "CONGESTION,FAILED"},
        "firstdst": {"firstdst": _number(source, tenant)},
        "firstdst list": {"firstdst": numbers, "disposition": "ANSWERED"},
        "cost above": {"cost": ">0.12"},
        "cost between": {"cost": "0.05-0.06", "disposition": "ANSWERED"},
    }


Times = dict[str, dict[str, list[float]]]


async def _compare(
    both: Mapping[str, Table], rounds: int, months: tuple[int, int], *,
    is_crowded: bool = False, cold: Path | None = None,
) -> Times:  # fmt: skip
    """Times by question and table; every question is cold where there is a folder to forget."""
    source = random.Random(7)
    times = defaultdict[str, dict[str, list[float]]](dict)
    for _ in range(rounds):
        drawn, month, numbers = source.random(), _month(source, months), source.randrange(1 << 30)
        for name, table in both.items():
            tenant = CROWDED if is_crowded else CROWDED + 1 + int(drawn * table.tenants)
            for question, form in _questions(random.Random(numbers), tenant).items():
                asked = {**month, **form, "tenant_code": f"Tenant{tenant - CROWDED}"}
                if cold:
                    _forget(cold)
                started = time.perf_counter()
                await table.ask(asked)
                took = (time.perf_counter() - started) * 1e3
                times[question].setdefault(name, []).append(took)
    return times


def _tell(title: str, times: Times) -> None:
    asked = len(next(iter(times.values()))["large"])
    print(f"\n{title}: milliseconds, p50 and p99 of {asked} questions each")
    print(f"{'':18}{'1 M: p50':>10}{'p99':>8}{'50 M: p50':>12}{'p99':>8}{'p99 times':>12}")
    whole: dict[str, list[float]] = {"small": [], "large": []}
    for question, both in times.items():
        for name, found in both.items():
            whole[name] += found
        _tell_row(question, both)
    _tell_row("all of them", whole)


def _tell_row(name: str, both: Mapping[str, list[float]]) -> None:
    cuts = [statistics.quantiles(both[one], n=100) for one in ("small", "large")]
    (a50, a99), (b50, b99) = ((cut[49], cut[98]) for cut in cuts)
    print(f"{name:18}{a50:10.1f}{a99:8.1f}{b50:12.1f}{b99:8.1f}{b99 / a99:12.2f}")


async def _walk(table: Table) -> str:
    """Pages of a crowded month put together are what SQL finds, to the last cost."""
    days = {"start_date_ymd": "2026-06-01", "end_date_ymd": "2026-06-01"}
    form = {**days, "tenant_code": "Tenant0", "limit": "5000"}
    ids: list[int] = []
    cost, cursor, pages = Decimal(0), "", 0
    while True:
        told = msgspec.json.decode(await table.ask({**form, "cursor": cursor}))
        ids += [int(row["id"]) for row in told["data"]]
        cost += sum(Decimal(row["cc_cost"]) for row in told["data"])
        cursor, pages = told["paging"]["next_cursor"], pages + 1
        if not cursor:
            break
    from_ms = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
    row = await table.pool.fetchrow(SQL.whole, CROWDED, from_ms, from_ms + 86_400_000)
    if (ids, cost) != (row["ids"], row["cost"]):
        raise RuntimeError("the pages are not the whole")
    return f"{len(ids):,} calls in {pages} pages are the whole, and their cost is {cost}"


@asynccontextmanager
async def _both(server: EmbeddedServer) -> AsyncIterator[dict[str, Table]]:
    async with AsyncExitStack() as stack:
        tables = [await stack.enter_async_context(_opened(server, calls)) for calls in SIZES]
        for table in tables:
            await table.ask({"tenant_code": "Tenant0"})
        gc.collect()
        gc.freeze()
        yield dict(zip(("small", "large"), tables, strict=True))


async def measure(server: EmbeddedServer) -> None:
    """Prints the figures of months in memory."""
    async with _both(server) as both:
        for table in both.values():
            await table.pool.fetchval(SQL.read, AUGUST_MS, NOW_MS)
        _tell("usual tenants", await _compare(both, ROUNDS, WARM_MONTHS))
        crowded = await _compare(both, ROUNDS // 2, WARM_MONTHS, is_crowded=True)
        _tell("the crowded tenant", crowded)
        print("\n" + await _walk(both["large"]))


async def measure_cold(server: EmbeddedServer, files: Path) -> None:
    """Prints the figures of months on disk."""
    async with _both(server) as both:
        cold = await _compare(both, ROUNDS_COLD, ANY_MONTHS, cold=files)
        _tell("usual tenants, months that are over, from the disk", cold)
        cold = await _compare(both, ROUNDS_COLD // 2, OPEN_MONTHS, cold=files)
        _tell("usual tenants, the month that has not ended, from the disk", cold)


def main(verb: str, folder: Path) -> None:
    """Fills, or measures."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    if verb == "fill":
        with EmbeddedServer(folder / "data", durable=False, settings=HASTY) as server:
            uvloop.run(fill(server))
    elif verb == "cold":
        with EmbeddedServer(folder / "data", settings=FORGETFUL) as server:
            uvloop.run(measure_cold(server, folder / "data" / "postgres"))
    else:
        with EmbeddedServer(folder / "data") as server:
            uvloop.run(measure(server))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
