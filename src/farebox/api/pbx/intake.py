"""What comes in by the thousand: call records and whole configurations (pbx.md 3.11, 4.3).

Rows are counted from 0 in refusals. An import takes `"dry_run": "yes"`, which answers the same
and changes nothing.
"""

import re
from typing import Any, Final

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from farebox.api.pbx.admin import described, enter
from farebox.api.pbx.arguments import read_body
from farebox.api.pbx.bulk import KEYS, import_all
from farebox.api.pbx.dialect import REQUIRED, Answer, HTTPRequest, invalid, told
from farebox.api.services import Services
from farebox.domain.call_records import CallRecord, FaultyFieldError, record_of

RECORDS_MAX: Final = 1000
RECORDS_BYTES_MAX: Final = 4 << 20
IMPORT_BYTES_MAX: Final = 32 << 20
_CODE: Final = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)


class Records(msgspec.Struct):
    """A batch of call records."""

    cdrs: list[dict[str, str | float | None]]


class Taken(msgspec.Struct):
    """What a batch did."""

    inserted: str
    updated: str
    unchanged: str


class Change(msgspec.Struct):
    """The old and the new value of a field."""

    old: str
    new: str


class Difference(msgspec.Struct):
    """A row that an import makes or changes."""

    kind: str
    index: str
    change: str
    key: str
    fields: dict[str, Change]


class Imported(msgspec.Struct):
    """What an import did, or would do."""

    dry_run: str
    counts: dict[str, Taken]
    differences: list[Difference]


_Rows = list[dict[str, Any]]
Document: Any = msgspec.defstruct(
    "Document",
    [
        ("dry_run", str | msgspec.UnsetType, msgspec.UNSET),
        *((one.replace("-", "_"), _Rows | msgspec.UnsetType, msgspec.UNSET) for one in KEYS),
    ],
    module=__name__,
)


def routes(services: Services) -> list[HTTPRouteHandler]:
    """Both routes."""

    @post("/admin/cdrs", **described(
        "PBX-X-CDR-CREATE", Taken, takes=Records, body_bytes_max=RECORDS_BYTES_MAX
    ))  # fmt: skip
    async def take_records(request: HTTPRequest) -> Answer:
        await enter(services, request)
        given = (await read_body(request)).get("cdrs")
        if not isinstance(given, list) or not given:
            raise invalid(REQUIRED)
        if len(given) > RECORDS_MAX:
            raise invalid("Invalid Parameter cdrs.")
        codes = {row["accountcode"] for row in given if _has_code(row)}
        calls = services.exchange.calls
        zones = await calls.zones(sorted(codes))
        records = [_record(index, row, zones) for index, row in enumerate(given)]
        counts = await calls.take(records)
        return told({name: str(count) for name, count in counts._asdict().items()})

    @post("/admin/import", **described(
        "PBX-X-IMPORT", Imported, takes=Document, body_bytes_max=IMPORT_BYTES_MAX
    ))  # fmt: skip
    async def import_document(request: HTTPRequest) -> Answer:
        call = await enter(services, request)
        document = await read_body(request)
        dry = document.get("dry_run", "no")
        if dry not in ("yes", "no", True, False):
            raise invalid("Invalid Parameter dry_run.")
        is_dry = dry in ("yes", True)
        outcome = await import_all(call, document, dry=is_dry)
        counts = {
            kind: {name: str(count) for name, count in one.items()}
            for kind, one in outcome.counts.items()
        }
        return told({
            "dry_run": "yes" if is_dry else "no",
            "counts": counts,
            "differences": outcome.differences if is_dry else [],
        })  # fmt: skip

    return [take_records, import_document]


def _has_code(row: object) -> bool:
    code = row.get("accountcode") if isinstance(row, dict) else None
    return isinstance(code, str) and _CODE.fullmatch(code) is not None


def _record(index: int, row: Any, zones: dict[str, tuple[int, str]]) -> tuple[int, CallRecord]:
    known = zones.get(row["accountcode"].lower()) if _has_code(row) else None
    if known is None:
        raise invalid(f"Invalid Row {index} Field accountcode.")
    tenant, zone = known
    try:
        return tenant, record_of(row, zone)
    except FaultyFieldError as error:
        raise invalid(f"Invalid Row {index} Field {error}.") from None
