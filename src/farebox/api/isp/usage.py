"""Usage as the network reports it (isp.md 4.9.1): batches of records, and what they amount to.

A batch is a JSON array, or one JSON object a line. A bad record is told by its index and harms no
other. Octets towards the subscriber are downloads. The body may have 8 MiB.
"""

import re
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation, enter
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data
from farebox.api.isp.kinds import ACCOUNT, DAY, FLAG, ID, text
from farebox.api.isp.recording import recorded
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain import wall_clocks
from farebox.domain.errors import InvalidError
from farebox.domain.quotas import BYTES_MAX as VOLUME_MAX
from farebox.domain.windows import local_day_start
from farebox.engine.counting import CUTS, Record

BYTES_MAX: Final = 8 << 20
RECORDS_MAX: Final = 10_000
SECONDS_MAX: Final = 10**9
_MAC: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[:.-]?){5}[0-9A-Fa-f]{2}")
TYPES: Final = ("start", "interim", "stop", "on", "off")
NAME_MAX: Final = 253
_NAME: Final = text(NAME_MAX)
_WHICH: Final = Argument("accountId", ACCOUNT, required=False)
Volume = Annotated[int, msgspec.Meta(ge=0, le=VOLUME_MAX)]


class _Sent(msgspec.Struct, gc=False, rename={"octets_in": "in", "octets_out": "out"}):
    """A record as it is sent, of either kind."""

    user: str = ""
    at: int | str | None = None
    recordId: str | None = None  # noqa: N815
    upload: Volume = 0
    download: Volume = 0
    octets_in: Volume = 0
    octets_out: Volume = 0
    nas: str = ""
    sessionId: str = ""  # noqa: N815
    type: str = "interim"
    sessionTime: Volume = 0  # noqa: N815
    gigawords: bool = False
    framedIp: str | None = None  # noqa: N815
    mac: str | None = None
    cause: str | None = None
    account: str | None = None


_decode_batch = msgspec.json.Decoder(list[_Sent]).decode


def records_of(body: bytes) -> list[Record | str]:
    """The records of a batch, or what is wrong with them; InvalidError when it is no batch."""
    try:
        if body.lstrip()[:1] == b"[":
            try:
                found: list[Any] = _decode_batch(body)
            except msgspec.ValidationError:
                # One of them is wrong: which, is found out one by one.
                found = msgspec.json.decode(body, type=list[Any])
        else:
            found = [msgspec.json.decode(line) for line in body.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise InvalidError("The body is neither a JSON array nor lines", "malformed_body") from None
    if len(found) > RECORDS_MAX:
        raise InvalidError(f"A batch has at most {RECORDS_MAX} records", "malformed_body")
    return [read_record(one) for one in found]


def read_record(value: object) -> Record | str:
    """A checked record, or what is wrong with it."""
    try:
        sent = value if isinstance(value, _Sent) else _sent(value)
        if sent.recordId is not None:
            return _delta(sent, sent.recordId)
        return _cut(sent) if sent.type in CUTS else _cumulative(sent)
    except ValueError as error:
        return str(error)


def _sent(value: object) -> _Sent:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    try:
        return msgspec.convert(value, _Sent)
    except msgspec.ValidationError as error:
        # As in: Expected `int` >= 0 - at `$.out`.
        reason, _, place = str(error).partition(" - at `$.")
        reason = reason.removeprefix("Expected ")
        raise ValueError(f"{place.rstrip('`')} must be {reason}") from None


def _delta(sent: _Sent, number: str) -> Record:
    if sent.at is None:
        raise ValueError("at is required")
    return Record(
        user=_name("user", sent.user), at_ms=_at(sent.at), upload=sent.upload,
        download=sent.download, record_id=_name("recordId", number), account=_account(sent),
    )  # fmt: skip


def _cut(sent: _Sent) -> Record:
    """What a device says of itself: it has no user and no session."""
    return Record(
        user="", at_ms=_at(sent.at), upload=0, download=0, nas=_name("nas", sent.nas),
        type=sent.type, account=_account(sent),
    )  # fmt: skip


def _cumulative(sent: _Sent) -> Record:
    if sent.type not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    framed, mac = sent.framedIp, sent.mac
    if mac is not None and not _MAC.fullmatch(mac):
        raise ValueError("mac must be six octets")
    if framed is not None and "%" in framed:
        raise ValueError("framedIp must not name an interface")
    return Record(
        user=_name("user", sent.user), at_ms=_at(sent.at), upload=sent.octets_in,
        download=sent.octets_out, nas=_name("nas", sent.nas),
        session=_name("sessionId", sent.sessionId), type=sent.type,
        session_time_s=min(sent.sessionTime, SECONDS_MAX), has_gigawords=sent.gigawords,
        framed_ip=None if framed is None else str(ip_address(framed)),
        mac=mac and re.sub("[:.-]", "", mac),
        cause=None if sent.cause is None else _name("cause", sent.cause), account=_account(sent),
    )  # fmt: skip


def _name(field: str, value: str) -> str:
    """A checked name; most need no second look."""
    if not value:
        raise ValueError(f"{field} is required")
    if len(value) <= NAME_MAX and value.isascii() and value.isprintable():
        return value
    try:
        read: str = _NAME.read(value)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from None
    return read


def _account(sent: _Sent) -> str | None:
    if sent.account is None:
        return None
    read: str = ACCOUNT.read(sent.account)
    return read


def _at(value: int | str | None) -> int | None:
    """Epoch seconds or RFC 3339, as milliseconds; None where the device has not said."""
    if value is None:
        return None
    if isinstance(value, int) and 0 <= value < 10**11:
        return value * 1000
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("at must be epoch seconds or RFC 3339")
    return round(moment.timestamp() * 1000)


async def _days(call: Call) -> Answer:
    provider = call.services.provider
    subscriber = await provider.subscribers.get(call.account.id, call["userId"])
    span = call["from"], call["to"]
    days = [
        {"date": str(row["day"]), "upload": row["upload"], "download": row["download"]}
        for row in await provider.usage.days(call["userId"], span)
    ]
    if not call["sessions"]:
        return data(days)
    zone = subscriber["time_zone"]
    instants = _instants(span, zone)
    rows = await provider.usage.sessions(call["userId"], instants)
    return data({"days": days, "sessions": [_session(row, zone) for row in rows]})


def _instants(span: tuple[date | None, date | None], zone: str) -> tuple[int | None, int | None]:
    """Where days begin and end."""
    first, last = span
    return (
        None if first is None else local_day_start(zone, first),
        None if last is None else local_day_start(zone, last + timedelta(days=1)),
    )


def _session(row: Any, zone: str) -> dict[str, Any]:
    """A session as operators see it, its instants on the subscriber's clock."""
    return {
        "nas": row["identifier"] or row["ip"], "sessionId": row["acct_session_id"],
        "framedIp": row["framed_ip"], "mac": row["mac"],
        **{
            name: wall_clocks.optional_text(row[f"{column}_at_ms"], zone)
            for name, column in (("start", "started"), ("update", "updated"), ("stop", "stopped"))
        },
        "upload": row["upload"], "download": row["download"], "sessionTime": row["session_time_s"],
        "cause": row["cause"],
    }  # fmt: skip


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
        told, faults = await services.provider.usage.take(account.id, records)
        await services.provider.audit.note(
            caller, account, client, "ISP-X-USAGE-BATCH", "", "success"
        )
        return data({**told, "errors": faults})

    shown = Operation(
        id="ISP-X-USAGE-GET", method="GET", path="usage/{userId}", scope="admin", run=_days,
        gives=dict[str, Any], fixed=3,
        takes=(
            Argument("userId", ID), Argument("from", DAY, required=False),
            Argument("to", DAY, required=False),
            Argument("sessions", FLAG, required=False, default=False),
        ),
    )  # fmt: skip

    @get(
        "/usage/{userId:str}",
        **documented(shown.id, None, dict[str, Any], path={"userId": str}, refused=Failure,
                     security="provider"),
    )  # fmt: skip
    async def show_days(request: HTTPRequest) -> Answer:
        return await recorded(request, await enter(services, request, shown), shown)

    return [take_batch, show_days]
