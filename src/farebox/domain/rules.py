"""Validation rules: where a voucher may be used and for which products (vending-commerce.md 4.11).

Rules come in two levels, campaign and voucher; both must pass. Within a level the place rules are
alternatives. Compiled rules answer by set look-ups and know the exact `validFor` text. They do not
know how a device becomes a place.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from farebox.domain.errors import InvalidError

PRODUCT: Final = "product"
FIELDS: Final = ("location", "locationExternalRef", "product", "machine", "locationGroup")
VALUE_MAX: Final = 128
RULES_MAX: Final = 1000

_UNRESTRICTED: Final = b'{"products":{},"productsRegExp":".*"}'
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")


class Rule(msgspec.Struct, frozen=True):
    """One restriction: the field it looks at and the value it wants."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the machine that asks; `machine` is None where nothing is."""

    machine: int | None = None
    hostname: str = ""
    location: int | None = None
    external_ref: str | None = None
    location_groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Level:
    """The place rules of one level, one set per field."""

    locations: frozenset[str]
    external_refs: frozenset[str]
    machines: frozenset[str]
    location_groups: frozenset[str]

    def admits(self, place: Place) -> bool:
        if place.machine is None:
            return False
        return (
            str(place.location) in self.locations
            or (place.external_ref is not None and place.external_ref in self.external_refs)
            or str(place.machine) in self.machines
            or place.hostname.lower() in self.machines
            or any(str(group) in self.location_groups for group in place.location_groups)
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """Both levels compiled. `products` is None where nothing restricts them; it may be empty."""

    levels: tuple[_Level, ...] = ()
    products: frozenset[str] | None = None
    valid_for_json: bytes = field(default=_UNRESTRICTED)

    def place_ok(self, place: Place) -> bool:
        """Whether every level with place rules has one that fits."""
        return all(level.admits(place) for level in self.levels)


NO_RULES: Final = Rules()


def check_rules(raw: Sequence[object], at: str = "validationRules") -> list[Rule]:
    """Rules from decoded JSON objects, equal ones once; all faults together, named from `at` on."""
    if len(raw) > RULES_MAX:
        raise InvalidError(
            f"More than {RULES_MAX} rules", fields={at: f"must be at most {RULES_MAX} rules"}
        )
    found: dict[Rule, None] = {}
    faults: dict[str, str] = {}
    unknown = False
    for index, item in enumerate(raw):
        name = f"{at}[{index}]"
        if not isinstance(item, dict):
            faults[name] = "must be an object with field and value"
            continue
        value = _value(item.get("value"))
        if item.get("field") not in FIELDS:
            faults[f"{name}.field"] = f"must be one of {', '.join(FIELDS)}"
            unknown = unknown or isinstance(item.get("field"), str)
        if value is None:
            faults[f"{name}.value"] = f"must be a string of 1 to {VALUE_MAX} characters"
        if not faults and value is not None:
            found[Rule(str(item["field"]), value)] = None
    if faults:
        code = "unknown_rule_field" if unknown else None
        raise InvalidError("The validation rules are not valid", code, faults)
    return list(found)


def compile_rules(campaign_rules: Iterable[Rule], voucher_rules: Iterable[Rule]) -> Rules:
    """The two levels as one object."""
    campaign, voucher = list(campaign_rules), list(voucher_rules)
    if not campaign and not voucher:
        return NO_RULES
    levels = tuple(
        _level(places)
        for level in (campaign, voucher)
        if (places := [rule for rule in level if rule.field != PRODUCT])
    )
    products: frozenset[str] | None = None
    for level in (campaign, voucher):
        named = frozenset(rule.value for rule in level if rule.field == PRODUCT)
        if named:
            products = named if products is None else products & named
    return Rules(levels, products, _valid_for(products))


def _value(raw: object) -> str | None:
    """The text of a rule's value; devices and clients may send a number where an id is meant."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    if not isinstance(raw, str):
        return None
    trimmed = raw.strip()
    printable = all(character >= " " and character != "\x7f" for character in trimmed)
    return trimmed if printable and 1 <= len(trimmed) <= VALUE_MAX else None


def _level(rules: list[Rule]) -> _Level:
    def values(name: str) -> frozenset[str]:
        return frozenset(rule.value for rule in rules if rule.field == name)

    return _Level(
        locations=values("location"),
        external_refs=values("locationExternalRef"),
        machines=frozenset(value.lower() for value in values("machine")),
        location_groups=values("locationGroup"),
    )


def _valid_for(products: frozenset[str] | None) -> bytes:
    if products is None:
        return _UNRESTRICTED
    ordered = sorted(products, key=_product_order)
    pattern = "|".join(_SPECIAL.sub(lambda found: "\\" + found.group(), name) for name in ordered)
    return msgspec.json.encode(
        {"products": dict.fromkeys(ordered, True), "productsRegExp": f"^(?:{pattern})$"}
    )


def _product_order(product: str) -> tuple[int, int, str]:
    if product.isascii() and product.isdecimal():
        return 0, int(product), product
    return 1, 0, product
