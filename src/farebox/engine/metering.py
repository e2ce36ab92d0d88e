"""What subscribers have used, what is left, and which speed applies (isp.md 4.1 to 4.5).

Figures are worked out at the instant of the question: a window or cycle that has ended is rolled
in the answer even if nobody has written it down yet, so lazy and prompt give the same. A policy
that changed since the figures were written is applied as isp.md 4.4 says. Reading writes nothing.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import msgspec

from farebox.domain import cycles, wall_clocks
from farebox.domain.quotas import (
    Policy,
    Span,
    Standing,
    Usage,
    Verdict,
    changed,
    evaluate,
    starting,
    window,
)
from farebox.engine.subscribers import SILENCE_MS
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
BANDWIDTH: Final = "bandwidth"
VENDOR: Final = "vendor"


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """A billing cycle and what was used in it."""

    reset_type: str
    start_ms: int | None = None
    end_ms: int | None = None
    upload: int = 0
    download: int = 0


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
    rows = await connection.fetch(SQL.meters, list(subscribers), now_ms, kind, SILENCE_MS)
    begun = {row["id"]: _begin(row, now_ms) for row in rows if row["policy"] is not None}
    # Whose window is not the written one: his days since it began are added up.
    fresh = [(number, day) for number, (_, day) in begun.items() if day is not None]
    sums = await _sums(connection, fresh)
    meters = {}
    for row in rows:
        if row["id"] in begun:
            usage, _ = begun[row["id"]]
            upload, download = sums.get(row["id"], (usage.upload, usage.download))
            whole = msgspec.structs.replace(usage, upload=upload, download=download)
            meters[row["id"]] = _meter(row, whole, now_ms)
    return meters


async def _sums(
    connection: Connection, fresh: Sequence[tuple[int, date]]
) -> dict[int, tuple[int, int]]:
    if not fresh:
        return {}
    numbers, days = zip(*fresh, strict=True)
    rows = await connection.fetch(SQL.sums, list(numbers), list(days))
    return {row["subscriber"]: (row["upload"], row["download"]) for row in rows}


def policy_in(row: Any) -> Policy:
    """The policy in force: an override, else that of the group's profile."""
    return msgspec.convert(row["policy"], Policy)


def _begin(row: Any, now_ms: int) -> tuple[Usage, date | None]:
    """The window as written, or the one he is in; then also the first day to be added up."""
    policy, zone = policy_in(row), row["time_zone"]
    if row["window_start_ms"] is not None:
        written = Usage(
            start_ms=row["window_start_ms"], end_ms=row["window_end_ms"], upload=row["upload"],
            download=row["download"], topup=row["topup"], carried=row["carried"],
        )  # fmt: skip
        old = msgspec.convert(row["written_policy"], Policy)
        if old.rhythm == policy.rhythm:
            return changed(old, policy, written), None
    cycle = cycle_of(row, now_ms)
    bill = None if cycle.start_ms is None else (cycle.start_ms, cycle.end_ms or 2**63 - 1)
    start_ms, end_ms = starting(policy, zone, now_ms, row["since_ms"], bill)
    usage = Usage(start_ms=start_ms, end_ms=end_ms)
    if policy.every == "billing" and bill is not None:
        return msgspec.structs.replace(usage, upload=cycle.upload, download=cycle.download), None
    if policy.mode != "always" and policy.every == "never":
        return usage, None
    return usage, wall_clocks.day_of(start_ms, zone)


def _meter(row: Any, usage: Usage, now_ms: int) -> Meter:
    policy, zone = policy_in(row), row["time_zone"]
    cycle = cycle_of(row, now_ms)
    span: Callable[[int], Span] | None = None
    bill = None
    if policy.mode != "always" and policy.every == "billing" and cycle.start_ms is not None:
        bill = cycle.start_ms, cycle.end_ms or 2**63 - 1
    elif policy.mode != "always" and policy.every in ("daily", "weekly", "monthly"):
        span = partial(window, policy, zone)
    low, high = row["alert_thresholds"]
    standing = Standing(
        is_active=row["status"] == "active", is_online=row["is_online"],
        expires_ms=row["expires_at_ms"], applied=row["applied"], thresholds=(low, high),
    )  # fmt: skip
    return Meter(
        subscriber=row["id"], zone=zone, policy=policy, since_ms=row["since_ms"],
        source=row["source"], usage=usage,
        verdict=evaluate(policy, usage, standing, now_ms, span, bill), cycle=cycle,
        version=row["version"] or 0, applied=row["applied"],
    )  # fmt: skip


def cycle_of(row: Any, now_ms: int) -> Cycle:
    """The billing cycle at an instant; recurring ones of active subscribers go on by themselves."""
    reset_type = row["cycle_type"]
    if reset_type is None:
        return Cycle(reset_type=row["billing_reset_type"])
    cycle = Cycle(
        reset_type=reset_type, start_ms=row["cycle_start_ms"], end_ms=row["cycle_end_ms"],
        upload=row["cycle_upload"], download=row["cycle_download"],
    )  # fmt: skip
    expires_ms = row["expires_at_ms"]
    is_active = row["status"] == "active" and (expires_ms is None or now_ms < expires_ms)
    if reset_type not in cycles.RECURRING or not is_active or now_ms < (cycle.end_ms or 0):
        return cycle
    start_ms, end_ms = cycles.containing(
        reset_type, row["cycle_anchor_ms"], now_ms, row["time_zone"]
    )
    return Cycle(reset_type=reset_type, start_ms=start_ms, end_ms=end_ms)


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
            await write(connection, kind, found, found.verdict.usage)
    return meters


async def write(connection: Connection, kind: str, meter: Meter, usage: Usage) -> None:
    """Writes a window's figures down under the policy of the meter.

    The window that has just ended is kept beside it, for records of it that come late.
    """
    previous = None
    if meter.verdict.is_rolled and meter.usage.end_ms == usage.start_ms:
        previous = {
            "policy": msgspec.to_builtins(meter.policy),
            "usage": msgspec.to_builtins(meter.usage),
        }
    await connection.execute(
        SQL.write, meter.subscriber, kind, usage.start_ms, usage.end_ms, usage.upload,
        usage.download, usage.topup, usage.carried, msgspec.to_builtins(meter.policy),
        meter.since_ms, previous,
    )  # fmt: skip


async def clear(connection: Connection, number: int, zone: str, now_ms: int) -> None:
    """Forgets what was used until now: window, cycle, and for later sums a floor."""
    await connection.execute(SQL.clear_states, number)
    await connection.execute(SQL.clear_cycle, number, now_ms)
    await connection.execute(SQL.lay_floor, number, now_ms, wall_clocks.day_of(now_ms, zone))
