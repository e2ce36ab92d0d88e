"""What a user does not see does not exist, byte for byte, and changes cross no tenant (pbx.md 4).

The operations come from the declarations, so that a new one is asked too.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from farebox.api.pbx import OPERATIONS
from tests.api.mutated.pbx import IDS, valid_calls
from tests.api.pbx.conftest import Exchange

# A record of tenant 2 for every parameter that names one, and one of the user of tenant 80.
OURS = {
    "tenant_id": "2", "extension_id": "11", "did_id": "2", "hunt_id": "3", "phone_id": "1",
    "user_id": "97", "user": "admin", "tenant_code": "UniglobeDorval",
}  # fmt: skip
THEIRS = {"tenant_id": "80", "extension_id": "900"}
UNKNOWN = "123456"
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
PHONE = '{"ph_name":"x","ph_te_id":"2","ph_pm_id":1,"ph_mac":"%s"}'
# What is sent besides: what is in order, what is taken already, and what is refused of one's own.
BESIDES = (
    {
        "password": "password9", "extension": '{"ex_name":"x"}', "did": '{"di_comment":"x"}',
        "hunt": '{"hu_name":"x"}', "phone": PHONE % "x",
    },
    {
        "password": "adminpass1", "extension": '{"ex_number":"100"}',
        "did": '{"di_number":"15146339933"}', "hunt": '{"hu_number":"100"}',
        "phone": PHONE % "00:15:65:11:22:33",
    },
    {
        "password": "adminpass1", "extension": '{"ex_number":"x"}', "did": '{"di_number":""}',
        "hunt": '{"hu_ringtime":"0"}', "phone": PHONE % "00:15:65:11:22:33",
    },
)  # fmt: skip
NAMED = {*OURS, "phone"}
ASKED = [one for one in OPERATIONS if {param.name for param in one.takes} & NAMED]


def test_no_operation_is_forgotten() -> None:
    """All but two operations name a record, and these two tell of the caller alone."""
    left = {one.id for one in OPERATIONS} - {one.id for one in ASKED}
    assert {"PBX-USER-LOGIN", "PBX-USER-GET"} == left


def pairs(operation: Any) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Calls about a foreign record and the same about an unknown one, all of them refused."""
    names = [param.name for param in operation.takes]
    some = [name for name in names if name in OURS]
    for besides in BESIDES:
        usual = {name: text for name, text in besides.items() if name in names}
        yield (
            usual | {name: OURS[name] for name in some},
            {name: text.replace('"2"', f'"{UNKNOWN}"') for name, text in usual.items()}
            | dict.fromkeys(some, UNKNOWN),
        )
        for name in some[:-1] and some:
            known = usual | {other: THEIRS[other] for other in some if other != name}
            yield known | {name: OURS[name]}, known | {name: UNKNOWN}


@pytest.mark.parametrize("operation", ASKED, ids=lambda one: one.id)
@pytest.mark.parametrize("by", ["advicewise", "Airlord"])
def test_foreign_is_missing(exchange: Exchange, operation: Any, by: str) -> None:
    """Records of a foreign tenant answer as unknown ones do, and stay as they are."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            await exchange.data("/phone/AddNewPhone", phone=PHONE % "00:15:65:11:22:33")
            number = await connection.fetchval("update pbx.phone set id = 1 returning id")
            assert 1 == number
            before = await contents(connection)
            for forms in pairs(operation):
                told = [await exchange.post(operation.path, by, **form) for form in forms]
                assert [404, 404] == [answer.status_code for answer in told], forms
                assert told[0].content == told[1].content
                assert told[0].headers == told[1].headers
            assert before == await contents(connection)

    exchange.run(run())


@pytest.mark.parametrize("by", ["advicewise", "Airlord"])
def test_nothing_tells_whether_others_exist(exchange: Exchange, by: str) -> None:
    """Every accepted call answers a user the same, to the byte, if nobody else is there at all."""

    async def told() -> list[tuple[str, int, bytes]]:
        answers = []
        for one in valid_calls():
            # Nobody gets another password, or the rest would be about that.
            if one.path.startswith("/admin") or (one.body and "password" in one.body):
                continue
            answer = await exchange.call(one.method, one.path, by, json=one.body)
            answers.append((one.path, answer.status_code, answer.content))
        return answers

    async def run() -> None:
        async with exchange.fresh():
            usual = await told()
        async with exchange.fresh() as connection:
            removed = await exchange.call("DELETE", "/admin/tenants/2?cascade=1")
            assert 200 == removed.status_code
            await connection.execute("delete from pbx.users where username <> $1", by)
            assert usual == await told()

    exchange.run(run())


async def contents(connection: Any) -> list[Any]:
    """All records of all tenants."""
    tables = ("extension", "sip_peer", "did", "hunt", "phone", "number", "destination", "users")
    return [await connection.fetch(f"select * from pbx.{table} order by 1") for table in tables]


async def operated(exchange: Exchange) -> list[str]:
    """The paths of all operators' routes as the API's document has them."""
    document = (await exchange.api.client.get("/schema/openapi.json")).json()
    return [path for path in document["paths"] if path.startswith("/pbx/admin/")]


def test_operators_routes_are_nobody_elses(exchange: Exchange) -> None:
    """To users the operators' routes answer alike whether a record is theirs, is or is not."""

    async def run() -> None:
        paths = await operated(exchange)
        assert 13 * 2 + 5 == len(paths)
        async with exchange.fresh() as connection:
            before = await contents(connection)
            for path in paths:
                kind = path.split("/")[3]
                places = {
                    path.removeprefix("/pbx").replace("{key}", key)
                    for key in (IDS.get(kind, ""), UNKNOWN, "2", "x")
                }
                for method in ("GET", "POST", "PUT", "DELETE"):
                    answers = [
                        await exchange.call(method, place, "advicewise", json=BESIDES[0])
                        for place in places
                    ]
                    told = {(answer.status_code, answer.content) for answer in answers}
                    message = {404: "Record Not Found.", 405: "Method Not Allowed"}
                    ((status, content),) = told
                    expected = {"status": "failed", "message": message[status]}
                    assert expected == json.loads(content), (method, path)
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
