"""What became of requests to the network is written down, a lot in one transaction (isp.md 4.7).

What a session took, the end of its switch and of the job are one commit. The subscribers are locked
and their figures read again first, so whatever changed while the devices were asked is seen: a
switch whose answer has become another one stays open and is due again at once. A silence is tried
again after growing delays and is at last a dead job; a refusal is not tried again, but the next
change or evaluation asks anew, because what applies is still not what the network holds.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from farebox.domain.radius_packets import COA, Content
from farebox.engine.metering import BANDWIDTH, VENDOR, Meter, read
from farebox.engine.network import ACK, CLOSED, NAK, TIMEOUT, Told, open_sessions
from farebox.engine.switching import END
from farebox.storage import outbox
from farebox.storage.outbox import Job
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
COLUMNS: Final = {BANDWIDTH: "applied_template", VENDOR: "applied_attributes"}
_APPLIED: Final = {BANDWIDTH: SQL.applied_templates, VENDOR: SQL.applied_attributes}
# The device cannot do what it was asked (RFC 5176 3.5).
_UNSUPPORTED: Final = (401, 406)


class Errand(msgspec.Struct, kw_only=True):
    """A job on its way: what its sessions are told, and what their devices say."""

    job: Job
    code: int
    sessions: list[Any]
    contents: list[list[Content]]
    # Of a switch: the template or set that applies, and the sets it is one of.
    target: int = 0
    sets: Any = None
    told: list[Told] = []
    # Which devices have to answer.
    devices: frozenset[int] = frozenset()
    # Why a device could not even be asked.
    fault: str = ""

    @property
    def subscriber(self) -> int:
        """Whom it is about."""
        number: int = self.job.payload["subscriber"]
        return number

    @property
    def kind(self) -> str:
        """What changes; empty when sessions are ended."""
        kind: str = self.job.payload.get("kind", "")
        return kind

    def whose(self, word: str, causes: Sequence[int] = ()) -> list[int]:
        """The sessions that were answered so, for one of these reasons if there are any."""
        return [
            session["id"]
            for session, told in zip(self.sessions, self.told, strict=True)
            if told.word == word and (not causes or told.cause in causes)
        ]


class End(NamedTuple):
    """What becomes of a job."""

    state: str
    due_ms: int | None = None
    error: str | None = None
    # Another change is told by the same job, with all its attempts.
    is_new: bool = False


async def write(
    connection: Connection, errands: Sequence[Errand], now_ms: int, due_ms: int,
    delays_ms: Sequence[int],
) -> None:  # fmt: skip
    """Writes down what has come of errands; `due_ms` is now on the clock of jobs."""
    await connection.execute(SQL.lock, [errand.subscriber for errand in errands])
    sets = await sets_of(connection, errands)
    for errand in errands:
        if errand.kind == VENDOR and sets.get(errand.subscriber) != errand.sets:
            # Sets have no names: what was taken is not of the present ones.
            errand.target = 0
    await _apply(connection, errands, now_ms)
    await _note(connection, errands, now_ms)
    await _fall_back(connection, errands, due_ms)
    ends = []
    closed = []
    rest = await _rest(connection, errands, now_ms)
    for errand in errands:
        found = _end(errand, rest.get(errand.job.id), due_ms, delays_ms)
        ends.append((errand.job.id, *found))
        if errand.kind and found.state != "pending":
            closed.append((errand.subscriber, errand.kind))
    await connection.execute(SQL.close, *_columns(closed, 2))
    await connection.execute(SQL.finish, *_columns(ends, 5), due_ms)


async def sets_of(connection: Connection, errands: Sequence[Errand]) -> dict[int, Any]:
    """The sets of attributes of those whose attributes are told."""
    numbers = [errand.subscriber for errand in errands if errand.kind == VENDOR]
    if not numbers:
        return {}
    rows = await connection.fetch(SQL.sets, numbers)
    return {row["subscriber"]: row["attributes"] for row in rows}


async def _apply(connection: Connection, errands: Sequence[Errand], now_ms: int) -> None:
    """What sessions hold now, and which are over."""
    over = []
    for kind, statement in _APPLIED.items():
        taken = [
            (session, errand.target)
            for errand in errands
            if errand.kind == kind
            for session in errand.whose(ACK)
        ]
        if taken:
            await connection.execute(statement, *_columns(taken, 2))
    for errand in errands:
        over += [
            session["id"]
            for session, told in zip(errand.sessions, errand.told, strict=True)
            if told.is_unknown or (told.word == ACK and errand.code != COA)
        ]
    if over:
        await connection.execute(SQL.over, sorted(over), now_ms)


async def _note(connection: Connection, errands: Sequence[Errand], now_ms: int) -> None:
    entries = [
        (errand.subscriber, errand.job.kind, told.text)
        for errand in errands
        for told in errand.told
        if told.word != CLOSED
    ]
    await connection.execute(SQL.note, *_columns(entries, 3), now_ms)


async def _fall_back(connection: Connection, errands: Sequence[Errand], due_ms: int) -> None:
    """Sessions that cannot be changed are ended, where the account wants that."""
    for errand in errands:
        lost = errand.whose(NAK, _UNSUPPORTED) if errand.code == COA else []
        if lost and await connection.fetchval(SQL.falls_back, errand.subscriber):
            payload = {"subscriber": errand.subscriber, "sessions": lost}
            await outbox.put(connection, END, payload, due_ms)


async def _rest(connection: Connection, errands: Sequence[Errand], now_ms: int) -> dict[int, bool]:
    """The switches that are still needed, by job: whether somebody has to be told anew."""
    rest = {}
    for kind in COLUMNS:
        concerned = [errand for errand in errands if errand.kind == kind]
        if not concerned:
            continue
        numbers = sorted({errand.subscriber for errand in concerned})
        meters = await read(connection, numbers, now_ms, kind)
        sessions = await sessions_of(connection, numbers, now_ms)
        for errand in concerned:
            meter = meters.get(errand.subscriber)
            if meter is not None and meter.verdict.is_switch:
                rest[errand.job.id] = _has_unasked(errand, meter, sessions[errand.subscriber])
    return rest


async def sessions_of(
    connection: Connection, numbers: Sequence[int], now_ms: int
) -> defaultdict[int, list[Any]]:
    """The open sessions of subscribers, by subscriber."""
    sessions = defaultdict(list)
    for row in await open_sessions(connection, numbers, now_ms):
        sessions[row["subscriber"]].append(row)
    return sessions


def _has_unasked(errand: Errand, meter: Meter, sessions: Sequence[Any]) -> bool:
    """Whether there are sessions that were not asked for what applies now."""
    active, column = meter.verdict.active, COLUMNS[errand.kind]
    asked = {session["id"] for session in errand.sessions} if errand.target == active else set()
    return any(row[column] != active and row["id"] not in asked for row in sessions)


def _end(errand: Errand, rest: bool | None, due_ms: int, delays_ms: Sequence[int]) -> End:
    """What becomes of the job of an errand."""
    if errand.fault:
        return End("dead", None, errand.fault)
    if rest:
        return End("pending", due_ms, None, is_new=True)
    is_needed = rest is not None or not errand.kind
    if is_needed and any(told.word == TIMEOUT for told in errand.told):
        tries = errand.job.attempt
        if tries <= len(delays_ms):
            return End("pending", due_ms + delays_ms[tries - 1], TIMEOUT)
        return End("dead", None, "the device did not answer in any of the attempts")
    refusals = [told.text for told in errand.told if told.word == NAK]
    return End("done", None, refusals[0] if refusals else None)


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as the columns of a statement."""
    return [[row[at] for row in rows] for at in range(width)]
