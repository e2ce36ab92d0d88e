"""The pages of a report: pictures and tables on A4, one block under another.

A page breaks between blocks, a table between rows, with its head again on the next page. Fonts are
embedded and text is data. Equal reports give equal bytes. Not safe for two threads at once, as
voucher sheets are not.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from reportlab.pdfgen.canvas import Canvas

from farebox.domain.styles import TextStyle
from farebox.engine import sheet_text
from farebox.engine.chart_drawing import body_plots, title_plot
from farebox.engine.chart_figure import Figure, Report
from farebox.engine.chart_plots import Plot
from farebox.engine.chart_shapes import Dot, Line, Rect, Shape, Text, Wedge, shortened
from farebox.engine.chart_svg import COLOURS
from farebox.engine.chart_table import ROW, table_plot
from farebox.engine.sheet_file import SheetFile

_PAGE: Final = (595.28, 841.89)
_MARGIN: Final = 42.0
_FOOT: Final = 14.0
_WIDTH: Final = _PAGE[0] - 2 * _MARGIN
_BOTTOM: Final = _PAGE[1] - _MARGIN - _FOOT
# A table rather begins on the next page than with fewer rows than these.
_ROWS_MIN: Final = 4
TABLE_ROWS_MAX: Final = 2000


class ReportPages:
    """A report being drawn, all of it when it is closed."""

    def __init__(self, report: Report, write: Callable[[bytes], object]) -> None:
        font = sheet_text.face("sans", False).name
        self._report = report
        self._file = SheetFile(write, _PAGE, report.title, font)
        self._y = _MARGIN
        self._number = 1

    def close(self) -> None:
        """Draw the figures and finish the file."""
        self._head()
        for figure in self._report.figures:
            self._figure(figure)
        self._end_page()
        self._file.close()

    def _head(self) -> None:
        """The report's own title, on the first page."""
        title = shortened(self._report.title, 22, _WIDTH, bold=True)
        note = shortened(self._report.note, 11, _WIDTH)
        lines: list[Shape] = [
            Text(_MARGIN, 20, title, 22, bold=True),
            Text(_MARGIN, 39, note, 11, "muted"),
            Line(((_MARGIN, 52), (_MARGIN + _WIDTH, 52)), "axis"),
        ]
        self._place(Plot(lines, 70))

    def _figure(self, figure: Figure) -> None:
        """A title never stands alone at the foot of a page."""
        title = title_plot(figure, _MARGIN, 0, _WIDTH)
        plots = body_plots(figure, _MARGIN, 0, _WIDTH)
        first = plots[0].height if plots else ROW * (_ROWS_MIN + 1)
        if self._y + title.height + first > _BOTTOM and self._y > _MARGIN:
            self._break()
        self._place(title)
        top = 0.0
        for plot in plots:
            if self._y + plot.height > _BOTTOM and self._y > _MARGIN:
                self._break()
            # Blocks were made under one another; each goes to where it fits.
            self._place(plot, top)
            top += plot.height
        if not plots:
            self._table(figure)
        self._y += 16

    def _table(self, figure: Figure) -> None:
        rows, first = min(len(figure.rows), TABLE_ROWS_MAX), 0
        kept = msgspec.structs.replace(figure, rows=figure.rows[:rows])
        while True:
            fitting = int((_BOTTOM - self._y) / ROW) - 2
            if fitting < min(_ROWS_MIN, rows - first) and self._y > _MARGIN:
                self._break()
                continue
            self._place(table_plot(kept, _MARGIN, 0, _WIDTH, max(1, fitting), first, is_cut=True))
            first += max(1, fitting)
            if first >= rows:
                break
            self._break()
        if rows < len(figure.rows):
            self._place(Plot([Text(_MARGIN, 12, f"The first {rows} rows", 11, "muted")], ROW))

    def _break(self) -> None:
        self._end_page()
        self._number += 1
        self._y = _MARGIN

    def _end_page(self) -> None:
        y = _PAGE[1] - _MARGIN + 6
        foot = [
            Text(_MARGIN, y, self._report.foot, 8, "muted"),
            Text(_PAGE[0] - _MARGIN, y, str(self._number), 8, "muted", "end"),
        ]
        paint(self._file, foot, _PAGE[1])
        self._file.showPage()

    def _place(self, plot: Plot, made_at: float = 0.0) -> None:
        """Draw a block where the page has got to; it was made for a page of its own."""
        paint(self._file, plot.shapes, _PAGE[1] - self._y + made_at)
        self._y += plot.height


def paint(canvas: Canvas, shapes: Sequence[Shape], top: float) -> None:
    """Draw shapes downwards from a height of the page."""
    for shape in shapes:
        red, green, blue = _colour(shape.ink)
        canvas.setFillColorRGB(red, green, blue)
        match shape:
            case Rect():
                canvas.rect(
                    shape.x, top - shape.y - shape.height, shape.width, shape.height, 0, 1
                )  # fmt: skip
            case Dot():
                canvas.circle(shape.x, top - shape.y, shape.radius, 0, 1)
            case Wedge():
                _wedge(canvas, shape, top)
            case Line():
                canvas.setStrokeColorRGB(red, green, blue)
                _line(canvas, shape, top)
            case Text():
                _text(canvas, shape, top)


def _colour(ink: str) -> tuple[float, float, float]:
    """The colour of a role on paper."""
    code = COLOURS[ink][0]
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _wedge(canvas: Canvas, shape: Wedge, top: float) -> None:
    x, y, radius = shape.x, top - shape.y, shape.radius
    if shape.end - shape.start > 0.9999:
        canvas.circle(x, y, radius, 0, 1)
        return
    # The library counts degrees against the clock from the right.
    start, extent = 90 - 360 * shape.start, -360 * (shape.end - shape.start)
    canvas.wedge(x - radius, y - radius, x + radius, y + radius, start, extent, 0, 1)


def _line(canvas: Canvas, shape: Line, top: float) -> None:
    canvas.setLineWidth(shape.width * 0.75)
    path = canvas.beginPath()
    for at, (x, y) in enumerate(shape.points):
        (path.lineTo if at else path.moveTo)(x, top - y)
    canvas.drawPath(path, 1, 0)


def _text(canvas: Canvas, shape: Text, top: float) -> None:
    look = TextStyle(shape.size, bold=shape.bold, family="sans")
    said = sheet_text.printable(shape.text, look).replace("\n", " ")
    wide = sheet_text.width_pt(said, look)
    left = shape.x - {"start": 0.0, "middle": wide / 2, "end": wide}[shape.anchor]
    text = canvas.beginText(left, top - shape.y)
    for font, piece in sheet_text.face("sans", shape.bold).runs(said):
        text.setFont(font, shape.size)
        text.textOut(piece)
    canvas.drawText(text)
