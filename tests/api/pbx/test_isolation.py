"""What a user does not see does not exist, byte for byte, and changes cross no tenant (pbx.md 4).

The operations come from the declarations, so that a new one is asked too.
"""

import asyncio
from typing import Any

import pytest

from farebox.api.pbx import OPERATIONS
from tests.api.mutated.pbx import IDS
from tests.api.pbx.conftest import Exchange

# An id of tenant 2 for every kind of record, by the parameter that names it.
OURS = {
    "tenant_id": "2", "extension_id": "11", "did_id": "2", "hunt_id": "3", "phone_id": "1",
    "user_id": "97",
}  # fmt: skip
UNKNOWN = "123456"
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
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


@pytest.mark.parametrize("path", [*IDS, "import", "cdrs", "audit"])
def test_operators_routes_are_nobody_elses(exchange: Exchange, path: str) -> None:
    """To users the operators' routes answer alike whether a record is theirs, is or is not."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            before = await contents(connection)
            key = f"/{IDS[path]}" if path in IDS else ""
            further = {"users": "/tenants", "extensions": "/rotate-secret"}.get(path, "")
            for method in ("GET", "POST", "PUT", "DELETE"):
                for place in {key, key and f"/{UNKNOWN}"}:
                    for end in {"", further if place else ""}:
                        answer = await exchange.call(
                            method, f"/admin/{path}{place}{end}", "advicewise", json=REST
                        )
                        assert answer.status_code in (404, 405)
                        told = {404: "Record Not Found.", 405: "Method Not Allowed"}
                        assert told[answer.status_code] == answer.json()["message"]
            assert before == await contents(connection)

    exchange.run(run())


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


# What there may be one of: a new record's path, and bodies of which one is taken.
ONCE: tuple[tuple[str, tuple[tuple[str, dict[str, str]], ...]], ...] = (
    ("a number of a tenant", (
        ("extensions", {"te_id": "80", "ex_name": "x", "ex_number": "777"}),
        ("hunts", {"te_id": "80", "hu_name": "x", "hu_number": "777", "hu_type": "X"}),
    )),
    ("a code", (
        ("tenants", {"te_name": "x", "te_code": "Twice"}),
        ("tenants", {"te_name": "y", "te_code": "TWICE"}),
    )),
    ("a name", (
        ("users", {"us_username": "twice", "password_hash": HASH}),
        ("users", {"us_username": "TWICE", "password_hash": HASH}),
    )),
    ("an address", (
        ("users", {"us_username": "a", "email": "a@b.test", "password_hash": HASH}),
        ("users", {"us_username": "b", "email": "A@b.test", "password_hash": HASH}),
    )),
    ("a DID", (
        ("dids", {"di_te_id": "80", "di_number": "4420"}),
        ("dids", {"di_te_id": "2", "di_number": "4420"}),
    )),
    ("a telephone", (
        ("phones", {"ph_te_id": "80", "ph_name": "x", "ph_pm_id": "1", "ph_mac": "0015.65aa.bb01"}),
        ("phones", {"ph_te_id": "2", "ph_name": "y", "ph_pm_id": "1",
                    "ph_mac": "00-15-65-AA-BB-01"}),
    )),
    ("a mailbox", (
        ("voicemails", {"te_id": "80", "mailbox": "9"}),
        ("voicemails", {"te_id": "80", "mailbox": "9", "fullname": "x"}),
    )),
    ("a model", (("phone-models", {"pm_name": "x"}), ("phone-models", {"pm_name": "x"}))),
    ("a type", (("custom-types", {"ct_name": "x"}), ("custom-types", {"ct_name": "x"}))),
)  # fmt: skip


@pytest.mark.parametrize(("what", "bodies"), ONCE, ids=lambda one: one if type(one) is str else "")
def test_of_many_at_once_one_is_made(exchange: Exchange, what: str, bodies: Any) -> None:
    """Of creates that want the same at once, over connections of their own, one succeeds."""

    async def run() -> None:
        async def create(path: str, body: Any) -> Any:
            # On a machine that stands still meanwhile somebody may be asked to come again.
            while (answer := await exchange.call("POST", path, json=body)).status_code == 503:
                pass
            return answer

        wanted = bodies * 4
        answers = await asyncio.gather(*(create(f"/admin/{path}", body) for path, body in wanted))
        found = sorted(answer.status_code for answer in answers)
        assert [201, *[409] * (len(wanted) - 1)] == found, what
        (place,) = [
            f"/admin/{path}/{next(iter(answer.json()['data'].values()))}"
            for (path, _), answer in zip(wanted, answers, strict=True)
            if answer.status_code == 201
        ]
        assert 200 == (await exchange.call("DELETE", place)).status_code

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
