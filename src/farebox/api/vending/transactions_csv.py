"""Every sale of a period as CSV (vending-commerce.md 3.21, 4.17).

The file is told in one zone, so its period is read there as well, and every `occurredAt` in it lies
in the period. It reaches back six calendar months; like every report it leaves out what is excluded
from reports. Several payments of a sale stand in one cell, with `|` between them.
"""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.choices import NAMES, planted, read_choice
from farebox.api.vending.dialect import Call, Fields, principal, reply, require
from farebox.api.vending.periods import read_period
from farebox.api.vending.wire_people import Message
from farebox.domain import windows
from farebox.domain.errors import InvalidError
from farebox.domain.periods import Period
from farebox.domain.relative_dates import Descriptor, resolve
from farebox.engine import exports, reports

MONTHS_MAX: Final = 6
ZONE: Final = "Europe/Amsterdam"
_OLDEST: Final = Descriptor(month=-MONTHS_MAX)
_PERIOD: Final = "period1"
_QUERY: Final = {
    f"{_PERIOD}[startDate]": str, f"{_PERIOD}[endDate]": str, f"{_PERIOD}[referenceDate]": str,
    "timezone": str, "machines[]": list[int], "machineGroups[]": list[int],
    "locations[]": list[int], "locationGroups[]": list[int],
}  # fmt: skip


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The file, under both of its names."""
    services = made.services

    async def transactions(request: Call) -> Response[Any]:
        """The sales of a period, oldest first."""
        choice, period, zone = _asked(request, services.clock())
        caller = principal(request)
        for right in ("export:read", "revenuetransaction:read"):
            require(caller, right)
        parts = await reports.open_transactions(services.pool, caller, choice, period, zone)
        if exports.wants_json(request.headers.get("accept", "*/*")):
            return reply({"message": b"".join([part async for part in parts]).decode()})
        headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
        return Stream(parts, headers=headers, media_type="text/csv")

    described = documented("VEND-REPORT-RAWCSV", None, Message, query=_QUERY, media_type="text/csv")
    return [
        get("/export/transactions", **described)(transactions),
        get("/report/transactions/csv", include_in_schema=False)(transactions),
    ]


def _asked(request: Call, now_ms: int) -> tuple[reports.Choice, Period, ZoneInfo]:
    # A browser's download brings its token in the query.
    known = (_PERIOD, "timezone", *NAMES, "access_token")
    fields = Fields(planted(request.query_params.multi_items()), known=known)
    zone, choice = _zone(fields), read_choice(fields)
    today = datetime.fromtimestamp(now_ms // 1000, zone).replace(tzinfo=None)
    period = read_period(fields, _PERIOD, today, required=True)
    if period is not None and _began(period, zone) < resolve(_OLDEST, today.date()):
        reason = f"must not be earlier than {MONTHS_MAX} months ago"
        fields.wrong(f"{_PERIOD}.startDate", reason, "range_too_old")
    fields.finish()
    if period is None:
        raise InvalidError(f"{_PERIOD} is required", "missing_parameters")
    return choice, period, zone


def _zone(fields: Fields) -> ZoneInfo:
    try:
        return windows.zone(fields.optional_string("timezone") or ZONE)
    except InvalidError as error:
        fields.wrong("timezone", "is unknown", error.code)
        return windows.zone(ZONE)


def _began(period: Period, zone: ZoneInfo) -> datetime:
    """The first second on a wall in the zone of the file."""
    start = period.start
    return start.instant.astimezone(zone).replace(tzinfo=None) if start.instant else start.wall
