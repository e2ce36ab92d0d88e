"""Webhooks against real servers on the loopback address: what is sent, and what is refused."""

import asyncio
import hashlib
import hmac
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.outbound.reach import is_public
from farebox.outbound.webhook import ANSWER_BYTES_MAX, Reply, Webhook, check_url, signature

LOOPBACK = ("127.0.0.0/8", "::1/128")
SECRET = b"shared secret"


class Receiver:
    """An HTTP server that keeps what it is sent and answers as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[int], bytes] = lambda _: reply(200, b"taken")
        self.delay_s = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request and answer it."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append((first, headers, body))
            await asyncio.sleep(self.delay_s)
            writer.write(self.answer(len(self.requests)))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def reply(status: int, body: bytes = b"", *headers: str) -> bytes:
    """The bytes of an answer."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()
    await server.wait_closed()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver without TLS."""
    async with receiving() as one:
        yield one


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    """Webhooks that may reach the loopback address."""
    made = Webhook(LOOPBACK, timeout_s=1.0)
    yield made
    await made.close()


async def test_a_signed_body_arrives(receiver: Receiver, webhook: Webhook) -> None:
    """Body, headers and signature arrive as given; the answer comes back."""
    body = b'{"id":17}'
    answer = await webhook.post(receiver.url, body, {"Idempotency-Key": "4"}, SECRET)
    assert Reply(200, "taken") == answer
    first, headers, sent = receiver.requests[0]
    assert ("POST /hook?a=1 HTTP/1.1", body) == (first, sent)
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    assert expected == headers["x-signature"] == signature(body, SECRET)
    assert "4" == headers["idempotency-key"]
    assert headers["content-type"].startswith("application/json")


async def test_redirects_are_not_followed(receiver: Receiver, webhook: Webhook) -> None:
    """A redirect is an answer like any other."""
    receiver.answer = lambda _: reply(302, b"", f"Location: {receiver.url}")
    assert Reply(302, "") == await webhook.post(receiver.url, b"{}", {})
    assert 1 == len(receiver.requests)


async def test_answers_are_cut(receiver: Receiver, webhook: Webhook) -> None:
    """64 KiB of an answer are read, and compressed ones are not blown up."""
    receiver.answer = lambda _: reply(200, b"x" * 1_000_000, "Content-Encoding: gzip")
    answer = await webhook.post(receiver.url, b"{}", {})
    assert ANSWER_BYTES_MAX == len(answer.text)


@pytest.mark.parametrize(
    ("networks", "url"),
    [
        ((), "http://127.0.0.1:{port}/"),
        ((), "https://127.0.0.1:{port}/"),
        ((), "https://localhost:{port}/"),
        ((), "https://[::1]:{port}/"),
        ((), "https://[::ffff:127.0.0.1]:{port}/"),
        ((), "https://0.0.0.0:{port}/"),
        ((), "https://2130706433:{port}/"),
        (("10.0.0.0/8",), "http://localhost:{port}/"),
        (LOOPBACK, "ftp://127.0.0.1:{port}/"),
        (LOOPBACK, "http://user:word@127.0.0.1:{port}/"),
        (LOOPBACK, "http://:{port}/"),
        (LOOPBACK, "http://127.0.0.1:99999/"),
    ],
)
async def test_addresses_that_are_refused(
    receiver: Receiver, networks: tuple[str, ...], url: str
) -> None:
    """Private addresses, however written, and what is no address: nothing is connected to."""
    webhook = Webhook(networks)
    with pytest.raises(InvalidError):
        await webhook.post(url.format(port=receiver.port), b"{}", {})
    await webhook.close()
    assert [] == receiver.requests


async def test_a_listed_target_is_reached(receiver: Receiver) -> None:
    """A host and port, as they are written, without TLS; nothing else there."""
    webhook = Webhook(targets=[f"127.0.0.1:{receiver.port}"])
    assert Reply(200, "taken") == await webhook.post(receiver.url, b"{}", {})
    for url in (f"http://localhost:{receiver.port}/", "http://127.0.0.1:1/"):
        with pytest.raises(InvalidError):
            await webhook.post(url, b"{}", {})
    await webhook.close()
    assert 1 == len(receiver.requests)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        *((text, False) for text in (
            "10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.64.0.1",
            "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "::1", "::",
            "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
        )),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::93.184.216.34", True),
    ],
)  # fmt: skip
def test_public_addresses(address: str, expected: bool) -> None:
    """Private, local, shared, reserved and wrapped private addresses are not public."""
    assert expected == is_public(ip_address(address))


async def test_nobody_answers(receiver: Receiver, webhook: Webhook) -> None:
    """A refused connection, a name nobody knows, silence and a cut line may be tried again."""
    receiver.delay_s = 3
    with pytest.raises(UnavailableError, match="no answer in time"):
        await webhook.post(receiver.url, b"{}", {})
    receiver.delay_s = 0
    receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"
    with pytest.raises(UnavailableError):
        await webhook.post(receiver.url, b"{}", {})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError):
            await webhook.post(f"http://127.0.0.1:{unused.getsockname()[1]}/", b"{}", {})


async def test_certificates_are_checked(certificate: Path) -> None:
    """A server that cannot prove its name is not spoken to; one that can is."""
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(certificate)
    async with receiving(shown) as receiver:
        url = f"https://localhost:{receiver.port}/"
        strict = Webhook(LOOPBACK)
        with pytest.raises(UnavailableError):
            await strict.post(url, b"{}", {})
        await strict.close()
        assert [] == receiver.requests
        trusting = Webhook(LOOPBACK, tls=ssl.create_default_context(cafile=str(certificate)))
        assert 200 == (await trusting.post(url, b"{}", {})).status
        await trusting.close()


@pytest.mark.parametrize("url", ["", "example.com", "https://", "https://a@b/", "https://b/#c"])
def test_texts_that_are_no_address(url: str) -> None:
    """What cannot be a webhook is refused before it is stored."""
    with pytest.raises(ValueError, match="must"):
        check_url(url)
