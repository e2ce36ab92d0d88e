"""Pictures as lists of shapes, without saying on what they are drawn.

Lengths are points from the upper left corner. Colours are roles, so that paper, screen and a dark
screen each give them their own. Widths of text are estimated the same everywhere: a picture has the
same lines whatever draws it.
"""

import unicodedata
from functools import cache
from typing import Literal

import msgspec

Anchor = Literal["start", "middle", "end"]


class Rect(msgspec.Struct, frozen=True, tag=True):
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    ink: str
    # What a pointer that rests on it is told.
    hint: str = ""


class Line(msgspec.Struct, frozen=True, tag=True):
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    ink: str
    width: float = 1


class Dot(msgspec.Struct, frozen=True, tag=True):
    """A filled circle."""

    x: float
    y: float
    radius: float
    ink: str
    hint: str = ""


class Wedge(msgspec.Struct, frozen=True, tag=True):
    """A slice of a pie, clockwise from the top, in parts of the whole."""

    x: float
    y: float
    radius: float
    start: float
    end: float
    ink: str
    hint: str = ""


class Text(msgspec.Struct, frozen=True, tag=True):
    """One line of text on its baseline."""

    x: float
    y: float
    text: str
    size: float
    ink: str = "text"
    anchor: Anchor = "start"
    bold: bool = False


Shape = Rect | Line | Dot | Wedge | Text


class Picture(msgspec.Struct, frozen=True):
    """Shapes in the order in which they are drawn, and what the picture is called."""

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a text is about, in a common sans-serif typeface; rather more than less."""
    return size * sum(_width(char) for char in text) * (1.08 if bold else 1)


@cache
def _width(char: str) -> float:
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char in "iljtfrI.,:;'|!()[] -":
        return 0.37
    if char in "mwMW@%":
        return 0.95
    if char.isupper():
        return 0.7
    return 0.6


def shortened(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """The text, or as much of it as fits, with an ellipsis."""
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(f"{text}…", size, bold=bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def series_ink(number: int) -> str:
    """The colour of a series."""
    return f"s{number % 8}"
