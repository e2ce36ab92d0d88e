"""What crosses the wire of the provider's API, with the document's names and types.

A view of a subscriber is a tuple of names in the document's order; its type for the API document
and its values both follow from it. Nothing is checked here.
"""

from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from farebox.domain import wall_clocks

T = TypeVar("T")
NO_EXPIRY: Final = "2999-12-31 23:59:59"
NO_DAY: Final = "1970-01-01"


class Success(msgspec.Struct):
    """Envelope S."""

    status: str
    errorCode: int  # noqa: N815 - the document's spelling, here and below


class Message(msgspec.Struct, Generic[T]):
    """Envelope M."""

    status: str
    errorCode: int  # noqa: N815
    message: T


class MessageOnly(msgspec.Struct):
    """Envelope M-."""

    status: str
    message: str


class Data(msgspec.Struct, Generic[T]):
    """Envelope D."""

    status: str
    errorCode: int  # noqa: N815
    data: T


class Listed(msgspec.Struct, Generic[T]):
    """Envelope D with a list."""

    status: str
    errorCode: int  # noqa: N815
    data: list[T]


class Found(msgspec.Struct):
    """The ids behind a phone number, with commas between them."""

    success: str
    errorCode: int  # noqa: N815


# Subscribers


# A value as it lies in the row, and the row, to the value on the wire.
Spell = Callable[[Any, Any], Any]


class Field(NamedTuple):
    """A field of a view: its type, the column it is made of, and how, where it is another value."""

    type: Any
    column: str
    spell: Spell | None = None


def _when(column: str) -> Field:
    return Field(str, column, lambda at_ms, row: wall_clocks.text(at_ms, row["time_zone"]))


def _expiry(at_ms: int | None, row: Any) -> str:
    return NO_EXPIRY if at_ms is None else wall_clocks.text(at_ms, row["time_zone"])


def _address(address: str | None, row: Any) -> str:
    return row["address_line1"] + row["address_line2"] if address is None else address


def _number(value: int, _: Any) -> str:
    return str(value)


# By the document's name.
FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(str, "id", _number),
    "username": Field(str, "username"),
    "account_id": Field(str, "account"),
    "groupId": Field(str, "user_group", _number),
    "group_name": Field(str, "group_name"),
    "status": Field(str, "status"),
    "address": Field(str, "address", _address),
    "activationTime": _when("activated_at_ms"),
    "createdTime": _when("created_at_ms"),
    "modified": _when("updated_at_ms"),
    "expirationTime": Field(str, "expires_at_ms", _expiry),
    "installationTime": Field(str, "installed_on", lambda day, _: str(day or NO_DAY)),
    "timezone": Field(str, "time_zone"),
    "billing_id": Field(str | None, "billing_id"),
    "company_name": Field(str | None, "company_name"),
    "staticIp": Field(list[dict[str, str | None]], "static"),
} | {
    name: Field(str, name)
    for name in (
        "name", "last_name", "phone", "alt_phone", "email", "alt_email", "address_line1",
        "address_line2", "address_city", "address_pin", "address_state", "country_code",
        "comments", "type",
    )
}  # fmt: skip


def _view(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_LINES: Final = "address_line1 address_line2 address_city address_pin address_state"
U1: Final = _view(
    "id username groupId status name phone email address comments activationTime createdTime"
    " expirationTime timezone group_name"
)
U3: Final = _view(
    f"id username groupId status name phone email {_LINES} comments activationTime"
    " expirationTime billing_id type modified company_name"
)
U4: Final = _view(
    f"id username groupId status name phone email {_LINES} comments activationTime createdTime"
    " expirationTime billing_id type modified company_name staticIp"
)
U8: Final = (*U3, "staticIp")
U13: Final = _view(
    f"id username last_name groupId status name phone email {_LINES} comments activationTime"
    " createdTime expirationTime billing_id type modified company_name"
)
U41: Final = _view(
    f"id username account_id last_name groupId status name phone email address {_LINES} comments"
    " activationTime createdTime expirationTime installationTime billing_id type modified"
    " country_code alt_phone alt_email"
)


@cache
def _reader(view: tuple[str, ...]) -> tuple[Callable[[Any], Any], list[tuple[str, Spell]]]:
    """What takes the columns of a view out of a row, and which of them are spelled."""
    fields = [(name, FIELDS[name]) for name in view]
    spelled = [(name, field.spell) for name, field in fields if field.spell is not None]
    return itemgetter(*(field.column for _, field in fields)), spelled


def user(row: Any, view: tuple[str, ...]) -> dict[str, Any]:
    """A subscriber's row as a view shows it."""
    columns, spelled = _reader(view)
    told = dict(zip(view, columns(row), strict=True))
    for name, spell in spelled:
        told[name] = spell(told[name], row)
    return told


def users(name: str, view: tuple[str, ...]) -> Any:
    """The type of a list of subscribers in a view."""
    fields = [(field, FIELDS[field].type) for field in view]
    listed: Any = Listed
    return listed[msgspec.defstruct(name, fields, module=__name__)]


# Places and groups


class _Place(msgspec.Struct, omit_defaults=True):
    id: str
    account_id: str
    internal: None


class Area(_Place):
    """A collection area."""

    area: str


class Street(_Place):
    """A street of an area."""

    area_id: str
    street: str


class Block(_Place):
    """A building of a street."""

    street_id: str
    block: str


class AreaRow(msgspec.Struct):
    """A line of the areas."""

    CollectionArea: Area


class StreetRow(msgspec.Struct):
    """A line of the streets."""

    CollectionStreet: Street


class BlockRow(msgspec.Struct):
    """A line of the buildings."""

    CollectionBlock: Block


class AllowedGroup(msgspec.Struct, kw_only=True):
    """A group that a subscriber may be moved to."""

    Group_id: str
    Group_name: str
    Profile_id: str
    Profile_Name: str
    Active_Users: int
    Total_Users: int


class Group(AllowedGroup, kw_only=True):
    """A group with its counts."""

    Online_Users: int


class Counts(msgspec.Struct):
    """How many subscribers an account has; the last lines overlap the others."""

    total: int
    active: int
    online: int
    expired: int
    expiringNextWeek: int  # noqa: N815
    newUsersLastWeek: int  # noqa: N815
    blacklisted: int
    suspended: int
    blocked: int
    pending: int
    churned: int
    others: int


class Presence(msgspec.Struct):
    """When somebody was last seen off, and whether he is on."""

    lastLogOffTime: str | None  # noqa: N815
    online: str
