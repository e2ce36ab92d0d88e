"""The voucher book: dense 64-byte records, a bucket index over canonical codes, one decision rule.

Contract: vending-commerce.md 4.18. Instants are int64 milliseconds (NEVER_MS = no end), money is int64
minor units. A book is owned by one thread; batches release the interpreter lock.
"""

from typing import Final, final

from _typeshed import ReadableBuffer, WriteableBuffer

NEVER_MS: Final[int]      # 2**63 - 1

# Operations.
VALIDATE: Final[int]      # 0: decide, take a hold when lock_ms > 0; never touches counters
REDEEM: Final[int]        # 1: decide and take value
ROLLBACK: Final[int]      # 2: give back `demand` minor units redeemed in period `cap` (period_seq)

# Flags resolved by the caller; all set = nothing outside the voucher objects. PARTIAL = demand.partial.
CAMPAIGN_ACTIVE: Final[int]   # 1
MACHINE_ACTIVE: Final[int]    # 2
PLACE_OK: Final[int]          # 4
CURRENCY_OK: Final[int]       # 8
PRODUCT_OK: Final[int]        # 16
PARTIAL: Final[int]           # 32
ALL_OK: Final[int]            # 31

@final
class Decision:
    """Answer of one call; a plain value, valid for ever."""

    outcome: int              # farebox.core.Outcome
    amount_off: int           # minor units; for INSUFFICIENT_BALANCE the available balance
    balance: int              # gift: balance after the call; discount: 0
    hold_until_ms: int        # end of the live or just taken hold, 0 if none
    changed: bool             # the record was mutated (a due reset alone does not count for VALIDATE/refusals)
    version: int              # record version after the call

@final
class Record:
    """A copy of one record, all fields by name (for stores and tests)."""

    voucher_id: int
    policy: int
    active: bool
    count: int
    amount: int
    total: int
    total_amount: int
    period_end_ms: int
    period_start_ms: int      # start of the period begun by the last reset this book applied, 0 = none
    period_seq: int
    expires_before_ms: int
    hold_device: int          # -1 = none
    hold_until_ms: int
    version: int
    balance: int

@final
class Book:
    def __init__(self, capacity: int = 1024, *, seed: int | None = None) -> None:
        """Room for `capacity` vouchers at first; grows by itself. `seed` fixes the hash seed (tests)."""
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int:
        """Bytes held by records, index and policies."""
    def boundaries(self, zone: int, frequency: int, table: ReadableBuffer) -> None:
        """Registers the ascending int64 epoch-ms period starts of (zone 0..65535, frequency 1..3)."""
    def policy(
        self, *, gift: bool, value: int, limit: int, zone: int = 0, frequency: int = 0
    ) -> int:
        """Interns a policy (frequency 0 never, 1 day, 2 week, 3 month) and returns its number."""
    def add(
        self,
        code: str,
        voucher_id: int,
        policy: int,
        *,
        active: bool = True,
        expires_before_ms: int = ...,
        count: int = 0,
        amount: int = 0,
        total: int = 0,
        total_amount: int = 0,
        period_end_ms: int = ...,
        period_seq: int = 0,
        hold_device: int = -1,
        hold_until_ms: int = 0,
        version: int = 1,
    ) -> int:
        """Adds a record under a canonical code (1..64 printable ASCII) and returns its slot.

        Equal codes may be added several times (candidates). Slots are stable until removed.
        """
    def find(self, code: str) -> tuple[int, ...]:
        """Slots of all records with exactly this canonical code, in the order they were added."""
    def remove(self, slot: int) -> None: ...
    def read(self, slot: int) -> Record: ...
    def voucher_id(self, slot: int) -> int: ...
    def version(self, slot: int) -> int: ...
    def period_seq(self, slot: int) -> int:
        """How many resets the record has seen; a redemption notes it for its rollback."""
    def balance(self, slot: int, now_ms: int) -> int:
        """Gift: what is spendable at now (a due reset counted); discount: 0."""
    def decide(
        self,
        op: int,
        slot: int,
        now_ms: int,
        device: int,
        cap: int = -1,
        demand: int = -1,
        lock_ms: int = 0,
        flags: int = 31,
        dry: bool = False,
        boundary_ms: int = 0,
    ) -> Decision:
        """One decision, applied unless `dry`. `device` is an interned number 0..2**22-1.

        NEEDS_BOUNDARY: a reset is due and the table does not cover `now_ms`; call again with
        `boundary_ms` = the end of the period that contains now (from the definition).
        `demand` is checked only where given (-1 = absent); `cap` -1 = none.
        """
    def save(self, slot: int) -> bytes:
        """The record as opaque bytes, for `restore`."""
    def restore(self, slot: int, saved: bytes, version: int) -> bool:
        """Undo: puts `saved` back exactly if the record's version still is `version`, else False."""
    def invalidate(self, slot: int, version: int) -> None:
        """Sets the version, for a row whose version another writer has raised without other change."""
    def release(self, slot: int) -> None:
        """Ends the hold of a record, whoever has it; the version rises (4.6)."""
    def batch(
        self,
        op: int,
        keys: ReadableBuffer,
        now_ms: int,
        device: ReadableBuffer,
        cap: ReadableBuffer,
        demand: ReadableBuffer,
        lock_ms: ReadableBuffer,
        flags: ReadableBuffer,
        outcome: WriteableBuffer,
        amount_off: WriteableBuffer,
        balance: WriteableBuffer,
        hold_until_ms: WriteableBuffer,
        changed: WriteableBuffer,
    ) -> None:
        """The fold of single calls in order, over arrays of equal length n, without the interpreter lock.

        keys: uint64[n, 2] from `pack`; device int32; cap, demand, lock_ms int64; flags uint8 (PARTIAL
        included); out: outcome int8, amount_off, balance, hold_until_ms int64, changed uint8. Unknown
        key: VOUCHER_NOT_FOUND; several records under a key: the one of the lowest slot. Wrong dtype,
        length or contiguity: ValueError before any work.
        """
    def pack(self, codes: list[str]) -> bytearray:
        """uint64[n, 2] look-up keys of canonical codes, for `batch` (codes over 16 characters included)."""
    def feed(self, chunk: ReadableBuffer, policy: int) -> list[int]:
        """Streams PostgreSQL COPY BINARY into the book; returns the slots of the rows that completed.

        Columns: code_key text, id int8, active bool, expires_before_ms int8, count int8, amount int8,
        total int8, total_amount int8, period_end_ms int8, period_seq int4, version int8. Chunks may
        break anywhere. ValueError names row and column of a malformed stream; nothing of that row stays.
        """
    def check(self) -> None:
        """Verifies every invariant of records and index; AssertionError names the first broken one."""
