"""Calls of the vending API that are in order: devices with vouchers, users with campaigns.

And every golden row that succeeds, but those that take something away: nothing would be left.
"""

import pkgutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from farebox.api.vending.resources import CATALOGUE
from tests import api as tests_of_api
from tests.api.aim import MENDED, furnish
from tests.api.conftest import Api, opened
from tests.api.mutate import Family, Valid
from tests.clocks import SettableClock
from tests.golden import Example
from tests.servers import STOCKED, Databases

ERROR_MEMBERS = {
    "message", "code", "fields", "reason", "valid", "redeemed", "rolledBack", "unlocked",
}  # fmt: skip
NAMES = {"user": "nora", "root": "root"}
WRITTEN = """
select (select count(*) from voucher.campaign), (select sum(policy_revision) from voucher.campaign),
       (select count(*) from voucher.campaign_rule), (select count(*) from voucher.voucher),
       (select sum(version) from voucher.voucher), (select count(*) from voucher.redemption),
       (select count(*) from voucher.history where action <> 0)
"""
# In long runs the watch over machines has things to tell by itself, whatever is asked meanwhile.
TOLD = "(select count(*) from farebox.outbox)"
# How many rows each kind of resource has, as well.
COUNTED = ", ".join(
    f"(select count(*) from {table})"
    for table in sorted({one.table for one in CATALOGUE.values() if "." in one.table})
)
# The golden rows are many; what devices ask of vouchers comes as often as all of them together.
SHARE = 25


def valid_calls(code: str, gift: str, campaign: int, voucher: str) -> list[Valid]:
    """One call of each kind, with every member it may have."""
    device = {"deviceId": "gw-0080"}
    items = [{"productId": "5", "quantity": 2, "price": 40}, {"productId": 7}]
    order = {"id": "o1", "amount": 250, "items": items}
    settings = {
        "redemptionLimit": 3, "resetFrequency": "day", "expiresOn": "2026-12-31",
        "timeZone": "Europe/Amsterdam", "valueType": "cents",
    }  # fmt: skip
    texts = {"text1": "one", "style": '{"voucherText1Lbl":{"fontSize":"12px"}}'}
    created = {
        "name": "New", "totalVouchers": 0, "voucherValue": 10, "type": "gift", "currency": "EUR",
        "prefix": "AB", "voucherText1": "x", "voucherStyle": "{}", "status": "active", **settings,
    }  # fmt: skip
    rules = [{"field": "location", "value": "2"}, {"field": "product", "value": "5"}]
    own = {"campaign": campaign, "type": "discount", "value": 5, **settings, **texts}
    return [
        Valid("device", "POST", f"/voucher/{code}/validate", {**device, "lockDuration": 1.5}),
        Valid("user", "POST", f"/voucher/{code}/validate", {**device, "campaign": campaign}),
        Valid("device", "POST", f"/voucher/{code}/redeem", {**device, "order": order}),
        Valid(
            "user", "POST", f"/voucher/{gift}/redeem",
            {**device, "order": {"id": "o2"}, "demand": {"amount": 3, "partial": True}},
        ),
        Valid("user", "POST", f"/voucher/{gift}/rollback",
              {**device, "order": {"id": "o2"}, "reason": "vend_failed"}),
        Valid("user", "POST", f"/voucher/{gift}/unlock", {**device, "force": True}),
        Valid("user", "POST", "/campaign", created),
        Valid("user", "PATCH", f"/campaign/{campaign}", {"name": "Other", **settings}),
        Valid("user", "PUT", f"/campaign/{campaign}/validationrules", rules),
        Valid("user", "POST", "/voucher", {**own, "code": "Own1", "validationRules": rules}),
        Valid("user", "POST", "/voucher", {**own, "count": 2, "prefix": "Q"}),
        Valid("user", "PATCH", f"/voucher/{voucher}",
              {"campaign": campaign, "value": 7, "expiresOn": None, "status": "active"}),
        Valid("user", "PUT", f"/voucher/{voucher}", {**own, "validationRules": rules}),
        Valid("user", "GET", "/voucher", query="where[code][contains]=A&sort=id desc&limit=5"),
        Valid("user", "GET", "/campaign", query='where={"name":{"!=":"x"}}&sort[name]=asc&skip=0'),
        Valid("user", "GET", f"/campaign/{campaign}/vouchers", query="where[status]=active"),
        Valid("user", "GET", f"/voucher/{voucher}/log", query="limit=5&skip=1"),
    ]  # fmt: skip


def fault_of(answer: httpx.Response) -> str | None:
    """What is wrong with an answer, if anything."""
    if answer.status_code >= 500:
        return "5xx"
    if answer.status_code < 400:
        return None
    try:
        body = answer.json()
    except ValueError:
        return "an error that is no JSON"
    if not isinstance(body, dict) or not body.keys() <= ERROR_MEMBERS:
        return "an error of another shape"
    fields = body.get("fields", {})
    words = [body.get("message"), body.get("code"), *fields.keys(), *fields.values()]
    if not all(isinstance(word, str) for word in words) or not body["message"] or not body["code"]:
        return "an error without its words"
    return None


async def prepare(api: Api) -> list[Valid]:
    """A campaign of each type with a voucher each, and the calls on them."""
    nora = await api.login("nora")

    async def made(path: str, body: Any) -> Any:
        answer = await nora.post(path, body)
        assert 201 == answer.status_code, answer.text
        return answer.json()

    numbers = []
    for kind in ("discount", "gift"):
        body = {"name": kind, "totalVouchers": 0, "voucherValue": 500, "type": kind}
        numbers.append((await made("/campaign", body))["id"])
    for number, code in zip(numbers, ("AAA", "GGG"), strict=True):
        await made("/voucher", {"campaign": number, "type": "inherit", "code": code})
    spare = await made("/voucher", {"campaign": numbers[0], "type": "inherit", "code": "SPARE"})
    return valid_calls("AAA", "GGG", numbers[0], spare["id"])


def golden_calls() -> Iterator[Valid]:
    """The golden rows that succeed and leave what there is."""
    for module in pkgutil.iter_modules(tests_of_api.__path__):
        if not module.name.startswith("test_vending_"):
            continue
        tables = vars(import_module(f"{tests_of_api.__name__}.{module.name}")).values()
        rows = [row for table in tables if isinstance(table, tuple) for row in table]
        for row in rows:
            if isinstance(row, Example) and row.status < 400 and row.method != "DELETE":
                path, _, query = row.path.partition("?")
                who = "device" if row.by == "device" else "root" if row.by == "root" else "user"
                yield Valid(who, row.method, path, row.body, query)


async def prepare_all(api: Api) -> list[Valid]:
    """Rows of all kinds, and the calls of the whole API."""
    await api.services.worker.stop()
    calls = await prepare(api)
    await furnish(api)
    return calls * SHARE + [*golden_calls()]


async def renew(api: Api) -> dict[str, Mapping[str, str]]:
    """Two users and a device, before their tokens end, whatever calls have done to them."""
    await api.execute(MENDED)
    api.services.access.forget()
    callers: dict[str, Mapping[str, str]] = {"device": (await api.device()).headers}
    for who, name in NAMES.items():
        callers[who] = (await api.login(name)).headers
    return callers


@asynccontextmanager
async def stocked(databases: Databases, folder: Path) -> AsyncIterator[Api]:
    """The application on the people and machines of the specification."""
    async with opened(databases.create(STOCKED), SettableClock(), folder) as api:
        yield api


FAMILY = Family(
    prefix="/vending",
    opened=stocked,
    prepare=prepare_all,
    renew=renew,
    fault_of=fault_of,
    written=f"{WRITTEN}, {COUNTED}",
)
# What a suite has time for.
OF_VOUCHERS = replace(FAMILY, prepare=prepare, written=f"{WRITTEN}, {TOLD}")
