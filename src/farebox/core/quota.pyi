"""Quotas over columns: roll, measure and compare, one row per subscriber (isp.md 4.3, 4.11).

A pure rule: what it needs to know of the calendar comes in as boundaries, the time as `now_ms`.
Instants are int64 milliseconds, quantities int64 bytes; an open end is NEVER_MS. Rows do not know
each other: permuted or divided input gives permuted or divided output.
"""

from typing import Final, final

from _typeshed import ReadableBuffer, WriteableBuffer

NEVER_MS: Final[int]  # 2**63 - 1
QUANTITY_MAX: Final[int]  # 2**60 - 1

# Rows at a time that this processor can do, the quickest way last.
LANES: Final[tuple[int, ...]]

# mode
DATA: Final[int]  # 0: up + down
UPLOAD_DOWNLOAD: Final[int]  # 1: the greater of the two
ALWAYS: Final[int]  # 2: no quota

# flags in
EXCLUDE_UPLOAD: Final[int]  # 1
CARRY: Final[int]  # 2
ACTIVE: Final[int]  # 4: the stored status
ONLINE: Final[int]  # 8
BILLING: Final[int]  # 16

# flags out
OVER: Final[int]  # 1
ROLLED: Final[int]  # 2: the caller zeroes up, down and topup when it stores the row
SWITCH: Final[int]  # 4
LEVEL_LOW: Final[int]  # 8
LEVEL_HIGH: Final[int]  # 16: implies LEVEL_LOW
UNLIMITED: Final[int]  # 32
STALE_CYCLE: Final[int]  # 64
CAL_RANGE: Final[int]  # 128: now is outside the row's table; not evaluated
INVALID: Final[int]  # 256: not evaluated

@final
class Calendars:
    def __init__(self, offsets: ReadableBuffer, boundaries: ReadableBuffer) -> None:
        """int64[ncal + 1] and int64[]: table i is boundaries[offsets[i]:offsets[i + 1]].

        ValueError if offsets do not divide the boundaries or a table does not ascend.
        """
    def __len__(self) -> int: ...

def evaluate(
    now_ms: int,
    calendars: Calendars,
    *,
    mode: ReadableBuffer,
    flags: ReadableBuffer,
    limit: ReadableBuffer,
    topup: ReadableBuffer,
    carried: ReadableBuffer,
    up: ReadableBuffer,
    down: ReadableBuffer,
    period_start: ReadableBuffer,
    period_end: ReadableBuffer,
    cal: ReadableBuffer,
    t1: ReadableBuffer,
    t2: ReadableBuffer,
    applied: ReadableBuffer,
    bill_start: ReadableBuffer | None = None,
    bill_end: ReadableBuffer | None = None,
    expires: ReadableBuffer | None = None,
    low: int = 80,
    high: int = 100,
    out_active: WriteableBuffer,
    out_used: WriteableBuffer,
    out_effective: WriteableBuffer,
    out_remaining: WriteableBuffer,
    out_period_start: WriteableBuffer,
    out_period_end: WriteableBuffer,
    out_carried: WriteableBuffer,
    out_flags: WriteableBuffer,
    threads: int = 1,
    lanes: int = 0,
) -> tuple[int, int, int, int]:
    """Every row by the rule of 4.3, without the interpreter lock; how many rolled, are over, are to
    be switched and are invalid.

    mode, flags uint8; cal, t1, t2, applied int32; all else in int64. Out: active int32, flags
    uint16, all else int64; a column going out must not be one coming in. `remaining` is -1 where
    there is no limit. Thresholds are 0 <= low <= high <= 100 percent. Whatever `lanes` (0 is the
    last of LANES), the answers are the same.

    Wrong type, length, contiguity, threshold or lanes is a ValueError before any work. A wrong row
    is INVALID, one whose table does not cover now CAL_RANGE; of both, period and carried stay.
    """

def evaluate_one(
    now_ms: int,
    span: tuple[int, int, int] | None,
    *,
    mode: int,
    flags: int,
    limit: int,
    topup: int,
    carried: int,
    up: int,
    down: int,
    period_start: int,
    period_end: int,
    t1: int,
    t2: int,
    applied: int,
    bill_start: int,
    bill_end: int,
    expires: int,
    low: int = 80,
    high: int = 100,
) -> tuple[int, int, int, int, int, int, int, int]:
    """One row by the rule of 4.3, without columns: what `evaluate` says of it where it is alone.

    `span` is a table of three boundaries in place of `cal`. Gives active, used, effective,
    remaining, period_start, period_end, carried and flags. ValueError for thresholds as there and
    a span that does not ascend; OverflowError for a number that its column would not hold.
    """
