"""Evaluates alert observers and tells people once per edge (vending-platform.md 4.7).

Machines whose records changed are looked at a moment later, all of them every minute. A pair of
observer and machine begins to fire when its condition becomes true: that moment sends one mail to
each active recipient, in the transaction that notes it. Any number of servers may look at once,
the numbered edges of a pair see to it that one of them acts.

With opening hours a window is so much open time, reaching back 60 days at most; only the times of
logs that must have occurred are held against the hours, as documented, not those of sales.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from farebox.domain.alerts import SUBJECT_KEY, TEXT_KEY, UNIT_MS, Alert, mail
from farebox.domain.instants import wall_text
from farebox.domain.opening import SEARCH_MS, Hours, Span, open_spans, window_start
from farebox.domain.windows import zone
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWEEP_S: Final = 60.0
_CHUNK: Final = 2000
_PAUSE_S: Final = 0.2
_log = structlog.get_logger("farebox.watching")
_encode = msgspec.json.Encoder().encode


class Pair(msgspec.Struct, frozen=True):
    """An observer at a machine: its rule and what is known of its last edge."""

    alertobserver: int
    machine: int
    kind: str
    timer: int
    timer_type: int
    error: int | None
    occurs: int
    payment_method: str | None
    opening_hours: bool
    since_ms: int
    is_firing: bool
    edges: int
    time_zone: str


@dataclass
class Calendars:
    """The open spans that end now, worked out once for all machines that keep the same hours."""

    now_ms: int
    hours: dict[int, Hours]
    _spans: dict[tuple[Hours, str], list[Span]] = field(default_factory=dict)

    def start(self, pair: Pair) -> int:
        """Where the pair's window begins; the instant itself lies outside."""
        window_ms = pair.timer * UNIT_MS[pair.timer_type]
        hours = self._hours(pair)
        if not hours:
            return self.now_ms - window_ms
        return window_start(self._all(hours, pair.time_zone), self.now_ms, window_ms)

    def spans(self, pair: Pair) -> list[Span]:
        """The spans of the pair's window in which logs count; both ends belong to a span."""
        start, hours = self.start(pair), self._hours(pair)
        if not hours:
            return [(start + 1, self.now_ms)]
        spans = open_spans(hours, pair.time_zone, start + 1, self.now_ms + 1)
        return [(low, high - 1) for low, high in spans]

    def _hours(self, pair: Pair) -> Hours:
        return self.hours.get(pair.machine, ()) if pair.opening_hours else ()

    def _all(self, hours: Hours, time_zone: str) -> list[Span]:
        key = (hours, time_zone)
        if key not in self._spans:
            begin = self.now_ms - SEARCH_MS
            self._spans[key] = open_spans(hours, time_zone, begin, self.now_ms)
        return self._spans[key]


class Watching:
    """Looks at observers, on demand and every minute."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock
        self._touched: set[int] = set()
        self._awake = asyncio.Event()

    def touch(self, machines: Collection[int]) -> None:
        """Records of these machines changed: they are looked at in a moment."""
        if machines:
            self._touched.update(machines)
            self._awake.set()

    async def run(self) -> None:
        """Look at what was touched, for ever; what is missed is found by the next sweep."""
        while True:
            await self._awake.wait()
            # Batches of many gateways are looked at together.
            await asyncio.sleep(_PAUSE_S)
            self._awake.clear()
            try:
                await self.settle()
            except Exception as error:  # noqa: BLE001 - the next look may do better
                _log.error("watching.failed", error=f"{type(error).__name__}: {error}")

    async def settle(self) -> int:
        """Look at what was touched, now; returns how many began to fire."""
        touched, self._touched = self._touched, set()
        return await self.look(sorted(touched)) if touched else 0

    async def sweep(self) -> int:
        """Look at everything, because time alone makes conditions true and false."""
        return await self.look(None)

    async def look(self, machines: Sequence[int] | None) -> int:
        """Evaluate the observers of machines, or all; returns how many began to fire."""
        fired = 0
        async for pairs in self._all_pairs() if machines is None else self._pairs_at(machines):
            fired += await self._evaluate(pairs)
        return fired

    async def _all_pairs(self) -> AsyncIterator[list[Pair]]:
        after = (0, 0)
        while rows := await self._pool.fetch(SQL.pairs, *after, _CHUNK):
            yield [Pair(**row) for row in rows]
            after = (rows[-1]["alertobserver"], rows[-1]["machine"])

    async def _pairs_at(self, machines: Sequence[int]) -> AsyncIterator[list[Pair]]:
        for first in range(0, len(machines), _CHUNK):
            rows = await self._pool.fetch(SQL.pairs_at, machines[first : first + _CHUNK])
            for start in range(0, len(rows), _CHUNK):
                yield [Pair(**row) for row in rows[start : start + _CHUNK]]

    async def _evaluate(self, pairs: list[Pair]) -> int:
        now_ms = self._clock()
        calendars = Calendars(now_ms, await self._hours(pairs))
        held = await self._held(pairs, calendars)
        rising = [one for number, one in enumerate(pairs) if number in held and not one.is_firing]
        falling = [one for number, one in enumerate(pairs) if number not in held and one.is_firing]
        if falling:
            async with transaction(self._pool) as connection:
                await _hold(connection, falling)
                await connection.execute(SQL.rest, *_keys(falling))
        if not rising:
            return 0
        async with transaction(self._pool) as connection:
            return await _fire(connection, rising, now_ms)

    async def _hours(self, pairs: list[Pair]) -> dict[int, Hours]:
        machines = {one.machine for one in pairs if one.opening_hours}
        rows = await self._pool.fetch(SQL.hours, sorted(machines)) if machines else []
        return {
            row["machine"]: tuple(zip(row["days"], row["starts"], row["ends"], strict=True))
            for row in rows
        }

    async def _held(self, pairs: list[Pair], calendars: Calendars) -> set[int]:
        """The numbers of the pairs whose condition is true."""
        by_kind: dict[str, list[int]] = {}
        for number, pair in enumerate(pairs):
            by_kind.setdefault(pair.kind, []).append(number)
        held: set[int] = set()
        for kind, numbers in by_kind.items():
            held |= await getattr(self, f"_{kind}")(pairs, numbers, calendars)
        return held

    async def _event_occurrence(
        self, pairs: list[Pair], numbers: list[int], calendars: Calendars
    ) -> set[int]:
        spans = [(one, low, high) for one in numbers for low, high in calendars.spans(pairs[one])]
        return await self._ask(
            SQL.event_occurrence,
            [one for one, _, _ in spans],
            [pairs[one].machine for one, _, _ in spans],
            [pairs[one].error for one, _, _ in spans],
            [pairs[one].occurs for one, _, _ in spans],
            [low for _, low, _ in spans],
            [high for _, _, high in spans],
        )

    async def _event_non_resolution(
        self, pairs: list[Pair], numbers: list[int], calendars: Calendars
    ) -> set[int]:
        return await self._ask(
            SQL.event_non_resolution,
            numbers,
            [pairs[one].machine for one in numbers],
            [pairs[one].error for one in numbers],
            [calendars.start(pairs[one]) for one in numbers],
        )

    async def _event_non_occurrence(
        self, pairs: list[Pair], numbers: list[int], calendars: Calendars
    ) -> set[int]:
        watched = _watched(pairs, numbers, calendars)
        return await self._ask(
            SQL.event_non_occurrence,
            watched,
            [pairs[one].machine for one in watched],
            [pairs[one].error for one in watched],
            [calendars.start(pairs[one]) for one in watched],
            calendars.now_ms,
        )

    async def _transaction_occurrence(
        self, pairs: list[Pair], numbers: list[int], calendars: Calendars
    ) -> set[int]:
        return await self._ask(
            SQL.transactions,
            numbers,
            [pairs[one].machine for one in numbers],
            [pairs[one].payment_method for one in numbers],
            [pairs[one].occurs for one in numbers],
            [calendars.start(pairs[one]) for one in numbers],
            calendars.now_ms,
        )

    async def _transaction_non_occurrence(
        self, pairs: list[Pair], numbers: list[int], calendars: Calendars
    ) -> set[int]:
        watched = _watched(pairs, numbers, calendars)
        sold = await self._ask(
            SQL.transactions,
            watched,
            [pairs[one].machine for one in watched],
            [pairs[one].payment_method for one in watched],
            [1] * len(watched),
            [calendars.start(pairs[one]) for one in watched],
            calendars.now_ms,
        )
        return set(watched) - sold

    async def _ask(self, statement: str, *arguments: object) -> set[int]:
        return {row["pair"] for row in await self._pool.fetch(statement, *arguments)}


def _watched(pairs: list[Pair], numbers: list[int], calendars: Calendars) -> list[int]:
    """Those that have been watched for a whole window."""
    return [one for one in numbers if pairs[one].since_ms <= calendars.start(pairs[one])]


async def _hold(connection: Connection, pairs: list[Pair]) -> None:
    await connection.execute(SQL.hold_observers, [one.alertobserver for one in pairs])


def _keys(pairs: list[Pair]) -> tuple[list[int], list[int], list[int]]:
    return (
        [one.alertobserver for one in pairs],
        [one.machine for one in pairs],
        [one.edges for one in pairs],
    )


async def _fire(connection: Connection, pairs: list[Pair], now_ms: int) -> int:
    await _hold(connection, pairs)
    rows = await connection.fetch(SQL.fire, *_keys(pairs), now_ms)
    if not rows:
        return 0
    observers = [row["alertobserver"] for row in rows]
    machines = [row["machine"] for row in rows]
    await connection.execute(SQL.note_sent, observers, now_ms)
    letters = await connection.fetch(SQL.letters, observers, machines, SUBJECT_KEY, TEXT_KEY)
    mails = [_letter(letter, now_ms) for letter in letters]
    await connection.execute(SQL.post, mails, now_ms)
    return len(rows)


def _letter(row: Any, now_ms: int) -> str:
    told = {name: row[name] for name in Alert.__struct_fields__ if name != "time"}
    day, _, clock = wall_text(now_ms, zone(row["time_zone"])).partition("T")
    alert = Alert(**told, time=f"{day} {clock[:5]}")
    subject, text = mail(alert, row["language"], subject=row["subject"], text=row["text"])
    return _encode({"to": row["email"], "subject": subject, "text": text}).decode()
