"""CSV files: their form, their safety in a spreadsheet, and that they are never held whole."""

import csv
import io
import tracemalloc
from typing import Any

import pytest

from farebox.domain.errors import InvalidError
from farebox.domain.windows import zone
from farebox.engine.exports import Column, asked_columns, file_name, open_csv, wants_json
from farebox.storage.pool import Pool


async def _file(pool: Pool, text: str, columns: list[Column], **options: Any) -> bytes:
    counted = (f"select count(*) from ({text}) as c", ())
    parts = await open_csv(pool, (text, ()), counted, columns, zone("Europe/Amsterdam"), **options)
    return b"".join([part async for part in parts])


CELLS = [
    ("text", "'plain'::text", "plain"),
    ("text", "'a,b'::text", '"a,b"'),
    ("text", "'say \"x\"'::text", '"say ""x"""'),
    ("text", "e'two\\r\\nlines'::text", '"two\r\nlines"'),
    ("text", "'=1+2'::text", "'=1+2"),
    ("text", "'+1'::text", "'+1"),
    ("text", "'-1'::text", "'-1"),
    ("text", "'@x'::text", "'@x"),
    ("text", "e'\\tx'::text", "'\tx"),
    ("text", "e'\\rx'::text", '"\'\rx"'),
    ("text", "'Ärger €'::text", "Ärger €"),
    ("int", "-5::int", "-5"),
    ("bigtext", "'-5'::text", "-5"),
    ("decimal", "'-4.9'::text", "-4.9"),
    ("money", "100::bigint", "100"),
    ("bool01", "1::int", "1"),
    ("bool", "true", "true"),
    ("instant", "'2026-03-29T00:59:59Z'::timestamptz", "2026-03-29 01:59:59"),
    ("instant", "'2026-03-29T01:00:00Z'::timestamptz", "2026-03-29 03:00:00"),
    ("text", "null::text", ""),
]


@pytest.mark.parametrize(("kind", "value", "cell"), CELLS)
async def test_cells(pool: Pool, kind: str, value: str, cell: str) -> None:
    """Every kind of value is written as documented, and nothing starts a formula."""
    columns = [Column("First", "int"), Column("Second", kind)]
    text = await _file(pool, f"select 1 as a, {value} as b", columns)
    assert f"First,Second\r\n1,{cell}\r\n".encode() == text


async def test_headers_are_cells_too(pool: Pool) -> None:
    """A header is quoted and neutralised like any text."""
    assert b'\'=x,"a ""b"""\r\n' == await _file(
        pool, "select 1, 2 where false", [Column("=x", "int"), Column('a "b"', "int")]
    )


async def test_too_many_rows_are_refused_before_the_first_byte(pool: Pool) -> None:
    """The limit itself passes, one more row is an error and no file."""
    text, column = "select n from generate_series(1, 5) as n", [Column("n", "int")]
    assert 6 == (await _file(pool, text, column, rows_max=5)).count(b"\r\n")
    with pytest.raises(InvalidError) as refused:
        await _file(pool, text, column, rows_max=4)
    assert {"where"} == set(refused.value.fields)


async def test_memory_does_not_grow_with_the_file(pool: Pool) -> None:
    """A file of many megabytes passes through a few batches' worth of memory, and is whole."""
    text = "select n, repeat('x', 500) from generate_series(1, 40000) as n"
    counted, columns = ("select 40000", ()), [Column("n", "int"), Column("x", "text")]
    parts = await open_csv(pool, (text, ()), counted, columns, zone("UTC"))
    tracemalloc.start()
    size = lines = 0
    async for part in parts:
        size, lines = size + len(part), lines + part.count(b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (40_001, True, True) == (lines, size > 20_000_000, peak < 8_000_000)


async def test_readers_get_the_values_back(pool: Pool) -> None:
    """What a CSV reader reads are the values that were written."""
    values = ["a", 'b"c', "d,e", "f\r\ng", "é"]
    text = "select unnest($1::text[]) as v"
    parts = await open_csv(
        pool, (text, (values,)), ("select 5", ()), [Column("v", "text")], zone("UTC")
    )
    content = b"".join([part async for part in parts]).decode()
    assert [["v"], *([value] for value in values)] == list(
        csv.reader(io.StringIO(content, newline=""))
    )


COLUMNS = [
    (["plu,name:Name,price"], [("plu", "plu"), ("name", "Name"), ("price", "price")]),
    (["code", "balance: Left over "], [("code", "code"), ("balance", "Left over")]),
    (["campaign.name:Campaign"], [("campaign.name", "Campaign")]),
    (["at:Time: local"], [("at", "Time: local")]),
]


@pytest.mark.parametrize(("items", "pairs"), COLUMNS)
def test_asked_columns(items: list[str], pairs: list[tuple[str, str]]) -> None:
    """Columns come as an array or a comma list, each with or without a header."""
    assert pairs == asked_columns(items)


@pytest.mark.parametrize("items", [[], [""], ["a,,b"], [":Header"], [",".join(["a"] * 101)]])
def test_asked_columns_refused(items: list[str]) -> None:
    """None, empty names and more than a hundred are refused."""
    with pytest.raises(InvalidError):
        asked_columns(items)


NAMES = [
    (None, "voucher.csv"), ("", "voucher.csv"), ("week 12", "week_12.csv"),
    ("../../etc/passwd", ".._.._etc_passwd.csv"), ("a.CSV", "a.CSV"), ('x"\r\n', "x___.csv"),
    ("x" * 200, "x" * 80 + ".csv"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "name"), NAMES)
def test_file_name(asked: str | None, name: str) -> None:
    """A file name cannot break out of its header or its folder."""
    assert name == file_name(asked, "voucher")


ACCEPTS = [
    ("application/json", True), ("application/json, text/plain", True),
    ("application/json, */*", False), ("text/csv", False), ("", False), ("*/*", False),
    ("application/json;q=0.9,text/csv", False),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "json"), ACCEPTS)
def test_wants_json(accept: str, json: bool) -> None:
    """Only who takes JSON and neither CSV nor everything gets the text inside JSON."""
    assert json is wants_json(accept)
