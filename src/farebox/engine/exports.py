"""Lists as CSV, streamed: RFC 4180, UTF-8, CRLF, safe to open in a spreadsheet.

A server-side cursor keeps memory bounded by one batch of rows. Whether there are too many rows is
known before the first byte, so a refusal can still be an ordinary error. What the statements show
and to whom is decided by who builds them (vending-platform.md 3.12, vending-commerce.md 4.17).
"""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from farebox.domain.errors import InvalidError
from farebox.storage.partitions import hold_records
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
ROWS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 100
_BATCH: Final = 1000
_TEXTS: Final = ("text", "json_text")
# What a spreadsheet would take for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")

Query = tuple[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's header, and the kind of its values (`text`, `instant`, `int` ...)."""

    header: str
    kind: str


def asked_columns(items: Sequence[str]) -> list[tuple[str, str]]:
    """Path and header of each `path[:Header text]`; comma lists are taken apart.

    Raises InvalidError unless there are 1 to 100 of them.
    """
    parts = [part for item in items for part in item.split(",")]
    pairs = [
        (path.strip(), header.strip()) for path, _, header in (p.partition(":") for p in parts)
    ]
    if not pairs or not all(path for path, _ in pairs) or len(pairs) > COLUMNS_MAX:
        reason = f"must name 1 to {COLUMNS_MAX} columns"
        code = "invalid_parameter" if items else "missing_parameters"
        raise InvalidError(f"columns {reason}", code, {"columns": reason})
    return [(path, header or path) for path, header in pairs]


def file_name(asked: str | None, fallback: str) -> str:
    """A harmless file name that ends in .csv."""
    name = _UNSAFE.sub("_", asked or "")[:80] or fallback
    return name if name.lower().endswith(".csv") else f"{name}.csv"


def wants_json(accept: str) -> bool:
    """Whether a client takes JSON and neither CSV nor everything: it gets the text in `message`."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "application/json" in kinds and not kinds & {"text/csv", "text/*", "*/*"}


async def open_csv(
    pool: Pool, rows: Query, counted: Query, columns: Sequence[Column], zone: ZoneInfo,
    *, rows_max: int = ROWS_MAX,
) -> AsyncIterator[bytes]:  # fmt: skip
    """Give the parts of the file; `counted` counts the rows of `rows`, at most `rows_max` + 1.

    Raises InvalidError when there are more than `rows_max` rows.
    """
    parts = _parts(pool, rows, counted, columns, zone, rows_max)
    # The generator checks and opens everything before it gives the header.
    return _after(await anext(parts), parts)


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


async def _parts(
    pool: Pool, rows: Query, counted: Query, columns: Sequence[Column], zone: ZoneInfo,
    rows_max: int,
) -> AsyncIterator[bytes]:  # fmt: skip
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        await hold_records(connection)
        await connection.execute(SQL.take_time)
        if await connection.fetchval(counted[0], *counted[1]) > rows_max:
            reason = f"matches more than {rows_max} rows; ask for fewer"
            raise InvalidError(f"where {reason}", "invalid_filter", {"where": reason})
        cursor = await connection.cursor(rows[0], *rows[1])
        yield _lines([[_safe(column.header) for column in columns]])
        cells = [_writer(column.kind, zone) for column in columns]
        while batch := await cursor.fetch(_BATCH):
            yield _lines(
                [
                    "" if value is None else cell(value)
                    for cell, value in zip(cells, record, strict=True)
                ]
                for record in batch
            )


def _lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _writer(kind: str, zone: ZoneInfo) -> Callable[[Any], str]:
    def local(value: datetime) -> str:
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")

    if kind == "instant":
        return local
    if kind in _TEXTS:
        return _safe
    if kind in ("bool", "json", "ids"):
        return lambda value: msgspec.json.encode(value).decode()
    return str


def _safe(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
