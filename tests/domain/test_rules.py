"""Validation rules: what is accepted, where they admit a machine, what a device is told."""

import re

import msgspec
import pytest

from farebox.domain.errors import InvalidError
from farebox.domain.rules import NO_RULES, Place, Rule, Rules, check_rules, compile_rules

CENTRAL = Place(
    machine=80,
    hostname="gw-0080",
    location=10,
    external_ref="AMS-1",
    location_groups=frozenset({6}),
)
UNKNOWN = Place(hostname="10")


def test_rules_are_read_in_order_and_equal_ones_once() -> None:
    """Numbers become their decimal text; read-only members are left aside."""
    raw = [
        {"field": "location", "value": 10},
        {"field": "product", "value": " 5 ", "id": 3, "campaign": 1},
        {"field": "location", "value": "10"},
    ]
    assert [Rule("location", "10"), Rule("product", "5")] == check_rules(raw)


@pytest.mark.parametrize(
    ("expected_code", "expected_fields", "raw"),
    [
        ("unknown_rule_field", ["r[0].field"], [{"field": "weather", "value": "x"}]),
        ("invalid_parameter", ["r[0].field"], [{"value": "x"}]),
        ("invalid_parameter", ["r[0].field"], [{"field": ["location"], "value": "x"}]),
        ("invalid_parameter", ["r[0].value"], [{"field": "location"}]),
        ("invalid_parameter", ["r[0].value"], [{"field": "location", "value": ""}]),
        ("invalid_parameter", ["r[0].value"], [{"field": "location", "value": True}]),
        ("invalid_parameter", ["r[0].value"], [{"field": "location", "value": "a\0"}]),
        ("invalid_parameter", ["r[0].value"], [{"field": "location", "value": "x" * 129}]),
        ("invalid_parameter", ["r[0]", "r[2].value"], [7, {"field": "product", "value": "1"},
                                                       {"field": "product", "value": 1.5}]),
        ("invalid_parameter", ["r"], [{"field": "location", "value": "1"}] * 1001),
    ],
)  # fmt: skip
def test_faults_are_reported_together(
    expected_code: str, expected_fields: list[str], raw: list[object]
) -> None:
    """Every wrong rule is named by its place in the list."""
    with pytest.raises(InvalidError) as refusal:
        check_rules(raw, "r")
    assert (expected_code, expected_fields) == (refusal.value.code, list(refusal.value.fields))


@pytest.mark.parametrize(
    ("expected", "campaign", "voucher"),
    [
        (True, [], []),
        (True, [("product", "5")], []),
        (True, [("location", "10")], []),
        (False, [("location", "11")], []),
        (True, [("location", "11"), ("location", "10")], []),
        (True, [("location", "11"), ("machine", "80")], []),
        (True, [("machine", "GW-0080")], []),
        (False, [("machine", "81")], []),
        (True, [("locationExternalRef", "AMS-1")], []),
        (False, [("locationExternalRef", "ams-1")], []),
        (True, [("locationGroup", "6")], []),
        (False, [("locationGroup", "10")], []),
        (True, [("location", "10")], [("machine", "80")]),
        (False, [("location", "10")], [("machine", "81")]),
        (False, [("location", "11")], [("location", "10")]),
        (True, [("product", "5")], [("location", "10")]),
    ],
)
def test_place(
    expected: bool, campaign: list[tuple[str, str]], voucher: list[tuple[str, str]]
) -> None:
    """Alternatives within a level, both levels together."""
    assert expected is _compiled(campaign, voucher).place_ok(CENTRAL)


@pytest.mark.parametrize("field", ["location", "machine", "locationGroup", "locationExternalRef"])
def test_unknown_machine_fails_every_place_rule(field: str) -> None:
    """What cannot be resolved is nowhere, even where its name reads like the wanted value."""
    assert not _compiled([(field, "10")], []).place_ok(UNKNOWN)
    assert not _compiled([(field, "None")], []).place_ok(UNKNOWN)
    assert NO_RULES.place_ok(UNKNOWN)


@pytest.mark.parametrize(
    ("expected", "campaign", "voucher"),
    [
        (None, [], []),
        (None, [("location", "10")], []),
        ({"5", "7"}, [("product", "5"), ("product", "7")], []),
        ({"5"}, [], [("product", "5")]),
        ({"7"}, [("product", "5"), ("product", "7")], [("product", "7"), ("product", "9")]),
        (set(), [("product", "5")], [("product", "7")]),
    ],
)
def test_products(
    expected: set[str] | None, campaign: list[tuple[str, str]], voucher: list[tuple[str, str]]
) -> None:
    """A level without product rules allows all, two levels allow what both do."""
    assert expected == _compiled(campaign, voucher).products


@pytest.mark.parametrize(
    ("expected", "products"),
    [
        (b'{"products":{},"productsRegExp":".*"}', []),
        (b'{"products":{"5":true,"7":true},"productsRegExp":"^(?:5|7)$"}', ["7", "5"]),
        (
            b'{"products":{"9":true,"10":true,"tea":true},"productsRegExp":"^(?:9|10|tea)$"}',
            ["tea", "10", "9"],
        ),
        (b'{"products":{"a.b":true},"productsRegExp":"^(?:a\\\\.b)$"}', ["a.b"]),
    ],
)
def test_valid_for(expected: bytes, products: list[str]) -> None:
    """Numbers first and by value, then text; what a pattern would read is escaped."""
    assert expected == _compiled([("product", name) for name in products], []).valid_for_json


def test_valid_for_pattern_matches_its_products_exactly() -> None:
    """The pattern accepts each product, and nothing that only resembles one."""
    products = ["a.b", "(x)", "[1]{2}", "a|b", "^$", "1+1", "\\d", "50%"]
    answer = msgspec.json.decode(
        _compiled([("product", name) for name in products], []).valid_for_json
    )
    pattern = re.compile(answer["productsRegExp"])
    assert sorted(products) == sorted(answer["products"])
    assert all(pattern.search(name) for name in products)
    assert not any(pattern.search(other) for other in ("aXb", "a", "b", "5", "", "x", "11"))


def _compiled(campaign: list[tuple[str, str]], voucher: list[tuple[str, str]]) -> Rules:
    return compile_rules([Rule(*rule) for rule in campaign], [Rule(*rule) for rule in voucher])
