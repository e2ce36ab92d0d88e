"""What a user does not see does not exist, byte for byte, and changes cross no tenant (pbx.md 4).

The operations come from the declarations, so that a new one is asked too.
"""

import asyncio
from typing import Any

import pytest

from farebox.api.pbx import OPERATIONS
from tests.api.pbx.conftest import Exchange

# An id of tenant 2 for every kind of record, by the parameter that names it.
OURS = {
    "tenant_id": "2", "extension_id": "11", "did_id": "2", "hunt_id": "3", "phone_id": "1",
    "user_id": "97",
}  # fmt: skip
UNKNOWN = "123456"
# What is valid besides.
REST = {
    "password": "password9", "user": "admin",
    "extension": '{"ex_name":"x"}', "did": '{"di_comment":"x"}', "hunt": '{"hu_name":"x"}',
    "phone": '{"ph_name":"x","ph_te_id":"2","ph_pm_id":1,"ph_mac":"x"}',
}  # fmt: skip
ASKED = [one for one in OPERATIONS if {param.name for param in one.takes} & {*OURS, "phone"}]


@pytest.mark.parametrize("operation", ASKED, ids=lambda one: one.id)
@pytest.mark.parametrize("by", ["advicewise", "Airlord"])
def test_foreign_is_missing(exchange: Exchange, operation: Any, by: str) -> None:
    """Records of a foreign tenant answer as unknown ones do, and stay as they are."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            await exchange.data("/phone/AddNewPhone", phone=REST["phone"])
            number = await connection.fetchval("update pbx.phone set id = 1 returning id")
            assert 1 == number
            before = await contents(connection)
            names = [param.name for param in operation.takes]
            foreign = {name: OURS.get(name) or REST[name] for name in names}
            unknown = {name: UNKNOWN if name in OURS else REST[name] for name in names}
            if "phone" in names:
                unknown["phone"] = REST["phone"].replace('"2"', f'"{UNKNOWN}"')
            told = [await exchange.post(operation.path, by, **form) for form in (foreign, unknown)]
            assert [404, 404] == [answer.status_code for answer in told]
            assert told[0].content == told[1].content
            assert told[0].headers == told[1].headers
            assert before == await contents(connection)

    exchange.run(run())


async def contents(connection: Any) -> list[Any]:
    """All records of all tenants."""
    tables = ("extension", "sip_peer", "did", "hunt", "phone", "number", "destination", "users")
    return [await connection.fetch(f"select * from pbx.{table} order by 1") for table in tables]


def test_every_list_is_of_one_tenant(exchange: Exchange) -> None:
    """A list of a tenant is what an admin sees of that tenant, and empty where there is nothing."""

    async def run() -> None:
        for operation in OPERATIONS:
            if [param.name for param in operation.takes] == ["tenant_id"]:
                ours = await exchange.data(operation.path, tenant_id="80")
                theirs = await exchange.data(operation.path, "advicewise", tenant_id="80")
                assert ours == theirs
                assert operation.path.startswith("/extension") == bool(ours)

    exchange.run(run())


def test_a_number_is_given_once(exchange: Exchange) -> None:
    """Of an extension and a hunt that want one number at once, one gets it."""

    async def run() -> None:
        given = {"extension_id": "240", "extension": '{"ex_number":"777"}'}
        other = {"hunt_id": "4", "hunt": '{"hu_number":"777"}'}
        answers = await asyncio.gather(
            exchange.post("/extension/updatebyid", **given),
            exchange.post("/hunt/updatebyid", **other),
        )
        assert [200, 409] == sorted(answer.status_code for answer in answers)
        await exchange.data("/extension/updatebyid", extension_id="240",
                            extension='{"ex_number":"251"}')  # fmt: skip
        await exchange.data("/hunt/updatebyid", hunt_id="4", hunt='{"hu_number":"502"}')

    exchange.run(run())


def test_a_new_number_takes_the_mailbox_along(exchange: Exchange) -> None:
    """The mailbox of the old number is that of the new one, unless there is one already."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            path = "/extension/updatebyid"
            await exchange.data(path, extension_id="11", extension='{"ex_number":"300"}')
            assert "300" == await connection.fetchval("select mailbox from pbx.voicemail")
            await connection.execute(
                "insert into pbx.voicemail (tenant, mailbox, created_at_ms, updated_at_ms)"
                " values (2, '301', 0, 0)"
            )
            taken = await exchange.post(path, extension_id="11", extension='{"ex_number":"301"}')
            told = {"status": "failed", "message": "Number Already In Use."}
            assert (409, told) == (taken.status_code, taken.json())
            name = (await exchange.data("/extension/user", tenant_id="2", extension_id="11"))[0]
            assert "300-UniglobeDorval" == name["name"]

    exchange.run(run())


def test_batches_at_once_keep_every_call_once(exchange: Exchange) -> None:
    """Equal and overlapping batches that come at once leave each call once, the last word whole."""

    async def run() -> None:
        def batch(cost: int, numbers: range) -> dict[str, Any]:
            return {"cdrs": [
                {"accountcode": "AdviceWise", "uniqueid": f"b{number}", "disposition": "BUSY",
                 "start": f"2025-0{1 + cost % 2}-01T00:00:00Z", "cc_cost": str(cost)}
                for number in numbers
            ]}  # fmt: skip

        batches = [batch(cost, range(40, 0, -1) if cost % 2 else range(1, 41)) for cost in range(6)]
        answers = await asyncio.gather(
            *(exchange.call("POST", "/admin/cdrs", json=one) for one in batches)
        )
        assert {200} == {answer.status_code for answer in answers}
        pool = exchange.api.services.pool
        rows = await pool.fetch(
            "select c.uniqueid, c.cc_cost, k.start_ms = c.start_ms as agrees from pbx.cdr c"
            " join pbx.cdr_key k on k.id = c.id where c.tenant = 80 and c.uniqueid like 'b%'"
        )
        assert 40 == len({row["uniqueid"] for row in rows}) == len(rows)
        assert {True} == {row["agrees"] for row in rows}
        assert 1 == len({row["cc_cost"] for row in rows})

    exchange.run(run())
