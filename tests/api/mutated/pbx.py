"""Calls of the hosted PBX's API that are in order: the golden cases that succeed, and operators'.

A record in a parameter is sent as an object and as JSON text. The fixture comes back again and
again, or soon nothing would be left to be called about.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from farebox.demo_exchange import load_exchange
from tests.api.conftest import Api
from tests.api.mutate import Family, Valid
from tests.api.pbx.cases import CASES
from tests.api.pbx.conftest import authorization, opened
from tests.api.pbx.test_admin import KINDS
from tests.api.pbx.test_intake import CALL, WHOLE
from tests.clocks import SettableClock
from tests.servers import Databases

HISTORY = {
    "start_date_ymd": "2024-03-10", "end_date_ymd": "20240311", "cost": ">0", "limit": "5",
    "tenant_code": "uniglobedorval", "disposition": "BUSY,NO_ANSWER", "firstdst": "15145550100, 7",
}  # fmt: skip
# Ids of the fixture, by the path of their kind.
IDS = {
    "tenants": "80", "users": "134", "extensions": "240", "dids": "2", "hunts": "3",
    "voicemails": "55", "conditions": "2", "ivrs": "1", "customs": "2", "custom-types": "1",
    "destinations": "156", "phone-models": "1", "phones": "1",
}  # fmt: skip
# Bringing everybody's passwords in takes a second.
PLAIN = {name: rows for name, rows in WHOLE.items() if name != "users"}
OPERATED: tuple[tuple[str, str, Any, str], ...] = (
    ("POST", "cdrs", {"cdrs": [CALL, {**CALL, "sequence": 1}]}, ""),
    ("POST", "import", PLAIN, ""),
    ("POST", "import", {"dry_run": "yes", **PLAIN}, ""),
    ("POST", "import", {"users": [{"us_username": "Airlord", "tenants": ["AdviceWise"]}]}, ""),
    ("POST", "extensions/11/rotate-secret", {}, ""),
    ("GET", "users/134/tenants", None, ""),
    ("PUT", "users/134/tenants", {"tenants": ["2", 80]}, ""),
    ("GET", "audit", None, "limit=5&after=0&tenant_id=2"),
    ("DELETE", "tenants/2", None, "cascade=1"),
)
MESSAGES = re.compile(
    "Please Enter Required Fields|(Invalid (Parameter|JSON In Parameter|Field) [a-z_0-9]+"
    "|Invalid (Disposition|Cost|Encoding)|Date Range Too Large|Start Date After End Date"
    "|Password Too (Short|Long)|Malformed Body|Record (Not Found|Already Exists|In Use)"
    r"|Invalid Row ([a-z_]+ )?\d+ Field [a-z_0-9]+|Number Already In Use|Request Too Large"
    r"|Unsupported Media Type|Please Enter Required Fields)\."
    "|Unauthorized Access|Not Found|Method Not Allowed|Too Many Requests"
)


def valid_calls() -> list[Valid]:
    """Every documented operation as its golden cases call it, and the operators' routes."""
    calls = [Valid("admin", "POST", "/cdr/getCallHistory", HISTORY)]
    for rows in CASES.values():
        for row in rows:
            if row.status != 200 or row.by not in ("admin", "advicewise"):
                continue
            body = dict(row.form) if row.method == "POST" else None
            calls.append(Valid(row.by, row.method, row.path, body))
            if body and any(text.startswith("{") for text in body.values()):
                plain = {
                    name: json.loads(text) if text.startswith("{") else text
                    for name, text in body.items()
                }
                calls.append(Valid(row.by, row.method, row.path, plain))
    for path, (new, change, _) in KINDS.items():
        key = f"/admin/{path}/{IDS[path]}"
        calls += [
            Valid("admin", "POST", f"/admin/{path}", new),
            Valid("admin", "GET", f"/admin/{path}", query="limit=5&after=1&tenant_id=80"),
            Valid("admin", "GET", key),
            Valid("admin", "PUT", key, change),
            Valid("admin", "DELETE", key),
        ]
    calls += [
        Valid("admin", method, f"/admin/{path}", body, query)
        for method, path, body, query in OPERATED
    ]
    return calls


async def prepare(api: Api) -> list[Valid]:
    """Nothing is needed but that no job writes meanwhile."""
    await api.services.worker.stop()
    return valid_calls()


async def renew(api: Api) -> dict[str, Mapping[str, str]]:
    """The fixture as it was, and who calls."""
    services = api.services
    await api.execute(
        "truncate pbx.tenant, pbx.tenant_code, pbx.users, pbx.cdr, pbx.cdr_key cascade"
    )
    await api.execute("delete from pbx.phone_model where id > 1")
    await api.execute("delete from pbx.custom_type where id > 1")
    for kind, name in (("phone_model", "Generic SIP"), ("custom_type", "FORWARD")):
        await api.execute(
            f"insert into pbx.{kind} (id, name, created_at_ms, updated_at_ms)"
            f" values (1, '{name}', 0, 0) on conflict (id) do update set name = excluded.name"
        )
    await load_exchange(services.pool, api.clock, services.access._keys.by_kid)
    return {name: authorization(name) for name in ("admin", "advicewise")}


def fault_of(answer: httpx.Response) -> str | None:
    """What is wrong with an answer, if anything."""
    if answer.status_code >= 500:
        return "5xx"
    try:
        body = answer.json()
    except ValueError:
        return "no JSON"
    if "no-store" != answer.headers.get("cache-control"):
        return "an answer that may be kept"
    if answer.status_code < 400:
        is_right = body.keys() - {"paging"} == {"status", "data"} and body["status"] == "success"
        return None if is_right else "a success of another shape"
    if body.keys() != {"status", "message"} or body["status"] != "failed":
        return "a refusal of another shape"
    return None if MESSAGES.fullmatch(body["message"]) else "a refusal in words of its own"


@asynccontextmanager
async def standing(databases: Databases, folder: Path) -> AsyncIterator[Api]:
    """The application as a demonstration has it."""
    async with opened(databases.create(), folder, SettableClock()) as api:
        yield api


FAMILY = Family(
    prefix="/pbx",
    opened=standing,
    prepare=prepare,
    renew=renew,
    fault_of=fault_of,
    encodings=("json", "form", "multipart"),
    schema="pbx",
)
