"""The quota kernel beside polars, numpy and plain Python: the full rule of isp.md 4.3, all columns.

Subscribers of thousands of monthly and daily calendars, one in a hundred whose window has just
ended. The peers are given what the kernel works out for itself: the window that contains now,
beside every row, and rows that are neither wrong nor of billing cycles. Answers are compared before
anything is timed. Everybody has one thread, or as many as asked for (numpy has no more than one);
times are those of the process over all its threads, and the wall's are beside them. The share of
the memory's bandwidth counts every column in and out once, by the wall, against what as many
threads read together in the same run.
"""

import gc
import importlib
import importlib.util
import os
import sys
from typing import Any

import numpy as np

from benchmarks.bench_revenue import Clock, bandwidth
from benchmarks.report import Metric, machine
from farebox.core.quota import Calendars, evaluate
from farebox.domain import windows

NOW_MS = 1_795_285_800_000
ZONES = ["Asia/Kolkata", "Europe/Amsterdam", "America/New_York", "Australia/Sydney"]
ACTIVE, ONLINE, CARRY = 4, 8, 2
IN = {
    "mode": np.uint8,
    "flags": np.uint8,
    **dict.fromkeys(("limit", "topup", "carried", "up", "down"), np.int64),
    **dict.fromkeys(("period_start", "period_end"), np.int64),
    **dict.fromkeys(("cal", "t1", "t2", "applied"), np.int32),
    "expires": np.int64,
}
OUT = {
    "active": np.int32,
    **dict.fromkeys(("used", "effective", "remaining"), np.int64),
    **dict.fromkeys(("period_start", "period_end", "carried"), np.int64),
    "flags": np.uint16,
}
Columns = dict[str, Any]


class Subscribers:
    """Seeded columns, and the windows of every row around now for those who cannot look them up."""

    def __init__(self, rows: int) -> None:
        source = np.random.default_rng(7)
        tables: list[Any] = [
            np.array(windows.table(zone, frequency))
            for zone in ZONES
            for frequency in ("day", "month")
        ]
        ends: Any = np.cumsum([0, *map(len, tables)], dtype=np.int64)
        boundaries: Any = np.concatenate(tables)
        self.calendars = Calendars(ends, boundaries)
        at = [int(np.searchsorted(table, NOW_MS, "right")) - 1 for table in tables]
        spans: Any = np.array(
            [table[i - 2 : i + 2] for table, i in zip(tables, at, strict=True)], np.int64
        )
        cal = source.integers(0, len(tables), rows)
        # The window of now, the one before or the one before that.
        age = source.choice(3, rows, p=[0.99, 0.008, 0.002])
        self.before, self.start, self.end = (spans[cal, i] for i in (1, 2, 3))
        gib = 1 << 30
        columns: Columns = {
            "mode": source.choice(3, rows, p=[0.7, 0.2, 0.1]),
            "flags": source.integers(0, 16, rows),
            "limit": source.integers(1, 200, rows) * gib,
            "topup": source.choice([0, 0, 0, gib, -gib], rows),
            "carried": source.choice([0, gib], rows),
            "up": source.integers(0, 60 * gib, rows),
            "down": source.integers(0, 150 * gib, rows),
            "period_start": spans[cal, 2 - age],
            "period_end": spans[cal, 3 - age],
            "cal": cal,
            "t1": source.integers(1, 50, rows),
            "t2": source.integers(50, 99, rows),
            "applied": source.integers(1, 99, rows),
            "expires": NOW_MS + source.integers(-10, 90, rows) * 86_400_000,
        }
        self.rows = rows
        self.columns = {name: columns[name].astype(kind) for name, kind in IN.items()}


class Kernel:
    """The door as the service uses it."""

    def __init__(self, rows: Subscribers, threads: int) -> None:
        self.given, self.threads = rows, threads
        self.out: Columns = {name: np.zeros(rows.rows, kind) for name, kind in OUT.items()}

    def evaluate(self) -> Columns:
        out = {f"out_{name}": column for name, column in self.out.items()}
        given = self.given
        evaluate(NOW_MS, given.calendars, **given.columns, **out, threads=self.threads)
        return self.out


class Numpy:
    """The rule in whole columns, one thread."""

    def __init__(self, rows: Subscribers, _threads: int) -> None:
        self.given = rows

    def evaluate(self) -> Columns:
        given, c = self.given, self.given.columns
        flags, limit, always = c["flags"], c["limit"], c["mode"] == 2
        up = np.where(flags & 1, 0, c["up"])
        used = np.where(c["mode"] == 1, np.maximum(up, c["down"]), up + c["down"])
        rolled = c["period_end"] <= NOW_MS
        kept = (flags & CARRY != 0) & (flags & ACTIVE != 0) & ~always
        kept &= given.start < c["expires"]
        rest = np.clip(limit + c["carried"] + np.minimum(0, c["topup"]) - used, 0, limit)
        rest = np.where(given.before <= c["period_start"], rest, limit)
        carried = np.where(rolled, np.where(kept, rest, 0), c["carried"])
        used = np.where(rolled, 0, used)
        topup = np.where(rolled, 0, c["topup"])
        effective = np.where(always, 0, np.maximum(0, limit + carried + topup))
        over = ~always & (used > effective)
        active = np.where(over, c["t2"], c["t1"])
        live = (flags & (ACTIVE | ONLINE)) == (ACTIVE | ONLINE)
        switch = live & (c["expires"] > NOW_MS) & (active != c["applied"])
        low = ~always & (100 * used >= 80 * effective)
        high = ~always & (used >= effective)
        marks = over + 2 * rolled + 4 * switch + 8 * low + 16 * high + 32 * always
        return {
            "active": active,
            "used": used,
            "effective": effective,
            "remaining": np.where(always, -1, np.maximum(0, effective - used)),
            "period_start": np.where(rolled, given.start, c["period_start"]),
            "period_end": np.where(rolled, given.end, c["period_end"]),
            "carried": carried,
            "flags": marks.astype(np.uint16),
        }


class Polars:
    """The same as lazy expressions."""

    def __init__(self, rows: Subscribers, _threads: int) -> None:
        self.pl = importlib.import_module("polars")
        beside = {"before": rows.before, "start": rows.start, "end": rows.end}
        self.frame = self.pl.DataFrame({**rows.columns, **beside})

    def evaluate(self) -> Columns:
        pl, c = self.pl, self.pl.col
        low, top, when = pl.min_horizontal, pl.max_horizontal, pl.when
        always, rolled = c("mode") == 2, c("period_end") <= NOW_MS
        up = when(c("flags") & 1 != 0).then(0).otherwise(c("up"))
        metric = when(c("mode") == 1).then(top(up, c("down"))).otherwise(up + c("down"))
        rest = c("limit") + c("carried") + low(pl.lit(0), c("topup")) - c("metric")
        rest = when(c("before") <= c("period_start")).then(low(top(pl.lit(0), rest), c("limit")))
        kept = (c("flags") & (CARRY | ACTIVE) == CARRY | ACTIVE) & ~always
        kept &= c("start") < c("expires")
        topup = when(rolled).then(0).otherwise(c("topup"))
        live = c("flags") & (ACTIVE | ONLINE) == ACTIVE | ONLINE
        marks = [
            c("over"),
            rolled,
            live & (c("expires") > NOW_MS) & (c("active") != c("applied")),
            ~always & (100 * c("used") >= 80 * c("effective")),
            ~always & (c("used") >= c("effective")),
            always,
        ]
        found = (
            self.frame.lazy()
            .with_columns(metric=metric)
            .with_columns(
                used=when(rolled).then(0).otherwise(c("metric")),
                carry=when(rolled)
                .then(when(kept).then(rest.otherwise(c("limit"))).otherwise(0))
                .otherwise(c("carried")),
            )
            .with_columns(
                effective=when(always)
                .then(0)
                .otherwise(top(pl.lit(0), c("limit") + c("carry") + topup))
            )
            .with_columns(over=~always & (c("used") > c("effective")))
            .with_columns(active=when(c("over")).then(c("t2")).otherwise(c("t1")))
            .select(
                "active",
                "used",
                "effective",
                remaining=when(always)
                .then(-1)
                .otherwise(top(pl.lit(0), c("effective") - c("used"))),
                period_start=when(rolled).then(c("start")).otherwise(c("period_start")),
                period_end=when(rolled).then(c("end")).otherwise(c("period_end")),
                carried=c("carry"),
                flags=sum(mark.cast(pl.UInt16) * (1 << bit) for bit, mark in enumerate(marks)),
            )
            .collect()
        )
        return {name: found[name].to_numpy() for name in OUT}


class Python:
    """A row at a time over lists; so slow that it is given one row in fifty."""

    FEWER = 50

    def __init__(self, rows: Subscribers, _threads: int) -> None:
        few = {name: column[:: self.FEWER].tolist() for name, column in rows.columns.items()}
        sides = (each[:: self.FEWER].tolist() for each in (rows.before, rows.start, rows.end))
        self.rows = [*zip(*few.values(), *sides, strict=True)]

    def evaluate(self) -> list[tuple[int, ...]]:
        return [self.row(*row) for row in self.rows]

    @staticmethod
    def row(
        mode: int, flags: int, limit: int, topup: int, carried: int, up: int, down: int,
        start: int, end: int, _cal: int, t1: int, t2: int, applied: int, expires: int,
        before: int, now_start: int, now_end: int,
    ) -> tuple[int, ...]:  # fmt: skip
        always, marks = mode == 2, 0
        up = 0 if flags & 1 else up
        used = max(up, down) if mode == 1 else up + down
        if end <= NOW_MS:
            rest = limit + carried + min(0, topup) - used if before <= start else limit
            carried = min(max(rest, 0), limit)
            if not flags & CARRY or not flags & ACTIVE or always or now_start >= expires:
                carried = 0
            start, end, used, topup, marks = now_start, now_end, 0, 0, 2
        effective = 0 if always else max(0, limit + carried + topup)
        over = not always and used > effective
        active = t2 if over else t1
        marks |= over | 32 * always
        if flags & ACTIVE and flags & ONLINE and expires > NOW_MS and active != applied:
            marks |= 4
        if not always:
            marks |= 8 * (100 * used >= 80 * effective) | 16 * (used >= effective)
        left = -1 if always else max(0, effective - used)
        return active, used, effective, left, start, end, carried, marks


def measure(rows: int, rounds: int, threads: int = 1) -> dict[str, Metric]:
    """The question to everybody who is here; RuntimeError if two answers differ."""
    os.environ.setdefault("POLARS_MAX_THREADS", str(threads))
    given = Subscribers(rows)
    kernel, plain = Kernel(given, threads), Python(given, threads)
    columns: dict[str, Any] = {"numpy": Numpy(given, threads)}
    if importlib.util.find_spec("polars"):
        columns["polars"] = Polars(given, threads)
    clock = Clock()
    for _ in range(rounds):
        mine = clock.time("quota", "kernel", kernel.evaluate)
        for name, peer in columns.items():
            other = clock.time("quota", name, peer.evaluate)
            if not all((mine[column] == other[column]).all() for column in OUT):
                raise RuntimeError(f"{name} decides differently")
        told = clock.time("quota", "python", plain.evaluate)
    few = zip(*(mine[name][:: Python.FEWER].tolist() for name in OUT), strict=True)
    if told != list(few):
        raise RuntimeError("plain Python decides differently")
    return {"core.quota.evaluate": _metric(clock, rows, threads)}


def _metric(clock: Clock, rows: int, threads: int) -> Metric:
    spent = {name: s for (_, name), s in clock.cpu.items()}
    wall = {name: s for (_, name), s in clock.wall.items()}
    spent["python"] *= Python.FEWER
    wall["python"] *= Python.FEWER
    mine, passed = spent.pop("kernel"), wall.pop("kernel")
    size = sum(np.dtype(kind).itemsize for kind in (*IN.values(), *OUT.values()))
    speed = bandwidth(threads)
    nearest = min(spent, key=spent.__getitem__)
    return Metric(
        value=rows * threads / mine,
        unit="rows/s",
        baseline=f"{nearest}, {rows:,} rows, threads {threads}",
        ratio=spent[nearest] / mine,
        beside={
            **{f"ratio_to_{name}": other / mine for name, other in spent.items()},
            **{f"wall_ratio_to_{name}": other / passed for name, other in wall.items()},
            "cpu_ns_per_row": 1e9 * mine / rows,
            "wall_rows/s": rows / passed,
            "bytes_per_row": size,
            "bandwidth_gb/s": speed / 1e9,
            "share_of_bandwidth": size * rows / passed / speed,
        },
    )


def run(quick: bool) -> dict[str, Metric]:
    """The figure of `farebox bench`."""
    return measure(500_000 if quick else 10_000_000, 3 if quick else 5)


def main(arguments: list[str]) -> None:
    """`python -m benchmarks.bench_quota [ROWS [THREADS]]`."""
    rows, threads = (*map(int, arguments), *(10_000_000, 1)[len(arguments) :])
    print(", ".join(f"{name} {value}" for name, value in machine({}).items() if value))
    gc.disable()
    for name, metric in measure(rows, 5, threads).items():
        print(f"{name}: {metric.value:,.0f} {metric.unit}, {metric.ratio:.1f} x {metric.baseline}")
        for key, figure in metric.beside.items():
            print(f"    {key:28} {figure:,.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
