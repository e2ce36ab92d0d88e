"""The golden cases of pbx.md 5, each operation's on the fresh fixture."""

from typing import Any

import pytest

from tests.api.pbx.cases import CASES, DELETED, MISSING, Row
from tests.api.pbx.conftest import Exchange
from tests.conftest import shows


def is_like(expected: Any, actual: Any) -> bool:
    """Whether an answer has exactly what is expected of it."""
    if expected is ...:
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            is_like(value, actual[name]) for name, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(is_like, expected, actual))
    return type(expected) is type(actual) and expected == actual


async def play(exchange: Exchange, *rows: Row) -> Any:
    """Plays rows and gives the data of the last answer."""
    told: Any = None
    for row in rows:
        answer = await exchange.call(row.method, row.path, row.by, data=row.form)
        assert row.status == answer.status_code, f"{row}: {answer.text}"
        assert "no-store" == answer.headers["cache-control"]
        told = answer.json()
        if row.status == 200:
            assert {"status", "data"} == told.keys() - {"paging"}
            assert is_like(row.answer, told["data"]), f"{row}: {answer.text}"
        else:
            assert {"status": "failed", "message": row.answer} == told, f"{row}"
        for described in exchange.document.operations(row.method, f"/pbx{row.path}").values():
            assert "" == exchange.document.fault(described, answer.status_code, told)
    return told["data"] if told["status"] == "success" else None


@pytest.mark.parametrize("operation", CASES)
def test_documented_cases(
    operation: str, exchange: Exchange, request: pytest.FixtureRequest
) -> None:
    """Status and body are the document's, and what the API document allows."""

    async def run() -> None:
        async with exchange.fresh():
            await play(exchange, *CASES[operation])

    exchange.run(run())
    shows(request.node, operation)


@pytest.mark.operation("PBX-PHONE-DELETE")
def test_phone_is_deleted_once(exchange: Exchange) -> None:
    """A phone that was added is in the list once, and not any more after it was deleted."""

    async def run() -> None:
        async with exchange.fresh():
            given = '{"ph_name":"x","ph_te_id":"80","ph_pm_id":1,"ph_mac":"a"}'
            added = await exchange.data("/phone/AddNewPhone", "advicewise", phone=given)
            number = added["PhoneID"]
            rows = await exchange.data("/phone/bytenant", tenant_id="80")
            assert [number] == [row["ph_id"] for row in rows]
            delete = {"phone_id": number}
            await play(
                exchange,
                Row("/phone/deletebyid", delete, MISSING, 404, by="Airlord"),
                Row("/phone/deletebyid", delete, DELETED, by="advicewise"),
                Row("/phone/deletebyid", delete, MISSING, 404),
            )

    exchange.run(run())
