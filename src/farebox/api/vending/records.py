"""What devices have reported: sales, payments, logs, events (vending-commerce.md 2.1-2.3, 3.2-3.12;
vending-platform.md 2.8).

Rows are read only, and belong to whoever sees the location stored in them. Lists show what is
younger than the archive horizon unless `useArchive` asks for everything; one row by its id, and the
payments of a sale, are found whatever their age. So is the newest log of a machine. Records are
without number, and counting them all would take longer than the page: a total beyond a million is
told as a million.

The summary of logs counts what was told since thirty days ago (`days` says otherwise), records that
clear another left out, and clocks that run ahead not.
"""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations
from farebox.api.vending.bodies import rows
from farebox.api.vending.choices import NAMES, read_choice
from farebox.api.vending.dialect import Answer, Call, Fields, principal, reply, require
from farebox.api.vending.fields import INT32_MAX
from farebox.api.vending.revenue_query import arguments
from farebox.api.vending.sight import counted
from farebox.domain.instants import to_ms, wall_text
from farebox.domain.windows import zone
from farebox.engine import reports
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import (
    CREATED,
    ID,
    UPDATED,
    Association,
    Field,
    Resource,
    View,
)
from farebox.storage.pool import transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
DAY_MS: Final = 86_400_000
COUNT_MAX: Final = 1_000_000
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

IOTEVENT = Resource(
    name="iotevent",
    title="Event",
    table="vending.iotevent",
    owner=None,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("remote", "int"),
        Field("machine", "int"),
        Field("location", "int"),
        Field("name"),
        Field("value", "any", column="t.value::jsonb"),
        _OCCURRED,
        _ZONE,
        _TIMESTAMP,
        CREATED,
    ),
    associations=_PLACE,
    render=_show_wall_clock,
)

_BY_MACHINE: Final = Criteria(order=((LOG.by_name["machine"], False),))

EXPOSED = (
    Exposed(resource=REVENUETRANSACTION, operations=operations("VEND-REVTX", "get populate")),
    Exposed(resource=PAYMENTTRANSACTION, operations=operations("VEND-PAYTX", "get")),
    Exposed(resource=LOG, operations=operations("VEND-LOG", "get")),
    Exposed(resource=IOTEVENT, operations=operations("VEND-X-IOTEVENT", "get")),
)


class LogSummary(msgspec.Struct):
    """A code, what it is called in the caller's language, and how often it was told."""

    code: str
    error: str
    summary: int


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The lists, which know an archive, and what logs say together."""
    return [
        _list(made, REVENUETRANSACTION, "VEND-REVTX-LIST"),
        _list(made, PAYMENTTRANSACTION, "VEND-PAYTX-LIST"),
        _list(made, LOG, "VEND-LOG-LIST"),
        _list(made, IOTEVENT, "VEND-X-IOTEVENT-LIST"),
        _last(made),
        _summary(made),
    ]


def _list(made: Blueprint, resource: Resource, operation: str) -> HTTPRouteHandler:
    @get(f"/{resource.name}", **documented(operation, None, rows(resource), query=_QUERY))
    async def list_records(request: Call) -> Answer:
        fields = Fields(request.query_params)
        is_all = fields.boolean("useArchive")
        fields.finish()
        hot_from_ms = made.services.clock() - made.services.options.archive_after_ms
        view = made.view(request).having(hot_from_ms=hot_from_ms)
        within = "true" if is_all else _HOT
        return await made.page(
            request, resource, within, view, reserved=("useArchive",), count_max=COUNT_MAX
        )

    return list_records


def _last(made: Blueprint) -> HTTPRouteHandler:
    @get("/log/last", **documented("VEND-LOG-LAST", None, rows(LOG), query={"machine": int}))
    async def last_logs(request: Call) -> Answer:
        """The newest log of every machine, or of one."""
        fields = arguments(request, ("machine",), ())
        machine = fields.optional_integer("machine", low=1, high=INT32_MAX)
        fields.finish()
        require(principal(request), "log:read")
        view, cap = made.view(request), made.services.options.list_hard_cap
        async with transaction(made.services.pool, readonly=True) as connection:
            groups = view.value("groups")
            newest = await connection.fetch(SQL.newest_logs, groups, machine, cap + 1)
            view = view.having(ids=[row[0] for row in newest], ats=[row[1] for row in newest])
            page = await store.list_rows(connection, LOG, _BY_MACHINE, view, within=SQL.among,
                                         hard_cap=cap)  # fmt: skip
        return reply(page.rows, headers=counted(page.total, truncated=page.truncated))

    return last_logs


def _summary(made: Blueprint) -> HTTPRouteHandler:
    query = {"machines[]": list[int], "locations[]": list[int], "limit": int, "days": int}

    @get("/log/summary", **documented("VEND-LOG-SUMMARY", None, list[LogSummary], query=query))
    async def summary(request: Call) -> Answer:
        """The codes that were told most often lately."""
        fields = arguments(request, ("limit", "days"), NAMES)
        choice = read_choice(fields)
        limit = fields.optional_integer("limit", low=1, high=30)
        days = fields.optional_integer("days", low=1, high=366)
        fields.finish()
        require(principal(request), "log:read")
        since_ms = made.services.clock() - (days or 30) * DAY_MS
        found = await reports.log_summary(
            made.services.pool, principal(request), choice, since_ms, limit or 10
        )
        return reply([LogSummary(*record) for record in found])

    return summary
