"""Figures drawn as a table: as wide as the page at most, as long as asked."""

from typing import Any

from farebox.engine.chart_axes import number
from farebox.engine.chart_figure import Column, Figure, scaled, unit_of
from farebox.engine.chart_plots import Plot
from farebox.engine.chart_shapes import Line, Rect, Shape, Text, shortened, text_width

ROW = 19.0
_SIZE, _GAP = 11.0, 18.0
_LEAST = 36.0
# So many rows of a table of several pages say how wide its columns are.
_ASKED = 200


def table_plot(
    figure: Figure, left: float, top: float, width: float, rows_max: int, first: int = 0,
    *, is_cut: bool = False,
) -> Plot:  # fmt: skip
    """The table's head and its rows from `first` on, at most `rows_max` of them.

    It says how many are left unless it is cut, which is when it goes on elsewhere; then the first
    rows say how wide the columns are on every page.
    """
    heads = [_head(figure, column) for column in figure.columns]
    lines = [_cells(figure, row) for row in figure.rows[first : first + rows_max]]
    asked = [_cells(figure, row) for row in figure.rows[:_ASKED]] if is_cut else lines
    widths = _widths(heads, asked, width)
    shapes: list[Shape] = []
    y = top + 14
    shapes += _line(figure, heads, widths, left, y, bold=True)
    total = sum(widths) + _GAP * (len(widths) - 1)
    shapes.append(Line(((left, y + 6), (left + total, y + 6)), "axis"))
    for place, cells in enumerate(lines):
        y += ROW
        if place % 2:
            shapes.append(Rect(left - 4, y - 13, total + 8, ROW, "band"))
        shapes += _line(figure, cells, widths, left, y, bold=False)
    rest = len(figure.rows) - first - len(lines)
    if rest > 0 and not is_cut:
        y += ROW
        shapes.append(Text(left, y, f"and {number(rest, 0)} rows more", _SIZE, "muted"))
    if not figure.rows:
        y += ROW
        shapes.append(Text(left, y, "nothing in this time", _SIZE, "muted"))
    return Plot(shapes, y + 12 - top)


def _head(figure: Figure, column: Column) -> str:
    told = any(one.role == "currency" for one in figure.columns)
    # Beside its currency an amount says what it is.
    unit = "" if column.unit == "money" and told else unit_of(column, "")
    return f"{column.name} ({unit})" if unit else column.name


def _cells(figure: Figure, row: tuple[Any, ...]) -> list[str]:
    """A row as people read it: money in the major unit of the currency beside it."""
    at = next((at for at, one in enumerate(figure.columns) if one.role == "currency"), None)
    currency = "" if at is None else str(row[at])
    told = []
    for column, value in zip(figure.columns, row, strict=True):
        if column.role == "measure" and not isinstance(value, str):
            told.append(number(*scaled(figure, column, value, currency)))
        else:
            told.append("" if value is None else str(value))
    return told


def _widths(heads: list[str], lines: list[list[str]], width: float) -> list[float]:
    """What each column wants; the widest give way until all fit."""
    wanted = [
        max([text_width(head, _SIZE, bold=True), *(text_width(line[at], _SIZE) for line in lines)])
        for at, head in enumerate(heads)
    ]
    spare = width - _GAP * (len(heads) - 1)
    while sum(wanted) > spare + 1 and max(wanted) > _LEAST:
        widest = max(wanted)
        next_widest = max((one for one in wanted if one < widest), default=_LEAST)
        count = wanted.count(widest)
        lower = max(next_widest, widest - (sum(wanted) - spare) / count, _LEAST)
        wanted = [lower if one == widest else one for one in wanted]
    return wanted


def _line(
    figure: Figure, cells: list[str], widths: list[float], left: float, y: float, *, bold: bool
) -> list[Shape]:
    shapes: list[Shape] = []
    for column, cell, wide in zip(figure.columns, cells, widths, strict=True):
        told = shortened(cell, _SIZE, wide + 1, bold=bold)
        if column.role == "measure":
            shapes.append(Text(left + wide, y, told, _SIZE, anchor="end", bold=bold))
        else:
            shapes.append(Text(left, y, told, _SIZE, bold=bold))
        left += wide + _GAP
    return shapes
