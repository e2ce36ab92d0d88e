"""Calls of the IPTV portal that are in order: the golden cases that succeed, operators', boxes'.

Refusals have statuses of their own here, or it could not be told that they have written nothing.
The fixture comes back again and again, or soon nothing would be left to be called about.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from argon2 import PasswordHasher

from farebox.demo_portal import load_portal
from farebox.locks import LocalAttempts
from tests.api.conftest import Api
from tests.api.iptv.cases import CASES, M1, M2
from tests.api.iptv.conftest import authorization, opened
from tests.api.iptv.test_admin import KINDS
from tests.api.iptv.test_bulk import WHOLE
from tests.api.mutate import Family, Valid
from tests.clocks import SettableClock
from tests.servers import Databases

DEVICE = "a" * 32
# What the documented operations and boxes hear: iptv.md 1.1, and what a proxy might add.
WORDS = re.compile(
    r"HTTP (POST|PUT) data is empty|(Insert|Update) data is empty|Identifier (required|not allowed)"
    r"|Only one identifier allowed|Too many (identifiers|fields|requests)|Empty msg|Event required"
    r"|Login (and password )?required|Not valid (mac address|date: )?[a-z_]*"
    r'|Value too long: [a-z_]+|Unknown event "(.|\n)*"|Reseller name required|Invalid encoding'
    r"|Malformed body|401 Unauthorized request|Device not authorized|Resource denied by admin"
    r"|Reseller users limit exceeded|(STB|Account|Channel|Package|Reseller|Event) not found"
    r"|One or more (identifiers are incorrect|(channels|packages) are incorrect: (.|\n)+)"
    r'|Tariff plan not found|Reseller does not exist|Resource "(.|\n)*" does not exist'
    r'|Resource "[a-z_]+" does not support action "[a-z]+"|Not supported method'
    r"|Login already in use|MAC address already in use|Stb already exists|Request too large"
    r"|Reseller with this name already exists|Unsupported media type"
)


def valid_calls() -> list[Valid]:
    """Every documented operation as its golden cases call it, operators' routes, and boxes'."""
    calls = []
    for row in (row for rows in CASES.values() for row in rows if not row.status):
        method, _, path = row.call.partition(" ")
        path, _, query = path.partition("?")
        calls.append(Valid("billing", method, path, unfolded(row.body) or None, query))
    for kind, (new, change, _) in KINDS.items():
        calls += [
            Valid("stalker", "GET", f"/admin/{kind}", query="limit=5&offset=1"),
            Valid("stalker", "POST", f"/admin/{kind}", new),
            Valid("stalker", "GET", f"/admin/{kind}/1"),
            Valid("stalker", "PUT", f"/admin/{kind}/1", change),
            Valid("stalker", "PUT", f"/admin/{kind}/27", change),
            Valid("stalker", "DELETE", f"/admin/{kind}/2", query="force=1"),
        ]
    calls += [
        Valid("billing", "GET", "/reseller/1"),
        Valid("billing", "PUT", "/reseller/1", {"name": "3", "max_users": "5"}),
        Valid("billing", "DELETE", "/reseller/1"),
        Valid("stalker", "POST", "/admin/api-users", {"login": "kim", "password": "kims pass"}),
        Valid("stalker", "GET", "/admin/api-users/kim"),
        Valid("stalker", "PUT", "/admin/api-users/kim", {"role": "api"}),
        Valid("stalker", "DELETE", "/admin/api-users/kim"),
        Valid("stalker", "GET", "/admin/events", query=f"account={M1}&event=reboot&state=sent"),
        Valid("stalker", "DELETE", f"/admin/devices/{M2}"),
        *(Valid("stalker", "POST", "/admin/import", {"dry_run": 1, **WHOLE}) for _ in range(5)),
        *(Valid("stalker", "POST", "/admin/import", {name: WHOLE[name]}) for name in WHOLE),
        Valid("box", "POST", "/device/auth", {"mac": M1, "device_id": DEVICE, "sn": "1"}),
        Valid("box", "GET", "/device/events", query="event_active_id=1&init=0&cur_play_type=2"),
        *(Valid("box", "GET", "/device/events", query="init=1&wait=0") for _ in range(3)),
        Valid("box", "POST", "/device/events/1/confirm"),
    ]
    return calls


def unfolded(form: str) -> dict[str, Any]:
    """A form as an object, with the lists of `name[]`."""
    given: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        plain, is_list, _ = name.partition("[")
        if is_list:
            given.setdefault(plain, []).append(value)
        else:
            given[plain] = value
    return given


class Hasty(PasswordHasher):
    """Hashes in no time; what was hashed with care stays as it is."""

    def check_needs_rehash(self, hash: str | bytes) -> bool:
        """Never."""
        del hash
        return False


async def prepare(api: Api) -> list[Valid]:
    """Nothing is needed but that nobody calls too often, and that no chore writes meanwhile."""
    await api.services.worker.stop()
    portal = api.services.portal
    portal.polls._restraint.attempts = LocalAttempts(10**6, 1)
    portal.passwords._hasher = Hasty(time_cost=1, memory_cost=8, parallelism=1)
    return valid_calls()


async def renew(api: Api) -> dict[str, Mapping[str, str]]:
    """The fixture as it was, with a box that has signed in."""
    await api.execute(
        "truncate iptv.account, iptv.tariff, iptv.package, iptv.channel, iptv.content,"
        " iptv.reseller, iptv.api_user, iptv.presence restart identity cascade"
    )
    await load_portal(api.services.pool, api.clock())
    body = {"mac": M1, "device_id": DEVICE}
    answer = await api.client.post("/iptv/device/auth", json=body)
    token = {"Authorization": f"Bearer {answer.json()['results']['token']}"}
    return {"box": token, **{name: authorization(name) for name in ("billing", "stalker")}}


def fault_of(answer: httpx.Response) -> str | None:
    """What is wrong with an answer, if anything."""
    if answer.status_code >= 500:
        return "5xx"
    try:
        body = answer.json()
    except ValueError:
        return "no JSON"
    if answer.status_code < 400:
        is_right = body.keys() == {"status", "results"} and body["status"] == "OK"
        return None if is_right else "a success of another shape"
    if body.keys() != {"status", "results", "error"} or (body["status"], body["results"]) != (
        "ERROR",
        "",
    ):
        return "an error of another shape"
    is_operators = answer.request.url.path.startswith("/iptv/admin/")
    if not body["error"] or not (is_operators or WORDS.fullmatch(body["error"])):
        return "an error in other words"
    return None


@asynccontextmanager
async def portal(databases: Databases, folder: Path) -> AsyncIterator[Api]:
    """The application with refusals that have statuses."""
    clock = SettableClock()
    settings = {
        "FAREBOX_IPTV_ERROR_STATUS": "http",
        # A machine that stands still for a moment is no fault of the calls.
        "FAREBOX_STATEMENT_TIMEOUT_MS": "60000",
    }
    async with opened(databases.create(), folder, clock, **settings) as api:
        yield api


FAMILY = Family(
    prefix="/iptv",
    opened=portal,
    prepare=prepare,
    renew=renew,
    fault_of=fault_of,
    encodings=("json", "form"),
    schema="iptv",
    # Written a moment after the polls that it is about.
    unwatched=("presence",),
)
