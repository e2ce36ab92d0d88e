"""What operators do beside the declared nouns: accounts, credentials, senders, logs, top-ups."""

import asyncio
from typing import Any

from tests.api.isp.conftest import Provider
from tests.api.mutated.isp import fault_of

MIB = 1 << 20
GATEWAY = {"url": "https://sms.example.test/x", "body": "{text}", "sender": "ME"}
# Method, path, body, status, what the answer's `data` has; played in this order.
ROWS: tuple[tuple[str, str, Any, int, Any], ...] = (
    ("GET", "accounts/niroop", None, 200, {"parentAccountId": "test", "currency": "INR"}),
    ("GET", "accounts/other", None, 403, "forbidden_account"),
    ("PATCH", "accounts/niroop", {"alertThresholds": [50, 90]}, 200, {"alertThresholds": [50, 90]}),
    ("PATCH", "accounts/niroop", {"alertThresholds": [90, 50]}, 400, "invalid_argument"),
    ("POST", "accounts", {"newAccountId": "b", "currency": "EUR"}, 201,
     {"accountId": "b", "parentAccountId": "test", "currency": "EUR", "timezone": "Asia/Kolkata"}),
    ("DELETE", "accounts/niroop", None, 409, "in_use"),
    ("DELETE", "accounts/test", None, 409, "in_use"),
    ("POST", "accounts/b/credentials", {"apiToken": "t-bb", "cidrs": ["10.0.0.7/8"]}, 201,
     {"apiToken": "t-bb"}),
    ("POST", "accounts/b/credentials", {"apiToken": "none", "cidrs": ["x"]}, 400,
     "invalid_argument"),
    ("PATCH", "accounts/b/credentials/t-bb",
     {"enabled": False, "scopes": "read admin", "expiresAt": "2027-01-01"}, 200,
     {"apiToken": "t-bb", "enabled": False, "scopes": ["read", "admin"], "cidrs": ["10.0.0.0/8"],
      "expiresAt": "2027-01-01 00:00:00"}),
    ("PATCH", "accounts/b/credentials/t-c", {}, 400, "invalid_argument"),
    ("PATCH", "accounts/b/credentials/t-cc", {}, 404, "row_not_found"),
    ("GET", "accounts/test/credentials", None, 200, 3),
    ("PATCH", "accounts/test/credentials/t-root", {}, 200, {"lastUsedAt": "2026-11-22 10:00:00"}),
    ("PATCH", "accounts/test/credentials/t-read", {}, 200, {"lastUsedAt": None}),
    ("PATCH", "accounts/b", {"usageAlerts": "both"}, 200, {"usageAlerts": "both"}),
    ("PATCH", "accounts/b", {"usageAlerts": "fax"}, 400, "invalid_argument"),
    ("DELETE", "bandwidth_templates/11", None, 409, "in_use"),
    ("POST", "profiles", {"name": "P", "policy": {"bandwidthReset": "always",
                                                  "bandwidthTemplate": 999}},
     400, "invalid_argument"),
    ("PATCH", "profiles/6", {"policy": {"bandwidthReset": "always", "bandwidthTemplate": 12}}, 200,
     {"name": "General 2Mbps Profile"}),
    ("DELETE", "bandwidth_templates/100", None, 204, None),
    ("GET", "groups/5", None, 200, {"Active_Users": 4, "Total_Users": 6, "Online_Users": 1}),
    ("GET", "groups", None, 200, 2),
    ("PATCH", "groups/6", {"Active_Users": 9}, 200, {"Active_Users": 1, "Total_Users": 2}),
    ("GET", "accounts/b/sms_gateway", None, 200, {"accountId": "test"}),
    ("PUT", "accounts/b/sms_gateway", GATEWAY, 200, None),
    ("GET", "accounts/b/sms_gateway", None, 200, {"accountId": "b", "sender": "ME"}),
    ("POST", "accounts/test/sms_gateway/test", {"number": "5551234567"}, 200,
     {"status_code": "202", "error_message": "Sms is dispatched successfully"}),
    ("POST", "accounts/test/smtp/test", {"email": "a@example.test"}, 200,
     {"status_code": "202", "error_message": "Email is sent successfully"}),
    ("GET", "accounts/b/smtp", None, 200, {"accountId": "test"}),
    ("PUT", "accounts/b/templates/sms/userBalance", {"body": "Pay {balance}"}, 200, None),
    ("GET", "accounts/b/templates/sms/userBalance", None, 200, {"body": "Pay {balance}"}),
    ("GET", "accounts/test/templates/email/suspend", None, 200, {}),
    ("GET", "accounts/test/templates/email/none", None, 404, "template_not_found"),
    ("DELETE", "accounts/b", None, 204, None),
    ("GET", "accounts/b", None, 403, "forbidden_account"),
    ("GET", "users/1/static_ips", None, 200, 2),
    ("DELETE", "users/1/static_ips/999", None, 404, "row_not_found"),
    ("DELETE", "users/1/static_ips/1", None, 204, None),
    ("GET", "users/1/static_ips", None, 200, 1),
    ("POST", "users/1/topups", {"bytes": 50 * MIB}, 201,
     {"topup": 50 * MIB, "effective": 150 * MIB, "remaining": 60 * MIB}),
    ("POST", "users/1/topups", {"amount": "-0.5", "unit": "mb"}, 201,
     {"topup": 49 * MIB + MIB // 2}),
    ("POST", "users/1/topups", {"amount": "1"}, 400, "missing_argument"),
    ("POST", "users/1/topups", {"bytes": 0}, 400, "invalid_argument"),
    ("POST", "users/1/topups", {"bytes": (1 << 60) - 1}, 400, "invalid_argument"),
    ("POST", "users/42/topups", {"bytes": 1}, 404, "user_not_found"),
    ("GET", "collection_requests", None, 200, 0),
    ("GET", "audit?userId=1&limit=1", None, 200, 1),
    ("GET", "audit?from=2026-11-23", None, 200, 0),
    ("GET", "users?where[username]=sekark", None, 200, 1),
    ("GET", 'users?where={"status":"expired","groupId":"5"}', None, 200, 1),
    ("GET", "users?where[status]=active&where[groupId]=6", None, 200, 1),
    ("GET", "users?where[phone]=1", None, 400, "invalid_argument"),
)  # fmt: skip


def test_operations(provider: Provider, loop: asyncio.Runner) -> None:
    """Status and what of the answer matters, one after the other on one fixture."""

    async def play() -> None:
        async with provider.fresh():
            for method, path, body, status, expected in ROWS:
                answer = await provider.call(method, f"/isp/admin/{path}", json=body, cred="t-root")
                assert status == answer.status_code, f"{method} {path}: {answer.text}"
                assert fault_of(answer) is None, f"{method} {path}: {answer.text}"
                told = answer.json() if answer.content else {}
                if status >= 400:
                    assert expected == told["error"], path
                elif isinstance(expected, int):
                    assert expected == len(told["data"]), f"{path}: {told}"
                elif expected is not None:
                    assert expected.items() <= told["data"].items(), f"{path}: {told}"

    loop.run(play())


def test_wishes_for_visits(provider: Provider, loop: asyncio.Runner) -> None:
    """Who asked to be visited is listed until he was."""

    async def play() -> None:
        async with provider.fresh():
            await provider.get("payment_collection_request/133/500")
            path = "/isp/admin/collection_requests?userId=133&from=2026-11-22&to=2026-11-22"
            told = (await provider.call("GET", path, cred="t-root")).json()
            expected = {"userId": "133", "bringChangeFor": "500",
                        "createdAt": "2026-11-22 10:00:00"}  # fmt: skip
            assert [expected] == told["data"]

    loop.run(play())


def test_a_credential_gives_what_it_has(provider: Provider, loop: asyncio.Runner) -> None:
    """An operator without a scope cannot hand it on, to a new credential or an old one."""

    async def play() -> None:
        async with provider.fresh():
            path = "/isp/admin/accounts/test/credentials"
            few = {"apiToken": "t-few", "scopes": ["admin", "read"]}
            made = await provider.call("POST", path, json=few, cred="t-root")
            cred = f"t-few:{made.json()['data']['apiKey']}"
            for method, name, body in (
                ("POST", path, {"apiToken": "t-more", "scopes": ["secrets"]}),
                ("PATCH", f"{path}/t-few", {"scopes": ["read", "secrets"]}),
            ):
                answer = await provider.call(method, name, json=body, cred=cred)
                assert (403, "forbidden_scope") == (answer.status_code, answer.json()["error"])

    loop.run(play())


def test_an_account_may_be_without_a_company(provider: Provider, loop: asyncio.Runner) -> None:
    """Null takes the company's name away; what is not named stays."""

    async def play() -> None:
        async with provider.fresh():
            for sent, expected in (
                ({"companyName": "Net One"}, "Net One"),
                ({"smsSenderName": "NETONE"}, "Net One"),
                ({"companyName": None}, None),
            ):
                path = "/isp/admin/accounts/test"
                answer = await provider.call("PATCH", path, json=sent, cred="t-root")
                assert 200 == answer.status_code, answer.text
                assert expected == answer.json()["data"]["companyName"]

    loop.run(play())
