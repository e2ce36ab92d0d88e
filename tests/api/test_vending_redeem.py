"""Validate, redeem, rollback through HTTP: the worked tables and shapes of vending-commerce.md 5.4.

Every table runs twice: through the whole stack, where the lane answers, and through the ordinary
routes alone. The concurrent rows run on two real server processes with a real Redis.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from farebox.demo import DEVICE_KEY
from tests import golden
from tests.api.conftest import Api, Caller, running
from tests.api.standing import behind
from tests.clocks import SettableClock
from tests.crash.http import Client
from tests.crash.processes import HOST, Server
from tests.crash.scenario import DEVICE, LOGIN, SECRETS, prepare, sign_in
from tests.servers import Redis

BASIC = "Basic " + base64.b64encode(f"gw-0080:{DEVICE_KEY}".encode()).decode()


@pytest.fixture(params=["lane", "routes"])
async def api(
    request: pytest.FixtureRequest, database: str, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Api]:
    """The application as it is served, and its framework without the lane."""
    async with running(database, clock, tmp_path) as (services, app):
        served: Any = app if request.param == "lane" else behind(services)
        transport = httpx.ASGITransport(app=served)
        async with httpx.AsyncClient(transport=transport, base_url="http://farebox.test") as client:
            yield Api(served, client, services, clock)


class Shop:
    """A person who manages, and devices that ask; signed in anew whenever time has moved."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def manage(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        nora = await self.api.login("nora")
        answer = await nora.send(method, path, body)
        assert status == answer.status_code, answer.text
        return answer.json() if answer.content else None

    async def campaign(self, **members: Any) -> int:
        body = {"name": "Spring", "totalVouchers": 0, "voucherValue": 100, **members}
        return int((await self.manage("POST", "/campaign", body, 201))["id"])

    async def voucher(self, campaign: int, **members: Any) -> Any:
        body = {"campaign": campaign, "type": "inherit", **members}
        return await self.manage("POST", "/voucher", body, 201)

    async def read(self, voucher: str) -> Any:
        return await self.manage("GET", f"/voucher/{voucher}")

    async def caller(self, *, user: bool = False) -> Caller:
        if user:
            return await self.api.login("nora")
        return Caller(self.api.client, Authorization=BASIC)

    async def ask(
        self, verb: str, code: str, *, user: bool = False, device: str = "gw-0080", **body: Any
    ) -> httpx.Response:
        """One device call; `order` may be just its id."""
        if isinstance(body.get("order"), str):
            body["order"] = {"id": body["order"]}
        if isinstance(body.get("demand"), int):
            body["demand"] = {"amount": body["demand"]}
        caller = await self.caller(user=user)
        return await caller.post(f"/voucher/{code}/{verb}", {"deviceId": device, **body})

    async def told(self, verb: str, code: str, **body: Any) -> Any:
        """The body of an answer that must be 200."""
        answer = await self.ask(verb, code, **body)
        assert 200 == answer.status_code, answer.text
        return answer.json()


@pytest.fixture
def shop(api: Api) -> Shop:
    """Who manages and who asks."""
    return Shop(api)


# The tables.


async def play(shop: Shop, voucher: Any, steps: tuple[golden.Step, ...], *, user: bool) -> None:
    """Makes the calls of a table at their instants; compares answer, header and voucher."""
    for step in steps:
        shop.api.clock.now_ms = step.at
        body: dict[str, Any] = {}
        if step.call != "validate":
            body["order"] = {"id": step.order}
        if step.call == "redeem" and step.amount:
            body["order"]["amount"] = step.amount
        if step.demand is not None:
            body["demand"] = step.demand
        if step.lock_s:
            body["lockDuration"] = step.lock_s
        device = step.device.removeprefix("user ")
        by_user = user or device != step.device
        answer = await shop.ask(step.call, voucher["code"], user=by_user, device=device, **body)
        assert 200 == answer.status_code, (step, answer.text)
        told = {**answer.json(), **answer.json().get("discount", {})}
        assert dict(step.answer) == {name: told[name] for name, _ in step.answer}, step
        marked = step.replayed and step.call == "redeem"
        assert (answer.headers.get("Idempotent-Replayed") == "true") == marked, step
        row = await shop.read(voucher["id"])
        for name in ("lastResetAt", "lockedTill"):
            row[name] = row[name] and golden.ms(row[name])
        assert dict(step.row) == {name: row[name] for name, _ in step.row}, step


async def test_s1_discount_by_day(shop: Shop) -> None:
    """S1: a limit of two a day across the shortest day of the year."""
    shop.api.clock.now_ms = golden.S1_CREATED
    campaign = await shop.campaign(redemptionLimit=2, resetFrequency="day")
    await play(shop, await shop.voucher(campaign), golden.S1, user=False)


async def test_s2_gift_by_week(shop: Shop) -> None:
    """S2: a weekly allowance across the 169-hour week, rollbacks, a tombstone."""
    shop.api.clock.now_ms = golden.S2_CREATED
    campaign = await shop.campaign(type="gift", voucherValue=1000, resetFrequency="week")
    await play(shop, await shop.voucher(campaign), golden.S2, user=False)


async def test_s3_locks(shop: Shop) -> None:
    """S3: two devices that no machine answers to, asked by a user."""
    shop.api.clock.now_ms = golden.S3_START
    campaign = await shop.campaign(type="gift", voucherValue=500)
    await play(shop, await shop.voucher(campaign), golden.S3, user=True)


# The shapes of S4.


@pytest.mark.operation("VEND-VOUCHER-VALIDATE")
async def test_validate_shape(shop: Shop) -> None:
    """The whole answer, members in their documented order; the code in any case, trimmed."""
    code = (await shop.voucher(await shop.campaign(prefix="SPR")))["code"]
    answer = await shop.ask("validate", code)
    number = answer.json()["voucherId"]
    assert re.fullmatch(r"\d+", number)
    assert answer.text == (
        f'{{"code":"{code}","campaignType":"discount","voucherId":"{number}","valid":true,'
        '"voucherValue":100,"discount":{"type":"cents","amountOff":100},'
        '"validFor":{"products":{},"productsRegExp":".*"},"reason":""}'
    )
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    for spelled in (code.lower(), code + "%0A", "%20" + code.lower(), code.replace("-", "%2D")):
        assert answer.text == (await shop.ask("validate", spelled)).text


@pytest.mark.operation("VEND-VOUCHER-REDEEM")
async def test_redeem_shape(shop: Shop) -> None:
    """The members of a redemption and of a refusal."""
    code = (await shop.voucher(await shop.campaign(redemptionLimit=1)))["code"]
    told = await shop.told("redeem", code, order={"id": "o1", "amount": 60})
    assert isinstance(told.pop("redemptionId"), int)
    assert told == {
        "code": code,
        "campaignType": "discount",
        "voucherId": told["voucherId"],
        "redeemed": True,
        "reason": "",
        "discount": {"type": "cents", "amountOff": 60},
        "voucherValue": 100,
    }
    refused = await shop.told("redeem", code, order="o2")
    assert (False, "redemption_limit_reached", 0, 100) == (
        refused["redeemed"],
        refused["reason"],
        refused["discount"]["amountOff"],
        refused["voucherValue"],
    )


async def test_gift_demands(shop: Shop) -> None:
    """A gift of 500 is asked for all, for some, for too much, and for what is left."""
    code = (await shop.voucher(await shop.campaign(type="gift", voucherValue=500)))["code"]
    rows: tuple[tuple[dict[str, Any], bool, int, str], ...] = (
        ({}, True, 500, ""),
        ({"demand": 200}, True, 200, ""),
        ({"demand": 700}, False, 500, "insufficient_balance"),
        ({"demand": {"amount": 700, "partial": True}}, True, 500, ""),
        ({"demand": {}}, True, 500, ""),
        ({"demand": None}, True, 500, ""),
    )
    for body, valid, amount_off, reason in rows:
        told = await shop.told("validate", code, **body)
        assert (valid, amount_off, reason) == (
            told["valid"],
            told["discount"]["amountOff"],
            told["reason"],
        ), body
    missing = await shop.ask("redeem", code, order="o1")
    assert (400, "demand_required") == (missing.status_code, missing.json()["code"])
    assert "demand.amount" in missing.json()["fields"]
    part = {"amount": 700, "partial": True}
    told = await shop.told("redeem", code, order={"id": "o2", "amount": 450}, demand=part)
    assert (True, 450, 50) == (
        told["redeemed"],
        told["discount"]["amountOff"],
        told["voucherValue"],
    )
    told = await shop.told("redeem", code, order={"id": "o3", "amount": 20}, demand=30)
    assert told["reason"] == "demand_exceeds_order"


async def test_unlimited_discount_is_never_locked(shop: Shop) -> None:
    """lockDuration is ignored for a code that everybody shares."""
    made = await shop.voucher(await shop.campaign())
    for device in ("A", "B"):
        told = await shop.told("validate", made["code"], user=True, device=device, lockDuration=60)
        assert told["valid"]
    assert (await shop.read(made["id"]))["lockOwner"] is None


async def test_product_rules(shop: Shop) -> None:
    """Products are told at validate and enforced at redeem, with the price of what is eligible."""
    campaign = await shop.campaign()
    code = (await shop.voucher(campaign))["code"]
    rules = [{"field": "product", "value": v} for v in ("7", "5")]
    await shop.manage("PUT", f"/campaign/{campaign}/validationrules", rules)
    told = await shop.told("validate", code)
    assert told["validFor"] == {
        "products": {"5": True, "7": True},
        "productsRegExp": "^(?:5|7)$",
    }
    rows: tuple[tuple[list[Any], int, int, str], ...] = (
        ([{"productId": "9"}], 200, 0, "product_not_allowed"),
        ([{"productId": "5", "quantity": 2, "price": 40}], 200, 80, ""),
        ([{"productId": 5, "price": 0}, {"productId": "9", "price": 1}], 70, 70, ""),
        ([], 0, 100, ""),
    )
    for number, (items, amount, off, reason) in enumerate(rows):
        order = {"id": f"o{number}", "amount": amount, "items": items}
        told = await shop.told("redeem", code, order=order)
        assert (off, reason) == (told["discount"]["amountOff"], told["reason"]), items


async def test_places_and_machines(shop: Shop) -> None:
    """A place rule fails elsewhere and for unknown devices; a machine that is off fails first."""
    campaign = await shop.campaign()
    code = (await shop.voucher(campaign))["code"]
    rules = [{"field": "location", "value": "10"}]
    await shop.manage("PUT", f"/campaign/{campaign}/validationrules", rules)
    here = await shop.told("validate", code)
    unknown = await shop.told("validate", code, user=True, device="nobody")
    assert ["location_not_allowed"] * 2 == [here["reason"], unknown["reason"]]
    await shop.api.execute("update vending.machine set active = false where id = 80")
    shop.api.services.places.forget()
    assert (await shop.told("validate", code))["reason"] == "machine_inactive"


async def test_states_that_refuse(shop: Shop) -> None:
    """Campaign inactive, voucher inactive, expired: in the order of the refusals."""
    campaign = await shop.campaign(type="gift", voucherValue=500)
    made = await shop.voucher(campaign)
    path = f"/voucher/{made['id']}"
    await shop.manage("PATCH", path, {"campaign": campaign, "expiresOn": "2026-03-09"})
    assert (await shop.told("validate", made["code"]))["reason"] == "voucher_expired"
    await shop.manage("PATCH", path, {"campaign": campaign, "status": "inactive"})
    assert (await shop.told("validate", made["code"]))["reason"] == "voucher_inactive"
    await shop.manage("POST", f"/campaign/{campaign}/deactivate")
    for verb, body in (("validate", {}), ("redeem", {"order": "o1", "demand": 1})):
        assert (await shop.told(verb, made["code"], **body))["reason"] == "campaign_not_active"


async def test_one_code_in_two_campaigns(shop: Shop) -> None:
    """The one that expires is used first, then the other; a pinned campaign is always used."""
    first = await shop.campaign(expiresOn="2026-12-31", redemptionLimit=1)
    second = await shop.campaign()
    one = await shop.voucher(first, code="Both")
    two = await shop.voucher(second, code="BOTH")
    chosen = [
        (await shop.told("redeem", "both", order="o1", campaign=second))["voucherId"],
        (await shop.told("redeem", "both", order="o2"))["voucherId"],
        (await shop.told("redeem", "both", order="o3"))["voucherId"],
        (await shop.told("redeem", "both", order="o4", voucherId=two["id"]))["voucherId"],
    ]
    assert [two["id"], one["id"], two["id"], two["id"]] == chosen
    pinned = await shop.told("redeem", "both", order="o5", campaign=first)
    assert (one["id"], "redemption_limit_reached") == (pinned["voucherId"], pinned["reason"])


async def test_a_foreign_code_does_not_exist(shop: Shop) -> None:
    """Another tenant's voucher is as unknown as one that was never made."""
    foreign = await shop.api.login("sam")
    body = {"name": "South", "totalVouchers": 0, "voucherValue": 5}
    campaign = (await foreign.post("/campaign", body)).json()["id"]
    made = {"campaign": campaign, "type": "inherit", "code": "SOUTH"}
    assert 201 == (await foreign.post("/voucher", made)).status_code
    there, nowhere = await shop.ask("validate", "SOUTH"), await shop.ask("validate", "NOWHERE")
    assert (404, there.text) == (nowhere.status_code, nowhere.text)
    assert there.json() == {
        "message": "Voucher not found",
        "code": "voucher_not_found",
        "valid": False,
        "reason": "voucher_not_found",
    }


async def test_guessing_is_stopped_and_orders_are_not(shop: Shop) -> None:
    """Twenty unknown codes, then 429; rollbacks and recorded orders still pass."""
    code = (await shop.voucher(await shop.campaign()))["code"]
    before = await shop.told("redeem", code, order="mine")
    statuses = [(await shop.ask("validate", f"GUESS{n}")).status_code for n in range(21)]
    assert [404] * 20 + [429] == statuses
    blocked = await shop.ask("redeem", code, order="new")
    assert (429, "rate_limited") == (blocked.status_code, blocked.json()["code"])
    assert int(blocked.headers["Retry-After"]) >= 1
    again = await shop.ask("redeem", code, order="mine")
    assert (200, before) == (again.status_code, again.json())
    assert (await shop.told("rollback", code, order="mine"))["rolledBack"]
    other = await shop.told("validate", code, user=True, device="elsewhere")
    assert other["valid"]


async def test_unlock_and_force(shop: Shop) -> None:
    """A device releases only its own lock; a user may force any open."""
    code = (await shop.voucher(await shop.campaign(redemptionLimit=5)))["code"]
    await shop.told("validate", code, user=True, device="A", lockDuration=60)
    assert not (await shop.told("unlock", code))["unlocked"]
    assert not (await shop.told("unlock", code, user=True, device="B"))["unlocked"]
    assert (await shop.told("unlock", code, user=True, device="B", force=True))["unlocked"]
    await shop.told("validate", code, lockDuration=0.0005)
    assert (await shop.ask("unlock", code, force=True)).status_code == 403
    assert (await shop.told("unlock", code))["unlocked"]


async def test_device_identity(shop: Shop) -> None:
    """A device speaks for itself and what is behind it; its number is its name; case is nothing."""
    code = (await shop.voucher(await shop.campaign()))["code"]
    first = await shop.ask("redeem", code, order="o1")
    for name in ("GW-0080", "80", " gw-0080 "):
        again = await shop.ask("redeem", code, device=name, order="o1")
        assert (first.text, "true") == (again.text, again.headers.get("Idempotent-Replayed")), name
    number = await shop.ask("redeem", code, device=80, order="o1")  # type: ignore[arg-type]
    assert first.text == number.text
    mismatch = await shop.ask("redeem", code, device="gw-0081", order="o1")
    assert (403, "device_mismatch") == (mismatch.status_code, mismatch.json()["code"])


async def test_history(shop: Shop) -> None:
    """The log: newest first, refusals with success 0, replays without a row."""
    made = await shop.voucher(await shop.campaign(redemptionLimit=1))
    await shop.told("validate", made["code"])
    for order in ("o1", "o1", "o2"):
        await shop.told("redeem", made["code"], order=order)
    await shop.told("rollback", made["code"], order="o1")
    # What nobody waits for is written within a second, or in the end.
    await shop.api.services.desk.stop()
    rows = await shop.manage("GET", f"/voucher/{made['id']}/log")
    assert [("rollback", 1), ("redeem", 0), ("redeem", 1), ("validate", 1)] == [
        (row["action"], row["success"]) for row in rows
    ]
    row = rows[2]
    assert isinstance(row["id"], int)
    for name, value in {
        "voucher": made["id"],
        "requester": "gw-0080",
        "requesterLocation": "2",
        "currency": "EUR",
        "createdAt": "2026-03-10T09:00:00Z",
    }.items():
        assert value == row[name], name
    assert '"redeemed":true' in row["response"]
    assert '"o1"' in row["request"]


# Two real processes and a real Redis.


@pytest.fixture
async def servers(
    database: str, redis_server: Redis, tmp_path: Path
) -> AsyncIterator[list[Server]]:
    """Two servers on one database."""
    redis_server.flush()
    await prepare(database)
    environment = {
        "FAREBOX_DATABASE_URL": database,
        "FAREBOX_REDIS_URL": redis_server.url,
        "FAREBOX_DATA_DIR": str(tmp_path),
        "FAREBOX_SECRETS": SECRETS,
    }
    made = [Server(environment, tmp_path / f"server-{n}.log") for n in range(2)]
    for server in made:
        server.launch()
    try:
        for server in made:
            await server.ready()
        yield made
    finally:
        for server in made:
            server.stop()


async def test_concurrent_rows(servers: list[Server]) -> None:
    """64 orders on a limit of 10: ten redeemed. 64 times one order: 64 equal answers, count 1."""
    admin = Client(HOST, servers[0].port)
    admin.authorization = await sign_in(admin, "/vending/auth/login", LOGIN)
    token = await sign_in(admin, "/vending/device/token", DEVICE)
    clients = [Client(HOST, servers[n % 2].port, token) for n in range(64)]

    async def made(**members: Any) -> Any:
        body = {"name": "Hot", "totalVouchers": 0, "voucherValue": 100, **members}
        campaign = (await admin.post("/vending/campaign", body)).json()["id"]
        body = {"campaign": campaign, "type": "inherit"}
        return (await admin.post("/vending/voucher", body)).json()

    async def storm(code: str, orders: list[str]) -> list[Any]:
        path = f"/vending/voucher/{code}/redeem"
        return await asyncio.gather(
            *(
                client.post(path, {"deviceId": "gw-0080", "order": {"id": order}})
                for client, order in zip(clients, orders, strict=True)
            )
        )

    async def count(voucher: Any) -> int:
        answer = await admin.request("GET", f"/vending/voucher/{voucher['id']}")
        return int(answer.json()["redemptionCount"])

    limited = await made(redemptionLimit=10)
    told = await storm(limited["code"], [f"o{n}" for n in range(64)])
    reasons = [answer.json()["reason"] for answer in told]
    assert (10, 54, 10) == (
        reasons.count(""),
        reasons.count("redemption_limit_reached"),
        await count(limited),
    )
    shared = await made()
    told = await storm(shared["code"], ["one"] * 64)
    assert ({200}, 1, 1) == (
        {answer.status for answer in told},
        len({answer.body for answer in told}),
        await count(shared),
    )
    replayed = [answer.headers.get("idempotent-replayed") for answer in told]
    assert (63, 1) == (replayed.count("true"), replayed.count(None))
    for client in (admin, *clients):
        client.close()
