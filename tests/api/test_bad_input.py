"""What must be refused is refused in the documented shape, and nothing of it is written.

The bad rows of vending-commerce.md 5.3 and 5.4, bodies that no parser should see whole, and valid
calls bent at random (`FAREBOX_MUTATIONS` sets how many; `python -m tests.api.mutate` runs 100 000).
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api import mutate
from tests.api.conftest import Api
from tests.api.mutated import vending

MUTATIONS = int(os.environ.get("FAREBOX_MUTATIONS", "2000"))
BODY_BYTES_MAX = 1 << 20

VALIDATE, REDEEM = "/voucher/AAA/validate", "/voucher/AAA/redeem"
DEVICE = {"deviceId": "gw-0080"}
ORDER = {**DEVICE, "order": {"id": "o1"}}


@pytest.fixture
async def ready(api: Api) -> Api:
    """The application with codes AAA (discount, voucher 1 of campaign 1) and GGG (gift)."""
    await vending.prepare(api)
    return api


async def refused(
    api: Api, method: str, path: str, status: int, *, user: bool = False, **sent: Any
) -> Any:
    """Sends what must be refused; checks status, shape, and that nothing was written."""
    before = await api.services.pool.fetchrow(vending.WRITTEN)
    caller = await (api.login("nora") if user else api.device())
    headers = {"Content-Type": "application/json", **caller.headers, **sent.pop("headers", {})}
    answer = await api.client.request(method, f"/vending{path}", headers=headers, **sent)
    assert status == answer.status_code, answer.text
    assert vending.fault_of(answer) is None, answer.text
    assert before == await api.services.pool.fetchrow(vending.WRITTEN)
    return answer.json()


DEVICE_ROWS: tuple[tuple[str, Any, str], ...] = (
    (VALIDATE, {}, "deviceId"),
    (VALIDATE, {"deviceId": ""}, "deviceId"),
    (VALIDATE, {"deviceId": "  "}, "deviceId"),
    (VALIDATE, {"deviceId": "x" * 129}, "deviceId"),
    (VALIDATE, {"deviceId": True}, "deviceId"),
    (VALIDATE, {**DEVICE, "lockDuration": -1}, "lockDuration"),
    (VALIDATE, {**DEVICE, "lockDuration": 3601}, "lockDuration"),
    (VALIDATE, {**DEVICE, "lockDuration": 3600.001}, "lockDuration"),
    (VALIDATE, {**DEVICE, "lockDuration": "x"}, "lockDuration"),
    (VALIDATE, {**DEVICE, "lockDuration": True}, "lockDuration"),
    (VALIDATE, {**DEVICE, "demand": {"amount": 0}}, "demand.amount"),
    (VALIDATE, {**DEVICE, "demand": {"amount": -3}}, "demand.amount"),
    (VALIDATE, {**DEVICE, "demand": {"amount": 1.5}}, "demand.amount"),
    (VALIDATE, {**DEVICE, "demand": {"amount": 2**31}}, "demand.amount"),
    (VALIDATE, {**DEVICE, "demand": {"partial": "maybe"}}, "demand.partial"),
    (VALIDATE, {**DEVICE, "demand": 5}, "demand"),
    (VALIDATE, {**DEVICE, "campaign": "x"}, "campaign"),
    (VALIDATE, {**DEVICE, "voucherId": "x"}, "voucherId"),
    (REDEEM, DEVICE, "order"),
    (REDEEM, {**DEVICE, "order": None}, "order"),
    (REDEEM, {**DEVICE, "order": []}, "order"),
    (REDEEM, {**DEVICE, "order": {}}, "order.id"),
    (REDEEM, {**DEVICE, "order": {"id": ""}}, "order.id"),
    (REDEEM, {**DEVICE, "order": {"id": "x" * 129}}, "order.id"),
    (REDEEM, {**DEVICE, "order": {"id": "o1", "amount": -5}}, "order.amount"),
    (REDEEM, {**DEVICE, "order": {"id": "o1", "amount": 2**31}}, "order.amount"),
    (REDEEM, {**DEVICE, "order": {"id": "o1", "items": {}}}, "order.items"),
    (REDEEM, {**DEVICE, "order": {"id": "o1", "items": [{"productId": "5"}] * 101}}, "order.items"),
    (REDEEM, {**DEVICE, "order": {"id": "o1", "items": [{}]}}, "order.items[0].productId"),
    (
        REDEEM,
        {**DEVICE, "order": {"id": "o1", "items": [{"productId": "5", "quantity": 0}]}},
        "order.items[0].quantity",
    ),
    (
        REDEEM,
        {**DEVICE, "order": {"id": "o1", "items": [{"productId": "5"}, {"productId": "x" * 65}]}},
        "order.items[1].productId",
    ),
    (
        REDEEM,
        {**DEVICE, "order": {"id": "o1", "items": [{"productId": "5", "price": -1}]}},
        "order.items[0].price",
    ),
    ("/voucher/GGG/redeem", ORDER, "demand.amount"),
    ("/voucher/AAA/rollback", DEVICE, "order"),
    ("/voucher/AAA/rollback", {**DEVICE, "order": {"id": None}}, "order.id"),
    ("/voucher/AAA/unlock", {}, "deviceId"),
)


async def test_bad_device_calls(ready: Api) -> None:
    """Every bad argument of a device call is a 400 that names it."""
    for path, body, name in DEVICE_ROWS:
        told = await refused(ready, "POST", path, 400, content=json.dumps(body))
        assert name in told["fields"] or any(n.endswith(name) for n in told["fields"]), (body, told)


async def test_all_faults_of_a_call_at_once(ready: Api) -> None:
    """The faults of one request come together."""
    body = {"order": {"id": "", "amount": -1, "items": [{"quantity": 0}]}, "demand": {"amount": 0}}
    told = await refused(ready, "POST", REDEEM, 400, content=json.dumps(body))
    assert {"deviceId", "order.id", "order.amount", "demand.amount"} < set(told["fields"])
    assert 6 == len(told["fields"])


CAMPAIGN = {"name": "Spring", "totalVouchers": 3, "voucherValue": 100}
VOUCHER = {"campaign": 1, "type": "discount", "value": 100}
REPLACEMENT = {**VOUCHER, "validationRules": []}
MANAGEMENT_ROWS: tuple[tuple[str, str, Any, str, str], ...] = (
    *(
        ("POST", "/campaign", {**CAMPAIGN, name: value}, "", name)
        for name, value in (
            ("totalVouchers", -1), ("totalVouchers", 1_000_001), ("totalVouchers", None),
            ("name", None), ("name", ""), ("name", "x" * 256), ("prefix", "TOOLONG"),
            ("prefix", "A-B"), ("type", "percent"), ("valueType", "percent"),
            ("resetFrequency", "year"), ("timeZone", "CEST"), ("voucherStyle", "{"),
            ("expiresOn", "31/12/2026"), ("expiresOn", "2026-03-09"), ("voucherValue", -1),
            ("voucherValue", 1.5), ("redemptionLimit", True), ("currency", "EURO"),
            ("status", "creating"), ("colour", "red"),
        )
    ),
    ("PUT", "/campaign/1/validationrules", [{"field": "weather", "value": "x"}],
     "unknown_rule_field", ""),
    ("PUT", "/campaign/1/validationrules", [{"id": 77, "field": "product", "value": "5"}], "", ""),
    ("PUT", "/campaign/1/validationrules", {}, "", ""),
    ("POST", "/voucher", {**VOUCHER, "count": 5001}, "count_out_of_range", "count"),
    ("POST", "/voucher", {**VOUCHER, "count": 0}, "", "count"),
    ("POST", "/voucher", {**VOUCHER, "count": 2, "code": "X"}, "code_with_count", ""),
    ("POST", "/voucher", {**VOUCHER, "type": "gift"}, "voucher_type_mismatch", "type"),
    ("POST", "/voucher", {**VOUCHER, "campaign": 99}, "campaign_not_found", "campaign"),
    ("POST", "/voucher", {**VOUCHER, "code": "a b"}, "invalid_code", "code"),
    ("POST", "/voucher", {**VOUCHER, "value": -1}, "", "value"),
    ("POST", "/voucher", {"campaign": 1, "type": "discount"}, "", "value"),
    ("PATCH", "/voucher/1", {"campaign": 2, "value": 5}, "campaign_mismatch", ""),
    ("PATCH", "/voucher/1", {"value": 5}, "", "campaign"),
    ("PUT", "/voucher/1", VOUCHER, "", "validationRules"),
    ("PUT", "/voucher/1", {**REPLACEMENT, "type": "gift"}, "voucher_type_mismatch", "type"),
    ("GET", "/voucher?where[nothing]=1", None, "invalid_filter", ""),
    ("GET", "/voucher?sort=nothing", None, "invalid_sort", ""),
    ("GET", "/voucher?limit=101", None, "", "limit"),
)  # fmt: skip


async def test_bad_management_calls(ready: Api) -> None:
    """Every bad row of the campaign and voucher management is a 400 with its code and field."""
    for method, path, body, code, name in MANAGEMENT_ROWS:
        sent = {} if body is None else {"content": json.dumps(body)}
        told = await refused(ready, method, path, 400, user=True, **sent)
        assert code in ("", told["code"]), (path, body, told)
        assert not name or name in told["fields"], (path, body, told)


async def test_conflicts_and_absences(ready: Api) -> None:
    """409 for a code that is taken in its campaign, 404 for ids that are none."""
    taken = await refused(
        ready, "POST", "/voucher", 409, user=True, content=json.dumps({**VOUCHER, "code": "aaa"})
    )
    assert "code_taken" == taken["code"]
    for path in ("/voucher/99999", "/voucher/x", "/voucher/0", f"/voucher/{2**70}", "/campaign/-1"):
        assert "not_found" == (await refused(ready, "GET", path, 404, user=True))["code"]


BODIES: tuple[tuple[bytes, int], ...] = (
    (b"", 400),
    (b"not json", 400),
    (b"[]", 400),
    (b"null", 400),
    (b'"gw-0080"', 400),
    (b'{"deviceId":"gw-0080"', 400),
    (b'{"deviceId":"gw-0080"}}', 400),
    (b'{"deviceId":"gw-\xff80"}', 400),
    (b'{"deviceId":"gw-0080","lockDuration":NaN}', 400),
    (b'{"deviceId":"gw-0080","lockDuration":Infinity}', 400),
    (b'{"deviceId":"gw-0080","lockDuration":1e999}', 400),
    (b'{"deviceId":"gw-0080","lockDuration":' + b"9" * 5000 + b"}", 400),
    (b'{"deviceId":"gw-0080","demand":{"amount":' + b"9" * 400 + b"}}", 400),
    (b'{"deviceId":"gw-0080","campaign":' + b"9" * 30 + b"}", 400),
    (b'{"deviceId":"gw-0080","order":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400),
    (b'{"deviceId":"gw-0080","order":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", 400),
    (b"[" * 10_000, 400),
    (b'{"deviceId":"gw-0080\\ud800","order":{"id":"o1"}}', 400),
    (b'{"deviceId":"gw-0080","order":{"id":"o\\u0000"}}', 400),
    (b'{"deviceId":"gw-0080"}' + b" " * BODY_BYTES_MAX, 413),
)


@pytest.mark.parametrize("path", [REDEEM, "/campaign"])
async def test_bodies_nobody_should_read(ready: Api, path: str) -> None:
    """Broken, deep, huge and oversized bodies, for the lane and for an ordinary route."""
    for body, status in BODIES:
        await refused(ready, "POST", path, status, user=True, content=body)


async def test_body_of_unknown_length(ready: Api) -> None:
    """A body that is sent in pieces without a length is cut off at the same size."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"deviceId":"gw-0080","order":{"id":"'
        for _ in range(17):
            yield b"x" * (1 << 16)

    await refused(ready, "POST", REDEEM, 413, content=pieces())


async def test_media_types_and_methods(ready: Api) -> None:
    """415 for another media type, 405 for another method, 401 and 403 for the wrong caller."""
    text = json.dumps(ORDER)
    for media_type in ("text/plain", "application/xml", "application/jsonx"):
        headers = {"Content-Type": media_type}
        await refused(ready, "POST", REDEEM, 415, content=text, headers=headers)
    told = await refused(ready, "DELETE", REDEEM, 405)
    assert "method_not_allowed" == told["code"]
    for wrong in ("", "Bearer", "Bearer x", "Bearer a.b.c", "Basic !", "Basic Z3ctMDA4MDp4", "x"):
        headers = {"Authorization": wrong}
        told = await refused(ready, "POST", REDEEM, 401, content=text, headers=headers)
        assert "unauthorized" == told["code"] or told["code"].startswith(("token", "invalid"))
    await refused(ready, "GET", "/campaign", 403)


async def test_codes_that_cannot_be(ready: Api) -> None:
    """A code that no voucher can have is unknown, whatever bytes it is made of."""
    for code in ("%00", "%ff%fe", "a%2Fb", "%F0%9F%98%80", "x" * 65, "x" * 5000, "%", "%zz", "'"):
        path = f"/voucher/{code}/redeem"
        told = await refused(ready, "POST", path, 404, user=True, content=json.dumps(ORDER))
        assert told["code"] in ("voucher_not_found", "not_found"), code


async def test_bent_calls(api: Api, seed: int) -> None:
    """Valid calls bent at random: documented answers only, and errors write nothing."""
    tally = await mutate.run(api, vending.OF_VOUCHERS, MUTATIONS, seed)
    assert [] == tally.faults[:10], f"seed {seed}, {dict(tally.statuses)}"
    assert tally.statuses[400] > MUTATIONS / 4
