"""A load generator in a process of its own: keep-alive connections over raw sockets.

`python -m benchmarks.http_client` reads a `Job` as JSON from standard input and writes `Measured`.
Linux only: it waits by epoll, which costs least of the core that it shares with the database.
Without a rate every connection has one request under way. With a rate requests begin at fixed
intervals whatever the answers do, and their time runs from when they should have begun, so that a
stall is seen by every request it delays.
"""

import itertools
import random
import re
import select
import socket
import sys
import time
from collections.abc import Iterator

import msgspec

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


class _Connection:
    """One keep-alive connection with at most one request under way."""

    __slots__ = ("begun", "buffer", "length", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = b""
        # How long the answer is that comes in; 0 before its head is there.
        self.length = 0
        self.begun = 0.0

    def answer(self, data: bytes) -> bytes:
        """The whole answer once its last piece is there, else nothing."""
        buffer = self.buffer = self.buffer + data if self.buffer else data
        if not self.length:
            head = buffer.find(b"\r\n\r\n")
            if head < 0:
                return b""
            length = _LENGTH.search(buffer, 0, head)
            self.length = head + 4 + (int(length[1]) if length else 0)
        if len(buffer) < self.length:
            return b""
        self.buffer, self.length = b"", 0
        return buffer


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
        self._begins = self._ends = 0.0

    def run(self) -> Measured:
        job = self._job
        connections = [_Connection(job.port) for _ in range(job.connections)]
        by_file = {connection.socket.fileno(): connection for connection in connections}
        with select.epoll() as answers:
            for file in by_file:
                answers.register(file, select.EPOLLIN)
            started = time.perf_counter()
            self._begins = started + job.warm_s
            self._ends = self._begins + job.seconds
            dues = self._dues(started)
            self._idle = connections.copy()
            due = next(dues)
            while (now := time.perf_counter()) < self._ends:
                while self._idle and due <= now:
                    self._send(self._idle.pop(), due if job.rate else now)
                    due = next(dues)
                until = min(self._ends, due) if self._idle else self._ends
                for file, _ in answers.poll(max(0.0, until - now)):
                    self._receive(by_file[file], answers)
        for connection in connections:
            connection.socket.close()
        return summary(self._times, now - self._begins, self._failed, self._retried)

    def _dues(self, started: float) -> Iterator[float]:
        """When each request is to begin: at fixed intervals, or as soon as may be."""
        if not self._job.rate:
            yield from itertools.repeat(0.0)
        interval = 1.0 / self._job.rate
        for number in itertools.count():
            yield started + number * interval

    def _send(self, connection: _Connection, begun: float) -> None:
        """Sends a request whose time runs from `begun`."""
        connection.begun = begun
        connection.socket.send(self._request())

    def _receive(self, connection: _Connection, answers: select.epoll) -> None:
        data = connection.socket.recv(65_536)
        if not data:
            self._failed += 1
            answers.unregister(connection.socket)
            return
        answer = connection.answer(data)
        if not answer:
            return
        now = time.perf_counter()
        if connection.begun >= self._begins:
            if answer.startswith(b"HTTP/1.1 200") and self._expect in answer:
                self._times.append(now - connection.begun)
            elif answer.startswith(b"HTTP/1.1 503"):
                self._retried += 1
            else:
                self._failed += 1
        if self._job.rate:
            self._idle.append(connection)
        else:
            self._send(connection, now)

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


def main() -> None:
    """Reads the job, drives it, writes what it gave."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(_Load(job).run()))


if __name__ == "__main__":
    main()
