"""A declared operation as a route, and the four forms that most operations have (pbx.md 1, 3).

The order of checks is the document's: who calls, body, parameters as listed, the record, its new
values, what is taken. A change runs in one transaction. A tenant or record that the caller does not
see is one that does not exist.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler, get, post

from farebox.api.operations import documented
from farebox.api.pbx.arguments import ID, MEDIA_TYPES, OBJECT, Param, read_all, read_body
from farebox.api.pbx.catalogue import CATALOGUE, TENANT
from farebox.api.pbx.dialect import (
    BODY_BYTES_MAX,
    Answer,
    Call,
    Failure,
    HTTPRequest,
    Message,
    Success,
    caller_of,
    told,
)
from farebox.api.pbx.values import values_of
from farebox.api.services import Services
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Resource
from farebox.storage.pool import Connection, transaction

UPDATED: Final = {"msg": "Record Updated Successfully."}
DELETED: Final = "Record Deleted Successfully."
# Lists are whole; this bounds them all the same.
ROWS_MAX: Final = 1_000_000
_OF_TENANT: Final = "t.tenant = {tenant}::bigint"

View = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One documented operation."""

    id: str
    path: str
    run: Callable[[Call], Awaitable[Answer]]
    # The type of its data, or of the whole answer where `enveloped` is false.
    gives: Any
    takes: tuple[Param, ...] = ()
    method: str = "POST"
    enveloped: bool = True


def route_of(services: Services, operation: Operation) -> HTTPRouteHandler:
    """The route of an operation."""

    async def answer(request: HTTPRequest) -> Answer:
        caller = await caller_of(services, request)
        given = await read_body(request) if operation.method == "POST" else {}
        values = read_all(operation.takes, given)
        return await operation.run(Call(services=services, caller=caller, values=values))

    method = get if operation.method == "GET" else post
    envelope: Any = Success
    return method(
        operation.path,
        request_max_body_size=BODY_BYTES_MAX,
        **documented(
            operation.id,
            _body(operation) if operation.takes else None,
            envelope[operation.gives] if operation.enveloped else operation.gives,
            takes_as=MEDIA_TYPES[::2],
            refused=Failure,
            security="exchange",
        ),
    )(answer)


def _body(operation: Operation) -> Any:
    """The type of a body with the operation's parameters."""
    fields: list[Any] = []
    for param in operation.takes:
        kind = param.kind.type
        fields.append(
            (param.name, kind) if param.required
            else (param.name, kind | msgspec.UnsetType, msgspec.UNSET)
        )  # fmt: skip
    name = operation.id.title().replace("-", "")
    return msgspec.defstruct(name, fields, kw_only=True, module=__name__)


# The four forms


def by_tenant(id: str, path: str, resource: Resource, view: View) -> Operation:
    """All records of a tenant, by id."""

    async def run(call: Call) -> Answer:
        return told([shown(row, view) for row in await rows_of(call, resource)])

    takes = (Param("tenant_id", ID),)
    return Operation(id=id, path=path, run=run, gives=_rows(id, view), takes=takes)


def by_id(id: str, path: str, key: str, resource: Resource, view: View) -> Operation:
    """One record, as a list."""

    async def run(call: Call) -> Answer:
        row = await store.read(call.services.pool, resource, call[key], call.view)
        return told([shown(row, view)])

    takes = (Param(key, ID),)
    return Operation(id=id, path=path, run=run, gives=_rows(id, view), takes=takes)


def delete_by_id(id: str, path: str, key: str, resource: Resource) -> Operation:
    """Removes a record and every route from and to it."""

    async def run(call: Call) -> Answer:
        async with transaction(call.services.pool) as connection:
            await store.delete(connection, resource, call[key], call.view)
        return told(DELETED)

    return Operation(id=id, path=path, run=run, gives=str, takes=(Param(key, ID),))


def update_by_id(id: str, path: str, key: str, name: str, resource: Resource) -> Operation:
    """Changes those members of a record that are given."""

    async def run(call: Call) -> Answer:
        async with transaction(call.services.pool) as connection:
            await change(connection, call, resource, call[key], call[name])
        return told(UPDATED)

    takes = (Param(key, ID), Param(name, OBJECT))
    return Operation(id=id, path=path, run=run, gives=Message, takes=takes)


# What they are made of


async def rows_of(call: Call, resource: Resource) -> list[Any]:
    """The records of the tenant that the call names; NotFoundError where it sees none."""
    view = call.view.having(tenant=call["tenant_id"])
    async with call.services.pool.acquire() as connection:
        await store.read(connection, TENANT, call["tenant_id"], view)
        page = await store.list_rows(
            connection, resource, Criteria(), view, within=_OF_TENANT, hard_cap=ROWS_MAX
        )
    return page.rows


async def change(
    connection: Connection, call: Call, resource: Resource, key: int, given: Mapping[str, object]
) -> None:
    """Writes the given members of a record that the caller sees."""
    await store.read(connection, resource, key, call.view)
    values = values_of(resource, given, creating=False)
    await store.update(connection, resource, key, values, call.view, CATALOGUE)


def shown(row: Any, view: View) -> dict[str, str]:
    """A row as a view shows it; nothing is empty."""
    return {name: getattr(row, name) or "" for name in view}


def _rows(id: str, view: View) -> Any:
    """The type of a list of rows in a view."""
    name = id.title().replace("-", "") + "Row"
    row: Any = msgspec.defstruct(name, [(member, str) for member in view], module=__name__)
    return list[row]
