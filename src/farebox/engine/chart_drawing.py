"""A figure as a picture: title, notes, and a table or a panel for each measure and currency.

Every picture says what it is of: units and currencies beside the numbers, the span and the zones
of its dates under the title. What cannot be a pie is shown as a table. A picture is made of blocks
that stand under one another, so that pages can break between them.
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


def draw(figure: Figure) -> Picture:
    """The whole picture, as high as it must be."""
    inner = WIDTH - 2 * MARGIN
    shapes: list[Shape] = []
    y = MARGIN
    plots = [title_plot(figure, MARGIN, y, inner)]
    y += plots[0].height
    plots += body_plots(figure, MARGIN, y, inner) or [
        table_plot(figure, MARGIN, y, inner, TABLE_ROWS_MAX)
    ]
    y += sum(plot.height for plot in plots[1:])
    for plot in plots:
        shapes += plot.shapes
    return Picture(figure.title, WIDTH, y + MARGIN - 8, tuple(shapes))


def title_plot(figure: Figure, left: float, top: float, width: float) -> Plot:
    """The title and the notes under it."""
    title = shortened(figure.title, 17, width, bold=True)
    shapes: list[Shape] = [Text(left, top + 15, title, 17, bold=True)]
    for line, note in enumerate(figure.notes, 1):
        y = top + 22 + 15 * line
        shapes.append(Text(left, y, shortened(note, 11, width), 11, "muted"))
    return Plot(shapes, 40 + 15 * len(figure.notes))


def body_plots(figure: Figure, left: float, top: float, width: float) -> list[Plot]:
    """The panels, under one another; none where a table says it better."""
    found = panels(figure)[:PANELS_MAX] if figure.rows and figure.view != "table" else []
    if figure.view == "pie":
        found = [panel for panel in found if has_parts(panel)]
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
