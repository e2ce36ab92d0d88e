"""Users: who calls, what they see, their passwords (pbx.md 3.1, 3.8)."""

from typing import Any, Final

import msgspec

from farebox.api.pbx.arguments import ID, PASSWORD, TEXT, Param
from farebox.api.pbx.blueprint import ROWS_MAX, UPDATED, Operation, shown
from farebox.api.pbx.catalogue import USER
from farebox.api.pbx.dialect import Answer, Call, Message, told
from farebox.resource import store
from farebox.resource.criteria import Criteria


class UserId(msgspec.Struct):
    """Who calls."""

    user_id: str


class User(msgspec.Struct):
    """A user of a list."""

    us_id: str
    us_username: str


class Tenant(msgspec.Struct):
    """A tenant of a user."""

    te_id: str
    te_name: str


class Tenants(msgspec.Struct):
    """What a user sees."""

    user_id: str
    tenants: list[Tenant]


async def login(call: Call) -> Answer:
    """Says who calls; no session is made."""
    return told({"user_id": str(call.caller.id)})


async def get(call: Call) -> Answer:
    """All users for an admin, itself for any other, by name."""
    async with call.services.pool.acquire() as connection:
        page = await store.list_rows(connection, USER, Criteria(), call.view, hard_cap=ROWS_MAX)
    rows = sorted(page.rows, key=lambda row: row.us_username.lower())
    return told([shown(row, ("us_id", "us_username")) for row in rows])


async def tenants(call: Call) -> Answer:
    """The tenants of the user with an address or a name."""
    operators = call.services.exchange.operators
    person = await operators.named(call.caller, call["user"])
    found = [dict(row) for row in await operators.tenants(person)]
    return told({"user_id": str(person), "tenants": found})


async def update_by_id(call: Call) -> Answer:
    """Gives a user another password."""
    operators = call.services.exchange.operators
    await operators.change_password(call.caller, call["user_id"], call["password"])
    return told(UPDATED)


OPERATIONS: Final[tuple[Any, ...]] = (
    Operation(id="PBX-USER-LOGIN", method="GET", path="/user/login", run=login, gives=UserId),
    Operation(id="PBX-USER-GET", method="GET", path="/user/get", run=get, gives=list[User]),
    Operation(
        id="PBX-USER-TENANTS", path="/user/tenants", run=tenants, gives=Tenants,
        takes=(Param("user", TEXT),),
    ),
    Operation(
        id="PBX-USER-UPDATE", path="/user/updatebyid", run=update_by_id, gives=Message,
        takes=(Param("user_id", ID), Param("password", PASSWORD)),
    ),
)  # fmt: skip
