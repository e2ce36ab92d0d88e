"""Valid calls, bent at random: `python -m tests.api.mutate [COUNT] [SEED]` runs 100 000 of them.

A call is bent in its bytes, in its JSON or in its query. Whatever comes back must be an answer that
the API documents: never a 5xx, an error in the documented shape, and nothing written by an error.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.api.conftest import Api, Caller, running
from tests.clocks import SettableClock
from tests.servers import STOCKED, Databases, PostgreSQL

ERROR_MEMBERS = {
    "message", "code", "fields", "reason", "valid", "redeemed", "rolledBack", "unlocked",
}  # fmt: skip
WRITTEN = """
select (select count(*) from voucher.campaign), (select sum(policy_revision) from voucher.campaign),
       (select count(*) from voucher.campaign_rule), (select count(*) from voucher.voucher),
       (select sum(version) from voucher.voucher), (select count(*) from voucher.redemption),
       (select count(*) from voucher.history where action <> 0),
       (select count(*) from farebox.outbox)
"""
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -0.0, 2**31, 2**63, 2**64, 10**40, "", " ", "\x00",
    "x" * 129, "x" * 5000, "1", "-1", "9" * 19, "\ud800", "é", "😀", "NaN", [], {}, [[]], [None],
    {"": None}, {"amount": {}}, "2026-02-30", "2026-13-01", "9999-12-31", "0001-01-01",
    "2026-12-31T23:59:60", "Europe/Nowhere", "../../etc/passwd", "'; drop table x; --",
)  # fmt: skip
TEXTS = (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"01", b"0x10", b"\xff\xfe", b"\x00", b"//")


@dataclass(frozen=True)
class Valid:
    """A call that is in order: who makes it, and what with."""

    who: str
    method: str
    path: str
    body: Any = None
    query: str = ""


@dataclass
class Tally:
    """What came back, and what should not have."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


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


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members of a JSON value."""
    found = [here]
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for name, inner in pairs:
        found += places(inner, (*here, name))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with one member replaced."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def bend_json(rng: random.Random, body: Any) -> bytes:
    """One or two members replaced by something odd."""
    for _ in range(rng.randint(1, 2)):
        body = replaced(body, rng.choice(places(body)), rng.choice(ODD))
        if not isinstance(body, dict | list) or not body:
            break
    return json.dumps(body).encode()


def bend_bytes(rng: random.Random, text: bytes) -> bytes:
    """A few bytes changed, removed, added, repeated or cut off."""
    data = bytearray(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1) if data else 0
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at : at + rng.randint(1, 4)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 3))
        elif kind == 3:
            data[at:at] = rng.choice(TEXTS)
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 20)]
        else:
            del data[at:]
    return bytes(data)


def bent(rng: random.Random, call: Valid) -> tuple[str, bytes, dict[str, str]]:
    """Path with query, body and headers of a call that was in order."""
    headers = {"Content-Type": "application/json"} if call.body is not None else {}
    path, data = call.path, b"" if call.body is None else json.dumps(call.body).encode()
    if call.query:
        query = bend_bytes(rng, call.query.encode())
        return f"{path}?{quote(query, safe='[]=&{}:,%')}", b"", headers
    dice = rng.random()
    if dice < 0.45:
        data = bend_json(rng, call.body)
    elif dice < 0.92:
        data = bend_bytes(rng, data)
    elif dice < 0.96:
        number = rng.choice(("0", "-1", "x", "99999999999999999999", "%00", "%ff", "1.5", "é"))
        parts = path.split("/")
        path = "/".join(quote(number, safe="%") if part.isdigit() else part for part in parts)
    else:
        headers["Content-Type"] = rng.choice(("", "text/plain", "application/jsonx", "a/b;;", "\t"))
    return path, data, headers


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


async def run(api: Api, count: int, seed: int) -> Tally:
    """Sends `count` bent calls, one after another, and looks at the tables after each."""
    calls, rng, tally = await prepare(api), random.Random(seed), Tally()
    callers: dict[str, Caller] = {}
    written = await api.services.pool.fetchrow(WRITTEN)
    for number in range(count):
        if number % 500 == 0:
            callers = {"user": await api.login("nora"), "device": await api.device()}
        call = rng.choice(calls)
        path, data, headers = bent(rng, call)
        told = f"{call.method} {path} {data[:300]!r} {headers}"
        try:
            answer = await api.client.request(
                call.method,
                f"/vending{path}",
                content=data,
                headers={**headers, **callers[call.who].headers},
            )
        except httpx.InvalidURL:
            continue
        except Exception as error:  # noqa: BLE001 - the application let an exception out
            tally.faults.append(f"{told}: raised {error!r}")
            continue
        tally.statuses[answer.status_code] += 1
        if fault := fault_of(answer):
            tally.faults.append(f"{told}: {fault}: {answer.status_code} {answer.text[:300]}")
        now = await api.services.pool.fetchrow(WRITTEN)
        if answer.status_code >= 400 and now != written:
            tally.faults.append(f"{told}: {answer.status_code}, but something was written")
        written = now
    return tally


@asynccontextmanager
async def standing() -> AsyncIterator[Api]:
    """The application on a server of its own, for runs outside pytest."""
    server = PostgreSQL()
    databases = Databases(await asyncio.to_thread(server.start), "mutate")
    clock = SettableClock()
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with running(databases.create(STOCKED), clock, Path(folder)) as (services, app):
                transport = httpx.ASGITransport(app=app)
                base = "http://farebox.test"
                async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                    yield Api(app, client, services, clock)
    finally:
        await asyncio.to_thread(databases.close)
        await asyncio.to_thread(server.stop)


async def main(count: int, seed: int) -> int:
    async with standing() as api:
        tally = await run(api, count, seed)
    sys.stdout.writelines(f"{fault}\n" for fault in tally.faults[:50])
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(tally.statuses.items()))
    sys.stdout.write(f"{count} calls, seed {seed}, {len(tally.faults)} faults ({statuses})\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    count, seed = (given + [100_000, int.from_bytes(os.urandom(4))][len(given) :])[:2]
    sys.exit(asyncio.run(main(count, seed)))
