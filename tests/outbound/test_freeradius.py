"""FreeRADIUS understands what we send, and we what it says; both ways with its own encoder."""

import asyncio
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from farebox.domain.attributes import FREERADIUS, find
from farebox.domain.radius_packets import (
    ACCESS_ACCEPT,
    ACKS,
    COA,
    DISCONNECT,
    NAKS,
    STATUS_SERVER,
    Content,
    content_of,
    is_genuine,
    response,
)
from farebox.outbound.radius import Device, Radius
from tests.outbound import freeradius

SECRET = freeradius.SECRET.encode()
CHANGE = {
    "User-Name": "testuser", "Acct-Session-Id": "8ab937", "NAS-IP-Address": "127.0.0.1",
    "Framed-IP-Address": "10.0.0.10", "Event-Timestamp": "1795321800",
    "Mikrotik-Rate-Limit": "512000/512000 0 0 0 0 512000/512000",
    "WISPr-Bandwidth-Max-Up": "512000",
}  # fmt: skip


def contents(given: dict[str, str]) -> list[Content]:
    """Attributes as our encoder has them."""
    found = [(find(name), value) for name, value in given.items()]
    return [content_of(attribute, value) for attribute, value in found if attribute is not None]


def free_port() -> int:
    """A port of UDP that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_server_understands_us(tmp_path: Path) -> None:
    """It counts for us, takes the change with every attribute, refuses another, hears no lie."""
    condition = " && ".join(
        f'&{name} == "{value}"'
        for name, value in CHANGE.items() if name != "Event-Timestamp"
    )  # fmt: skip
    status, coa = free_port(), free_port()
    radius = Radius()
    ask = partial(radius.ask, sends=1, wait_s=5)
    async with freeradius.server(tmp_path, status, coa, condition):
        wanted = (FREERADIUS, 127, (1).to_bytes(4))
        device = Device("127.0.0.1", status, SECRET)
        told = await ask(device, STATUS_SERVER, [wanted], random=b"0123456789abcdef")
        assert told.answer is not None
        counted = [number for vendor, number, _ in told.answer.contents if vendor == FREERADIUS]
        assert (50, ACCESS_ACCEPT) == (len(told.sent), told.answer.code)
        assert [*range(128, 138)] == sorted(number for number in counted if 128 <= number < 138)
        device = Device("127.0.0.1", coa, SECRET)
        less = {name: value for name, value in CHANGE.items() if name != "Framed-IP-Address"}
        codes = []
        for given in (CHANGE, less):
            told = await ask(device, COA, contents(given))
            codes.append(told.answer.code if told.answer else None)
        assert [ACKS[COA], NAKS[COA]] == codes
        liar = Device("127.0.0.1", coa, b"another secret")
        assert (await radius.ask(liar, COA, contents(CHANGE), sends=1, wait_s=0.1)).answer is None


class Device5176(asyncio.DatagramProtocol):
    """Answers genuine requests with our encoder."""

    def connection_made(self, transport: Any) -> None:
        """Listens."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Takes a change, refuses an end."""
        if is_genuine(data, SECRET):
            refusal = [(0, 101, (503).to_bytes(4))]
            answer = (
                response(data, ACKS[COA], [], SECRET)
                if data[0] == COA
                else response(data, NAKS[DISCONNECT], refusal, SECRET)
            )
            self._transport.sendto(answer, addr)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("coa", "Received CoA-ACK"), ("disconnect", "Error-Cause = Session-Context-Not-Found")],
)
async def test_the_client_understands_us(kind: str, said: str) -> None:
    """Its requests are genuine to us, and our signed answers to it."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Device5176, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    lines = "\n".join(f'{name} = "{value}"' for name, value in CHANGE.items())
    told = await freeradius.client(port, kind, f"{lines}\nMessage-Authenticator = 0x00\n")
    transport.close()
    assert said in told, told
