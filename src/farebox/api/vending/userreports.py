"""Reports of a user's own, which hold charts (vending-commerce.md 2.5, 3.26, 3.29).

They are personal as dashboards are: users of admin groups see those of users below them and change
none, but may have a copy of their own.
"""

from typing import Final

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations, row_id
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.repeats import once
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Name(msgspec.Struct):
    """What a copy is to be called."""

    name: str


class Copied(msgspec.Struct):
    """Answer of a duplicate."""

    message: str
    id: int


async def _prepare(write: Write) -> None:
    if write.current is None:
        write.columns["users"] = write.view.caller.id


USERREPORT = Resource(
    name="userreport",
    title="User report",
    table="vending.userreport",
    owner=None,
    scope=tenancy.personal("t.users"),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("user", "int", column="users"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("charts", "chart", back="t.report = {parent}::int"),
        Association("user", "user", column="users"),
    ),
    prepare=_prepare,
)

EXPOSED: Final = (
    Exposed(
        resource=USERREPORT,
        operations=operations("VEND-X-USERREPORT", "list get create delete")
        | operations("VEND-USERREPORT", "update"),
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The route that copies a report."""
    path = "/userreport/{id:str}/duplicate"

    @post(path, **documented("VEND-USERREPORT-DUPLICATE", Name, Copied, 201))
    async def duplicate(request: Call, id: FromPath[str]) -> Answer:
        """Copies a report with its charts; the copy is the caller's."""
        key = row_id(USERREPORT, id)
        fields = Fields(await read_body(request), known=("name",), ignored=USERREPORT.by_name)
        name = fields.string("name")
        fields.finish()
        view = made.view(request)
        await store.read(made.services.pool, USERREPORT, key, view)
        require(principal(request), "userreport:write")

        async def run(connection: Connection) -> Answer:
            copy = await connection.fetchval(SQL.copy, key, view.caller.id, name, view.now_ms)
            return reply({"message": "User report duplicated", "id": copy}, 201)

        return await once(request, made.services, run)

    return [duplicate]
