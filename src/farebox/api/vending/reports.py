"""Saved reports: which places, machines and periods to look at (vending-commerce.md 3.22-3.25).

A report belongs to the group of whoever made it; what of its associations is not seen is left out.
Periods are kept as they are sent: relative ones are checked for what is wrong on every day, and
mean something only when something is calculated, which is done elsewhere.

Only the associations of the document's list are added and removed one by one; location groups come
with the others when a report is made or changed. `manufactures`, as an update may spell it, and
`manufacturers` are one.
"""

from typing import Any, Final

import msgspec
from litestar import delete, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created, arguments, new, shape
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    created,
    message,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.periods import read_period
from farebox.api.vending.repeats import once
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
from farebox.storage.pool import Connection

_TARGETS: Final = {
    # The document's own spelling: one name for several groups.
    "locationGroup": "locationgroup",
    "locations": "location",
    "machines": "machine",
    "machineGroups": "machinegroup",
    "machineModels": "machinemodel",
    "machineTypes": "machinetype",
    "manufacturers": "manufacturer",
}

# What may be added and removed one by one.
_SINGLE: Final = ("locations", "manufacturers", "machineTypes", "machineModels", "machineGroups",
                  "machines")  # fmt: skip


async def _prepare(write: Write) -> None:
    if write.current is None:
        write.columns["users"] = write.view.caller.id


REPORT = Resource(
    name="report",
    table="vending.report",
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("name", write="OO"),
        Field("user", "int", column="users"),
        Field("period1", "json", "OO"),
        Field("period2", "json", "OO"),
        CREATED,
        UPDATED,
    ),
    associations=(
        *(
            Association(
                alias, target, through=(f"vending.report_{target}", "report", target),
                writable=True,
            )
            for alias, target in _TARGETS.items()
        ),
        Association("user", "user", column="users"),
    ),
    prepare=_prepare,
)  # fmt: skip

# What an update may hold, with the document's own spelling.
_CHANGES: Final[Any] = msgspec.defstruct(
    "ReportUpdate",
    [("manufactures", list[int], msgspec.UNSET)],
    bases=(shape(REPORT),),
    kw_only=True,
    module=__name__,
)

EXPOSED: Final = (
    Exposed(
        resource=REPORT,
        operations={
            **operations("VEND-X-REPORT", "list get delete"),
            **operations("VEND-REPORT", "populate"),
        },
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes that write saved reports."""
    return [_create(made), *_update(made), *_associate(made)]


async def _read(request: Call, *, creating: bool) -> dict[str, Any]:
    """The checked values of a create or update."""
    body = await read_body(request)
    if "manufactures" in body:
        if "manufacturers" in body:
            raise InvalidError(
                "manufactures is manufacturers", fields={"manufactures": "is there already"}
            )
        body["manufacturers"] = body.pop("manufactures")
    values = arguments(REPORT, body, creating=creating)
    fields = Fields(body)
    for name in ("period1", "period2"):
        read_period(fields, name, None)
    fields.finish()
    return values


def _create(made: Blueprint) -> HTTPRouteHandler:
    @post("/report", **documented("VEND-REPORT-CREATE", new(REPORT), Created, 201))
    async def create(request: Call) -> Answer:
        """Saves a report."""
        values = await _read(request, creating=True)
        require(principal(request), "report:write")

        async def run(connection: Connection) -> Answer:
            view = made.view(request)
            return created(await store.insert(connection, REPORT, values, view, made.catalogue))

        return await once(request, made.services, run)

    return create


def _update(made: Blueprint) -> list[HTTPRouteHandler]:
    async def update(request: Call, id: FromPath[str]) -> Answer:
        """Changes a report; an array replaces what is associated, as far as it is seen."""
        values = await _read(request, creating=False)
        await made.change(request, REPORT, row_id(REPORT, id), values)
        return message("Report updated")

    path = "/report/{id:str}"
    return [
        patch(path, **documented("VEND-REPORT-UPDATE", _CHANGES, Message))(update),
        put(path, include_in_schema=False)(update),
    ]


def _associate(made: Blueprint) -> list[HTTPRouteHandler]:
    path = "/report/{parentid:str}/{alias:str}/{fk:str}"

    async def add(
        request: Call, parentid: FromPath[str], alias: FromPath[str], fk: FromPath[str]
    ) -> Answer:
        """Adds one to a report; nothing changes where it is there already."""
        key = await made.associate(request, REPORT, parentid, _single(alias), fk, present=True)
        return reply({"id": key})

    @delete(path, **documented("VEND-REPORT-REMOVE", None, Message))
    async def remove(
        request: Call, parentid: FromPath[str], alias: FromPath[str], fk: FromPath[str]
    ) -> Answer:
        """Removes one from a report; nothing changes where it is not there."""
        await made.associate(request, REPORT, parentid, _single(alias), fk, present=False)
        return message("Removed")

    return [
        put(path, **documented("VEND-REPORT-ADD", None, Created))(add),
        post(path, status_code=200, include_in_schema=False)(add),
        remove,
    ]


def _single(alias: str) -> str:
    if alias not in _SINGLE:
        raise NotFoundError("Not found")
    return alias
