"""Calls of the provider's API that are in order: the golden cases that succeed, and operators'.

The far sides are the demonstration's simulators, which take everything; limits of calls are out of
the way, and the fixture comes back again and again, or soon nothing would be left to be called
about.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec

from farebox.api.isp.arguments import unfold
from farebox.demo_provider import load_provider
from farebox.domain.errors import UnavailableError
from farebox.locks import LocalAttempts
from tests.api.conftest import Api
from tests.api.isp.conftest import authorization, opened
from tests.api.isp.test_provisioning import NOUNS
from tests.api.mutate import Family, Valid
from tests.servers import Databases

CASES = Path(__file__).parents[1] / "isp" / "cases.jsonl"
# Where a far side may be the reason of a failure: E31, E32, E33, E36.
FAR = ("coa_request", "send_sms_to_user", "send_email_to_user", "get_radius_statistics")
# What the documented operations call their refusals.
REASONS = {
    "missing_argument", "invalid_argument", "conflicting_arguments", "malformed_body",
    "unauthorized", "forbidden_account", "forbidden_scope", "user_not_found", "group_not_found",
    "area_not_found", "street_not_found", "block_not_found", "admin_not_found",
    "template_not_found", "collection_not_found", "ticket_not_found", "row_not_found",
    "unknown_operation", "method_not_allowed", "body_too_large", "unsupported_media_type",
    "already_approved", "already_disapproved", "amount_mismatch", "duplicate_name",
    "duplicate_cheque", "same_group", "no_expiry", "user_offline", "no_contact", "user_busy",
    "idempotency_mismatch", "rate_limited",
}  # fmt: skip
RECORDS = [
    {"nas": "127.0.0.1", "sessionId": "s9", "user": "testuser", "at": 1795321000, "in": 5,
     "out": 70, "type": "interim", "sessionTime": 60, "framedIp": "10.0.0.9", "gigawords": True},
    {"recordId": "r1", "user": "testpay", "at": "2026-11-22T09:00:00+05:30", "upload": 1,
     "download": 2},
]  # fmt: skip
COLUMNS = {
    "now": 1795321800000, "mode": [1], "flags": [12], "limit": [100], "topup": [0],
    "carried": [0], "up": [40], "down": [50], "period_start": [1793471400000],
    "period_end": [1796063400000], "cal": [0], "t1": [11], "t2": [12], "applied": [11],
    "offsets": [0, 3], "boundaries": [1793471400000, 1796063400000, 1798741800000],
}  # fmt: skip
OPERATED: tuple[tuple[str, str, Any], ...] = (
    ("POST", "accounts", {"newAccountId": "branch", "timezone": "UTC", "currency": "EUR"}),
    ("PATCH", "accounts/niroop", {"companyName": "N", "collectionAutoApprove": "yes"}),
    ("POST", "accounts/niroop/credentials", {"apiToken": "t-new", "scopes": ["read", "write"]}),
    ("GET", "accounts/niroop", None),
    ("DELETE", "accounts/niroop", None),
    ("PATCH", "accounts/niroop", {"alertThresholds": [50, 90], "exposeApiKey": "no"}),
    ("PATCH", "accounts/niroop/credentials/tokenname",
     {"enabled": True, "cidrs": ["10.0.0.0/8"], "expiresAt": "2027-01-01 00:00:00"}),
    ("DELETE", "accounts/niroop/credentials/tokenname", None),
    ("GET", "accounts/niroop/sms_gateway", None),
    ("POST", "accounts/test/sms_gateway/test", {"number": "5551234567"}),
    ("POST", "accounts/test/smtp/test", {"email": "a@example.test"}),
    ("GET", "accounts/test/templates/email/suspend", None),
    ("PUT", "accounts/niroop/sms_gateway", {
        "url": "https://sms.example.test/send", "headers": {"X-Key": "1"}, "body": "{text}",
        "successPattern": "ok*", "sender": "N"}),
    ("PUT", "accounts/niroop/smtp", {"url": "smtps://mail.example.test", "from": "a@b.test"}),
    ("PUT", "accounts/test/templates/sms/userBalance", {"subject": "", "body": "{balance}"}),
    ("PUT", "users/471/password", {"password": "correct horse"}),
    ("POST", "users/471/status", {"status": "suspended", "reason": "late"}),
    ("PUT", "users/199/location", {"latitude": "1.5", "longitude": "2", "areaId": 2,
                                   "streetId": 2, "blockId": 2}),
    ("POST", "users/199/static_ips", {"staticIpAddress": "10.9.9.9",
                                      "staticIpBoundMac": "aa:bb:cc:dd:ee:ff"}),
    ("GET", "users/1/static_ips", None),
    ("DELETE", "users/1/static_ips/1", None),
    ("POST", "users/1/topups", {"bytes": 1 << 20}),
    ("POST", "users/1/topups", {"amount": "-0.5", "unit": "gb"}),
    ("POST", "radius/authorize", {
        "User-Name": {"type": "string", "value": ["testuser"]}, "NAS-IP-Address": "127.0.0.1"}),
    ("POST", "users/199/charges", {"amount": "10.5", "reference": "x"}),
    ("POST", "users/199/payments", {"amount": 4}),
    ("POST", "users/199/adjustments", {"amount": "-0.25"}),
    ("GET", "users/199/ledger", None),
    ("POST", "users/199/renew", {}),
    ("POST", "fup/evaluate", {"userIds": [1, 471], "now": 1795321800, "dryRun": True}),
    ("POST", "fup/evaluate", {"userIds": [1]}),
    ("GET", "fup/users/1", None),
    ("POST", "fup/quota", COLUMNS),
    ("POST", "usage/batch", RECORDS),
    ("GET", "usage/1", None),
)  # fmt: skip
LISTED = (
    ("audit", "from=2026-11-01&to=2026-11-30&userId=1&limit=5"),
    ("collection_requests", "userId=133&limit=5&afterId=1"),
    ("users", 'where={"status":"active","groupId":"5"}&limit=2'),
    ("export/users", "accountId=niroop"),
    ("export/profiles", "accountId=test"),
)
BROUGHT = {
    "users": ("text/csv", (
        "username,groupId,name,expirationTime,password\n"
        'anna,5,"Anna, B",2027-01-01 00:00:00,pw\ntestuser,5,T,,\n'
    )),
    "groups": ("application/x-ndjson", '{"name":"g","profileId":5}\n{"name":"h","profileId":6}\n'),
    "profiles": ("text/csv", (
        'name,policy,price\nP,"{""bandwidthReset"":""always"",""bandwidthTemplate"":11}",1.5\n'
    )),
    "bandwidth_templates": ("application/x-ndjson", '{"name":"t","upKbps":1,"downKbps":2}\n'),
}  # fmt: skip


def valid_calls() -> list[Valid]:
    """Every documented operation as its golden cases call it, and the operators' routes."""
    calls = []
    for line in CASES.read_text("utf-8").splitlines():
        case = msgspec.json.decode(line)
        if case["status"] == 200 and "after" not in case:
            method, _, path = case["req"].partition(" ")
            path, _, query = path.removeprefix("/isp").partition("?")
            body = case.get("json") or _unfolded(case.get("form"))
            calls.append(Valid(case.get("cred", "t-test"), method, path, body, query))
    for noun, new, change, _, _ in NOUNS:
        calls.append(Valid("t-root", "GET", f"/admin/{noun}", query="limit=5&afterId=1"))
        calls.append(Valid("t-root", "POST", f"/admin/{noun}", new))
        calls += [
            Valid("t-root", "PATCH", f"/admin/{noun}/{number}", change) for number in (5, 471, 9)
        ]
        calls.append(Valid("t-root", "DELETE", f"/admin/{noun}/9"))
    calls += [Valid("t-root", method, f"/admin/{path}", body) for method, path, body in OPERATED]
    calls += [Valid("t-root", "GET", f"/admin/{path}", query=query) for path, query in LISTED]
    calls += [
        Valid("t-root", "POST", f"/admin/import/{noun}", body, media_type=kind)
        for noun, (kind, body) in BROUGHT.items()
    ]
    return calls


def _unfolded(form: Mapping[str, Any] | None) -> Any:
    if form is None:
        return None
    pairs = [
        (name.replace("[]", f"[{at}]"), one)
        for name, value in form.items()
        for at, one in enumerate(value if isinstance(value, list) else [value])
    ]
    return unfold(pairs)


async def prepare(api: Api) -> list[Valid]:
    """Nothing is needed but that nobody calls too often, and that no job writes meanwhile."""
    await api.services.worker.stop()
    for task in asyncio.all_tasks():
        if task.get_name() == "telling":
            task.cancel()
    attempts = api.services.provider.limits._attempts
    attempts.update({name: LocalAttempts(10**6, 1) for name in attempts})
    return valid_calls()


async def renew(api: Api) -> dict[str, Mapping[str, str]]:
    """The fixture as it was, and its credentials."""
    services = api.services
    # Chores in the background hold locks now and then, on a busy machine for longer.
    for _ in range(10):
        with suppress(UnavailableError):
            await api.execute("truncate isp.account, farebox.outbox, farebox.idempotency cascade")
            await load_provider(services.pool, api.clock, services.access._keys.by_kid)
            break
    money = {"Idempotency-Key": str(api.services.pool.get_size())}
    return {token: {**authorization(token), **money} for token in ("t-test", "t-root", "tokenname")}


def fault_of(answer: httpx.Response) -> str | None:
    """What is wrong with an answer, if anything."""
    status, path = answer.status_code, answer.request.url.path
    if status >= 500 and not is_far(answer):
        return "5xx"
    if status == 204 or not answer.headers["content-type"].startswith("application/json"):
        return None
    try:
        body = answer.json()
    except ValueError:
        return "no JSON"
    if status < 400:
        return None
    if body.keys() != {"status", "errorCode", "error", "message"}:
        return "an error of another shape"
    if (body["status"], body["errorCode"]) != ("error", status):
        return "an error that contradicts itself"
    if path.startswith("/isp/api/v1/") and status < 500 and body["error"] not in REASONS:
        return "an error with a reason of its own"
    return None if body["message"] else "an error without its words"


def is_far(answer: httpx.Response) -> bool:
    """Whether a far side failed, where the document knows that."""
    name = answer.request.url.path.removeprefix("/isp/api/v1/").partition("/")[0]
    return 502 <= answer.status_code <= 504 and name in FAR


@asynccontextmanager
async def simulated(databases: Databases, folder: Path) -> AsyncIterator[Api]:
    """The application as a demonstration has it."""
    async with opened(databases.create(), folder) as provider:
        yield provider.api


FAMILY = Family(
    prefix="/isp",
    opened=simulated,
    prepare=prepare,
    renew=renew,
    fault_of=fault_of,
    is_far=is_far,
    encodings=("json", "form", "multipart"),
    schema="isp",
    # Refusals are noted in the audit log, and a credential knows when it was last used.
    unwatched=("audit", "credential_use"),
    sends_keys=True,
)
