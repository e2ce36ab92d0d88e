"""The golden cases of isp.md 5.2, kept as the document has them in `cases.jsonl`.

Each is played on the fresh fixture. Bodies have exactly the listed keys; `<any>` is anything, other
angle brackets hold patterns. The notes of some cases are tests of their own beside this file.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from farebox.api.isp import OPERATIONS
from tests.api.isp.conftest import Provider
from tests.conftest import shows
from tests.contract import Contract

CASES = [
    msgspec.json.decode(line)
    for line in Path(__file__).with_name("cases.jsonl").read_text("utf-8").splitlines()
]
MOUNTED = {id_ for one in OPERATIONS for id_ in (one.id, *one.also)} | {"ISP-AUTH"}
_PATTERNS = {"{int}": r"\d+", "{ip}": r"[\d.]+"}


def difference(expected: Any, actual: Any, place: str = "body") -> str:
    """Where an answer is another than the document's; "" when it is not."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"{place} has {sorted(actual)}, not {sorted(expected)}"
        inner = [(f"{place}.{key}", expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{place} has {len(actual)} items, not {len(expected)}"
        inner = [
            (f"{place}[{at}]", *pair) for at, pair in enumerate(zip(expected, actual, strict=True))
        ]
    else:
        is_same = type(expected) is type(actual) and expected == actual
        return "" if is_same or is_match(expected, actual) else f"{place} is {actual!r}"
    return next((found for at, e, a in inner if (found := difference(e, a, at))), "")


def is_match(expected: Any, actual: Any) -> bool:
    """Whether a pattern allows a value."""
    if expected == "<any>":
        return True
    if not (isinstance(expected, str) and isinstance(actual, str) and expected[:1] == "<"):
        return False
    pattern = re.escape(expected[1:-1]).replace(r"\{", "{").replace(r"\}", "}")
    for name, form in _PATTERNS.items():
        pattern = pattern.replace(name, form)
    return re.fullmatch(pattern, actual) is not None


async def play(provider: Provider, case: dict[str, Any]) -> httpx.Response:
    """The answer to a case, after what runs before it."""
    method, _, path = case["req"].partition(" ")
    sent: dict[str, Any] = {"cred": case.get("cred", "t-test")}
    if "form" in case:
        sent["data"] = case["form"]
    if "json" in case:
        sent["json"] = case["json"]
    async with provider.fresh():
        if "sim" in case:
            provider.simulators.behaviour.update(nas=case["sim"], radius=case["sim"])
        for before in case.get("after", ()):
            if before == "same":
                await provider.call(method, path, **sent)
            else:
                await provider.call(*before.split(" ", 1), cred=sent["cred"])
        return await provider.call(method, path, **sent)


@pytest.fixture(scope="module")
def document(provider: Provider, loop: asyncio.Runner) -> Contract:
    """The API document."""
    return Contract(loop.run(provider.api.client.get("/schema/openapi.json")).json())


@pytest.mark.parametrize("operation", sorted(MOUNTED & {case["id"] for case in CASES}))
def test_documented_cases(
    operation: str,
    provider: Provider,
    loop: asyncio.Runner,
    document: Contract,
    request: pytest.FixtureRequest,
) -> None:
    """Status and body are the document's, and the body is what the API document allows."""
    for case in CASES:
        if case["id"] != operation:
            continue
        answer = loop.run(play(provider, case))
        told = answer.json() if answer.content else None
        assert case["status"] == answer.status_code, f"{case['req']}: {answer.text}"
        assert "" == difference(case["body"], told), f"{case['req']}: {answer.text}"
        assert "no-store" == answer.headers["cache-control"]
        method, _, path = case["req"].partition("?")[0].partition(" ")
        described = document.operations(method, path).get(operation)
        if described is not None:
            assert "" == document.fault(described, answer.status_code, told)
    shows(request.node, operation)
