"""The readers of arguments: what lenient clients may send, and how errors are collected."""

import pytest

from farebox.api.vending.fields import Fields
from farebox.domain.errors import InvalidError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5), (5.0, 5), ("5", 5), (" 5 ", 5), ("-5", -5), (0, 0), (1e3, 1000),
        (True, None), ("5a", None), (5.5, None), ("5.0", None), ("", None), ([], None), ({}, None),
        ("9" * 19, None), (10**30, None), (1e300, None), ("٥", None), ("1_0", None), ("5\x1c", 5),
    ],
)  # fmt: skip
def test_integers_are_read_leniently(value: object, expected: int | None) -> None:
    """Integers, integral floats and decimal text; no booleans, no other digits."""
    fields = Fields({"n": value})
    assert expected == fields.optional_integer("n")
    assert (expected is not None) == fields.is_clean


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"), (" a ", "a"), ("", None), ("  ", None), (None, None), ("ä☕", "ä☕"),
        ("x" * 255, "x" * 255),
    ],
)  # fmt: skip
def test_optional_text_is_trimmed_and_empty_is_null(value: object, expected: str | None) -> None:
    """An empty string for an optional argument is stored as null."""
    fields = Fields({"s": value})
    assert expected == fields.optional_string("s")
    assert fields.is_clean


@pytest.mark.parametrize("value", [5, True, [], "x" * 256, "a\nb", "a\x00", "\ud800", "a\x7f"])
def test_text_that_is_refused(value: object) -> None:
    """Other types, too long ones, control characters and halves of characters."""
    fields = Fields({"s": value})
    assert fields.optional_string("s") is None
    assert not fields.is_clean


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), (0, False), (1, True), ("1", True), ("false", False)],
)
def test_booleans(value: object, expected: bool) -> None:
    """true, false, 0, 1, and the same as forms and queries write them."""
    assert expected is Fields({"b": value}).boolean("b")


@pytest.mark.parametrize("value", [2, "yes", 1.0, [], "TRUE"])
def test_what_is_no_boolean(value: object) -> None:
    """Anything else is an error."""
    fields = Fields({"b": value})
    assert fields.boolean("b") is None
    assert not fields.is_clean


def test_all_errors_of_a_request_come_together_in_order() -> None:
    """Unknown before missing before wrong decides the code; every name has its reason."""
    body = {"nam": 1, "n": "x", "demand": {"amount": 0}, "items": [{"quantity": 0}, 5]}
    fields = Fields(body, known=("n", "s", "demand", "items"), ignored=("id",))
    fields.string("s")
    fields.integer("n", low=1)
    demand = fields.nested("demand")
    assert demand is not None
    demand.integer("amount", low=1)
    for item in fields.each("items") or []:
        item.integer("quantity", low=1)
    with pytest.raises(InvalidError) as caught:
        fields.finish()
    assert "unknown_field" == caught.value.code
    assert {
        "nam": "is unknown",
        "s": "is required",
        "n": "must be an integer",
        "demand.amount": "must be >= 1",
        "items[1]": "must be an object",
        "items[0].quantity": "must be >= 1",
    } == caught.value.fields
