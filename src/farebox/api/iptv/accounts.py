"""Accounts under their three names: STB, ACCOUNTS and USERS (iptv.md 2.1, 3.1 to 3.3).

A change that means several accounts changes all of them or none.
"""

from functools import partial
from typing import Any, Final

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
from farebox.api.iptv.subjects import (
    accounts_of,
    all_boxes,
    ls_given,
    mac_given,
    password_given,
    some_boxes,
    tariff_given,
    values_of,
)  # fmt: skip
from farebox.domain.errors import NotFoundError
from farebox.storage.pool import transaction

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
    values |= {name: given.flag(name) for name in flags} | await password_given(call)
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
    known = await password_given(call)
    async with transaction(call.services.pool) as connection:
        values = await values_of(call, known, partial(tariff_given, call, connection))
        await call.portal.boxes.create(connection, values, "MAC address already in use")
    return told(True)


def _update(other: str) -> Any:
    async def run(call: Call) -> Answer:
        """Changes what one identifier means."""
        if "login" in call.given and not call.given.text("login", 64).strip():
            raise invalid("Login required")
        known = await password_given(call)
        async with transaction(call.services.pool) as connection:
            ids = await accounts_of(call, connection, other)
            values = await values_of(call, known, partial(tariff_given, call, connection))
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
