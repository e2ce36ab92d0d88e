"""Valid calls with something wrong in them: always a documented answer, never a defect.

Every documented operation and every operator route is called as it should be, then with members
left out, doubled in length, or replaced by what nobody expects; `--seed` repeats the choices.
"""

import json
import random
from typing import Any

from tests.api.pbx.cases import CASES
from tests.api.pbx.conftest import Exchange
from tests.api.pbx.test_admin import KINDS
from tests.api.pbx.test_intake import CALL, WHOLE

ODD: list[Any] = [
    "", " ", "0", "-1", "1e9", "NaN", "9" * 40, "x" * 300, "'; drop table pbx.did; --", "\u0000",
    "\u202e", "\ud800", None, True, 0, -1, 1.5, 10**30, [], [1], {}, {"a": 1}, "2024-02-30",
    "%s{caller}$1", "<b>", "../..", "=1+1", "\r\nX: y",
]  # fmt: skip
CALLS = 700


def valid_calls() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and body of calls that succeed."""
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", row.path, dict(row.form))
        for rows in CASES.values()
        for row in rows
        if row.status == 200 and row.method == "POST"
    ]
    history = {"start_date_ymd": "2024-03-10", "end_date_ymd": "2024-03-10", "cost": ">0",
               "tenant_code": "AdviceWise", "disposition": "BUSY", "firstdst": "1", "limit": "5",
               "cursor": "x"}  # fmt: skip
    calls.append(("POST", "/cdr/getCallHistory", history))
    for path, (new, change, _) in KINDS.items():
        calls.append(("POST", f"/admin/{path}", new))
        calls.append(("PUT", f"/admin/{path}/2", change))
    calls.append(("POST", "/admin/cdrs", {"cdrs": [CALL, CALL]}))
    plain = {name: rows for name, rows in WHOLE.items() if name != "users"}
    calls.append(("POST", "/admin/import", {"dry_run": "yes", **plain}))
    calls.append(("PUT", "/admin/users/134/tenants", {"tenants": ["2"]}))
    return calls


def spoilt(value: Any, choose: random.Random, depth: int = 0) -> Any:
    """The same with one thing wrong."""
    if isinstance(value, str) and value[:1] == "{" and choose.random() < 0.7:
        return json.dumps(spoilt(json.loads(value), choose, depth + 1))
    if isinstance(value, dict) and value and (depth == 0 or choose.random() < 0.8):
        name = choose.choice([*value])
        rest = {key: one for key, one in value.items() if key != name}
        return rest if choose.random() < 0.1 else {**rest, name: spoilt(value[name], choose, 1)}
    if isinstance(value, list) and value and choose.random() < 0.8:
        at = choose.randrange(len(value))
        return [*value[:at], spoilt(value[at], choose, 1), *value[at + 1 :]]
    return choose.choice(ODD)


def test_spoilt_calls_have_documented_answers(
    exchange: Exchange, random_source: random.Random
) -> None:
    """Whatever is wrong, the answer is one that the API document allows."""

    async def run() -> None:
        calls, refused = valid_calls(), 0
        async with exchange.fresh():
            for _ in range(CALLS):
                method, path, valid = random_source.choice(calls)
                body = spoilt(valid, random_source)
                content = json.dumps(body).encode()
                answer = await exchange.call(
                    method, path, content=content, headers={"content-type": "application/json"}
                )
                assert answer.status_code < 500, f"{method} {path} {body}: {answer.text}"
                refused += answer.status_code >= 400
                for described in exchange.document.operations(method, f"/pbx{path}").values():
                    fault = exchange.document.fault(described, answer.status_code, answer.json())
                    assert "" == fault, f"{method} {path} {body}"
        assert CALLS // 4 < refused < CALLS

    exchange.run(run())
