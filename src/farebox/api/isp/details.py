"""Subscribers with their usage (isp.md E1, E3, E13).

Usage is worked out at the time of the call. A subscriber of several accounts (E13) is looked for
in the selected account and in all below it; every match gives its three blocks in one flat list.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, data
from farebox.api.isp.kinds import ID, PHONE, choice, text
from farebox.api.isp.listing import PAGING, listed
from farebox.api.isp.wire import U1, U3, U13, Data, Listed, user
from farebox.domain import wall_clocks
from farebox.domain.cycles import Cycle
from farebox.domain.errors import InvalidError
from farebox.engine.metering import Meter, rate_limit
from farebox.engine.roster import Entry

# What is common to the three forms of the block.
Block = dict[str, Any]
_LOCATION: Final = ("latitude", "longitude")
_PLACES: Final = ("area", "street", "block")


def _amounts(cycle: Cycle, zone: str) -> Block:
    return {
        "billingStartDate": wall_clocks.optional_text(cycle.start_ms, zone),
        "billingEndDate": wall_clocks.optional_text(cycle.end_ms, zone),
        "uploadDataUsage": str(cycle.upload),
        "downloadDataUsage": str(cycle.download),
        "totalDataUsage": cycle.upload + cycle.download,
    }


def _quota(cycle: Cycle, zone: str, used: int, effective: int) -> Block:
    return {
        "billingResetType": cycle.reset_type,
        **_amounts(cycle, zone),
        "usedBandwidthQuota": used,
        "totalBandwidthQuota": effective,
    }


def _used(meter: Meter) -> tuple[int, int]:
    """What counts of the quota, and the quota; both 0 where there is none."""
    return 0 if meter.policy.mode == "always" else meter.verdict.used, meter.verdict.effective


def _template(meter: Meter, templates: dict[int, Any]) -> Block:
    active = meter.verdict.active
    return {
        "bandwidthTemplateId": str(active),
        "bandwidthTemplateName": templates[active]["name"] if active in templates else "",
    }


def _location(row: Any) -> Block:
    found = {name: row[name] if row else None for name in _LOCATION}
    for place in _PLACES:
        number = row[f"{place}_id"] if row else None
        found[f"{place}_id"] = None if number is None else str(number)
        found[place] = row[place] if row else None
    return found


async def get_details(call: Call) -> Answer:
    """One subscriber: user, usage, fixed addresses, location."""
    provider, number = call.services.provider, call["userId"]
    row = await provider.subscribers.get(call.account.id, number)
    meter = (await provider.metering.read([number]))[number]
    templates = await provider.metering.templates([meter.verdict.active])
    used = {
        **_template(meter, templates),
        **_amounts(meter.cycle, meter.zone),
        "dataLimit": str(meter.verdict.effective),
    }
    return data([
        {"User": user(row, U1)},
        {"currentBillingCycleUsage": used},
        {"staticIpMac": row["static"]},
        {"location": _location(await provider.subscribers.location(number))},
    ])  # fmt: skip


async def get_all(call: Call) -> Answer:
    """Everybody, each as a list of user, usage and fixed addresses."""

    roster = call.services.provider.roster

    async def fetch(after: int, most: int) -> Sequence[Entry]:
        part: list[Entry] = await roster.part(call.account.id, after, most)
        return part

    def render(one: Entry) -> list[Block]:
        zone = one.row["time_zone"]
        return [
            {"User": user(one.row, U3)},
            {"currentBillingCycleUsage": _quota(one.cycle, zone, one.used, one.effective)},
            {"staticIpMac": one.row["static"]},
        ]

    answer: Answer = await listed(call, fetch, render, key=lambda one: one.row["id"])
    return answer


async def get_user_from_all_accounts(call: Call) -> Answer:
    """Those of a number or a name in the account and all below it."""
    provider, value = call.services.provider, call["value"]
    if call["type"] == "phone":
        try:
            value = PHONE.read(value)
        except ValueError as error:
            raise InvalidError(f"value {error}", "invalid_argument") from None
    rows = await provider.subscribers.everywhere(call.account.id, call["type"], value)
    meters = await provider.metering.read([row["id"] for row in rows])
    templates = await provider.metering.templates([m.verdict.active for m in meters.values()])
    shows_keys = "secrets" in call.caller.scopes
    keys = await provider.credentials.shown({row["account"] for row in rows}, shows_keys)
    told: list[Block] = []
    for row in rows:
        meter, (token, key) = meters[row["id"]], keys[row["account"]]
        limit = templates.get(meter.verdict.active)
        told += [
            {"User": {**user(row, U13), "api_token": token, "api_key": key}},
            {"currentBillingCycleUsage": {
                **_template(meter, templates),
                "bandwidthTemplateMikrotik": rate_limit(limit) if limit else "",
                **_quota(meter.cycle, meter.zone, *_used(meter)),
            }},
            {"staticIpMac": row["static"]},
        ]  # fmt: skip
    return data(told)


class Part(msgspec.Struct, omit_defaults=True):
    """One of the parts of a subscriber's details; it has one member."""

    User: dict[str, str | None] | msgspec.UnsetType = msgspec.UNSET
    currentBillingCycleUsage: dict[str, str | int | None] | msgspec.UnsetType = (  # noqa: N815
        msgspec.UNSET
    )
    staticIpMac: list[dict[str, str | None]] | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    location: dict[str, str | None] | msgspec.UnsetType = msgspec.UNSET


OPERATIONS: Final = (
    Operation(
        id="ISP-E1", method="GET", path="get_details/{user_id}", scope="read", run=get_details,
        gives=Data[list[Part]], takes=(Argument("userId", ID),),
    ),
    Operation(
        id="ISP-E3", method="GET", path="get_all", scope="read", run=get_all,
        gives=Listed[list[Part]], takes=PAGING,
    ),
    Operation(
        id="ISP-E13", method="GET", path="get_user_from_all_accounts/{type}/{value*}",
        scope="read", run=get_user_from_all_accounts, gives=Listed[Part],
        takes=(Argument("type", choice("phone", "username")), Argument("value", text(64))),
    ),
)  # fmt: skip
