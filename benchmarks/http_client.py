"""A load generator in a process of its own: keep-alive connections over raw sockets.

`python -m benchmarks.http_client` reads a `Job` as JSON from standard input and writes `Measured`.
Without a rate every connection has one request under way. With a rate requests begin at fixed
intervals whatever the answers do, and their time runs from when they should have begun, so that a
stall is seen by every request it delays.
"""

import asyncio
import itertools
import random
import re
import sys
import time
from collections import deque
from typing import Any

import msgspec
import uvloop

from benchmarks.fleet import code_of
from benchmarks.loop import Measured, summary

# Of an order's name: the run's, a hyphen, the order's number.
ORDER_LENGTH = 22 + 1 + 9
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where, how long, and how fast."""

    port: int
    # The path with {code}; the body with {order}.
    path: str
    body: str
    authorization: str
    # What a good answer contains.
    expect: str
    vouchers: int
    # Voucher number that every request means; -1 draws one each.
    hot: int = -1
    connections: int = 64
    seconds: float = 3.0
    warm_s: float = 0.5
    # Requests per second; 0 is a closed loop.
    rate: float = 0.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: Any = None
        self._buffer = b""
        # How long the answer is that comes in; 0 before its head is there.
        self._length = 0
        self.begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._load.free(self)

    def send(self, request: bytes, begun: float) -> None:
        """Sends a request whose time runs from `begun`."""
        self.begun = begun
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if not self._length:
            head = buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            length = _LENGTH.search(buffer, 0, head)
            self._length = head + 4 + (int(length[1]) if length else 0)
        if len(buffer) >= self._length:
            self._buffer, self._length = buffer[self._length :], 0
            self._load.answered(self, buffer)

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._load.lost()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.abort()


class _Load:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._expect = job.expect.encode()
        self._pieces = _pieces(job)
        self._source = random.Random(13)
        self._orders = itertools.count()
        self._run = f"h-{time.time_ns():020d}"
        self._times: list[float] = []
        self._failed = self._retried = 0
        self._idle: list[_Connection] = []
        self._due: deque[float] = deque()
        self._begins = self._ends = 0.0
        self._all: list[_Connection] = []
        self._ended = asyncio.Event()

    async def run(self) -> Measured:
        job, loop = self._job, asyncio.get_running_loop()
        for _ in range(job.connections):
            _, made = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", job.port)
            self._all.append(made)
        self._begins = time.perf_counter() + job.warm_s
        self._ends = self._begins + job.seconds
        if job.rate:
            await self._keep_time()
        else:
            for connection in list(self._idle):
                self._next(connection)
        loop.call_later(max(0.0, self._ends - time.perf_counter()) + 0.05, self._ended.set)
        await self._ended.wait()
        span_s = min(time.perf_counter(), self._ends + 0.05) - self._begins
        for connection in self._all:
            connection.close()
        return summary(self._times, span_s, self._failed, self._retried)

    async def _keep_time(self) -> None:
        """Makes requests due at fixed intervals until the end."""
        started, interval = time.perf_counter(), 1.0 / self._job.rate
        for number in itertools.count():
            due = started + number * interval
            if due > self._ends:
                return
            now = time.perf_counter()
            if due > now + 0.001:
                await asyncio.sleep(due - now)
            self._due.append(due)
            while self._idle and self._due:
                self._idle.pop().send(self._request(), self._due.popleft())

    def free(self, connection: _Connection) -> None:
        self._idle.append(connection)

    def answered(self, connection: _Connection, answer: bytes) -> None:
        now = time.perf_counter()
        if connection.begun >= self._begins and now <= self._ends + 0.05:
            if self._expect in answer and answer.startswith(b"HTTP/1.1 200"):
                self._times.append(now - connection.begun)
            elif answer.startswith(b"HTTP/1.1 503"):
                self._retried += 1
            else:
                self._failed += 1
        self._next(connection)

    def _next(self, connection: _Connection) -> None:
        now = time.perf_counter()
        if self._job.rate:
            if self._due:
                connection.send(self._request(), self._due.popleft())
            else:
                self._idle.append(connection)
        elif now < self._ends:
            connection.send(self._request(), now)

    def lost(self) -> None:
        if time.perf_counter() < self._ends:
            self._failed += 1

    def _request(self) -> bytes:
        job = self._job
        number = job.hot if job.hot >= 0 else self._source.randrange(job.vouchers)
        before, between, after = self._pieces
        # As many digits each time, so that the length stands in the head once.
        order = f"{self._run}-{next(self._orders):09d}" if after else ""
        return f"{before}{code_of(number)}{between}{order}{after}".encode()


def _pieces(job: Job) -> tuple[str, str, str]:
    """A request in pieces: before the code, between code and order, after the order."""
    path_before, _, path_after = job.path.partition("{code}")
    body_before, has_order, body_after = job.body.partition("{order}")
    length = len(body_before) + len(body_after) + (ORDER_LENGTH if has_order else 0)
    between = (
        f"{path_after} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {job.authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body_before}"
    )
    return f"POST {path_before}", between, body_after


async def _main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(await _Load(job).run()))


if __name__ == "__main__":
    uvloop.run(_main())
