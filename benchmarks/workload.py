"""Seeded workloads: codes, fleets of vouchers, traffic on them. The same seed is the same workload.

Everything is made in columns, so that ten million vouchers take seconds; nothing here is timed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
NEVER_MS = 2**63 - 1
# 2026-03-10T09:00:00Z, an ordinary Tuesday.
NOW_MS = 1_773_133_200_000
DAY_MS = 86_400_000

Codes = npt.NDArray[np.uint8]

# A COPY BINARY row of a voucher whose code has 16 characters: every value behind its length.
_ROW = np.dtype(
    [
        ("columns", ">i2"),
        ("code_size", ">i4"), ("code", "u1", 16),
        ("id_size", ">i4"), ("id", ">i8"),
        ("active_size", ">i4"), ("active", "u1"),
        ("expires_size", ">i4"), ("expires_before_ms", ">i8"),
        ("count_size", ">i4"), ("count", ">i8"),
        ("amount_size", ">i4"), ("amount", ">i8"),
        ("total_size", ">i4"), ("total", ">i8"),
        ("total_amount_size", ">i4"), ("total_amount", ">i8"),
        ("period_end_size", ">i4"), ("period_end_ms", ">i8"),
        ("period_seq_size", ">i4"), ("period_seq", ">i4"),
        ("version_size", ">i4"), ("version", ">i8"),
    ]
)  # fmt: skip
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"


def codes(count: int, seed: int = 1, prefix: str = "00000") -> Codes:
    """`PREFIX-` and ten symbols, as campaigns generate them, one row of 16 bytes each."""
    source = np.random.default_rng(seed)
    symbols = np.frombuffer(ALPHABET.encode(), np.uint8)
    made = np.empty((count, 16), np.uint8)
    made[:, :6] = np.frombuffer(f"{prefix}-".encode(), np.uint8)
    made[:, 6:] = symbols[source.integers(0, len(symbols), (count, 10), np.uint8)]
    return made


def texts(rows: Codes) -> list[str]:
    """The same codes as Python strings."""
    whole = rows.tobytes().decode()
    return [whole[i : i + 16] for i in range(0, len(whole), 16)]


def copy_stream(
    rows: Codes, first_id: int, period_end_ms: int, chunk: int = 65536
) -> Iterator[bytes]:
    """What PostgreSQL would send for these vouchers, fresh and without an expiry."""
    yield _HEADER
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        made = np.zeros(len(part), _ROW)
        made["columns"] = 11
        for name in _ROW.names or ():
            if name.endswith("_size"):
                made[name] = 8
        made["code_size"], made["active_size"], made["period_seq_size"] = 16, 1, 4
        made["code"] = part
        made["id"] = np.arange(first_id + start, first_id + start + len(part))
        made["active"] = 1
        made["expires_before_ms"] = NEVER_MS
        made["period_end_ms"] = period_end_ms
        made["version"] = 1
        yield made.tobytes()
    yield _TRAILER


@dataclass(frozen=True)
class Policy:
    """Settings of one part of a fleet."""

    gift: bool
    value: int
    limit: int
    frequency: int


# Discounts and gifts, with and without limits and resets. Limits and values leave room for every
# redemption of a run, so that what is measured is acceptance, the dearer path.
POLICIES = (
    Policy(gift=False, value=120, limit=0, frequency=0),
    Policy(gift=False, value=200, limit=1_000_000, frequency=1),
    Policy(gift=True, value=2_000_000_000, limit=0, frequency=0),
    Policy(gift=True, value=2_000_000_000, limit=1_000_000, frequency=3),
)


@dataclass(frozen=True)
class Traffic:
    """Calls in columns: which voucher, and the arguments of a redeem."""

    voucher: npt.NDArray[np.int64]
    device: npt.NDArray[np.int32]
    cap: npt.NDArray[np.int64]
    demand: npt.NDArray[np.int64]
    lock_ms: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.voucher)


def traffic(count: int, vouchers: int, seed: int = 2, devices: int = 5000) -> Traffic:
    """Calls on random vouchers by random devices; orders of 50 to 500 cents, one in four untold."""
    source = np.random.default_rng(seed)
    cap = source.integers(50, 500, count)
    return Traffic(
        voucher=source.integers(0, vouchers, count),
        device=source.integers(0, devices, count).astype(np.int32),
        cap=np.where(source.random(count) < 0.25, -1, cap),
        demand=source.integers(1, 50, count),
        lock_ms=np.zeros(count, np.int64),
        flags=np.full(count, 31, np.uint8),
    )
