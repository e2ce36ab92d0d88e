"""Asks devices of the network over UDP: one request, a few sends, one checked answer.

A device has one socket while anything is asked of it, and at most 64 requests under way; others
wait for their turn. Identifiers are given out in a circle, so that one comes again as late as can
be. What is sent again is the same packet, so a device can tell a repeat. Answers that are not
signed with the device's secret are not heard, which makes forged ones a silence. Only addresses
that were provisioned come in here. It keeps nothing and decides nothing.
"""

import asyncio
from collections.abc import Sequence
from secrets import randbelow
from typing import Any, Final

import msgspec

from farebox.domain.radius_packets import Content, Packet, answer_to, request

IN_FLIGHT_MAX: Final = 64
SENDS: Final = 3
_IDENTIFIERS: Final = 256


class Device(msgspec.Struct, frozen=True):
    """Where a device listens, and the secret shared with it."""

    host: str
    port: int
    secret: bytes


class Exchange(msgspec.Struct, frozen=True):
    """What was sent from where, and what came back."""

    sent: bytes
    here: tuple[str, int]
    answer: Packet | None
    answer_bytes: int = 0


class Radius:
    """Exchanges packets; bounded per device."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], _Line] = {}

    async def ask(
        self, device: Device, code: int, contents: Sequence[Content], *,
        random: bytes = bytes(16), sends: int = SENDS, wait_s: float = 2.0,
    ) -> Exchange:  # fmt: skip
        """The exchange; its answer is None when nothing genuine came in time.

        ValueError when the contents do not fit into a packet.
        """
        place = (device.host, device.port)
        line = self._lines.get(place)
        if line is None:
            line = self._lines[place] = _Line(place)
        line.users += 1
        try:
            async with line.turns:
                return await line.exchange(device.secret, code, contents, random, sends, wait_s)
        finally:
            line.users -= 1
            if not line.users:
                line.close()
                del self._lines[place]


class _Asked:
    """A request under way."""

    def __init__(self, packet: bytes, secret: bytes, sends: int, wait_s: float) -> None:
        self.packet = packet
        self.secret = secret
        self.sends = sends
        self.wait_s = wait_s
        self.timer: asyncio.TimerHandle | None = None
        self.answer: asyncio.Future[tuple[Packet | None, int]]
        self.answer = asyncio.get_running_loop().create_future()

    def end(self, answer: Packet | None, size: int = 0) -> None:
        """No further send; whoever waits goes on."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.answer.done():
            self.answer.set_result((answer, size))


class _Line(asyncio.DatagramProtocol):
    """The socket of a device, and what waits for its answers."""

    def __init__(self, place: tuple[str, int]) -> None:
        self.users = 0
        self.turns = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._place = place
        self._next = randbelow(_IDENTIFIERS)
        self._asked: dict[int, _Asked] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()

    async def exchange(
        self, secret: bytes, code: int, contents: Sequence[Content], random: bytes, sends: int,
        wait_s: float,
    ) -> Exchange:  # fmt: skip
        """One request and its answer."""
        identifier = self._identifier()
        packet = request(code, identifier, contents, secret, random)
        asked = self._asked[identifier] = _Asked(packet, secret, sends, wait_s)
        try:
            transport = await self._open()
            here: tuple[str, int] = transport.get_extra_info("sockname")[:2]
            self._send(asked, transport)
            answer, size = await asked.answer
            return Exchange(packet, here, answer, size)
        except OSError:
            return Exchange(packet, ("0.0.0.0", 0), None)  # noqa: S104 - nothing is bound
        finally:
            asked.end(None)
            del self._asked[identifier]

    def close(self) -> None:
        """Lets go of the socket."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hears a datagram."""
        del addr
        asked = self._asked.get(data[1]) if len(data) > 1 else None
        found = answer_to(asked.packet, data, asked.secret) if asked is not None else None
        if asked is not None and found is not None:
            asked.end(found, int.from_bytes(data[2:4]))

    def error_received(self, exc: Exception) -> None:
        """A refused port is a silence like any other: the device may be starting."""
        del exc

    def _identifier(self) -> int:
        while self._next in self._asked:
            self._next = (self._next + 1) % _IDENTIFIERS
        found, self._next = self._next, (self._next + 1) % _IDENTIFIERS
        return found

    async def _open(self) -> asyncio.DatagramTransport:
        async with self._opening:
            if self._transport is None:
                self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: self, remote_addr=self._place
                )
            return self._transport

    def _send(self, asked: _Asked, transport: asyncio.DatagramTransport) -> None:
        """Sends once more, or gives up."""
        if not asked.sends:
            asked.end(None)
            return
        asked.sends -= 1
        transport.sendto(asked.packet)
        loop = asyncio.get_running_loop()
        asked.timer = loop.call_later(asked.wait_s, self._send, asked, transport)
