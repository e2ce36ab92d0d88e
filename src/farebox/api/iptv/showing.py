"""How accounts look under their three names, with the document's types (iptv.md 2.1, 3.1, 3.2)."""

import re
from typing import Any, Final

import msgspec

from farebox.api.iptv.blueprint import Call
from farebox.domain import wall_clocks

NEVER: Final = "0000-00-00 00:00:00"
_NUMBER: Final = re.compile(r"[1-9]\d{0,15}", re.ASCII)
_NUMBER_MAX: Final = 10**15


class Box(msgspec.Struct):
    """An account as STB shows it."""

    mac: str
    status: int
    additional_services_on: str
    ls: int | str
    login: str
    online: str
    ip: str
    version: str
    last_active: str
    account_balance: str
    reseller_id: str | msgspec.UnsetType = msgspec.UNSET


class ChangedBox(msgspec.Struct):
    """What a change answers."""

    mac: str
    status: int
    additional_services_on: str
    ls: int | str


class NewBox(msgspec.Struct):
    """What a create answers."""

    mac: str
    status: int
    additional_services_on: str
    ls: str
    login: str


class Account(msgspec.Struct, kw_only=True):
    """An account as ACCOUNTS and USERS show it."""

    login: str
    full_name: str
    phone: str
    account_number: str
    tariff_plan: str
    tariff_expired_date: str
    tariff_instead_expired: str
    stb_sn: str
    stb_mac: str
    stb_type: str
    status: int
    online: str
    ip: str
    version: str
    comment: str
    end_date: str | msgspec.UnsetType = msgspec.UNSET
    account_balance: str
    last_active: str
    reseller_id: str | msgspec.UnsetType = msgspec.UNSET
    reseller_name: str | msgspec.UnsetType = msgspec.UNSET
    subscribed: list[str]
    subscribed_id: list[str]


# What goes out


def flag(is_on: bool) -> str:
    """As the document writes flags that are texts."""
    return "1" if is_on else "0"


def ls_text(ls: str) -> str:
    """An account number, "0" where there is none."""
    return ls or "0"


def ls_shown(ls: str) -> int | str:
    """The same, as a number where it is one."""
    is_number = _NUMBER.fullmatch(ls) and int(ls) <= _NUMBER_MAX
    return int(ls) if is_number else ls_text(ls)


def _reseller(call: Call, row: Any) -> Any:
    if not call.portal.policy.has_resellers:
        return msgspec.UNSET
    return str(row["reseller"] or "")


def date_text(call: Call, at_ms: int | None, never: str = "") -> str:
    """A wall clock of the server's zone."""
    return never if at_ms is None else wall_clocks.text(at_ms, call.portal.policy.time_zone)


def box(call: Call, row: Any) -> Box:
    """A row as STB shows it."""
    return Box(
        mac=row["mac"],
        status=int(row["status"]),
        additional_services_on=flag(row["additional_services_on"]),
        ls=ls_shown(row["ls"]),
        login=row["login"],
        online=flag(row["is_online"]),
        ip=row["ip"],
        version=row["version"],
        last_active=date_text(call, row["active_at_ms"], NEVER),
        account_balance=row["account_balance"],
        reseller_id=_reseller(call, row),
    )


def account(call: Call, row: Any) -> Account:
    """A row as ACCOUNTS shows it."""
    policy = call.portal.policy
    return Account(
        login=row["login"],
        full_name=row["full_name"],
        phone=row["phone"],
        account_number=row["ls"],
        tariff_plan=row["tariff_plan"],
        tariff_expired_date=date_text(call, row["tariff_expires_at_ms"]),
        tariff_instead_expired=row["tariff_afterwards"],
        stb_sn=row["stb_sn"],
        stb_mac=row["mac"],
        stb_type=row["stb_type"],
        status=int(row["status"]),
        online=flag(row["is_online"]),
        ip=row["ip"],
        version=row["version"],
        comment=row["comment"],
        end_date=date_text(call, row["end_at_ms"]) if policy.is_billing else msgspec.UNSET,
        account_balance=row["account_balance"],
        last_active=date_text(call, row["active_at_ms"], NEVER),
        reseller_id=_reseller(call, row),
        reseller_name=row["reseller_name"] if policy.has_resellers else msgspec.UNSET,
        subscribed=row["subscribed"],
        subscribed_id=row["subscribed_ids"],
    )
