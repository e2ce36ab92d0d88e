"""The styles of printed vouchers: what is read, clamped, ignored and refused, and where."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farebox.domain.errors import InvalidError
from farebox.domain.styles import (
    SIZE_PT_MAX,
    SIZE_PT_MIN,
    SheetStyle,
    TextStyle,
    check_style,
    parse_style,
)


def first(**properties: Any) -> TextStyle:
    """The look of text1 under these properties."""
    return parse_style(json.dumps({"voucherText1Lbl": properties})).texts[0]


def test_defaults() -> None:
    """Without a style the four texts are 28, 24, 18 and 10 pixels high, black and plain."""
    expected = SheetStyle((TextStyle(21.0), TextStyle(18.0), TextStyle(13.5), TextStyle(7.5)))
    for text in (None, "{}", '{"voucherText1Lbl": null}', '{"voucherText1Lbl": {"color": null}}'):
        assert expected == parse_style(text)


def test_documented_example() -> None:
    """The example of the vending document is the default look."""
    text = (
        '{"voucherText1Lbl": {"fontSize": "28px"}, "voucherText2Lbl": {"fontSize": "24px"},'
        ' "voucherText3Lbl": {"fontSize": "18px"}}'
    )
    assert parse_style(None) == parse_style(text)


@pytest.mark.parametrize(
    ("value", "size_pt"),
    [
        (28, 21.0),
        (28.0, 21.0),
        ("28", 21.0),
        ("28px", 21.0),
        (" 21PT ", 21.0),
        ("10mm", 10 * 72 / 25.4),
        (".5mm", SIZE_PT_MIN),
        (0, SIZE_PT_MIN),
        (1000, SIZE_PT_MAX),
        (10**400, SIZE_PT_MAX),
        ("73pt", SIZE_PT_MAX),
    ],
)
def test_font_size(value: object, size_pt: float) -> None:
    """Sizes come in pixels, points or millimetres and stay between 4 and 72 points."""
    assert size_pt == pytest.approx(first(fontSize=value).size_pt)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("color", "#c00", "color", (204, 0, 0)),
        ("color", "#C00102", "color", (192, 1, 2)),
        ("color", "Navy", "color", (0, 0, 128)),
        ("backgroundColor", "yellow", "background", (255, 255, 0)),
        ("backgroundColor", "transparent", "background", None),
        ("fontWeight", "bold", "bold", True),
        ("fontWeight", "normal", "bold", False),
        ("fontWeight", 600, "bold", True),
        ("fontWeight", 599, "bold", False),
        ("fontWeight", "700", "bold", True),
        ("fontStyle", "italic", "italic", True),
        ("fontStyle", "oblique", "italic", True),
        ("textAlign", "center", "align", "center"),
        ("textAlign", "end", "align", "right"),
        ("fontFamily", "serif", "family", "serif"),
        ("fontFamily", "'Comic Sans MS', Courier, serif", "family", "mono"),
        ("fontFamily", '"Times New Roman"', "family", "serif"),
        ("fontFamily", "Helvetica", "family", "sans"),
        ("lineHeight", 1.5, "line_height", 1.5),
        ("lineHeight", "1.5", "line_height", 1.5),
        ("lineHeight", "42pt", "line_height", 2.0),
        ("lineHeight", "normal", "line_height", 1.2),
        ("lineHeight", 99, "line_height", 4.0),
        ("textTransform", "uppercase", "transform", "uppercase"),
        ("letterSpacing", "2px", "spacing_pt", 1.5),
        ("letterSpacing", "-1pt", "spacing_pt", -1.0),
        ("letterSpacing", "normal", "spacing_pt", 0.0),
        ("textDecoration", "underline", "underline", True),
        ("textDecoration", "none", "underline", False),
    ],
)
def test_properties(name: str, value: object, field: str, expected: object) -> None:
    """Every known property is read into its field."""
    assert expected == getattr(first(**{name: value}), field)


def test_line_height_follows_font_size() -> None:
    """A line height given as a length is measured against the font size, whatever their order."""
    assert first(lineHeight="20pt", fontSize="10pt").line_height == 2.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fontSize", "huge"),
        ("fontSize", "2em"),
        ("fontSize", -1),
        ("fontSize", True),
        ("fontSize", [12]),
        ("color", "#12"),
        ("color", "#ggg"),
        ("color", "transparent"),
        ("color", "url(http://example.com)"),
        ("backgroundColor", 7),
        ("fontWeight", "heavy"),
        ("fontWeight", 50),
        ("fontWeight", "1000"),
        ("fontStyle", "slanted"),
        ("textAlign", "middle"),
        ("textAlign", {}),
        ("fontFamily", "Comic Sans MS"),
        ("fontFamily", 3),
        ("lineHeight", "tall"),
        ("lineHeight", -1),
        ("textTransform", "upper"),
        ("letterSpacing", "wide"),
        ("textDecoration", "blink"),
    ],
)
def test_bad_value(name: str, value: object) -> None:
    """A bad value of a known property is refused with its place."""
    with pytest.raises(InvalidError) as caught:
        check_style(json.dumps({"voucherText2Lbl": {name: value}}), "voucherStyle")
    assert caught.value.code == "invalid_style"
    assert [f"voucherStyle.voucherText2Lbl.{name}"] == list(caught.value.fields)


def test_all_faults_together() -> None:
    """Every bad place of a style is named at once."""
    style = {"voucherText1Lbl": {"color": 1, "fontSize": "x"}, "voucherText3Lbl": "bold"}
    with pytest.raises(InvalidError) as caught:
        check_style(json.dumps(style))
    assert {
        "style.voucherText1Lbl.color",
        "style.voucherText1Lbl.fontSize",
        "style.voucherText3Lbl",
    } == set(caught.value.fields)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", '"x"', "{'a':1}", "[" * 100_000])
def test_not_an_object(text: str) -> None:
    """A style that is not a JSON object in a string is refused as a whole."""
    with pytest.raises(InvalidError) as caught:
        check_style(text)
    assert caught.value.code == "invalid_style"
    assert list(caught.value.fields) == ["style"]


def test_unknown_is_ignored() -> None:
    """Unknown labels and properties change nothing and refuse nothing."""
    style = {"voucherText4Lbl": {"fontSize": "x"}, "voucherText1Lbl": {"position": "fixed"}}
    assert parse_style(None) == parse_style(json.dumps(style))


PROPERTIES = [
    "fontSize",
    "color",
    "backgroundColor",
    "fontWeight",
    "fontStyle",
    "textAlign",
    "fontFamily",
    "lineHeight",
    "textTransform",
    "letterSpacing",
    "textDecoration",
]
WORDS = st.sampled_from(["12px", "1e9px", "٣px", "٣٠٠", "#12345٦", "bold", "normal", "", "9" * 400])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LABELS = st.sampled_from(["voucherText1Lbl", "voucherText2Lbl", "voucherText3Lbl", "other"])
STYLES = st.dictionaries(
    LABELS, VALUES | st.dictionaries(st.sampled_from(PROPERTIES), VALUES), max_size=4
)


@given(STYLES.map(json.dumps) | st.text() | st.text(st.characters(categories=["Cs", "Nd"])))
@example('{"voucherText1Lbl": {"fontSize": 1e400}}')
@example('{"voucherText1Lbl": {"lineHeight": 1e308, "fontSize": 0}}')
def test_nothing_else_is_raised(text: str) -> None:
    """Whatever the string holds, the answer is a style within its bounds or an InvalidError."""
    style, fault = None, None
    try:
        style = parse_style(text)
    except InvalidError as error:
        fault = error
    if fault is not None:
        assert (fault.code, bool(fault.fields)) == ("invalid_style", True)
    for look in style.texts if style else ():
        assert SIZE_PT_MIN <= look.size_pt <= SIZE_PT_MAX
        assert 0.8 <= look.line_height <= 4.0
        assert all(0 <= part <= 255 for part in look.color)
