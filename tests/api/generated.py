"""Calls made up from the OpenAPI document: `python -m tests.api.generated [COUNT] [SEED] [FAMILY]`.

Schemathesis draws arguments that the document allows; nine calls of ten are then aimed at what is
stored (`tests/api/aim.py`, `tests/api/sampled.py`), so that they get past the first check. Whatever
comes back must be what the document says: never a 5xx but one that an operation documents, and
every answer in its documented shape. `make generated` makes 20 000 calls of each family.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import schemathesis
from hypothesis import strategies as st

from tests.api.aim import Catalogued
from tests.api.conftest import Api
from tests.api.mutate import MEDIA_TYPES, encoded, family_of, standing
from tests.api.sampled import Sampled
from tests.contract import Contract

# Whose calls in order are known.
FAMILIES = sorted(path.stem for path in Path(__file__).with_name("mutated").glob("[a-z]*.py"))
_PLAIN = hypothesis.settings(
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


class Aim(Protocol):
    """What makes calls of a family meet what is stored."""

    prefix: str
    encodings: tuple[str, ...]

    async def begin(self) -> None:
        """Those who call can call, and what is stored is known."""
        ...

    def caller(self, draw: Any, case: Any) -> tuple[str, Mapping[str, str]]:
        """Who makes a call, and the headers of theirs."""
        ...

    def path(self, draw: Any, case: Any) -> dict[str, str]:
        """Values for the parameters of the path."""
        ...

    def query(self, draw: Any, case: Any) -> dict[str, Any]:
        """Arguments of the query."""
        ...

    def body(self, draw: Any, case: Any, schema: Mapping[str, Any]) -> Any:
        """The body."""
        ...

    def is_far(self, answer: Any) -> bool:
        """Whether a far side failed and the operation documents that."""
        ...


@dataclass
class Tally:
    """What came back, and what should not have."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    # Operations that have answered with a success.
    accepted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


class Generator:
    """Makes calls of every operation of a family and judges the answers."""

    def __init__(self, api: Api, loop: asyncio.Runner, name: str = "vending") -> None:
        self._api = api
        self._loop = loop
        document = loop.run(self._document(name))
        self._contract = Contract(document)
        schema = schemathesis.openapi.from_dict(document)
        found = [one.ok() for one in schema.get_all_operations()]
        # What deletes comes last, when everything else has had its rows.
        self._operations = sorted(found, key=lambda one: one.method.upper() == "DELETE")
        self._aim: Aim = loop.run(self._aimed(name))
        self.tally = Tally()

    async def _document(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = (await self._api.client.get("/schema/openapi.json")).json()
        document["paths"] = {
            path: methods
            for path, methods in document["paths"].items()
            if path.startswith(f"/{name}/")
        }
        return document

    async def _aimed(self, name: str) -> Aim:
        if name == "vending":
            return await Catalogued.made(self._api)
        return await Sampled.made(self._api, family_of(name), self._contract)

    def run(self, count: int, seed: int) -> Tally:
        """About so many calls, divided among the operations."""
        each = max(1, round(count / len(self._operations)))
        is_spoilt = True
        for operation in self._operations:
            if is_spoilt:
                self._loop.run(self._aim.begin())
            is_spoilt = operation.method.upper() != "GET" or operation.path.startswith("/isp/api/")

            @hypothesis.seed(seed)
            @hypothesis.settings(_PLAIN, max_examples=each)
            @hypothesis.given(case=operation.as_strategy(), data=st.data())
            def call(case: Any, data: st.DataObject) -> None:
                if data.draw(st.integers(0, 9)) < 9:
                    self._take_aim(case, data.draw)
                self._loop.run(self._send(case, data.draw))

            try:
                call()
            except hypothesis.errors.Unsatisfiable:
                self.tally.faults.append(f"{operation.label}: nothing can be made up")
        return self.tally

    def _take_aim(self, case: Any, draw: Any) -> None:
        case.path_parameters = self._aim.path(draw, case)
        case.query = self._aim.query(draw, case) or case.query
        if not isinstance(case.body, schemathesis.core.NotSet):
            content = case.operation.definition.raw["requestBody"]["content"]
            # Files of rows are text, and stay as they were made up.
            if described := content.get(MEDIA_TYPES["json"]):
                case.body = self._aim.body(draw, case, described["schema"])

    async def _send(self, case: Any, draw: Any) -> None:
        if not all(str(named).strip(" ,") for named in (case.path_parameters or {}).values()):
            # Who names nothing asks for the list beside it, which is another operation.
            return
        path = case.formatted_path
        who, headers = self._aim.caller(draw, case)
        sent: dict[str, Any] = {"params": case.query} if case.query else {}
        told = f"{who}: {case.method} {path} {sent}"
        try:
            if not isinstance(case.body, schemathesis.core.NotSet):
                told += f" {case.body!r}"
                media_type, sent["content"] = self._spelled(case, draw)
                headers = {**headers, "Content-Type": media_type}
            answer = await self._api.client.request(case.method, path, headers=headers, **sent)
        except (UnicodeError, ValueError):
            # Not a request: half a character, or no JSON.
            return
        except Exception as error:  # noqa: BLE001 - the application let an exception out
            self.tally.faults.append(f"{told[:600]}: raised {error!r}")
            return
        self.tally.statuses[answer.status_code] += 1
        if fault := self._fault(case, answer):
            self.tally.faults.append(f"{told[:600]}: {fault}: {answer.text[:300]}")

    def _spelled(self, case: Any, draw: Any) -> tuple[str, bytes]:
        """A body's media type and bytes, in any encoding that the family takes."""
        if MEDIA_TYPES["json"] not in case.operation.definition.raw["requestBody"]["content"]:
            return case.media_type, str(case.body).encode()
        encoding = draw(st.sampled_from(self._aim.encodings))
        return MEDIA_TYPES[encoding], encoded(case.body, encoding)

    def _fault(self, case: Any, answer: Any) -> str:
        if answer.status_code >= 500 and not self._aim.is_far(answer):
            return f"{answer.status_code}"
        described = case.operation.definition.raw
        self.tally.operations.add(described["operationId"])
        if answer.status_code < 400:
            self.tally.accepted.add(described["operationId"])
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if answer.status_code in (404, 405) or media_type != MEDIA_TYPES["json"]:
            # Made-up text may have made it the path of another operation, or of none; a file of
            # rows is no document.
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


def main(count: int, seed: int, name: str) -> int:
    with asyncio.Runner() as loop:
        opened = standing(name)
        tally = Generator(loop.run(opened.__aenter__()), loop, name).run(count, seed)
        loop.run(opened.__aexit__(None, None, None))
    sys.stdout.writelines(f"{fault}\n" for fault in tally.faults[:50])
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(tally.statuses.items()))
    made, shown = sum(tally.statuses.values()), len(tally.operations)
    told = f"{name}: {made} calls of {shown} operations, {len(tally.accepted)} of them accepted"
    sys.stdout.write(f"{told}, seed {seed}, {len(tally.faults)} faults ({statuses})\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    names = [word for word in sys.argv[1:] if not word.isdigit()] or FAMILIES
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    count, seed = (given + [20_000, int.from_bytes(os.urandom(4))][len(given) :])[:2]
    sys.exit(max([main(count, seed, name) for name in names]))
