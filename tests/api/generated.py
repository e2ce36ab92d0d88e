"""Calls made up from the OpenAPI document: `python -m tests.api.generated [COUNT] [SEED]`.

Schemathesis draws arguments that the document allows; nine calls of ten are then aimed at what is
stored (`tests/api/aim.py`), so that they get past the first check. Whatever comes back must be what
the document says: never a 5xx, and every answer in its documented shape. `make generated` makes
20 000 calls.
"""

import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from hypothesis import strategies as st

from tests.api.aim import aimed_body, aimed_path, aimed_query, furnish, stored_ids
from tests.api.conftest import Api
from tests.api.mutate import standing
from tests.contract import Contract

# What calls as they are made here may break for those who call: people and the device's key.
MENDED = """
update vending.users set disabled_at_ms = null, owner = u.home, username = u.name, token_version = 1
  from (values (1, 1, 'root'), (2, 2, 'nora')) as u (id, home, name) where users.id = u.id;
update vending.usergroup set disabled_at_ms = null, deleted = false, permissions = null,
       admin = id = 1, parent = nullif(id - 1, 0) where id in (1, 2);
update vending.device_key set revoked_at_ms = null where id = 1;
update vending.location set owner = 2 where id = 2;
update vending.machine set hostname = 'gw-0080', location = 2, gateway = null where id = 80
"""
_PLAIN = hypothesis.settings(
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


@dataclass
class Tally:
    """What came back, and what should not have."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


class Generator:
    """Makes calls of every operation of an application and judges the answers."""

    def __init__(self, api: Api, loop: asyncio.Runner) -> None:
        self._api = api
        self._loop = loop
        document = loop.run(self._document())
        self._contract = Contract(document)
        schema = schemathesis.openapi.from_dict(document)
        found = [one.ok() for one in schema.get_all_operations()]
        # What deletes comes last, when everything else has had its rows.
        self._operations = sorted(found, key=lambda one: one.method.upper() == "DELETE")
        loop.run(furnish(api))
        self._callers: dict[str, dict[str, str]] = {}
        self._ids: dict[str, list[Any]] = {}
        self.tally = Tally()

    async def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = (await self._api.client.get("/schema/openapi.json")).json()
        document["paths"] = {
            path: methods
            for path, methods in document["paths"].items()
            if path.startswith("/vending/")
        }
        return document

    async def _begin(self) -> None:
        """Who calls can call, and knows what there is."""
        api = self._api
        await api.execute(MENDED)
        api.services.access.forget()
        people = {name: (await api.login(name)).headers for name in ("root", "nora")}
        self._callers = people | {"device": (await api.device()).headers}
        self._ids = await stored_ids(api)

    def run(self, count: int, seed: int) -> Tally:
        """About so many calls, divided among the operations."""
        each = max(1, round(count / len(self._operations)))
        is_spoilt = True
        for operation in self._operations:
            if is_spoilt:
                self._loop.run(self._begin())
            is_spoilt = operation.method.upper() != "GET"

            @hypothesis.seed(seed)
            @hypothesis.settings(_PLAIN, max_examples=each)
            @hypothesis.given(case=operation.as_strategy(), data=st.data())
            def call(case: Any, data: st.DataObject) -> None:
                if data.draw(st.integers(0, 9)) < 9:
                    self._aim(case, data.draw)
                self._loop.run(self._send(case, data.draw(st.sampled_from(("nora", "root")))))

            call()
        return self.tally

    def _aim(self, case: Any, draw: Any) -> None:
        case.path_parameters = aimed_path(draw, case.path, self._ids)
        path = case.formatted_path
        case.query = aimed_query(draw, case.query or {}, path) or case.query
        if not isinstance(case.body, schemathesis.core.NotSet):
            content = case.operation.definition.raw["requestBody"]["content"]
            schema = content["application/json"]["schema"]
            case.body = aimed_body(draw, case.body, schema, path, self._ids)

    async def _send(self, case: Any, caller: str) -> None:
        path = case.formatted_path
        who = "device" if path.startswith("/vending/device/") else caller
        sent: dict[str, Any] = {"params": case.query} if case.query else {}
        if not isinstance(case.body, schemathesis.core.NotSet):
            sent["json"] = case.body
        told = f"{who}: {case.method} {path} {sent}"[:600]
        try:
            answer = await self._api.client.request(
                case.method, path, headers=self._callers[who], **sent
            )
        except (UnicodeError, ValueError):
            # Not a request: half a character, or no JSON.
            return
        except Exception as error:  # noqa: BLE001 - the application let an exception out
            self.tally.faults.append(f"{told}: raised {error!r}")
            return
        self.tally.statuses[answer.status_code] += 1
        if fault := self._fault(case, answer):
            self.tally.faults.append(f"{told}: {fault}: {answer.text[:300]}")

    def _fault(self, case: Any, answer: Any) -> str:
        if answer.status_code >= 500:
            return f"{answer.status_code}"
        described = case.operation.definition.raw
        self.tally.operations.add(described["operationId"])
        if answer.status_code in (404, 405) or "json" not in answer.headers["content-type"]:
            # Made-up text may have made it the path of another operation, or of none.
            return ""
        if not answer.content:
            # Many new vouchers are only counted.
            return ""
        operations = self._contract.operations(case.method, answer.request.url.path)
        operation = operations.get(described["operationId"])
        try:
            told = answer.json()
        except ValueError:
            return "no JSON"
        return self._contract.fault(operation, answer.status_code, told) if operation else ""


def main(count: int, seed: int) -> int:
    with asyncio.Runner() as loop:
        opened = standing()
        tally = Generator(loop.run(opened.__aenter__()), loop).run(count, seed)
        loop.run(opened.__aexit__(None, None, None))
    sys.stdout.writelines(f"{fault}\n" for fault in tally.faults[:50])
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(tally.statuses.items()))
    made, shown = sum(tally.statuses.values()), len(tally.operations)
    told = f"{made} calls of {shown} operations, seed {seed}, {len(tally.faults)} faults"
    sys.stdout.write(f"{told} ({statuses})\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    count, seed = (given + [20_000, int.from_bytes(os.urandom(4))][len(given) :])[:2]
    sys.exit(main(count, seed))
