"""What crosses the wire of the provider's API, with the document's names and types.

A view of a subscriber is a tuple of names in the document's order; its type for the API document
and its values both follow from it. Nothing is checked here.
"""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

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


def _when(name: str) -> Any:
    return lambda row: wall_clocks.text(row[name], row["time_zone"])


def _text(name: str) -> Any:
    return lambda row: row[name]


def _expiry(row: Any) -> str:
    at_ms = row["expires_at_ms"]
    return NO_EXPIRY if at_ms is None else wall_clocks.text(at_ms, row["time_zone"])


# The document's name of a field: its type and how a row has it.
FIELDS: Final[Mapping[str, tuple[Any, Any]]] = {
    "id": (str, lambda row: str(row["id"])),
    "username": (str, _text("username")),
    "account_id": (str, _text("account")),
    "groupId": (str, lambda row: str(row["user_group"])),
    "group_name": (str, _text("group_name")),
    "status": (str, _text("status")),
    "address": (
        str,
        lambda row: (
            row["address_line1"] + row["address_line2"]
            if row["address"] is None
            else row["address"]
        ),
    ),
    "activationTime": (str, _when("activated_at_ms")),
    "createdTime": (str, _when("created_at_ms")),
    "modified": (str, _when("updated_at_ms")),
    "expirationTime": (str, _expiry),
    "installationTime": (str, lambda row: str(row["installed_on"] or NO_DAY)),
    "timezone": (str, _text("time_zone")),
    "billing_id": (str | None, _text("billing_id")),
    "company_name": (str | None, _text("company_name")),
    "staticIp": (list[dict[str, str | None]], lambda row: row["static"]),
} | {
    name: (str, _text(name))
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


def user(row: Any, view: tuple[str, ...]) -> dict[str, Any]:
    """A subscriber's row as a view shows it."""
    return {name: FIELDS[name][1](row) for name in view}


def users(name: str, view: tuple[str, ...]) -> Any:
    """The type of a list of subscribers in a view."""
    fields = [(field, FIELDS[field][0]) for field in view]
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
