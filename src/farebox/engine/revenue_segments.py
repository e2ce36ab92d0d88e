"""Sales as columns, month by month in UTC (vending-commerce.md 4.12): dictionaries and segments.

A month is read by COPY in one snapshot of the database; new sales of later snapshots are appended
to it. Products are numbered by name, which is what summaries group them by; machines are their own
numbers. Only months of 2010 to 2040 are held. Nothing here decides which months, or for how long.
"""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from farebox.core.revenue import Places, Segment, Snapshot
from farebox.domain import offsets
from farebox.engine.revenue_feed import Seen, Sold
from farebox.engine.revenue_figures import learn
from farebox.storage.partitions import hold_records
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST: Final = 2010 * 12
END: Final = 2041 * 12
_CURRENCIES_MAX: Final = 255
BYTES_A_SALE: Final = 24
# Of a number's key and its places in dictionary and list, roughly.
_ENTRY_BYTES: Final = 250


class OverBudgetError(Exception):
    """A month needs more memory than there is for it."""


def month_of(at_s: int) -> int:
    """The UTC month that contains an instant: 12 * year + month - 1."""
    day = _EPOCH + timedelta(seconds=at_s)
    return 12 * day.year + day.month - 1


def months_between(from_s: int, until_s: int) -> range:
    """The months of a half-open span; empty where some of it is not held here."""
    if from_s >= until_s or from_s < _start_s(FIRST) or until_s > _start_s(END):
        return range(0)
    return range(month_of(from_s), month_of(until_s - 1) + 1)


def span_of(month: int) -> tuple[int, int]:
    """The instants at which a month begins and ends."""
    return _start_s(month), _start_s(month + 1)


def _start_s(month: int) -> int:
    start = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return (start - _EPOCH) // timedelta(seconds=1)


class Numbers:
    """Dense numbers for what sales name. They are only ever added to."""

    def __init__(self) -> None:
        self.places = Places()
        # Number of the place -> its location.
        self.locations: list[int] = []
        self.zones: list[str] = []
        self.greatest_machine = -1
        self.names: dict[str, int] = {}
        self.currencies: dict[str, int] = {}
        self._places: dict[tuple[int, str], int] = {}
        self._tables: dict[bytes, int] = {}
        self._ranks = array("I")

    @property
    def nbytes(self) -> int:
        """Roughly."""
        return _ENTRY_BYTES * (len(self.locations) + len(self.names))

    def place(self, location: int, zone_name: str) -> int:
        """The number of a place. Raises ValueError beyond what the kernel has room for."""
        found = self._places.get((location, zone_name))
        if found is None:
            found = self.places.add(self._zone(zone_name))
            self.locations.append(location)
            self._places[location, zone_name] = found
        return found

    def _zone(self, name: str) -> int:
        transitions, steps = offsets.table(name)
        table = transitions.tobytes() + steps.tobytes()
        if table not in self._tables:
            self._tables[table] = self.places.zone(transitions, steps)
            self.zones.append(name)
        return self._tables[table]

    def name(self, name: str) -> int:
        """The number of a product."""
        return self.names.setdefault(name, len(self.names))

    def currency(self, code: str) -> int:
        """The number of a currency. Raises ValueError beyond 255 of them."""
        if code not in self.currencies and len(self.currencies) == _CURRENCIES_MAX:
            raise ValueError("too many currencies")
        return self.currencies.setdefault(code, len(self.currencies))

    def ranks(self) -> "array[int]":
        """The place of each product in the order of names, by code points."""
        if len(self._ranks) != len(self.names):
            ranks = array("I", bytes(4 * len(self.names)))
            for rank, name in enumerate(sorted(self.names)):
                ranks[self.names[name]] = rank
            self._ranks = ranks
        return self._ranks

    def mask(self, locations: Iterable[int]) -> bytes | None:
        """A byte for each place: whether its location is among these; None if all are."""
        chosen = frozenset(locations)
        mask = bytes([location in chosen for location in self.locations])
        return mask if 0 in mask else None

    def machine_mask(self, machines: Sequence[int] | None) -> bytearray | None:
        """The same for machines, each its own number; None means all."""
        if machines is None:
            return None
        known = [machine for machine in machines if 0 <= machine <= self.greatest_machine]
        mask = bytearray(max(known, default=-1) + 1)
        for machine in known:
            mask[machine] = 1
        return mask


class Month:
    """The sales of a month, as of a snapshot and with what was appended since."""

    def __init__(self, numbers: Numbers, seen: Seen) -> None:
        self._numbers = numbers
        self._segment = Segment(numbers.places)
        self.seen = seen

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self._segment.nbytes

    def __len__(self) -> int:
        """Number of sales."""
        return len(self._segment)

    def snapshot(self) -> Snapshot:
        """The sales that are there now."""
        return self._segment.snapshot()

    def feed(self, chunk: bytes) -> None:
        """The next bytes of a COPY."""
        self._segment.feed(chunk)

    def append(self, txid: int, sales: Sequence[Sold]) -> None:
        """Sales that a transaction has committed, unless they are here already."""
        if self.seen.shows(txid):
            return
        numbers = self._numbers
        numbers.greatest_machine = max(numbers.greatest_machine, *(one.machine for one in sales))
        self._segment.append(
            array("I", [one.at_ms // 1000 for one in sales]),
            array("I", [numbers.place(one.location, one.time_zone) for one in sales]),
            array("I", [one.machine for one in sales]),
            array("I", [numbers.name(one.name) for one in sales]),
            bytes([numbers.currency(one.currency) for one in sales]),
            array("i", [one.price for one in sales]),
            bytes(len(sales)),
        )


async def read_month(
    pool: Pool, numbers: Numbers, month: int, make_room: Callable[[int], bool]
) -> Month:
    """Read a month from the rows. Raises OverBudgetError where no room is made for its bytes."""
    span = [at_s * 1000 for at_s in span_of(month)]
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        await hold_records(connection)
        for statement in (SQL.patience, SQL.order):
            await connection.execute(statement)
        made = Month(numbers, Seen.of(await connection.fetchval(SQL.snapshot)))
        kinds = await connection.fetch(SQL.kinds, *span)
        # Before the COPY: one that has begun is read to its end.
        if not make_room(BYTES_A_SALE * sum(row["sales"] for row in kinds if row["kind"] == 2)):
            raise OverBudgetError

        async def take(chunk: bytes) -> None:
            made.feed(chunk)

        if kinds:
            await asyncio.to_thread(learn, {row["time_zone"] for row in kinds if not row["kind"]})
            given = _numbered(numbers, kinds)
            await connection.copy_from_query(
                SQL.columns, *span, *given, output=take, format="binary"
            )
    return made


def _numbered(numbers: Numbers, kinds: Sequence[Any]) -> list[list[Any]]:
    """Zones, and keys and numbers of places, products and currencies, column by column."""
    zones: dict[str, int] = {}
    rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for kind, location, zone_name, name, currency, machine, _ in kinds:
        numbers.greatest_machine = max(numbers.greatest_machine, machine)
        if kind == 0:
            zone = zones.setdefault(zone_name, len(zones) + 1)
            rows[0].append((location * 65536 + zone, numbers.place(location, zone_name)))
        elif kind == 1:
            rows[1].append((name, numbers.name(name)))
        else:
            rows[2].append((currency, numbers.currency(currency)))
    columns = [[*column] for kind in range(3) for column in zip(*rows[kind], strict=True)]
    return [[*zones], *columns]
