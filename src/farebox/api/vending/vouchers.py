"""Vouchers: made, edited, listed in their effective state (vending-commerce.md 3.43-3.48, X).

What a voucher shows is what counts at this instant: inherited settings, resets that are due. Where
the document is silent: a code that more than 50 vouchers share is created all the same, and a
`Warning` header says so.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending import tenancy
from farebox.api.vending import wire_vouchers as wire
from farebox.api.vending.blueprint import CRITERIA
from farebox.api.vending.bodies import rows
from farebox.api.vending.dialect import (
    JSON,
    Answer,
    Call,
    Fields,
    message,
    path_id,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.fields import INT64_MAX
from farebox.api.vending.filters import MAX_LIMIT
from farebox.api.vending.repeats import once
from farebox.api.vending.sight import UNTOLD, Sight, counted, told_start
from farebox.api.vending.wire_people import Message
from farebox.domain.codes import CANDIDATES_MAX
from farebox.engine.issuance import CodeSpaceExhaustedError
from farebox.resource.definition import CREATED, UPDATED, Field, Resource, View
from farebox.storage.pool import Connection
from farebox.storage.vouchers import SEEN

# Beyond the end of any log, and far from the end of int64.
SKIP_MAX = 10**15


def _render(row: Any, view: View) -> Any:
    if row.lastResetAt == UNTOLD:
        row.lastResetAt = told_start(row, view)
    if row.pdfUrl is not None:
        link: Any = view.parameters["link"]
        row.pdfUrl = link("voucher", int(row.id))
    return row


VOUCHER = Resource(
    name="voucher",
    table="voucher.voucher",
    source=SEEN,
    is_keyed=True,
    scope=replace(tenancy.owned(), indexed=frozenset(("id", "campaign"))),
    fields=(
        Field("id", "bigtext"),
        Field("code"),
        Field("campaign", "int"),
        Field("type"),
        Field("value", "money"),
        Field("valueType", column="value_type"),
        Field("currency"),
        Field("initialValue", "money", column="initial_value"),
        Field("balance", "money"),
        Field("redemptionLimit", "int", column="redemption_limit"),
        Field("redemptionCount", "int", column="count"),
        Field("amountRedeemed", "money", column="amount"),
        Field("totalRedemptionCount", "int", column="total"),
        Field("totalAmountRedeemed", "money", column="total_amount"),
        Field("lastRedemptionAt", "instant", column="last_redemption_at_ms"),
        Field("lastRedemptionLocation", column="last_redemption_location"),
        Field("prefix"),
        Field("resetFrequency", column="frequency"),
        Field("lastResetAt", "instant", column="last_reset_at_ms"),
        Field("expiresOn", "expiry", column="expires_on"),
        Field("timeZone", column="zone"),
        Field("lockOwner", column="lock_owner"),
        Field("lockedTill", "instant", column="locked_till_ms"),
        Field("status"),
        Field("text1"),
        Field("text2"),
        Field("text3"),
        Field("text4"),
        Field("style", "json_text"),
        Field("logoImg", column="logo_image"),
        Field("pdfStatus", column="pdf_status"),
        Field("pdfUrl", "json_text", column="pdf_url"),
        Field("voucherComments", column="comments"),
        CREATED,
        UPDATED,
    ),
    render=_render,
)
SHOWN = (*VOUCHER.by_name, "validationRules")


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes about vouchers, in the order of the document."""
    sight = Sight(services)
    return [
        _create(services, sight),
        *_reading(sight),
        *_edits(services, sight),
        *_past(services, sight),
    ]


def voucher_id(text: str) -> int:
    """The id in a path: int64."""
    return path_id(text, INT64_MAX)


def _create(services: Services, sight: Sight) -> HTTPRouteHandler:
    @post("/voucher", **documented("VEND-VOUCHER-CREATE", wire.VoucherCreate, VOUCHER.row, 201))
    async def create_voucher(request: Call) -> Answer:
        """Makes one voucher, which is answered, or up to 5000 at once, which are not."""
        zone = services.options.default_time_zone
        draft = wire.read_vouchers(await read_body(request), SHOWN, zone)
        caller = principal(request)
        require(caller, "voucher:write")

        async def run(connection: Connection) -> Answer:
            made = await services.issuance.create_vouchers(caller.groups, draft)
            if draft.count > 1:
                headers = {"X-Total-Count": str(made.count)}
                return Answer(b"", status_code=201, headers=headers, media_type=JSON)
            row = await sight.read(request, VOUCHER, made.first_id, connection)
            return reply(row, 201, _warning(made.candidates))

        return await exhaustible(once(request, services, run))

    return create_voucher


async def exhaustible(creation: Awaitable[Answer]) -> Answer:
    """The answer of a creation; that no codes are left is our failure, not the caller's."""
    try:
        return await creation
    except CodeSpaceExhaustedError as error:
        return reply({"message": error.message, "code": error.code}, 500)


def _warning(candidates: int) -> dict[str, str]:
    if candidates <= CANDIDATES_MAX:
        return {}
    text = f"{candidates} vouchers share this code; devices look at {CANDIDATES_MAX} of them"
    return {"Warning": f'199 farebox "{text}"'}


def _reading(sight: Sight) -> list[HTTPRouteHandler]:
    @get("/voucher", **documented("VEND-VOUCHER-LIST", None, rows(VOUCHER), query=CRITERIA))
    async def list_vouchers(request: Call) -> Answer:
        """Vouchers of the campaigns of the caller's groups."""
        return await sight.page(request, VOUCHER)

    @get("/voucher/{code:str}", **documented("VEND-VOUCHER-GET", None, VOUCHER.row))
    async def get_voucher(request: Call, code: FromPath[str]) -> Answer:
        """One voucher, by its id, in its effective state."""
        row = await sight.read(request, VOUCHER, voucher_id(code))
        require(principal(request), "voucher:read")
        return reply(row)

    return [list_vouchers, get_voucher]


def _edits(services: Services, sight: Sight) -> list[HTTPRouteHandler]:
    @patch("/voucher/{code:str}", **documented("VEND-VOUCHER-PATCH", wire.VoucherPatch, Message))
    async def patch_voucher(request: Call, code: FromPath[str]) -> Answer:
        """Changes value, expiry, status or comments; on an inherit voucher they become its own."""
        key = voucher_id(code)
        change = wire.read_change(await read_body(request), SHOWN)
        await sight.allow(request, VOUCHER, key, "voucher:write")
        await services.vouchers.change(principal(request).groups, key, change)
        return message("Voucher updated")

    @put(
        "/voucher/{code:str}",
        **documented("VEND-VOUCHER-REPLACE", wire.VoucherReplace, Message),
    )
    async def replace_voucher(request: Call, code: FromPath[str]) -> Answer:
        """Gives a voucher all its settings anew and ends its inheritance."""
        key = voucher_id(code)
        zone = services.options.default_time_zone
        replacement = wire.read_replacement(await read_body(request), SHOWN, zone)
        await sight.allow(request, VOUCHER, key, "voucher:write")
        await services.vouchers.replace(principal(request).groups, key, replacement)
        return message("Voucher updated")

    return [patch_voucher, replace_voucher]


def _past(services: Services, sight: Sight) -> list[HTTPRouteHandler]:
    cap = services.options.list_hard_cap
    cut = {"skip": int, "limit": int}

    async def get_log(request: Call, code: FromPath[str]) -> Answer:
        """What happened at a voucher, newest first."""
        key, (limit, skip) = voucher_id(code), _cut(request, cap)
        await sight.allow(request, VOUCHER, key, "voucher:read")
        found, total = await services.vouchers.log(principal(request).groups, key, limit, skip)
        truncated = limit == cap and total > skip + cap
        entries = [wire.log_entry(key, row) for row in found]
        return reply(entries, headers=counted(total, truncated=truncated))

    @get(
        "/voucher/{code:str}/redemptions",
        **documented("VEND-X-REDEMPTION-LIST", None, list[wire.RedemptionRow], query=cut),
    )
    async def list_redemptions(request: Call, code: FromPath[str]) -> Answer:
        """The redemptions of a voucher, newest first."""
        key, (limit, skip) = voucher_id(code), _cut(request, cap)
        await sight.allow(request, VOUCHER, key, "voucher:read")
        found, total = await services.vouchers.redemptions(
            principal(request).groups, key, limit, skip
        )
        truncated = limit == cap and total > skip + cap
        entries = [wire.redemption_row(key, row) for row in found]
        return reply(entries, headers=counted(total, truncated=truncated))

    return [
        get(
            "/voucher/{code:str}/log",
            **documented("VEND-VOUCHER-LOG", None, list[wire.LogEntry], query=cut),
        )(get_log),
        get("/voucher/{code:str}/history", include_in_schema=False)(get_log),
        list_redemptions,
    ]


def _cut(request: Call, cap: int) -> tuple[int, int]:
    """Limit and skip of a list that takes no criteria."""
    reader = Fields(request.query_params)
    for name in request.query_params:
        if name not in ("limit", "skip") and not name.startswith("_"):
            reader.wrong(name, "is unknown here", "invalid_filter")
    limit = reader.optional_integer("limit", low=0, high=MAX_LIMIT)
    skip = reader.optional_integer("skip", low=0, high=SKIP_MAX) or 0
    reader.finish()
    return (cap if limit is None else limit), skip
