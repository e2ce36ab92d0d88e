"""Usage as the network reports it (isp.md 4.9.1): batches of records, and what they amount to.

A batch is a JSON array, or one JSON object a line. A bad record is told by its index and harms no
other. Octets towards the subscriber are downloads. The body may have 8 MiB.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation, enter
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data
from farebox.api.isp.kinds import ACCOUNT, ID, text
from farebox.api.isp.recording import recorded
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.errors import InvalidError
from farebox.engine.usage import Record, is_volume

BYTES_MAX: Final = 8 << 20
RECORDS_MAX: Final = 10_000
TYPES: Final = ("start", "interim", "stop")
_NAME: Final = text(253)
_WHICH: Final = Argument("accountId", ACCOUNT, required=False)


def records_of(body: bytes) -> list[Any]:
    """The records of a batch; InvalidError when it is none."""
    try:
        if body.lstrip()[:1] == b"[":
            found = msgspec.json.decode(body, type=list[Any])
        else:
            found = [msgspec.json.decode(line) for line in body.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise InvalidError("The body is neither a JSON array nor lines", "malformed_body") from None
    if len(found) > RECORDS_MAX:
        raise InvalidError(f"A batch has at most {RECORDS_MAX} records", "malformed_body")
    return found


def read_record(value: object) -> Record | str:
    """A checked record, or what is wrong with it."""
    if not isinstance(value, dict):
        return "must be an object"
    try:
        return _delta(value) if "recordId" in value else _cumulative(value)
    except KeyError as error:
        return f"{error.args[0]} is required"
    except ValueError as error:
        return str(error)


def _delta(value: Mapping[str, Any]) -> Record:
    return Record(
        user=_NAME.read(value["user"]), at_ms=_at(value["at"]),
        upload=_volume(value, "upload"), download=_volume(value, "download"),
        record_id=_NAME.read(value["recordId"]),
    )  # fmt: skip


def _cumulative(value: Mapping[str, Any]) -> Record:
    kind, seconds = value.get("type", "interim"), value.get("sessionTime", 0)
    if kind not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    if not is_volume(seconds):
        raise ValueError("sessionTime must be a number of seconds")
    framed = value.get("framedIp")
    return Record(
        user=_NAME.read(value["user"]), at_ms=_at(value["at"]), upload=_volume(value, "in"),
        download=_volume(value, "out"), nas=_NAME.read(value["nas"]),
        session=_NAME.read(value["sessionId"]), type=kind, session_time_s=min(seconds, 10**9),
        has_gigawords=value.get("gigawords") is True,
        framed_ip=None if framed is None else str(ip_address(framed)),
        cause=None if value.get("cause") is None else _NAME.read(value["cause"]),
    )  # fmt: skip


def _volume(value: Mapping[str, Any], name: str) -> int:
    if not is_volume(value.get(name, 0)):
        raise ValueError(f"{name} must be a number of bytes")
    found: int = value.get(name, 0)
    return found


def _at(value: object) -> int:
    """Epoch seconds or RFC 3339, as milliseconds."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**11:
        return value * 1000
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("at must be epoch seconds or RFC 3339")
    return round(moment.astimezone(UTC).timestamp() * 1000)


async def _days(call: Call) -> Answer:
    provider = call.services.provider
    await provider.subscribers.get(call.account.id, call["userId"])
    rows = await provider.usage.days(call["userId"])
    return data([
        {"date": str(row["day"]), "upload": row["upload"], "download": row["download"]}
        for row in rows
    ])  # fmt: skip


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes about usage."""

    @post(
        "/usage/batch", request_max_body_size=BYTES_MAX,
        **documented("ISP-X-USAGE-BATCH", list[dict[str, Any]], dict[str, Any],
                     query={"accountId": str}, refused=Failure, security="provider"),
    )  # fmt: skip
    async def take_batch(request: HTTPRequest) -> Answer:
        credentials = services.provider.credentials
        client = services.proxies.client(request.scope)
        caller = await credentials.check(request.headers.get("authorization"), client)
        caller.require("network")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/json", "application/x-ndjson"):
            raise HTTPException(status_code=415)
        records = records_of(await request.body())
        given = {"accountid": request.query_params.get("accountId")}
        account = await credentials.account(caller, _WHICH.read(given, {}))
        told, faults = await services.provider.usage.take(
            account.id, [read_record(one) for one in records]
        )
        await services.provider.audit.note(
            caller, account, client, "ISP-X-USAGE-BATCH", "", "success"
        )
        return data({**told, "errors": faults})

    shown = Operation(
        id="ISP-X-USAGE-GET", method="GET", path="usage/{userId}", scope="admin", run=_days,
        gives=dict[str, Any], takes=(Argument("userId", ID),), fixed=3,
    )  # fmt: skip

    @get(
        "/usage/{userId:str}",
        **documented(shown.id, None, dict[str, Any], path={"userId": str}, refused=Failure,
                     security="provider"),
    )  # fmt: skip
    async def show_days(request: HTTPRequest) -> Answer:
        return await recorded(request, await enter(services, request, shown), shown)

    return [take_batch, show_days]
