"""The history of calls (pbx.md 3.10, 4.4).

Beside its data the answer has `paging`, which clients that read only `data` do not see: a cursor
fetches the next page, each row once, whatever calls are added meanwhile.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from farebox.api.pbx.arguments import TEXT, Kind, Param, scalar, whole
from farebox.api.pbx.blueprint import Operation
from farebox.api.pbx.dialect import Answer, Call, told
from farebox.domain import call_records, wall_clocks
from farebox.engine.call_records import Search

LIMIT_MAX: Final = 5000


class CallRow(msgspec.Struct):
    """A call, or one leg of it."""

    id: str
    accountcode: str
    start: str
    answer: str
    end: str
    clid: str
    src: str
    realsrc: str
    dst: str
    firstdst: str
    lastdst: str
    wherelanded: str
    duration: str
    billsec: str
    disposition: str
    cc_cost: str
    userfield: str
    uniqueid: str
    linkedid: str


class Paging(msgspec.Struct):
    """Where the page is."""

    limit: str
    count: str
    next_cursor: str


class History(msgspec.Struct):
    """A page of calls."""

    status: str
    data: list[CallRow]
    paging: Paging


def _row(row: Any) -> dict[str, str]:
    def when(at_ms: int | None) -> str:
        return wall_clocks.optional_text(at_ms, row["time_zone"]) or ""

    return {
        "id": str(row["id"]),
        "accountcode": row["code"],
        "start": when(row["start_ms"]),
        "answer": when(row["answer_ms"]),
        "end": when(row["end_ms"]),
        **{name: row[name] for name in _TEXTS},
        "duration": str(row["duration"]),
        "billsec": str(row["billsec"]),
        "disposition": row["disposition"],
        "cc_cost": f"{row['cc_cost']:.6f}",
        "userfield": row["userfield"],
        "uniqueid": row["uniqueid"],
        "linkedid": row["linkedid"],
    }


_TEXTS: Final = ("clid", "src", "realsrc", "dst", "firstdst", "lastdst", "wherelanded")


async def get_call_history(call: Call) -> Answer:
    """Calls of some local days, oldest first."""
    search = Search(
        start=call["start_date_ymd"],
        end=call["end_date_ymd"],
        tenant_code=call["tenant_code"],
        firstdst=call["firstdst"],
        dispositions=call["disposition"],
        cost=call["cost"],
    )
    limit = call["limit"]
    rows, cursor = await call.services.exchange.calls.history(
        call.caller, search, limit, call["cursor"]
    )
    paging = {"limit": str(limit), "count": str(len(rows)), "next_cursor": cursor}
    return told([_row(row) for row in rows], paging=paging)


def _read(read: Callable[[str], Any], fault: str = "Invalid Parameter {}.") -> Kind:
    return Kind(lambda value: read(scalar(value).strip()), fault=fault)


def _dispositions(text: str) -> list[str] | None:
    given = call_records.listed(text)
    return given and [call_records.disposition(one) for one in given]


_DAY: Final = _read(call_records.day)
OPERATIONS: Final[tuple[Any, ...]] = (
    Operation(
        id="PBX-CDR-HISTORY", path="/cdr/getCallHistory", run=get_call_history, gives=History,
        enveloped=False,
        takes=(
            Param("start_date_ymd", _DAY, required=False),
            Param("end_date_ymd", _DAY, required=False),
            Param("tenant_code", TEXT, required=False, default=""),
            Param("firstdst", _read(call_records.listed), required=False),
            Param("disposition", _read(_dispositions, "Invalid Disposition."), required=False),
            Param("cost", _read(call_records.cost_range, "Invalid Cost."), required=False,
                  default=(None, None)),
            Param("limit", whole(1, LIMIT_MAX), required=False, default=1000),
            Param("cursor", TEXT, required=False, default=""),
        ),
    ),
)  # fmt: skip
