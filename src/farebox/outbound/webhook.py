"""Posts JSON to addresses that users have named, and to nothing else (vending-platform.md 4.10).

Only https and public addresses, unless the address lies in a network that the operator has listed.
The address is checked on the socket that is about to connect, so a name that changes its mind
between a check and a connection gains nothing. Redirects are not followed, cookies and proxies of
the environment not used, 64 KiB of the answer read, ten seconds waited in all. A refused address
raises InvalidError, because no further attempt helps; everything that went wrong on the way raises
UnavailableError. It keeps nothing and repeats nothing.
"""

import asyncio
import hashlib
import hmac
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from farebox.domain.errors import InvalidError, UnavailableError

ANSWER_BYTES_MAX: Final = 65_536
TIMEOUT_S: Final = 10.0
# Headers that are ours or the connection's to say.
RESERVED_HEADERS: Final = frozenset((
    "host", "connection", "content-length", "content-type", "content-encoding", "accept-encoding",
    "transfer-encoding", "te", "trailer", "upgrade", "expect", "keep-alive", "idempotency-key",
    "x-signature",
))  # fmt: skip
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_REFUSED: Final = "the address is not a public one"
# Addresses of this network carry one of the old kind in their last four bytes.
_NAT64: Final = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class Reply(NamedTuple):
    """What the other side said: its status, and the beginning of its answer as text."""

    status: int
    text: str


class RefusedAddressError(OSError):
    """The connection would have gone where none may go."""


def check_url(url: str) -> None:
    """ValueError unless the text can be the address of a webhook."""
    parts = urlsplit(url)
    _ = parts.port
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https address")
    if parts.username is not None or parts.fragment:
        raise ValueError("must have neither a user nor a fragment")


def is_free_header(name: str) -> bool:
    """Whether a user may name a header so."""
    return bool(_HEADER.fullmatch(name)) and name.lower() not in RESERVED_HEADERS


def signature(body: bytes, secret: bytes) -> str:
    """The value of X-Signature for a body."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet, whatever it is wrapped in."""
    inner: Address | None = None
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        elif address.teredo is not None:
            inner = address.teredo[1]
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


class Webhook:
    """Posts through connections of its own; listed networks may be private and without TLS."""

    def __init__(
        self,
        networks: Sequence[str] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._networks = [ip_network(one) for one in networks]
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._tls = tls
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], secret: bytes | None = None
    ) -> Reply:
        """Send one body and read the answer's beginning."""
        sent = {"Content-Type": "application/json; charset=utf-8", "Accept-Encoding": "identity"}
        sent |= headers
        if secret is not None:
            sent["X-Signature"] = signature(body, secret)
        try:
            check_url(url)
            session = self._session(urlsplit(url).scheme)
            async with session.post(url, data=body, headers=sent, allow_redirects=False) as answer:
                start = await _start(answer.content)
                return Reply(answer.status, start.decode("utf-8", "replace"))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _spelled(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, scheme: str) -> aiohttp.ClientSession:
        if scheme not in self._sessions:
            is_open = scheme == "https"
            self._tls = self._tls or ssl.create_default_context()
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._tls, limit=64, socket_factory=lambda to: self._socket(to, is_open)
                ),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._sessions[scheme]

    def _socket(self, to: Any, is_open: bool) -> socket.socket:
        """A socket for an address that may be connected to; `is_open`: also a public one."""
        family, kind, protocol, _, where = to
        address = ip_address(where[0].partition("%")[0])
        if not (self._is_listed(address) or (is_open and is_public(address))):
            raise RefusedAddressError(_REFUSED)
        return socket.socket(family, kind, protocol)

    def _is_listed(self, address: Address) -> bool:
        return any(address.version == one.version and address in one for one in self._networks)


async def _start(content: aiohttp.StreamReader) -> bytes:
    read = bytearray()
    while len(read) < ANSWER_BYTES_MAX:
        part = await content.read(ANSWER_BYTES_MAX - len(read))
        if not part:
            break
        read += part
    return bytes(read)


def _spelled(error: Exception) -> InvalidError | UnavailableError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RefusedAddressError):
            return InvalidError(_REFUSED)
        cause = cause.__cause__ or getattr(cause, "os_error", None)
    if isinstance(error, asyncio.TimeoutError):
        return UnavailableError("no answer in time")
    # What a certificate is wrong about is an error of values too, but may be mended over there.
    if isinstance(error, aiohttp.InvalidURL) or not isinstance(
        error, aiohttp.ClientError | OSError
    ):
        return InvalidError(f"the address cannot be used: {error}")
    return UnavailableError(f"not reached: {error}")
