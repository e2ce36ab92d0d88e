"""Talks with the devices of the network: open sessions, statistics (isp.md 4.7, E31, E36).

One request for each open session, all at once; a session that its device no longer knows is
closed. Secrets of devices are opened only here. What does not fit into a request, such as a name
of 64 long letters, is left out of it: the session's id and the device say whom it is about. Port 0
means the demonstration's simulator, which is refused where there is none.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from farebox.domain import attributes
from farebox.domain.errors import ConflictError, InvalidError, UnavailableError
from farebox.domain.radius_packets import (
    ACCESS_ACCEPT,
    ACKS,
    COA,
    NAKS,
    STATUS_SERVER,
    Content,
    content_of,
)
from farebox.engine.limits import Limits
from farebox.engine.passwords_kept import unseal
from farebox.engine.sealing import Sealer, about
from farebox.engine.subscribers import Subscribers
from farebox.outbound.radius import Device, Exchange, Radius
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
_SESSION_UNKNOWN: Final = 503
_STATISTICS_TYPE: Final = 127
_REQUESTS: Final = ["Requests", "Accepts", "Rejects", "Challenges"]
_FAULTS: Final = ["Duplicate", "Malformed", "Invalid", "Dropped"]
# What a server of the vendor FreeRADIUS counts, by the number of the attribute.
COUNTERS: Final = {
    **{128 + at: f"Total-Access-{name}" for at, name in enumerate(_REQUESTS)},
    132: "Total-Auth-Responses",
    **{133 + at: f"Total-Auth-{name}-Requests" for at, name in enumerate(_FAULTS)},
    137: "Total-Auth-Unknown-Types",
    148: "Total-Accounting-Requests",
    149: "Total-Accounting-Responses",
    **{150 + at: f"Total-Acct-{name}-Requests" for at, name in enumerate(_FAULTS)},
    154: "Total-Acct-Unknown-Types",
}
_KINDS: Final = {
    "isp.nas": ("nas", SQL.keep_nas_secret),
    "isp.radius_server": ("radius", SQL.keep_server_secret),
}
_OF_ADDRESSES: Final = {
    "NAS": {4: "NAS-IP-Address", 6: "NAS-IPv6-Address"},
    "Framed": {4: "Framed-IP-Address", 6: "Framed-IPv6-Address"},
}
KINDS: Final = {"1": "Authentication", "2": "Accounting"}


# What became of a request: taken, refused, not answered; or the device takes none at all.
ACK, NAK, TIMEOUT, CLOSED = "ack", "nak", "timeout", "closed"


class Told(NamedTuple):
    """What a device said of a session."""

    word: str
    # Why it refused (RFC 5176 3.5), if it said so.
    cause: int | None = None

    @property
    def text(self) -> str:
        """As it is written down."""
        return self.word if self.cause is None else f"{self.word} {self.cause}"

    @property
    def is_unknown(self) -> bool:
        """Whether the device no longer knows the session."""
        return self.word == NAK and self.cause == _SESSION_UNKNOWN


async def open_sessions(
    connection: Connection | Pool, numbers: Sequence[int], now_ms: int
) -> list[Any]:
    """The open sessions of subscribers, of each in the order of their start."""
    return list(await connection.fetch(SQL.sessions, list(numbers), now_ms))


class Network:
    """Asks devices."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], sealer: Sealer, limits: Limits,
        simulators: Mapping[str, int],
    ) -> None:  # fmt: skip
        """`simulators` are the ports of `nas` and `radius` in a demonstration."""
        self._pool = pool
        self._clock = clock
        self._sealer = sealer
        self._limits = limits
        self._simulators = simulators
        self._radius = Radius()
        # How long a device has for its answer to one send; there are three.
        self.session_wait_s = 2.0
        self.statistics_wait_s = 1.0

    async def change(
        self, account: str, number: int, asked: Sequence[tuple[str, str]]
    ) -> tuple[list[bool], bool]:
        """Which open sessions took them, in the order of their start; whether any was heard of."""
        await Subscribers(self._pool, self._clock).get(account, number)
        payload = [_content(name, value) for name, value in asked]
        await self._limits.take("coa", str(number))
        async with storage_errors():
            sessions = await open_sessions(self._pool, [number], self._clock())
        if not sessions:
            raise ConflictError(f"User {number} is offline", "user_offline")
        if not any(session["coa_enabled"] for session in sessions):
            raise UnavailableError("No device takes requests", "radius_not_configured")
        answers = await asyncio.gather(*(self.ask(one, COA, payload) for one in sessions))
        pairs = list(zip(sessions, answers, strict=True))
        await self._close([one["id"] for one, told in pairs if told.is_unknown])
        took = [told.word == ACK for told in answers]
        return took, any(told.word == NAK for told in answers)

    async def ask(self, session: Any, code: int, payload: Sequence[Content]) -> Told:
        """What the device of a session answers; InvalidError when it cannot be asked this."""
        if not session["coa_enabled"]:
            return Told(CLOSED)
        device = self._device("nas", session["ip"], session["coa_port"], session)
        try:
            contents = [*self._named(session), *payload]
            told = await self._radius.ask(device, code, contents, wait_s=self.session_wait_s)
        except ValueError as error:
            raise InvalidError(str(error), "invalid_argument") from None
        if told.answer is None or told.answer.code not in (ACKS[code], NAKS[code]):
            return Told(TIMEOUT)
        if told.answer.code == ACKS[code]:
            return Told(ACK)
        return Told(NAK, told.answer.error_cause)

    def _named(self, session: Any) -> list[Content]:
        """Which session it is, and when it was asked."""
        nas = ("NAS-Identifier", session["identifier"] or "")
        if not nas[1]:
            nas = _OF_ADDRESSES["NAS"][ip_address(session["ip"]).version], session["ip"]
        framed = session["framed_ip"]
        kinds = _OF_ADDRESSES["Framed"]
        return [
            *_fitting("User-Name", session["username"]),
            _content("Acct-Session-Id", session["acct_session_id"]),
            *_fitting(*nas),
            *(_fitting(kinds[ip_address(framed).version], framed) if framed else ()),
            _content("Event-Timestamp", str(self._clock() // 1000)),
        ]

    async def _close(self, sessions: Sequence[int]) -> None:
        if sessions:
            async with storage_errors():
                await self._pool.execute(SQL.close, sessions, self._clock())

    async def statistics(self, account: str, kind: str, caller: str) -> list[str]:
        """What a server has counted, as lines."""
        await self._limits.take("radius-statistics", caller)
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.server, account)
        if row is None:
            raise UnavailableError("There is no RADIUS server", "radius_not_configured")
        device = self._device("radius", row["host"], row["status_port"], row)
        wanted = (attributes.FREERADIUS, _STATISTICS_TYPE, int(kind).to_bytes(4))
        told = await self._radius.ask(
            device, STATUS_SERVER, [wanted], random=secrets.token_bytes(16),
            wait_s=self.statistics_wait_s,
        )  # fmt: skip
        if told.answer is None or told.answer.code != ACCESS_ACCEPT:
            raise UnavailableError("The RADIUS server does not answer", "radius_timeout")
        return _lines(told, device, kind)

    async def keep_secret(
        self, connection: Connection, account: str, table: str, number: int, secret: str
    ) -> None:
        """Seals the secret of a device or server, in the transaction that writes it."""
        kind, statement = _KINDS[table]
        sealed = self._sealer.seal(secret.encode(), about(account, kind, number))
        await connection.execute(statement, number, sealed)

    def _device(self, kind: str, host: str, port: int, row: Any) -> Device:
        if port == 0:
            port = self._simulators.get(kind, 0)
            if port == 0:
                raise UnavailableError("There is no simulator here", "radius_not_configured")
        secret = unseal(self._sealer, row["account"], kind, row["device"], row["secret_sealed"])
        return Device(host, port, secret.encode())


def _content(name: str, value: str) -> Content:
    attribute = attributes.find(name)
    if attribute is None:
        raise ValueError(f"Unknown attribute {name}")
    return content_of(attribute, value)


def _fitting(name: str, value: str) -> list[Content]:
    """An attribute, where there is room for it."""
    try:
        return [_content(name, value)]
    except ValueError:
        return []


def _lines(told: Exchange, device: Device, kind: str) -> list[str]:
    answer = told.answer
    here, there = f"{told.here[0]}:{told.here[1]}", f"{device.host}:{device.port}"
    identifier = told.sent[1]
    counted = [
        f"{COUNTERS[number]} = {int.from_bytes(content)}"
        for vendor, number, content in (answer.contents if answer else ())
        if vendor == attributes.FREERADIUS and number in COUNTERS
    ]
    return [
        f"Sent Status-Server Id {identifier} from {here} to {there} length {len(told.sent)}",
        "Message-Authenticator = 0x00",
        f"Statistics-Type = {KINDS[kind]}",
        "Response-Packet-Type = Access-Accept",
        f"Received Access-Accept Id {identifier} from {there} to {here} length {told.answer_bytes}",
        *counted,
    ]
