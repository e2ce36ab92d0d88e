"""A picture as SVG: one document that needs nothing else, for light and dark screens and for paper.

Text is data: it is escaped, and what XML cannot hold is left out. There is no script in it and
nothing is fetched, so that it can be shown anywhere.
"""

import math
import re
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from farebox.engine.chart_shapes import Dot, Line, Picture, Rect, Shape, Text, Wedge

# Colours by role: on light screens and on paper, on dark screens. The series differ for people
# who see colours differently, too.
COLOURS: Final = {
    "paper": ("#ffffff", "#16191d"), "text": ("#1c2430", "#e7eaee"),
    "muted": ("#566270", "#a3adb8"),
    "grid": ("#dde2e8", "#343b44"), "axis": ("#7b8794", "#7b8794"), "band": ("#f3f5f8", "#1f242a"),
    "s0": ("#0072b2", "#4aa3df"), "s1": ("#e69f00", "#f0b429"), "s2": ("#009e73", "#2fc296"),
    "s3": ("#cc79a7", "#dd93bc"), "s4": ("#56b4e9", "#8fd0f5"), "s5": ("#d55e00", "#f08340"),
    "s6": ("#7e6bc4", "#a598e0"), "s7": ("#8a94a0", "#98a2ad"),
}  # fmt: skip
_FONT: Final = "system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,'Noto Sans',sans-serif"
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(picture: Picture) -> str:
    """The document."""
    size = f'width="{_n(picture.width)}" height="{_n(picture.height)}"'
    view = f'viewBox="0 0 {_n(picture.width)} {_n(picture.height)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} role="img">',
        f"<title>{_text(picture.title)}</title>",
        f"<style>{_style()}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        *(_shape(shape) for shape in picture.shapes),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _style() -> str:
    """Colours as classes: dark where the screen is, light wherever it is printed."""
    light, dark = ("".join(_rules(which)) for which in (0, 1))
    return (
        f"svg{{font-family:{_FONT};font-variant-numeric:tabular-nums}}"
        "line,polyline{fill:none;stroke-linejoin:round;stroke-linecap:round}"
        f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
    )


def _rules(which: int) -> Iterator[str]:
    for ink, colours in COLOURS.items():
        yield f".{ink}{{fill:{colours[which]}}}.l-{ink}{{fill:none;stroke:{colours[which]}}}"


def _shape(shape: Shape) -> str:
    match shape:
        case Rect():
            place = f'x="{_n(shape.x)}" y="{_n(shape.y)}"'
            size = f'width="{_n(shape.width)}" height="{_n(shape.height)}"'
            return _hinted("rect", f'class="{shape.ink}" {place} {size}', shape.hint)
        case Dot():
            place = f'cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}"'
            return _hinted("circle", f'class="{shape.ink}" {place}', shape.hint)
        case Wedge():
            return _hinted("path", f'class="{shape.ink}" d="{_wedge(shape)}"', shape.hint)
        case Line():
            points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
            width = f' stroke-width="{_n(shape.width)}"' if shape.width != 1 else ""
            return f'<polyline class="l-{shape.ink}"{width} points="{points}"/>'
    return _words(shape)


def _words(shape: Text) -> str:
    place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}"'
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    weight = ' font-weight="600"' if shape.bold else ""
    return f'<text class="{shape.ink}" {place}{anchor}{weight}>{_text(shape.text)}</text>'


def _hinted(tag: str, attributes: str, hint: str) -> str:
    if not hint:
        return f"<{tag} {attributes}/>"
    return f"<{tag} {attributes}><title>{_text(hint)}</title></{tag}>"


def _wedge(shape: Wedge) -> str:
    """The outline of a slice; a whole circle is two halves, because its ends would meet."""
    if shape.end - shape.start > 0.9999:
        top, bottom = (_n(shape.y + way * shape.radius) for way in (-1, 1))
        x, arc = _n(shape.x), f"A{_n(shape.radius)} {_n(shape.radius)} 0 1 1"
        return f"M{x} {top}{arc} {x} {bottom}{arc} {x} {top}Z"
    (x, y), (far_x, far_y) = (_rim(shape, part) for part in (shape.start, shape.end))
    large, r = int(shape.end - shape.start > 0.5), _n(shape.radius)
    return f"M{_n(shape.x)} {_n(shape.y)}L{x} {y}A{r} {r} 0 {large} 1 {far_x} {far_y}Z"


def _rim(shape: Wedge, part: float) -> tuple[str, str]:
    turn = 2 * math.pi * part
    x, y = shape.x + shape.radius * math.sin(turn), shape.y - shape.radius * math.cos(turn)
    return _n(x), _n(y)


def _n(value: float) -> str:
    """A length with at most two digits after the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return escape(_UNWRITABLE.sub("", text))
