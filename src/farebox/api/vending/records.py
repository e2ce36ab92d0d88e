"""What devices have reported: sales, payments, logs (vending-commerce.md 2.1-2.3, 3.2-3.12).

Rows are read only, and belong to whoever sees the location stored in them. Lists show what is
younger than the archive horizon unless `useArchive` asks for everything; one row by its id, and the
payments of a sale, are found whatever their age.
"""

from typing import Any, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations
from farebox.api.vending.bodies import rows
from farebox.api.vending.dialect import Answer, Call, Fields
from farebox.domain.instants import to_ms, wall_text
from farebox.domain.windows import zone
from farebox.resource.definition import (
    CREATED,
    ID,
    UPDATED,
    Association,
    Field,
    Resource,
    View,
)

# Thirteen months, whichever they are.
HORIZON_MS: Final = 397 * 86_400_000
_HOT: Final = "t.occurred_at_ms >= {hot_from_ms}::bigint"
_QUERY: Final = {**CRITERIA, "useArchive": bool}

_OCCURRED: Final = Field("occurredAt", "instant", column="occurred_at_ms")
_ZONE: Final = Field("timeZone", column="time_zone")
_TIMESTAMP: Final = Field("timestamp", "int", column="t.occurred_at_ms / 1000")
_PLACE: Final = (
    Association("machine", "machine", column="machine"),
    Association("location", "location", column="location"),
)


def _show_wall_clock(row: Any, _: View) -> Any:
    """Instants of events are told as the clock on the wall of the place told them."""
    row.occurredAt = wall_text(to_ms(row.occurredAt), zone(row.timeZone))
    return row


REVENUETRANSACTION = Resource(
    name="revenuetransaction",
    title="Revenue transaction",
    table="vending.revenuetransaction",
    owner=None,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("product", "int"),
        Field("name"),
        Field("internalRef", column="internal_ref"),
        Field("machine", "int"),
        Field("location", "int"),
        _OCCURRED,
        _ZONE,
        Field("originalPrice", "money", column="original_price"),
        Field("price", "money"),
        Field("barcode"),
        Field("currency"),
        _TIMESTAMP,
        Field("token"),
        Field("salestype", "int"),
        Field("numPaymentTransactions", "int", column="num_paymenttransactions"),
        Field("remote", "int"),
        Field("pricelist", "int"),
        Field("usergroup", "int"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association(
            "paymenttransactions", "paymenttransaction", back="t.revenuetransaction = {parent}"
        ),
        *_PLACE,
    ),
    render=_show_wall_clock,
)

PAYMENTTRANSACTION = Resource(
    name="paymenttransaction",
    title="Payment transaction",
    table="vending.paymenttransaction",
    owner=None,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("revenuetransaction", "int"),
        Field("machine", "int"),
        Field("location", "int"),
        _OCCURRED,
        _ZONE,
        Field("method"),
        Field("type"),
        Field("price", "money"),
        Field("currency"),
        Field("exclude", "bool01"),
        Field("reportGroup", column="report_group"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("revenuetransaction", "revenuetransaction", column="revenuetransaction"),
        *_PLACE,
    ),
    render=_show_wall_clock,
)

LOG = Resource(
    name="log",
    table="vending.log",
    owner=None,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("remote", "int"),
        Field("machine", "int"),
        Field("location", "int"),
        Field("code"),
        Field("errorIdentity", "int", column="error_identity"),
        Field("type", "int"),
        Field("isResolvable", "bool", column="is_resolvable"),
        _OCCURRED,
        _ZONE,
        Field("duration", "int"),
        Field("extraData", "json_text", column="extra_data"),
        Field("date", "int", column="t.occurred_at_ms / 1000"),
        _TIMESTAMP,
        Field("resolvedAt", "instant", column="resolved_at_ms"),
        Field("state"),
        CREATED,
    ),
    associations=(
        *_PLACE,
        Association("errorIdentity", "erroridentity", column="error_identity"),
    ),
    render=_show_wall_clock,
)

EXPOSED = (
    Exposed(resource=REVENUETRANSACTION, operations=operations("VEND-REVTX", "get populate")),
    Exposed(resource=PAYMENTTRANSACTION, operations=operations("VEND-PAYTX", "get")),
    Exposed(resource=LOG, operations=operations("VEND-LOG", "get")),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The lists, which know an archive."""
    return [
        _list(made, REVENUETRANSACTION, "VEND-REVTX-LIST"),
        _list(made, PAYMENTTRANSACTION, "VEND-PAYTX-LIST"),
        _list(made, LOG, "VEND-LOG-LIST"),
    ]


def _list(made: Blueprint, resource: Resource, operation: str) -> HTTPRouteHandler:
    @get(f"/{resource.name}", **documented(operation, None, rows(resource), query=_QUERY))
    async def list_records(request: Call) -> Answer:
        fields = Fields(request.query_params)
        is_all = fields.boolean("useArchive")
        fields.finish()
        view = made.view(request).having(hot_from_ms=made.services.clock() - HORIZON_MS)
        within = "true" if is_all else _HOT
        return await made.page(request, resource, within, view, reserved=("useArchive",))

    return list_records
