"""Tables on the wire: CSV or a JSON object a line, read and written in parts (isp.md 4.9).

Reading takes a body as it arrives and holds a batch of it. Names are folded as those of arguments
are; an empty cell of CSV says nothing. What a spreadsheet would take for a formula is written with
an apostrophe before it, and read without. Nothing is known here about what rows mean.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import fold

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
BATCH: Final = 1_000
LINE_BYTES_MAX: Final = 1 << 20
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_encode = msgspec.json.Encoder().encode

# The number of a line, from 1, and what it says.
Line = tuple[int, dict[str, Any]]


async def batches(
    body: AsyncIterator[bytes], kind: str, fault: Callable[[int, str], None]
) -> AsyncIterator[list[Line]]:
    """The rows of a body; lines that are none are told to `fault`."""
    names: list[str] | None = None
    batch: list[Line] = []
    async for number, line in _lines(body, fault, is_quoted=kind == CSV):
        try:
            if kind == NDJSON:
                row = _folded(msgspec.json.decode(line))
            else:
                cells = next(csv.reader([line.decode("utf-8-sig")], strict=True), [])
                if names is None:
                    names = [fold(name.strip()) for name in cells]
                    continue
                row = _named(names, cells)
            if any("\0" in one for one in row.values() if isinstance(one, str)):
                raise ValueError("no text holds NUL")
        except (ValueError, RecursionError, csv.Error) as error:
            fault(number, f"The line is malformed: {error}"[:200])
            continue
        batch.append((number, row))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _lines(
    body: AsyncIterator[bytes], fault: Callable[[int, str], None], *, is_quoted: bool
) -> AsyncIterator[tuple[int, bytes]]:
    """Lines that are not empty; ends of lines between quotes belong to the line."""
    number, first, left = 0, 1, b""
    pieces: list[bytes] = []
    size, is_open = 0, False
    async for part in body:
        *whole, left = (left + part).split(b"\n")
        for piece in whole:
            number, size = number + 1, size + len(piece) + 1
            pieces.append(piece)
            # Each piece is counted once, however many a line has.
            is_open ^= is_quoted and piece.count(b'"') % 2 == 1
            if is_open and size < LINE_BYTES_MAX:
                continue
            if (line := b"\n".join(pieces).strip(b"\r\n")).strip():
                yield first, line
            first, pieces, size, is_open = number + 1, [], 0, False
        if len(left) > LINE_BYTES_MAX:
            fault(first, "The line has no end")
            return
    if (line := b"\n".join([*pieces, left]).strip(b"\r\n")).strip():
        yield first, line


def _folded(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a line must be an object")
    return {fold(name): one for name, one in value.items()}


def _named(names: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    if len(cells) > len(names):
        raise ValueError("more cells than names")
    row: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        if cell:
            row[name] = _cell(cell)
    return row


def _cell(cell: str) -> Any:
    if cell[:1] == "'" and cell[1:].startswith(_FORMULA):
        return cell[1:]
    return msgspec.json.decode(cell) if cell[:1] == "{" else cell


async def written(
    parts: AsyncIterator[Sequence[dict[str, Any]]], columns: Sequence[str], kind: str
) -> AsyncIterator[bytes]:
    """Rows as parts of a body."""
    if kind == CSV:
        yield _csv([columns])
    async for rows in parts:
        if kind == CSV:
            yield _csv([[_text(row[name]) for name in columns] for row in rows])
        else:
            yield b"".join(_encode(row) + b"\n" for row in rows)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return _encode(value).decode()
