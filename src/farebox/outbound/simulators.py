"""Far sides of the demonstration's provider, in the process and on loopback (isp.md 5.1).

A device that takes CoA, a RADIUS server with counters, an SMS gateway and a mail server: enough of
each to be talked to, with a behaviour that a demonstration or a test can change. What they were
sent is kept, the last hundred of each. They are never started beside real accounts.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, Final

from farebox.domain.attributes import FREERADIUS
from farebox.domain.radius_packets import (
    ACCESS_ACCEPT,
    ACKS,
    NAKS,
    STATUS_SERVER,
    Content,
    decoded,
    is_genuine,
    response,
)

SECRET: Final = b"testing123"
BEHAVIOURS: Final = {
    "nas": "ack",
    "radius": "counters 4,0,0,0,0,0,0,0,0,0",
    "sms": "accept",
    "smtp": "accept",
}
_ERROR_CAUSE: Final = 101
_FIRST_COUNTER: Final = {1: 128, 2: 148}


class Simulators:
    """All far sides; `ports` says where they listen while they are open."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.behaviour = dict(BEHAVIOURS)
        self.seen: dict[str, deque[Any]] = {name: deque(maxlen=100) for name in BEHAVIOURS}
        self._open: list[Any] = []

    async def start(self) -> None:
        """Listens."""
        loop = asyncio.get_running_loop()
        for name in ("nas", "radius"):
            transport, _ = await loop.create_datagram_endpoint(
                partial(_Datagrams, self, name), local_addr=("127.0.0.1", 0)
            )
            self.ports[name] = transport.get_extra_info("sockname")[1]
            self._open.append(transport)
        for name, talk in (("sms", self._sms), ("smtp", self._smtp)):
            server = await asyncio.start_server(talk, "127.0.0.1", 0)
            self.ports[name] = server.sockets[0].getsockname()[1]
            self._open.append(server)

    async def stop(self) -> None:
        """No longer listens."""
        for one in self._open:
            one.close()
        self._open.clear()
        self.ports.clear()

    def answer(self, name: str, asked: bytes) -> bytes | None:
        """What a datagram is answered; None for silence."""
        contents = decoded(asked)
        if contents is None or not is_genuine(asked, SECRET):
            return None
        self.seen[name].append((asked[0], contents))
        word, _, detail = self.behaviour[name].partition(" ")
        if word == "silent":
            return None
        if asked[0] == STATUS_SERVER:
            return response(asked, ACCESS_ACCEPT, _counters(contents, detail), SECRET)
        if word == "nak":
            cause: Content = (0, _ERROR_CAUSE, int(detail).to_bytes(4))
            return response(asked, NAKS[asked[0]], [cause], SECRET)
        return response(asked, ACKS[asked[0]], [], SECRET)

    async def _sms(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = 0
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                size = int(value)
        self.seen["sms"].append((await reader.readexactly(size)).decode())
        word, _, detail = self.behaviour["sms"].partition(" ")
        if word == "silent":
            await reader.read()
        status = detail or "400" if word == "reject" else "200"
        writer.write(
            f"HTTP/1.1 {status} Simulated\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
            .encode()
        )  # fmt: skip
        await _closed(writer)

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 simulator\r\n")
        refuses = self.behaviour["smtp"].startswith("reject")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.seen["smtp"].append(text.decode("utf-8", "replace"))
            is_refused = word == b"RCPT" and refuses
            writer.write(
                b"550 no such mailbox\r\n" if is_refused else
                b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n"
            )  # fmt: skip
            if word == b"QUIT":
                break
        await _closed(writer)


class _Datagrams(asyncio.DatagramProtocol):
    """One of the simulators that speak RADIUS."""

    def __init__(self, simulators: Simulators, name: str) -> None:
        self._simulators = simulators
        self._name = name
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Listens from now on."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answers as its behaviour says."""
        told = self._simulators.answer(self._name, data)
        if told is not None:
            self._transport.sendto(told, addr)


def _counters(contents: list[Content], listed: str) -> list[Content]:
    wanted = next(int.from_bytes(c) for vendor, _, c in contents if vendor == FREERADIUS)
    first = _FIRST_COUNTER.get(wanted, 128)
    return [
        (FREERADIUS, first + at, int(count).to_bytes(4))
        for at, count in enumerate(listed.split(","))
        if not (first == 148 and at > 6)
    ]


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        # Whoever talked with us has gone first.
        return
