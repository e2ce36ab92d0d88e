"""Assortments as a whole: convert, override, copy (vending-platform.md 3.9, 4.5).

A preview and the conversion decide by the same rule on the same rows. A request that finds nothing
to change answers like one that did, and leaves the version that devices compare alone.
"""

from typing import Any, Final

import msgspec
from litestar import patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint, row_id
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    message,
    principal,
    read_body,
    read_json,
    reply,
    require,
)
from farebox.api.vending.fleet import MACHINE
from farebox.api.vending.models import MACHINEGROUP
from farebox.api.vending.products import EXTRA, FLAVOUR, PRODUCT, enter
from farebox.api.vending.repeats import once
from farebox.api.vending.wire_people import Message
from farebox.domain.assortment import PLU_MAX, PRICE_MAX, Class, class_of
from farebox.domain.errors import InvalidError
from farebox.engine import assortment
from farebox.resource import store
from farebox.resource.compile import belonging
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Resource, View
from farebox.storage.pool import Connection, transaction

ITEMS_MAX: Final = 1000
TARGETS_MAX: Final = 10_000
_READ: Final = tuple(f"{one.name}:read" for one in (PRODUCT, FLAVOUR, EXTRA))
_WRITE: Final = tuple(f"{one.name}:write" for one in (PRODUCT, FLAVOUR, EXTRA))
_CLASSES: Final[tuple[tuple[Class, Resource], ...]] = (
    ("base", PRODUCT), ("flavour", FLAVOUR), ("extra", EXTRA),
)  # fmt: skip
_BY_PLU: Final = Criteria(order=((PRODUCT.by_name["plu"], False),))


class Thresholds(msgspec.Struct, omit_defaults=True):
    """The numbers from which on products are flavours and extras."""

    flavourPLU: int | None = None  # noqa: N815 - documented spelling
    extraProductPLU: int | None = None  # noqa: N815


class OverrideItem(msgspec.Struct, omit_defaults=True):
    """A base product as an override names it."""

    plu: int
    name: str
    price: int
    reportName: str | None = None  # noqa: N815
    barcode: str | None = None


Preview: Any = msgspec.defstruct(
    "Preview",
    [
        ("baseProducts", list[PRODUCT.row]),  # type: ignore[name-defined]
        ("productFlavours", list[FLAVOUR.row]),  # type: ignore[name-defined]
        ("extraProducts", list[EXTRA.row]),  # type: ignore[name-defined]
    ],
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about assortments as a whole."""
    return [*_conversion(made), *_replacement(made)]


def _conversion(made: Blueprint) -> list[HTTPRouteHandler]:
    path, pool = "/machine/{machine:str}/assortment/convert", made.services.pool

    @post(f"{path}/preview", **documented("VEND-ASSORTMENT-PREVIEW", Thresholds, Preview))
    async def preview(request: Call, machine: FromPath[str]) -> Answer:
        """What a conversion would make of the assortment."""
        home, limits = row_id(MACHINE, machine), await _thresholds(request)
        await enter(made, request, home, *_READ)
        view = made.view(request).having(machine=home)
        async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
            now = {kind: await _rows(connection, one, view) for kind, one in _CLASSES}
        then: dict[Class, list[Any]] = {**now, "base": []}
        for row in now["base"]:
            kind = class_of(row.plu, *limits)
            then[kind].append(row if kind == "base" else _as_part(row, kind))
        return reply(Preview(*(sorted(rows, key=lambda row: row.plu) for rows in then.values())))

    @post(path, **documented("VEND-ASSORTMENT-CONVERT", Thresholds, Message))
    async def convert(request: Call, machine: FromPath[str]) -> Answer:
        """Makes base products flavours and extras by their numbers."""
        home, limits = row_id(MACHINE, machine), await _thresholds(request)
        await enter(made, request, home, *_WRITE)

        async def run(connection: Connection) -> Answer:
            await assortment.claim(connection, [home])
            view = made.view(request).having(machine=home)
            classes = {
                row.id: class_of(row.plu, *limits) for row in await _rows(connection, PRODUCT, view)
            }
            moves = {key: kind for key, kind in classes.items() if kind != "base"}
            await assortment.convert(connection, home, moves, view.now_ms)
            return message("Assortment converted")

        return await once(request, made.services, run)

    return [preview, convert]


def _replacement(made: Blueprint) -> list[HTTPRouteHandler]:
    async def override(request: Call, machine: FromPath[str]) -> Answer:
        """Makes the base products exactly those of the body."""
        home, items = row_id(MACHINE, machine), await _items(request)
        await enter(made, request, home, "product:write")
        async with transaction(made.services.pool) as connection:
            await assortment.claim(connection, [home])
            await assortment.override(connection, home, items, made.services.clock())
        return message("Assortment overridden")

    @post(
        "/machine/{machine:str}/assortment/copy/{group:str}",
        **documented("VEND-ASSORTMENT-COPY", None, Message),
    )
    async def copy(request: Call, machine: FromPath[str], group: FromPath[str]) -> Answer:
        """Gives every machine of a group the assortment of this one."""
        home, target = row_id(MACHINE, machine), row_id(MACHINEGROUP, group)
        source, view = await enter(made, request, home), made.view(request)
        await store.read(made.services.pool, MACHINEGROUP, target, view)
        for right in ("machinegroup:read", *_WRITE):
            require(principal(request), right)

        async def run(connection: Connection) -> Answer:
            targets = await _targets(connection, source, target, view)
            await assortment.claim(connection, [home, *targets])
            await assortment.copy(connection, home, targets, view.now_ms)
            return message(f"Assortment copied to {len(targets)} machines")

        return await once(request, made.services, run)

    path = "/machine/{machine:str}/assortment"
    return [
        put(path, **documented("VEND-ASSORTMENT-OVERRIDE", list[OverrideItem], Message))(override),
        post(path, status_code=200, include_in_schema=False)(override),
        patch(path, include_in_schema=False)(override),
        copy,
    ]


async def _thresholds(request: Call) -> tuple[int | None, int | None]:
    fields = Fields(await read_body(request), known=("flavourPLU", "extraProductPLU"))
    flavour = fields.optional_integer("flavourPLU", low=0, high=PLU_MAX)
    extra = fields.optional_integer("extraProductPLU", low=0, high=PLU_MAX)
    if flavour is not None and flavour == extra:
        fields.wrong("extraProductPLU", "must differ from flavourPLU")
    fields.finish()
    return flavour, extra


async def _items(request: Call) -> list[assortment.Item]:
    body = await read_json(request)
    if not isinstance(body, list):
        raise InvalidError("The body must be an array")
    whole = Fields({"assortment": body})
    items, seen = [], set()
    # What else a product shows may be sent back and is ignored.
    for one in whole.each("assortment", high=ITEMS_MAX, known=PRODUCT.by_name) or ():
        item = assortment.Item(
            plu=one.integer("plu", low=0, high=PLU_MAX),
            name=one.string("name"),
            price=one.integer("price", low=0, high=PRICE_MAX),
            report_name=one.optional_string("reportName"),
            barcode=one.optional_string("barcode", high=64),
        )
        if item.plu in seen:
            one.wrong("plu", f"{item.plu} is there twice")
        seen.add(item.plu)
        items.append(item)
    whole.finish()
    return items


async def _rows(connection: Connection, resource: Resource, view: View) -> list[Any]:
    page = await store.list_rows(
        connection, resource, _BY_PLU, view, within="t.machine = {machine}::int",
        hard_cap=PLU_MAX + 1,
    )  # fmt: skip
    return page.rows


def _as_part(row: Any, kind: Class) -> Any:
    """A base product in the form of a flavour or extra."""
    resource = dict(_CLASSES)[kind]
    names = [field.name for field in resource.fields if field.name != "price"]
    return resource.row(**{name: getattr(row, name) for name in names}, price=str(row.price))


async def _targets(connection: Connection, source: Any, group: int, view: View) -> list[int]:
    """The ids of the group's visible machines other than the source, all with its currency."""
    within = belonging(MACHINEGROUP, MACHINEGROUP.aliases["machines"])
    page = await store.list_rows(
        connection, MACHINE, Criteria(), view.having(parent=group), within=within,
        hard_cap=TARGETS_MAX + 1,
    )  # fmt: skip
    machines = [row for row in page.rows if row.id != source.id]
    if len(machines) > TARGETS_MAX:
        raise InvalidError(f"The group has more than {TARGETS_MAX} machines")
    foreign = [str(row.id) for row in machines if row.currency != source.currency]
    if foreign:
        reason = f"another currency at machines {', '.join(foreign[:20])}"
        raise InvalidError(f"machineGroup: {reason}", fields={"machineGroup": reason})
    return [row.id for row in machines]
