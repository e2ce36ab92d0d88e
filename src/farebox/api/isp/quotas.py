"""Quotas as operators ask about them (isp.md 4.9): evaluate all, explain one, work out columns.

Instants are epoch milliseconds and an open end is null. Evaluating is a job of many transactions,
so an answer that never came says nothing of what was done; asking again does the rest. Columns are
worked out from the body alone. `now` may only be given where nothing is written.
"""

import asyncio
from array import array
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data
from farebox.api.isp.kinds import FLAG, ID, Kind, ids
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.core.quota import NEVER_MS, Calendars
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine.evaluating import Change
from farebox.engine.metering import BANDWIDTH, Meter
from farebox.engine.quota_columns import COLUMNS, RESULTS, Answers, evaluate

ROWS_MAX: Final = 100_000
BYTES_MAX: Final = 32 << 20
USERS_MAX: Final = 1_000


# Evaluating


def _read_instant(value: object) -> int:
    """Epoch seconds or RFC 3339, as milliseconds."""
    written = str(value).strip()
    if written.isascii() and written.isdigit() and len(written) < 12:
        return int(written) * 1000
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is None or moment.year < 1971:
            raise ValueError(written)
        return round(moment.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError("must be epoch seconds or RFC 3339") from None


async def evaluate_all(call: Call) -> Answer:
    """Evaluates the account and all below it, or some of its users; says what changed."""
    if call["now"] is not None and not call["dryRun"]:
        raise InvalidError("now is allowed with dryRun only", "invalid_argument")
    told = await call.services.provider.evaluating.run(
        call.account.id, call["userIds"], dry_run=call["dryRun"], now_ms=call["now"]
    )
    counts = {name: getattr(told, name) for name in _COUNTS}
    return data({**counts, "changes": [_change(one) for one in told.changes]})


_COUNTS: Final = ("evaluated", "rolled", "over", "switched", "invalid")


def _change(one: Change) -> dict[str, Any]:
    return {
        "userId": one.subscriber, "kind": one.kind, "from": one.applied, "to": one.active,
        "used": one.used, "effective": one.effective, "periodEnd": _end(one.window_end_ms),
        "reason": one.reason,
    }  # fmt: skip


def _end(at_ms: int) -> int | None:
    return None if at_ms == NEVER_MS else at_ms


# Explaining


async def explain(call: Call) -> Answer:
    """Which policy applies to a user, his figures, what follows from them and why."""
    provider, number = call.services.provider, call["userId"]
    await provider.subscribers.get(call.account.id, number)
    meter = (await provider.metering.read([number], BANDWIDTH)).get(number)
    if meter is None:
        raise NotFoundError(f"User {number} has no policy", "user_not_found")
    return data(_explained(meter))


def _explained(meter: Meter) -> dict[str, Any]:
    policy, usage, verdict = meter.policy, meter.usage, meter.verdict
    flags = {
        "OVER": verdict.is_over, "ROLLED": verdict.is_rolled, "SWITCH": verdict.is_switch,
        "LEVEL_LOW": verdict.level >= 1, "LEVEL_HIGH": verdict.level == 2,
        "UNLIMITED": policy.mode == "always", "STALE_CYCLE": verdict.is_stale,
    }  # fmt: skip
    return {
        "policy": {
            "source": meter.source, "since": meter.since_ms, "mode": policy.mode,
            "limit": policy.limit, "every": policy.every, "dom": policy.dom, "dow": policy.dow,
            "t1": policy.first, "t2": policy.second, "excludeUpload": policy.excludes_upload,
            "carryForward": policy.carries,
        },
        "state": {
            "periodStart": usage.start_ms, "periodEnd": _end(usage.end_ms), "up": usage.upload,
            "down": usage.download, "topup": usage.topup, "carried": usage.carried,
            "applied": meter.applied,
        },
        "result": {
            "active": verdict.active, "used": verdict.used, "effective": verdict.effective,
            "remaining": verdict.remaining, "periodStart": verdict.usage.start_ms,
            "periodEnd": _end(verdict.usage.end_ms), "carried": verdict.usage.carried,
            "flags": [name for name, is_set in flags.items() if is_set],
        },
        "reason": _reason(meter),
    }  # fmt: skip


def _reason(meter: Meter) -> str:
    verdict = meter.verdict
    if meter.policy.mode == "always":
        return f"The policy has no quota: {verdict.active} always applies."
    share = f"{verdict.used} of {verdict.effective} bytes are used"
    more = "more than there are" if verdict.is_over else "not more than there are"
    begun = "A new period has begun. " if verdict.is_rolled else ""
    return f"{begun}{share}, {more}: {verdict.active} applies."


OPERATIONS: Final = (
    Operation(
        id="ISP-X-FUP-EVALUATE", method="POST", path="fup/evaluate", scope="admin",
        run=evaluate_all, gives=dict[str, Any], far=True, fixed=3,
        takes=(
            Argument("userIds", ids(USERS_MAX), required=False),
            Argument("now", Kind(_read_instant), required=False),
            Argument("dryRun", FLAG, required=False, default=False),
        ),
    ),
    Operation(
        id="ISP-X-FUP-GET", method="GET", path="fup/users/{userId}", scope="admin", run=explain,
        gives=dict[str, Any], takes=(Argument("userId", ID),), fixed=3,
    ),
)  # fmt: skip


# Columns


class Quota(msgspec.Struct, kw_only=True):
    """Columns of one length, as isp.md 4.11 names them, and what is common to all rows.

    Table i of the calendars is boundaries[offsets[i]:offsets[i + 1]].
    """

    now: int
    mode: list[int]
    flags: list[int]
    limit: list[int]
    topup: list[int]
    carried: list[int]
    up: list[int]
    down: list[int]
    period_start: list[int]
    period_end: list[int | None]
    cal: list[int]
    t1: list[int]
    t2: list[int]
    applied: list[int]
    bill_start: list[int] | None = None
    bill_end: list[int | None] | None = None
    expires: list[int | None] | None = None
    offsets: list[int] = msgspec.field(default_factory=lambda: [0])
    boundaries: list[int] = []
    thresholds: tuple[int, int] = (80, 100)


_decode = msgspec.json.Decoder(Quota).decode


def answer_columns(body: bytes) -> dict[str, Any]:
    """The columns that follow from a body's."""
    try:
        asked = _decode(body)
    except msgspec.ValidationError as error:
        raise InvalidError(str(error), "invalid_argument") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidError("The body is not valid JSON", "malformed_body") from None
    if len(asked.mode) > ROWS_MAX:
        raise InvalidError(f"There are at most {ROWS_MAX} rows", "invalid_argument")
    try:
        found = _evaluated(asked)
    except (ValueError, OverflowError) as error:
        raise InvalidError(str(error), "invalid_argument") from None
    told = {name: found.columns[name].tolist() for name in RESULTS}
    told["remaining"] = [None if left < 0 else left for left in told["remaining"]]
    told["period_end"] = [_end(at_ms) for at_ms in told["period_end"]]
    counts = {name: getattr(found, name) for name in _COUNTS[1:]}
    return {**told, "counts": counts}


def _evaluated(asked: Quota) -> Answers:
    columns = {}
    for name, code in COLUMNS.items():
        given = getattr(asked, name)
        if given is not None:
            columns[name] = array(code, [NEVER_MS if one is None else one for one in given])
    tables = Calendars(array("q", asked.offsets), array("q", asked.boundaries))
    return evaluate(asked.now, tables, columns, thresholds=asked.thresholds)


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The route whose body is columns."""

    @post(
        "/fup/quota", request_max_body_size=BYTES_MAX,
        **documented("ISP-X-FUP-QUOTA", Quota, dict[str, Any], refused=Failure,
                     security="provider"),
    )  # fmt: skip
    async def work_out(request: HTTPRequest) -> Answer:
        credentials = services.provider.credentials
        client = services.proxies.client(request.scope)
        caller = await credentials.check(request.headers.get("authorization"), client)
        caller.require("admin")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPException(status_code=415)
        # A large body would hold up everybody else.
        return data(await asyncio.to_thread(answer_columns, await request.body()))

    return [work_out]
