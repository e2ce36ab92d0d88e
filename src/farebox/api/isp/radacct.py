"""Accounting as FreeRADIUS keeps it: rows of its table `radacct` as CSV (isp.md 4.9).

Columns are found by their names, others are passed over. A row is the last word of a session: with
`acctstoptime` it has ended, else `acctupdatetime` or the start and the session's length say when it
was heard of. Times without an offset are in the account's zone; octets hold their gigawords. What
becomes of rows is what becomes of records of a batch, told by the number of the row from 0. A
thousand rows are a transaction: what was taken stays, and sending all of it again changes nothing.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from litestar import post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp.blueprint import Operation, enter
from farebox.api.isp.bulk import BYTES_MAX
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data
from farebox.api.isp.importing import FAULTS_MAX
from farebox.api.isp.recording import recorded
from farebox.api.isp.tables import CSV, batches
from farebox.api.isp.usage import read_record
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.windows import zone
from farebox.engine.counting import Record

# How a record's fields are called in the table.
_TEXTS: Final = {
    "nas": "nasipaddress", "sessionId": "acctsessionid", "user": "username",
    "framedIp": "framedipaddress", "cause": "acctterminatecause",
}  # fmt: skip
_NUMBERS: Final = {
    "in": "acctinputoctets", "out": "acctoutputoctets", "sessionTime": "acctsessiontime",
}  # fmt: skip
# What MySQL writes for no time.
_NEVER: Final = "0000"


def record_of(row: Mapping[str, Any], where: tzinfo) -> Record | str:
    """A row as a record, or what is wrong with it."""
    try:
        given: dict[str, Any] = {
            name: row[column] for name, column in _TEXTS.items() if row.get(column)
        }
        given |= {name: int(row.get(column) or 0) for name, column in _NUMBERS.items()}
        stopped = _instant(row.get("acctstoptime"), where)
        at = stopped or _instant(row.get("acctupdatetime"), where)
        if at is None:
            began = _instant(row.get("acctstarttime"), where)
            at = began and began + timedelta(seconds=given["sessionTime"])
        if at is None:
            return "a time is required"
    except (ValueError, OverflowError) as error:
        return str(error)
    given |= {
        "type": "interim" if stopped is None else "stop", "at": at.isoformat(), "gigawords": True,
    }  # fmt: skip
    found = read_record({**given, "mac": row.get("callingstationid")})
    # Not every device calls a station by its address.
    return read_record(given) if isinstance(found, str) and found.startswith("mac") else found


def _instant(written: str | None, where: tzinfo) -> datetime | None:
    if not written or written.startswith(_NEVER):
        return None
    found = datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=where)


async def _take(call: Call, request: HTTPRequest) -> Answer:
    told: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []

    def fault(line: int, reason: str) -> None:
        if len(faults) < FAULTS_MAX:
            # The first line has the names of the columns.
            faults.append({"index": max(line - 2, 0), "error": reason})

    where = zone(call.account.time_zone)
    async for lines in batches(request.stream(), CSV, fault):
        records = [record_of(row, where) for _, row in lines]
        counts, wrong = await call.services.provider.usage.take(call.account.id, records)
        told.update(counts)
        for one in wrong:
            fault(lines[one["index"]][0], one["error"])
    return data({**told, "errors": faults})


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The route."""

    @post(
        "/usage/radacct", request_max_body_size=BYTES_MAX,
        **documented("ISP-X-USAGE-RADACCT", str, dict[str, Any], refused=Failure, takes_as=(CSV,),
                     query={"accountId": str}, security="provider"),
    )  # fmt: skip
    async def take_table(request: HTTPRequest) -> Answer:
        async def run(call: Call) -> Answer:
            return await _take(call, request)

        operation = Operation(
            id="ISP-X-USAGE-RADACCT", method="POST", path="usage/radacct", scope="network",
            run=run, gives=None, fixed=3, far=True,
        )  # fmt: skip
        call = await enter(services, request, operation, has_body=False)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != CSV:
            raise HTTPException(status_code=415)
        return await recorded(request, call, operation)

    return [take_table]
