"""Device calls as the OpenAPI document promises them, and bent at random."""

import json
import os
import random
from typing import Any

import httpx

from tests.api import mutate
from tests.api.conftest import Api, Golden
from tests.api.mutate import Valid
from tests.api.mutated import vending
from tests.golden import Example

NOW_S = 1773133200
MUTATIONS = int(os.environ.get("FAREBOX_MUTATIONS", "2000"))

SALE = {
    "remote": 1, "occurredAt": "2026-03-10T09:58:00+01:00", "price": 100, "plu": 1,
    "name": "Kaffee", "internalRef": "KAF", "originalPrice": 120, "barcode": "40",
    "token": "^^C:R/-0", "salestype": 1, "pricelist": 2, "usergroup": 3, "hostname": "gw-0080",
    "payments": [{"method": "virtual", "price": 100, "exclude": 0}],
}  # fmt: skip
LOG = {
    "remote": 1, "code": "ED017", "type": 1, "timestamp": NOW_S, "isResolvable": True,
    "state": "set", "extraData": {"uptime": 67},
}  # fmt: skip
EVENT = {"remote": 1, "name": "door", "value": {"open": [True, None]}, "timestamp": NOW_S}
CLEAR = {"remote": 2, "code": "ED017", "timestamp": NOW_S, "state": "clear"}
BATCHES = {
    "/device/transactions": {"transactions": [SALE, SALE | {"remote": 2}]},
    "/device/logs": {"logs": [LOG, CLEAR]},
    "/device/iotevents": {"iotevents": [EVENT, EVENT | {"remote": 2, "value": 5}]},
}
CALLS = (
    *(Valid("device", "POST", path, body) for path, body in BATCHES.items()),
    Valid("device", "POST", "/device/heartbeat",
          {"uptime": 5, "firmware": "1.2", "signal": -70, "hostname": "gw-0080"}),
    Valid("device", "POST", "/device/config/ack",
          {"version": 0, "state": "applied", "message": "ok"}),
    Valid("device", "POST", "/device/commands/1/result", {"state": "failed", "result": "no"}),
    Valid("device", "GET", "/device/commands", query="max=5"),
    Valid("device", "GET", "/device/config", query="hostname=gw-0080"),
    Valid("device", "GET", "/device/assortment", query="hostname=gw-0080"),
)  # fmt: skip

STORED = {"accepted": 2, "duplicates": 0, "rejected": [], "cursor": 2}
X = "VEND-X-DEVICE-"
EXAMPLES = (
    *(
        Example(X + path.rpartition("/")[2].upper(), "POST", path, body, answer=STORED, by="device")
        for path, body in BATCHES.items()
    ),
    Example(X + "TRANSACTIONS", "POST", "/device/transactions", {"transactions": [{"remote": 3}]},
            answer={"rejected": [{"index": 0, "remote": 3, "reason": "missing_field"}]},
            by="device"),
    Example(X + "TRANSACTIONS", "POST", "/device/transactions", {}, 400,
            {"code": "missing_parameters", "fields": {"transactions": "is required"}},
            by="device"),
    Example(X + "LOGS", "POST", "/device/logs", BATCHES["/device/logs"], 403, by="nora"),
    Example(X + "HEARTBEAT", "POST", "/device/heartbeat", {"uptime": 5},
            answer={"time": NOW_S, "cursors": {"log": 2, "revenuetransaction": 3, "iotevent": 2}},
            by="device"),
    Example(X + "CONFIG", "GET", "/device/config", answer={"version": 0, "apn": None},
            by="device"),
    Example(X + "CONFIG-ACK", "POST", "/device/config/ack", {"version": 0, "state": "applied"},
            by="device"),
    Example(X + "ASSORTMENT", "GET", "/device/assortment?hostname=gw-0080",
            answer={"baseProducts": [1, 2, 3, 4]}, by="device"),
    Example(X + "COMMANDS", "GET", "/device/commands", answer=[], by="device"),
    Example(X + "COMMAND-RESULT", "POST", "/device/commands/1/result", {"state": "failed"}, 404,
            by="device"),
)  # fmt: skip


async def test_answers_are_those_of_the_document(golden: Golden) -> None:
    """One call of each kind, one after the other; every answer fits the OpenAPI document."""
    await golden(*EXAMPLES)


def fault_of(answer: httpx.Response, path: str, data: bytes) -> str | None:
    """What is wrong with an answer; a batch's must account for every record."""
    if fault := vending.fault_of(answer):
        return fault
    if answer.status_code == 200 and path in BATCHES:
        sent: Any = [*json.loads(data.decode(errors="replace")).values()]
        told = answer.json()
        counts = told["accepted"] + told["duplicates"] + len(told["rejected"])
        if counts not in [len(one) for one in sent if isinstance(one, list)]:
            return "records unaccounted for"
    return None


async def test_bent_device_calls(api: Api, seed: int) -> None:
    """Documented answers only; what is acknowledged has rows, what is rejected a letter."""
    rng, faults, statuses = random.Random(seed), [], set()
    caller = await api.device()
    for number in range(MUTATIONS):
        call = rng.choice(CALLS)
        if isinstance(call.body, dict):
            # Other numbers each time, so that not everything is a repetition.
            text = json.dumps(call.body).replace('"remote": ', f'"remote": {number + 1}')
            call = Valid(call.who, call.method, call.path, json.loads(text))
        path, data, headers = mutate.bent(rng, call)
        try:
            answer = await api.client.request(
                call.method, f"/vending{path}", content=data, headers={**headers, **caller.headers}
            )
        except httpx.InvalidURL:
            continue
        statuses.add(answer.status_code)
        if fault := fault_of(answer, path, data):
            faults.append(f"{path} {data[:200]!r}: {fault}: {answer.status_code} {answer.text}")
    assert [] == faults[:5], f"seed {seed}"
    assert {200, 400, 415} <= statuses
    for stream, table in enumerate(("revenuetransaction", "log", "iotevent"), 1):
        rows = await api.fetchval(f"select count(distinct remote) from vending.{table}")
        assert (
            0
            < rows
            == await api.fetchval(
                "select count(*) from vending.ingest_key where stream = $1", stream
            )
        )
    assert 0 < await api.fetchval("select count(*) from vending.dead_letter")
