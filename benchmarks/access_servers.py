"""Access servers that lose datagrams: a process of stubs that take CoA on loopback.

`python -m benchmarks.access_servers COUNT LOSS INITIAL WAIT_S` listens on COUNT ports, prints them
as one line of JSON and then answers commands, a line each: `deaf N` and `hear N` for the Nth
server, `obey N` for all to be deaf after N more requests, `report` for what happened. A datagram is
lost with probability LOSS on the way in and on the way out. Packets are checked and signed by an
encoder of its own, written from RFC 2865, 2869 and 5176; a repeat (same source, identifier and
authenticator) gets the first answer again and has no further effect. Every session holds the rate
INITIAL until told otherwise.
"""

import asyncio
import hashlib
import hmac
import random
import sys
from collections import Counter
from functools import partial
from typing import Any, Final

import msgspec
import uvloop

SECRET: Final = b"access server"
LATENCY_S: Final = 0.005
KEPT_S: Final = 5.0
_RATE: Final = (14988).to_bytes(4) + b"\x08"


class Session:
    """What a server holds for a session."""

    def __init__(self, rate: str) -> None:
        self.rate = rate
        self.changes = 0


class AccessServer(asyncio.DatagramProtocol):
    """One server."""

    # How many more requests all servers together obey.
    left = 1 << 60

    def __init__(self, loss: float, initial: str, wait_s: float, seed: int) -> None:
        self.is_deaf = False
        self.counted: Counter[str] = Counter()
        self.sessions: dict[str, Session] = {}
        self._loss = loss
        self._initial = initial
        self._wait_s = wait_s
        self._chance = random.Random(seed).random
        self._answers: dict[tuple[Any, bytes], tuple[float, bytes]] = {}
        # When a request without an answer came last, by its identifier.
        self._waiting: dict[int, float] = {}
        self._transport: Any = None
        self._time = asyncio.get_running_loop().time

    def connection_made(self, transport: Any) -> None:
        """Listens."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Loses, refuses or obeys a request."""
        self.counted["datagrams"] += 1
        self._count_waiting(data[1])
        if self.is_deaf or AccessServer.left <= 0 or self._chance() < self._loss:
            return
        key = addr, data[:20]
        known = self._answers.get(key)
        if known is None:
            answer = self._obey(data)
            if answer is None:
                self.counted["forged"] += 1
                return
            self._answers[key] = self._time(), answer
            self._forget()
        else:
            self.counted["repeats"] += 1
            answer = known[1]
        if self._chance() >= self._loss:
            asyncio.get_running_loop().call_later(LATENCY_S, self._answer, data[1], answer, addr)

    def _answer(self, identifier: int, answer: bytes, addr: Any) -> None:
        self._waiting.pop(identifier, None)
        self._transport.sendto(answer, addr)

    def _count_waiting(self, identifier: int) -> None:
        """How many requests are under way: those that were sent a wait ago and have no answer."""
        now = self._time()
        self._waiting[identifier] = now
        late = now - 0.9 * self._wait_s
        under_way = sum(at >= late for at in self._waiting.values())
        self.counted["most"] = max(self.counted["most"], under_way)

    def _forget(self) -> None:
        """Answers are kept for a while only; the oldest stand first."""
        late = self._time() - KEPT_S
        for key in list(self._answers)[:2]:
            if self._answers[key][0] < late:
                del self._answers[key]

    def _obey(self, data: bytes) -> bytes | None:
        """The answer to a genuine request, once it has had its effect."""
        if not _is_genuine(data):
            return None
        attributes = _attributes(data)
        name = attributes[44].decode()
        session = self.sessions.setdefault(name, Session(self._initial))
        if data[0] == 40:
            self.counted["disconnects"] += 1
            return _answer(data, 41)
        rate = attributes[26][6:].decode() if attributes[26][:5] == _RATE else ""
        self.counted["requests"] += 1
        AccessServer.left -= 1
        if rate == session.rate:
            self.counted["again"] += 1
        else:
            session.rate = rate
            session.changes += 1
        return _answer(data, 44)

    def report(self) -> dict[str, Any]:
        """What happened here."""
        sessions = self.sessions.values()
        return {
            **self.counted,
            "sessions": len(self.sessions),
            "held": dict(Counter(session.rate for session in sessions)),
            "changes": dict(Counter(str(session.changes) for session in sessions)),
        }


def _attributes(data: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at < len(data):
        found[data[at]] = data[at + 2 : at + data[at + 1]]
        at += data[at + 1]
    return found


def _is_genuine(data: bytes) -> bool:
    """Request Authenticator and Message-Authenticator, both over zeros in their own place."""
    bare = data[:4] + bytes(16) + data[20:]
    if hashlib.md5(bare + SECRET).digest() != data[4:20]:
        return False
    place, at = 0, 20
    while at < len(data):
        place = at + 2 if data[at] == 80 else place
        at += data[at + 1]
    unsigned = bare[:place] + bytes(16) + bare[place + 16 :]
    return hmac.digest(SECRET, unsigned, "md5") == data[place : place + 16]


def _answer(asked: bytes, code: int) -> bytes:
    head = bytes([code, asked[1], 0, 20])
    return head + hashlib.md5(head + asked[4:20] + SECRET).digest()


async def main() -> None:
    """Listens, and does as it is told until its input ends."""
    count, loss, initial, wait_s = sys.argv[1:]
    loop = asyncio.get_running_loop()
    servers: list[AccessServer] = []
    ports = []
    for number in range(int(count)):
        made = partial(AccessServer, float(loss), initial, float(wait_s), number)
        transport, server = await loop.create_datagram_endpoint(made, local_addr=("127.0.0.1", 0))
        ports.append(transport.get_extra_info("sockname")[1])
        servers.append(server)
    _say(ports)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] in ("deaf", "hear"):
            servers[int(line[1])].is_deaf = line[0] == "deaf"
        if line[0] == "obey":
            AccessServer.left = int(line[1])
        _say([server.report() for server in servers] if line[0] == "report" else "done")


def _say(words: Any) -> None:
    sys.stdout.write(msgspec.json.encode(words).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
