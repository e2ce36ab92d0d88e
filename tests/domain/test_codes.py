"""Codes: canonical form, what a person may choose, what is drawn."""

import os
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.domain import codes
from farebox.domain.errors import InvalidError


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ("SUMMER1", "Summer1"),
        ("SUMMER1", " \tsummer1\r\n"),
        ("A-B", "a-b"),
        ("\u00a0A", "\u00a0a"),
        ("STRAßE", "straße"),
        ("İI", "İi"),
        ("", " \v\f"),
    ],
)
def test_canonical_form(expected: str, code: str) -> None:
    """Only ASCII whitespace is trimmed and only ASCII letters are raised."""
    assert expected == codes.canonical(code)


@given(st.text(max_size=70))
def test_canonical_is_idempotent(code: str) -> None:
    """The canonical form of a canonical form is itself."""
    once = codes.canonical(code)
    assert once == codes.canonical(once)


@pytest.mark.parametrize("code", ["A", "a" * 64, "!$&()*+,-.:;=@[]^_`{|}~", "Summer-2026"])
def test_custom_code_is_kept_verbatim(code: str) -> None:
    """A permitted code is stored as it was written."""
    assert code == codes.check_custom(code)


@pytest.mark.parametrize(
    "code", ["", " ", "a" * 65, "a b", *(f"a{sign}b" for sign in "/\\%?#\"'<>"), "é", "a\x7f"]
)
def test_custom_code_outside_the_pattern(code: str) -> None:
    """Anything else is refused under one stable code, naming the field."""
    with pytest.raises(InvalidError) as refusal:
        codes.check_custom(code)
    assert ("invalid_code", ["code"]) == (refusal.value.code, list(refusal.value.fields))


@pytest.mark.parametrize(
    ("expected", "prefix"),
    [(True, "SPR"), (True, "00000"), (False, "TOOLONG"), (False, "A-B"), (False, ""), (False, "é")],
)
def test_prefix(expected: bool, prefix: str) -> None:
    """One to five ASCII letters and digits."""
    assert expected is codes.is_prefix(prefix)


def test_drawn_codes_have_the_documented_form() -> None:
    """Prefix, hyphen, ten symbols of the alphabet."""
    form = re.compile(r"SPR-[2-9A-HJKMNP-TV-Z]{10}")
    drawn = codes.draw("SPR", 500, os.urandom)
    assert 500 == len(drawn)
    assert all(form.fullmatch(code) for code in drawn)


def test_every_symbol_is_equally_likely() -> None:
    """All 256 byte values in turn give each symbol exactly eight times; the rest is thrown away."""
    drawn = codes.draw("X", 24, _counting())
    symbols = Counter("".join(code[2:] for code in drawn))
    assert dict.fromkeys(codes.ALPHABET, 8) == dict(symbols)


def test_drawing_continues_while_symbols_are_missing() -> None:
    """A source that yields mostly useless bytes only takes longer."""
    source = iter([bytes([255] * 30), bytes([255] * 10), bytes(range(30))])
    assert ["P-23456789AB"] == codes.draw("P", 1, lambda _: next(source))


def _counting() -> Callable[[int], bytes]:
    """A source of the byte values in order, over and over."""
    position = 0

    def take(n: int) -> bytes:
        nonlocal position
        taken = bytes((position + step) % 256 for step in range(n))
        position += n
        return taken

    return take
