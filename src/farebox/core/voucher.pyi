"""The voucher book: dense 64-byte records, a bucket index over canonical codes, one decision rule.

Contract: vending-commerce.md 4.18. Instants are int64 milliseconds (NEVER_MS = no end), money is
int64 minor units. A book is owned by one thread; batches release the interpreter lock, and whoever
touches the book meanwhile gets a RuntimeError.
"""

from typing import Final, final

from _typeshed import ReadableBuffer, WriteableBuffer

NEVER_MS: Final[int]  # 2**63 - 1

# Operations.
VALIDATE: Final[int]  # 0: decide, take a hold when lock_ms > 0; never touches counters
REDEEM: Final[int]  # 1: decide and take value
ROLLBACK: Final[int]  # 2: give back `demand` minor units redeemed in period `cap` (period_seq)

# Flags resolved by the caller; all set = nothing outside the voucher objects.
CAMPAIGN_ACTIVE: Final[int]  # 1
MACHINE_ACTIVE: Final[int]  # 2
PLACE_OK: Final[int]  # 4
CURRENCY_OK: Final[int]  # 8
PRODUCT_OK: Final[int]  # 16
ALL_OK: Final[int]  # 31
# demand.partial: less than the demand will do.
PARTIAL: Final[int]  # 32

@final
class Decision:
    """Answer of one call; a plain value, valid for ever."""

    @property
    def outcome(self) -> int:
        """A number of farebox.core.Outcome."""
    @property
    def amount_off(self) -> int:
        """Minor units; for INSUFFICIENT_BALANCE the available balance, else 0 when refused."""
    @property
    def balance(self) -> int:
        """Gift: balance after the call; discount: 0."""
    @property
    def hold_until_ms(self) -> int:
        """End of the live or just taken hold, 0 if there is none."""
    @property
    def changed(self) -> bool:
        """The record was mutated. A due reset is only ever written together with another change."""
    @property
    def version(self) -> int:
        """The record's version after the call."""

@final
class Record:
    """A copy of one record, all fields by name (for stores and tests)."""

    @property
    def voucher_id(self) -> int: ...
    @property
    def policy(self) -> int: ...
    @property
    def active(self) -> bool: ...
    @property
    def count(self) -> int: ...
    @property
    def amount(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def total_amount(self) -> int: ...
    @property
    def period_end_ms(self) -> int: ...
    @property
    def period_start_ms(self) -> int:
        """Start of the period begun by the last reset this book applied.

        0 = none, or one whose end came as `boundary_ms`.
        """
    @property
    def period_seq(self) -> int: ...
    @property
    def expires_before_ms(self) -> int: ...
    @property
    def hold_device(self) -> int:
        """-1 = none."""
    @property
    def hold_until_ms(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def balance(self) -> int:
        """Gift: value less amount, as stored; discount: 0."""

@final
class Book:
    def __init__(self, capacity: int = 1024, *, seed: int | None = None) -> None:
        """Room for `capacity` vouchers at first; grows by itself.

        `seed` fixes the hash seed (tests); without it every book has its own.
        """
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int:
        """Bytes mapped for records, index and policies; pages never touched cost nothing."""
    @property
    def feeding(self) -> bool:
        """A COPY stream has begun and its trailer has not come."""
    def boundaries(self, zone: int, frequency: int, table: ReadableBuffer) -> None:
        """Registers the ascending int64 period starts of (zone 0..65535, frequency 1..3)."""
    def policy(
        self, *, gift: bool, value: int, limit: int, zone: int = 0, frequency: int = 0
    ) -> int:
        """Interns a policy (frequency 0 never, 1 day, 2 week, 3 month) and returns its number.

        Value below 2**31, limit below 2**32, at most 2**24 different policies; else ValueError.
        """
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

        What a record cannot hold is a ValueError: an id or version of 2**48 or more, a total of
        2**32 or more, a total amount of 2**62 or more, a count or amount above its total, a period
        end or expiry that is not a whole second. A period end or expiry from 2106 on counts as
        never, one before 1970 as 1970.
        """
    def find(self, code: str) -> tuple[int, ...]:
        """Slots of all records with exactly this canonical code, in the order they were added."""
    def remove(self, slot: int) -> None: ...
    def read(self, slot: int) -> Record: ...
    def voucher_id(self, slot: int) -> int: ...
    def version(self, slot: int) -> int: ...
    def code(self, slot: int) -> str:
        """The canonical code of a record."""
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
        """One decision, applied unless `dry`; a dry one only leaves `changed` and `version`.

        `device` is an interned number 0..2**22-1, `lock_ms` below 2**36, `now_ms` before 2106.
        `demand` is checked only where given (-1 = absent); `cap` -1 = none. A record that cannot
        count one more (total 2**32 - 1) answers REDEMPTION_LIMIT_REACHED.

        NEEDS_BOUNDARY: a reset is due and the table does not cover `now_ms`; call again with
        `boundary_ms` = the end of the period that contains now (from the definition).
        """
    def save(self, slot: int) -> bytes:
        """The record as opaque bytes, for `restore`."""
    def restore(self, slot: int, saved: bytes, version: int) -> bool:
        """Undo: puts `saved` back exactly if the record's version still is `version`, else False.

        Also False when the slot is empty or has gone to another voucher.
        """
    def invalidate(self, slot: int, version: int) -> None:
        """Sets the version, for a row whose version another writer has raised and nothing else."""
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
        """The fold of single calls in order, over arrays of n rows, without the interpreter lock.

        keys: uint64[n, 2] from `pack`; device int32; cap, demand, lock_ms int64; flags uint8
        (PARTIAL included); out: outcome int8, amount_off, balance, hold_until_ms int64, changed
        uint8. Unknown key: VOUCHER_NOT_FOUND; several records under a key: the one of the lowest
        slot. Wrong dtype, length, contiguity or range of a device, validate's lock_ms or rollback's
        demand: ValueError before any work.
        """
    def pack(self, codes: list[str]) -> bytearray:
        """uint64[n, 2] look-up keys of canonical codes, for `batch`.

        A key of a code of over 16 characters stays right as long as the code has a record.
        """
    def feed(self, chunk: ReadableBuffer, policy: int) -> list[int]:
        """Streams PostgreSQL COPY BINARY into the book; returns the slots of completed rows.

        A code that is held already keeps its record, whose slot (the lowest of several) stands for
        the row.
        Columns: code_key text, id int8, active bool, expires_before_ms int8, count int8, amount
        int8, total int8, total_amount int8, period_end_ms int8, period_seq int4, version int8.
        Chunks may break anywhere. ValueError names row and column of a malformed stream; nothing
        of that row stays, and the next chunk begins a new stream.
        """
    def check(self) -> None:
        """Verifies all invariants of records and index; AssertionError names a broken one."""
