"""Lists as CSV files (vending-platform.md 3.12).

Any resource of the list below that is declared here can be exported: its members, and those of
singular aliases, which need their resource's read permission too. What grows with machines asks for
machines. `exportAll` gives a product with everything that can be put into it; conditions and order
then speak of the combinations, and `plu` is their combined number.
"""

from dataclasses import replace
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.dialect import Call, Fields, principal, read_body, reply, require
from farebox.api.vending.filters import parse
from farebox.api.vending.products import COMBINATION, PRODUCT
from farebox.api.vending.wire_people import Message
from farebox.domain import windows
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine import exports
from farebox.resource import compile as sql
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Field, Resource

# Where machines must be named, because the rows are without number.
_BY_MACHINE: Final = (
    "log", "machine", "paymenttransaction", "product", "productextra", "productflavour",
    "revenuetransaction",
)  # fmt: skip
EXPORTABLE: Final = (
    *_BY_MACHINE, "alertgroup", "alertobserver", "alertrecipient", "errorcode", "erroridentity",
    "errorprofile", "language", "location", "locationgroup", "machinegroup", "machinemodel",
    "machinetype", "manufacturer", "shift", "user", "usergroup",
)  # fmt: skip
_OWN: Final = ("columns", "filename", "timezone", "exportAll", "access_token")
# What orders combinations by their numbers; as text, 10 would come before 2.
_BY_PLU: Final = Field("plu", "int", column="rank")


class _Asked(msgspec.Struct):
    """The arguments, read."""

    columns: list[tuple[str, str]]
    file_name: str | None
    zone_name: str
    is_all: bool
    # Names and values that are conditions and order.
    pairs: list[tuple[str, object]]


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The export of every resource."""
    services = made.services

    async def export(request: Call, resource: FromPath[str]) -> Response[Any]:
        """The rows that match, as CSV."""
        declared = made.catalogue.get(resource) if resource in EXPORTABLE else None
        if declared is None:
            raise NotFoundError("Not found")
        asked = await _asked(request)
        source = _source(declared, asked)
        criteria = _criteria(source, asked)
        zone, paths = windows.zone(asked.zone_name), [path for path, _ in asked.columns]
        view = made.view(request)
        rows, fields = sql.export(source, made.catalogue, paths, criteria, view)
        for right in ("export", declared.name, *_named(declared, paths)):
            require(principal(request), f"{right}:read")
        counted = sql.count(source, criteria, view, limit=exports.ROWS_MAX + 1)
        columns = [
            exports.Column(header, field.kind.name)
            for (_, header), field in zip(asked.columns, fields, strict=True)
        ]
        parts = await exports.open_csv(services.pool, rows, counted, columns, zone)
        if exports.wants_json(request.headers.get("accept", "*/*")):
            return reply({"message": b"".join([part async for part in parts]).decode()})
        name = exports.file_name(asked.file_name, declared.name)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Stream(parts, headers=headers, media_type="text/csv")

    path = "/export/{resource:str}"
    query = {"columns[]": list[str], "where": str, "sort": str, "filename": str, "timezone": str,
             "exportAll": bool}  # fmt: skip
    described = documented("VEND-EXPORT", None, Message, query=query, media_type="text/csv")
    return [
        get(path, **described)(export),
        post(path, status_code=200, include_in_schema=False)(export),
    ]


async def _asked(request: Call) -> _Asked:
    given: dict[str, Any] = {}
    if request.method == "POST":
        given = await read_body(request)
        pairs = [pair for pair in given.items() if pair[0] not in _OWN]
    else:
        query = list(request.query_params.multi_items())
        pairs = [pair for pair in query if pair[0].removesuffix("[]") not in _OWN]
        for name, value in query:
            given.setdefault(name.removesuffix("[]"), []).append(value)
    fields = Fields({name: _single(given.get(name)) for name in _OWN})
    wanted = fields.boolean("exportAll")
    file_name, zone_name = fields.optional_string("filename"), fields.optional_string("timezone")
    columns = given.get("columns") or []
    items = [columns] if isinstance(columns, str) else columns
    if not isinstance(items, list) or not all(isinstance(one, str) for one in items):
        fields.wrong("columns", "must be an array of texts")
    fields.finish()
    return _Asked(exports.asked_columns(items), file_name, zone_name or "UTC", bool(wanted), pairs)


def _single(value: object) -> object:
    """What may come as a one-element array."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _source(declared: Resource, asked: _Asked) -> Resource:
    if declared is PRODUCT and asked.is_all:
        return COMBINATION
    if declared.name == "machine":
        # Its own id, under the name that the others' conditions have.
        machine = Field("machine", "int", column="id")
        return replace(declared, fields=(*declared.fields, machine))
    return declared


def _criteria(source: Resource, asked: _Asked) -> Criteria:
    criteria = parse(source, asked.pairs)
    named = [one for one in criteria.conditions if one.field.name == "machine"]
    if source.name in _BY_MACHINE and not any(one.operator == "in" for one in named):
        reason = "must name machines"
        raise InvalidError(
            f"where.machine {reason}", "missing_parameters", {"where.machine": reason}
        )
    if criteria.skip or criteria.limit is not None:
        reason = "is not for exports, which are whole"
        raise InvalidError(f"limit and skip: {reason}", "invalid_filter", {"limit": reason})
    if source is COMBINATION:
        order = tuple((_BY_PLU if one.name == "plu" else one, d) for one, d in criteria.order)
        return replace(criteria, order=order)
    return criteria


def _named(declared: Resource, paths: list[str]) -> set[str]:
    """The resources that paths with an alias lead to."""
    aliases = {alias for alias, dot, _ in (path.partition(".") for path in paths) if dot}
    return {declared.aliases[alias].target for alias in aliases}
