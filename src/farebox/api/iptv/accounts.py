"""Accounts under their three names: STB, ACCOUNTS and USERS (iptv.md 2.1, 3.1 to 3.3).

A change that means several accounts changes all of them or none.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from farebox.api.iptv.arguments import Given
from farebox.api.iptv.blueprint import Call, Noun, Operation, streamed
from farebox.api.iptv.dialect import Answer, invalid, told
from farebox.api.iptv.showing import (
    Account,
    Box,
    ChangedBox,
    NewBox,
    account,
    box,
    flag,
    ls_shown,
    ls_text,
)  # fmt: skip
from farebox.domain.errors import NotFoundError
from farebox.engine.boxes import Found, mac_of
from farebox.storage.pool import Connection, transaction

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


async def _tariff_of(call: Call, connection: Connection, name: str) -> int | None:
    found: int | None = await call.portal.boxes.tariff_of(connection, name)
    return found


async def _password(call: Call) -> dict[str, str]:
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


# STB


async def list_boxes(call: Call) -> Answer:
    """All boxes."""
    return await streamed(call, lambda row: box(call, row))


async def get_boxes(call: Call) -> Answer:
    """Some boxes, those that there are."""
    async with call.services.pool.acquire() as connection:
        ids = await some_boxes(call, connection)
        rows = await call.portal.boxes.read(connection, ids)
    return told([box(call, row) for row in rows])


async def create_box(call: Call) -> Answer:
    """Makes an account with an address, or with a login and password."""
    given = call.given
    login, mac = given.name("login", ",/"), mac_given(call, "mac")
    if not mac and not (login and given.text("password", 128)):
        raise invalid("Login and password required")
    values: dict[str, Any] = {"login": login, "mac": mac, "ls": ls_given(given, "ls")}
    flags = [name for name in ("status", "additional_services_on") if name in given]
    values |= {name: given.flag(name) for name in flags} | await _password(call)
    async with transaction(call.services.pool) as connection:
        key = await call.portal.boxes.create(connection, values, "Stb already exists")
        (row,) = await call.portal.boxes.read(connection, [key])
    shown = NewBox(
        row["mac"], int(row["status"]), flag(row["additional_services_on"]), ls_text(row["ls"]),
        row["login"],
    )  # fmt: skip
    return told(shown)


async def update_boxes(call: Call) -> Answer:
    """Gives boxes the same values, all of them or none."""
    if not call.ids and not call.portal.policy.may_change_all:
        raise invalid("Identifier required")
    given, boxes = call.given, call.portal.boxes
    flags = [name for name in ("status", "additional_services_on") if name in given]
    values: dict[str, Any] = {name: given.flag(name) for name in flags}
    if "ls" in given:
        values["ls"] = ls_given(given, "ls")
    async with transaction(call.services.pool) as connection:
        ids = await (all_boxes(call, connection) if call.ids else boxes.everyone(connection))
        await boxes.change(connection, ids, values)
        rows = await boxes.read(connection, ids)
    shown = [
        ChangedBox(
            row["mac"], int(row["status"]), flag(row["additional_services_on"]),
            ls_shown(row["ls"]),
        )
        for row in rows
    ]  # fmt: skip
    return told(shown)


async def delete_boxes(call: Call) -> Answer:
    """Removes boxes with everything of theirs."""
    async with transaction(call.services.pool) as connection:
        if not await call.portal.boxes.delete(connection, await all_boxes(call, connection)):
            raise NotFoundError("STB not found")
    return told(True)


# ACCOUNTS and USERS


async def list_accounts(call: Call) -> Answer:
    """All accounts."""
    return await streamed(call, lambda row: account(call, row))


async def _shown(call: Call, other: str) -> list[Account]:
    async with call.services.pool.acquire() as connection:
        ids = await accounts_of(call, connection, other)
        rows = await call.portal.boxes.read(connection, ids)
    return [account(call, row) for row in rows]


async def get_accounts(call: Call) -> Answer:
    """Some accounts."""
    return told(await _shown(call, "number"))


async def get_user(call: Call) -> Answer:
    """One account."""
    return told((await _shown(call, "login"))[0])


async def create_account(call: Call) -> Answer:
    """Makes an account."""
    if not call.given.text("login", 64).strip():
        raise invalid("Login required")
    known = await _password(call)
    async with transaction(call.services.pool) as connection:
        values = await values_of(call, known, partial(_tariff_of, call, connection))
        await call.portal.boxes.create(connection, values, "MAC address already in use")
    return told(True)


def _update(other: str) -> Any:
    async def run(call: Call) -> Answer:
        """Changes what one identifier means."""
        if "login" in call.given and not call.given.text("login", 64).strip():
            raise invalid("Login required")
        known = await _password(call)
        async with transaction(call.services.pool) as connection:
            ids = await accounts_of(call, connection, other)
            values = await values_of(call, known, partial(_tariff_of, call, connection))
            await call.portal.boxes.change(connection, ids, values)
        return told(True)

    return run


def _delete(other: str) -> Any:
    async def run(call: Call) -> Answer:
        """Removes what one identifier means."""
        async with transaction(call.services.pool) as connection:
            ids = await accounts_of(call, connection, other)
            if not await call.portal.boxes.delete(connection, ids):
                raise NotFoundError("Account not found")
        return told(True)

    return run


_FLAG: Final = int | str
_BOX: Final = {"status": _FLAG, "additional_services_on": _FLAG, "ls": int | str}
_TEXTS: Final = (
    "login", "password", "full_name", "phone", "account_number", "tariff_plan",
    "tariff_expired_date", "tariff_instead_expired", "stb_mac", "comment", "end_date",
    "account_balance",
)  # fmt: skip
_ACCOUNT: Final = {**dict.fromkeys(_TEXTS, str), "status": _FLAG, "reseller_id": _FLAG}
_ONE: Final[dict[str, Any]] = {"named": True, "least": 1, "most": 1}


def _changes(name: str, other: str) -> tuple[Operation, ...]:
    """What ACCOUNTS and USERS have alike."""
    return (
        Operation(id=f"IPTV-{name}-CREATE", method="POST", run=create_account, takes=_ACCOUNT),
        Operation(
            id=f"IPTV-{name}-UPDATE", method="PUT", run=_update(other), takes=_ACCOUNT, **_ONE
        ),
        Operation(id=f"IPTV-{name}-DELETE", method="DELETE", run=_delete(other), **_ONE),
    )


NOUNS: Final = (
    Noun("stb", (
        Operation(
            id="IPTV-STB-LIST", method="GET", run=list_boxes, gives=list[Box], is_paged=True
        ),
        Operation(id="IPTV-STB-GET", method="GET", run=get_boxes, gives=list[Box], named=True),
        Operation(
            id="IPTV-STB-UPDATE", method="PUT", run=update_boxes, gives=list[ChangedBox],
            takes=_BOX, named=True,
        ),
        Operation(id="IPTV-STB-DELETE", method="DELETE", run=delete_boxes, named=True, least=1),
        Operation(
            id="IPTV-STB-CREATE", method="POST", run=create_box, gives=NewBox,
            takes={"mac": str, "login": str, "password": str, **_BOX},
        ),
    )),
    Noun("accounts", (
        Operation(
            id="IPTV-ACCOUNTS-LIST", method="GET", run=list_accounts, gives=list[Account],
            is_paged=True,
        ),
        Operation(
            id="IPTV-ACCOUNTS-GET", method="GET", run=get_accounts, gives=list[Account],
            named=True,
        ),
        *_changes("ACCOUNTS", "number"),
    )),
    Noun("users", (
        Operation(id="IPTV-USERS-GET", method="GET", run=get_user, gives=Account, **_ONE),
        *_changes("USERS", "login"),
    )),
)  # fmt: skip
