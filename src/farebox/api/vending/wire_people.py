"""What crosses the wire about people: sign-in, sessions, the caller's own record, device keys.

Names and types are the document's. Requests are read field by field by the handlers; these structs
spell the answers and describe both in the OpenAPI document.
"""

from typing import Any

import msgspec

from farebox.domain.instants import utc_text


class LoginRequest(msgspec.Struct):
    """Body of POST /auth/login."""

    username: str
    password: str


class TokenPair(msgspec.Struct):
    """Answer of sign-in, refresh and set password."""

    access_token: str
    refresh_token: str


class NewPasswordRequest(msgspec.Struct):
    """Body of POST /auth/setpassword and /auth/activate."""

    token: str
    password: str


class ResetRequest(msgspec.Struct):
    """Body of POST /auth/resetpassword; at least one of both."""

    username: str | None = None
    email: str | None = None


class RefreshRequest(msgspec.Struct):
    """Body of POST /auth/refresh."""

    refresh_token: str


class DeviceTokenRequest(msgspec.Struct):
    """Body of POST /device/token."""

    hostname: str
    key: str


class DeviceToken(msgspec.Struct):
    """Answer of POST /device/token."""

    access_token: str
    expires_in: int


class DeviceKey(msgspec.Struct):
    """Answer of POST /admin/machine/{id}/devicekey; the key is shown this once."""

    hostname: str
    key: str


class Message(msgspec.Struct):
    """Answer of an action."""

    message: str


class Created(msgspec.Struct):
    """Answer of a create."""

    id: int


class LanguageRow(msgspec.Struct, rename="camel"):
    """A language inside another answer."""

    id: int
    name: str
    language: str
    locale: str
    created_at: str
    updated_at: str


class UserGroupRow(msgspec.Struct, rename="camel"):
    """A user group inside another answer."""

    id: int
    name: str
    parent: int | None
    admin: int
    created_at: str
    updated_at: str
    disabled_at: str | None
    deleted: bool


class Me(msgspec.Struct):
    """Answer of GET /user/me."""

    id: int
    username: str
    email: str
    language: LanguageRow
    userGroup: UserGroupRow  # noqa: N815 - the document mixes both spellings in one object
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815
    emailConfirmed: int  # noqa: N815
    disabledAt: str | None  # noqa: N815
    password_expires: str | None


def me(row: Any) -> Me:
    """Spells a user as the document shows it to itself."""
    return Me(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        language=LanguageRow(
            id=row["language_id"],
            name=row["language_name"],
            language=row["language"],
            locale=row["locale"],
            created_at=utc_text(row["language_created_at_ms"]),
            updated_at=utc_text(row["language_updated_at_ms"]),
        ),
        userGroup=UserGroupRow(
            id=row["group_id"],
            name=row["group_name"],
            parent=row["parent"],
            admin=int(row["admin"]),
            created_at=utc_text(row["group_created_at_ms"]),
            updated_at=utc_text(row["group_updated_at_ms"]),
            disabled_at=_instant(row["group_disabled_at_ms"]),
            deleted=row["deleted"],
        ),
        createdAt=utc_text(row["created_at_ms"]),
        updatedAt=utc_text(row["updated_at_ms"]),
        emailConfirmed=int(row["email_confirmed"]),
        disabledAt=_instant(row["disabled_at_ms"]),
        password_expires=_instant(row["password_expires_ms"]),
    )


def _instant(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else utc_text(instant_ms)
