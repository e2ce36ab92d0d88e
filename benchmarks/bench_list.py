"""A list of a hundred machines with two filters and a sort, beside a handler written for just it.

Both answer inside the same framework to the same caller, with the same rows, the total and the same
sign-in; the handwritten one knows its one question in advance. Compared is the processor time of
the serving process per request, in turns, and beside it the time on the clock, which the database
has most of. The world has a million machines (100 000 when quick), of which the caller sees a
hundredth.

`python -m benchmarks.bench_list scale` asks for many kinds of pages: for somebody whose thousand
machines are all there are, for somebody whose thousand are among a million, and for somebody who
sees ten thousand of those. There are ten thousand groups in either world.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import uvloop
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State

from benchmarks.fleet import Fleet, fleet
from benchmarks.loop import Measured, closed_loop
from benchmarks.report import Metric
from farebox.api.services import Services
from farebox.api.vending import dialect
from farebox.api.vending.fleet import MACHINE
from farebox.app import assemble, open_services
from farebox.engine.passwords import Passwords
from farebox.settings import from_environment
from farebox.storage.migrate import migrate
from farebox.storage.pool import open_pool
from farebox.storage.sqlfile import load
from farebox.web import ASGI

SQL = load(__file__)
PASSWORD = "a list of machines"
QUERY = "where[active]=1&where[tag]=tag 0&sort=name&limit=100"
CLIENTS = 8
ROUNDS = 9
# What is asked for in worlds of two sizes.
PAGES = {
    "page": "/machine?limit=100",
    "tenth page": "/machine?limit=100&skip=900&sort=name desc",
    "filter, sort": f"/machine?{QUERY}",
    "by hostname": "/machine?where[hostname]=host-999",
    "by text": "/machine?where[name][contains]=77&sort=name&limit=100",
    "one": "/machine?where[id]=999",
    "offline": "/machine/offline?limit=100",
    "ok": "/machine/status/ok?limit=100",
    "alarm": "/machine/status/alarm?limit=100",
    "gateways": "/machine/gateways?limit=100",
    "of a place": "/location?where[name]=location 77",
    "locations": "/location?where[city]=city 7&limit=100",
}
# Who asks in the world of a thousand machines and in that of a million.
CALLERS = {1_000: ("ten",), 1_000_000: ("ten", "lister")}

Say = Callable[[str], None]
_encode = msgspec.json.Encoder().encode


def by_hand(services: Services) -> ASGI:
    """The one list as a handler that knows nothing else."""
    row = MACHINE.row

    @get("/vending/machine")
    async def machines(request: Request[Any, Any, Any]) -> Response[bytes]:
        query, groups = request.query_params, sorted(request.scope["user"].groups)
        asked = (groups, query["where[active]"] == "1", query["where[tag]"])
        async with services.pool.acquire() as connection:
            records = await connection.fetch(SQL.machines, *asked, int(query["limit"]))
        return Response(
            _encode([row(*record[:-1]) for record in records]),
            headers={"X-Total-Count": str(records[0][-1] if records else 0)},
            media_type=dialect.JSON,
        )

    app: Any = Litestar(
        [machines],
        guards=[dialect.enter],
        exception_handlers={Exception: dialect.failure},
        state=State({"services": services}),
        openapi_config=None,
        logging_config=None,
    )
    made: ASGI = app
    return made


async def ask(
    app: ASGI, header: str, page: str = f"/machine?{QUERY}"
) -> tuple[dict[bytes, bytes], bytes]:
    """One request, without a socket, which would cost both sides the same."""
    path, _, query = page.partition("?")
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": f"/vending{path}", "raw_path": f"/vending{path}".encode(),
        "query_string": quote(query, safe="=&").encode(), "root_path": "", "state": {},
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
    return dict(sent[0]["headers"]), sent[1]["body"]


@asynccontextmanager
async def world(beside: Fleet, machines: int, say: Say) -> AsyncIterator[tuple[Services, ASGI]]:
    """The application on a database with so many machines."""
    pool = await open_pool(beside.dsn, max_size=1, statement_timeout_ms=600_000)
    await pool.execute(f"create database lists_{machines}")
    await pool.close()
    dsn = urlunsplit(urlsplit(beside.dsn)._replace(path=f"/lists_{machines}"))
    await migrate(dsn)
    say(f"list: filling {machines:,} machines")
    pool = await open_pool(dsn, max_size=1, statement_timeout_ms=600_000)
    async with pool.acquire() as connection:
        await connection.execute(f"set list.machines = {machines}")
        await connection.execute(SQL.fill)
        passwords = Passwords()
        await connection.execute(SQL.add_user, await passwords.hash(PASSWORD))
        passwords.close()
    await pool.close()
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        settings, _ = from_environment(
            {
                "FAREBOX_DATABASE_URL": dsn,
                "FAREBOX_DATA_DIR": folder,
                "FAREBOX_STATEMENT_TIMEOUT_MS": "60000",
            }
        )
        # Ten minutes after everything was made, so that nothing is offline yet.
        async with open_services(settings, clock=lambda: 600_000) as services:
            yield services, assemble(services, settings)


async def _spent_us(app: ASGI, header: str, times: int) -> tuple[float, float]:
    """Processor time of this process and time on the clock, of one request."""
    cpu_s, clock_s = time.process_time(), time.perf_counter()
    for _ in range(times):
        await ask(app, header)
    spent_s = time.process_time() - cpu_s, time.perf_counter() - clock_s
    return spent_s[0] / times * 1e6, spent_s[1] / times * 1e6


async def measure(
    fleet: Fleet, clock: Callable[[], int], say: Say, *, quick: bool
) -> dict[str, Metric]:
    """`list.machines`."""
    del clock
    machines, times = (100_000, 40) if quick else (1_000_000, 150)
    async with world(fleet, machines, say) as (services, app):
        pair = await services.people.sign_in("lister", PASSWORD, "bench")
        header = f"Bearer {pair.access_token}"
        ways = {"declared": app, "by_hand": by_hand(services)}
        answers = {name: await ask(way, header) for name, way in ways.items()}
        _verify(answers)
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(ROUNDS):
            say(f"list: round {number + 1} of {ROUNDS}")
            # Every other round backwards, so that nobody always follows the same neighbour.
            for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
                runs[name].append(await _spent_us(ways[name], header, times))
        say("list: latency")
        held = await _latency(app, header, 2.0 if quick else 5.0)
    return {"list.machines": _metric(runs, held, machines)}


def _verify(answers: dict[str, tuple[dict[bytes, bytes], bytes]]) -> None:
    """Both gave the same hundred machines, byte for byte, and the same total."""
    (headers, body), (others, other) = answers["declared"], answers["by_hand"]
    if body != other or headers[b"x-total-count"] != others[b"x-total-count"]:
        raise RuntimeError(f"the lists differ: {body[:300]!r} and {other[:300]!r}")
    if len(msgspec.json.decode(body)) != 100:
        raise RuntimeError(f"not a hundred machines, {headers}")


async def _latency(app: ASGI, header: str, seconds: float) -> Measured:
    async def one() -> bool:
        await ask(app, header)
        return True

    return await closed_loop(lambda: one, clients=CLIENTS, seconds=seconds)


def _metric(
    runs: dict[str, list[tuple[float, float]]], held: Measured, machines: int
) -> Metric:  # fmt: skip
    pairs = [*zip(runs["by_hand"], runs["declared"], strict=True)]
    cpu, clock = (statistics.median(hand[n] / ours[n] for hand, ours in pairs) for n in (0, 1))
    hand, ours = (statistics.median(one[0] for one in runs[way]) for way in ("by_hand", "declared"))
    return Metric(
        value=round(ours),
        unit="µs of server CPU",
        baseline="a handler written by hand with asyncpg and msgspec, on the same framework",
        ratio=round(cpu, 2),
        p50_ms=round(held.p50_ms, 2),
        p99_ms=round(held.p99_ms, 2),
        beside={"by_hand": round(hand), "ratio_of_time": round(clock, 2), "machines": machines},
    )


async def scale(beside: Fleet, say: Say, *, times: int = 200) -> None:
    """Says the 99th percentile of every page for fleets of a thousand and of ten thousand."""
    told: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
    for machines, people in CALLERS.items():
        async with world(beside, machines, say) as (services, app):
            await services.pool.execute(SQL.add_ten, machines)
            for person in people:
                pair = await services.people.sign_in(person, PASSWORD, "bench")
                for name, page in PAGES.items():
                    told[name].append(await _asked(app, f"Bearer {pair.access_token}", page, times))
    say("milliseconds, p50 and p99: a thousand machines alone, among a million; ten thousand")
    for name, figures in told.items():
        (_, alone), (_, among), (_, more) = figures
        shown = "".join(f"{p50:9.2f} {p99:8.2f}" for p50, p99 in figures)
        say(f"{name:<14}{shown}   {among / alone:6.1f}x {more / alone:6.1f}x")


async def _asked(app: ASGI, header: str, page: str, times: int) -> tuple[float, float]:
    """Median and 99th percentile of one page, in milliseconds, after a few to warm up."""
    taken = []
    for number in range(times + 10):
        started = time.perf_counter()
        await ask(app, header, page)
        if number >= 10:
            taken.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0)
    taken.sort()
    return statistics.median(taken), taken[int(len(taken) * 0.99) - 1]


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def main() -> None:
    """Prints the figures."""
    async with fleet(1, wall_clock(), lambda _done, _of: None) as filled:
        if sys.argv[1:] == ["scale"]:
            await scale(filled, print)
            return
        for name, metric in (await measure(filled, wall_clock, print, quick=False)).items():
            print(name, metric)


if __name__ == "__main__":
    uvloop.run(main())
