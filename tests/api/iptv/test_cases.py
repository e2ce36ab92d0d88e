"""The golden cases of iptv.md 5, each operation's on the fresh fixture, in both modes."""

from typing import Any

import pytest

from tests.api.iptv.cases import CASES, Row, bad
from tests.api.iptv.conftest import Portal
from tests.conftest import shows
from tests.golden import difference

KEPT = (401, 405, 415)


async def play(portal: Portal, *rows: Row, is_compatible: bool = False) -> Any:
    """Plays rows and gives the results of the last answer."""
    told: Any = None
    for row in rows:
        method, _, path = row.call.partition(" ")
        answer = await portal.call(method, path, row.body)
        told = answer.json()
        if not row.status:
            assert (200, "OK") == (answer.status_code, told["status"]), f"{row}: {answer.text}"
            assert {"status", "results"} == told.keys()
            assert "" == difference(row.answer, told["results"]), f"{row}: {answer.text}"
        else:
            assert {"status": "ERROR", "results": "", "error": row.answer} == told, f"{row}"
            is_kept = row.status in KEPT and "support action" not in row.answer
            expected = 200 if is_compatible and not is_kept else row.status
            assert expected == answer.status_code, f"{row}: {answer.status_code}"
        if not row.status or not is_compatible:
            bare = path.partition("?")[0].rstrip("/,")
            for described in portal.document.operations(method, f"/iptv{bare}").values():
                assert "" == portal.document.fault(described, answer.status_code, told)
    return told["results"]


@pytest.mark.parametrize("operation", CASES)
@pytest.mark.parametrize("is_compatible", [True, False], ids=["compat", "http"])
def test_documented_cases(
    operation: str, is_compatible: bool, portal: Portal, request: pytest.FixtureRequest
) -> None:
    """Status and body are the document's, and what the API document allows."""

    async def run() -> None:
        async with portal.fresh(is_compatible=is_compatible):
            await play(portal, *CASES[operation], is_compatible=is_compatible)

    portal.run(run())
    shows(request.node, operation)


@pytest.mark.operation("IPTV-RESELLER-GET", "IPTV-RESELLER-UPDATE", "IPTV-RESELLER-DELETE")
def test_reseller_lives_and_goes(portal: Portal) -> None:
    """A reseller bounds its accounts, changes when a value does, and leaves its accounts behind."""

    async def run() -> None:
        async with portal.fresh(is_compatible=False):
            await play(portal, Row("POST /reseller", "name=2&max_users=1"))
            (made,) = await portal.results("GET", "/reseller")
            id_ = made["id"]
            portal.clock.advance_ms(60_000)
            await play(
                portal,
                Row(f"GET /reseller/{id_}", answer=[made]),
                bad("GET /reseller/0", "", "Reseller not found", 404),
                bad(f"GET /reseller/{id_},0", "", "One or more identifiers are incorrect", 404),
                Row(f"PUT /reseller/{id_}", "name=2"),
                Row(f"GET /reseller/{id_}", answer=[made]),
                Row(f"PUT /reseller/{id_}", "name=3"),
                Row(f"GET /reseller/{id_}", answer=[
                    {**made, "name": "3", "modified": "2026-03-10 09:01:00"}
                ]),
                bad(f"PUT /reseller/{id_}", "name=", "Reseller name required"),
                bad(f"PUT /reseller/{id_}", "", "HTTP PUT data is empty"),
                bad("PUT /reseller", "name=4", "Identifier required"),
                bad("PUT /reseller/x", "name=4", "Reseller not found", 404),
                bad(f"PUT /reseller/{id_},2", "name=4", "Only one identifier allowed"),
                Row("PUT /accounts/1553", f"reseller_id={id_}"),
                bad("PUT /accounts/3", f"reseller_id={id_}", "Reseller users limit exceeded", 403),
                Row("GET /accounts/1553", answer=[{"reseller_id": id_, "reseller_name": "3"}]),
                Row(f"DELETE /reseller/{id_}"),
                bad(f"DELETE /reseller/{id_}", "", "Reseller not found", 404),
                Row("GET /accounts/1553", answer=[{"reseller_id": "", "reseller_name": ""}]),
            )  # fmt: skip

    portal.run(run())
