"""Counts and sums of sales by local time and key, over columns (vending-commerce.md 4.12).

Sales lie in segments as columns, in any order: 17 bytes each, nine in every block of 65 536 sales
for each pair of place and machine, and 16 to 32 for each such pair of a segment. A scan accumulates
one or many groupings in one pass, without the interpreter lock; it hardly looks at sales that are
not selected. Figures are exact: they depend neither on the order of rows nor on segments or
threads; a sum that int64 cannot hold is an OverflowError.

Time is whole epoch seconds (floor) of 1970 to 2106. Local times are wall-clock seconds: seconds
since 1970-01-01 00:00 by the clock on the wall, `at_s + offset`, each place by its own zone. All
spans are half-open. Wrong type, length, contiguity or range is a ValueError before any work.

Segments and places are changed by one thread at a time (the interpreter lock sees to it); whoever
scans works on snapshots, in any thread, while rows are added.
"""

from collections.abc import Iterable
from typing import Final, final

from _typeshed import ReadableBuffer

# What local time is grouped by. A cube accumulates one of the first three.
WHOLE: Final[int]  # 0: not at all; time = 0
DAY: Final[int]  # 1: days since 1970-01-01
HOUR: Final[int]  # 2: hours since 1970-01-01 00:00 on the wall
# What days and hours roll up to.
WEEK: Final[int]  # 3: (day + 3) // 7, Monday to Sunday
MONTH: Final[int]  # 4: 12 * year + month - 1
YEAR: Final[int]  # 5
HOUR_OF_WEEK: Final[int]  # 6: hours only; 0 = Monday 00:00 … 167

# What sales are grouped by beside time, and the number that the key is.
CURRENCY: Final[int]  # 0: currency
ZONE_CURRENCY: Final[int]  # 1: zone * currencies + currency
PRODUCT: Final[int]  # 2: the group of the product
CURRENCY_PRODUCT: Final[int]  # 3: currency * products + group of the product
PAYMENT_CURRENCY: Final[int]  # 4: payment * currencies + currency

NO_GROUP: Final[int]  # 2**32 - 1: sales of this product are left out
# No cube has more cells (days or hours times keys).
CELLS_MAX: Final[int]  # 2**22

@final
class Places:
    """Zones, and the zone of every place; numbers are given in order from 0 and stay."""

    def __init__(self) -> None: ...
    def zone(self, transitions_s: ReadableBuffer, offsets_s: ReadableBuffer) -> int:
        """A zone: int64[k] ascending instants and int32[k + 1] offsets, the first before them all.

        `farebox.domain.offsets.table` has them. At most 256 zones; equal tables need only one.
        """
    def add(self, zone: int) -> int:
        """A place, that is a distinct (location, time zone)."""
    def __len__(self) -> int:
        """Number of places."""
    @property
    def zones(self) -> int: ...
    def local(self, zone: int, at_s: int) -> int:
        """Wall-clock seconds of a zone at an instant."""

@final
class Segment:
    """Columns of sales. Rows are only ever added; what changed otherwise needs a new segment."""

    def __init__(self, places: Places) -> None: ...
    def append(
        self,
        at_s: ReadableBuffer,
        place: ReadableBuffer,
        machine: ReadableBuffer,
        product: ReadableBuffer,
        currency: ReadableBuffer,
        price: ReadableBuffer,
        payment: ReadableBuffer,
    ) -> None:
        """Columns of n rows: four of uint32, uint8, int32, uint8; all rows or none.

        Machine and product are dense numbers of the caller's, below 2**28.
        """
    def feed(self, chunk: ReadableBuffer) -> int:
        """Streams PostgreSQL COPY BINARY into the segment; how many rows this chunk completed.

        Columns, none null: at_s int8, place int4, machine int4, product int4, currency int2, price
        int4, payment int2. Chunks may break anywhere. ValueError names row and column of a
        malformed stream; rows before it stay, and the next chunk begins a new stream.
        """
    @property
    def feeding(self) -> bool:
        """A COPY stream has begun and its trailer has not come."""
    def snapshot(self) -> Snapshot:
        """The rows that are there now, for scans."""
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int:
        """Bytes of memory in use, at most 24 a row of many."""

@final
class Snapshot:
    """Rows of a segment as they were; keeps the segment alive."""

    def __len__(self) -> int: ...
    def span(self) -> tuple[int, int]:
        """(first, last) at_s of the rows; LookupError without rows."""

@final
class Cube:
    """The figures of one grouping: a count (price >= 0) and a sum (all prices) per cell."""

    def __init__(
        self,
        places: Places,
        time: int,
        key: int,
        *,
        from_s: int = 0,
        until_s: int = ...,
        local_from_s: int | ReadableBuffer | None = None,
        local_until_s: int | ReadableBuffer | None = None,
        currencies: int = 1,
        payments: int = 1,
        products: int = 1,
        groups: ReadableBuffer | None = None,
    ) -> None:
        """A window of instants and one by the wall clock; a sale must lie in both.

        The wall clock's bounds are one number for all zones or int64[zones]. With DAY or HOUR they
        are required. `groups`: uint32 per product, a number below `products` or NO_GROUP; without
        it every product is its own group. ValueError beyond CELLS_MAX.
        """
    def rows(
        self, unit: int | None = None, keys: Iterable[int] | None = None
    ) -> list[tuple[int, int, int, int]]:
        """(time, key, count, sum) of every cell with sales, ascending by time, then key.

        `keys` asks for these only; IndexError for one outside the cube. `unit` rolls up: WHOLE any
        cube; WEEK, MONTH, YEAR and DAY days and hours; HOUR_OF_WEEK hours.
        """
    def top(self, k: int, rank: ReadableBuffer | None = None) -> list[tuple[int, int, int]]:
        """(key, count, sum) over all time: the k greatest with sales, by count, sum, then rank.

        `rank`: uint32 per key, its place in the order of names; without it the key itself.
        """
    def add(self, time: int, key: int, count: int, total: int) -> None:
        """Adds figures from elsewhere; IndexError outside the cube, OverflowError."""
    def clear(self) -> None: ...
    @property
    def nbytes(self) -> int: ...

def scan(
    snapshots: list[Snapshot],
    cubes: list[Cube],
    *,
    places: ReadableBuffer | None = None,
    machines: ReadableBuffer | None = None,
    threads: int = 1,
) -> int:
    """Adds the sales of all snapshots to all cubes; how many rows had to be looked at.

    `places` and `machines` select: bytes per number, 0 = left out; a number beyond the end is left
    out, None selects all; both limit. Blocks outside the cubes' windows are not looked at.

    A currency, payment, product or place of the snapshots that a cube has no room for is a
    ValueError, a sum beyond int64 an OverflowError; the cubes are then as before. A cube must not
    be read or scanned into by another thread meanwhile (RuntimeError).
    """
