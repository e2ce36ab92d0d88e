"""Pictures of figures: whatever the figures are, everything is drawn inside and nothing breaks."""

import math
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.engine.chart_axes import labels, number, scale
from farebox.engine.chart_drawing import draw
from farebox.engine.chart_figure import (
    DATES_MAX,
    OTHERS,
    Column,
    Figure,
    Report,
    dates,
    panels,
)
from farebox.engine.chart_shapes import Line, Picture, Rect, Text, shortened, text_width
from farebox.engine.chart_svg import render
from farebox.engine.sheet_process import draw_sheet
from tests.engine.pdf_reader import PdfReader

DATE, MACHINE = Column("date", "date"), Column("machine", "key")
CURRENCY, REVENUE = Column("currency", "currency"), Column("revenue", "measure", "money")
COUNT = Column("times", "measure")
MEAN = Column("mean", "measure", "money", is_sum=False)
EXPONENTS = {"EUR": 2, "JPY": 0, "KWD": 3}

rows = st.lists(
    st.tuples(
        st.integers(1, 28).map("2026-03-{:02d}".format), st.text(max_size=30) | st.none(),
        st.sampled_from(["EUR", "JPY", "KWD"]), st.integers(-(10**12), 10**12),
        st.floats(-1e9, 1e9) | st.none(),
    ),
    max_size=30,
)  # fmt: skip


def figure(view: str, columns: tuple[Column, ...], told: Any, unit: str = "day") -> Figure:
    """A figure with a title that needs escaping."""
    return Figure("<&>", view, columns, tuple(map(tuple, told)), unit, ("a note",), EXPONENTS)


def printed(*figures: Figure) -> bytes:
    """The figures as a PDF file."""
    pieces: list[bytes] = []
    draw_sheet([Report("Title", figures, "foot")], pieces.append)
    return b"".join(pieces)


def inside(picture: Picture) -> bool:
    """Whether every length is a number and every bar and line within the picture."""
    points: list[tuple[float, float]] = []
    for shape in picture.shapes:
        if isinstance(shape, Line):
            points += shape.points
            continue
        points.append((shape.x, shape.y))
        if isinstance(shape, Rect):
            points.append((shape.x + shape.width, shape.y + shape.height))
    return all(-1 <= x <= picture.width + 1 and -1 <= y <= picture.height + 1 for x, y in points)


@settings(max_examples=60, deadline=None)
@given(view=st.sampled_from(["table", "bars", "lines", "pie"]), told=rows, is_dated=st.booleans())
def test_any_figures_are_drawn(view: str, told: list[Any], is_dated: bool) -> None:
    """Negative, absent and huge values, empty and hostile names: a whole picture, well-formed."""
    columns = (DATE, MACHINE, CURRENCY, REVENUE, MEAN)
    first = 0 if is_dated else 1
    picture = draw(figure(view, columns[first:], [row[first:] for row in told]))
    assert inside(picture)
    ElementTree.fromstring(render(picture))


@settings(max_examples=10, deadline=None)
@given(view=st.sampled_from(["table", "bars", "lines", "pie"]), told=rows)
def test_any_figures_are_printed(view: str, told: list[Any]) -> None:
    """The same on paper, the same bytes every time."""
    shown = figure(view, (DATE, MACHINE, CURRENCY, REVENUE, MEAN), told)
    content = printed(shown, shown)
    assert len(PdfReader(content)) >= 1
    assert content == printed(shown, shown)


def test_money_is_told_in_its_unit() -> None:
    """Each currency has a panel with its own digits; counts are together."""
    told = [("A", "EUR", 1250, 1), ("A", "JPY", 1250, 2), ("B", "KWD", 1250, 3)]
    found = panels(figure("bars", (MACHINE, CURRENCY, REVENUE, COUNT), told))
    assert [
        ("revenue", "EUR", (12.5,)), ("revenue", "JPY", (1250,)), ("revenue", "KWD", (1.25,)),
        ("times", "", (3, 2, 1)),
    ] == [(one.title, one.unit, one.series[0].values) for one in found]  # fmt: skip


def test_the_smallest_are_one() -> None:
    """Of many series seven are shown and the rest is added up; what cannot be added is left out."""
    told = [("2026-03-01", f"M{n:02d}", 100 - n, float(n)) for n in range(12)]
    sums, means = panels(figure("bars", (DATE, MACHINE, COUNT, MEAN), told))
    assert [f"M{n:02d}" for n in range(7)] + [OTHERS] == [one.name for one in sums.series]
    assert sum(100 - n for n in range(7, 12)) == sums.series[-1].values[0]
    assert 8 == len(means.series)
    assert not any(one.name == OTHERS for one in means.series)


@pytest.mark.parametrize(
    ("unit", "told", "filled"),
    [
        ("hour", ["2026-03-01 23:00", "2026-03-02 01:00"],
         ["2026-03-01 23:00", "2026-03-02 00:00", "2026-03-02 01:00"]),
        ("day", ["2026-03-01", "2026-02-27"],
         ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ("week", ["2027-W01", "2026-W52"], ["2026-W52", "2026-W53", "2027-W01"]),
        ("month", ["2026-11", "2027-01"], ["2026-11", "2026-12", "2027-01"]),
        ("year", ["2024", "2026"], ["2024", "2025", "2026"]),
        ("", ["b", "a"], ["a", "b"]),
        ("day", [], []),
    ],
)  # fmt: skip
def test_dates_are_filled_up(unit: str, told: list[str], filled: list[str]) -> None:
    """Dates without a row are on the axis, too."""
    assert filled == dates(unit, told)


def test_an_axis_is_bounded() -> None:
    """Of centuries of hours the last are shown, and so is what happened then."""
    hours = dates("hour", ["1990-01-01 00:00", "2026-03-01 12:00"])
    assert (DATES_MAX, "2026-03-01 12:00") == (len(hours), hours[-1])
    told = [("1990-01-01 00:00", 1), ("2026-03-01 12:00", 2)]
    (panel,) = panels(figure("lines", (DATE, COUNT), told, "hour"))
    assert [2] == [value for value in panel.series[0].values if value]


def test_hours_are_told_at_midnight() -> None:
    """Of many hours those are written that a clock begins with, all of them on the page."""
    names = dates("hour", ["2026-03-01 06:00", "2026-03-07 20:00"])
    told = [one for one in labels(names, 40, 300, 700) if isinstance(one, Text)]
    assert [f"2026-03-{day:02d} 00:00" for day in range(2, 8)] == [one.text for one in told]
    for one in labels(["2026-03-01 06:00", "a name that is no hour"] * 9, 10, 300, 700):
        assert isinstance(one, Text)
        assert one.x - text_width(one.text, one.size) / 2 >= 0


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(0, 3))
def test_scales_are_round(one: float, other: float, digits: int) -> None:
    """A scale holds 0 and both values, in at most a dozen steps of 1, 2 or 5."""
    made = scale(min(one, other), max(one, other), digits=digits)
    slack = (made.high - made.low) * 1e-6
    assert made.low <= min(one, other, 0) + slack
    assert made.high >= max(one, other, 0) - slack
    assert 2 <= len(made.ticks) <= 13
    assert round(made.step / 10 ** math.floor(math.log10(made.step) + 1e-9)) in (1, 2, 5, 10)


def test_numbers_are_read_easily() -> None:
    """Thousands stand apart, and minus is a minus."""
    assert "\u22121\u202f234\u202f567.50" == number(-1234567.5, 2)
    assert "" == number(None, 2)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.floats(20, 300))
def test_long_texts_are_cut(text: str, width: float) -> None:
    """A text fits, or as much of it as fits is shown."""
    told = shortened(text, 10, width)
    assert told == text or (told.endswith("…") and text_width(told, 10) <= width)


def test_long_tables_break_between_rows() -> None:
    """A table's head is on every page, every row is on one, and beyond a bound it says so."""
    told = [(f"Machine {n}", n) for n in range(2100)]
    reader = PdfReader(printed(figure("table", (MACHINE, COUNT), told)))
    pages = [reader.text(page) for page in range(len(reader))]
    assert all("times" in page for page in pages if "Machine" in page)
    everything = "\n".join(pages)
    assert 2000 == everything.count("Machine ")
    assert "The first 2000 rows" in everything
