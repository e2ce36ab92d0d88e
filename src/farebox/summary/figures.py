"""Counts and sums over the rows of a declared resource, by dates of the clock on the wall.

A verb beside those of the store because it gives figures and not rows; it changes nothing. Dates
are those of each row's own place: the zones of the rows are asked for first, then the stretches of
the time frames in these zones go into the statement as arrays. PostgreSQL's zones take no part.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from farebox.domain.frames import Frame, reach, stretches
from farebox.resource.definition import Resource, View
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load
from farebox.summary import compile as sql
from farebox.summary.definition import Summary

SQL = load(__file__)
ROWS_MAX = 10_000


class Figures(NamedTuple):
    """Rows by the names of the columns, whether there are more, and the zones of their dates."""

    rows: list[dict[str, Any]]
    truncated: bool
    zones: tuple[str, ...]


async def summarise(
    connection: Connection, resource: Resource, asked: Summary, frames: Sequence[Frame],
    view: View, *, within: str = "true", rows_max: int = ROWS_MAX,
) -> Figures:  # fmt: skip
    """Work the figures out, over what the caller sees. Frames are counted from 0.

    In a transaction, which afterwards gives its statements more time than is usual.
    """
    await connection.execute(SQL.prepare)
    zones: list[str] = []
    if asked.time is not None:
        reaches = [reach(frame, view.now_ms) for frame in frames]
        low_ms, high_ms = min(low for low, _ in reaches), max(high for _, high in reaches)
        view = view.having(low_ms=low_ms, high_ms=high_ms)
        text, values = sql.zones(resource, asked, view, within)
        zones = sorted(record[0] for record in await connection.fetch(text, *values))
        view = view.having(**_columns(frames, zones, view.now_ms))
    text, values = sql.summary(resource, asked, view, limit=rows_max + 1, within=within)
    records = await connection.fetch(text, *values)
    names = ["timeFrame", "date", *(one.name for one in asked.selected)]
    # Which frame is told where there are several, and dates where a frame has them.
    skipped = 2 if asked.time is None else int(len(frames) == 1)
    rows = [
        {name: _plain(value) for name, value in list(zip(names, record, strict=True))[skipped:]}
        for record in records[:rows_max]
    ]
    return Figures(rows, len(records) > rows_max, tuple(zones))


def _columns(frames: Sequence[Frame], zones: Sequence[str], now_ms: int) -> dict[str, object]:
    """The stretches of all frames in all zones, column by column."""
    found = [
        (number, name, *stretch, frame.unit)
        for number, frame in enumerate(frames)
        for name in zones
        for stretch in stretches(frame, name, now_ms)
    ]
    names = ("frames", "zones", "from_ms", "until_ms", "offset_ms", "units")
    return {name: [row[place] for row in found] for place, name in enumerate(names)}


def _plain(value: Any) -> Any:
    """Sums of int64 come as decimals; one that is no int64 any more is told as nearly as may be."""
    if isinstance(value, Decimal):
        return int(value) if abs(value) < 2**63 else float(value)
    return value
