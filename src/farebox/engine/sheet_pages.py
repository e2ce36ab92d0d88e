"""The pages of a voucher sheet: where the QR code, the code, the texts and the logo go.

A single voucher gets one page of 148 x 105 mm; a campaign gets A4 pages of 2 x 5 cards of 90 x
55 mm with cut marks (vending-commerce.md 4.16). Cards with equal texts share one drawing.
Not safe for two threads at once: reportlab's fonts read their files through one position.
"""

import base64
import binascii
import re
from collections.abc import Callable, Hashable
from functools import lru_cache
from io import BytesIO
from typing import Literal

import msgspec
from PIL import Image, ImageOps
from reportlab.lib.utils import ImageReader

from farebox.domain.styles import SheetStyle, TextStyle, parse_style
from farebox.engine import sheet_text
from farebox.engine.sheet_cards import Card
from farebox.engine.sheet_code import QUIET_MODULES, symbol
from farebox.engine.sheet_file import SheetFile

LOGO_BYTES_MAX = 2 * 1024 * 1024
LOGO_PX_MAX = 4000
_MM = 72 / 25.4
_DATA_URI = re.compile(r"data:image/(?:png|jpe?g);base64,", re.IGNORECASE)
# 600 dots per inch at the largest size a logo is printed in; more only makes the file larger.
_LOGO_PX_KEPT = 1680
_FACES_MAX = 64
_GREY = (70, 70, 70)


class _Plan(msgspec.Struct, frozen=True):
    """Lengths of one kind of card, in millimetres; sizes of type in points."""

    width: float
    height: float
    # The square of the QR code with its quiet zone, and the left edge of it.
    qr: float
    qr_left: float
    # The column of texts.
    side_left: float
    margin: float
    logo_height: float
    # What the sizes of a style are multiplied with.
    scale: float
    code_pt: float
    expiry_pt: float


_SINGLE = _Plan(
    width=148,
    height=105,
    qr=62,
    qr_left=4,
    side_left=68,
    margin=11,
    logo_height=22,
    scale=1.0,
    code_pt=12,
    expiry_pt=8.5,
)
_CARD = _Plan(
    width=90,
    height=55,
    qr=35,
    qr_left=1.5,
    side_left=38,
    margin=5,
    logo_height=11,
    scale=0.6,
    code_pt=7.6,
    expiry_pt=5.6,
)
_A4 = (210.0, 297.0)
_COLUMNS, _ROWS = 2, 5


class Pages:
    """A sheet being drawn: give it the logos and the cards in order, then close it."""

    def __init__(
        self, kind: Literal["single", "batch"], title: str, write: Callable[[bytes], object]
    ) -> None:
        self._is_batch = kind == "batch"
        self._plan = _CARD if self._is_batch else _SINGLE
        size = _A4 if self._is_batch else (self._plan.width, self._plan.height)
        self._page_pt = (size[0] * _MM, size[1] * _MM)
        font = sheet_text.face("mono", True).name
        self._file = SheetFile(write, self._page_pt, title, font)
        self._logos: dict[int, tuple[int, int]] = {}
        self._faces: dict[Hashable, str] = {}
        self._faces_made = 0
        self._cards = 0
        self._pages = 0

    def add_logo(self, image: int, data_uri: str) -> None:
        """Put a stored image into the file. One that cannot be drawn is left out of its cards."""
        picture = read_logo(data_uri)
        if picture is None or image in self._logos:
            return
        width, height = picture.size
        reader = ImageReader(picture)
        self._file.define_form(
            f"logo{image}",
            (width, height),
            lambda: self._file.drawImage(reader, 0, 0, width, height),
        )
        self._logos[image] = picture.size

    def add(self, card: Card) -> None:
        """Draw the next card; a full page leaves at once."""
        per_page = _COLUMNS * _ROWS if self._is_batch else 1
        slot = self._cards % per_page
        self._cards += 1
        left, bottom = 0.0, 0.0
        if self._is_batch:
            left, bottom = self._slot_corner(slot)
            if slot == 0:
                self._cut_marks()
        self._file.saveState()
        self._file.translate(left, bottom)
        self._draw(card)
        self._file.restoreState()
        if slot == per_page - 1:
            self._show_page()

    def close(self) -> None:
        """Finish the last page and the file. A batch without cards is one page of cut marks."""
        if self._is_batch and self._pages == 0 and self._cards == 0:
            self._cut_marks()
            self._show_page()
        elif self._is_batch and self._cards % (_COLUMNS * _ROWS):
            self._show_page()
        self._file.close()

    def _show_page(self) -> None:
        self._file.showPage()
        self._pages += 1
        if len(self._faces) > _FACES_MAX:
            for name in self._faces.values():
                self._file.forget_form(name)
            self._faces.clear()

    def _slot_corner(self, slot: int) -> tuple[float, float]:
        """The lower left corner of a card, row by row from the top left."""
        row, column = divmod(slot, _COLUMNS)
        left = (_A4[0] - _COLUMNS * _CARD.width) / 2 + column * _CARD.width
        bottom = (_A4[1] + _ROWS * _CARD.height) / 2 - (row + 1) * _CARD.height
        return left * _MM, bottom * _MM

    def _cut_marks(self) -> None:
        """Short lines in the page's margin at every edge of a card."""
        width, height = self._page_pt
        left, bottom = self._slot_corner((_ROWS - 1) * _COLUMNS)
        self._file.setLineWidth(0.4)
        self._file.setStrokeColorRGB(0, 0, 0)
        near, far = 4.5 * _MM, 1.5 * _MM
        for column in range(_COLUMNS + 1):
            x = left + column * _CARD.width * _MM
            self._file.line(x, bottom - near, x, bottom - far)
            self._file.line(x, height - bottom + far, x, height - bottom + near)
        for row in range(_ROWS + 1):
            y = bottom + row * _CARD.height * _MM
            self._file.line(left - near, y, left - far, y)
            self._file.line(width - left + far, y, width - left + near, y)

    def _draw(self, card: Card) -> None:
        """One card with its lower left corner at the origin."""
        plan = self._plan
        logo = card.logo if card.logo in self._logos else None
        has_side = logo is not None or any(card.texts)
        left = plan.qr_left if has_side else (plan.width - plan.qr) / 2
        self._draw_code(card, left * _MM)
        if has_side:
            self._file.doForm(self._side(card, logo))

    def _draw_code(self, card: Card, left: float) -> None:
        """The QR code, the code in plain text under it, and the expiry line."""
        plan, canvas = self._plan, self._file
        qr = symbol(card.code)
        side = plan.qr * _MM
        module = side / (qr.side + 2 * QUIET_MODULES)
        quiet = module * QUIET_MODULES
        looks = _caption(card, plan, side - 2 * _MM)
        captions = sum(look.size_pt * look.line_height for _, look in looks)
        # The symbol and its captions are centred; the quiet zone counts as white space around them.
        below = (plan.height * _MM - (side - 2 * quiet) - quiet - captions) / 2
        bottom = below + captions
        canvas.saveState()
        canvas.setFillColorRGB(0, 0, 0)
        canvas.translate(left + quiet, bottom + quiet)
        canvas.scale(module, module)
        canvas.addLiteral(qr.path())
        canvas.restoreState()
        blocks = sheet_text.fit(looks, side, captions + 1)
        sheet_text.draw(canvas, blocks, left, bottom, side)

    def _side(self, card: Card, logo: int | None) -> str:
        """The form that holds a card's logo and texts; cards that look alike share it."""
        key = (card.texts, card.style, logo)
        name = self._faces.get(key)
        if name is None:
            self._faces_made += 1
            name = self._faces[key] = f"side{self._faces_made}"
            size = (self._plan.width * _MM, self._plan.height * _MM)
            self._file.define_form(name, size, lambda: self._draw_side(card, logo))
        return name

    def _draw_side(self, card: Card, logo: int | None) -> None:
        """Logo on top, text4 at the foot, text1 to text3 in the room between."""
        plan = self._plan
        left = plan.side_left * _MM
        width = (plan.width - plan.margin) * _MM - left
        top, bottom = (plan.height - plan.margin) * _MM, plan.margin * _MM
        if logo is not None:
            top -= self._draw_logo(logo, left, top, width) + 0.35 * plan.margin * _MM
        looks = _styles(card.style).texts
        texts = [
            (sheet_text.printable(text or "", look), _resized(look, plan.scale))
            for text, look in zip(card.texts, looks, strict=True)
        ]
        foot = sheet_text.fit(texts[3:], width, (top - bottom) * 0.3)
        foot_height = sheet_text.stack_height(foot)
        sheet_text.draw(self._file, foot, left, bottom + foot_height, width)
        if foot:
            bottom += foot_height + 0.25 * plan.margin * _MM
        body = sheet_text.fit(texts[:3], width, top - bottom)
        spare = top - bottom - sheet_text.stack_height(body)
        sheet_text.draw(self._file, body, left, top - spare / 2, width)

    def _draw_logo(self, logo: int, left: float, top: float, width: float) -> float:
        """The logo as large as its box allows, its shape kept; the height it took."""
        image_width, image_height = self._logos[logo]
        scale = min(width / image_width, self._plan.logo_height * _MM / image_height)
        self._file.saveState()
        self._file.translate(left, top - image_height * scale)
        self._file.scale(scale, scale)
        self._file.doForm(f"logo{logo}")
        self._file.restoreState()
        return image_height * scale


@lru_cache(maxsize=64)
def _styles(text: str | None) -> SheetStyle:
    return parse_style(text)


def _resized(look: TextStyle, scale: float) -> TextStyle:
    return msgspec.structs.replace(
        look, size_pt=look.size_pt * scale, spacing_pt=look.spacing_pt * scale
    )


def _caption(card: Card, plan: _Plan, width: float) -> list[tuple[str, TextStyle]]:
    """The code, never cut: in as many equal lines as it takes, and the expiry line."""
    look = TextStyle(plan.code_pt, bold=True, family="mono", align="center", line_height=1.25)
    em = sheet_text.width_pt("0", look) / look.size_pt
    count = -(-len(card.code) // 22)
    longest = -(-len(card.code) // count)
    size = min(plan.code_pt, width / (longest * em))
    look = msgspec.structs.replace(look, size_pt=size)
    lines = [card.code[start : start + longest] for start in range(0, len(card.code), longest)]
    looks = [("\n".join(lines), look)] if len(lines) == 1 else [(line, look) for line in lines]
    if card.expires_on is not None:
        small = TextStyle(plan.expiry_pt, color=_GREY, align="center", line_height=1.3)
        looks.append((f"Valid until {_expiry(card.expires_on)}", small))
    return looks


def _expiry(expires_on: str) -> str:
    """`2026-12-31`, `2026-12-31 18:00`, `2026-12-31 18:00 UTC`: seconds only where they matter."""
    text = expires_on.replace("T", " ")
    text = re.sub(r"(\d\d:\d\d):00(Z?)$", r"\1\2", text)
    return f"{text[:-1]} UTC" if text.endswith("Z") else text


def read_logo(data_uri: str) -> Image.Image | None:
    """A stored PNG or JPEG as plain RGB on white; None if it is none, too large or broken.

    A sheet without its logo is of more use than no sheet, so a bad image is no error here.
    """
    found = _DATA_URI.match(data_uri)
    if found is None or len(data_uri) > LOGO_BYTES_MAX * 4 // 3 + 100:
        return None
    try:
        content = base64.b64decode(data_uri[found.end() :], validate=True)
        if len(content) > LOGO_BYTES_MAX:
            return None
        picture: Image.Image = Image.open(BytesIO(content), formats=("PNG", "JPEG"))
        # The size is known from the header, before any pixel is decoded.
        if max(picture.size) > LOGO_PX_MAX:
            return None
        picture = ImageOps.exif_transpose(picture)
        picture.thumbnail((_LOGO_PX_KEPT, _LOGO_PX_KEPT))
        if "A" in picture.getbands() or "transparency" in picture.info:
            layer = picture.convert("RGBA")
            paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
            picture = Image.alpha_composite(paper, layer)
        return picture.convert("RGB")
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
