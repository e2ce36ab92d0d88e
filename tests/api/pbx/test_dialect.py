"""How calls come in and refusals go out: credentials, encodings, statuses (pbx.md 1)."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.pbx.conftest import Exchange, authorization, opened
from tests.clocks import SettableClock
from tests.servers import Databases

FAILED = {"status": "failed", "message": "Unauthorized Access"}
BYID = "/extension/byid"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "header",
    [
        "", "Basic", "Basic ", "Basic !!!", "Basic YWRtaW4=", "Basic OnBhc3M=", "Bearer x",
        "Basic YWRtaW46d3Jvbmc=", "Basic YWQAbWluOng=", "Basic /////w==", "admin:adminpass1",
    ],
)  # fmt: skip
def test_nobody_is_told_anything(exchange: Exchange, header: str) -> None:
    """Whatever is wrong with the credentials, every path and method answers the same."""

    async def run() -> None:
        for method, path in (
            ("GET", "/user/login"), ("POST", BYID), ("GET", BYID), ("POST", "/nothing"),
            ("GET", "/admin/users"), ("PUT", "/admin"), ("POST", "/hunt"),
        ):  # fmt: skip
            answer = await exchange.call(
                method, path, "", headers={"authorization": header}, content=b"{"
            )
            assert (401, FAILED) == (answer.status_code, answer.json()), path
            assert 'Basic realm="PBX API"' == answer.headers["www-authenticate"]

    exchange.run(run())


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", BYID, 405, "Method Not Allowed"),
        ("PUT", BYID, 405, "Method Not Allowed"),
        ("POST", "/user/login", 405, "Method Not Allowed"),
        ("POST", "/extension/ById", 404, "Not Found"),
        ("POST", "/extension", 404, "Not Found"),
        ("GET", "/", 404, "Not Found"),
        ("GET", "/admin", 404, "Not Found"),
    ],
)
def test_there_is_no_such_thing(
    exchange: Exchange, method: str, path: str, status: int, message: str
) -> None:
    """Paths are spelled as documented, each with its method."""
    answer = exchange.run(exchange.call(method, path))
    told = {"status": "failed", "message": message}
    assert (status, told) == (answer.status_code, answer.json())
    assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (BYID, "POST"), ("/user/login", "GET"), ("/admin/hunts", "GET, POST"),
        ("/admin/hunts/3", "DELETE, GET, PUT"), ("/admin/hunts/999", "DELETE, GET, PUT"),
    ],
)  # fmt: skip
def test_what_a_path_can_do_is_said_in_refusals(exchange: Exchange, path: str, allow: str) -> None:
    """OPTIONS is a method like any other that is not there: 401 for nobody, 405 for users."""

    async def run() -> None:
        for method in ("OPTIONS", "PATCH"):
            nobody = await exchange.call(method, path, "")
            assert (401, FAILED) == (nobody.status_code, nobody.json())
            assert "allow" not in nobody.headers
            answer = await exchange.call(method, path, "advicewise")
            told = {"status": "failed", "message": "Method Not Allowed"}
            assert (405, told) == (answer.status_code, answer.json())
            assert allow == answer.headers["allow"]

    exchange.run(run())


@pytest.mark.operation("PBX-EXT-BYID")
def test_encodings(exchange: Exchange) -> None:
    """Both forms and JSON mean the same; no content type is a form; a slash at the end is none."""

    async def run() -> None:
        usual = await exchange.post(BYID, extension_id="240")
        for more in (
            {"json": {"extension_id": 240}},
            {"json": {"extension_id": "240", "other": [1]}},
            {"files": {"extension_id": (None, "240")}},
            {"content": b"extension_id=240"},
            {"content": b"extension_id=1&extension_id=%32%34%30", "headers": FORM},
            {"content": b"extension_id=240", "headers": {"content-type": FORM["content-type"]
                                                         + "; charset=utf-8"}},
        ):  # fmt: skip
            given: dict[str, Any] = more
            answer = await exchange.call("POST", BYID, **given)
            assert (200, usual.content) == (answer.status_code, answer.content)
        slash = await exchange.post(f"{BYID}/", extension_id="240")
        assert usual.content == slash.content
        query = await exchange.call("POST", f"{BYID}?extension_id=240")
        assert "Please Enter Required Fields." == query.json()["message"]

    exchange.run(run())


@pytest.mark.parametrize(
    ("headers", "body", "status", "message"),
    [
        ({"content-type": "text/xml"}, b"<a/>", 415, "Unsupported Media Type."),
        (JSON, b"{", 400, "Malformed Body."),
        (JSON, b"[]", 400, "Malformed Body."),
        (JSON, b"[" * 5000, 400, "Malformed Body."),
        (JSON, b'{"extension_id":"\xff"}', 400, "Invalid Encoding."),
        (JSON, b'{"extension_id":"\\u0000"}', 400, "Invalid Encoding."),
        (JSON, b'{"extension_id":[240]}', 400, "Invalid Parameter extension_id."),
        (JSON, b'{"extension_id":true}', 400, "Invalid Parameter extension_id."),
        (JSON, b'{"extension_id":240.5}', 400, "Invalid Parameter extension_id."),
        (JSON, b'{"extension_id":null}', 400, "Please Enter Required Fields."),
        (FORM, b"extension_id=%ff", 400, "Invalid Encoding."),
        (FORM, b"extension_id=%00", 400, "Invalid Encoding."),
        (FORM, b"extension_id=\xff", 400, "Invalid Encoding."),
        (FORM, b"&".join([b"a=1"] * 1001), 400, "Malformed Body."),
        ({"content-type": "multipart/form-data"}, b"x", 400, "Malformed Body."),
        (FORM, b"a=" + b"x" * (256 << 10), 413, "Request Too Large."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_bodies(
    exchange: Exchange, headers: dict[str, str], body: bytes, status: int, message: str
) -> None:
    """What cannot be read is refused before anything else is looked at."""
    answer = exchange.run(exchange.call("POST", BYID, content=body, headers=headers))
    told = {"status": "failed", "message": message}
    assert (status, told) == (answer.status_code, answer.json())


LINE = "------------------------d74496d66958873e"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "Please Enter Required Fields."),
        (f"--{LINE}--", "Please Enter Required Fields."),
        (f"--{LINE}--\r\n", "Please Enter Required Fields."),
        (f"\r\n--{LINE}--\r\n", "Please Enter Required Fields."),
        (f"--{LINE}", "Malformed Body."),
        (f"--{LINE[1:]}--\r\n", "Malformed Body."),
        (f"--{LINE}--\r\nmore", "Malformed Body."),
    ],
    ids=lambda value: value[-24:],
)
def test_forms_without_fields(exchange: Exchange, body: str, message: str) -> None:
    """Of an empty array of fields PHP sends the last boundary, which is a form without fields."""
    headers = {"content-type": f"multipart/form-data; boundary={LINE}"}
    answer = exchange.run(exchange.call("POST", BYID, content=body.encode(), headers=headers))
    told = {"status": "failed", "message": message}
    assert (400, told) == (answer.status_code, answer.json())


def test_records_inside_parameters(exchange: Exchange) -> None:
    """In JSON a record may be an object or a text; of equal names the last counts."""

    async def run() -> None:
        async with exchange.fresh():
            for given in (
                {"hu_name": "One", "hu_ringtime": 7},
                json.dumps({"hu_name": "One", "hu_ringtime": "7"}),
                '{"hu_name":"Other","hu_ringtime":7,"hu_name":"One"}',
            ):
                body = {"hunt_id": 3, "hunt": given}
                answer = await exchange.call("POST", "/hunt/updatebyid", json=body)
                assert 200 == answer.status_code, answer.text
                (row,) = await exchange.data("/hunt/byid", hunt_id="3")
                assert ("One", "7") == (row["hu_name"], row["hu_ringtime"])

    exchange.run(run())


def test_a_change_of_a_user_binds_at_once(exchange: Exchange) -> None:
    """A disabled user, another password and another tenant hold from the next call on."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            assert 200 == (await exchange.call("GET", "/user/login", "advicewise")).status_code
            await connection.execute("update pbx.users set enabled = 'no' where id = 134")
            assert 401 == (await exchange.call("GET", "/user/login", "advicewise")).status_code
            await connection.execute("update pbx.users set enabled = 'yes' where id = 134")
            assert 200 == (await exchange.call("GET", "/user/login", "advicewise")).status_code
            await connection.execute("delete from pbx.user_tenant")
            answer = await exchange.post("/hunt/bytenant", "advicewise", tenant_id="80")
            assert 404 == answer.status_code

    exchange.run(run())


def test_passwords_are_remembered(exchange: Exchange) -> None:
    """A right password is hashed once however many calls come with it, also at once."""

    async def run() -> None:
        passwords = exchange.api.services.exchange.operators._passwords
        who = "advicewise:remembered9"
        async with exchange.fresh() as connection:
            hashed = await passwords.hash("remembered9")
            await connection.execute(
                "update pbx.users set password_hash = $1 where id = 134", hashed
            )
            before = passwords.checks
            assert 200 == (await exchange.call("GET", "/user/login", who)).status_code
            assert 200 == (await exchange.call("GET", "/user/get", who)).status_code
            assert 1 == passwords.checks - before
        # Many equal ones at once are one attempt, so one wrong setting holds nobody back.
        before = passwords.checks
        wrong = ["burst:wrong one"] * 20
        answers = await asyncio.gather(*(exchange.call("GET", "/user/login", by) for by in wrong))
        assert {401} == {answer.status_code for answer in answers}
        assert 1 == passwords.checks - before

    exchange.run(run())


def test_guessing_is_held_back(exchange: Exchange) -> None:
    """After ten failures of one user from one address there is a pause; a known caller goes on."""

    async def run() -> None:
        await exchange.call("GET", "/user/login", "Airlord")
        answers = [
            (await exchange.call("GET", "/user/login", f"Airlord:wrong{number}"))
            for number in range(11)
        ]
        assert [401] * 10 + [429] == [answer.status_code for answer in answers]
        assert "Too Many Requests" == answers[-1].json()["message"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert 200 == (await exchange.call("GET", "/user/login", "Airlord")).status_code

    exchange.run(run())


def test_compatible_statuses(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, exchange: Exchange
) -> None:
    """With `compat` refusals have status 200, but not what clients understand nor admin routes."""

    async def run() -> None:
        dsn = databases.create()
        folder = tmp_path_factory.mktemp("compat")
        setting = {"FAREBOX_PBX_ERROR_STATUS": "compat"}
        async with opened(dsn, folder, SettableClock(), **setting) as api:
            headers = authorization("admin")
            for method, path, body, status, message in (
                ("POST", BYID, b"", 200, "Please Enter Required Fields."),
                ("POST", BYID, b"extension_id=9", 200, "Record Not Found."),
                ("POST", "/nothing", b"", 200, "Not Found"),
                ("GET", BYID, b"", 405, "Method Not Allowed"),
                ("GET", "/admin/hunts/9", b"", 404, "Record Not Found."),
                ("GET", "/admin/nothing", b"", 404, "Not Found"),
            ):
                answer = await api.client.request(
                    method, f"/pbx{path}", headers=headers, content=body
                )
                told = {"status": "failed", "message": message}
                assert (status, told) == (answer.status_code, answer.json()), path
            nobody = await api.client.post(f"/pbx{BYID}")
            assert 401 == nobody.status_code
        databases.drop(dsn)

    exchange.run(run())
