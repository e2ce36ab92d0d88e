"""Campaigns: made with their vouchers, edited, opened, closed (vending-commerce.md 3.35-3.40, X).

A campaign belongs to the group of the user who makes it. Where the document is silent: `failed` and
`creating` campaigns cannot be opened or closed, and statistics count refused validations and
redemptions together.
"""

from typing import Any

from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import UNSET

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending import tenancy
from farebox.api.vending import wire_campaigns as wire
from farebox.api.vending.blueprint import CRITERIA
from farebox.api.vending.bodies import Created, rows
from farebox.api.vending.dialect import (
    Answer,
    Call,
    created,
    message,
    path_id,
    principal,
    read_body,
    read_json,
    reply,
    require,
)
from farebox.api.vending.repeats import once
from farebox.api.vending.sight import UNTOLD, Sight, told_start
from farebox.api.vending.vouchers import VOUCHER, exhaustible
from farebox.api.vending.wire_people import Message
from farebox.resource.definition import CREATED, ID, UPDATED, Field, Resource, View
from farebox.storage.campaigns import SEEN
from farebox.storage.pool import Connection


def _render(row: Any, view: View) -> Any:
    if row.lastResetAt == UNTOLD:
        start = told_start(row, view)
        row.lastResetAt = start if start > row.createdAt else None
    if row.vouchersPdfUrl is not None:
        link: Any = view.parameters["link"]
        row.vouchersPdfUrl = link("campaign", row.id)
    return row


CAMPAIGN = Resource(
    name="campaign",
    table="voucher.campaign",
    source=SEEN,
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("name"),
        Field("totalVouchers", "int", column="total_vouchers"),
        Field("type"),
        Field("valueType", column="value_type"),
        Field("voucherValue", "money", column="voucher_value"),
        Field("redemptionLimit", "int", column="redemption_limit"),
        Field("resetFrequency", column="reset_frequency"),
        Field("expiresOn", "expiry", column="expires_on"),
        Field("currency"),
        Field("timeZone", column="time_zone"),
        Field("prefix"),
        Field("voucherText1", column="voucher_text1"),
        Field("voucherText2", column="voucher_text2"),
        Field("voucherText3", column="voucher_text3"),
        Field("voucherText4", column="voucher_text4"),
        Field("voucherStyle", "json_text", column="voucher_style"),
        Field("status"),
        Field("ownerId", "int", column="owner"),
        Field("ownerData", "json_text", column="owner_data"),
        Field("campaignstats", "int", column="id"),
        Field("lastResetAt", "instant", column="last_reset_at_ms"),
        Field("vouchersPdfStatus", column="pdf_status"),
        Field("vouchersPdfUrl", "json_text", column="pdf_url"),
        Field("voucherLogoImg", "int", column="logo_image"),
        CREATED,
        UPDATED,
    ),
    render=_render,
)
SHOWN = tuple(CAMPAIGN.by_name)


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes about campaigns, in the order of the document."""
    sight = Sight(services)
    return [
        _create(services),
        *_reading(sight),
        *_update(services, sight),
        *_rules(services, sight),
        *_status(services, sight),
        _stats(services, sight),
    ]


def _create(services: Services) -> HTTPRouteHandler:
    @post("/campaign", **documented("VEND-CAMPAIGN-CREATE", wire.CampaignCreate, Created, 201))
    async def create_campaign(request: Call) -> Answer:
        """Makes a campaign; more than 5000 vouchers come later, by a job."""
        zone = services.options.default_time_zone
        draft = wire.read_campaign(await read_body(request), SHOWN, zone)
        caller = principal(request)
        require(caller, "campaign:write")

        async def run(connection: Connection) -> Answer:
            del connection
            await services.campaigns.check_references(
                caller.group, caller.groups, draft.currency, draft.logo_image
            )
            return created(await services.issuance.create_campaign(caller.group, draft))

        return await exhaustible(once(request, services, run))

    return create_campaign


def _reading(sight: Sight) -> list[HTTPRouteHandler]:
    @get("/campaign", **documented("VEND-CAMPAIGN-LIST", None, rows(CAMPAIGN), query=CRITERIA))
    async def list_campaigns(request: Call) -> Answer:
        """Campaigns of the caller's groups."""
        return await sight.page(request, CAMPAIGN)

    @get("/campaign/{id:str}", **documented("VEND-CAMPAIGN-GET", None, CAMPAIGN.row))
    async def get_campaign(request: Call, id: FromPath[str]) -> Answer:
        """One campaign."""
        row = await sight.read(request, CAMPAIGN, path_id(id))
        require(principal(request), "campaign:read")
        return reply(row)

    @get(
        "/campaign/{id:str}/vouchers",
        **documented("VEND-CAMPAIGN-VOUCHERS", None, rows(VOUCHER), query=CRITERIA),
    )
    async def list_vouchers(request: Call, id: FromPath[str]) -> Answer:
        """The vouchers of a campaign."""
        key = path_id(id)
        await sight.read(request, CAMPAIGN, key)
        require(principal(request), "campaign:read")
        return await sight.page(request, VOUCHER, "t.campaign = {parent}::int", parent=key)

    return [list_campaigns, get_campaign, list_vouchers]


def _update(services: Services, sight: Sight) -> list[HTTPRouteHandler]:
    async def update_campaign(request: Call, id: FromPath[str]) -> Answer:
        """Edits a campaign and with it all vouchers that inherit from it."""
        key = path_id(id)
        change = wire.read_change(await read_body(request), SHOWN)
        await sight.allow(request, CAMPAIGN, key, "campaign:write")
        # What an object that was read holds already needs no check when it is sent back.
        row = await sight.read(request, CAMPAIGN, key)
        caller = principal(request)
        currency = change.currency if change.currency not in (UNSET, row.currency) else None
        image = change.logo_image if change.logo_image not in (UNSET, row.voucherLogoImg) else None
        if currency is not None or image is not None:
            await services.campaigns.check_references(caller.group, caller.groups, currency, image)
        await services.campaigns.update(caller.groups, key, change)
        return message("Campaign updated")

    path = "/campaign/{id:str}"
    return [
        patch(path, **documented("VEND-CAMPAIGN-UPDATE", wire.CampaignUpdate, Message))(
            update_campaign
        ),
        put(path, include_in_schema=False)(update_campaign),
    ]


def _rules(services: Services, sight: Sight) -> list[HTTPRouteHandler]:
    async def replace_rules(request: Call, id: FromPath[str]) -> Answer:
        """Makes the given rules the campaign's only ones."""
        key = path_id(id)
        rules = wire.read_rules(await read_json(request), key)
        await sight.allow(request, CAMPAIGN, key, "campaign:write")
        await services.campaigns.replace_rules(principal(request).groups, key, rules)
        return message("Validation rules updated")

    async def get_rules(request: Call, id: FromPath[str]) -> Answer:
        """The rules of a campaign."""
        key = path_id(id)
        found = await services.campaigns.read_rules(principal(request).groups, key)
        require(principal(request), "campaign:read")
        return reply([wire.RuleRow(row["id"], key, row["field"], row["value"]) for row in found])

    path, alias = "/campaign/{id:str}/validationrules", "/campaign/{id:str}/validationrule"
    takes = list[wire.RuleBody]
    return [
        put(path, **documented("VEND-CAMPAIGN-RULES", takes, Message))(replace_rules),
        put(alias, include_in_schema=False)(replace_rules),
        post([path, alias], status_code=200, include_in_schema=False)(replace_rules),
        patch([path, alias], include_in_schema=False)(replace_rules),
        get(path, **documented("VEND-X-CAMPAIGN-RULES-GET", None, list[wire.RuleRow]))(get_rules),
        get(alias, include_in_schema=False)(get_rules),
    ]


def _status(services: Services, sight: Sight) -> list[HTTPRouteHandler]:
    async def change(request: Call, id: str, status: str) -> None:
        key = path_id(id)
        await sight.allow(request, CAMPAIGN, key, "campaign:write")
        await services.campaigns.set_status(principal(request).groups, key, status)

    @post("/campaign/{id:str}/activate", **documented("VEND-X-CAMPAIGN-ACTIVATE", None, Message))
    async def activate(request: Call, id: FromPath[str]) -> Answer:
        """Opens a campaign."""
        await change(request, id, "active")
        return message("Campaign activated")

    @post(
        "/campaign/{id:str}/deactivate",
        **documented("VEND-X-CAMPAIGN-DEACTIVATE", None, Message),
    )
    async def deactivate(request: Call, id: FromPath[str]) -> Answer:
        """Closes a campaign: none of its vouchers works until it is opened again."""
        await change(request, id, "inactive")
        return message("Campaign deactivated")

    return [activate, deactivate]


def _stats(services: Services, sight: Sight) -> HTTPRouteHandler:
    @get(
        "/campaign/{id:str}/stats",
        **documented("VEND-X-CAMPAIGN-STATS", None, wire.StatsAnswer),
    )
    async def campaign_stats(request: Call, id: FromPath[str]) -> Answer:
        """What became of a campaign's vouchers."""
        key = path_id(id)
        await sight.allow(request, CAMPAIGN, key, "campaign:read")
        stats = await services.campaigns.stats(principal(request).groups, key)
        return reply(
            wire.StatsAnswer(
                id=key,
                campaign=key,
                vouchers=stats.vouchers,
                vouchers_used=stats.vouchers_used,
                redemptions=stats.redemptions,
                amount_redeemed=stats.amount_redeemed,
                rollbacks=stats.rollbacks,
                refusals=stats.refusals,
            )
        )

    return campaign_stats
