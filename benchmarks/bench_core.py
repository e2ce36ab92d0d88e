"""The native core beside plain Python and beside the machine's memory, in one run.

Every contender works through the same seeded traffic; rounds are interleaved, so that whatever
else the machine does hits all alike, and the figure is the median over the rounds. Times are those
of the thread on its core, so that being preempted does not count. A ratio compares medians of one
run. Full runs take ten million vouchers for both the book and the dict of objects, quick ones a
million for both; nothing is scaled up.
"""

import gc
import json
import random
import statistics
import sys
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import workload
from benchmarks.plain_book import PlainBook, Policy, Voucher
from benchmarks.report import machine
from benchmarks.workload import NOW_MS, POLICIES, Codes, Traffic
from farebox.core.calendar import Table
from farebox.core.limits import Lines
from farebox.core.voucher import REDEEM, VALIDATE, Book
from farebox.domain import windows

ZONE = "Europe/Amsterdam"
# Rows of one timed batch, and calls of one timed loop in plain Python.
ROWS = 200_000
CALLS = 20_000
# Vouchers that a hot run keeps asking for.
HOT = 256

Metrics = dict[str, dict[str, Any]]


def run(quick: bool) -> Metrics:
    """All figures of the core; a quick run ends within a minute."""
    vouchers, rounds = (1_000_000, 7) if quick else (10_000_000, 15)
    # The collector would walk ten million objects again and again, which no service would allow.
    gc.disable()
    try:
        return {**_book_metrics(vouchers, rounds), **_calendar_metrics(rounds)}
    finally:
        gc.enable()


class Timer:
    """Nanoseconds per operation of every contender, by round."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[float]] = {}

    def time(self, name: str, operations: int, work: Callable[[], object]) -> None:
        begun = time.thread_time_ns()
        work()
        self.rounds.setdefault(name, []).append((time.thread_time_ns() - begun) / operations)

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def best(self, name: str) -> float:
        return min(self.rounds[name])


def _window_end(frequency: int) -> int:
    return windows.window_end(windows.FREQUENCIES[frequency], ZONE, NOW_MS)


def _native_book(rows: Codes) -> tuple[Book, float]:
    """The fleet in a book, and how many rows a second its COPY streams took."""
    book = Book(len(rows))
    for frequency in (1, 3):
        book.boundaries(0, frequency, windows.table(ZONE, windows.FREQUENCIES[frequency]))
    spent = 0.0
    for i, policy in enumerate(POLICIES):
        number = book.policy(
            gift=policy.gift, value=policy.value, limit=policy.limit, frequency=policy.frequency
        )
        part = rows[i :: len(POLICIES)]
        for chunk in workload.copy_stream(part, 1, _window_end(policy.frequency)):
            begun = time.thread_time()
            book.feed(chunk, number)
            spent += time.thread_time() - begun
    return book, len(rows) / spent


def _plain_book(texts: list[str]) -> PlainBook:
    plain = PlainBook()
    for i, settings in enumerate(POLICIES):
        starts = (
            windows.table(ZONE, windows.FREQUENCIES[settings.frequency])
            if settings.frequency
            else array("q")
        )
        policy = Policy(settings.gift, settings.value, settings.limit, starts)
        end = _window_end(settings.frequency)
        for number, text in enumerate(texts[i :: len(POLICIES)]):
            plain.vouchers[text] = Voucher(number, policy, end)
    return plain


class Batch:
    """The columns of one batch at a time, cut from the traffic, and room for the answers."""

    def __init__(self, book: Book, rows: Codes, traffic: Traffic) -> None:
        self.book = book
        self.traffic = traffic
        self.keys = np.ascontiguousarray(rows[traffic.voucher]).view(np.uint64)
        self.hot = np.ascontiguousarray(rows[traffic.voucher % HOT]).view(np.uint64)
        n = ROWS
        self.answers: tuple[Any, ...] = (
            np.empty(n, np.int8),
            *(np.empty(n, np.int64) for _ in range(3)),
            np.empty(n, np.uint8),
        )

    def decide(self, op: int, start: int, *, hot: bool = False) -> None:
        """Rows from `start` on."""
        cut = slice(start, start + ROWS)
        traffic = self.traffic
        columns: tuple[Any, ...] = (
            traffic.device[cut], traffic.cap[cut], traffic.demand[cut], traffic.lock_ms[cut],
            traffic.flags[cut],
        )  # fmt: skip
        keys: Any = (self.hot if hot else self.keys)[cut]
        self.book.batch(op, keys, NOW_MS, *columns, *self.answers)


def _single_calls(book: Book, texts: list[str], asked: list[tuple[int, int, int]]) -> None:
    find, decide = book.find, book.decide
    for device, cap, demand in asked:
        decide(REDEEM, find(texts[device])[0], NOW_MS, device & 4095, cap, demand)


def _plain_calls(
    plain: PlainBook, redeem: bool, texts: list[str], asked: list[tuple[int, int, int]]
) -> None:
    decide = plain.decide
    for voucher, cap, demand in asked:
        decide(redeem, texts[voucher], NOW_MS, voucher & 4095, cap, demand, 0, 31)


def _book_metrics(vouchers: int, rounds: int) -> Metrics:
    rows = workload.codes(vouchers)
    book, fed_per_s = _native_book(rows)
    texts = workload.texts(rows)
    plain = _plain_book(texts)
    batch = Batch(book, rows, workload.traffic(3 * ROWS * rounds, vouchers))
    lines = Lines(max(1, 2 * vouchers // 11), vouchers)
    timer = Timer()
    for i in range(rounds):
        _round(timer, i, batch, lines, plain, texts)
    if np.count_nonzero(batch.answers[0]):
        raise RuntimeError("a benchmark of acceptances was refused")
    return {
        "core.voucher.redeem_batch": _batch_metric(timer, "redeem", book, vouchers)
        | {"fed_rows_per_s": fed_per_s},
        "core.voucher.validate_batch": _batch_metric(timer, "validate", book, vouchers),
        "core.voucher.redeem_single": _metric(timer, "redeem_single", "plain_redeem")
        | {"vouchers": vouchers},
    }


def _round(
    timer: Timer, i: int, batch: Batch, lines: Lines, plain: PlainBook, texts: list[str]
) -> None:
    """Every contender once, on traffic that none has seen."""
    start = 3 * ROWS * i
    traffic = batch.traffic
    asked = [
        list(zip(*(c[at : at + CALLS].tolist() for c in (traffic.voucher, traffic.cap,
                                                          traffic.demand)), strict=True))
        for at in (start, start + ROWS, start + 2 * ROWS)
    ]  # fmt: skip
    # Everybody warms up first: a working set that the others have just evicted is nobody's limit.
    lines.visit(ROWS, 7 * i, True)
    timer.time("limit_redeem", ROWS, lambda: lines.visit(ROWS, 1000 + start, True))
    timer.time("limit_validate", ROWS, lambda: lines.visit(ROWS, 2000 + start, False))
    batch.decide(VALIDATE, start)
    timer.time("redeem", ROWS, lambda: batch.decide(REDEEM, start + ROWS))
    timer.time("validate", ROWS, lambda: batch.decide(VALIDATE, start + 2 * ROWS))
    batch.decide(REDEEM, start, hot=True)
    timer.time("redeem_hot", ROWS, lambda: batch.decide(REDEEM, start + ROWS, hot=True))
    timer.time("validate_hot", ROWS, lambda: batch.decide(VALIDATE, start + ROWS, hot=True))
    timer.time("redeem_single", CALLS, lambda: _single_calls(batch.book, texts, asked[0]))
    timer.time("plain_redeem", CALLS, lambda: _plain_calls(plain, True, texts, asked[1]))
    timer.time("plain_validate", CALLS, lambda: _plain_calls(plain, False, texts, asked[2]))


def _metric(timer: Timer, name: str, baseline: str) -> dict[str, Any]:
    return {
        "value": 1e9 / timer.median(name),
        "unit": "1/s",
        "baseline": "plain Python dict of objects, one call each",
        "ratio": timer.median(baseline) / timer.median(name),
        "best": 1e9 / timer.best(name),
        "baseline_value": 1e9 / timer.median(baseline),
    }


def _batch_metric(timer: Timer, op: str, book: Book, vouchers: int) -> dict[str, Any]:
    limit = timer.median(f"limit_{op}")
    return _metric(timer, op, f"plain_{op}") | {
        "vouchers": vouchers,
        "bytes_per_voucher": book.nbytes / vouchers,
        "hot": 1e9 / timer.median(f"{op}_hot"),
        "random_access_limit": 1e9 / limit,
        "share_of_random_access_limit": limit / timer.median(op),
        "best_share_of_random_access_limit": timer.best(f"limit_{op}") / timer.best(op),
    }


def _calendar_metrics(rounds: int) -> Metrics:
    """Look-ups in a table of days against the definition by zoneinfo, one call each."""
    starts = windows.table(ZONE, "day")
    table = Table(starts)
    source = np.random.default_rng(3)
    instants: Any = source.integers(starts[0], starts[-1], ROWS)
    found: Any = np.empty(ROWS, np.int32)
    few = instants[: CALLS // 4].tolist()
    where = windows.zone(ZONE)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def by_zoneinfo() -> None:
        for instant in few:
            day = (epoch + timedelta(milliseconds=instant)).astimezone(where).date()
            datetime(day.year, day.month, day.day, tzinfo=where).timestamp()

    def by_bisect() -> None:
        for instant in few:
            bisect_right(starts, instant)

    timer = Timer()
    for _ in range(rounds):
        timer.time("lookup", ROWS, lambda: table.find_many(instants, found))
        timer.time("zoneinfo", len(few), by_zoneinfo)
        timer.time("bisect", len(few), by_bisect)
        timer.time("single", len(few), lambda: [table.find(instant) for instant in few])
    check = random.Random(1).randrange(ROWS)
    if found[check] != bisect_right(starts, int(instants[check])) - 1:
        raise RuntimeError("a look-up went wrong")
    return {
        "core.calendar.lookup": {
            "value": 1e9 / timer.median("lookup"),
            "unit": "1/s",
            "baseline": "zoneinfo, start of the local day of one instant each",
            "ratio": timer.median("zoneinfo") / timer.median("lookup"),
            "best": 1e9 / timer.best("lookup"),
            "baseline_value": 1e9 / timer.median("zoneinfo"),
            "ratio_to_bisect": timer.median("bisect") / timer.median("lookup"),
            "single": 1e9 / timer.median("single"),
        }
    }


def text(report: dict[str, Any]) -> str:
    """The report for people: machine first, then a line per figure."""
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items() if value)
    lines = [machine, ""]
    for name, metric in report["metrics"].items():
        lines.append(
            f"{name}: {metric['value']:,.0f} {metric['unit']}, {metric['ratio']:.1f} times"
        )
        lines.append(f"    {metric['baseline']}")
        for key, figure in metric.items():
            if isinstance(figure, int | float) and key not in ("value", "ratio"):
                shown = f"{figure:,.2f}" if figure < 1000 else f"{figure:,.0f}"
                lines.append(f"    {key:36} {shown}")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """`python -m benchmarks.bench_core [--quick] [FILE.json]`, with a text of the same stem."""
    report = {"machine": machine({}), "metrics": run("--quick" in arguments)}
    print(text(report))
    for name in arguments:
        if name.endswith(".json"):
            path = Path(name)
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            path.with_suffix(".txt").write_text(text(report), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
