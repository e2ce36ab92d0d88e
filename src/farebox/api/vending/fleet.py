"""Machines and the currencies they are paid in (vending-platform.md 2.3, 3.3).

A machine belongs to whoever sees its location. Its hostname is the device's identity and never
changes. A machine made from a source takes over what the request leaves out.
"""

from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations
from farebox.api.vending.bodies import Created, arguments, new, rows
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    created,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.fields import INT32_MAX
from farebox.api.vending.repeats import once
from farebox.api.vending.sites import LOCATION
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, View
from farebox.storage.pool import Connection

DEBTOR_MAX = 2**53 - 1
_COPIED = ("location", "currency", "debtor", "tag", "notes", "virtualPrices", "active")

CURRENCY = Resource(
    name="currency",
    table="vending.currency",
    scope=tenancy.everyone(),
    owner=None,
    fields=(ID, Field("code"), Field("exponent", "int")),
)

MACHINE = Resource(
    name="machine",
    table="vending.machine",
    owner=None,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("hostname", write="R=", pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
        Field("gateway", "int"),
        Field("location", "int", "RO", reference="location"),
        Field("tag", write="OO"),
        Field("notes", write="OO", high=4000),
        Field("virtualPrices", "bool01", "OO", column="virtual_prices", default=False),
        Field("active", "bool01", "OO", default=True),
        Field("currency", "int", "RO", reference="currency"),
        Field("debtor", "int", "OO", high=DEBTOR_MAX),
        CREATED,
        UPDATED,
    ),
    associations=(Association("location", "location", column="location"),),
    unique={"machine_hostname_once": "hostname"},
    referrers=(("machine", "vending.machine", "gateway"),),
    notify=("farebox_places",),
)

EXPOSED = (
    Exposed(resource=CURRENCY, operations=operations("VEND-CURRENCY", "list get")),
    Exposed(
        resource=MACHINE,
        operations=operations("VEND-MACHINE", "list get update delete populate"),
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about machines that are no plain resource."""

    @post("/machine", **documented("VEND-MACHINE-CREATE", new(MACHINE), Created, 201))
    async def create_machine(request: Call) -> Answer:
        """Adds a machine, with `?source=` as a copy of another."""
        body = await read_body(request)
        query = Fields(request.query_params, known=("source",))
        source = query.optional_integer("source", low=1, high=INT32_MAX)
        query.finish()
        require(principal(request), "machine:write")

        async def run(connection: Connection) -> Answer:
            view, full = made.view(request), body
            if source is not None:
                full = await _copied(connection, source, view) | body
            values = arguments(MACHINE, full, creating=True)
            return created(await store.insert(connection, MACHINE, values, view, made.catalogue))

        return await once(request, made.services, run)

    @get(
        "/machine/gateways",
        **documented("VEND-MACHINE-GATEWAYS", None, rows(MACHINE), query=CRITERIA),
    )
    async def gateways(request: Call) -> Answer:
        """The machines that talk to the server themselves."""
        return await made.page(request, MACHINE, "t.gateway is null")

    @get("/machine/bylocation", **documented("VEND-MACHINE-BYLOCATION", None, list[dict[str, Any]]))
    async def by_location(request: Call) -> Answer:
        """Every visible location that has machines, each with its machines."""
        for resource in (MACHINE, LOCATION):
            require(principal(request), f"{resource.name}:read")
        pool, view, all_rows = made.services.pool, made.view(request), Criteria()
        machines = (await store.list_rows(pool, MACHINE, all_rows, view)).rows
        at: dict[int, list[Any]] = {}
        for machine in machines:
            at.setdefault(machine.location, []).append(machine)
        places = (await store.list_rows(pool, LOCATION, all_rows, view)).rows
        return reply([_place(one, at[one.id]) for one in places if one.id in at])

    return [create_machine, gateways, by_location]


async def _copied(connection: Connection, source: int, view: View) -> dict[str, Any]:
    try:
        row = await store.read(connection, MACHINE, source, view)
    except NotFoundError:
        reason = "source does not exist"
        raise InvalidError(reason, "invalid_reference", {"source": reason}) from None
    return {name: getattr(row, name) for name in _COPIED}


_PLACE = (
    "name", "address", "postcode", "city", "country", "activeShift", "latitude", "longitude",
    "placeId", "timeZone", "id",
)  # fmt: skip


def _place(location: Any, machines: list[Any]) -> dict[str, Any]:
    return {name: getattr(location, name) for name in _PLACE} | {"machines": machines}
