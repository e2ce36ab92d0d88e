"""Lines: extensions with their SIP accounts, and telephones (pbx.md 3.3, 3.6, 3.7)."""

from typing import Any, Final

import msgspec

from farebox.api.pbx.arguments import ID, OBJECT, Param, scalar
from farebox.api.pbx.blueprint import (
    Operation,
    by_id,
    by_tenant,
    delete_by_id,
    rows_of,
    update_by_id,
)
from farebox.api.pbx.catalogue import CATALOGUE, EXTENSION, PHONE
from farebox.api.pbx.dialect import Answer, Call, told
from farebox.api.pbx.values import values_of, wrong
from farebox.engine.lines import Peer
from farebox.resource import store
from farebox.storage.pool import Connection, transaction

_EXTENSION: Final = (
    "ex_id", "ex_name", "ex_number", "ex_cidnum", "ex_cidname", "ex_callwaiting",
)  # fmt: skip
_PHONE: Final = ("ph_id", "ph_name", "ph_te_id", "ph_pm_id", "ph_mac", "ph_filename")
PASSWORD_CHARS_MAX: Final = 128


class CallerId(msgspec.Struct):
    """A caller id of a list."""

    ex_cidnum: str


class FollowMeId(msgspec.Struct):
    """A caller id of a list, under the document's name."""

    GetFMFCallerId: str


class Added(msgspec.Struct):
    """What adding a phone answers."""

    msg: str
    PhoneID: str


# Extensions


async def _peer(call: Call) -> Peer:
    found: Peer = await call.services.exchange.lines.peer(
        call.caller, call["tenant_id"], call["extension_id"]
    )
    return found


async def user(call: Call) -> Answer:
    """The SIP account of an extension."""
    return told([msgspec.structs.asdict(await _peer(call))])


async def usersecret(call: Call) -> Answer:
    """The secret of that account."""
    return told((await _peer(call)).secret)


async def get_cid_number(call: Call) -> Answer:
    """The caller id of an extension."""
    row = await store.read(call.services.pool, EXTENSION, call["extension_id"], call.view)
    return told(row.ex_cidnum)


async def get_cid_number_list(call: Call) -> Answer:
    """The caller ids of a tenant's extensions, repeats and blanks too."""
    return told([{"ex_cidnum": row.ex_cidnum} for row in await rows_of(call, EXTENSION)])


def _follow_me(row: Any) -> str:
    """The caller id of find-me-follow-me; the usual one where none is set."""
    found: str = row.ex_fmfmcallerid or row.ex_cidnum
    return found


async def get_fmf_caller_id(call: Call) -> Answer:
    """The caller id that an extension shows when it follows somebody."""
    row = await store.read(call.services.pool, EXTENSION, call["extension_id"], call.view)
    return told(_follow_me(row))


async def get_fmf_caller_id_list(call: Call) -> Answer:
    """Those of a tenant's extensions."""
    return told([{"GetFMFCallerId": _follow_me(row)} for row in await rows_of(call, EXTENSION)])


# Phones


async def add_new_phone(call: Call) -> Answer:
    """Adds a telephone to a tenant."""
    async with transaction(call.services.pool) as connection:
        number = await add_phone(connection, call, call["phone"])
    return told({"msg": "Record Inserted Successfully.", "PhoneID": str(number)})


async def add_phone(connection: Connection, call: Call, given: dict[str, object]) -> int:
    """The id of a new telephone."""
    values = values_of(PHONE, given, creating=True)
    password = phone_password(given)
    number = await store.insert(connection, PHONE, values, call.view, CATALOGUE)
    if password:
        await call.services.exchange.lines.keep_phone_password(connection, number, password)
    return number


def phone_password(given: dict[str, object]) -> str | None:
    """The checked password with which a telephone fetches its settings; None without one."""
    value = given.get("ph_http_password")
    try:
        password = None if value is None else scalar(value)
    except ValueError:
        raise wrong("ph_http_password") from None
    if password is not None and len(password) > PASSWORD_CHARS_MAX:
        raise wrong("ph_http_password")
    return password


_TENANT: Final = Param("tenant_id", ID)
_KEY: Final = Param("extension_id", ID)
OPERATIONS: Final[tuple[Any, ...]] = (
    by_tenant("PBX-EXT-BYTENANT", "/extension/bytenant", EXTENSION, _EXTENSION),
    by_id("PBX-EXT-BYID", "/extension/byid", "extension_id", EXTENSION, _EXTENSION),
    Operation(
        id="PBX-EXT-USER", path="/extension/user", run=user, gives=list[Peer],
        takes=(_TENANT, _KEY),
    ),
    Operation(
        id="PBX-EXT-USERSECRET", path="/extension/usersecret", run=usersecret, gives=str,
        takes=(_TENANT, _KEY),
    ),
    Operation(
        id="PBX-EXT-CIDNUM", path="/extension/getCidNumber", run=get_cid_number, gives=str,
        takes=(_KEY,),
    ),
    Operation(
        id="PBX-EXT-CIDNUM-LIST", path="/extension/getCidNumberList", run=get_cid_number_list,
        gives=list[CallerId], takes=(_TENANT,),
    ),
    Operation(
        id="PBX-EXT-FMFCID", path="/extension/GetFMFCallerId", run=get_fmf_caller_id, gives=str,
        takes=(_KEY,),
    ),
    Operation(
        id="PBX-EXT-FMFCID-LIST", path="/extension/GetFMFCallerIdList",
        run=get_fmf_caller_id_list, gives=list[FollowMeId], takes=(_TENANT,),
    ),
    update_by_id(
        "PBX-EXT-UPDATE", "/extension/updatebyid", "extension_id", "extension", EXTENSION
    ),
    by_tenant("PBX-PHONE-BYTENANT", "/phone/bytenant", PHONE, _PHONE),
    delete_by_id("PBX-PHONE-DELETE", "/phone/deletebyid", "phone_id", PHONE),
    Operation(
        id="PBX-PHONE-ADD", path="/phone/AddNewPhone", run=add_new_phone, gives=Added,
        takes=(Param("phone", OBJECT),),
    ),
)  # fmt: skip
