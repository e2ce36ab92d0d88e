"""Sessions of a batch of records, followed in memory and written down together (isp.md 4.9.1).

A record belongs to the open session of its subscriber under its name at its device; if there is
none, to the newest session under that name, whosever it is; if that has stopped before, it begins
a new one. What a session adds is told by its last counters, so records that come again add nothing.
The subscribers must be locked. Nothing is written until `write`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.domain.counters import Counts, Step, step
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
INTERIM: Final = "interim"
STOP: Final = "stop"
# The device says that it begins or ends, and with it all of its sessions.
CUTS: Final = {"on": "NAS-Reboot", "off": "NAS-Reboot"}
Key = tuple[str, int, str]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record of either kind, checked: with a `record_id` it is a delta, else cumulative."""

    user: str
    # None: the device has not said when.
    at_ms: int | None
    upload: int
    download: int
    account: str | None = None
    record_id: str | None = None
    nas: str = ""
    session: str = ""
    type: str = INTERIM
    session_time_s: int = 0
    has_gigawords: bool = False
    framed_ip: str | None = None
    mac: str | None = None
    cause: str | None = None


class _Session(msgspec.Struct, gc=False):
    """A session as far as it was followed; without an id it is not written down yet."""

    id: int | None
    account: str
    nas: int
    name: str
    subscriber: int
    started_ms: int
    updated_ms: int
    stopped_ms: int | None
    upload: int
    download: int
    time_s: int
    has_gigawords: bool
    framed_ip: str | None = None
    mac: str | None = None
    cause: str | None = None
    is_heard: bool = False
    is_stopped: bool = False


class Counting:
    """The sessions that a batch is about."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[Key, _Session] = {}
        self._begun: list[_Session] = []
        # Others of the same names have begun after these.
        self._ended: list[_Session] = []
        self._cuts: list[tuple[int, int, str]] = []
        self._devices: dict[tuple[str, str], int | None] = {}

    async def find_devices(self, named: Mapping[str, Iterable[str]]) -> None:
        """Gets to know devices by accounts and names."""
        pairs = sorted((account, name) for account, names in named.items() for name in names)
        if pairs:
            accounts, names = map(list, zip(*pairs, strict=True))
            for row in await self._connection.fetch(SQL.devices, accounts, names):
                self._devices[row["account"], row["name"]] = row["device"]

    def device(self, account: str, name: str) -> int | None:
        """A device's number; None if there is none."""
        return self._devices.get((account, name))

    async def find_open(self, subscribers: Sequence[int]) -> None:
        """Gets to know the open sessions of subscribers."""
        for row in await self._connection.fetch(SQL.open, subscribers):
            self._known[row[1], row[2], row[3]] = _session(row)

    async def find_named(self, keys: Iterable[Key]) -> set[int]:
        """Gets to know the newest sessions of these that are not known; their owners."""
        missing = [key for key in keys if key not in self._known]
        if not missing:
            return set()
        rows = await self._connection.fetch(SQL.named, *map(list, zip(*missing, strict=True)))
        for row in rows:
            self._known[row[1], row[2], row[3]] = _session(row)
        return {row["subscriber"] for row in rows}

    def cut(self, nas: int, at_ms: int, kind: str) -> None:
        """Ends all sessions of a device at an instant."""
        self._cuts.append((nas, at_ms, CUTS[kind]))
        for one in self._known.values():
            is_open = one.nas == nas and one.stopped_ms is None
            if is_open and one.started_ms < at_ms and one.updated_ms <= at_ms:
                one.stopped_ms, one.cause, one.is_stopped = at_ms, CUTS[kind], True

    def owner(self, key: Key, record: Record) -> int | None:
        """Whose the session of a record is; None if it would begin one."""
        found = self._known.get(key)
        return None if found is None or _is_over(found, record) else found.subscriber

    def follow(
        self, key: Key, record: Record, subscriber: int, now_ms: int
    ) -> tuple[int, str, int, int]:
        """Whose a record is, what kind of one (isp.md 4.9.1), and what it adds."""
        found = self._known.get(key)
        if found is not None and record.type == INTERIM and _goes_on(found, record):
            up, down = record.upload - found.upload, record.download - found.download
            kind = "new"
        else:
            if found is None or _is_over(found, record):
                found, last = self._begin(key, record, subscriber, now_ms), None
            else:
                last = Counts(found.updated_ms, found.upload, found.download)
            kind, up, down = _step(found, last, record, now_ms)
        if kind != "stale":
            at_ms = now_ms if record.at_ms is None else record.at_ms
            if kind != "duplicate" or record.at_ms is not None:
                found.updated_ms = at_ms
            found.upload, found.download = record.upload, record.download
            found.time_s, found.is_heard = record.session_time_s, True
            found.has_gigawords = found.has_gigawords or record.has_gigawords
            if record.type == STOP and found.stopped_ms is None:
                found.stopped_ms, found.is_stopped = at_ms, True
            found.cause = record.cause or found.cause
        return found.subscriber, kind, up, down

    def _begin(self, key: Key, record: Record, subscriber: int, now_ms: int) -> _Session:
        account, nas, name = key
        at_ms = now_ms if record.at_ms is None else record.at_ms
        started_ms = (at_ms - record.session_time_s * 1000) // 1000 * 1000
        if (before := self._known.get(key)) is not None:
            # Whatever a device says, the newest of its name has begun last.
            started_ms = max(started_ms, before.started_ms + 1)
            self._ended.append(before)
        made = _Session(
            id=None, account=account, nas=nas, name=name, subscriber=subscriber,
            started_ms=started_ms, updated_ms=at_ms,
            stopped_ms=None, upload=0, download=0, time_s=0, has_gigawords=False,
            framed_ip=record.framed_ip, mac=record.mac,
        )  # fmt: skip
        self._known[key] = made
        self._begun.append(made)
        return made

    async def write(self) -> None:
        """Writes everything down."""
        execute = self._connection.execute
        known = [one for one in (*self._known.values(), *self._ended) if one.id is not None]
        heard = [one for one in known if one.is_heard]
        if heard:
            await execute(
                SQL.go_on, numbers(one.id or 0 for one in heard),
                numbers(one.updated_ms for one in heard), numbers(one.upload for one in heard),
                numbers(one.download for one in heard), numbers(one.time_s for one in heard),
                numbers(one.has_gigawords for one in heard),
            )  # fmt: skip
        stopped = [(one.id, one.stopped_ms, one.cause) for one in known if one.is_stopped]
        if stopped:
            await execute(SQL.stop, *map(list, zip(*stopped, strict=True)))
        if self._cuts:
            await execute(SQL.cut, *map(list, zip(*self._cuts, strict=True)))
        if self._begun:
            rows = [
                (one.account, one.nas, one.name, one.subscriber, one.started_ms, one.updated_ms,
                 one.stopped_ms, one.upload, one.download, one.time_s, one.has_gigawords,
                 one.framed_ip, one.mac, one.cause)
                for one in self._begun
            ]  # fmt: skip
            await execute(SQL.begin, *map(list, zip(*rows, strict=True)))


def _goes_on(session: _Session, record: Record) -> bool:
    """Whether a record is simply the next of an open session; most are."""
    return (
        session.stopped_ms is None
        and record.at_ms is not None
        and record.at_ms > session.updated_ms
        and record.upload >= session.upload
        and record.download >= session.download
    )


def _is_over(session: _Session, record: Record) -> bool:
    """Whether a record is of another session than the one that has stopped."""
    if session.stopped_ms is None:
        return False
    if record.at_ms is None:
        return record.type == "start"
    return record.at_ms > session.stopped_ms


def _step(session: _Session, last: Counts | None, record: Record, now_ms: int) -> Step:
    """What a record adds to the last counters; without its own time it is told by the counters."""
    at_ms = record.at_ms
    if at_ms is None:
        at_ms = now_ms
        if last is not None:
            if record.session_time_s < session.time_s:
                return Step("stale", 0, 0)
            at_ms = last.at_ms
    counts = Counts(at_ms, record.upload, record.download)
    return step(last, counts, session.has_gigawords or record.has_gigawords)


def _session(row: Any) -> _Session:
    return _Session(*row)


def numbers(values: Iterable[int]) -> str:
    """Numbers as one text that PostgreSQL takes for an array: cheaper than an array's elements."""
    return "{" + repr(list(values))[1:-1] + "}"
