"""The revenue kernel beside columnar engines and numpy: the same question, answered equally.

A year of sales at 5 000 places in 12 zones. Two questions: figures by (currency, local day), and
four reports of a dashboard at once (those figures, the ten best sellers by day, the hours of the
week of the last three months, figures to date). Every engine has its columns in memory, gets the
strongest form we know for it, uses as many threads as the kernel and returns rows; the answers are
compared before anything is timed. Rounds are interleaved, the figure is the best of each, a ratio
is of one run. Polars and duckdb are asked where they are installed (dependency group `bench`).

Times are those of the process over all its threads, so that being preempted does not count; the
wall's are beside them, and PostgreSQL has only those. The memory's bandwidth is that of the very
columns that the question names (time, place, currency, price: 13 bytes a sale): as many threads
read them together in the same run and sum them as int64. The share is that time over the
kernel's, by the wall; of those 13 bytes the kernel reads 6 to all.
"""

import gc
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Metric, machine
from benchmarks.revenue_postgresql import PostgreSQL
from farebox.core import revenue
from farebox.core.revenue import Cube, Places, Segment, scan
from farebox.domain import offsets
from farebox.storage.embedded import EmbeddedServer

ZONES = [
    "Europe/Amsterdam",
    "Europe/London",
    "Europe/Madrid",
    "Europe/Athens",
    "Europe/Istanbul",
    "Asia/Yerevan",
    "Asia/Dubai",
    "Asia/Singapore",
    "America/New_York",
    "America/Chicago",
    "America/Sao_Paulo",
    "Australia/Sydney",
]
PLACES, MACHINES, PRODUCTS, CURRENCIES, PAYMENTS = 5_000, 10_000, 500, 6, 6
DAY_S = 86_400
FIRST_DAY = (date(2025, 1, 1) - date(1970, 1, 1)).days
DAYS = 365
START_S = int(datetime(2025, 1, 3, tzinfo=UTC).timestamp())
SPAN_S = 361 * DAY_S
NOW_S = START_S + SPAN_S
QUESTION_BYTES = 13
BEST = 10
# Three months before the end, on the wall.
HEAT_S = int(datetime(2025, 9, 30, tzinfo=UTC).timestamp())

Answer = tuple[Any, ...]


def _month_start(local: int) -> int:
    day = datetime.fromtimestamp(local, UTC).date()
    return (day.replace(day=1) - date(1970, 1, 1)).days * DAY_S


# The start of today, this week, this month and this year on a wall clock.
STARTS: list[Callable[[int], int]] = [
    lambda local: local // DAY_S * DAY_S,
    lambda local: ((local // DAY_S + 3) // 7 * 7 - 3) * DAY_S,
    _month_start,
    lambda _: FIRST_DAY * DAY_S,
]


class Sales:
    """Seeded columns, ascending or shuffled, and the offsets of every place within the year."""

    def __init__(self, rows: int, *, shuffled: bool) -> None:
        source = np.random.default_rng(5)
        at: Any = START_S + source.integers(0, SPAN_S, rows)
        if not shuffled:
            at.sort()
        zone_of: Any = source.integers(0, len(ZONES), PLACES).astype(np.uint8)
        self.rows, self.heat_s, self.best = rows, HEAT_S, BEST
        self.zone_of = zone_of
        self.at = at.astype(np.uint32)
        self.machine = source.integers(0, MACHINES, rows).astype(np.uint32)
        self.place = self.machine % PLACES
        self.product = source.integers(0, PRODUCTS, rows).astype(np.uint32)
        self.currency = (zone_of[self.place] % CURRENCIES).astype(np.uint8)
        self.price = source.integers(-100, 900, rows).astype(np.int32)
        self.payment = source.integers(0, PAYMENTS, rows).astype(np.uint8)
        self.columns: tuple[Any, ...] = (
            *(self.at, self.place, self.machine, self.product),
            *(self.currency, self.price, self.payment),
        )
        # Columns: offset, change, offset after it, second change, offset after that.
        self.offsets = np.array([self._year(zone) for zone in ZONES])[zone_of].T
        places = Places()
        local = [places.local(places.zone(*offsets.table(zone)), NOW_S) for zone in ZONES]
        # Wall-clock starts of today, this week, this month and this year.
        self.starts = np.array([[start(at) for at in local] for start in STARTS])

    @staticmethod
    def _year(zone: str) -> list[int]:
        changes, values = offsets.table(zone)
        around = range(START_S - 3 * DAY_S, NOW_S + 3 * DAY_S)
        before = sum(at < around.start for at in changes)
        row = [values[before]]
        for number, at in enumerate(changes):
            if at in around:
                row += [at, values[number + 1]]
        return (row + [2**31 - 1, row[0]] * 2)[:5]


class Kernel:
    """Segments of a month each, as the service keeps them."""

    def __init__(self, sales: Sales, threads: int) -> None:
        self.threads = threads
        self.places = Places()
        self.starts = [array("q", each.tolist()) for each in sales.starts]
        for zone in ZONES:
            self.places.zone(*offsets.table(zone))
        for zone in sales.zone_of.tolist():
            self.places.add(zone)
        self.snapshots = []
        for rows in np.array_split(np.arange(sales.rows), 12):
            part = slice(rows[0], rows[-1] + 1)
            segment = Segment(self.places)
            segment.append(*(column[part] for column in sales.columns))
            self.snapshots.append(segment.snapshot())
        self.year = {
            "local_from_s": FIRST_DAY * DAY_S,
            "local_until_s": (FIRST_DAY + DAYS) * DAY_S,
        }

    def cube(self, unit: int, key: int, **window: Any) -> Cube:
        return Cube(
            self.places,
            unit,
            key,
            currencies=CURRENCIES,
            products=PRODUCTS,
            **(window or self.year),
        )

    def currency_day(self) -> Answer:
        cube = self.cube(revenue.DAY, revenue.CURRENCY)
        scan(self.snapshots, [cube], threads=self.threads)
        return (cube.rows(),)

    def dashboard(self) -> Answer:
        days = self.cube(revenue.DAY, revenue.CURRENCY)
        products = self.cube(revenue.DAY, revenue.PRODUCT)
        week = self.cube(revenue.HOUR, revenue.CURRENCY, **{**self.year, "local_from_s": HEAT_S})
        to_date = [
            self.cube(revenue.WHOLE, revenue.CURRENCY, local_from_s=start) for start in self.starts
        ]
        scan(self.snapshots, [days, products, week, *to_date], threads=self.threads)
        best = products.top(BEST)
        return (
            days.rows(),
            best,
            products.rows(keys=[key for key, _, _ in best]),
            week.rows(revenue.HOUR_OF_WEEK),
            *(cube.rows() for cube in to_date),
        )


def bandwidth(threads: int, *columns: Any) -> float:
    """Bytes a second that so many threads read while all of them sum, at their best.

    They read these columns, each thread its part of all, or long ones of their own.
    """
    given = columns or [np.ones(threads << 25, np.int64)]
    whole = [column.view(np.uint8)[: column.nbytes // 8 * 8].view(np.int64) for column in given]
    parts = [[np.array_split(column, threads)[i] for column in whole] for i in range(threads)]
    together = threading.Barrier(threads)

    def read(mine: list[Any]) -> tuple[float, float]:
        together.wait()
        begun = time.perf_counter()
        for _ in range(SUMS):
            for column in mine:
                column.sum()
        return begun, time.perf_counter()

    def once() -> float:
        with ThreadPoolExecutor(threads) as pool:
            spans = list(pool.map(read, parts))
        wall = max(end for _, end in spans) - min(begun for begun, _ in spans)
        return float(SUMS * sum(column.nbytes for column in whole) / wall)

    return max(once() for _ in range(5))


class Clock:
    """Seconds of the process and of the wall at their best, by question and contender."""

    def __init__(self) -> None:
        self.cpu: dict[tuple[str, str], float] = {}
        self.wall: dict[tuple[str, str], float] = {}

    def time(self, question: str, name: str, work: Callable[[], Any]) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        answer = work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        at = question, name
        self.cpu[at] = min(cpu, self.cpu.get(at, cpu))
        self.wall[at] = min(wall, self.wall.get(at, wall))
        return answer


# How often a column is summed, so that threads that start one after the other run together.
SUMS = 10
QUESTIONS = ("currency_day", "dashboard")


def measure(
    rows: int,
    rounds: int,
    *,
    shuffled: bool = False,
    threads: int = 2,
    dsn: str | None = None,
    peers_asked: bool = True,
) -> dict[str, Any]:
    """Both questions to everybody who is here; RuntimeError if two answers differ.

    With the address of a server PostgreSQL is asked, too, or it alone.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", str(threads))
    peers = importlib.import_module("benchmarks.revenue_peers")
    sales = Sales(rows, shuffled=shuffled)
    contenders: dict[str, Any] = {"kernel": Kernel(sales, threads)}
    if peers_asked:
        contenders |= {name: each(sales, threads) for name, each in peers.present().items()}
    if dsn is not None:
        contenders["postgresql"] = PostgreSQL(dsn, sales, threads)
    clock = Clock()
    for _ in range(rounds):
        answers: dict[str, Answer] = {}
        for name, contender in contenders.items():
            for question in QUESTIONS:
                if work := getattr(contender, question, None):
                    answer = clock.time(question, name, work)
                    if answers.setdefault(question, answer) != answer:
                        raise RuntimeError(f"{name} answers {question} differently")
    speed = bandwidth(threads, sales.at, sales.place, sales.currency, sales.price)
    return {
        f"core.revenue.{question}": _metric(clock, question, rows, threads, speed)
        for question in QUESTIONS
    }


def _metric(clock: Clock, question: str, rows: int, threads: int, speed: float) -> Metric:
    mine = clock.cpu[question, "kernel"]
    others = {name: s for (asked, name), s in clock.cpu.items() if asked == question}
    del others["kernel"]
    # Most of its time is another process's, so only the wall tells about it.
    others.pop("postgresql", None)
    nearest = min(others, key=others.__getitem__) if others else "kernel"
    beside = {
        "wall_1/s": rows / clock.wall[question, "kernel"],
        "cpu_ns_per_row": 1e9 * mine / rows,
    }
    for name, spent in others.items():
        beside[f"ratio_to_{name}"] = spent / mine
        beside[f"wall_ratio_to_{name}"] = (
            clock.wall[question, name] / clock.wall[question, "kernel"]
        )
    if (question, "postgresql") in clock.wall:
        beside["wall_ratio_to_postgresql"] = (
            clock.wall[question, "postgresql"] / clock.wall[question, "kernel"]
        )
    if question == "currency_day":
        beside["bandwidth_gb/s"] = speed / 1e9
        wall = clock.wall[question, "kernel"]
        beside["share_of_bandwidth"] = QUESTION_BYTES * rows / wall / speed
    return Metric(
        value=rows * threads / mine,
        unit="sales/s",
        baseline=f"{nearest}, {rows:,} sales, {threads} threads",
        ratio=others.get(nearest, mine) / mine,
        beside=beside,
    )


def run(quick: bool) -> dict[str, Metric]:
    """The two figures of `farebox bench`."""
    return measure(1_000_000 if quick else 10_000_000, 5 if quick else 9)


def main(arguments: list[str]) -> None:
    """`python -m benchmarks.bench_revenue [ROWS] [shuffled] [memory|postgresql]`.

    Everybody's ratios, or only those of what has its columns in memory, or of PostgreSQL.
    """
    rows = next((int(word) for word in arguments if word.isdigit()), 10_000_000)
    print(", ".join(f"{name} {value}" for name, value in machine({}).items() if value))
    for name in ("numpy", "polars", "duckdb"):
        if importlib.util.find_spec(name):
            print(f"{name} {importlib.import_module(name).__version__}", end=", ")
    gc.disable()
    # Two rounds of fifty million take the others a minute.
    rounds = 5 if rows < 50_000_000 else 2
    shuffled, alone = "shuffled" in arguments, "postgresql" in arguments
    if "memory" in arguments:
        measured = measure(rows, rounds, shuffled=shuffled)
    else:
        with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
            # PostgreSQL may have to run as another user than the one who made the folder.
            os.chmod(folder, 0o711)  # noqa: PTH101
            with EmbeddedServer(Path(folder) / "data") as server:
                measured = measure(
                    rows, rounds, shuffled=shuffled, dsn=server.dsn, peers_asked=not alone
                )
    for name, metric in measured.items():
        print(
            f"\n{name}: {metric.value:,.0f} {metric.unit}, {metric.ratio:.1f} x {metric.baseline}"
        )
        for key, figure in metric.beside.items():
            print(f"    {key:28} {figure:,.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
