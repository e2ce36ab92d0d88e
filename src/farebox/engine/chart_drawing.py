"""A figure as a picture: title, notes, and a table or a panel for each measure and currency.

Every picture says what it is of: units and currencies beside the numbers, the span and the zones
of its dates under the title. What cannot be a pie is shown as a table.
"""

from typing import Final

from farebox.engine.chart_figure import Figure, panels
from farebox.engine.chart_plots import Plot, axes_plot, has_parts, names_plot, pie_plot
from farebox.engine.chart_shapes import Picture, Shape, Text, shortened
from farebox.engine.chart_table import table_plot

WIDTH: Final = 800.0
MARGIN: Final = 24.0
PANELS_MAX: Final = 12
TABLE_ROWS_MAX: Final = 60


def draw(figure: Figure, *, width: float = WIDTH, margin: float = MARGIN) -> Picture:
    """The whole picture, as high as it must be."""
    inner = width - 2 * margin
    title = shortened(figure.title, 17, inner, bold=True)
    shapes: list[Shape] = [Text(margin, margin + 15, title, 17, bold=True)]
    y = margin + 22
    for note in figure.notes:
        y += 15
        shapes.append(Text(margin, y, shortened(note, 11, inner), 11, "muted"))
    y += 18
    for plot in _plots(figure, margin, y, inner):
        shapes += plot.shapes
        y += plot.height
    return Picture(figure.title, width, y + margin - 8, tuple(shapes))


def _plots(figure: Figure, left: float, top: float, width: float) -> list[Plot]:
    found = panels(figure)[:PANELS_MAX] if figure.rows and figure.view != "table" else []
    if figure.view == "pie":
        found = [panel for panel in found if has_parts(panel)]
    if not found:
        return [table_plot(figure, left, top, width, TABLE_ROWS_MAX)]
    made: list[Plot] = []
    for panel in found:
        if figure.view == "pie":
            plot = pie_plot(panel, left, top, width)
        elif figure.view == "bars" and not panel.is_dated:
            plot = names_plot(panel, left, top, width)
        else:
            plot = axes_plot(panel, figure.view, left, top, width)
        made.append(plot)
        top += plot.height
    return made
