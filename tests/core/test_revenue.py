"""The revenue kernel against naive Python, however rows, segments and threads lie."""

import random
import struct
from array import array
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from farebox.core import revenue
from farebox.core.revenue import NO_GROUP, Cube, Places, Segment, scan
from farebox.domain import offsets, windows

# A midnight skipped, one that occurs twice, a date that never was, half hours and quarters.
ZONES = [
    "Europe/Amsterdam",
    "Africa/Cairo",
    "America/Havana",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "UTC",
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_S = 86_400
CURRENCIES, PAYMENTS, PRODUCTS, MACHINES = 3, 4, 6, 9
# Product 3 is left out, 1 and 4 have one name.
GROUPS = array("I", [0, 1, 2, NO_GROUP, 1])


class Sale(NamedTuple):
    """A row."""

    at_s: int
    place: int
    machine: int
    product: int
    currency: int
    price: int
    payment: int


def places_of(count: int = 14) -> Places:
    """Places in all zones in turn."""
    places = Places()
    for name in ZONES:
        places.zone(*offsets.table(name))
    for number in range(count):
        assert number == places.add(number % len(ZONES))
    return places


PLACES = places_of()


def sales_of(count: int, from_s: int, until_s: int, seed: int = 1) -> list[Sale]:
    """Random sales, one in ten a refund, in the order of time."""
    source = random.Random(seed)
    return sorted(
        Sale(
            source.randrange(from_s, until_s),
            source.randrange(len(PLACES)),
            source.randrange(MACHINES),
            source.randrange(len(GROUPS)),
            source.randrange(CURRENCIES),
            source.choice([0, 1, 250, 2**31 - 1, -(2**31), -1, 120, 350, 10, 990]),
            source.randrange(PAYMENTS),
        )
        for _ in range(count)
    )


def segment_of(sales: list[Sale], places: Places = PLACES) -> Segment:
    """A segment with these rows in this order."""
    segment = Segment(places)
    columns = zip(*sales, strict=True) if sales else [[]] * 7
    segment.append(*map(array, "IIIIBiB", columns))
    return segment


@cache
def wall_at(zone: str, at_s: int) -> int:
    """What a zone's clock said, in seconds since 1970 on the wall."""
    local = (EPOCH + timedelta(seconds=at_s)).astimezone(windows.zone(zone))
    return (local.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)


def wall(sale: Sale) -> int:
    """What the clock beside the machine said."""
    return wall_at(ZONES[sale.place % len(ZONES)], sale.at_s)


def time_of(local: int, unit: int) -> int:
    """The unit of 4.12 in words of the standard library."""
    day = (EPOCH + timedelta(days=local // DAY_S)).date()
    return {
        revenue.WHOLE: 0,
        revenue.DAY: local // DAY_S,
        revenue.HOUR: local // 3600,
        revenue.WEEK: (local // DAY_S + 3) // 7,
        revenue.MONTH: 12 * day.year + day.month - 1,
        revenue.YEAR: day.year,
        revenue.HOUR_OF_WEEK: day.weekday() * 24 + local // 3600 % 24,
    }[unit]


KEYS: dict[int, Callable[[Sale], int]] = {
    revenue.CURRENCY: lambda sale: sale.currency,
    revenue.ZONE_CURRENCY: lambda sale: sale.place % len(ZONES) * CURRENCIES + sale.currency,
    revenue.PRODUCT: lambda sale: GROUPS[sale.product],
    revenue.CURRENCY_PRODUCT: lambda sale: sale.currency * PRODUCTS + GROUPS[sale.product],
    revenue.PAYMENT_CURRENCY: lambda sale: sale.payment * CURRENCIES + sale.currency,
}

Figures = list[tuple[int, int, int, int]]


def naive(sales: list[Sale], key: int, unit: int, chosen: Callable[[Sale], bool]) -> Figures:
    """What a cube has to say."""
    cells: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    by_product = key in (revenue.PRODUCT, revenue.CURRENCY_PRODUCT)
    for sale in filter(chosen, sales):
        if by_product and GROUPS[sale.product] == NO_GROUP:
            continue
        cell = cells[time_of(wall(sale), unit), KEYS[key](sale)]
        cell[0] += sale.price >= 0
        cell[1] += sale.price
    return [(*at, count, total) for at, (count, total) in sorted(cells.items())]


def cube_of(time: int, key: int, **window: Any) -> Cube:
    """A cube with room for what these tests sell."""
    by_product = key in (revenue.PRODUCT, revenue.CURRENCY_PRODUCT)
    groups = GROUPS if by_product else None
    sizes = {"currencies": CURRENCIES, "payments": PAYMENTS, "products": PRODUCTS}
    return Cube(PLACES, time, key, groups=groups, **sizes, **window)


def wall_s(text: str) -> int:
    """A time on the wall."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)


# Spans around a jump of some clock: dense enough for runs of hours, and a sparse one.
SPANS = [
    ("2026-03-28T20:10", "2026-03-30T03:59:53", 2400),
    ("2026-04-23T18:00", "2026-04-24T23:59:59", 2400),
    ("2026-10-31T23:30", "2026-11-02T00:00:01", 2400),
    ("2011-12-29T05:00", "2011-12-31T11:30", 3600),
    ("2025-12-20", "2026-01-09", 1200),
]
ROLLED = {
    revenue.WHOLE: [revenue.WHOLE],
    revenue.DAY: [revenue.DAY, revenue.WEEK, revenue.MONTH, revenue.YEAR, revenue.WHOLE],
    revenue.HOUR: [revenue.HOUR, revenue.DAY, revenue.HOUR_OF_WEEK, revenue.MONTH, revenue.WHOLE],
}


@pytest.mark.parametrize(("begin", "end", "count"), SPANS)
def test_every_grouping(begin: str, end: str, count: int) -> None:
    """Every key by every unit is what naive Python says, in one pass, in order and out of it."""
    local_from, local_until = wall_s(begin), wall_s(end)
    sales = sales_of(count, local_from - 3 * 3600, local_until + 3 * 3600)
    shuffled = random.Random(3).sample(sales, len(sales))
    window = {"local_from_s": local_from, "local_until_s": local_until}

    def chosen(sale: Sale) -> bool:
        return local_from <= wall(sale) < local_until

    units = {unit for units in ROLLED.values() for unit in units}
    expected = {(key, unit): naive(sales, key, unit, chosen) for key in KEYS for unit in units}
    for rows in (sales, shuffled):
        cubes = {(time, key): cube_of(time, key, **window) for time in ROLLED for key in KEYS}
        assert count == scan([segment_of(rows).snapshot()], list(cubes.values()))
        for (time, key), cube in cubes.items():
            for unit in ROLLED[time]:
                assert expected[key, unit] == cube.rows(unit), (time, key, unit)
                some = [row for row in expected[key, unit] if row[1] in {0, 2}]
                assert some == cube.rows(unit, [2, 0, 2])


def test_order_segments_and_threads() -> None:
    """P17: permutations, pieces, threads and repeated scans into one cube change nothing."""
    count, begin = 150_000, wall_s("2026-03-20")
    source = np.random.default_rng(1)
    at: Any = np.sort(source.integers(begin, begin + 20 * DAY_S, count)).astype(np.uint32)
    columns: list[Any] = [
        at,
        source.integers(0, len(PLACES), count).astype(np.uint32),
        source.integers(0, MACHINES, count).astype(np.uint32),
        source.integers(0, len(GROUPS), count).astype(np.uint32),
        source.integers(0, CURRENCIES, count).astype(np.uint8),
        source.integers(-(2**31), 2**31, count).astype(np.int32),
        source.integers(0, PAYMENTS, count).astype(np.uint8),
    ]
    permuted = source.permutation(count)
    nearly = np.argsort(at + source.integers(0, 7200, count))
    answers = []
    for order, pieces, threads in [
        (np.arange(count), 1, 1),
        (np.arange(count), 3, 2),
        (permuted, 1, 3),
        (permuted, 40, 2),
        (nearly, 2, 2),
    ]:
        window = {"local_from_s": begin, "local_until_s": begin + 19 * DAY_S}
        cubes = [cube_of(time, key, **window) for time in ROLLED for key in KEYS]
        for part in np.array_split(order, pieces):
            segment = Segment(PLACES)
            segment.append(*(column[part] for column in columns))
            scan([segment.snapshot()], cubes, threads=threads)
        answers.append([cube.rows() for cube in cubes])
    assert all(answers[0] == other for other in answers)
    whole = answers[0][revenue.CURRENCY]
    assert whole == [
        (0, key, sum(row[2] for row in rows), sum(row[3] for row in rows))
        for key in range(CURRENCIES)
        for rows in [[row for row in answers[0][len(KEYS)] if row[1] == key]]
    ]


def test_years_in_one_chunk() -> None:
    """Rows that span many changes of every clock, 1970 and 2106 included."""
    sales = sales_of(300, 0, 2**32) + [Sale(at, 3, 0, 0, 0, 5, 0) for at in (0, 2**32 - 1)]
    window = {"local_from_s": -DAY_S, "local_until_s": 2**32 + DAY_S}
    for rows in (sales, sorted(sales)):
        cube = cube_of(revenue.DAY, revenue.CURRENCY, **window)
        scan([segment_of(rows).snapshot()], [cube])
        assert naive(sales, revenue.CURRENCY, revenue.DAY, lambda _: True) == cube.rows()


def test_windows_and_selections() -> None:
    """Instants, a wall-clock bound for each zone, places and machines all limit."""
    begin = wall_s("2026-04-23T12:00")
    sales = sales_of(2000, begin, begin + 2 * DAY_S)
    bounds = [begin + 3600 * number for number in range(len(ZONES))]
    places, machines = bytes([1, 1, 0, 1, 1]), bytes([0, 1, 0, 1, 1, 1])
    window: dict[str, Any] = {
        "from_s": begin + 1000,
        "until_s": begin + DAY_S,
        "local_from_s": array("q", bounds),
        "local_until_s": begin + 3 * DAY_S,
    }

    def in_time(sale: Sale) -> bool:
        zone = sale.place % len(ZONES)
        return begin + 1000 <= sale.at_s < begin + DAY_S and bounds[zone] <= wall(sale)

    def chosen(sale: Sale) -> bool:
        return sale.place in {0, 1, 3, 4} and sale.machine in {1, 3, 4, 5}

    for rows in (sales, random.Random(2).sample(sales, len(sales))):
        snapshots = [segment_of(rows).snapshot()]
        for time in ROLLED:
            cube = cube_of(time, revenue.CURRENCY, **window)
            scan(snapshots, [cube])
            assert naive(sales, revenue.CURRENCY, time, in_time) == cube.rows()
            cube.clear()
            scan(snapshots, [cube], places=places, machines=machines, threads=2)
            assert naive([*filter(chosen, sales)], revenue.CURRENCY, time, in_time) == cube.rows()
            cube.clear()
            scan(snapshots, [cube], places=b"")
            assert [] == cube.rows()


def random_columns(count: int, machines: int, begin: int, end: int) -> list[Any]:
    """Columns of sales, ascending."""
    source = np.random.default_rng(4)
    at: Any = np.sort(source.integers(begin, end, count)).astype(np.uint32)
    columns: list[Any] = [
        at,
        source.integers(0, len(PLACES), count).astype(np.uint32),
        source.integers(0, machines, count).astype(np.uint32),
        source.integers(0, len(GROUPS), count).astype(np.uint32),
        source.integers(0, CURRENCIES, count).astype(np.uint8),
        source.integers(-(2**31), 2**31, count).astype(np.int32),
        source.integers(0, PAYMENTS, count).astype(np.uint8),
    ]
    return columns


# Some, few, one, none and nearly all of many; nobody's; nearly as many pairs as a sealed chunk
# numbers, and more.
CHOICES: list[tuple[int, list[int] | None, list[int] | None]] = [
    (90, [*range(9)], None),
    (90, [5], [1, 3]),
    (90, [*range(1, 90)], [*range(1, 14)]),
    (90, [], None),
    (90, [*range(90)], [*range(14)]),
    (90, [200], None),
    (2000, [*range(0, 2000, 7)], None),
    (60_000, [*range(0, 60_000, 3)], [*range(7)]),
]


# Of three days, where a clock strikes many hours in a chunk, and of one, with a day's end at most.
@pytest.mark.parametrize(("days", "count"), [(3, 80_000), (1, 200_000)])
@pytest.mark.parametrize(("machines", "wanted", "places"), CHOICES)
def test_what_is_chosen_of_many(
    machines: int, wanted: list[int] | None, places: list[int] | None, days: int, count: int
) -> None:
    """Chosen sales amount to what they amount to alone, in full chunks and open ones."""
    begin = wall_s("2026-03-28")
    columns = random_columns(count, machines, begin, begin + days * DAY_S)
    order = np.random.default_rng(3).permutation(count)
    alone = np.isin(columns[2], wanted) if wanted is not None else np.ones(count, bool)
    if places is not None:
        alone &= np.isin(columns[1], places)
    masks: dict[str, Any] = {
        name: np.isin(np.arange(max(numbers, default=-1) + 1), numbers).astype(np.uint8)
        for name, numbers in (("machines", wanted), ("places", places))
        if numbers is not None
    }
    window = {"local_from_s": begin + 3600, "local_until_s": begin + 2 * DAY_S}
    window |= {"from_s": begin + 2 * 3600} if days == 1 else {}
    told = []
    for rows, chosen in [(np.flatnonzero(alone), {}), (np.arange(count), masks), (order, masks)]:
        cubes = [cube_of(time, key, **window) for time in ROLLED for key in KEYS]
        segment = Segment(PLACES)
        segment.append(*(column[rows] for column in columns))
        scan([segment.snapshot()], cubes, **chosen)
        told.append([cube.rows() for cube in cubes])
    assert told[0] == told[1] == told[2]


def test_a_choice_of_an_earlier_snapshot() -> None:
    """Machines that come later are numbered elsewhere; who looks at earlier sales misses none."""
    begin, count = wall_s("2026-03-28"), 70_000
    sales = random_columns(2 * count, 1000, begin, begin + DAY_S)
    sales[2][:count] %= 5
    segment = Segment(PLACES)
    segment.append(*(column[:count] for column in sales))
    before = segment.snapshot()
    segment.append(*(column[count:] for column in sales))
    for snapshot, rows in ((before, count), (segment.snapshot(), 2 * count)):
        cube = cube_of(revenue.WHOLE, revenue.CURRENCY)
        scan([snapshot], [cube], machines=b"\0\1\0\1")
        chosen = np.isin(sales[2][:rows], [1, 3])
        figures = [
            (int((some >= 0).sum()), int(some.astype(np.int64).sum()))
            for some in (sales[5][:rows][chosen & (sales[4][:rows] == key)] for key in range(3))
        ]
        assert figures == [row[2:] for row in cube.rows()]


def test_blocks_outside_the_window_are_not_looked_at() -> None:
    """Segments of other months cost nothing."""
    months = [segment_of(sales_of(50, at, at + 20 * DAY_S)) for at in range(0, 10**8, 10**7)]
    cube = cube_of(
        revenue.DAY, revenue.CURRENCY, local_from_s=10**7, local_until_s=10**7 + 20 * DAY_S
    )
    assert 50 == scan([month.snapshot() for month in months], [cube])
    assert (0, 0, 0) == tuple(scan([], [cube]) for _ in range(3))


def test_snapshots_stay() -> None:
    """Rows added later are seen by later snapshots; a full chunk may be put in order meanwhile."""
    segment = segment_of([Sale(1000 - at, 0, 0, 0, 0, 1, 0) for at in range(500)])
    before = segment.snapshot()
    rest = [Sale(at % 9000, 0, 0, 0, 0, 1, 0) for at in range(70_000)]
    columns = [*map(array, "IIIIBiB", zip(*rest, strict=True))]
    segment.append(*columns)
    after = segment.snapshot()
    cube = cube_of(revenue.WHOLE, revenue.CURRENCY)
    assert 500 == scan([before], [cube])
    assert 70_500 == scan([after], [cube])
    assert [(0, 0, 71_000, 71_000)] == cube.rows()
    assert (500, 70_500, 70_500) == (len(before), len(after), len(segment))
    assert ((501, 1000), (0, 8999)) == (before.span(), after.span())
    assert 17 * 70_500 <= segment.nbytes <= 20 * 70_500
    with pytest.raises(LookupError):
        Segment(PLACES).snapshot().span()


def test_top() -> None:
    """By count, then sum, then rank; all where there are fewer."""
    cube = Cube(PLACES, revenue.WHOLE, revenue.PRODUCT, products=6)
    for key, count, total in [(0, 2, 5), (1, 3, 0), (2, 2, 9), (3, 2, 5), (5, 0, -4)]:
        cube.add(0, key, count, total)
    assert [(1, 3, 0), (2, 2, 9), (0, 2, 5)] == cube.top(3)
    ranks = array("I", [9, 0, 0, 1, 0, 0])
    assert [(1, 3, 0), (2, 2, 9), (3, 2, 5), (0, 2, 5), (5, 0, -4)] == cube.top(99, ranks)
    assert [] == cube.top(0)


def test_overflow_is_raised_and_changes_nothing() -> None:
    """A sum that does not fit raises, wherever it arises."""
    most = 2**63 - 1
    cubes = [cube_of(revenue.WHOLE, revenue.CURRENCY) for _ in range(2)]
    cubes[1].add(0, 1, 0, most - 3)
    snapshot = segment_of([Sale(0, 0, 0, 0, 1, 2, 0)]).snapshot()
    scan([snapshot], cubes)
    with pytest.raises(OverflowError):
        scan([snapshot], cubes)
    assert [(0, 1, 1, 2)] == cubes[0].rows()
    assert [(0, 1, 1, most - 1)] == cubes[1].rows()
    with pytest.raises(OverflowError):
        cubes[1].add(0, 1, 0, 2)
    days = cube_of(revenue.DAY, revenue.CURRENCY, local_from_s=0, local_until_s=2 * DAY_S)
    days.add(0, 0, 0, most)
    days.add(1, 0, 0, 1)
    with pytest.raises(OverflowError):
        days.rows(revenue.WHOLE)


def copy_row(sale: Sale) -> bytes:
    """A row of COPY BINARY."""
    packed = [struct.pack(f">{kind}", value) for kind, value in zip("qiiihih", sale, strict=True)]
    return struct.pack(">h", 7) + b"".join(struct.pack(">i", len(one)) + one for one in packed)


HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


@pytest.mark.parametrize("size", [1, 7, 58, 1000, 10**6])
def test_feed(size: int) -> None:
    """A stream broken anywhere is the same rows, and another may follow."""
    sales = sales_of(40, 0, 10**9)
    stream = HEADER + b"".join(map(copy_row, sales)) + TRAILER
    segment = Segment(PLACES)
    for _ in range(2):
        done = [segment.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
        assert (40, False) == (sum(done), segment.feeding)
    cube = cube_of(revenue.WHOLE, revenue.PAYMENT_CURRENCY)
    scan([segment.snapshot()], [cube])
    expected = naive(sales * 2, revenue.PAYMENT_CURRENCY, revenue.WHOLE, lambda _: True)
    assert expected == cube.rows()


ROW = Sale(1, 2, 3, 4, 5, 6, 7)
MALFORMED = [
    (b"PGCOPX", "not a COPY"),
    (HEADER + b"\0\6", "row 1: number of columns"),
    (HEADER + copy_row(ROW)[:2] + b"\0\0\0\4" + bytes(60), "row 1: at_s"),
    (HEADER + copy_row(ROW) + copy_row(ROW._replace(at_s=2**32)), "row 2: at_s"),
    (HEADER + copy_row(ROW._replace(place=14)), "row 1: no place 14"),
    (HEADER + copy_row(ROW._replace(machine=-1)), "row 1: machine"),
    (HEADER + copy_row(ROW._replace(currency=256)), "row 1: currency"),
    (HEADER + TRAILER + b"x", "after the trailer"),
]


@pytest.mark.parametrize(("stream", "message"), MALFORMED)
def test_malformed_streams(stream: bytes, message: str) -> None:
    """Row and column are named, and the next chunk begins anew."""
    segment = Segment(PLACES)
    with pytest.raises(ValueError, match=message):
        segment.feed(stream)
    assert not segment.feeding
    assert 1 == segment.feed(HEADER + copy_row(ROW) + TRAILER)


FULL = segment_of([ROW]).snapshot()
ONE: list[Any] = [array("I", [0])] * 4 + [array("B", [0]), array("i", [0]), array("B", [0])]
WRONG: list[tuple[str, Callable[[], object]]] = [
    ("differ", lambda: Segment(PLACES).append(*[*ONE[:6], array("B")])),
    ("mismatch", lambda: Segment(PLACES).append(*[*ONE[:3], array("i", [0]), *ONE[4:]])),
    ("no place 14", lambda: Segment(PLACES).append(*[ONE[0], array("I", [14]), *ONE[2:]])),
    ("row 0: machine", lambda: Segment(PLACES).append(*[*ONE[:2], array("I", [2**28]), *ONE[3:]])),
    ("one offset more", lambda: Places().zone(array("q", [1]), array("i", [1]))),
    ("ascend", lambda: Places().zone(array("q", [1, 1]), array("i", [1, 2, 3]))),
    ("shorter than a day", lambda: Places().zone(array("q"), array("i", [DAY_S]))),
    ("no zone 0", lambda: Places().add(0)),
    ("no such", lambda: Cube(PLACES, 3, 0)),
    ("no such", lambda: Cube(PLACES, 0, 5)),
    ("need the bounds", lambda: Cube(PLACES, revenue.DAY, 0)),
    ("1 bounds for 7", lambda: Cube(PLACES, 0, 0, local_from_s=array("q", [1]))),
    ("cells", lambda: Cube(PLACES, 1, 3, local_from_s=0, local_until_s=10**9, products=10**5)),
    ("currencies", lambda: Cube(PLACES, 0, 0, currencies=257)),
    ("product 1: no group", lambda: Cube(PLACES, 0, 2, groups=array("I", [0, 1]))),
    ("cannot be made", lambda: cube_of(revenue.WHOLE, 0).rows(revenue.DAY)),
    ("threads", lambda: scan([], [], threads=0)),
    ("no room for currency 5", lambda: scan([FULL], [Cube(PLACES, 0, 0, currencies=5)])),
    ("no room for payment 7", lambda: scan([FULL], [Cube(PLACES, 0, 4, currencies=6)])),
    ("product 4", lambda: scan([FULL], [Cube(PLACES, 0, 2, products=4)])),
    ("these places", lambda: scan([FULL], [Cube(places_of(), 0, 0, currencies=9)])),
    ("twice", lambda: scan([FULL], [Cube(PLACES, 0, 0, currencies=9)] * 2)),
]


@pytest.mark.parametrize(("message", "call"), WRONG)
def test_wrong_values(message: str, call: Callable[[], object]) -> None:
    """Everything is checked before any work."""
    with pytest.raises(ValueError, match=message):
        call()


def test_clocks() -> None:
    """Places know their zones' clocks."""
    assert (len(ZONES), 14) == (PLACES.zones, len(PLACES))
    for number, name in enumerate(ZONES):
        assert wall_at(name, 1_774_746_000) == PLACES.local(number, 1_774_746_000)
    with pytest.raises(IndexError):
        cube_of(revenue.WHOLE, revenue.CURRENCY).add(1, 0, 1, 1)
