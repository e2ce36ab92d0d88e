"""Products, flavours and extras, row by row (vending-platform.md 2.6, 3.9).

They are one table with one series of ids; a number is given once per machine whatever it stands
for. All routes begin at a machine, and a row that is not on that machine does not exist there.
A part without a number gets the lowest free one, a part without a name is called after its number.
"""

from dataclasses import replace
from typing import Any, Final

import msgspec
from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, row_id
from farebox.api.vending.bodies import Created, arguments, new, rows, shape
from farebox.api.vending.dialect import (
    Answer,
    Call,
    created,
    message,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.filters import parse
from farebox.api.vending.fleet import MACHINE
from farebox.api.vending.repeats import once
from farebox.api.vending.sight import counted
from farebox.api.vending.wire_people import Message
from farebox.domain.assortment import PLU_MAX, PRICE_MAX, Class
from farebox.domain.errors import InvalidError
from farebox.engine import assortment
from farebox.resource import store
from farebox.resource.definition import (
    CREATED,
    ID,
    UPDATED,
    Association,
    Field,
    Resource,
    Scope,
    Write,
)
from farebox.storage.pool import Connection, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_AT_MACHINE: Final = "t.machine = {machine}::int"
_ROW_AT_MACHINE: Final = "t.id = {key}::int and t.machine = {machine}::int"
_TITLES: Final = {"base": "Product", "flavour": "Flavour", "extra": "Extra"}


class PartCreated(msgspec.Struct):
    """Answer of a new flavour or extra."""

    message: str
    id: int


def _scope(kind: Class) -> Scope:
    seen = tenancy.located(SQL.location_of_machine)
    return Scope(f"t.class = '{kind}' and {seen.read}")


async def _prepare_product(write: Write) -> None:
    if write.current is None:
        write.columns["class"] = "base"


def _part(name: str, kind: Class) -> Resource:
    async def prepare(write: Write) -> None:
        values, current = write.values, write.current
        if current is None:
            write.columns["class"] = kind
            if values.get("plu") is None:
                machine = values["machine"]
                values["plu"] = await assortment.free_plu(write.connection, machine, kind)
        if values.get("name") is None and (current is None or "name" in values):
            values["name"] = f"PLU {values['plu'] if current is None else current.plu}"

    return Resource(
        name=name,
        title=_TITLES[kind],
        table="vending.product",
        owner=None,
        scope=_scope(kind),
        fields=(
            ID,
            Field("plu", "int", "O=", low=0, high=PLU_MAX),
            Field("name", write="OO"),
            Field("price", "bigtext", "OO", default=0, low=0, high=PRICE_MAX),
            Field("barcode", write="OO", high=64),
            Field("machine", "int", "R-", reference="machine"),
            Field("reportName", write="OO", column="report_name"),
            CREATED,
            UPDATED,
        ),
        associations=(Association("machine", "machine", column="machine"),),
        unique={"product_plu_once": "plu"},
        prepare=prepare,
    )


PRODUCT = Resource(
    name="product",
    table="vending.product",
    owner=None,
    scope=_scope("base"),
    fields=(
        ID,
        Field("plu", "int", "RO", low=0, high=PLU_MAX),
        Field("name", write="RO"),
        Field("price", "money", "RO", low=0, high=PRICE_MAX),
        Field("barcode", write="OO", high=64),
        Field("machine", "int", "RO", reference="machine"),
        Field("reportName", write="OO", column="report_name"),
        CREATED,
        UPDATED,
        Field("remotePrice", "money", column="remote_price"),
        Field("type", column="class"),
        Field("vatrate", "number"),
        Field("ledger"),
        Field("subledger"),
        Field("internalRef", write="OO", high=64, column="internal_ref"),
    ),
    associations=(Association("machine", "machine", column="machine"),),
    unique={"product_plu_once": "plu"},
    prepare=_prepare_product,
)
FLAVOUR = _part("productflavour", "flavour")
EXTRA = _part("productextra", "extra")
_COMBINED: Final = {"id": Field("id", "int", column="product"), "plu": Field("plu")}
# Rows for an export only: what a machine can make of its assortment.
COMBINATION = replace(
    PRODUCT,
    source=SQL.combinations,
    fields=tuple(
        replace(_COMBINED.get(one.name, one), write="--", reference=None) for one in PRODUCT.fields
    ),
)
# Their routes begin at a machine and are made by hand.
EXPOSED: Final = tuple(
    Exposed(resource=resource, operations={}) for resource in (PRODUCT, FLAVOUR, EXTRA)
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes of products, flavours and extras."""
    handlers: list[HTTPRouteHandler] = []
    for resource, prefix in ((PRODUCT, "PRODUCT"), (FLAVOUR, "FLAVOUR"), (EXTRA, "EXTRA")):
        handlers += _readers(made, resource, f"VEND-{prefix}")
        handlers += _writers(made, resource, f"VEND-{prefix}")
    return handlers


def _readers(made: Blueprint, resource: Resource, prefix: str) -> list[HTTPRouteHandler]:
    path = f"/machine/{{machine:str}}/{resource.name}"

    @get(path, **documented(f"{prefix}-LIST", None, rows(resource), query=CRITERIA))
    async def list_rows(request: Call, machine: FromPath[str]) -> Answer:
        """The rows of a machine, by their numbers."""
        home = row_id(MACHINE, machine)
        criteria = parse(resource, request.query_params.multi_items())
        if not criteria.order:
            criteria = replace(criteria, order=((resource.by_name["plu"], False),))
        await enter(made, request, home, f"{resource.name}:read")
        page = await store.list_rows(
            made.services.pool, resource, criteria, made.view(request).having(machine=home),
            within=_AT_MACHINE, hard_cap=made.services.options.list_hard_cap,
        )  # fmt: skip
        return reply(page.rows, headers=counted(page.total, truncated=page.truncated))

    @get(f"{path}/{{id:str}}", **documented(f"{prefix}-GET", None, resource.row))
    async def get_row(request: Call, machine: FromPath[str], id: FromPath[str]) -> Answer:
        """One row of a machine."""
        home, key = row_id(MACHINE, machine), row_id(resource, id)
        await enter(made, request, home, f"{resource.name}:read")
        view = made.view(request).having(machine=home)
        return reply(
            await store.read(made.services.pool, resource, key, view, within=_ROW_AT_MACHINE)
        )

    return [list_rows, get_row]


def _writers(made: Blueprint, resource: Resource, prefix: str) -> list[HTTPRouteHandler]:
    path = f"/machine/{{machine:str}}/{resource.name}"
    pool, right = made.services.pool, f"{resource.name}:write"
    is_part = resource is not PRODUCT
    asked = new(replace(resource, fields=tuple(f for f in resource.fields if f.name != "machine")))

    @post(path, **documented(f"{prefix}-CREATE", asked, PartCreated if is_part else Created, 201))
    async def create(request: Call, machine: FromPath[str]) -> Answer:
        """Adds a row to a machine."""
        home, body = row_id(MACHINE, machine), await read_body(request)
        values = arguments(resource, body | {"machine": home}, creating=True)
        if not set(body) & (set(values) - {"machine"}):
            raise InvalidError("At least one member is required", "missing_parameters")
        await enter(made, request, home, right)

        async def run(connection: Connection) -> Answer:
            await assortment.claim(connection, [home])
            view = made.view(request)
            key = await store.insert(connection, resource, values, view, made.catalogue)
            await assortment.mark_changed(connection, [home])
            text = f"{resource.label} created"
            return reply({"message": text, "id": key}, 201) if is_part else created(key)

        return await once(request, made.services, run)

    async def update(request: Call, machine: FromPath[str], id: FromPath[str]) -> Answer:
        """Changes a row of a machine; a product can be moved to another."""
        home, key = row_id(MACHINE, machine), row_id(resource, id)
        values = arguments(resource, await read_body(request), creating=False)
        await enter(made, request, home, right)
        homes = {home, values.get("machine", home)}
        async with transaction(pool) as connection:
            await _claim_row(made, request, connection, resource, homes, home, key)
            view = made.view(request)
            if await store.update(connection, resource, key, values, view, made.catalogue):
                await assortment.mark_changed(connection, homes)
        return message(f"{resource.label} updated")

    @delete(f"{path}/{{id:str}}", **documented(f"{prefix}-DELETE", None, Message))
    async def delete_row(request: Call, machine: FromPath[str], id: FromPath[str]) -> Answer:
        """Removes a row; sales keep their own name and price."""
        home, key = row_id(MACHINE, machine), row_id(resource, id)
        await enter(made, request, home, right)
        async with transaction(pool) as connection:
            await _claim_row(made, request, connection, resource, {home}, home, key)
            await store.delete(connection, resource, key, made.view(request))
            await assortment.mark_changed(connection, [home])
        return message(f"{resource.label} deleted")

    changed = documented(f"{prefix}-UPDATE", shape(resource), Message)
    return [
        create,
        patch(f"{path}/{{id:str}}", **changed)(update),
        put(f"{path}/{{id:str}}", include_in_schema=False)(update),
        delete_row,
    ]


async def enter(made: Blueprint, request: Call, machine: int, *rights: str) -> Any:
    """The machine in the path, before the permissions for what is asked at it."""
    row = await store.read(made.services.pool, MACHINE, machine, made.view(request))
    for right in rights:
        require(principal(request), right)
    return row


async def _claim_row(
    made: Blueprint, request: Call, connection: Connection, resource: Resource, homes: set[int],
    home: int, key: int,
) -> None:  # fmt: skip
    """Lock the machines concerned, then see that the row is on the one in the path."""
    await assortment.claim(connection, homes)
    view = made.view(request).having(machine=home)
    await store.read(connection, resource, key, view, within=_ROW_AT_MACHINE)
