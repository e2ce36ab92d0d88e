"""The quota kernel: the vectors of isp.md 5.3, and any rows against the rule in plain Python."""

import random
from array import array
from bisect import bisect_right
from typing import Any

import numpy as np
import pytest

from farebox.core import quota
from farebox.core.quota import (
    ACTIVE,
    ALWAYS,
    BILLING,
    CAL_RANGE,
    CARRY,
    EXCLUDE_UPLOAD,
    INVALID,
    LANES,
    LEVEL_HIGH,
    LEVEL_LOW,
    NEVER_MS,
    ONLINE,
    OVER,
    QUANTITY_MAX,
    ROLLED,
    STALE_CYCLE,
    SWITCH,
    UNLIMITED,
    UPLOAD_DOWNLOAD,
    Calendars,
    evaluate,
    evaluate_one,
)

Row = dict[str, int]
Table = tuple[int, ...]

IN = {
    "mode": np.uint8,
    "flags": np.uint8,
    **dict.fromkeys(("limit", "topup", "carried", "up", "down"), np.int64),
    **dict.fromkeys(("period_start", "period_end"), np.int64),
    **dict.fromkeys(("cal", "t1", "t2", "applied"), np.int32),
}
OPTIONAL = ("bill_start", "bill_end", "expires")
OUT = {
    "active": np.int32,
    **dict.fromkeys(("used", "effective", "remaining"), np.int64),
    **dict.fromkeys(("period_start", "period_end", "carried"), np.int64),
    "flags": np.uint16,
}
M, G = 1 << 20, 1 << 30
NOV, DEC, JAN, FEB = 1793471400, 1796063400, 1798741800, 1801420200
# Monthly, day 1, Asia/Kolkata, from July 2026 to March 2027.
MONTHS = (1782844200, 1785522600, 1788201000, 1790793000, NOV, DEC, JAN, FEB, 1803839400)


def columns_of(rows: list[Row]) -> dict[str, Any]:
    """What goes in."""
    given: dict[str, Any] = {
        name: np.array([row[name] for row in rows], kind) for name, kind in IN.items()
    }
    for name in OPTIONAL:
        if rows and name in rows[0]:
            given[name] = np.array([row[name] for row in rows], np.int64)
    return given


def calendars_of(tables: list[Table]) -> Calendars:
    """Tables behind each other."""
    ends: Any = np.cumsum([0, *map(len, tables)], dtype=np.int64)
    boundaries: Any = np.array([at for table in tables for at in table], np.int64)
    return Calendars(ends, boundaries)


def answers(rows: list[Row], tables: list[Table], now: int, **options: Any) -> list[Row]:
    """What the kernel makes of the rows."""
    found: dict[str, Any] = {name: np.empty(len(rows), kind) for name, kind in OUT.items()}
    out = {f"out_{name}": column for name, column in found.items()}
    counts = evaluate(now, calendars_of(tables), **columns_of(rows), **out, **options)
    told = [
        dict(zip(OUT, values, strict=True))
        for values in zip(*(column.tolist() for column in found.values()), strict=True)
    ]
    flags = [row["flags"] for row in told]
    marks = (ROLLED, OVER, SWITCH, INVALID)
    assert tuple(sum(bool(each & mark) for each in flags) for mark in marks) == counts
    return told


LOW, HIGH = LEVEL_LOW, LEVEL_LOW | LEVEL_HIGH
SPENT, BACK, STALE = OVER | SWITCH | HIGH, ROLLED | SWITCH, ROLLED | STALE_CYCLE
FREE = UNLIMITED
ENDS = {"applied": 12, "expires": DEC + 5}
BASE: Row = {
    "mode": quota.DATA,
    "flags": ACTIVE | ONLINE,
    "limit": 100 * M,
    **dict.fromkeys(("topup", "carried", "up", "down"), 0),
    "period_start": NOV,
    "period_end": DEC,
    "cal": 0,
    "t1": 11,
    "t2": 12,
    "applied": 11,
}


def carry(**change: int) -> Row:
    """A row that carries forward."""
    return {"flags": ACTIVE | ONLINE | CARRY, **change}


def billed(start: int, end: int, **change: int) -> Row:
    """A row of a billing cycle."""
    flags = ACTIVE | ONLINE | CARRY | BILLING
    return {"flags": flags, "cal": -1, "bill_start": start, "bill_end": end, **change}


B = (NOV, DEC)
NOW = 1795321800
SOON, LATE, LATER = NOW + 9, 1797000000, 1799592000
# Change to the base row, now; then active, used, effective, remaining, flags, carried, period end.
VECTORS: dict[str, tuple[Row, int, int, int, int, int, int, int, int]] = {
    "G1": ({"up": 40*M, "down": 50*M}, NOW, 11, 90*M, 100*M, 10*M, LOW, 0, DEC),
    "G2": ({"up": 40*M, "down": 60*M}, NOW, 11, 100*M, 100*M, 0, HIGH, 0, DEC),
    "G3": ({"up": 40*M, "down": 60*M + 1}, NOW, 12, 100*M + 1, 100*M, 0, SPENT, 0, DEC),
    "G4": ({"flags": 13, "up": 400*M, "down": 60*M}, NOW, 11, 60*M, 100*M, 40*M, 0, 0, DEC),
    "G5": ({"mode": 1, "up": 100*M, "down": 100*M}, NOW, 11, 100*M, 100*M, 0, HIGH, 0, DEC),
    "G6": ({"mode": 1, "up": 100*M + 1, "down": 1}, NOW, 12, 100*M + 1, 100*M, 0, SPENT, 0, DEC),
    "G7": ({"mode": 2, "limit": 0, "up": 5*G, "down": 7*G}, NOW, 11, 12*G, 0, -1, FREE, 0, DEC),
    "G8": (carry(up=10*M, down=20*M), DEC, 11, 0, 170*M, 170*M, ROLLED, 70*M, JAN),
    "G9": (carry(up=10*M, down=20*M), 1799951400, 11, 0, 200*M, 200*M, ROLLED, 100*M, FEB),
    "G10": (carry(up=100*M, down=20*M, applied=12), DEC, 11, 0, 100*M, 100*M, BACK, 0, JAN),
    "G11": (carry(carried=70*M, down=50*M), DEC, 11, 0, 200*M, 200*M, ROLLED, 100*M, JAN),
    "G12": (carry(up=10*M, down=20*M), DEC - 1, 11, 30*M, 100*M, 70*M, 0, 0, DEC),
    "G13": ({"topup": 50*M, "down": 140*M}, NOW, 11, 140*M, 150*M, 10*M, LOW, 0, DEC),
    "G14": (carry(topup=50*M, down=20*M), DEC, 11, 0, 180*M, 180*M, ROLLED, 80*M, JAN),
    "G15": ({"down": 80*M}, NOW, 11, 80*M, 100*M, 20*M, LOW, 0, DEC),
    "G15, less": ({"down": 80*M - 1}, NOW, 11, 80*M - 1, 100*M, 20*M + 1, 0, 0, DEC),
    "G16": ({"flags": CARRY, "down": 20*M}, DEC, 11, 0, 100*M, 100*M, ROLLED, 0, JAN),
    "G17": ({"flags": ACTIVE, "down": 101*M}, NOW, 12, 101*M, 100*M, 0, OVER | HIGH, 0, DEC),
    "G18": ({"topup": -200*M}, NOW, 11, 0, 0, 0, HIGH, 0, DEC),
    "G19": ({"topup": -200*M, "down": 1}, NOW, 12, 1, 0, 0, SPENT, 0, DEC),
    "G20, limit": ({"limit": -1}, NOW, 11, 0, 0, 0, INVALID, 0, DEC),
    "G20, up": ({"up": 1 << 60}, NOW, 11, 0, 0, 0, INVALID, 0, DEC),
    "G20, mode": ({"mode": 3}, NOW, 11, 0, 0, 0, INVALID, 0, DEC),
    "G22": (carry(topup=-30*M, down=20*M), DEC, 11, 0, 150*M, 150*M, ROLLED, 50*M, JAN),
    "G23": (billed(DEC, JAN, up=10*M, down=20*M), DEC, 11, 0, 170*M, 170*M, ROLLED, 70*M, JAN),
    "G24": (billed(*B, down=20*M), DEC, 11, 20*M, 100*M, 80*M, STALE_CYCLE, 0, DEC),
    "G25": (billed(NOW, 1797913800, down=100*M), NOW, 11, 0, 100*M, 100*M, ROLLED, 0, 1797913800),
    "G26": (carry(down=20*M, expires=DEC - 1), DEC, 11, 0, 100*M, 100*M, ROLLED, 0, JAN),
    "G27": (carry(down=20*M, **ENDS), DEC + 9, 11, 0, 180*M, 180*M, ROLLED, 80*M, JAN),
    "G28": (billed(LATE, LATER, down=120*M), LATE, 11, 0, 100*M, 100*M, ROLLED, 0, LATER),
    "cycle moved": (billed(NOV, JAN), NOW, 11, 0, 100*M, 100*M, 0, 0, JAN),
    "cycle ended": (billed(NOW, SOON), SOON, 11, 0, 200*M, 200*M, STALE, 100*M, SOON),
    "calendar": ({"cal": 1}, NOW, 11, 0, 0, 0, INVALID, 0, DEC),
    "before the table": ({"applied": 12}, MONTHS[0] - 1, 12, 0, 0, 0, CAL_RANGE, 0, DEC),
    "after the table": ({"applied": 0}, MONTHS[-1], 11, 0, 0, 0, CAL_RANGE, 0, DEC),
}  # fmt: skip
INSTANTS = ("period_start", "period_end", *OPTIONAL)


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    """5.3, in milliseconds."""
    change, now, *expected, end = VECTORS[name]
    row = {
        key: value * 1000 if key in INSTANTS else value for key, value in {**BASE, **change}.items()
    }
    months = tuple(at * 1000 for at in MONTHS)
    told = answers([row], [months], now * 1000)[0]
    names = ("active", "used", "effective", "remaining", "flags", "carried", "period_end")
    assert [*expected, end * 1000] == [told[key] for key in names]


def metric(row: Row) -> int:
    """Step 2."""
    if row["flags"] & EXCLUDE_UPLOAD:
        return row["down"]
    either = row["mode"] == UPLOAD_DOWNLOAD
    return max(row["up"], row["down"]) if either else row["up"] + row["down"]


def naive(row: Row, tables: list[Table], now: int, low: int = 80, high: int = 100) -> Row:
    """4.3 and 4.11 in plain Python, with the boundaries counted one by one."""
    flags, start, end = row["flags"], row["period_start"], row["period_end"]
    told = {
        "active": row["t1"],
        **dict.fromkeys(("used", "effective", "remaining"), 0),
        "period_start": start,
        "period_end": end,
        "carried": row["carried"],
    }
    sizes = [row[name] for name in ("limit", "carried", "up", "down")]
    if (
        row["mode"] > ALWAYS
        or not all(0 <= size <= QUANTITY_MAX for size in [*sizes, abs(row["topup"])])
        or start >= end
        or not -1 <= row["cal"] < len(tables)
    ):
        return told | {"flags": INVALID}
    table = tables[row["cal"]] if row["cal"] >= 0 and not flags & BILLING else ()
    if row["cal"] >= 0 and not flags & BILLING and not (table and table[0] <= now < table[-1]):
        return told | {"flags": CAL_RANGE, "active": row["applied"] or row["t1"]}
    windows = 0
    if flags & BILLING and "bill_start" in row:
        if start < row["bill_start"] <= now:
            windows, start, end = 1, row["bill_start"], row["bill_end"]
        elif row["bill_start"] == start:
            end = row["bill_end"]
    elif table and now >= end:
        windows = sum(start < at <= now for at in table)
        if windows:
            at = bisect_right(table, now)
            start, end = table[at - 1], table[at]
    if start >= end:
        return told | {"flags": INVALID}
    used, topup, carried, found = metric(row), row["topup"], row["carried"], 0
    expires = row.get("expires", NEVER_MS)
    if windows:
        found |= ROLLED
        rest = row["limit"] + carried + min(0, topup) - used
        carried = row["limit"] if windows > 1 else min(max(rest, 0), row["limit"])
        if not flags & CARRY or not flags & ACTIVE or start >= expires or row["mode"] == ALWAYS:
            carried = 0
        used = topup = 0
    always = row["mode"] == ALWAYS
    effective = 0 if always else max(0, row["limit"] + carried + topup)
    over = not always and used > effective
    active = row["t2"] if over else row["t1"]
    switch = flags & ONLINE and flags & ACTIVE and now < expires and active != row["applied"]
    found |= OVER * over | SWITCH * bool(switch) | UNLIMITED * always
    found |= STALE_CYCLE * bool(flags & BILLING and now >= end)
    found |= LEVEL_LOW * (not always and 100 * used >= effective * low)
    found |= LEVEL_HIGH * (not always and 100 * used >= effective * high)
    return {
        "active": active,
        "used": used,
        "effective": effective,
        "remaining": -1 if always else max(0, effective - used),
        "period_start": start,
        "period_end": end,
        "carried": carried,
        "flags": found,
    }


TABLES: list[Table] = [(), (5,), tuple(range(0, 1000, 100)), (10, 480, 490, 500, 530, 5000)]


def random_row(source: random.Random) -> Row:
    """Small figures that meet at their limits, and now and then anything at all."""
    wide = source.random() < 0.2

    def size() -> int:
        if wide:
            bits = source.choice([54, 56, 60, 61, 63])
            return source.choice([-1, 0, (1 << bits) - 1, source.randrange(1 << bits)])
        return source.randrange(12)

    start = source.randrange(600)
    bill = source.randrange(600)
    return {
        "mode": source.choice([0, 0, 1, 2, 3] if wide else [0, 1, 2]),
        "flags": source.randrange(32),
        "limit": size() * (1 if wide else 5),
        "topup": size() * source.choice([-1, 1]),
        **{name: size() for name in ("carried", "up", "down")},
        "period_start": start,
        "period_end": source.choice([start + source.randrange(300), NEVER_MS]),
        "cal": source.choice([-1, 2, 3, 2, 3, 0, 1, 4] if wide else [-1, 2, 3]),
        "t1": 1,
        "t2": 2,
        "applied": source.randrange(3),
        "bill_start": source.choice([bill, start]),
        "bill_end": bill + source.randrange(200),
        "expires": source.choice([source.randrange(900), NEVER_MS]),
    }


@pytest.mark.parametrize("seed", range(6))
def test_any_rows(seed: int) -> None:
    """Every row is what plain Python says, with and without optional columns and sound tables, on
    every sort of processor that this one can be.
    """
    source = random.Random(seed)
    lanes = LANES[seed // 2 % len(LANES)]
    tables = TABLES if seed % 2 else [TABLES[3], TABLES[2], TABLES[2], TABLES[3]]
    rows = [random_row(source) for _ in range(1500)]
    for left_out in ([], ["expires"], ["bill_start", "bill_end"], [*OPTIONAL]):
        fewer = [{key: row[key] for key in row if key not in left_out} for row in rows]
        for now, low, high in [(495, 80, 100), (500, 0, 33), (899, 7, 99)]:
            expected = [naive(row, tables, now, low, high) for row in fewer]
            assert expected == answers(fewer, tables, now, low=low, high=high, lanes=lanes)


def test_rows_do_not_know_each_other() -> None:
    """Permuted, divided, one by one or on several threads: the same answers."""
    source = random.Random(1)
    few = [random_row(source) for _ in range(400)]
    expected = [naive(row, TABLES, 495) for row in few]
    assert expected == [answers([row], TABLES, 495)[0] for row in few]
    order = [source.randrange(len(few)) for _ in range(70_000)]
    told = answers([few[at] for at in order], TABLES, 495, threads=3)
    assert [expected[at] for at in order] == told
    assert [] == answers([], TABLES, 495)


def test_one_row() -> None:
    """Without columns and with three boundaries as its table, a row is what plain Python says."""
    source = random.Random(2)
    for _ in range(3000):
        row = random_row(source)
        span = source.choice([None, (480, 490, 500), (0, 100, 495), (400, 495, 600), (5, 6, 7)])
        told = evaluate_one(
            495, span, **{name: row[name] for name in row if name != "cal"}, low=7, high=99
        )
        row["cal"] = -1 if span is None else 0
        tables: list[Table] = [] if span is None else [span]
        assert naive(row, tables, 495, 7, 99) == dict(zip(OUT, told, strict=True))


@pytest.mark.parametrize(
    ("span", "change"),
    [((5, 5, 6), {}), ((6, 5, 7), {}), ((5, 6), {}), (None, {"low": 3, "high": 2}),
     (None, {"high": 101})],
)  # fmt: skip
def test_wrong_one(span: Any, change: dict[str, int]) -> None:
    """A span that does not ascend and thresholds that are none are refused."""
    row = {name: 1 for name in random_row(random.Random(3)) if name != "cal"}
    with pytest.raises(ValueError, match=r"span|thresholds|unpack"):
        evaluate_one(495, span, **row, **change)


@pytest.mark.parametrize("lanes", LANES)
def test_many_rows(lanes: int) -> None:
    """So many that answers go past the caches: they are whole wherever their columns begin."""
    source = random.Random(3)
    few = columns_of([random_row(source) for _ in range(997)])
    given = {name: np.resize(column, 70_001) for name, column in few.items()}
    found: dict[str, dict[int, Any]] = {name: {} for name in OUT}
    for rows in (few, given):
        count = len(rows["mode"])
        for lead, (name, kind) in enumerate(OUT.items()):
            found[name][count] = np.empty(count + lead, kind)[lead:]
        out = {f"out_{name}": columns[count] for name, columns in found.items()}
        evaluate(495, calendars_of(TABLES), **rows, **out, lanes=lanes)
    for columns in found.values():
        assert (np.resize(columns[997], 70_001) == columns[70_001]).all()


def test_evaluating_again_changes_nothing() -> None:
    """A row that was stored as told is told the same, without ROLLED."""
    source = random.Random(2)
    rows = [random_row(source) for _ in range(500)]
    first = answers(rows, TABLES, 495)
    stored = [
        row
        | {key: told[key] for key in ("period_start", "period_end", "carried")}
        | (dict.fromkeys(("up", "down", "topup"), 0) if told["flags"] & ROLLED else {})
        for row, told in zip(rows, first, strict=True)
    ]
    again = [told | {"flags": told["flags"] & ~ROLLED} for told in first]
    assert again == answers(stored, TABLES, 495)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("limit has 2 rows, mode 1", {"limit": array("q", [1, 2])}),
    ("out_flags has 0 rows", {"out_flags": array("H")}),
    ("mismatch", {"up": array("i", [1])}),
    ("mismatch", {"out_active": array("q", [1])}),
    ("contiguous", {"down": np.zeros(4, np.int64)[::2]}),
    ("thresholds", {"low": 90, "high": 80}),
    ("threads", {"threads": 0}),
    ("lanes", {"lanes": 3}),
    ("a start and an end", {"bill_start": array("q", [1])}),
]


@pytest.mark.parametrize(("message", "change"), WRONG)
def test_wrong_columns(message: str, change: dict[str, Any]) -> None:
    """Everything is checked before any work."""
    kinds = {**IN, **{f"out_{name}": kind for name, kind in OUT.items()}}
    columns: dict[str, Any] = {name: np.ones(1, kind) for name, kind in kinds.items()}
    before = {name: column.tolist() for name, column in columns.items()}
    with pytest.raises(ValueError, match=message):
        evaluate(0, Calendars(array("q", [0]), array("q")), **{**columns, **change})
    assert before == {name: column.tolist() for name, column in columns.items()}


@pytest.mark.parametrize(
    ("offsets", "boundaries"), [([], []), ([1], []), ([0, 2, 1, 2], [1, 2]), ([0, 2], [2, 2])]
)
def test_wrong_calendars(offsets: list[int], boundaries: list[int]) -> None:
    """Offsets divide the boundaries into tables that ascend."""
    with pytest.raises(ValueError, match=r"offsets|table"):
        Calendars(array("q", offsets), array("q", boundaries))
