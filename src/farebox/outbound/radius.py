"""Asks devices of the network over UDP: one request, a few sends, one checked answer.

Each exchange has a socket of its own, so identifiers never meet; what is sent again is the same
packet, so a device can tell a repeat. Answers that are not signed with the device's secret are not
heard, which makes forged ones a silence. Only addresses that were provisioned come in here. It
keeps nothing and decides nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from farebox.domain.radius_packets import Content, Packet, answer_to, request

IN_FLIGHT_MAX: Final = 64


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
        self._turns: dict[tuple[str, int], asyncio.Semaphore] = {}

    async def ask(
        self, device: Device, code: int, identifier: int, contents: Sequence[Content], *,
        random: bytes = bytes(16), sends: int = 3, wait_s: float = 2.0,
    ) -> Exchange:  # fmt: skip
        """The exchange; its answer is None when nothing genuine came in time."""
        packet = request(code, identifier, contents, device.secret, random)
        place = (device.host, device.port)
        async with self._turns.setdefault(place, asyncio.Semaphore(IN_FLIGHT_MAX)):
            loop = asyncio.get_running_loop()
            try:
                transport, heard = await loop.create_datagram_endpoint(
                    lambda: _Listener(packet, device.secret), remote_addr=place
                )
            except OSError:
                return Exchange(packet, ("0.0.0.0", 0), None)  # noqa: S104 - nothing is bound
            try:
                here: tuple[str, int] = transport.get_extra_info("sockname")[:2]
                for _ in range(sends):
                    transport.sendto(packet)
                    done, _ = await asyncio.wait({heard.answer}, timeout=wait_s)
                    if done:
                        answer, size = heard.answer.result()
                        return Exchange(packet, here, answer, size)
                return Exchange(packet, here, None)
            finally:
                transport.close()


class _Listener(asyncio.DatagramProtocol):
    """Waits for the one genuine answer."""

    def __init__(self, packet: bytes, secret: bytes) -> None:
        self._packet = packet
        self._secret = secret
        self.answer: asyncio.Future[tuple[Packet, int]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hears a datagram."""
        del addr
        found = answer_to(self._packet, data, self._secret)
        if found is not None and not self.answer.done():
            self.answer.set_result((found, int.from_bytes(data[2:4])))

    def error_received(self, exc: Exception) -> None:
        """A refused port is a silence like any other: the device may be starting."""
        del exc
