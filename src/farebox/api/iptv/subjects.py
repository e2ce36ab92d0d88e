"""Whom a call means, and what it says of them: identifiers and values of accounts (iptv.md 1.2).

Shared by all resources that are about boxes, and by the import. Nothing is written here.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from farebox.api.iptv.arguments import Given
from farebox.api.iptv.blueprint import Call
from farebox.api.iptv.dialect import invalid
from farebox.domain.errors import NotFoundError
from farebox.engine.boxes import Found, mac_of
from farebox.storage.pool import Connection

VENDOR: Final = "00:1A:79:"

# Finds a tariff plan by one of its names; none for the empty text. Raises NotFoundError.
TariffOf = Callable[[str], Awaitable[int | None]]


# Who is meant


async def some_boxes(call: Call, connection: Connection) -> list[int]:
    """The accounts behind the identifiers, at least one. Raises NotFoundError."""
    found = await call.portal.boxes.find(connection, call.ids, "number")
    if not found.ids:
        raise NotFoundError("STB not found")
    ids: list[int] = found.ids
    return ids


async def all_boxes(call: Call, connection: Connection) -> list[int]:
    """The same, where each identifier has to mean one."""
    found = await call.portal.boxes.find(connection, call.ids, "number")
    if not found.ids:
        raise NotFoundError("STB not found")
    return _whole(found)


async def accounts_of(call: Call, connection: Connection, other: str) -> list[int]:
    """The accounts behind the identifiers of ACCOUNTS and USERS. Raises NotFoundError."""
    found = await call.portal.boxes.find(connection, call.ids, other)
    if not found.ids and len(call.ids) == 1:
        raise NotFoundError("Account not found")
    return _whole(found)


def _whole(found: Found) -> list[int]:
    if not found.is_whole:
        raise NotFoundError("One or more identifiers are incorrect")
    return found.ids


# What comes in


def mac_given(call: Call, name: str) -> str:
    """An address in its normal form, or the empty text."""
    text = call.given.text(name, 255).strip()
    if not text:
        return ""
    mac = mac_of(text)
    if mac is None or (call.portal.policy.is_vendor_only and not mac.startswith(VENDOR)):
        raise invalid("Not valid mac address")
    return mac


def ls_given(given: Given, name: str) -> str:
    """An account number; "0" is none."""
    text = given.name(name, ",/")
    return "" if text == "0" else text


async def tariff_given(call: Call, connection: Connection, name: str) -> int | None:
    """The tariff plan with one of its names; none for the empty text. Raises NotFoundError."""
    found: int | None = await call.portal.boxes.tariff_of(connection, name)
    return found


async def password_given(call: Call) -> dict[str, str]:
    """The hash of a password where one is given."""
    password = call.given.text("password", 128)
    return {"password_hash": await call.portal.boxes.hash(password)} if password else {}


async def values_of(call: Call, known: Mapping[str, Any], tariff_of: TariffOf) -> dict[str, Any]:
    """The columns of an account that parameters name; `known` has the hash of a password."""
    given, zone = call.given, call.portal.policy.time_zone
    values: dict[str, Any] = dict(known)
    readers: Mapping[str, tuple[str, Any]] = {
        "login": ("login", lambda name: given.name(name, ",/")),
        "full_name": ("full_name", lambda name: given.text(name, 255)),
        "phone": ("phone", lambda name: given.text(name, 64)),
        "account_number": ("ls", lambda name: ls_given(given, name)),
        "status": ("status", given.flag),
        "stb_mac": ("mac", lambda name: mac_given(call, name)),
        "comment": ("comment", lambda name: given.text(name, 4096)),
        "end_date": ("end_at_ms", lambda name: given.instant(name, zone)),
        "account_balance": ("account_balance", lambda name: given.text(name, 255)),
        "tariff_expired_date": ("tariff_expires_at_ms", lambda name: given.instant(name, zone)),
    }
    for name, (column, read) in readers.items():
        if name in given:
            values[column] = read(name)
    for name, column in (
        ("tariff_plan", "tariff"),
        ("tariff_instead_expired", "tariff_afterwards"),
    ):
        if name in given:
            values[column] = await tariff_of(given.text(name, 64).strip())
    if "reseller_id" in given and call.portal.policy.has_resellers:
        values["reseller"] = _reseller_given(given)
    return values


def _reseller_given(given: Given) -> int | None:
    text = given.text("reseller_id", 64).strip()
    if text in ("", "0"):
        return None
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise NotFoundError("Reseller does not exist")
    return int(text)
