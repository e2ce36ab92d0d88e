"""Rows of accounts in an import: as those who change an account would say it (iptv.md 3.14).

An account is found by its login, or its address where the row has no login. Passwords are made
ready before anything waits for them, and are never shown.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from farebox.api.iptv.arguments import Given, scalar
from farebox.api.iptv.blueprint import Call
from farebox.api.iptv.dialect import invalid
from farebox.api.iptv.differences import Difference, Rows, wrong
from farebox.api.iptv.subjects import values_of
from farebox.api.services import Services
from farebox.domain.errors import DomainError
from farebox.engine.account_import import Change, RowError, bring_in
from farebox.engine.passwords import is_hash
from farebox.storage.pool import Connection

PASSWORDS_MAX: Final = 500
# Columns of accounts by the names that people know.
_SPELLED: Final = {
    "mac": "stb_mac", "ls": "account_number", "tariff": "tariff_plan", "reseller": "reseller_id",
    "tariff_afterwards": "tariff_instead_expired", "tariff_expires_at_ms": "tariff_expired_date",
    "end_at_ms": "end_date", "password_hash": "password",
}  # fmt: skip
_TEXTS: Final = {"stb_sn": 64, "stb_type": 64}


async def hashes_of(services: Services, rows: Rows, *, is_dry: bool) -> dict[int, str]:
    """What is stored of the passwords of rows, by the place of the row; before anything waits."""
    clear = {at: row["password"] for at, row in enumerate(rows) if row.get("password")}
    if len(clear) > PASSWORDS_MAX:
        raise invalid("Too many passwords")
    for at, password in clear.items():
        if not isinstance(password, str) or len(password) > 128:
            raise wrong("accounts", at, invalid("Not valid password"), "password")
    if is_dry:
        return dict.fromkeys(clear, "")
    boxes, places = services.portal.boxes, [*clear]
    hashed: dict[int, str] = {}
    for start in range(0, len(places), 2):
        pair = places[start : start + 2]
        made = await asyncio.gather(*(boxes.hash(clear[at]) for at in pair))
        hashed.update(zip(pair, made, strict=True))
    return hashed


async def bring(
    services: Services, connection: Connection, rows: Rows, hashes: Mapping[int, str]
) -> list[Difference]:
    """The differences that rows have made; all of them are checked before the first is written."""
    portal, tariffs = services.portal, dict[str, int | None]()

    async def tariff_of(name: str) -> int | None:
        if name not in tariffs:
            tariffs[name] = await portal.boxes.tariff_of(connection, name)
        return tariffs[name]

    wanted = []
    for index, row in enumerate(rows):
        try:
            known = {"password_hash": hashes[index]} if index in hashes else {}
            wanted.append(await _columns(services, row, known, tariff_of))
        except DomainError as error:
            raise wrong("accounts", index, error, _field_of(error)) from error
    try:
        changes = await bring_in(connection, portal.boxes, portal.events, services.clock(), wanted)
    except RowError as error:
        field = _SPELLED.get(error.column, error.column)
        raise invalid(f"Not valid accounts[{error.index}].{field}: {error.message}") from error
    return [_difference(one) for one in changes if one.before is None or one.columns]


def _field_of(error: DomainError) -> str:
    """What a refusal is about that names no field."""
    words = {"Tariff": "tariff_plan", "Reseller": "reseller_id", "Not valid mac": "stb_mac"}
    return next((name for word, name in words.items() if error.message.startswith(word)), "login")


async def _columns(
    services: Services, row: Mapping[str, Any], known: Mapping[str, str], tariff_of: Any
) -> dict[str, Any]:
    """The checked columns of a row."""
    try:
        texts = {name: scalar(value) for name, value in row.items() if value is not None}
    except ValueError:
        raise invalid("a value is neither text nor number") from None
    call = Call(services, (), Given(texts))
    values = await values_of(call, known, tariff_of)
    values |= {name: call.given.text(name, most) for name, most in _TEXTS.items() if name in texts}
    if "additional_services_on" in texts:
        values["additional_services_on"] = call.given.flag("additional_services_on")
    ready = texts.get("password_hash", "")
    if ready and not is_hash(ready):
        raise invalid("Not valid password_hash")
    if ready:
        values["password_hash"] = ready
    if not values.get("login") and not values.get("mac"):
        raise invalid("Login required")
    return values


def _difference(change: Change) -> Difference:
    key = change.after["login"] or change.after["mac"]
    if change.before is None:
        return Difference(change.index, "created", key, {})
    before, after = change.before, change.after
    fields = {
        _SPELLED.get(name, name): {"old": before[name], "new": after[name]}
        if name != "password_hash"
        else {"old": "", "new": ""}
        for name in change.columns
    }
    return Difference(change.index, "updated", key, fields)
