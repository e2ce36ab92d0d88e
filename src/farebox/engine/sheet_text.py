"""Text on a voucher sheet: which glyphs it gets and how it fills a box.

Text is data. Nothing in it is markup, a control character never reaches the file, and a character
without a glyph becomes U+FFFD. Latin, Greek, Cyrillic and Armenian are complete; scripts that need
shaping or run from right to left are drawn letter by letter in the order they are stored.
A text that is too long for its box is wrapped, then shrunk to 60 %, then cut with an ellipsis.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from farebox.domain.styles import Family, TextStyle

SHRINK_MIN = 0.6
_SHRINK_STEPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, SHRINK_MIN)
# Nobody prints a page of text on a card; this bounds the work that one voucher can cause.
_CHARS_MAX = 2000
_GAP = 0.25
_REPLACEMENT = "\ufffd"
_ELLIPSIS = "\u2026"
_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
# Tangent of the 12 degrees by which upright letters lean when a style asks for italic.
_SLANT = 0.2126
_FONT_FILES: dict[tuple[Family, bool], str] = {
    ("sans", False): "DejaVuSans",
    ("sans", True): "DejaVuSans-Bold",
    ("serif", False): "DejaVuSerif",
    ("serif", True): "DejaVuSerif-Bold",
    ("mono", False): "DejaVuSansMono",
    ("mono", True): "DejaVuSansMono-Bold",
}


class Face:
    """One family and weight: its font, the sans font behind it, and the widths of characters."""

    def __init__(self, family: Family, bold: bool) -> None:
        own, sans = _font(family, bold), _font("sans", bold)
        self.name: str = own.fontName
        self.ascent: float = own.face.ascent / 1000
        self.descent: float = -own.face.descent / 1000
        self._fonts = (own,) if own is sans else (own, sans)
        self._glyphs: dict[str, tuple[str, float]] = {}

    def has(self, char: str) -> bool:
        """Whether one of the fonts can draw the character."""
        return any(ord(char) in font.face.charToGlyph for font in self._fonts)

    def glyph(self, char: str) -> tuple[str, float]:
        """The font that draws a character, and its width at size 1."""
        known = self._glyphs.get(char)
        if known is None:
            code = ord(char)
            font = next((f for f in self._fonts if code in f.face.charToGlyph), self._fonts[0])
            known = font.fontName, font.face.getCharWidth(code) / 1000
            self._glyphs[char] = known
        return known

    def runs(self, text: str) -> Iterator[tuple[str, str]]:
        """The text in pieces of one font each."""
        start = 0
        for end in range(1, len(text) + 1):
            font = self.glyph(text[start])[0]
            if end == len(text) or self.glyph(text[end])[0] != font:
                yield font, text[start:end]
                start = end


def _font(family: Family, bold: bool) -> TTFont:
    """The registered font; its file is read once in a process."""
    name = _FONT_FILES[family, bold]
    if name not in pdfmetrics.getRegisteredFontNames():
        path = Path(__file__).parent.parent / "fonts" / f"{name}.ttf"
        pdfmetrics.registerFont(TTFont(name, str(path), asciiReadable=False, shapable=False))
    return pdfmetrics.getFont(name)


@cache
def face(family: Family, bold: bool) -> Face:
    """The face of a family and weight."""
    return Face(family, bold)


class Line(NamedTuple):
    """One line of a fitted text."""

    text: str
    width_pt: float
    # Whether a line of the same paragraph follows, so that it may be stretched.
    wraps: bool


class Block(msgspec.Struct, frozen=True):
    """One text as it will be drawn: its look at its final size, and its lines."""

    style: TextStyle
    lines: tuple[Line, ...]

    @property
    def line_pt(self) -> float:
        """The height of a line."""
        return self.style.size_pt * self.style.line_height

    @property
    def height_pt(self) -> float:
        """The height of all lines."""
        return self.line_pt * len(self.lines)


def printable(text: str, look: TextStyle) -> str:
    """The text with line ends as `\\n`, no control characters and only characters with a glyph."""
    glyphs = face(look.family, look.bold)
    text = unicodedata.normalize("NFC", _LINE_ENDS.sub("\n", text[:_CHARS_MAX]))
    kept = []
    for char in _transformed(text, look):
        kind = unicodedata.category(char)
        if char == "\n":
            kept.append(char)
        elif char == "\t" or kind == "Zs":
            kept.append(" ")
        # Joiners, direction overrides, soft hyphens and variation selectors draw nothing.
        elif kind in ("Cc", "Cf") or 0xFE00 <= ord(char) <= 0xFE0F:
            continue
        else:
            kept.append(char if glyphs.has(char) else _REPLACEMENT)
    return "".join(kept).strip("\n ")


def _transformed(text: str, look: TextStyle) -> str:
    if look.transform == "uppercase":
        return text.upper()
    if look.transform == "lowercase":
        return text.lower()
    if look.transform == "capitalize":
        return re.sub(r"\S+", lambda word: word[0][0].upper() + word[0][1:], text)
    return text


def width_pt(text: str, look: TextStyle) -> float:
    """How wide the text is on one line."""
    glyph = face(look.family, look.bold).glyph
    return look.size_pt * sum(glyph(char)[1] for char in text) + look.spacing_pt * len(text)


def fit(texts: Sequence[tuple[str, TextStyle]], width: float, height: float) -> tuple[Block, ...]:
    """Fill a box with texts from top to bottom; empty ones take no room.

    The first of these that fits: as they are, smaller by steps to 60 %, words broken, lines cut.
    """
    shown = [(text, look) for text, look in texts if text]
    for scale in _SHRINK_STEPS:
        blocks = [_wrap(text, _scaled(look, scale), width) for text, look in shown]
        whole = [block for block in blocks if block is not None]
        if len(whole) == len(blocks) and _height(whole) <= height:
            return tuple(whole)
    looks = [(text, _scaled(look, SHRINK_MIN)) for text, look in shown]
    return _cut([_wrap_anywhere(text, look, width) for text, look in looks], width, height)


def _scaled(look: TextStyle, scale: float) -> TextStyle:
    return msgspec.structs.replace(
        look, size_pt=look.size_pt * scale, spacing_pt=look.spacing_pt * scale
    )


def _height(blocks: Sequence[Block]) -> float:
    """The height of a stack of texts with the gaps between them."""
    gaps = sum(block.style.size_pt * _GAP for block in blocks[1:])
    return gaps + sum(block.height_pt for block in blocks)


def _wrap(text: str, look: TextStyle, width: float) -> Block | None:
    """Lines broken between words; None when a word is wider than the box."""
    lines: list[Line] = []
    for paragraph in text.split("\n"):
        current = ""
        for word in paragraph.split(" "):
            longer = f"{current} {word}" if current else word
            if width_pt(longer, look) <= width:
                current = longer
                continue
            if not current or width_pt(word, look) > width:
                return None
            lines.append(Line(current, width_pt(current, look), wraps=True))
            current = word
        lines.append(Line(current, width_pt(current, look), wraps=False))
    return Block(look, tuple(lines))


def _wrap_anywhere(text: str, look: TextStyle, width: float) -> Block:
    """Lines broken between words where possible and inside a word where it is too wide."""
    pieces = []
    for word in re.split(r"([ \n])", text):
        start = 0
        for end in range(1, len(word) + 1):
            if end - start > 1 and width_pt(word[start:end], look) > width:
                pieces += [word[start : end - 1], "\n"]
                start = end - 1
        pieces.append(word[start:])
    block = _wrap("".join(pieces), look, width)
    if block is not None:
        return block
    # Even single letters are wider than the box: they stand below each other and stick out.
    letters = [Line(char, width_pt(char, look), wraps=False) for char in text if char.strip()]
    return Block(look, tuple(letters))


def _cut(blocks: Sequence[Block], width: float, height: float) -> tuple[Block, ...]:
    """As many lines as the box holds: one of each text first, then more of the earlier texts."""
    kept = [msgspec.structs.replace(block, lines=block.lines[:1]) for block in blocks]
    while len(kept) > 1 and _height(kept) > height:
        kept.pop()
    for index, block in enumerate(blocks[: len(kept)]):
        room = height - _height(kept) + kept[index].height_pt
        count = max(1, min(len(block.lines), int(room / block.line_pt + 1e-6)))
        lines = block.lines[:count]
        if count < len(block.lines):
            lines = (*lines[:-1], _with_ellipsis(lines[-1].text, block.style, width))
        kept[index] = msgspec.structs.replace(block, lines=lines)
    return tuple(kept)


def _with_ellipsis(text: str, look: TextStyle, width: float) -> Line:
    while text and width_pt(text.rstrip() + _ELLIPSIS, look) > width:
        text = text[:-1]
    text = text.rstrip() + _ELLIPSIS
    return Line(text, width_pt(text, look), wraps=False)


def stack_height(blocks: Sequence[Block]) -> float:
    """How much of its box a fitted stack takes."""
    return _height(blocks)


def draw(canvas: Canvas, blocks: Sequence[Block], left: float, top: float, width: float) -> None:
    """Draw a fitted stack downwards from `top`."""
    for index, block in enumerate(blocks):
        look = block.style
        if index:
            top -= look.size_pt * _GAP
        if look.background is not None:
            _fill(canvas, look.background)
            canvas.rect(left, top - block.height_pt, width, block.height_pt, stroke=0, fill=1)
        for line in block.lines:
            _draw_line(canvas, line, look, left, top, width)
            top -= block.line_pt


def _draw_line(
    canvas: Canvas, line: Line, look: TextStyle, left: float, top: float, width: float
) -> None:
    """One line whose box starts at `top`."""
    glyphs = face(look.family, look.bold)
    half_leading = (look.line_height - glyphs.ascent - glyphs.descent) / 2
    baseline = top - look.size_pt * (half_leading + glyphs.ascent)
    # The last letter's spacing is no part of what is seen.
    spare = width - line.width_pt + look.spacing_pt
    left += {"center": spare / 2, "right": spare}.get(look.align, 0.0)
    spaces = line.text.count(" ")
    stretch = spare / spaces if look.align == "justify" and line.wraps and spaces else 0.0
    _fill(canvas, look.color)
    text = canvas.beginText()
    text.setTextTransform(1, 0, _SLANT if look.italic else 0, 1, left, baseline)
    text.setCharSpace(look.spacing_pt)
    text.setWordSpace(max(0.0, stretch))
    for font, piece in glyphs.runs(line.text):
        text.setFont(font, look.size_pt)
        text.textOut(piece)
    canvas.drawText(text)
    if look.underline and line.text:
        below = baseline - look.size_pt * 0.14
        seen = line.width_pt - look.spacing_pt + max(0.0, stretch) * spaces
        canvas.rect(left, below, seen, look.size_pt * 0.055, stroke=0, fill=1)


def _fill(canvas: Canvas, color: tuple[int, int, int]) -> None:
    red, green, blue = color
    canvas.setFillColorRGB(red / 255, green / 255, blue / 255)
