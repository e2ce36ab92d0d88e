"""Calls made up from the OpenAPI document: `python -m tests.api.generated [COUNT] [SEED]`.

Schemathesis draws arguments that the document allows; some ids are those of the fixture, so that
calls get past the first check. Whatever comes back must be what the document says: never a 5xx, and
every answer in its documented shape. `make generated` makes 20 000 calls.
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

from tests.api.conftest import Api
from tests.api.mutate import standing
from tests.contract import Contract

KNOWN = st.sampled_from(
    ("1", "2", "3", "4", "5", "6", "7", "9", "11", "12", "80", "81", "gw-0080", "location",
     "machine", "locations", "machines", "users", "ok", "offline", "reboot", "product")
)  # fmt: skip
WHERE = st.sampled_from(
    ('{"id":[1,2,80]}', '{"or":[{"id":{">":1}},{"id":2}]}', '{"name":{"contains":"a"}}', "{}")
)
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
        self._operations = [found.ok() for found in schema.get_all_operations()]
        self._callers = loop.run(self._sign_in())
        self.tally = Tally()

    async def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = (await self._api.client.get("/schema/openapi.json")).json()
        document["paths"] = {
            path: methods
            for path, methods in document["paths"].items()
            if path.startswith("/vending/")
        }
        return document

    async def _sign_in(self) -> dict[str, dict[str, str]]:
        api = self._api
        people = {name: (await api.login(name)).headers for name in ("root", "nora")}
        return people | {"device": (await api.device()).headers}

    def run(self, count: int, seed: int) -> Tally:
        """About so many calls, divided among the operations."""
        each = max(1, round(count / len(self._operations)))
        for operation in self._operations:

            @hypothesis.seed(seed)
            @hypothesis.settings(_PLAIN, max_examples=each)
            @hypothesis.given(case=operation.as_strategy(), data=st.data())
            def call(case: Any, data: st.DataObject) -> None:
                self._aim(case, data)
                self._loop.run(self._send(case, data.draw(st.sampled_from(("nora", "root")))))

            call()
        return self.tally

    def _aim(self, case: Any, data: st.DataObject) -> None:
        for name in case.path_parameters or {}:
            if data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(KNOWN)
        if "where" in (case.query or {}) and data.draw(st.booleans()):
            case.query["where"] = data.draw(WHERE)

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
        operations = self._contract.operations(case.method, answer.request.url.path)
        operation = operations.get(described["operationId"])
        return (
            self._contract.fault(operation, answer.status_code, answer.json()) if operation else ""
        )


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
