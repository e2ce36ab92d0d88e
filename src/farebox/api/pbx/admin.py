"""Operator routes under /pbx/admin (pbx.md 3.11).

Only admins are let in; for all others there is nothing here. A create answers 201 with the record.
Refusals have their HTTP status even where `compat` is set.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.pbx.arguments import AFTER, ID, Param, read_body, whole
from farebox.api.pbx.blueprint import DELETED, shown
from farebox.api.pbx.catalogue import TENANT, USER
from farebox.api.pbx.dialect import (
    BODY_BYTES_MAX,
    REQUIRED,
    Answer,
    Call,
    Failure,
    HTTPRequest,
    Success,
    caller_of,
    invalid,
    told,
)
from farebox.api.pbx.people import Tenants
from farebox.api.pbx.provisioning import KINDS, Provisioned, add, edit, remove, rows_after
from farebox.api.services import Services
from farebox.domain.errors import NotFoundError
from farebox.resource import store
from farebox.storage.pool import transaction

PAGING: Final = {"limit": int, "after": int, "tenant_id": int}
TENANTS_MAX: Final = 10_000
_QUERY: Final = (
    Param("limit", whole(1, 1000), required=False, default=100),
    Param("after", AFTER, required=False, default=0),
    Param("tenant_id", ID, required=False),
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Secret(msgspec.Struct):
    """A new secret, shown this once."""

    secret: str


class Memberships(msgspec.Struct):
    """All tenants that a user is to see."""

    tenants: list[str | int]


class Entry(msgspec.Struct):
    """A line of the audit log."""

    id: str
    at: str
    us_id: str
    us_username: str
    address: str
    action: str
    te_id: str
    subject_id: str


async def enter(services: Services, request: HTTPRequest) -> Call:
    """The call of an admin, with its query; for others the place does not exist."""
    caller = await caller_of(services, request)
    if not caller.is_admin:
        raise NotFoundError("Only admins see this")
    query = dict(request.query_params.items())
    return Call(
        services=services, caller=caller, values={one.name: one.read(query) for one in _QUERY}
    )


def number(text: str) -> int:
    """An id of the path."""
    try:
        found: int = ID.read(text)
    except ValueError:
        raise NotFoundError("There is no such record") from None
    return found


def described(id: str, gives: Any, status: int = 200, **more: Any) -> dict[str, Any]:
    """The handler arguments of an operator route."""
    envelope: Any = Success
    takes, most = more.pop("takes", None), more.pop("body_bytes_max", BODY_BYTES_MAX)
    told = documented(
        id, takes, envelope[gives], status, refused=Failure, security="exchange", **more
    )
    return {"request_max_body_size": most, **told}


# Records


def routes_of(services: Services, kind: Provisioned) -> list[HTTPRouteHandler]:
    """The routes of a kind of record."""
    shape: Any = msgspec.defstruct(
        f"{kind.name}-ROW", [(name, str) for name in kind.view], module=__name__
    )
    return [*_of_all(services, kind, shape), *_of_one(services, kind, shape)]


def _of_all(services: Services, kind: Provisioned, shape: Any) -> list[HTTPRouteHandler]:
    path, name = f"/admin/{kind.path}", f"PBX-X-{kind.name}"
    fresh = msgspec.defstruct(
        f"{kind.name}-NEW", _members(kind.once), bases=(shape,), kw_only=True, module=__name__
    )

    @get(path, **described(f"{name}-LIST", list[shape], query=PAGING))
    async def list_rows(request: HTTPRequest) -> Answer:
        return told(await rows_after(await enter(services, request), kind))

    @post(path, **described(f"{name}-CREATE", fresh, 201, takes=_body(kind, creating=True)))
    async def create(request: HTTPRequest) -> Answer:
        call = await enter(services, request)
        given = await read_body(request)
        async with transaction(services.pool) as connection:
            key, more = await add(connection, call, kind, given)
            if "secret" in more:
                await services.exchange.lines.note(connection, call.caller, "secret_made", key)
            row = await store.read(connection, kind.resource, key, call.view)
        return told({**shown(row, kind.view), **more}, 201)

    return [list_rows, create]


def _of_one(services: Services, kind: Provisioned, shape: Any) -> list[HTTPRouteHandler]:
    path, name = f"/admin/{kind.path}/{{key:str}}", f"PBX-X-{kind.name}"
    cascade: dict[str, Any] = {"query": {"cascade": str}} if kind.resource is TENANT else {}

    @get(path, **described(f"{name}-GET", shape))
    async def read(request: HTTPRequest, key: FromPath[str]) -> Answer:
        call = await enter(services, request)
        row = await store.read(services.pool, kind.resource, number(key), call.view)
        return told(shown(row, kind.view))

    @put(path, **described(f"{name}-UPDATE", shape, takes=_body(kind, creating=False)))
    async def update(request: HTTPRequest, key: FromPath[str]) -> Answer:
        call = await enter(services, request)
        given = await read_body(request)
        async with transaction(services.pool) as connection:
            await edit(connection, call, kind, number(key), given)
            row = await store.read(connection, kind.resource, number(key), call.view)
        return told(shown(row, kind.view))

    @delete(path, **described(f"{name}-DELETE", str, **cascade))
    async def delete_row(request: HTTPRequest, key: FromPath[str]) -> Answer:
        call = await enter(services, request)
        async with transaction(services.pool) as connection:
            if cascade and request.query_params.get("cascade") == "1":
                await store.read(connection, TENANT, number(key), call.view)
                await services.exchange.admin.remove_tenant(connection, number(key))
            else:
                await remove(connection, call, kind, number(key))
        return told(DELETED)

    return [read, update, delete_row]


def _body(kind: Provisioned, *, creating: bool) -> Any:
    """The type of the body of a create or a change."""
    fields: list[Any] = []
    for field in kind.resource.fields:
        letter = field.write[0 if creating else 1]
        if creating and letter == "R":
            fields.append((field.name, str | int))
        elif letter != "-":
            fields.append((field.name, str | int | None | msgspec.UnsetType, msgspec.UNSET))
    name = f"{kind.name}-{'CREATE' if creating else 'UPDATE'}"
    return msgspec.defstruct(name, [*fields, *_members(kind.also)], kw_only=True, module=__name__)


def _members(names: tuple[str, ...]) -> list[Any]:
    return [(name, str | msgspec.UnsetType, msgspec.UNSET) for name in names]


# What else operators do


def further_routes(services: Services) -> list[HTTPRouteHandler]:
    """Secrets, memberships, the audit log."""
    exchange = services.exchange
    rotate = "/admin/extensions/{key:str}/rotate-secret"
    whose = "/admin/users/{key:str}/tenants"

    @post(rotate, **described("PBX-X-EXTENSION-ROTATE", Secret))
    async def rotate_secret(request: HTTPRequest, key: FromPath[str]) -> Answer:
        call = await enter(services, request)
        return told({"secret": await exchange.lines.rotate(call.caller, number(key))})

    async def memberships(call: Call, person: int) -> Answer:
        await store.read(services.pool, USER, person, call.view)
        found = await exchange.operators.memberships(person)
        return told({"user_id": str(person), "tenants": [dict(row) for row in found]})

    @get(whose, **described("PBX-X-USER-TENANTS-GET", Tenants))
    async def get_tenants(request: HTTPRequest, key: FromPath[str]) -> Answer:
        return await memberships(await enter(services, request), number(key))

    @put(whose, **described("PBX-X-USER-TENANTS-SET", Tenants, takes=Memberships))
    async def set_tenants(request: HTTPRequest, key: FromPath[str]) -> Answer:
        call = await enter(services, request)
        wanted = _ids((await read_body(request)).get("tenants"))
        async with transaction(services.pool) as connection:
            await store.read(connection, USER, number(key), call.view)
            await exchange.admin.set_tenants(connection, number(key), wanted)
        return await memberships(call, number(key))

    @get("/admin/audit", **described("PBX-X-AUDIT-LIST", list[Entry], query=PAGING))
    async def list_audit(request: HTTPRequest) -> Answer:
        call = await enter(services, request)
        rows = await exchange.admin.audit(call["after"], call["limit"], call["tenant_id"])
        return told([_entry(row) for row in rows])

    return [rotate_secret, get_tenants, set_tenants, list_audit]


def _ids(given: object) -> list[int]:
    if not isinstance(given, list):
        raise invalid(REQUIRED)
    try:
        if len(given) > TENANTS_MAX:
            raise ValueError(given)
        return [ID.read(one) for one in given]
    except ValueError:
        raise invalid("Invalid Parameter tenants.") from None


def _entry(row: Any) -> dict[str, str]:
    at = _EPOCH + timedelta(milliseconds=row["at_ms"])
    return {
        "id": str(row["id"]),
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "us_id": str(row["person"]),
        "us_username": row["username"],
        "address": row["client"],
        "action": row["action"],
        "te_id": str(row["tenant"] or ""),
        "subject_id": str(row["subject"]),
    }


def routes(services: Services) -> list[HTTPRouteHandler]:
    """All operator routes about records."""
    made = [route for kind in KINDS for route in routes_of(services, kind)]
    return [*made, *further_routes(services)]
