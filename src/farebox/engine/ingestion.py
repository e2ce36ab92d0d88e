"""Stores what devices report, each record exactly once (vending-platform.md 4.8).

One batch is one transaction: the machines concerned are locked in the order of their ids, the keys
of the records decide what is new, and rows, cursors, shifts and jobs follow. Whatever the order,
the grouping or the repetition of reports, the stored rows come out the same; a batch that fails
stores nothing. A device may drop everything up to the cursor it is answered: what was rejected is
kept as a dead letter.

Every record is read at the place, currency and assortment that its machine has when it is stored.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final, Generic, TypeVar

import msgspec

from farebox.domain.errors import UnauthorizedError, UnavailableError
from farebox.domain.records import (
    AHEAD_MS_MAX,
    Event,
    Log,
    Record,
    Sale,
    fingerprint,
    hash_of,
    instant_ms,
)
from farebox.engine.access import Principal
from farebox.engine.ingestion_rows import Reported, Row, write_events, write_logs, write_sales
from farebox.engine.making_way import PATIENCE_S, Patience, Readers
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Batches stored at once where nobody reads; while somebody does it is one, for whoever asks waits
# for each of them at every step. And batches that may wait for that.
AT_ONCE: Final = 6
WAITING_MAX: Final = 200
# Of a dead letter's text; a longer one is cut.
_LETTER_CHARS_MAX: Final = 8192

R = TypeVar("R", bound=Record)
Touched = Callable[[Collection[int]], None]


class Fault(msgspec.Struct, frozen=True):
    """A record that could not be read."""

    remote: int | None
    reason: str


class Batch(msgspec.Struct, Generic[R]):
    """Records as they were read, beside the host names they were reported under."""

    records: Sequence[R | Fault]
    # None: the gateway itself.
    hostnames: Sequence[str | None]
    # What was sent, as canonical JSON, by place in the batch.
    raw: Callable[[int], bytes]


class Rejection(msgspec.Struct, frozen=True):
    """A record that is not stored, and why."""

    index: int
    remote: int | None
    reason: str
    machine: int | None


class Result(msgspec.Struct):
    """What became of a batch; accepted, duplicates and rejected together are all of it."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = []
    cursor: int = 0


class _Stream(msgspec.Struct, frozen=True):
    """What differs between the three streams besides their rows."""

    name: str
    number: int
    claim: str
    move: str
    synced: str


_SALES: Final = _Stream(
    "transactions", 1, SQL.claim_sales, SQL.move_sales, "revenuetransaction_synced"
)
_LOGS: Final = _Stream("logs", 2, SQL.claim_logs, SQL.move_logs, "log_synced")
_EVENTS: Final = _Stream("iotevents", 3, SQL.claim_events, SQL.move_events, "iotevent_synced")


class Ingestion:
    """Stores batches of sales, logs and events for gateways."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        *,
        touched: Touched = lambda _: None,
        readers: Readers | None = None,
        at_once: int = AT_ONCE,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """`touched` is told the machines of a batch once their new records are stored.

        `readers` are made way for.
        """
        self._pool = pool
        self._clock = clock
        self._touched = touched
        self._readers = readers or Readers()
        self._places = asyncio.Semaphore(at_once)
        self._narrow = asyncio.Semaphore(1)
        self._waiting = 0
        self._under_way = 0
        self._waiting_max = waiting_max
        # Records by stream and what became of them: a reason, where they were rejected.
        self.told: Counter[tuple[str, ...]] = Counter()

    async def sales(self, gateway: Principal, batch: Batch[Sale]) -> Result:
        """Stores sales with their payments."""
        return await self._store(gateway, batch, _SALES, write_sales)

    async def logs(self, gateway: Principal, batch: Batch[Log]) -> Result:
        """Stores logs; those that clear others resolve them."""
        return await self._store(gateway, batch, _LOGS, write_logs)

    async def events(self, gateway: Principal, batch: Batch[Event]) -> Result:
        """Stores events."""
        return await self._store(gateway, batch, _EVENTS, write_events)

    async def _store(
        self,
        gateway: Principal,
        batch: Batch[R],
        stream: _Stream,
        write: Callable[[Connection, list[Reported[R]], int, Patience], Awaitable[None]],
    ) -> Result:
        async with self._place() as patience, transaction(self._pool) as connection:
            now_ms = self._clock()
            machines = await _lock(connection, gateway, batch.hostnames)
            await patience.make_way()
            reported, rejected = _sort_out(gateway, batch, machines, now_ms)
            fresh, conflicts = await _claim(connection, stream, reported)
            rejected = sorted([*rejected, *conflicts], key=lambda one: one.index)
            await patience.make_way()
            if fresh:
                await write(connection, fresh, now_ms, patience)
            await patience.make_way()
            cursors = _cursors(stream, reported, rejected, machines)
            await _move(connection, stream, cursors, fresh)
            await _bury(connection, stream, gateway, batch, rejected, now_ms)
        if fresh:
            self._touched({one.machine["id"] for one in fresh})
        own = machines[gateway.name.lower()]
        duplicates = len(batch.records) - len(fresh) - len(rejected)
        self.told[stream.name, "accepted"] += len(fresh)
        self.told[stream.name, "duplicate"] += duplicates
        for one in rejected:
            self.told[stream.name, one.reason] += 1
        return Result(
            accepted=len(fresh),
            duplicates=duplicates,
            rejected=rejected,
            # What is below it was reported for every machine of the batch.
            cursor=min(cursors.values()) if cursors else own[stream.synced],
        )

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[Patience]:
        """Waits for a place; UnavailableError (busy) where too many wait already.

        Each batch has more patience with readers than those before it, so that batches that were
        under way together go on one after the other.
        """
        if self._waiting >= self._waiting_max:
            raise UnavailableError("Too many batches come at once; try again", "busy")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            async with self._narrow if self._readers.are_here() else nullcontext():
                self._under_way += 1
                try:
                    yield self._readers.patience(PATIENCE_S * self._under_way)
                finally:
                    self._under_way -= 1
        finally:
            self._places.release()


async def _lock(
    connection: Connection, gateway: Principal, hostnames: Sequence[str | None]
) -> dict[str, Row]:
    """The gateway and the named machines behind it by lower-case host name, locked by id."""
    # No machine has a name with NUL, and no statement takes one.
    asked = (name.strip().lower() for name in hostnames if name and "\0" not in name)
    names = {gateway.name.lower(), *asked}
    rows = await connection.fetch(SQL.lock_machines, gateway.machine, [*names])
    machines = {row["name_key"]: row for row in rows}
    if gateway.name.lower() not in machines:
        raise UnauthorizedError("This device no longer exists", "token_revoked")
    return machines


def _sort_out(
    gateway: Principal, batch: Batch[R], machines: Mapping[str, Row], now_ms: int
) -> tuple[list[Reported[R]], list[Rejection]]:
    """The records that can be stored, and those that cannot whatever is stored already."""
    reported: list[Reported[R]] = []
    rejected: list[Rejection] = []
    own, latest_ms = gateway.name.lower(), now_ms + AHEAD_MS_MAX
    for index, record in enumerate(batch.records):
        hostname = batch.hostnames[index]
        machine = machines.get(own if hostname is None else hostname.strip().lower())
        if machine is None:
            rejected.append(Rejection(index, record.remote, "unknown_machine", None))
        elif isinstance(record, Fault):
            rejected.append(Rejection(index, record.remote, record.reason, machine["id"]))
        elif (at_ms := instant_ms(record, machine["time_zone"])) > latest_ms:
            reason = "occurred_in_future"
            rejected.append(Rejection(index, record.remote, reason, machine["id"]))
        else:
            reported.append(Reported(index, record, machine, at_ms, fingerprint(record)))
    return reported, rejected


async def _claim(
    connection: Connection, stream: _Stream, reported: list[Reported[R]]
) -> tuple[list[Reported[R]], list[Rejection]]:
    """The records nobody has stored, with ids for their rows, and those stored differently."""
    if not reported:
        return [], []
    rows = await connection.fetch(
        stream.claim,
        [one.machine["id"] for one in reported],
        [one.record.remote for one in reported],
        [one.hash for one in reported],
    )
    ids = {(row["machine"], row["remote"]): row["row_id"] for row in rows}
    fresh: list[Reported[R]] = []
    known: list[Reported[R]] = []
    for one in reported:
        one.id = ids.get((one.machine["id"], one.record.remote), 0)
        (fresh if one.id else known).append(one)
    if not known:
        return fresh, []
    different = await connection.fetch(
        SQL.find_conflicts,
        stream.number,
        [one.machine["id"] for one in known],
        [one.record.remote for one in known],
        [one.hash for one in known],
    )
    told = {(row["machine"], row["remote"]) for row in different}
    return fresh, [
        Rejection(one.index, one.record.remote, "conflict", one.machine["id"])
        for one in known
        if (one.machine["id"], one.record.remote) in told
    ]


def _cursors(
    stream: _Stream,
    reported: Sequence[Reported[R]],
    rejected: Sequence[Rejection],
    machines: Mapping[str, Row],
) -> dict[int, int]:
    """The new cursor of every machine that the batch speaks of."""
    cursors = {row["id"]: row[stream.synced] for row in machines.values()}
    spoken = {one.machine["id"] for one in reported}
    for one in reported:
        machine = one.machine["id"]
        cursors[machine] = max(cursors[machine], one.record.remote)
    for letter in rejected:
        if letter.machine is not None:
            spoken.add(letter.machine)
            cursors[letter.machine] = max(cursors[letter.machine], letter.remote or 0)
    return {machine: cursors[machine] for machine in spoken}


async def _move(
    connection: Connection,
    stream: _Stream,
    cursors: Mapping[int, int],
    fresh: Sequence[Reported[R]],
) -> None:
    """Moves the cursors of machines, and what they remember as newest, forward."""
    newest: dict[int, Reported[R]] = {}
    for one in fresh:
        machine = one.machine["id"]
        if machine not in newest or (one.at_ms, one.id) > _when(newest[machine]):
            newest[machine] = one
    rows = [(machine, cursors[machine], newest.get(machine)) for machine in sorted(cursors)]
    await connection.execute(
        stream.move,
        [machine for machine, _, _ in rows],
        [cursor for _, cursor, _ in rows],
        [one and one.id for _, _, one in rows],
        [one and one.at_ms for _, _, one in rows],
    )


def _when(one: Reported[R]) -> tuple[int, int]:
    return one.at_ms, one.id


async def _bury(
    connection: Connection,
    stream: _Stream,
    gateway: Principal,
    batch: Batch[R],
    rejected: Sequence[Rejection],
    now_ms: int,
) -> None:
    """Keeps what was rejected, once."""
    if not rejected:
        return
    raw = [batch.raw(one.index) for one in rejected]
    await connection.execute(
        SQL.bury,
        gateway.machine,
        stream.number,
        now_ms,
        [one.machine for one in rejected],
        [one.remote for one in rejected],
        [hash_of(text) for text in raw],
        [one.reason for one in rejected],
        [text.decode(errors="replace")[:_LETTER_CHARS_MAX] for text in raw],
    )
