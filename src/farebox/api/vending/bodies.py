"""Reads the body of a create or update as a declaration says (vending-platform.md 1.5).

Also gives the body's shape to the OpenAPI document. Whether named rows exist is not known here.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from farebox.api.vending.fields import INT32_MAX, INT64_MAX, Fields
from farebox.domain.errors import InvalidError
from farebox.resource.definition import Field, Resource


class Created(msgspec.Struct):
    """Answer of a create."""

    id: int


def rows(resource: Resource) -> Any:
    """The type of a list's answer."""
    row: Any = resource.row
    return list[row]


def shape(resource: Resource, *, creating: bool = False) -> Any:
    """The struct that documents what a create or update may hold."""
    members: list[Any] = []
    for field in _written(resource, creating=creating):
        if creating and field.write[0] == "R":
            members.append((field.name, field.kind.python))
        else:
            members.append((field.name, field.kind.python | None, msgspec.UNSET))
    links = [one.alias for one in resource.associations if one.writable]
    members += [(alias, list[int], msgspec.UNSET) for alias in links]
    name = resource.name.capitalize() + ("Create" if creating else "Update")
    return msgspec.defstruct(name, members, kw_only=True, module=__name__)


def new(resource: Resource) -> Any:
    """The shape of a create's body."""
    return shape(resource, creating=True)


def _written(resource: Resource, *, creating: bool) -> list[Field]:
    return [field for field in resource.fields if field.write[0 if creating else 1] != "-"]


def arguments(resource: Resource, body: Mapping[str, object], *, creating: bool) -> dict[str, Any]:
    """The checked values of a create or update, by field name and by alias of associations.

    Raises InvalidError naming every wrong member.
    """
    fields = _written(resource, creating=creating)
    links = [one.alias for one in resource.associations if one.writable]
    known = [field.name for field in fields] + links
    reader = Fields(body, known=known, ignored=resource.by_name)
    if not creating and not body:
        raise InvalidError("There is nothing to change", "missing_parameters")
    values: dict[str, Any] = {}
    for field in fields:
        required = field.write[0] == "R"
        if reader.has(field.name) or (creating and (required or field.default is not None)):
            value = _argument(reader, field, required)
            values[field.name] = field.default if value is None else value
    for alias in links:
        if reader.has(alias):
            values[alias] = reader.ids(alias) or []
    reader.finish()
    return values


def _argument(reader: Fields, field: Field, required: bool) -> object:
    name, low, high = field.name, field.low, field.high
    if field.kind.is_integer:
        floor = low if low is not None else int(field.reference is not None)
        ceiling = high or (INT32_MAX if field.type == "int" else INT64_MAX)
        return reader.optional_integer(name, low=floor, high=ceiling, required=required)
    if field.type in ("bool", "bool01"):
        return reader.boolean(name, required=required)
    if field.type == "decimal":
        number = reader.number(name, low=low or 0, high=high or INT64_MAX, required=required)
        return None if number is None else Decimal(repr(number))
    if field.type == "json":
        return reader.members(name, required=required)
    if field.choices:
        return reader.enum(name, field.choices, required=required)
    read = reader.string if required else reader.optional_string
    # Texts that nobody searches, JSON and configurations, may have lines.
    lines = field.type == "json_text"
    return read(name, low=low or 1, high=high or 255, pattern=field.form, lines=lines)
