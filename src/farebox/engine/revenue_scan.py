"""Adds sales up, and remembers what whole months amount to (vending-commerce.md 4.12).

A month that lies in a question's span whole, wherever its places are, amounts to the same whatever
the span is, as long as the same sales of it are held. So who looks at a dashboard again is told
from what was remembered and from the months at the edges of the span. What was asked for longest
ago is forgotten. Scans run in threads, few at once; nothing here reads a row.
"""

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final

from farebox.core import revenue as kernel
from farebox.core.revenue import Cube
from farebox.domain.periods import DAY_S
from farebox.engine.revenue_figures import Selection
from farebox.engine.revenue_months import Held
from farebox.engine.revenue_segments import Numbers

AT_ONCE: Final = 2
# Four numbers of 64 bits.
CELL_BYTES: Final = 32
# Which sales of which month, by which unit, of whom.
Key = tuple[int, int, int, bytes]
# Time, key, units and total, as cubes tell them.
Row = tuple[int, int, int, int]


class Remembered:
    """Figures of months, the least recently asked for forgotten beyond so many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._cells_max = bytes_max // CELL_BYTES
        self._cells = 0
        self._months: OrderedDict[Key, array[int]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Memory taken by the figures."""
        return self._cells * CELL_BYTES

    def find(self, key: Key) -> "array[int] | None":
        """Rows behind each other, if they are known."""
        found = self._months.get(key)
        if found is not None:
            self._months.move_to_end(key)
        return found

    def keep(self, key: Key, rows: "array[int]") -> None:
        """Remember them instead of what was asked for longest ago."""
        if key not in self._months:
            self._months[key] = rows
            # A month without sales takes a place, too.
            self._cells += len(rows) // 4 + 1
        while self._cells > self._cells_max:
            _, gone = self._months.popitem(last=False)
            self._cells -= len(gone) // 4 + 1


class Scanner:
    """Adds up what snapshots of months hold."""

    def __init__(self, numbers: Numbers, *, threads: int, bytes_max: int) -> None:
        """`bytes_max` bounds what is remembered."""
        self.remembered = Remembered(bytes_max)
        self._numbers = numbers
        self._threads = threads
        self._places = asyncio.Semaphore(AT_ONCE)

    async def add(self, held: Iterable[Held], cubes: list[Cube], chosen: Selection) -> None:
        """Look at the months' sales."""
        places, machines = self._masks(chosen)
        snapshots = [one.snapshot for one in held]
        async with self._places:
            await asyncio.to_thread(self._scan, snapshots, cubes, places, machines)

    async def whole(self, held: Sequence[Held], unit: int, chosen: Selection) -> list[Row]:
        """What whole months amount to by currency and day, hour or hour of the week on the wall."""
        if not held:
            return []
        places, machines = self._masks(chosen)
        who = _digest(places, machines)
        keys = {one: (one.serial, len(one.snapshot), unit, who) for one in held}
        found = {one: self.remembered.find(key) for one, key in keys.items()}
        if missing := [one for one, rows in found.items() if rows is None]:
            async with self._places:
                told = await asyncio.to_thread(self._months, missing, unit, places, machines)
            for one, rows in zip(missing, told, strict=True):
                found[one] = rows
                self.remembered.keep(keys[one], rows)
        return [row for rows in found.values() if rows for row in _rows(rows)]

    def _months(
        self, held: list[Held], unit: int, places: bytes | None, machines: bytearray | None
    ) -> "list[array[int]]":
        told = []
        for one in held:
            cube = Cube(
                self._numbers.places,
                kernel.DAY if unit == kernel.DAY else kernel.HOUR,
                kernel.CURRENCY,
                # No clock is a day away from UTC.
                local_from_s=one.from_s - DAY_S,
                local_until_s=one.until_s + DAY_S,
                currencies=len(self._numbers.currencies) or 1,
            )
            self._scan([one.snapshot], [cube], places, machines)
            told.append(array("q", [number for row in cube.rows(unit) for number in row]))
        return told

    def _scan(
        self, snapshots: list[kernel.Snapshot], cubes: list[Cube], places: bytes | None,
        machines: bytearray | None,
    ) -> None:  # fmt: skip
        kernel.scan(snapshots, cubes, places=places, machines=machines, threads=self._threads)

    def _masks(self, chosen: Selection) -> tuple[bytes | None, bytearray | None]:
        numbers = self._numbers
        return numbers.mask(chosen.locations), numbers.machine_mask(chosen.machines)


def added(rows: Iterable[Row]) -> list[Row]:
    """The same figures with one row for each time and key."""
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for at, key, units, total in rows:
        before = cells.get((at, key), (0, 0))
        cells[at, key] = before[0] + units, before[1] + total
    return [(*at, *cell) for at, cell in cells.items()]


def _digest(*masks: bytes | bytearray | None) -> bytes:
    digest = blake2b(digest_size=16)
    for mask in masks:
        digest.update(b"all" if mask is None else b"%d " % len(mask) + mask)
    return digest.digest()


def _rows(rows: "array[int]") -> Iterator[Row]:
    numbers = iter(rows)
    return zip(numbers, numbers, numbers, numbers, strict=True)
