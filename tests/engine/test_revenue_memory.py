"""What sales held as columns take, and that they are read while others are added."""

import random
import struct
import threading
from pathlib import Path

from farebox.core import revenue as kernel
from farebox.core.revenue import Cube
from farebox.engine.revenue_feed import Seen, Sold
from farebox.engine.revenue_segments import BYTES_A_SALE, Month, Numbers

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
SALE = struct.Struct("!hiqiiiiiiihiiih")
BATCHES, BATCH = 1000, 1000


def stream(rows: int, place: int) -> bytes:
    """Rows of COPY: sales of one price at one place, a second after the other."""
    return b"".join(
        SALE.pack(7, 8, 1_770_000_000 + row, 4, place, 4, 7, 4, 0, 2, 0, 4, 250, 2, 0)
        for row in range(rows)
    )


def resident() -> int:
    """Bytes of memory that this process has for itself."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def test_memory_is_what_is_told() -> None:
    """A million sales take less than 24 bytes each, dictionaries too, told within a tenth."""
    numbers = Numbers()
    places = [numbers.place(location, "Europe/Amsterdam") for location in range(2000)]
    for product in range(500):
        numbers.name(f"Product {product}")
    rows = stream(BATCH, places[0])
    month = Month(numbers, Seen(0, 0, frozenset()))
    before = resident()
    month.feed(HEADER)
    for _ in range(BATCHES):
        month.feed(rows)
    taken = resident() - before
    sales = len(month)
    assert BATCHES * BATCH == sales
    assert 0.9 * month.nbytes <= taken <= 1.1 * month.nbytes
    assert month.nbytes + numbers.nbytes <= BYTES_A_SALE * sales


def test_sales_are_added_up_while_others_come(random_source: random.Random) -> None:
    """Whoever adds up has the sales of one moment, whole, whatever is appended meanwhile."""
    numbers = Numbers()
    month = Month(numbers, Seen(0, 0, frozenset()))
    new = [
        Sold(random_source.randrange(10**12), 2, "UTC", 80, "Tea", "EUR", price)
        for price in (1, 2, 3, 4)
    ]
    month.append(0, new)
    is_over = threading.Event()
    seen: list[tuple[int, int, int]] = []

    def read() -> None:
        while not is_over.is_set():
            snapshot = month.snapshot()
            cube = Cube(numbers.places, kernel.WHOLE, kernel.CURRENCY, currencies=1)
            kernel.scan([snapshot], [cube], threads=2)
            ((_, _, count, total),) = cube.rows()
            seen.append((len(snapshot), count, total))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    # More than one chunk, none of it in the order of time.
    for txid in range(1, 20_000):
        month.append(txid, new)
    is_over.set()
    for reader in readers:
        reader.join()
    assert [(rows, rows, rows // 4 * 10) for rows, _, _ in seen] == seen
    assert 3 < len(seen)
    assert 80_000 == len(month)


def test_numbers() -> None:
    """Places, products and currencies are numbered in order; machines are their own numbers."""
    numbers = Numbers()
    assert [0, 1, 0] == [numbers.name(name) for name in ("Tea", "Soup", "Tea")]
    numbers.greatest_machine = 5
    assert None is numbers.machine_mask(None)
    assert [0, 0, 1] == list(numbers.machine_mask([2, 6, 2**31, -1]) or "none")
    assert bytearray() == numbers.machine_mask([])
