"""Columns of quotas as the kernel takes and gives them, without an object per row (isp.md 4.11).

Names, types and flags in one place, and the call itself. Nothing is read or written here.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.core import quota
from farebox.domain.quotas import KERNEL_MODES, Policy

# Column and type code.
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


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a row has of its policy; `cal` is the table of its windows, if it needs one."""

    mode: int
    marks: int
    limit: int
    t1: int
    t2: int
    cal: int = -1


def terms_of(policy: Policy, cal: int = -1) -> Terms:
    """A policy as the kernel takes it."""
    marks = policy.excludes_upload * quota.EXCLUDE_UPLOAD + policy.carries * quota.CARRY
    return Terms(
        mode=KERNEL_MODES[policy.mode], marks=marks, limit=policy.limit, t1=policy.first,
        t2=policy.second, cal=cal,
    )  # fmt: skip


def spread(terms: Mapping[int, Terms], numbers: Sequence[int]) -> dict[str, Any]:
    """Columns of terms, a row for each of the numbers that they are known by."""
    columns: dict[str, Any] = {}
    for name in Terms.__struct_fields__:
        values = {number: getattr(one, name) for number, one in terms.items()}
        code = COLUMNS.get(name, "B")
        if len(values) == 1:
            columns[name] = array(code, values.values()) * len(numbers)
        else:
            columns[name] = array(code, map(values.__getitem__, numbers))
    return columns


class Answers(msgspec.Struct, frozen=True):
    """What the kernel says of the rows, and how many rolled, are over, switch and are invalid."""

    columns: dict[str, Any]
    rolled: int
    over: int
    switched: int
    invalid: int


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
