"""Vouchers as files: printed sheets and CSV (vending-commerce.md 3.49, 3.50, 4.16, 4.17).

A finished sheet is read with a token or with the signed link that its row shows. The CSV shows what
a list of vouchers shows, and members of their campaign.
"""

from typing import Any, Literal

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending.campaigns import CAMPAIGN
from farebox.api.vending.dialect import Answer, Call, path_id, principal, reply, require
from farebox.api.vending.fields import INT64_MAX
from farebox.api.vending.filters import parse
from farebox.api.vending.sight import Sight
from farebox.api.vending.vouchers import VOUCHER
from farebox.api.vending.wire_people import Message
from farebox.domain import windows
from farebox.domain.errors import ForbiddenError, InvalidError
from farebox.engine import exports
from farebox.resource import compile as sql
from farebox.resource.definition import Association, Resource
from farebox.storage.sheets import Subject

_LINKED = ("expires", "key", "signature")
_OWN = ("columns", "filename", "timezone", "access_token")
_CATALOGUE = {"campaign": CAMPAIGN}
# The export knows one more path than a list does, members of the campaign; links that end within a
# day have no place in a file.
_EXPORTED = Resource(
    name="voucher",
    table=VOUCHER.table,
    source=VOUCHER.source,
    scope=VOUCHER.scope,
    fields=tuple(field for field in VOUCHER.fields if field.name != "pdfUrl"),
    associations=(Association(alias="campaign", target="campaign", column="campaign"),),
)


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes that make and give files."""
    sight = Sight(services)
    return [
        *_sheets(services, sight, CAMPAIGN, "/campaign/{id:str}/pdf"),
        *_sheets(services, sight, VOUCHER, "/voucher/{code:str}/pdf"),
        *_export(services, sight),
    ]


def _sheets(
    services: Services, sight: Sight, resource: Resource, path: str
) -> list[HTTPRouteHandler]:
    kind: Literal["voucher", "campaign"] = "voucher" if resource is VOUCHER else "campaign"
    asked = "VEND-VOUCHER-PDF" if resource is VOUCHER else "VEND-X-CAMPAIGN-PDF"
    opened = "VEND-X-VOUCHER-PDF-FILE" if resource is VOUCHER else "VEND-X-CAMPAIGN-PDF-FILE"

    @post(path, **documented(asked, None, resource.row))
    async def request_sheet(request: Call) -> Answer:
        """Asks for the sheet; one that is there or under way is left alone."""
        key = _key(request, resource)
        await sight.read(request, resource, key)
        require(principal(request), f"{kind}:write")
        await services.sheets.request(Subject(kind, key))
        return reply(await sight.read(request, resource, key))

    @get(
        path,
        **documented(opened, None, bytes, media_type="application/pdf", public=True),
    )
    async def open_sheet(request: Call) -> Stream:
        """The finished sheet."""
        key = _key(request, resource)
        if not _has_link(services, request, Subject(kind, key)):
            await _sign_in(services, request)
            await sight.read(request, resource, key)
            require(principal(request), f"{kind}:read")
        sheet = await services.sheets.open(Subject(kind, key))
        headers = {
            "Content-Length": str(sheet.size_bytes),
            "Content-Disposition": f'inline; filename="{sheet.file_name}"',
        }
        return Stream(sheet.parts, headers=headers, media_type="application/pdf")

    return [request_sheet, open_sheet]


def _key(request: Call, resource: Resource) -> int:
    """The id in the path; campaigns and vouchers name the same segment differently."""
    if resource is CAMPAIGN:
        return path_id(request.path_params["id"])
    return path_id(request.path_params["code"], INT64_MAX)


def _has_link(services: Services, request: Call, subject: Subject) -> bool:
    """Whether the request carries a signature of ours; a broken one counts as none."""
    given = [request.query_params.get(name) for name in _LINKED]
    if not all(given):
        return False
    verified: bool = services.sheets.links.verify(subject, *given)
    return verified


async def _sign_in(services: Services, request: Call) -> None:
    """What the guard does for other routes: this one is open to whoever has a link."""
    header = request.headers.get("authorization")
    caller = services.access.known(header) if header else None
    if caller is None:
        caller = await services.access.check(header)
    if caller.kind == "device":
        raise ForbiddenError("This route is not for this kind of caller")
    request.scope["user"] = caller


def _export(services: Services, sight: Sight) -> list[HTTPRouteHandler]:
    async def export_vouchers(request: Call) -> Response[Any]:
        """The vouchers that match, as CSV."""
        query = request.query_params
        asked = exports.asked_columns(
            [*query.getall("columns", []), *query.getall("columns[]", [])]
        )
        zone_name = _last(request, "timezone") or "UTC"
        zone = windows.zone(zone_name)
        reserved = (*_OWN, *(f"{name}[]" for name in _OWN))
        pairs = [pair for pair in query.multi_items() if pair[0] not in reserved]
        criteria = parse(_EXPORTED, pairs)
        require(principal(request), "export:read")
        require(principal(request), "voucher:read")
        paths = [path for path, _ in asked]
        view = await sight.view(request, *paths)
        rows, fields = sql.export(_EXPORTED, _CATALOGUE, paths, criteria, view)
        counted = sql.count(_EXPORTED, criteria, view, limit=exports.ROWS_MAX + 1)
        columns = [
            exports.Column(header, field.kind.name)
            for (_, header), field in zip(asked, fields, strict=True)
        ]
        parts = await exports.open_csv(services.pool, rows, counted, columns, zone)
        if exports.wants_json(request.headers.get("accept", "*/*")):
            text = b"".join([part async for part in parts]).decode()
            return reply({"message": text})
        name = exports.file_name(_last(request, "filename"), "voucher")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Stream(parts, headers=headers, media_type="text/csv")

    query = {
        "columns[]": list[str],
        "where": str,
        "sort": str,
        "filename": str,
        "timezone": str,
    }
    return [
        get(
            "/export/voucher",
            **documented("VEND-VOUCHER-EXPORT", None, Message, query=query, media_type="text/csv"),
        )(export_vouchers),
        get(["/voucher/csv", "/voucher/export"], include_in_schema=False)(export_vouchers),
    ]


def _last(request: Call, name: str) -> str | None:
    """A text that may come as a one-element array."""
    query = request.query_params
    given = [*query.getall(name, []), *query.getall(f"{name}[]", [])]
    if len(given) > 1:
        reason = "must be given once"
        raise InvalidError(f"{name} {reason}", fields={name: reason})
    return given[0] if given else None
