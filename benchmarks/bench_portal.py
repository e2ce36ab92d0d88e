"""Many boxes at one worker: polls with a broadcast in their middle, and the list of all accounts.

`python -m benchmarks.bench_portal prepare FOLDER BOXES` makes a database; `polls FOLDER [BOXES
[ROUNDS]]` and `rate FOLDER [SECONDS]` let its first boxes poll, 100 000 unless it is said, `stream
FOLDER` reads all of `GET /iptv/stb`. The worker, PostgreSQL and the client are processes of their
own on the same cores; everything goes through HTTP.

`polls` compresses time: boxes poll in turn as fast as the worker answers, instead of once in 120
seconds, so a round of all of them is as long as the worker takes. A broadcast goes out after a
tenth of the first round, and each box has to get it once within its next two polls. `rate` keeps
real time: 833 polls begin every second, whatever the answers do, for as many seconds as are given;
a broadcast goes out after a third of them, and latency runs from when a poll should have begun.
The queue is known to be empty when a run begins, which makes the worst plans for a full one.
"""

import asyncio
import base64
import contextlib
import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.report import machine
from farebox.engine.portal_users import bootstrap
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.migrate import migrate
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
ROOT = Path(__file__).parents[1]
BOXES = 100_000
ROUND_S = 120.0
CONNECTIONS = 64
# Boxes that poll one after the other are not neighbours. No number of boxes has it as a factor.
STRIDE = 7919
PASSWORD = "many boxes poll"
BASIC = "Basic " + base64.b64encode(f"bench:{PASSWORD}".encode()).decode()
EVENT = b'"event":"reload_portal"'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@contextlib.asynccontextmanager
async def database(folder: Path) -> AsyncIterator[tuple[str, Pool]]:
    """The folder's PostgreSQL, with syncing as it is by default."""
    server = EmbeddedServer(folder / "data")
    dsn = await asyncio.to_thread(server.start)
    await migrate(dsn)
    pool = await open_pool(dsn, max_size=2, statement_timeout_ms=600_000)
    try:
        yield dsn, pool
    finally:
        await pool.close()
        await asyncio.to_thread(server.stop)


async def prepare(folder: Path, boxes: int) -> None:
    """Fills a new database."""
    async with database(folder) as (_, pool):
        await bootstrap(pool, 0, "bench", PASSWORD, "admin")
        await pool.execute(SQL.fill_offers)
        await pool.execute(SQL.fill, boxes)
        await pool.execute(SQL.settle)


@contextlib.contextmanager
def worker(folder: Path, dsn: str) -> Iterator[tuple[int, int]]:
    """Port and process id of one worker."""
    command = [sys.executable, "-m", "benchmarks.http_server", dsn, str(folder)]
    process = subprocess.Popen(
        [*command, secrets.token_hex(32), "product"], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=(folder / "worker.log").open("wb"),
    )  # fmt: skip
    try:
        lines = process.stdout or ()
        port = next((int(line) for line in lines if line.strip().isdigit()), None)
        if port is None:
            raise RuntimeError((folder / "worker.log").read_text()[-2000:])
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int, name: str) -> float:
    """Resident memory of a process, now (VmRSS) or at most since it began (VmHWM)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def forget_peak(pid: int) -> None:
    """From now on the most memory is counted anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


# Polls


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one poll under way."""

    def __init__(self, boxes: "Boxes") -> None:
        self._boxes = boxes
        self._transport: Any = None
        self._buffer = b""
        self.box = 0
        self.begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def poll(self, box: int, begun: float) -> None:
        """Sends a box's poll."""
        self.box, self.begun = box, begun
        self._transport.write(
            b"GET /iptv/device/events?init=0&event_active_id=&cur_play_type=1 HTTP/1.1\r\n"
            b"Host: 127.0.0.1\r\nAuthorization: Bearer box-%d\r\n\r\n" % box
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        length = _LENGTH.search(self._buffer, 0, head) if head >= 0 else None
        if length is None or len(self._buffer) < head + 4 + int(length[1]):
            return
        answer, self._buffer = self._buffer, b""
        self._boxes.answered(self, answer)

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._boxes.lost()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.abort()


class Boxes:
    """All boxes of a run: whose turn it is, and what each has got."""

    def __init__(self, boxes: int, polls: int, rate: float, told_after: int) -> None:
        self.polls, self._count, self._rate = polls, boxes, rate
        self._told_after, self.is_time = told_after, asyncio.Event()
        self.times: list[float] = []
        # What a box has got, and its polls since the broadcast was acknowledged.
        self.got = bytearray(boxes + 1)
        self.since = bytearray(boxes + 1)
        # The polls after the broadcast at which boxes have got it.
        self.at: dict[int, int] = {}
        self.failed = self._begun = self._done = 0
        self.is_over = self.is_told = False
        # The one that has rested longest is next, or the server would close it.
        self._idle: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._ended = asyncio.Event()

    async def run(self, port: int) -> float:
        """Polls, and gives the seconds that it took."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, made = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)
            self._idle.append(made)
        everybody, started = [*self._idle], time.perf_counter()
        keeping = asyncio.create_task(self._keep_time()) if self._rate else None
        while self._idle and not self._rate:
            self._next(self._idle.popleft())
        await self._ended.wait()
        if keeping:
            keeping.cancel()
        self.is_over = True
        for one in everybody:
            one.close()
        return time.perf_counter() - started

    async def _keep_time(self) -> None:
        started = time.perf_counter()
        for number in range(self.polls):
            due = started + number / self._rate
            if due > time.perf_counter() + 0.001:
                await asyncio.sleep(due - time.perf_counter())
            self._due.append(due)
            while self._idle and self._due:
                self._send(self._idle.popleft(), self._due.popleft())

    def _send(self, connection: _Connection, begun: float) -> None:
        self._begun += 1
        connection.poll(self._begun * STRIDE % self._count + 1, begun)

    def _next(self, connection: _Connection) -> None:
        if self._rate and self._due:
            self._send(connection, self._due.popleft())
        elif self._rate or self._begun >= self.polls:
            self._idle.append(connection)
        else:
            self._send(connection, time.perf_counter())

    def lost(self) -> None:
        """A connection was closed by the server, and with it a run is worth nothing."""
        self.failed += not self.is_over
        self._ended.set()

    def answered(self, connection: _Connection, answer: bytes) -> None:
        """Notes an answer and goes on."""
        box = connection.box
        self.times.append(time.perf_counter() - connection.begun)
        self.failed += not answer.startswith(b"HTTP/1.1 200")
        self.since[box] += self.is_told
        if EVENT in answer:
            self.got[box] += 1
            self.at[self.since[box]] = self.at.get(self.since[box], 0) + 1
        self._done += 1
        if self._done == self._told_after:
            self.is_time.set()
        if self._done == self.polls:
            self._ended.set()
        self._next(connection)


async def _broadcast(boxes: Boxes, port: int) -> float:
    """Tells all boxes something when it is time; gives how long that took."""
    await boxes.is_time.wait()
    body, started = b"event=reload_portal&ttl=3600", time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /iptv/send_event HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (BASIC.encode(), len(body), body)
    )
    answer = await reader.read()
    writer.close()
    boxes.is_told = True
    if b'"results":true' not in answer:
        raise RuntimeError(answer.decode())
    return time.perf_counter() - started


async def polls(
    folder: Path, number: int, *, rounds: float = 0.0, seconds: float = 0.0
) -> dict[str, Any]:
    """Boxes that poll: so many rounds after the broadcast, or in real time for some seconds."""
    rate = number / ROUND_S if seconds else 0.0
    # A tenth of a round before the broadcast, and some of what is under way meanwhile.
    count = round(seconds * rate or number * (0.25 + rounds))
    async with database(folder) as (dsn, pool):
        await pool.execute(SQL.forget)
        await pool.execute(SQL.empty)
        with worker(folder, dsn) as (port, pid):
            before = {name: await pool.fetchval(SQL.written, name) for name in _TABLES}
            told_after = count // 3 if seconds else number // 10
            used, boxes = cpu_s(pid), Boxes(number, count, rate, told_after)
            told = asyncio.create_task(_broadcast(boxes, port))
            span_s = await boxes.run(port)
            used, broadcast_s = cpu_s(pid) - used, await told
            peak = memory_mib(pid, "VmHWM")
        # Statistics arrive a moment later; the worker has written what it still had.
        await asyncio.sleep(1.5)
        after = {name: await pool.fetchval(SQL.written, name) for name in _TABLES}
        queued = dict(await pool.fetchrow(SQL.events) or {})
    return {
        "boxes": number, "polls": count, "seconds": round(span_s, 1),
        "polls_per_s": round(count / span_s), "needed_per_s": round(number / ROUND_S),
        "failed": boxes.failed,
        "p50_ms": _ms(boxes.times, 50), "p99_ms": _ms(boxes.times, 99),
        "worker_cpu_us_per_poll": round(used / count * 1e6), "worker_peak_mib": round(peak),
        "broadcast_s": round(broadcast_s, 2), "events": queued,
        "boxes_by_times_got": {n: boxes.got[1:].count(n) for n in sorted({*boxes.got[1:]})},
        "got_at_poll_after_broadcast": dict(sorted(boxes.at.items())),
        "boxes_polled_twice_after": sum(since >= 2 for since in boxes.since),
        "row_writes_per_s": {
            name: round((after[name] - before[name]) / span_s, 1) for name in _TABLES
        },
    }  # fmt: skip


_TABLES = ("presence", "account")


def _ms(times: list[float], percent: int) -> float:
    return round(statistics.quantiles(times, n=100)[percent - 1] * 1000, 2)


# The list of all accounts


async def stream(folder: Path) -> dict[str, Any]:
    """Reads the whole list once, and says when it began and what it cost."""
    async with database(folder) as (dsn, pool):
        accounts = await pool.fetchval("select count(*) from iptv.account")
        with worker(folder, dsn) as (port, pid):
            # A first call pays for what every process pays for once.
            await _read(port, "/iptv/stb?limit=10")
            rested = memory_mib(pid, "VmRSS")
            forget_peak(pid)
            first_s, whole_s, length, rows = await _read(port, "/iptv/stb")
            peak = memory_mib(pid, "VmHWM")
    return {
        "accounts": accounts, "rows": rows, "first_byte_s": round(first_s, 3),
        "whole_s": round(whole_s, 1), "rows_per_s": round(rows / whole_s),
        "mib": round(length / 2**20, 1), "worker_mib_before": round(rested),
        "worker_mib_peak": round(peak),
    }  # fmt: skip


async def _read(port: int, path: str) -> tuple[float, float, int, int]:
    """Seconds to the first byte of the body and to its end, its length and its rows."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {BASIC}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    first, length, rows = 0.0, 0, 0
    # A member may be cut in two by the end of a piece.
    rest = b""
    while piece := await reader.read(1 << 16):
        first = first or time.perf_counter() - started
        length += len(piece)
        rows += (rest + piece).count(b'"mac":')
        rest = piece[-5:]
    writer.close()
    return first, time.perf_counter() - started, length, rows


def main() -> None:
    """Does one of the four things and prints its figures."""
    verb, folder, *more = sys.argv[1:]
    place = Path(folder)
    if verb == "prepare":
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o711)
        uvloop.run(prepare(place, int(more[0]) if more else BOXES))
        return
    if verb == "stream":
        found = uvloop.run(stream(place))
    elif verb == "rate":
        found = uvloop.run(polls(place, BOXES, seconds=float(more[0] if more else 30.0)))
    else:
        number, rounds = [*more, *("100000", "2")[len(more) :]][:2]
        found = uvloop.run(polls(place, int(number), rounds=float(rounds)))
    told = {"machine": machine({}), verb: found}
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


if __name__ == "__main__":
    main()
