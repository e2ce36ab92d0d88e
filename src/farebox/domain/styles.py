"""How the texts of a printed voucher look: `style`, `voucherStyle` (vending-commerce.md 4.16).

A style is a string that holds a JSON object of labels, each an object of CSS-like properties. This
module reads an allow-list of them into numbers and closed words, and refuses a bad value of a known
property with its place; what it does not know it ignores. It is no CSS engine: nothing cascades,
nothing refers to anything outside the string, and no text of it reaches a page.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from farebox.domain.errors import InvalidError

Align = Literal["left", "center", "right", "justify"]
Color = tuple[int, int, int]
Family = Literal["sans", "serif", "mono"]
Transform = Literal["none", "uppercase", "lowercase", "capitalize"]

SIZE_PT_MIN, SIZE_PT_MAX = 4.0, 72.0
LINE_HEIGHT_MIN, LINE_HEIGHT_MAX = 0.8, 4.0
SPACING_PT_MIN, SPACING_PT_MAX = -5.0, 50.0

_PT_PER_UNIT = {"": 0.75, "px": 0.75, "pt": 1.0, "mm": 72 / 25.4}
_LENGTH = re.compile(r"([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))(px|pt|mm|)", re.ASCII)
_HEX_COLOR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.ASCII)
_COLORS: Mapping[str, Color] = {
    "aqua": (0, 255, 255),
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "fuchsia": (255, 0, 255),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "grey": (128, 128, 128),
    "lime": (0, 255, 0),
    "maroon": (128, 0, 0),
    "navy": (0, 0, 128),
    "olive": (128, 128, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "red": (255, 0, 0),
    "silver": (192, 192, 192),
    "teal": (0, 128, 128),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}
_FAMILIES: Mapping[str, Family] = {
    "sans-serif": "sans",
    "helvetica": "sans",
    "arial": "sans",
    "serif": "serif",
    "times": "serif",
    "times new roman": "serif",
    "monospace": "mono",
    "courier": "mono",
    "courier new": "mono",
}


class TextStyle(msgspec.Struct, frozen=True):
    """One text's look; sizes are those of the single page, a card scales them."""

    size_pt: float
    color: Color = (0, 0, 0)
    background: Color | None = None
    bold: bool = False
    italic: bool = False
    align: Align = "left"
    family: Family = "sans"
    # A factor of the size.
    line_height: float = 1.2
    transform: Transform = "none"
    spacing_pt: float = 0.0
    underline: bool = False


class SheetStyle(msgspec.Struct, frozen=True):
    """The looks of text1 to text4, in order. The fourth cannot be styled."""

    texts: tuple[TextStyle, TextStyle, TextStyle, TextStyle]


_DEFAULT_SIZES_PX = (28, 24, 18, 10)
_LABELS = ("voucherText1Lbl", "voucherText2Lbl", "voucherText3Lbl")


def check_style(text: str | None, place: str = "style") -> None:
    """Refuse a style that a sheet could not use; `place` is the field's name in the request."""
    parse_style(text, place)


def parse_style(text: str | None, place: str = "style") -> SheetStyle:
    """Read a style; null is the default one. InvalidError `invalid_style` names every bad place."""
    labels = {} if text is None else _object(text, place)
    faults: dict[str, str] = {}
    first, second, third = (
        _text_style(labels.get(label), size_px * 0.75, f"{place}.{label}", faults)
        for label, size_px in zip(_LABELS, _DEFAULT_SIZES_PX, strict=False)
    )
    if faults:
        where, why = next(iter(faults.items()))
        raise InvalidError(f"{where} {why}.", "invalid_style", faults)
    return SheetStyle((first, second, third, TextStyle(_DEFAULT_SIZES_PX[3] * 0.75)))


def _object(text: str, place: str) -> dict[str, object]:
    """The JSON object that the string holds."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    why = "must be a string that holds a JSON object"
    raise InvalidError(f"{place} {why}.", "invalid_style", {place: why})


def _text_style(label: object, default_pt: float, place: str, faults: dict[str, str]) -> TextStyle:
    """One label's properties over the defaults; what is wrong goes into `faults`."""
    base = TextStyle(default_pt)
    if label is None:
        return base
    if not isinstance(label, dict):
        faults[place] = "must be an object of properties"
        return base
    changes: dict[str, object] = {}
    # The size comes first because a line height given as a length is a factor of it.
    for name, (field, read) in _PROPERTIES.items():
        value = label.get(name)
        if value is None:
            continue
        try:
            changes[field] = read(value)
        except ValueError as error:
            faults[f"{place}.{name}"] = str(error)
    height = changes.pop("line_height", None)
    styled = msgspec.structs.replace(base, **changes)
    if height is None:
        return styled
    return msgspec.structs.replace(styled, line_height=_line_factor(height, styled.size_pt))


def _number(value: object) -> float | None:
    """A finite JSON number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A huge integer is as good as any number beyond every clamp, and float() refuses it.
    number = float(max(-(10**9), min(10**9, value)))
    return number if math.isfinite(number) else None


def _length_pt(value: object) -> float | None:
    """A length in points: a number of CSS pixels, or digits with px, pt or mm."""
    number = _number(value)
    if number is not None:
        return number * _PT_PER_UNIT["px"]
    found = _LENGTH.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return float(found[1]) * _PT_PER_UNIT[found[2]] if found else None


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def _size(value: object) -> float:
    size_pt = _length_pt(value)
    if size_pt is None or size_pt < 0:
        raise ValueError("must be a size such as 28, 28px, 21pt or 7mm")
    return _clamp(size_pt, SIZE_PT_MIN, SIZE_PT_MAX)


def _color(value: object) -> Color:
    name = value.strip().lower() if isinstance(value, str) else ""
    if name in _COLORS:
        return _COLORS[name]
    if not _HEX_COLOR.fullmatch(name):
        raise ValueError("must be a colour such as #c00, #cc0000 or red")
    digits = name[1:] if len(name) == 7 else "".join(digit * 2 for digit in name[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _background(value: object) -> Color | None:
    return None if value == "transparent" else _color(value)


def _bold(value: object) -> bool:
    if isinstance(value, str) and value in ("normal", "bold"):
        return value == "bold"
    is_digits = isinstance(value, str) and re.fullmatch("[1-9][0-9]{2}", value, re.ASCII)
    weight = float(value) if is_digits and isinstance(value, str) else _number(value)
    if weight is None or not 100 <= weight <= 900:
        raise ValueError("must be normal, bold or a weight from 100 to 900")
    return weight >= 600


def _line_height(value: object) -> tuple[str, float]:
    """("factor", n) or ("pt", n): the font size decides what a length amounts to."""
    if value == "normal":
        return "factor", 1.2
    number = _number(value)
    if number is None and isinstance(value, str):
        found = _LENGTH.fullmatch(value.strip().lower())
        if found and found[2]:
            number, unit = float(found[1]) * _PT_PER_UNIT[found[2]], "pt"
        elif found:
            number, unit = float(found[1]), "factor"
    else:
        unit = "factor"
    if number is None or number < 0:
        raise ValueError("must be normal, a factor such as 1.2 or a length")
    return unit, number


def _line_factor(height: object, size_pt: float) -> float:
    """A parsed line height as a factor of the size."""
    unit, number = msgspec.convert(height, tuple[str, float])
    factor = number / size_pt if unit == "pt" else number
    return _clamp(factor, LINE_HEIGHT_MIN, LINE_HEIGHT_MAX)


def _family(value: object) -> Family:
    """The first known name of a CSS list of families."""
    names = value.lower().split(",") if isinstance(value, str) else []
    for name in names:
        family = _FAMILIES.get(name.strip().strip("'\"").strip())
        if family is not None:
            return family
    raise ValueError("must name sans-serif, serif, monospace, Helvetica, Times or Courier")


def _spacing(value: object) -> float:
    spacing_pt = 0.0 if value == "normal" else _length_pt(value)
    if spacing_pt is None:
        raise ValueError("must be normal or a length such as 1px")
    return _clamp(spacing_pt, SPACING_PT_MIN, SPACING_PT_MAX)


def _word(words: Mapping[str, object]) -> Callable[[object], object]:
    """A reader of one word out of a closed list."""

    def read(value: object) -> object:
        if isinstance(value, str) and value in words:
            return words[value]
        raise ValueError("must be one of " + ", ".join(words))

    return read


_PROPERTIES: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "fontSize": ("size_pt", _size),
    "color": ("color", _color),
    "backgroundColor": ("background", _background),
    "fontWeight": ("bold", _bold),
    "fontStyle": ("italic", _word({"normal": False, "italic": True, "oblique": True})),
    "textAlign": (
        "align",
        _word(
            {
                "left": "left",
                "center": "center",
                "right": "right",
                "justify": "justify",
                "start": "left",
                "end": "right",
            }
        ),
    ),
    "fontFamily": ("family", _family),
    "lineHeight": ("line_height", _line_height),
    "textTransform": (
        "transform",
        _word({name: name for name in ("none", "uppercase", "lowercase", "capitalize")}),
    ),
    "letterSpacing": ("spacing_pt", _spacing),
    "textDecoration": ("underline", _word({"none": False, "underline": True})),
}
