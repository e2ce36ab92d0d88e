"""The network learns of what has changed: other speeds, other attributes, ended users (isp.md 4.7).

A change that concerns open sessions leaves a job in its own transaction. The job works out anew
what applies, tells the sessions that hold something else, and writes down what they took together
with its own end. Silence is tried again with growing delays; a refusal is not, but the next change
of the subscriber's figures asks again, because what applies is still not what the network holds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from farebox.domain import attributes
from farebox.domain.errors import InvalidError
from farebox.domain.radius_packets import ACKS, COA, DISCONNECT, Content, Packet, content_of
from farebox.engine.metering import BANDWIDTH, Meter, rate_limit, read
from farebox.engine.network import Network
from farebox.storage import outbox
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWITCH: Final = "isp.switch"
END: Final = "isp.disconnect"
DELAYS_MS: Final = (30_000, 120_000, 600_000, 1_800_000, 7_200_000)
# The device cannot do what it was asked (RFC 5176 3.5).
_UNSUPPORTED: Final = (401, 406)
_SENT: Final = ("=", ":=", "+=")


async def emit(connection: Connection, meters: Mapping[str, Meter], now_ms: int) -> None:
    """Has the network told, where the figures of a subscriber ask for it; once."""
    for kind, meter in meters.items():
        if meter.verdict.is_switch and await connection.fetchval(
            SQL.begin, meter.subscriber, kind, now_ms
        ):
            payload = {"subscriber": meter.subscriber, "kind": kind, "tries": 0}
            await outbox.put(connection, SWITCH, payload, now_ms)


async def end(connection: Connection, number: int, now_ms: int) -> None:
    """Has the open sessions of a subscriber ended."""
    sessions = [row["id"] for row in await connection.fetch(SQL.open_sessions, number)]
    if sessions:
        payload = {"subscriber": number, "sessions": sessions, "tries": 0}
        await outbox.put(connection, END, payload, now_ms)


class Switching:
    """Runs the jobs."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], moving: Callable[[], int], network: Network
    ) -> None:
        """`moving` is the clock of jobs, which goes on where `clock` stands still."""
        self._pool = pool
        self._clock = clock
        self._moving = moving
        self._network = network

    async def switch(self, payload: dict[str, Any], attempt: int) -> None:
        """Tells the open sessions what applies to them now."""
        del attempt
        number, kind = payload["subscriber"], payload["kind"]
        async with self._pool.acquire() as connection:
            found = await read(connection, [number], self._clock(), kind)
            meter = found.get(number)
        if meter is None or not meter.verdict.is_switch:
            await self._pool.execute(SQL.close, number, kind)
            return
        active, column = meter.verdict.active, _column(kind)
        sessions = [row for row in await self._network.sessions(number) if row[column] != active]
        contents = await self._contents(number, kind, active, sessions)
        answers = await self._network.tell(sessions, COA, contents)
        took = [s["id"] for s, a in zip(sessions, answers, strict=True) if _is_ack(a, COA)]
        lost = [s["id"] for s, a in zip(sessions, answers, strict=True) if _is_unsupported(a)]
        is_silent = any(answer is None for answer in answers)
        async with transaction(self._pool) as connection:
            statement = SQL.applied_template if kind == BANDWIDTH else SQL.applied_attributes
            await connection.execute(statement, took, active)
            if lost and await connection.fetchval(SQL.falls_back, number):
                job = {"subscriber": number, "sessions": lost, "tries": 0}
                await outbox.put(connection, END, job, self._moving())
            if not is_silent or payload["tries"] >= len(DELAYS_MS):
                await connection.execute(SQL.close, number, kind)
        await self._again(SWITCH, payload, is_silent)

    async def end(self, payload: dict[str, Any], attempt: int) -> None:
        """Ends those sessions that are still open."""
        del attempt
        wanted = set(payload["sessions"])
        sessions = [
            row for row in await self._network.sessions(payload["subscriber"])
            if row["id"] in wanted
        ]  # fmt: skip
        answers = await self._network.tell(sessions, DISCONNECT, [[]] * len(sessions))
        over = [s["id"] for s, a in zip(sessions, answers, strict=True) if _is_ack(a, DISCONNECT)]
        await self._pool.execute(SQL.ended, over, self._clock())
        await self._again(END, payload, any(answer is None for answer in answers))

    async def _again(self, kind: str, payload: dict[str, Any], is_silent: bool) -> None:
        """Another job after a silence; InvalidError, which ends it visibly, after the last."""
        if not is_silent:
            return
        tries = payload["tries"]
        if tries >= len(DELAYS_MS):
            raise InvalidError("the device did not answer in any of the attempts")
        now_ms = self._moving()
        await outbox.put(
            self._pool, kind, {**payload, "tries": tries + 1}, now_ms,
            at_ms=now_ms + DELAYS_MS[tries],
        )  # fmt: skip

    async def _contents(
        self, number: int, kind: str, active: int, sessions: Sequence[Any]
    ) -> list[list[Content]]:
        """What each session is told."""
        if kind != BANDWIDTH:
            sets = await self._pool.fetchval(SQL.sets, number)
            told = [
                (one["attribute"], one["value"])
                for one in (sets[active - 1] if sets else ())
                if one["type"] == "reply" and one["equals"] in _SENT
            ]
            return [_spelled(told)] * len(sessions)
        template = await self._pool.fetchrow(SQL.template, active)
        return [_spelled(_speed(template, row["vendor"])) for row in sessions]


def _speed(template: Any, vendor: str | None) -> list[tuple[str, str]]:
    """A template in the words of a device's vendor."""
    if vendor == "mikrotik":
        return [("Mikrotik-Rate-Limit", rate_limit(template))]
    return [
        (f"WISPr-Bandwidth-Max-{way.title()}", str(template[f"{way}_kbps"] * 1000))
        for way in ("up", "down")
    ]


def _spelled(told: Sequence[tuple[str, str]]) -> list[Content]:
    """Attributes as they are sent; what the dictionary does not have cannot be."""
    known = [(attributes.find(name), value) for name, value in told]
    return [content_of(attribute, value) for attribute, value in known if attribute is not None]


def _column(kind: str) -> str:
    return "applied_template" if kind == BANDWIDTH else "applied_attributes"


def _is_ack(answer: Packet | None, code: int) -> bool:
    return answer is not None and answer.code == ACKS[code]


def _is_unsupported(answer: Packet | None) -> bool:
    return answer is not None and answer.error_cause in _UNSUPPORTED
