"""Rows of quotas as columns for the kernel, without an object per row (isp.md 4.11).

PostgreSQL sends each column as the bytes of its numbers; they become buffers as they are. What a
row needs of the calendar is the window around the instant of the call, one for every distinct
policy and zone. Nothing is read or written here.
"""

import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.core import quota
from farebox.domain.quotas import Policy, Span, window

# Column and type code; B are small numbers, which come in two bytes.
COLUMNS: Final = {
    "mode": "B", "flags": "B", "limit": "q", "topup": "q", "carried": "q", "up": "q", "down": "q",
    "period_start": "q", "period_end": "q", "cal": "i", "t1": "i", "t2": "i", "applied": "i",
    "bill_start": "q", "bill_end": "q", "expires": "q",
}  # fmt: skip
RESULTS: Final = {
    "active": "i", "used": "q", "effective": "q", "remaining": "q", "period_start": "q",
    "period_end": "q", "carried": "q", "flags": "H",
}  # fmt: skip
# By bit, as isp.md 4.3 calls them.
FLAGS: Final = (
    "OVER", "ROLLED", "SWITCH", "LEVEL_LOW", "LEVEL_HIGH", "UNLIMITED", "STALE_CYCLE", "CAL_RANGE",
    "INVALID",
)  # fmt: skip

Columns = Mapping[str, "array[int]"]


class Answers(msgspec.Struct, frozen=True):
    """What the kernel says of the rows, and how many rolled, are over, switch and are invalid."""

    columns: dict[str, Any]
    rolled: int
    over: int
    switched: int
    invalid: int


def received(column: bytes | None, code: str) -> "array[int]":
    """A buffer of the numbers that PostgreSQL sent."""
    sent = column or b""
    if code == "B":
        return array("B", sent[1::2])
    numbers = array(code)
    numbers.frombytes(sent)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def evaluate(
    now_ms: int,
    calendars: quota.Calendars,
    columns: Columns,
    *,
    thresholds: Sequence[int] = (80, 100),
    threads: int = 1,
) -> Answers:
    """Every row by the rule of isp.md 4.3; ValueError where the columns do not fit each other."""
    rows = len(columns["mode"])
    out: dict[str, Any] = {
        name: array(code, bytes(rows * array(code).itemsize)) for name, code in RESULTS.items()
    }
    given: dict[str, Any] = dict(columns)
    low, high = thresholds
    counts = quota.evaluate(
        now_ms, calendars, **given, **{f"out_{name}": column for name, column in out.items()},
        low=low, high=high, threads=threads,
    )  # fmt: skip
    return Answers(out, *counts)


def names_of(flags: int) -> list[str]:
    """The flags of a row by their names."""
    return [name for bit, name in enumerate(FLAGS) if flags >> bit & 1]


class Windows:
    """Windows around one instant, each worked out once."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._known: dict[tuple[object, ...], Span] = {}

    def calendars(self, zones: Sequence[str], policies: Sequence[Any]) -> quota.Calendars:
        """A table for each policy in its zone; an empty one where no calendar is asked."""
        boundaries, offsets = array("q"), array("q", [0])
        for zone, written in zip(zones, policies, strict=True):
            policy = msgspec.convert(written, Policy)
            if policy.rhythm[0] in ("daily", "weekly", "monthly"):
                span = self._around(policy, zone)
                boundaries.extend((span.before_ms, span.start_ms, span.end_ms))
            offsets.append(len(boundaries))
        return quota.Calendars(offsets, boundaries)

    def _around(self, policy: Policy, zone: str) -> Span:
        key = (*policy.rhythm, zone)
        if key not in self._known:
            self._known[key] = window(policy, zone, self._now_ms)
        return self._known[key]
