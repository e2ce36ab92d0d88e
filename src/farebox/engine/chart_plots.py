"""Panels drawn as bars, lines or pies: shapes in a box of a given width, and the height it took.

Bars stand on each other where all values can be added up and none is negative, else beside each
other. A line has no point where there is no value. A pie shows the sums of series over all dates;
what cannot be a part of a whole is not drawn as one.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from farebox.engine.chart_axes import SIZE, grid, labels, number, room, scale
from farebox.engine.chart_figure import OTHERS, Panel
from farebox.engine.chart_shapes import (
    Dot,
    Line,
    Rect,
    Shape,
    Text,
    Wedge,
    series_ink,
    shortened,
    text_width,
)

PLOT_HEIGHT = 190.0
_HEAD = 26.0
# More dots than this on a line hide it.
_DOTS_MAX = 62
# Where a value stands on the page.
YOf = Callable[[float], float]


class Plot(NamedTuple):
    """Shapes and the height of the box they fill."""

    shapes: list[Shape]
    height: float


def heading(panel: Panel, left: float, top: float) -> Text:
    """The measure and its unit over a panel."""
    unit = f" ({panel.unit})" if panel.unit else ""
    return Text(left, top + 14, panel.title + unit, 12, bold=True)


def axes_plot(panel: Panel, view: str, left: float, top: float, width: float) -> Plot:
    """Bars or lines over categories."""
    is_stacked = view == "bars" and panel.is_sum and _is_whole(panel)
    low, high = _extremes(panel, is_stacked=is_stacked)
    made = scale(low, high, digits=panel.digits)
    axis = left + room(made, panel.digits)
    inner = width - (axis - left)
    box_top = top + _HEAD
    shapes: list[Shape] = [heading(panel, left, top)]
    shapes += grid(made, axis, box_top, inner, PLOT_HEIGHT, panel.digits)

    def y_of(value: float) -> float:
        return box_top + PLOT_HEIGHT * (1 - made.part(value))

    if view == "lines":
        shapes += _lines(panel, axis, inner, y_of)
    elif is_stacked:
        shapes += _stacks(panel, axis, inner, y_of)
    else:
        shapes += _groups(panel, axis, inner, y_of)
    height = _HEAD + PLOT_HEIGHT + 18
    shapes += labels(panel.categories, axis, top + height - 4, inner)
    names = [one.name for one in panel.series]
    if names not in ([], [panel.title]):
        legend, taken = _legend(names, axis, top + height + 4, inner)
        shapes, height = shapes + legend, height + 4 + taken
    return Plot(shapes, height + 12)


def _is_whole(panel: Panel) -> bool:
    return all((value or 0) >= 0 for one in panel.series for value in one.values)


def _extremes(panel: Panel, *, is_stacked: bool) -> tuple[float, float]:
    if is_stacked:
        columns = zip(*(one.values for one in panel.series), strict=True)
        return 0, max((sum(value or 0 for value in column) for column in columns), default=0)
    told = [value for one in panel.series for value in one.values if value is not None]
    return min(told, default=0), max(told, default=0)


def _hint(panel: Panel, at: int, name: str, value: float) -> str:
    told = f"{panel.categories[at]}: {number(value, panel.digits)} {panel.unit}".rstrip()
    return told if len(panel.series) == 1 else f"{name}, {told}"


def _stacks(panel: Panel, left: float, width: float, y_of: YOf) -> list[Shape]:
    slot = width / max(1, len(panel.categories))
    bar = min(slot * 0.76, 46)
    shapes: list[Shape] = []
    for at in range(len(panel.categories)):
        x, below = left + slot * (at + 0.5) - bar / 2, 0.0
        for place, one in enumerate(panel.series):
            if value := one.values[at]:
                top = y_of(below + value)
                hint = _hint(panel, at, one.name, value)
                shapes.append(Rect(x, top, bar, y_of(below) - top, series_ink(place), hint))
                below += value
    return shapes


def _groups(panel: Panel, left: float, width: float, y_of: YOf) -> list[Shape]:
    slot = width / max(1, len(panel.categories))
    bar = min(slot * 0.76 / max(1, len(panel.series)), 46)
    shapes: list[Shape] = []
    for at in range(len(panel.categories)):
        start = left + slot * (at + 0.5) - bar * len(panel.series) / 2
        for place, one in enumerate(panel.series):
            if value := one.values[at]:
                top, bottom = y_of(max(value, 0)), y_of(min(value, 0))
                hint = _hint(panel, at, one.name, value)
                x = start + bar * place
                shapes.append(Rect(x, top, bar, bottom - top, series_ink(place), hint))
    return shapes


def _lines(panel: Panel, left: float, width: float, y_of: YOf) -> list[Shape]:
    slot = width / max(1, len(panel.categories))
    shapes: list[Shape] = []
    for place, one in enumerate(panel.series):
        ink, run = series_ink(place), list[tuple[float, float]]()
        dots: list[Shape] = []
        for at, value in enumerate([*one.values, None]):
            if value is not None:
                point = (left + slot * (at + 0.5), y_of(value))
                run.append(point)
                dots.append(Dot(*point, 2.6, ink, _hint(panel, at, one.name, value)))
            elif run:
                shapes.append(Line(tuple(run), ink, 2))
                run = []
        # Without its dot a single point would be nothing.
        if len(dots) <= _DOTS_MAX:
            shapes += dots
    return shapes


def _legend(names: list[str], left: float, top: float, width: float) -> tuple[list[Shape], float]:
    """Names with their colours, in as many lines as it takes."""
    shapes: list[Shape] = []
    x, y = left, top
    for place, name in enumerate(names):
        told = shortened(name, SIZE, width - 16)
        wide = 16 + text_width(told, SIZE) + 14
        if x > left and x + wide > left + width:
            x, y = left, y + 16
        shapes.append(Rect(x, y, 10, 10, series_ink(place)))
        shapes.append(Text(x + 15, y + 9, told, SIZE, "muted"))
        x += wide
    return shapes, y + 16 - top


def names_plot(panel: Panel, left: float, top: float, width: float) -> Plot:
    """Bars from left to right, one under another: room for names, and each says its value."""
    values = [value or 0.0 for value in panel.series[0].values]
    made = scale(min(values), max(values), digits=panel.digits)
    told = [number(value, panel.digits) for value in values]
    widest = max(text_width(name, SIZE) for name in panel.categories)
    start = left + min(widest, width * 0.34) + 12
    inner = width - (start - left) - max(text_width(one, SIZE) for one in told) - 10
    row = 21.0

    def x_of(value: float) -> float:
        return start + inner * made.part(value)

    y, foot = top + _HEAD, top + _HEAD + row * len(values)
    shapes: list[Shape] = [heading(panel, left, top)]
    for tick in made.ticks:
        ink = "axis" if abs(tick) < made.step / 2 else "grid"
        shapes.append(Line(((x_of(tick), y), (x_of(tick), foot)), ink))
    for name, value, text in zip(panel.categories, values, told, strict=True):
        low, high = x_of(min(value, 0)), x_of(max(value, 0))
        ink = series_ink(7 if name == OTHERS else 0)
        shapes.append(Rect(low, y + 3, high - low, row - 6, ink))
        cut = shortened(name, SIZE, start - left - 12)
        shapes.append(Text(start - 8, y + row / 2 + 3.5, cut, SIZE, anchor="end"))
        shapes.append(Text(high + 6, y + row / 2 + 3.5, text, SIZE, "muted"))
        y += row
    return Plot(shapes, foot - top + 22)


def pie_plot(panel: Panel, left: float, top: float, width: float) -> Plot:
    """Parts of a whole, with what they are beside it."""
    parts = _parts(panel)
    whole = sum(value for _, value in parts)
    shapes: list[Shape] = [heading(panel, left, top)]
    radius, row = 84.0, 20.0
    centre = (left + radius + 8, top + _HEAD + radius + 6)
    beside = centre[0] + radius + 28
    height = max(2 * radius + 16, row * (len(parts) + 1) + 8)
    start, y = 0.0, top + _HEAD + 18
    total = f"{number(whole, panel.digits)} {panel.unit}".rstrip()
    room_left = left + width - 70 - text_width(total, 11, bold=True) - 10 - beside - 16
    for place, (name, value) in enumerate(parts):
        end, share = start + value / whole, f"{100 * value / whole:.1f} %"
        told = f"{number(value, panel.digits)} {panel.unit}".rstrip()
        ink = series_ink(place)
        shapes.append(Wedge(*centre, radius, start, end, ink, f"{name}: {told}, {share}"))
        shapes.append(Rect(beside, y - 9, 10, 10, ink))
        shapes.append(Text(beside + 16, y, shortened(name, 11, room_left), 11))
        shapes.append(Text(left + width - 70, y, told, 11, anchor="end"))
        shapes.append(Text(left + width, y, share, 11, "muted", "end"))
        start, y = end, y + row
    shapes.append(Line(((beside, y - 12), (left + width, y - 12)), "grid"))
    shapes.append(Text(beside + 16, y + 4, "total", 11, bold=True))
    shapes.append(Text(left + width - 70, y + 4, total, 11, anchor="end", bold=True))
    return Plot(shapes, _HEAD + height + 20)


def has_parts(panel: Panel) -> bool:
    """Whether there is a whole of which the series are parts."""
    sums = [math.fsum(value or 0 for value in one.values) for one in panel.series]
    return panel.is_sum and _is_whole(panel) and sum(sums) > 0


def _parts(panel: Panel) -> list[tuple[str, float]]:
    """What there is of each series, or of each category where there is but one series."""
    if panel.is_dated:
        sums = [(one.name, sum(value or 0 for value in one.values)) for one in panel.series]
    else:
        values = panel.series[0].values
        sums = [(name, value or 0) for name, value in zip(panel.categories, values, strict=True)]
    sums = sorted((pair for pair in sums if pair[1] > 0), key=lambda pair: -pair[1])
    kept, rest = sums[:7], sums[7:]
    return [*kept, (OTHERS, sum(value for _, value in rest))] if rest else kept
