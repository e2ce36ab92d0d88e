"""What is printed: every code scans, every script is readable, no text does harm."""

import base64
import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

from farebox.domain.styles import Family, TextStyle
from farebox.engine import sheet_text
from farebox.engine.sheet_cards import Card, Heading, Logo, Message, frame, messages
from farebox.engine.sheet_code import symbol
from farebox.engine.sheet_pages import LOGO_BYTES_MAX, read_logo
from farebox.engine.sheet_process import draw_sheet
from tests.engine.pdf_reader import PdfReader

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CUSTOM = "".join(chr(code) for code in range(33, 127) if chr(code) not in "/\\%?#\"'<>")


def draw(content: Sequence[Message]) -> bytes:
    """A whole file."""
    pieces: list[bytes] = []
    draw_sheet(content, pieces.append)
    return b"".join(pieces)


def single(card: Card, *logos: Logo) -> PdfReader:
    """The page of one voucher, opened."""
    return PdfReader(draw([Heading("single", card.code), *logos, card]))


def batch(cards: Sequence[Card]) -> PdfReader:
    """A campaign's sheet, opened."""
    return PdfReader(draw([Heading("batch", "Spring"), *cards]))


def generated(number: int) -> str:
    """A code of the generated form."""
    digits = ""
    for _ in range(10):
        number, digit = divmod(number, len(ALPHABET))
        digits += ALPHABET[digit]
    return f"00000-{digits}"


def picture(kind: str, size: tuple[int, int], mode: str = "RGB", colour: Any = "red") -> str:
    """An image as it is stored."""
    output = BytesIO()
    Image.new(mode, size, colour).save(output, kind.upper())
    return f"data:image/{kind};base64," + base64.b64encode(output.getvalue()).decode()


def ink(reader: PdfReader, page: int = 0) -> tuple[float, float, float, float]:
    """The margins around everything drawn, in millimetres: left, top, right, bottom."""
    dark = reader.pixels(page).min(axis=2) < 200
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    height, width = dark.shape
    edges = columns[0], rows[0], width - 1 - columns[-1], height - 1 - rows[-1]
    left, top, right, bottom = (float(edge) / 8 for edge in edges)
    return left, top, right, bottom


@pytest.mark.parametrize(
    "code",
    [
        "00000-7KQ3M9TXWA",
        "SPR-23456789AB",
        "a",
        "1234567890",
        "Summer!2026",
        "a" * 64,
        "Z" * 64,
        "9" * 64,
        CUSTOM[:64],
        CUSTOM[-64:],
    ],
)
def test_single_scans(code: str) -> None:
    """A single page is A6 landscape and its only QR code gives the code back, level Q."""
    reader = single(Card(code, ("Free coffee", None, None, None)))
    (found,) = reader.barcodes(0)
    assert (1, code) == (len(reader), found.text)
    assert pytest.approx((148, 105), abs=0.01) == reader.size_mm(0)
    assert found.ec_level == "Q"
    assert code == reader.text(0).split("\nFree")[0].replace("\n", "")


@settings(max_examples=25, deadline=None)
@given(st.text(CUSTOM, min_size=1, max_size=64))
def test_any_code_scans(code: str) -> None:
    """Every permitted custom code comes back exactly."""
    assert [code] == single(Card(code)).codes(0)


@pytest.mark.parametrize(
    ("code", "version"), [("00000-7KQ3M9TXWA", 1), ("00000-7KQ3M9TXWa", 2), ("1" * 27, 1)]
)
def test_symbol_is_smallest(code: str, version: int) -> None:
    """Upper-case codes use the alphanumeric mode and digits the numeric one."""
    assert 4 * version + 17 == symbol(code).side


@settings(max_examples=50, deadline=None)
@given(st.text(CUSTOM, min_size=1, max_size=64))
def test_symbol_is_the_encoders(code: str) -> None:
    """The symbol is what the library draws under one of the eight masks, module for module."""
    encoder = QRCode(None, QRErrorCorrectLevel.Q)
    encoder.addData(code)
    encoder.version = encoder.calculate_version()
    boards = []
    for mask in range(8):
        encoder.makeImpl(False, mask)
        bits = (bit for row in encoder.modules for bit in row)
        boards.append(sum(1 << place for place, bit in enumerate(bits) if bit))
    assert symbol(code).board in boards


def test_quiet_zone() -> None:
    """Around the symbol four modules stay white, whatever stands beside and under it."""
    style = json.dumps({"voucherText1Lbl": {"fontSize": "72pt", "backgroundColor": "black"}})
    reader = single(Card("00000-7KQ3M9TXWA", ("W" * 300, "W" * 300, "W" * 300, "W" * 900), style))
    per_mm = 10
    (found,) = reader.barcodes(0, per_mm)
    corner, far = found.position.top_left, found.position.bottom_right
    module = (far.x - corner.x) / 21
    zone = round(4 * module) - 2
    white = reader.pixels(0, per_mm).min(axis=2) > 250
    around = white[corner.y - zone : far.y + zone, corner.x - zone : far.x + zone].copy()
    around[zone - 2 : 2 - zone, zone - 2 : 2 - zone] = True
    assert around.all()


def test_batch_scans_in_order() -> None:
    """Sixty vouchers fill six A4 pages of ten, row by row, and every one scans."""
    codes = [generated(7**13 * n) if n % 7 else f"Own-{n}_{'x' * (n % 50)}" for n in range(60)]
    reader = batch([Card(code, ("Free coffee", None, None, None)) for code in codes])
    assert len(reader) == 6
    assert codes == [code for page in range(6) for code in reader.codes(page)]
    assert pytest.approx((210, 297), abs=0.01) == reader.size_mm(5)


@pytest.mark.parametrize(("cards", "pages"), [(0, 1), (1, 1), (10, 1), (11, 2), (641, 65)])
def test_batch_pages(cards: int, pages: int) -> None:
    """Ten cards to a page; a campaign without usable vouchers gives one empty page."""
    reader = batch([Card(str(number)) for number in range(cards)])
    assert pages == len(reader)
    last = [str(number) for number in range(cards)][(pages - 1) * 10 :]
    assert last == reader.codes(pages - 1)


def test_cut_marks() -> None:
    """Cut marks stand in the margins at every edge of the 90 x 55 mm cards, and nowhere else."""
    dark = batch([]).pixels(0).min(axis=2) < 200
    upper, left = dark[: 9 * 8].any(axis=0), dark[:, : 13 * 8].any(axis=1)
    assert [15, 105, 195] == sorted({round(at / 8) for at in np.flatnonzero(upper)})
    assert [11, 66, 121, 176, 231, 286] == sorted({round(at / 8) for at in np.flatnonzero(left)})
    assert not dark[11 * 8 : -11 * 8, 15 * 8 : -15 * 8].any()


SCRIPTS = {
    "latin": "Žluťoučký kůň, Ærø, ÿ, ß, €",
    "greek": "Δωρεάν καφές ΐ",
    "cyrillic": "Бесплатный кофе Їжак Ђ",
    "armenian": "Անվճար սուրճ և Ֆ",
}


@pytest.mark.parametrize(
    ("family", "drawn"), [("sans-serif", "sans"), ("serif", "serif"), ("monospace", "mono")]
)
@pytest.mark.parametrize("weight", ["normal", "bold"])
@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_scripts(script: str, weight: str, family: str, drawn: Family) -> None:
    """Latin, Greek, Cyrillic and Armenian have their glyphs in every family and weight."""
    text = SCRIPTS[script]
    style = json.dumps({"voucherText1Lbl": {"fontFamily": family, "fontWeight": weight}})
    content = draw([Heading("single", "x"), Card("A", (text, None, None, None), style)])
    reader = PdfReader(content)
    shown = reader.text(0).replace("\n", " ")
    assert text in shown
    assert b"Helvetica" not in content
    # Every letter has a glyph: none is drawn as the box that stands for a missing one.
    face = sheet_text.face(drawn, weight == "bold")
    glyphs = {char: face.has(char) for char in text}
    assert dict.fromkeys(text, True) == glyphs


def test_letters_look_different() -> None:
    """The letters of Armenian differ on paper from each other and from the replacement sign."""
    texts = ["Ա", "Բ", "Գ", "Դ", "Ե", "\ufffd"]
    looks = [single(Card("A", (text, None, None, None))).pixels(0) for text in texts]
    equal = [(a == b).all() for i, a in enumerate(looks) for b in looks[:i]]
    assert [False] * 15 == equal


@pytest.mark.parametrize(
    ("expires_on", "line"),
    [
        ("2026-12-31", "Valid until 2026-12-31"),
        ("2026-12-31T18:00:00", "Valid until 2026-12-31 18:00"),
        ("2026-12-31T23:59:59Z", "Valid until 2026-12-31 23:59:59 UTC"),
        (None, ""),
    ],
)
def test_expiry_line(expires_on: str | None, line: str) -> None:
    """Only a voucher that expires says until when it is valid."""
    assert f"A\n{line}".strip() == single(Card("A", expires_on=expires_on)).text(0)


HOSTILE = [
    ("<b>bold</b> &amp; <img src=x>", "<b>bold</b> &amp; <img src=x>"),
    (") Tj ET Q\\( (\\051", ") Tj ET Q\\( (\\051"),
    ("%PDF endstream endobj", "%PDF endstream endobj"),
    ("{{7*7}} ${x} %s", "{{7*7}} ${x} %s"),
    ("be\x07ll\x1b[31m\x00\x7f\x85x", "bell[31m\nx"),
    ("\u202eabc\u2066\u200d\ufeff\u00ad", "abc"),
    ("tab\there\u00a0there", "tab here there"),
    ("party 🎉 日本", "party \ufffd \ufffd\ufffd"),
    ("é", "é"),
    ("\ud7ff\ue000", "\ufffd\ufffd"),
    ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_text_is_data(text: str, shown: str) -> None:
    """Markup and PDF operators are letters; what has no glyph becomes the replacement sign."""
    assert shown == sheet_text.printable(text, TextStyle(10))
    reader = single(Card("A", (None, None, None, text)))
    seen = reader.text(0).removeprefix("A\n")
    # The reader itself spells the replacement sign and line ends in ways of its own.
    assert shown.split("\ufffd")[0].split("\n")[0].strip() in seen
    assert ["A"] == reader.codes(0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.text(max_size=120), min_size=4, max_size=4))
def test_any_text_prints(texts: list[str | None]) -> None:
    """Whatever the texts hold, the file opens and the code scans."""
    first, second, third, fourth = texts
    reader = single(Card("A-1", (first, second, third, fourth)))
    assert ["A-1"] == reader.codes(0)


@pytest.mark.parametrize("kind", ["single", "batch"])
@pytest.mark.parametrize("text", ["word " * 400, "W" * 2000, "line\n" * 300, "Ö" * 40])
def test_long_texts_stay_inside(kind: str, text: str) -> None:
    """However long the texts are, nothing leaves its card, and what was left out shows."""
    style = json.dumps({"voucherText2Lbl": {"fontSize": "72pt", "lineHeight": 4}})
    card = Card("A", (text, text, text, text), style)
    reader = single(card) if kind == "single" else batch([card])
    if kind == "single":
        margins = ink(reader)
        assert min(margins) > 4
        assert "\u2026" in reader.text(0)
    else:
        pixels = reader.pixels(0).min(axis=2) < 200
        outside = pixels[(11 + 55) * 8 + 4 : -12 * 8, 15 * 8 + 4 : -16 * 8]
        beside = pixels[12 * 8 : 65 * 8, (15 + 87) * 8 : -16 * 8]
        assert not outside.any()
        assert not beside.any()


@pytest.mark.parametrize(
    ("text", "height", "size", "lines"),
    [
        ("", 100, None, []),
        ("short", 100, 10, ["short"]),
        ("two words", 100, 10, ["two", "words"]),
        ("two\nlines", 100, 10, ["two", "lines"]),
        ("four small words here", 40, 8, ["four", "small", "words", "here"]),
        ("unbreakable", 100, 6, ["unbreakab", "le"]),
        ("much too many words here", 15, 6, ["much too", "many\u2026"]),
        ("much", 1, 6, ["much"]),
    ],
)
def test_fit(text: str, height: float, size: float | None, lines: list[str]) -> None:
    """Texts are wrapped, then shrunk down to 60 %, then broken and cut with an ellipsis."""
    blocks = sheet_text.fit([(text, TextStyle(10, family="mono"))], 36, height)
    assert lines == [line.text for block in blocks for line in block.lines]
    assert [size] * len(blocks) == [pytest.approx(block.style.size_pt) for block in blocks]
    assert all(line.width_pt <= 36 for block in blocks for line in block.lines)


def test_style_is_seen() -> None:
    """Colours and backgrounds of a style reach the paper."""
    style = json.dumps({"voucherText1Lbl": {"color": "#ff0000", "backgroundColor": "#0000ff"}})
    colours = single(Card("A", ("Hello", None, None, None), style)).pixels(0).reshape(-1, 3)
    seen = {tuple(int(part) for part in colour) for colour in np.unique(colours, axis=0)}
    assert {(255, 0, 0), (0, 0, 255)} <= seen


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_logo(kind: str) -> None:
    """A stored PNG or JPEG is printed in its colours, and its transparency is paper."""
    reader = single(Card("A", logo=7), Logo(7, picture(kind, (400, 100))))
    pixels = reader.pixels(0).astype(int)
    red = (pixels[:, :, 0] > 200) & (pixels[:, :, 1:].max(axis=2) < 60)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert 4 == pytest.approx(len(columns) / len(rows), rel=0.05)
    clear = picture("png", (50, 50), "RGBA", (255, 0, 0, 0))
    blank = single(Card("A", ("x", None, None, None))).pixels(0)
    assert single(Card("A", ("x", None, None, None), logo=1), Logo(1, clear)).codes(0) == ["A"]
    assert (blank == single(Card("A", ("x", None, None, None), logo=1)).pixels(0)).all()


@pytest.mark.parametrize(
    "data_uri",
    [
        "https://example.com/logo.png",
        "file:///etc/passwd",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "data:image/png;base64,!!!!",
        "data:image/png;base64,aGVsbG8=",
        picture("png", (10, 10))[:-40],
        picture("png", (4001, 1)),
        "data:image/png;base64," + "A" * (LOGO_BYTES_MAX * 4 // 3 + 200),
        "",
    ],
)
def test_bad_logo_is_left_out(data_uri: str) -> None:
    """Nothing is fetched; what is no PNG or JPEG within the limits is left out of the sheet."""
    assert read_logo(data_uri) is None
    assert ["A"] == single(Card("A", logo=7), Logo(7, data_uri)).codes(0)


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 7), ("1", 1), ("P", 1), ("I;16", 7), ("LA", (7, 7)), ("RGBA", "red")]
)
def test_logo_modes(mode: str, colour: Any) -> None:
    """Every kind of PNG becomes plain colours."""
    image = read_logo(picture("png", (20, 10), mode, colour))
    assert image is not None
    assert ("RGB", (20, 10)) == (image.mode, image.size)


def content_of_everything() -> list[Message]:
    """A sheet that uses all there is."""
    texts = ("Δωρεάν καφές", "Бесплатный", "Անվճար սուրճ", "small")
    style = json.dumps({"voucherText2Lbl": {"fontFamily": "serif", "fontStyle": "italic"}})
    logo = Logo(3, picture("png", (90, 30)))
    cards = [Card(generated(n), texts, style, 3, "2026-12-31") for n in range(12)]
    return [Heading("batch", "Ամառ 2026"), logo, *cards]


def test_same_input_gives_same_bytes() -> None:
    """Equal sheets are equal byte for byte, in this process and in others; other ones are not."""
    content = content_of_everything()
    expected = draw(content)
    assert expected == draw(content)
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "farebox.engine.sheet_process"],
            input=b"".join(frame(message) for message in content),
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "src"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        )
        assert expected == done.stdout
    assert expected != draw(content[:-1])


def test_process_refuses_half_a_sheet() -> None:
    """Input that ends inside a message is an error, not a shorter sheet."""
    whole = b"".join(frame(message) for message in content_of_everything())
    with pytest.raises(EOFError):
        draw_sheet(messages(BytesIO(whole[:-1])), len)
    with pytest.raises(ValueError, match="heading"):
        draw_sheet([], len)
    with pytest.raises(ValueError, match="heading"):
        draw_sheet([Card("A")], len)


MEASURE = textwrap.dedent(
    """
    import re, sys
    from pathlib import Path
    from farebox.engine.sheet_cards import Card, Heading
    from farebox.engine.sheet_process import draw_sheet

    def peak_kib():
        # What getrusage calls the peak would include the process that started this one.
        return int(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])

    def content(count):
        yield Heading("batch", "Spring")
        for n in range(count):
            yield Card(f"00000-7KQ3M{n:05d}", (f"Free coffee {n % 97}", "any", None, "small"))

    draw_sheet(content(20), len)
    before = peak_kib()
    with open(sys.argv[2], "wb") as file:
        draw_sheet(content(int(sys.argv[1])), file.write)
    sys.stdout.write(str(peak_kib() - before))
    """
)


def test_long_sheet_takes_no_memory(tmp_path: Path) -> None:
    """5 000 vouchers take no more memory than 500 do, and their pages scan like any other."""
    grown_kib = {}
    for count in (500, 5000):
        file = tmp_path / f"{count}.pdf"
        command = [sys.executable, "-c", MEASURE, str(count), str(file)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        grown_kib[count] = int(done.stdout)
    assert grown_kib[5000] - grown_kib[500] < 2048
    reader = PdfReader((tmp_path / "5000.pdf").read_bytes())
    assert len(reader) == 500
    for page in (0, 63, 64, 250, 499):
        expected = [f"00000-7KQ3M{n:05d}" for n in range(page * 10, page * 10 + 10)]
        assert expected == reader.codes(page)
