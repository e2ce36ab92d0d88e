"""Reports as PDF files: a saved report with its figures, and a user's report with its charts.

Both are beyond the document. A saved report is calculated as the document's calculations are, for
whoever asks: the machines and places that it names, as far as they are seen, over its periods. A
relative period is that of today. A report without a first period has nothing to show yet.
"""

import asyncio
from datetime import datetime
from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint, row_id
from farebox.api.vending.chart_answers import figure_of_chart
from farebox.api.vending.charts import CHART, CHARTS_MAX
from farebox.api.vending.dialect import Answer, Call, Fields, principal, require
from farebox.api.vending.periods import read_period
from farebox.api.vending.report_figures import CALCULATED, figures
from farebox.api.vending.reports import REPORT
from farebox.api.vending.userreports import USERREPORT
from farebox.domain.errors import ConflictError, ForbiddenError
from farebox.domain.instants import utc_text
from farebox.domain.periods import Period
from farebox.domain.windows import zone
from farebox.engine import reports
from farebox.engine.chart_figure import Figure, Report
from farebox.engine.report_drawing import ReportDrawing
from farebox.engine.reports import Choice
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.storage.sqlfile import load

SQL = load(__file__)
_PDF: Final = "application/pdf"
_SECONDS_MAX: Final = 60
_CHOSEN: Final = ("machines", "machine_groups", "machine_models", "machine_types", "manufacturers",
                  "locations", "location_groups")  # fmt: skip


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes that give files."""
    drawing = ReportDrawing()

    @get("/report/{parentid:str}/pdf",
         **documented("VEND-X-REPORT-PDF", None, bytes, media_type=_PDF))  # fmt: skip
    async def report_pdf(request: Call, parentid: FromPath[str]) -> Answer:
        """A saved report as it is now."""
        key = row_id(REPORT, parentid)
        row = await store.read(made.services.pool, REPORT, key, made.view(request))
        require(principal(request), "report:read")
        title = row.name or f"Report {key}"
        choice = Choice(**await made.services.pool.fetchrow(SQL.choice, key))
        found = await _calculated(made, request, row, choice)
        report = Report(title, found, _foot(made, title), _chosen(choice))
        return _file(await drawing.draw(report), f"report-{key}.pdf")

    @get("/userreport/{id:str}/pdf",
         **documented("VEND-X-USERREPORT-PDF", None, bytes, media_type=_PDF))  # fmt: skip
    async def userreport_pdf(request: Call, id: FromPath[str]) -> Answer:
        """The charts of a user's report as they are now."""
        key = row_id(USERREPORT, id)
        row = await store.read(made.services.pool, USERREPORT, key, made.view(request))
        for right in ("userreport:read", "chart:read"):
            require(principal(request), right)
        found = await _charts(made, request, key)
        count = f"{len(found)} chart{'' if len(found) == 1 else 's'}"
        report = Report(row.name, found, _foot(made, row.name), count)
        return _file(await drawing.draw(report), f"userreport-{key}.pdf")

    return [report_pdf, userreport_pdf]


def _file(content: bytes, name: str) -> Answer:
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(content, headers=headers, media_type=_PDF)


def _foot(made: Blueprint, title: str) -> str:
    at = utc_text(made.services.clock())[:16].replace("T", " ")
    return f"{title[:80]} · {at} UTC"


def _chosen(choice: Choice) -> str:
    """What a report was narrowed to: `2 machines, 1 location group`."""
    counts = [(len(getattr(choice, name)), name.replace("_", " ")) for name in _CHOSEN]
    told = [f"{count} {name if count > 1 else name[:-1]}" for count, name in counts if count]
    return f"Of {', '.join(told)}" if told else "Of all machines and locations"


async def _calculated(
    made: Blueprint, request: Call, row: Any, choice: Choice
) -> tuple[Figure, ...]:
    """The figures of a saved report, period by period."""
    services = made.services
    periods = _periods(made, row)
    found: list[Figure] = []
    caller, now_ms = principal(request), services.clock()
    told = {
        name: await reports.calculate(services.pool, name, caller, choice, periods, now_ms)
        for name in CALCULATED
    }
    exponents = {one["code"]: one["exponent"] for one in await services.pool.fetch(SQL.exponents)}
    for place, period in enumerate(periods):
        span = f"{period.start.text} to {period.end.text}, by the clock of each place"
        for name in CALCULATED:
            found += figures(name, told[name][place], (span,), exponents)
    return tuple(found)


def _periods(made: Blueprint, row: Any) -> list[Period]:
    """The periods that a report has kept, relative ones as of today."""
    services = made.services
    home = zone(services.options.default_time_zone)
    today = datetime.fromtimestamp(services.clock() / 1000, home).replace(tzinfo=None)
    kept = {name: getattr(row, name) for name in ("period1", "period2") if getattr(row, name)}
    if "period1" not in kept:
        raise ConflictError("The report has no period yet", "report_without_period")
    fields = Fields(kept)
    periods = [read_period(fields, name, today) for name in kept]
    fields.finish()
    return [one for one in periods if one is not None]


async def _charts(made: Blueprint, request: Call, key: int) -> tuple[Figure, ...]:
    """What the charts of a report show; one of something that may not be read says so."""
    order = ((CHART.by_name["position"], False),)
    view = made.view(request).having(parent=key)
    wanted = Criteria(order=order, limit=CHARTS_MAX)
    within = USERREPORT.aliases["charts"].back or "false"
    page = await store.list_rows(made.services.pool, CHART, wanted, view, within=within)
    found = []
    # As a whole they may take as long as one of the long ones.
    async with asyncio.timeout(_SECONDS_MAX):
        for chart in page.rows:
            try:
                found.append(await figure_of_chart(made, request, chart))
            except ForbiddenError as error:
                title = chart.name or chart.type
                found.append(Figure(title, "table", (), (), notes=(error.message,)))
    return tuple(found)
