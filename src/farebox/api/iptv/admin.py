"""Operator routes under /iptv/admin, beyond the document (iptv.md 3.14).

Only admins are let in. JSON comes in and goes out, in the family's envelope; a create answers 201
with the record, and refusals have their HTTP status in any mode. A change names what it changes.
"""

from typing import Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.iptv.arguments import Given, read_object, storable
from farebox.api.iptv.dialect import (
    BODY_BYTES_MAX,
    Answer,
    Failure,
    HTTPRequest,
    Success,
    caller_of,
    invalid,
    told,
)
from farebox.api.iptv.provisioning import KINDS, Provisioned, add, edit, number_of, remove, view
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.errors import ForbiddenError, NotFoundError
from farebox.engine.portal_users import ROLES
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.storage.pool import transaction

PAGING: Final = {"limit": int, "offset": int}
OFFSET_MAX: Final = 2_000_000_000


class User(msgspec.Struct):
    """Who may call."""

    login: str
    role: str


class UserGiven(msgspec.Struct, omit_defaults=True):
    """A user as he is made or changed."""

    login: str | msgspec.UnsetType = msgspec.UNSET
    password: str | msgspec.UnsetType = msgspec.UNSET
    role: str | msgspec.UnsetType = msgspec.UNSET


async def enter(services: Services, request: HTTPRequest) -> None:
    """Lets admins in. UnauthorizedError, ForbiddenError."""
    caller = await caller_of(services, request)
    if not caller.is_admin:
        raise ForbiddenError("Resource denied by admin")


def page_of(request: HTTPRequest) -> tuple[int, int]:
    """`offset` and `limit` of a list."""
    query = Given(dict(request.query_params.items()))
    offset = query.whole("offset", 0, OFFSET_MAX) if "offset" in query else 0
    return offset, query.whole("limit", 1, 1000) if "limit" in query else 100


def listed(rows: list[Any], total: int) -> Answer:
    """A part of a list."""
    return told(rows, X_Total_Count=str(total))


def described(id: str, gives: Any, status: int = 200, **more: Any) -> dict[str, Any]:
    """The handler arguments of an operator route."""
    envelope: Any = Success
    takes, most = more.pop("takes", None), more.pop("body_bytes_max", BODY_BYTES_MAX)
    spoken = documented(
        f"IPTV-X-{id}", takes, envelope[gives], status, refused=Failure, security="portal", **more
    )
    return {"request_max_body_size": most, **spoken}


# Provisioned records


def routes_of(services: Services, kind: Provisioned) -> list[HTTPRouteHandler]:
    """The routes of a kind of record."""
    return [*_of_all(services, kind), *_of_one(services, kind)]


def _of_all(services: Services, kind: Provisioned) -> list[HTTPRouteHandler]:
    path, resource, shape = f"/admin/{kind.path}", kind.resource, kind.resource.row
    rows: Any = list

    @get(path, **described(f"{kind.name}-LIST", rows[shape], query=PAGING))
    async def list_rows(request: HTTPRequest) -> Answer:
        await enter(services, request)
        offset, limit = page_of(request)
        criteria = Criteria(skip=offset, limit=limit)
        async with services.pool.acquire() as connection:
            page = await store.list_rows(connection, resource, criteria, view(services.clock()))
        return listed(page.rows, page.total)

    @post(path, **described(f"{kind.name}-CREATE", shape, 201, takes=_body(kind, creating=True)))
    async def create(request: HTTPRequest) -> Answer:
        await enter(services, request)
        given = await read_object(request)
        async with transaction(services.pool) as connection:
            row = await add(connection, kind, given, services.clock())
        return told(row, 201)

    return [list_rows, create]


def _of_one(services: Services, kind: Provisioned) -> list[HTTPRouteHandler]:
    path, resource, shape = f"/admin/{kind.path}/{{key:str}}", kind.resource, kind.resource.row
    forced: dict[str, Any] = {"query": {"force": str}} if resource.referrers else {}

    def number(key: str) -> int:
        found = number_of(key)
        if found is None:
            raise NotFoundError(f"{resource.label} not found")
        return found

    @get(path, **described(f"{kind.name}-GET", shape))
    async def read(request: HTTPRequest, key: FromPath[str]) -> Answer:
        await enter(services, request)
        return told(await store.read(services.pool, resource, number(key), view(services.clock())))

    @put(path, **described(f"{kind.name}-UPDATE", shape, takes=_body(kind, creating=False)))
    async def update(request: HTTPRequest, key: FromPath[str]) -> Answer:
        await enter(services, request)
        given = await read_object(request)
        async with transaction(services.pool) as connection:
            return told(await edit(connection, kind, number(key), given, services.clock()))

    @delete(path, **described(f"{kind.name}-DELETE", bool, **forced))
    async def delete_row(request: HTTPRequest, key: FromPath[str]) -> Answer:
        await enter(services, request)
        by_force = bool(forced) and request.query_params.get("force") == "1"
        async with transaction(services.pool) as connection:
            await remove(connection, kind, number(key), services.clock(), by_force=by_force)
        return told(True)

    return [read, update, delete_row]


def _body(kind: Provisioned, *, creating: bool) -> Any:
    """The type of the body of a create or a change."""
    fields: list[Any] = []
    for field in kind.resource.fields:
        letter = field.write[0 if creating else 1]
        if letter == "R":
            fields.append((field.name, field.kind.python))
        elif letter != "-":
            fields.append((field.name, field.kind.python | msgspec.UnsetType, msgspec.UNSET))
    if kind.listed:
        element: Any = dict[str, int] if kind.listed == "packages" else int | str
        fields.append((kind.listed, list[element] | msgspec.UnsetType, msgspec.UNSET))
    name = f"{kind.name}-{'CREATE' if creating else 'UPDATE'}"
    return msgspec.defstruct(name, fields, kw_only=True, module=__name__)


# Users


def user_routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes of those who may call."""
    portal, path = services.portal, "/admin/api-users/{login:str}"

    @get("/admin/api-users", **described("USER-LIST", list[User], query=PAGING))
    async def list_users(request: HTTPRequest) -> Answer:
        await enter(services, request)
        rows, total = await portal.users.page(*page_of(request))
        return listed([dict(row) for row in rows], total)

    @post("/admin/api-users", **described("USER-CREATE", User, 201, takes=UserGiven))
    async def create_user(request: HTTPRequest) -> Answer:
        await enter(services, request)
        given = Given(await read_object(request, texts=True))
        login, role = given.text("login", 64), _role(given) or "api"
        hashed = await portal.users.hash(given.text("password", 1000))
        async with transaction(services.pool) as connection:
            await portal.users.add(connection, services.clock(), login, hashed, role)
        return told(User(login, role), 201)

    async def shown(login: str) -> Answer:
        row = await portal.users.read(login)
        return told(User(row["login"], row["role"]))

    @get(path, **described("USER-GET", User))
    async def get_user(request: HTTPRequest, login: FromPath[str]) -> Answer:
        await enter(services, request)
        return await shown(storable(login))

    @put(path, **described("USER-UPDATE", User, takes=UserGiven))
    async def update_user(request: HTTPRequest, login: FromPath[str]) -> Answer:
        await enter(services, request)
        given = Given(await read_object(request, texts=True))
        login, role, hashed = storable(login), _role(given), None
        if "password" in given:
            hashed = await portal.users.hash(given.text("password", 1000))
        elif role is None:
            raise invalid("Update data is empty")
        async with transaction(services.pool) as connection:
            await portal.users.change(connection, login, hashed, role)
        return await shown(login)

    @delete(path, **described("USER-DELETE", bool))
    async def delete_user(request: HTTPRequest, login: FromPath[str]) -> Answer:
        await enter(services, request)
        async with transaction(services.pool) as connection:
            await portal.users.remove(connection, storable(login))
        return told(True)

    return [list_users, create_user, get_user, update_user, delete_user]


def _role(given: Given) -> str | None:
    role = given.text("role", 64) if "role" in given else None
    if role is not None and role not in ROLES:
        raise invalid("Not valid role")
    return role


def routes(services: Services) -> list[HTTPRouteHandler]:
    """All operator routes about records."""
    made = [route for kind in KINDS for route in routes_of(services, kind)]
    return [*made, *user_routes(services)]
