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
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.outbound.reach import REFUSED, Reach, RefusedAddressError

ANSWER_BYTES_MAX: Final = 65_536
TIMEOUT_S: Final = 10.0
# Headers that are ours or the connection's to say.
RESERVED_HEADERS: Final = frozenset((
    "host", "connection", "content-length", "content-type", "content-encoding", "accept-encoding",
    "transfer-encoding", "te", "trailer", "upgrade", "expect", "keep-alive", "idempotency-key",
    "x-signature",
))  # fmt: skip
_PORTS: Final = {"http": 80, "https": 443}
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)


class Reply(NamedTuple):
    """What the other side said: its status, and the beginning of its answer as text."""

    status: int
    text: str


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


class Webhook:
    """Posts through connections of its own.

    Listed networks, and targets (`host:port`), may be private and without TLS.
    """

    def __init__(
        self,
        networks: Sequence[str] = (),
        *,
        targets: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._reach = Reach(networks, targets)
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
            session = self._session(self._way(url))
            async with session.post(url, data=body, headers=sent, allow_redirects=False) as answer:
                start = await _start(answer.content)
                return Reply(answer.status, start.decode("utf-8", "replace"))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _spelled(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        for session in self._sessions.values():
            await session.close()

    def _way(self, url: str) -> str:
        """How an address is reached: by its scheme, or as a target that was listed."""
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        return "target" if self._reach.has_target(parts.hostname or "", port) else parts.scheme

    def _session(self, way: str) -> aiohttp.ClientSession:
        if way not in self._sessions:
            self._tls = self._tls or ssl.create_default_context()
            self._sessions[way] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._tls, limit=64, socket_factory=lambda to: self._socket(to, way)
                ),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._sessions[way]

    def _socket(self, to: Any, way: str) -> socket.socket:
        """A socket for an address that may be connected to, with TLS a public one, too."""
        family, kind, protocol, _, where = to
        address = ip_address(where[0].partition("%")[0])
        if way != "target" and not self._reach.is_open(address, is_safe=way == "https"):
            raise RefusedAddressError(REFUSED)
        return socket.socket(family, kind, protocol)


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
            return InvalidError(REFUSED)
        cause = cause.__cause__ or getattr(cause, "os_error", None)
    if isinstance(error, asyncio.TimeoutError):
        return UnavailableError("no answer in time")
    # What a certificate is wrong about is an error of values too, but may be mended over there.
    if isinstance(error, aiohttp.InvalidURL) or not isinstance(
        error, aiohttp.ClientError | OSError
    ):
        return InvalidError(f"the address cannot be used: {error}")
    return UnavailableError(f"not reached: {error}")
