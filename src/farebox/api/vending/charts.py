"""Charts on users' reports, and the templates they begin as (vending-commerce.md 3.27-3.34).

A chart keeps its question as it was sent, once it has been checked. Charts of a report stand in the
order of their positions; equal positions stand in the order in which they were made, and no chart
is moved by another. Changing the type of a chart leaves its question alone.
"""

from typing import Any, Final

import msgspec
from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import chart_answers, criteria, tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created, rows, shape
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
from farebox.api.vending.fields import INT32_MAX
from farebox.api.vending.repeats import once
from farebox.api.vending.userreports import USERREPORT
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ConflictError, ForbiddenError, InvalidError
from farebox.domain.instants import parse
from farebox.resource import store
from farebox.resource.definition import ID, Association, Field, Resource, Write
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
CHARTS_MAX: Final = 100
TYPES: Final = (
    "revenue_full", "revenue_grouped", "payment_types", "offline_machines", "machine_cleaning",
    "machine_alarms", "machine_issues",
)  # fmt: skip
VIEWS: Final = ("table", "bars", "lines", "pie")
_SENT: Final = (
    "id", "name", "type", "view", "criteria", "position", "report", "reportType", "createAt",
    "updateAt",
)  # fmt: skip


async def _prepare(write: Write) -> None:
    """A chart goes on a report of the caller's own, at its end unless its place is told."""
    values = write.values
    if "report" not in values:
        return
    # Charts of one report are added one after the other.
    owner, charts, end = await write.connection.fetchrow(SQL.room, values["report"])
    if owner != write.view.caller.id:
        raise ForbiddenError("This report is another user's")
    is_new = write.current is None or values["report"] != write.current.report
    if is_new and charts >= CHARTS_MAX:
        raise ConflictError(f"A report has at most {CHARTS_MAX} charts", "too_many_charts")
    if is_new and values.get("position") is None:
        values["position"] = end


# Spelled as the document spells them.
_CREATED: Final = Field("createAt", "instant", column="created_at_ms")
_UPDATED: Final = Field("updateAt", "instant", column="updated_at_ms")

CHART = Resource(
    name="chart",
    table="vending.chart",
    owner=None,
    scope=tenancy.personal(SQL.user_of_chart),
    fields=(
        ID,
        Field("name", write="OO"),
        Field("type", write="RO", choices=TYPES),
        Field("view", write="OO", choices=VIEWS, default="table"),
        Field("criteria", "json", "OO"),
        Field("position", "int", "OO"),
        Field("report", "int", "RO", reference="userreport"),
        Field("reportType", column="'userreport'::text"),
        _CREATED,
        _UPDATED,
    ),
    associations=(Association("report", "userreport", column="report"),),
    prepare=_prepare,
)

CHARTTEMPLATE = Resource(
    name="charttemplate",
    title="Chart template",
    table="vending.charttemplate",
    owner=None,
    scope=tenancy.everyone(),
    fields=(ID, Field("name"), Field("type"), Field("criteria", "json"), _CREATED, _UPDATED),
)

EXPOSED: Final = (
    Exposed(
        resource=CHART,
        operations=operations("VEND-CHART", "get") | operations("VEND-X-CHART", "delete"),
    ),
    Exposed(resource=CHARTTEMPLATE, operations=operations("VEND-CHARTTEMPLATE", "list get")),
)


class NewChart(msgspec.Struct):
    """Body of a create; the report is in the path."""

    type: str
    name: str | None = None
    view: str | None = None
    criteria: dict[str, Any] | None = None
    position: int | None = None


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes of charts, some of which begin at their report."""
    return [*_on_report(made), *_changes(made), _field(made)]


def _on_report(made: Blueprint) -> list[HTTPRouteHandler]:
    path = "/userreport/{id:str}/chart"

    async def list_charts(request: Call, id: FromPath[str]) -> Answer:
        """The charts of a report, in their order."""
        order = (CHART.by_name["position"], False)
        return await made.associated(request, USERREPORT, id, "charts", (order,))

    async def create(request: Call, id: FromPath[str]) -> Answer:
        """Adds a chart to a report of the caller's own."""
        home, body = row_id(USERREPORT, id), await read_body(request)
        values = _arguments(body, creating=True) | {"report": home}
        await store.read(made.services.pool, USERREPORT, home, made.view(request))
        require(principal(request), "chart:write")

        async def run(connection: Connection) -> Answer:
            if values.get("criteria") is None:
                values["criteria"] = await connection.fetchval(SQL.template, values["type"])
            view = made.view(request)
            return created(await store.insert(connection, CHART, values, view, made.catalogue))

        return await once(request, made.services, run)

    listed = documented("VEND-CHART-LIST", None, rows(CHART), query=CRITERIA)
    return [
        get(path, **listed)(list_charts),
        get(f"{path}s", include_in_schema=False)(list_charts),
        post(path, **documented("VEND-CHART-CREATE", NewChart, Created, 201))(create),
        post(f"{path}s", status_code=201, include_in_schema=False)(create),
    ]


def _changes(made: Blueprint) -> list[HTTPRouteHandler]:
    async def update(request: Call, id: FromPath[str]) -> Answer:
        """Changes a chart; the whole object may be sent back."""
        key = row_id(CHART, id)
        values = _arguments(await read_body(request), creating=False, key=key)
        await made.change(request, CHART, key, values)
        return message("Chart updated")

    path = "/chart/{id:str}"
    return [
        patch(path, **documented("VEND-CHART-UPDATE", shape(CHART), Message))(update),
        put(path, include_in_schema=False)(update),
    ]


def _field(made: Blueprint) -> HTTPRouteHandler:
    @get("/chart/{id:str}/{field:str}", **documented("VEND-CHART-FIELD", None, dict[str, Any]))
    async def chart_field(request: Call, id: FromPath[str], field: FromPath[str]) -> Answer:
        """One member of a chart, or `data`: what it shows now."""
        key = row_id(CHART, id)
        if field not in (*CHART.by_name, "data"):
            reason = "is no member of a chart"
            raise InvalidError(f"{field[:64]} {reason}", fields={"field": reason})
        row = await store.read(made.services.pool, CHART, key, made.view(request))
        require(principal(request), "chart:read")
        if field == "data":
            return await chart_answers.data(made, request, row)
        return reply({"id": row.id, field: getattr(row, field)})

    return chart_field


def _arguments(body: dict[str, object], *, creating: bool, key: int = 0) -> dict[str, Any]:
    """The checked values of a create or update, by field name."""
    fields = Fields(body, known=_SENT)
    if not creating and not body:
        raise InvalidError("There is nothing to change", "missing_parameters")
    read = {
        "name": fields.optional_string("name"),
        "type": fields.enum("type", TYPES, required=creating or fields.is_null("type")),
        "view": fields.enum("view", VIEWS) or "table",
        "position": fields.optional_integer("position", low=0, high=INT32_MAX),
        "criteria": criteria.question(fields) and fields.given("criteria"),
        "report": fields.optional_integer("report", low=1, high=INT32_MAX),
    }
    _check_sent_back(fields, None if creating else key)
    fields.finish()
    # Nothing cannot be put in place of these; of a name it can.
    return {
        name: value
        for name, value in read.items()
        if fields.has(name) and (value is not None or name == "name")
    } | ({"view": read["view"]} if creating else {})


def _check_sent_back(fields: Fields, key: int | None) -> None:
    """What a client sends because it read it: ignored if it can be what it is called."""
    sent = fields.optional_integer("id", low=1, high=INT32_MAX)
    if key is not None and sent not in (None, key):
        fields.wrong("id", "is another chart's")
    fields.enum("reportType", ("userreport",))
    for name in ("createAt", "updateAt"):
        if text := fields.optional_string(name):
            try:
                parse(text)
            except InvalidError as error:
                fields.wrong(name, error.message)
