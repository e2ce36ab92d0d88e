"""Talks with the devices of the network: open sessions, statistics (isp.md 4.7, E31, E36).

One request for each open session, all at once; a session that its device no longer knows is
closed. Secrets of devices are opened only here. Port 0 means the demonstration's simulator, which
is refused where there is none.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from farebox.domain import attributes
from farebox.domain.errors import ConflictError, UnavailableError
from farebox.domain.radius_packets import (
    ACCESS_ACCEPT,
    ACKS,
    COA,
    STATUS_SERVER,
    Content,
    Packet,
    content_of,
)
from farebox.engine.limits import Limits
from farebox.engine.passwords_kept import unseal
from farebox.engine.sealing import Sealer, about
from farebox.engine.subscribers import SILENCE_MS, Subscribers
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
KINDS: Final = {"1": "Authentication", "2": "Accounting"}


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
        sessions = await self.sessions(number)
        if not sessions:
            raise ConflictError(f"User {number} is offline", "user_offline")
        if not any(session["coa_enabled"] for session in sessions):
            raise UnavailableError("No device takes requests", "radius_not_configured")
        answers = await self.tell(sessions, COA, [payload] * len(sessions))
        took = [a is not None and a.code == ACKS[COA] for a in answers]
        return took, any(answer is not None for answer in answers)

    async def sessions(self, number: int) -> list[Any]:
        """The open sessions of a subscriber, whoever he is, in the order of their start."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.sessions, number, self._clock(), SILENCE_MS))

    async def tell(
        self, sessions: Sequence[Any], code: int, contents: Sequence[Sequence[Content]]
    ) -> list[Packet | None]:
        """What each session's device answers; a session that it no longer knows is closed."""
        answers = await asyncio.gather(
            *(self._one(*one, code) for one in zip(sessions, contents, strict=True))
        )
        unknown = [
            session["id"]
            for session, answer in zip(sessions, answers, strict=True)
            if answer is not None and answer.error_cause == _SESSION_UNKNOWN
        ]
        if unknown:
            async with storage_errors():
                await self._pool.execute(SQL.close, unknown, self._clock())
        return answers

    async def _one(self, session: Any, payload: Sequence[Content], code: int) -> Packet | None:
        if not session["coa_enabled"]:
            return None
        named = [
            ("User-Name", session["username"]),
            ("Acct-Session-Id", session["acct_session_id"]),
        ]
        if session["identifier"]:
            named.append(("NAS-Identifier", session["identifier"]))
        else:
            named.append(("NAS-IP-Address", session["ip"]))
        if session["framed_ip"] is not None:
            named.append(("Framed-IP-Address", session["framed_ip"]))
        named.append(("Event-Timestamp", str(self._clock() // 1000)))
        contents = [*(_content(name, value) for name, value in named), *payload]
        device = self._device("nas", session["ip"], session["coa_port"], session)
        told = await self._radius.ask(
            device, code, secrets.randbelow(256), contents, wait_s=self.session_wait_s
        )
        return told.answer

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
            device, STATUS_SERVER, secrets.randbelow(256), [wanted],
            random=secrets.token_bytes(16), wait_s=self.statistics_wait_s,
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
