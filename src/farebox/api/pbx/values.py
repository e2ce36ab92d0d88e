"""Reads the members of a record as its declaration says (pbx.md 1, 2, 3.7).

Values are texts or numbers; null is the empty text. Types of things are kept in capitals. What a
record may leave empty is emptied by "", anything else that its field does not allow is `Invalid
Field <key>.`. Unknown members and those that cannot change are not looked at.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from farebox.api.pbx.arguments import scalar
from farebox.api.pbx.dialect import REQUIRED, invalid
from farebox.domain.errors import InvalidError
from farebox.resource.definition import Field, Resource

_INT_MAX: Final = 2**63 - 1
_CAPITALS: Final = frozenset(("hu_type", "co_type", "de_type_src", "de_type_dst"))
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def values_of(
    resource: Resource, given: Mapping[str, object], *, creating: bool, also: Sequence[str] = ()
) -> dict[str, Any]:
    """The checked values of a new record or of a change, by field name.

    A change has to name one of the fields, or one of those in `also`, which others read.
    """
    values: dict[str, Any] = {}
    for field in resource.fields:
        letter = field.write[0 if creating else 1]
        if letter == "-":
            continue
        if field.name in given:
            text = _text(field, given[field.name])
            if not text and creating and letter == "R":
                raise missing(field.name)
            if text or not creating:
                values[field.name] = _checked(field, text)
        elif creating and letter == "R":
            raise missing(field.name)
    if not values and not any(name in given for name in also):
        raise invalid(REQUIRED)
    return values


def wrong(name: str) -> InvalidError:
    """The refusal of a member."""
    return InvalidError(f"Invalid Field {name}.", fields={name: "is invalid"})


def missing(name: str) -> InvalidError:
    """The refusal of a record without a member."""
    return InvalidError(REQUIRED, fields={name: "is required"})


def _text(field: Field, value: object) -> str:
    try:
        return "" if value is None else scalar(value).strip()
    except ValueError:
        raise wrong(field.name) from None


def _checked(field: Field, text: str) -> object:
    if field.kind.is_integer:
        return _number(field, text)
    is_right = (
        (field.low or 0) <= len(text) <= (field.high or 255)
        and not _CONTROL.search(text)
        and (field.form is None or field.form.fullmatch(text))
        and (not field.choices or text in field.choices)
    )
    if not is_right:
        raise wrong(field.name)
    return text.upper() if field.name in _CAPITALS else text


def _number(field: Field, text: str) -> int | None:
    if not text and field.write[0] == "O" and field.default is None:
        return None
    if not re.fullmatch(r"\d{1,19}", text, re.ASCII):
        raise wrong(field.name)
    if not (1 if field.low is None else field.low) <= int(text) <= (field.high or _INT_MAX):
        raise wrong(field.name)
    return int(text)
