"""What subscribers have used, what is left, and which speed applies (isp.md 4.1 to 4.5).

Figures are worked out at the instant of the question: a window or cycle that has ended is rolled
in the answer even if nobody has written it down yet, so lazy and prompt give the same. Terms that
have changed since the figures were written are gone through in order, each from its own instant
on. Reading writes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import msgspec

from farebox.domain import wall_clocks
from farebox.domain.cycles import Cycle
from farebox.domain.quotas import Policy, Standing, Usage, Verdict
from farebox.domain.tallies import Past, Tally
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
BANDWIDTH: Final = "bandwidth"
VENDOR: Final = "vendor"


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber's figures at an instant."""

    subscriber: int
    zone: str
    policy: Policy
    # Since when this policy is in force for him, and whose it is.
    since_ms: int
    source: str
    usage: Usage
    verdict: Verdict
    cycle: Cycle
    version: int
    # What the network holds for him.
    applied: int
    tally: Tally


class Metering:
    """Reads meters."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def read(self, subscribers: Sequence[int], kind: str = BANDWIDTH) -> dict[int, Meter]:
        """The meters of subscribers by their ids; of kind vendor only those who have one."""
        async with storage_errors(), self._pool.acquire() as connection:
            return await read(connection, subscribers, self._clock(), kind)

    async def templates(self, numbers: Sequence[int]) -> dict[int, Any]:
        """Bandwidth templates by their ids."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.templates, list(set(numbers)))
        return {row["id"]: row for row in rows}


async def read(
    connection: Connection, subscribers: Sequence[int], now_ms: int, kind: str = BANDWIDTH
) -> dict[int, Meter]:
    """The meters of subscribers, by id."""
    rows = await tallies(connection, subscribers, now_ms, kind)
    meters = {}
    for row, tally in rows:
        usage, verdict = tally.usage, tally.roll(now_ms)
        meters[row["subscriber"]] = Meter(
            subscriber=row["subscriber"], zone=tally.zone, policy=tally.policy,
            since_ms=tally.since_ms,
            source="profile" if row["own_policy"] is None else "override", usage=usage,
            verdict=verdict, cycle=tally.cycles(now_ms)[-1], version=row["version"] or 0,
            applied=row["applied"], tally=tally,
        )  # fmt: skip
    return meters


async def tallies(
    connection: Connection, subscribers: Sequence[int], now_ms: int, kind: str,
    begun_ms: Mapping[int, int] | None = None,
) -> list[tuple[Any, Tally]]:  # fmt: skip
    """Rows and tallies of subscribers under the terms of an instant, not yet moved on to it.

    Whoever has no window begins with the one of the instant that `begun_ms` has for him.
    """
    rows = await connection.fetch(SQL.meters, list(subscribers), now_ms, kind)
    turned = [
        row["subscriber"] for row in rows
        if row["window_start_ms"] is not None and not row["is_settled"]
    ]  # fmt: skip
    turns = defaultdict(list)
    if turned:
        for turn in await connection.fetch(SQL.turns, turned, kind, now_ms):
            turns[turn["subscriber"]].append(turn)
    sums = _Sums()
    made = {}
    for is_again in (False, True):
        for row in rows:
            number = row["subscriber"]
            if not is_again or number in sums.asked:
                at_ms = now_ms if begun_ms is None else begun_ms[number]
                made[number] = _tally(row, turns[number], now_ms, at_ms, sums)
        if not sums.asked:
            break
        await sums.fetch(connection)
    return [(row, made[row["subscriber"]]) for row in rows]


def _tally(row: Any, turns: Sequence[Any], now_ms: int, begun_ms: int, sums: "_Sums") -> Tally:
    """The figures as written, taken through what has changed since."""
    of_him = partial(sums.since, row["subscriber"])
    present = msgspec.convert(row["policy"], Policy)
    tally = Tally(
        policy=present, zone=row["zone"], since_ms=row["since_ms"],
        created_ms=row["created_at_ms"], standing=_standing(row), cycle=cycle_of(row),
        usage=Usage(start_ms=0, end_ms=1),
    )  # fmt: skip
    if row["window_start_ms"] is None:
        tally.begin(begun_ms, of_him)
        return tally
    tally.since_ms = row["written_since_ms"]
    tally.usage = Usage(
        start_ms=row["window_start_ms"], end_ms=row["window_end_ms"], upload=row["upload"],
        download=row["download"], topup=row["topup"], carried=row["carried"],
    )  # fmt: skip
    if row["previous"] is not None:
        tally.previous = msgspec.convert(row["previous"], Past)
    if row["is_settled"]:
        return tally
    tally.policy = msgspec.convert(row["written_policy"], Policy)
    tally.zone = row["written_zone"]
    for turn in turns:
        tally.roll(turn["at_ms"])
        policy = row["own_policy"] or turn["policy"]
        zone = row["own_zone"] or turn["zone"]
        tally.turn(msgspec.convert(policy, Policy), zone, turn["at_ms"], of_him)
    tally.turn(present, row["zone"], now_ms, of_him)
    return tally


class _Sums:
    """What was used since days: asked for first, fetched together, then known."""

    def __init__(self) -> None:
        self.asked: dict[int, set[date]] = defaultdict(set)
        self._known: dict[tuple[int, date], tuple[int, int]] = {}

    def since(self, number: int, day: date) -> tuple[int, int]:
        """Upload and download of a subscriber; nothing as long as it is not fetched."""
        if (number, day) not in self._known:
            self.asked[number].add(day)
        return self._known.get((number, day), (0, 0))

    async def fetch(self, connection: Connection) -> None:
        """Gets to know what was asked for."""
        pairs = [(number, day) for number, days in self.asked.items() for day in days]
        rows = await connection.fetch(SQL.sums, *(list(each) for each in zip(*pairs, strict=True)))
        self._known = {
            (row["subscriber"], row["since"]): (row["upload"], row["download"]) for row in rows
        }


def _standing(row: Any) -> Standing:
    low, high = row["alert_thresholds"]
    return Standing(
        is_active=row["status"] == "active", is_online=row["is_online"],
        expires_ms=row["expires_at_ms"], applied=row["applied"], thresholds=(low, high),
    )  # fmt: skip


def cycle_of(row: Any) -> Cycle:
    """The billing cycle that was written down last."""
    if row["cycle_type"] is None:
        return Cycle(reset_type=row["billing_reset_type"])
    return Cycle(
        reset_type=row["cycle_type"], start_ms=row["cycle_start_ms"], end_ms=row["cycle_end_ms"],
        anchor_ms=row["cycle_anchor_ms"], upload=row["cycle_upload"],
        download=row["cycle_download"],
    )  # fmt: skip


def rate_limit(template: Any) -> str:
    """A template as a router of the vendor mikrotik reads it: upload first (isp.md 4.7)."""

    def pair(name: str, factor: int = 1000) -> str:
        unit = "s" if name.startswith("burst_time") else "kbps"
        both = [template[f"{name}{way}_{unit}"] * factor for way in ("up", "down")]
        return f"{both[0]}/{both[1]}" if any(both) else "0"

    least = pair("min_")
    parts = (
        pair(""), pair("burst_"), pair("burst_threshold_"), pair("burst_time_", 1),
        str(template["priority"]), pair("") if least == "0" else least,
    )  # fmt: skip
    return " ".join(parts)


async def settle(connection: Connection, number: int, now_ms: int) -> dict[str, Meter]:
    """Writes a subscriber's figures down as they are at an instant, before an input changes.

    Gives the meters by kind. His row must be locked.
    """
    meters = {}
    for kind in (BANDWIDTH, VENDOR):
        found = (await read(connection, [number], now_ms, kind)).get(number)
        if found is not None:
            meters[kind] = found
            await write(connection, kind, {number: found.tally}, now_ms)
    return meters


async def write(connection: Connection, kind: str, moved: Mapping[int, Tally], now_ms: int) -> None:
    """Writes figures down that were moved on to an instant, and cycles that have begun by then."""
    if not moved:
        return
    rows = [
        (
            number, one.usage.start_ms, one.usage.end_ms, one.usage.upload, one.usage.download,
            one.usage.topup, one.usage.carried, msgspec.to_builtins(one.policy), one.since_ms,
            None if one.previous is None else msgspec.to_builtins(one.previous), one.zone,
        )
        for number, one in moved.items()
    ]  # fmt: skip
    await connection.execute(SQL.write, kind, now_ms, *map(list, zip(*rows, strict=True)))
    last = [(number, one.cycle, one.cycles(now_ms)[-1]) for number, one in moved.items()]
    begun = [
        (number, now.start_ms, now.end_ms, now.reset_type, now.anchor_ms)
        for number, before, now in last if now is not before
    ]  # fmt: skip
    if begun:
        await connection.execute(SQL.begin_cycles, *map(list, zip(*begun, strict=True)))


async def clear(connection: Connection, number: int, zone: str, now_ms: int) -> None:
    """Forgets what was used until now: window, cycle, and for later sums a floor."""
    await connection.execute(SQL.clear_states, number)
    await connection.execute(SQL.clear_cycle, number, now_ms)
    await connection.execute(SQL.lay_floor, number, now_ms, wall_clocks.day_of(now_ms, zone))
