"""Operator routes: every kind of record made, changed and removed; who may (pbx.md 3.11)."""

from typing import Any

import pytest

from tests.api.pbx.conftest import Exchange

# A new record of every kind, a change of it, and what is refused of it: body, status, message.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[tuple[dict[str, Any], int, str], ...]]]
KINDS = {
    "tenants": (
        {"te_name": "New", "te_code": "New1", "te_timezone": "Asia/Kolkata"},
        {"te_code": "New2"},
        (
            ({"te_name": "New", "te_code": "advicewise"}, 409, "Record Already Exists."),
            ({"te_name": "New", "te_code": "a-b"}, 400, "Invalid Field te_code."),
            (
                {"te_name": "New", "te_code": "x", "te_timezone": "Mars/Base"},
                400, "Invalid Field te_timezone.",
            ),
        ),
    ),
    "users": (
        {"us_username": "kim", "email": "kim@example.test", "password": "kimspass1"},
        {"enabled": "no"},
        (
            ({"us_username": "lee"}, 400, "Please Enter Required Fields."),
            ({"us_username": "k:m", "password": "kimspass1"}, 400, "Invalid Field us_username."),
            ({"us_username": "lee", "password": "short"}, 400, "Password Too Short."),
            ({"us_username": "ADMIN", "password": "kimspass1"}, 409, "Record Already Exists."),
        ),
    ),
    "extensions": (
        {"te_id": "80", "ex_name": "Desk", "ex_number": "*7", "secret": "s3cret.word"},
        {"ex_callwaiting": "yes", "host": "10.0.0.1"},
        (
            ({"te_id": "80", "ex_name": "x", "ex_number": "100"}, 409, "Number Already In Use."),
            ({"te_id": "81", "ex_name": "x", "ex_number": "1"}, 404, "Record Not Found."),
            (
                {"te_id": "80", "ex_name": "x", "ex_number": "1", "secret": "a b c d e f"},
                400, "Invalid Field secret.",
            ),
        ),
    ),
    "dids": (
        {"di_te_id": "80", "di_number": "+442071234567", "di_fax": "no"},
        {"di_comment": "Main"},
        (({"di_te_id": "80", "di_number": "15146001434"}, 409, "Number Already In Use."),),
    ),
    "hunts": (
        {"te_id": 80, "hu_number": "500", "hu_name": "All", "hu_type": "cycle"},
        {"hu_ringtime": 30},
        (
            (
                {"te_id": "80", "hu_number": "100", "hu_name": "x", "hu_type": "X"},
                409, "Number Already In Use.",
            ),
        ),
    ),
    "voicemails": (
        {"te_id": "80", "mailbox": "100", "fullname": "Reception"},
        {"email": "box@example.test"},
        (({"te_id": "2", "mailbox": "221"}, 409, "Number Already In Use."),),
    ),
    "conditions": (
        {"te_id": "80", "co_name": "Office", "co_type": "weektime", "co_param1": "mon-fri"},
        {"co_timezone": "Europe/London"},
        (({"te_id": "80", "co_name": "Office", "co_type": "a b"}, 400, "Invalid Field co_type."),),
    ),
    "ivrs": ({"te_id": "80", "iv_name": "Menu"}, {"iv_name": "Other"}, ()),
    "customs": (
        {"te_id": "80", "cu_name": "Mobile", "cu_ct_id": "1"},
        {"cu_name": "Other"},
        (({"te_id": "80", "cu_name": "Mobile", "cu_ct_id": "9"}, 404, "Record Not Found."),),
    ),
    "custom-types": (
        {"ct_name": "HANGUP", "ct_description": "<t>Hang up</t>"},
        {"ct_description": ""},
        (({"ct_name": "FORWARD"}, 409, "Record Already Exists."),),
    ),
    "destinations": (
        {"te_id": "80", "de_type_src": "did", "de_id_src": "2", "de_type_dst": "EXT",
         "de_id_dst": "900"},
        {"de_ord": "2"},
        (
            (
                {"te_id": "80", "de_type_src": "DID", "de_id_src": "2", "de_type_dst": "EXT"},
                400, "Please Enter Required Fields.",
            ),
        ),
    ),
    "phone-models": (
        {"pm_name": "Desk 9"},
        {"pm_name": "Desk 10"},
        (({"pm_name": "Generic SIP"}, 409, "Record Already Exists."),),
    ),
    "phones": (
        {"ph_te_id": "80", "ph_name": "Desk", "ph_pm_id": "1", "ph_mac": "00-15-65-AA-BB-CC"},
        {"ph_http_password": "other"},
        (
            (
                {"ph_te_id": "80", "ph_name": "x", "ph_pm_id": "1", "ph_mac": "x",
                 "ph_filename": "../x"},
                400, "Invalid Field ph_filename.",
            ),
        ),
    ),
}  # fmt: skip


async def ask(
    exchange: Exchange, method: str, path: str, body: Any = None, status: int = 200, **more: Any
) -> Any:
    """The data of an answer with this status, or its message; its form is the documented one."""
    answer = await exchange.call(method, f"/admin/{path}", json=body, **more)
    assert status == answer.status_code, f"{method} {path} {body}: {answer.text}"
    told = answer.json()
    plain = path.partition("?")[0]
    for described in exchange.document.operations(method, f"/pbx/admin/{plain}").values():
        assert "" == exchange.document.fault(described, answer.status_code, told)
    return told["data"] if told["status"] == "success" else told["message"]


@pytest.mark.parametrize("path", KINDS)
def test_a_record_from_its_beginning_to_its_end(exchange: Exchange, path: str) -> None:
    """It is made, shown, listed, changed in part, and removed; what is wrong changes nothing."""
    new, change, refusals = KINDS[path]

    async def run() -> None:
        async with exchange.fresh():
            before = await ask(exchange, "GET", f"{path}?limit=1000")
            made = await ask(exchange, "POST", path, new, 201)
            key = next(iter(made.values()))
            shown = await ask(exchange, "GET", f"{path}/{key}")
            assert set(shown) <= set(made)
            assert all(type(value) is str for value in shown.values())
            assert [*before, shown] == await ask(exchange, "GET", f"{path}?limit=1000")
            last = str(int(key) - 1)
            assert [shown] == await ask(exchange, "GET", f"{path}?limit=1&after={last}")
            seen = {name: str(value) for name, value in change.items() if name in shown}
            assert {**shown, **seen} == await ask(exchange, "PUT", f"{path}/{key}", change)
            for body in ({}, {"other": "1"}):
                assert "Please Enter Required Fields." == await ask(
                    exchange, "PUT", f"{path}/{key}", body, 400
                )
            for body, status, message in refusals:
                assert message == await ask(exchange, "POST", path, body, status)
            assert "Record Deleted Successfully." == await ask(exchange, "DELETE", f"{path}/{key}")
            for method in ("GET", "DELETE"):
                assert "Record Not Found." == await ask(
                    exchange, method, f"{path}/{key}", None, 404
                )
            assert "Record Not Found." == await ask(exchange, "PUT", f"{path}/{key}", change, 404)
            assert before == await ask(exchange, "GET", f"{path}?limit=1000")

    exchange.run(run())


@pytest.mark.parametrize("path", [*KINDS, "audit", "users/134/tenants", "nothing"])
def test_only_admins_administer(exchange: Exchange, path: str) -> None:
    """A user finds nothing here, and nobody is told so before it is known who asks."""

    async def run() -> None:
        for method in ("GET", "POST", "PUT", "DELETE"):
            nobody = await exchange.call(method, f"/admin/{path}", "")
            assert 401 == nobody.status_code
            user = await exchange.call(method, f"/admin/{path}", "advicewise", json={})
            assert user.status_code in (404, 405)

    exchange.run(run())


def test_lists_of_a_tenant(exchange: Exchange) -> None:
    """A list may be restricted to a tenant, also the list of users and of tenants."""

    async def run() -> None:
        found = {
            path: [
                next(iter(row.values()))
                for row in await ask(exchange, "GET", f"{path}?tenant_id=80")
            ]
            for path in ("tenants", "users", "extensions", "hunts", "phone-models")
        }
        expected = {
            "tenants": ["80"], "users": ["134"], "extensions": ["900"], "hunts": [],
            "phone-models": ["1"],
        }  # fmt: skip
        assert expected == found
        for query in ("limit=0", "limit=1001", "after=x", "tenant_id=-1"):
            name = query.partition("=")[0]
            assert f"Invalid Parameter {name}." == await ask(
                exchange, "GET", f"hunts?{query}", None, 400
            )

    exchange.run(run())


def test_the_last_admin_stays(exchange: Exchange) -> None:
    """The last one who may administer cannot be removed, demoted or disabled; another one can."""

    async def run() -> None:
        async with exchange.fresh():
            for change in ({"us_role": "user"}, {"enabled": "no"}):
                assert "Record In Use." == await ask(exchange, "PUT", "users/97", change, 409)
            assert "Record In Use." == await ask(exchange, "DELETE", "users/97", None, 409)
            await ask(exchange, "PUT", "users/134", {"us_role": "admin"})
            await ask(exchange, "DELETE", "users/97", by="advicewise")

    exchange.run(run())


def test_a_tenant_goes_with_its_own(exchange: Exchange) -> None:
    """Only an empty tenant is removed, or all that is in it; its code is never given again."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            assert "Record In Use." == await ask(exchange, "DELETE", "tenants/2", None, 409)
            assert "Record In Use." == await ask(
                exchange, "PUT", "tenants/2", {"te_code": "Other"}, 409
            )
            await ask(exchange, "DELETE", "tenants/2?cascade=1")
            left = await exchange.data("/cdr/getCallHistory", start_date_ymd="2024-03-09",
                                       end_date_ymd="2024-03-12")  # fmt: skip
            assert ["6"] == [row["id"] for row in left]
            assert 6 == await connection.fetchval("select count(*) from pbx.cdr")
            again = {"te_name": "Again", "te_code": "UNIGLOBEDORVAL"}
            assert "Record Already Exists." == await ask(exchange, "POST", "tenants", again, 409)

    exchange.run(run())


def test_memberships(exchange: Exchange) -> None:
    """A user sees the tenants that it was given, at once, and not those taken away."""

    async def run() -> None:
        async with exchange.fresh():
            told = await ask(exchange, "PUT", "users/134/tenants", {"tenants": ["2", 2]})
            dorval = {"te_id": "2", "te_name": "Uniglobe Dorval"}
            assert {"user_id": "134", "tenants": [dorval]} == told
            assert told == await ask(exchange, "GET", "users/134/tenants")
            assert 2 == len(await exchange.data("/hunt/bytenant", "advicewise", tenant_id="2"))
            gone = await exchange.post("/hunt/bytenant", "advicewise", tenant_id="80")
            assert 404 == gone.status_code
            for tenants, status in ((["x"], 400), ("2", 400), (["999"], 404), (None, 400)):
                body = {"tenants": tenants}
                await ask(exchange, "PUT", "users/134/tenants", body, status)

    exchange.run(run())


def test_secrets_and_who_read_them(exchange: Exchange) -> None:
    """A made secret is told once, kept sealed, rotated on demand; every reading is written down."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            new = {"te_id": "80", "ex_name": "Desk", "ex_number": "7"}
            made = await ask(exchange, "POST", "extensions", new, 201)
            key, secret = made["ex_id"], made["secret"]
            where = {"tenant_id": "80", "extension_id": key}
            assert secret == await exchange.data("/extension/usersecret", "advicewise", **where)
            rotated = await ask(exchange, "POST", f"extensions/{key}/rotate-secret")
            assert 28 == len(rotated["secret"])
            assert secret != rotated["secret"]
            (peer,) = await exchange.data("/extension/user", **where)
            assert {"name": "7-AdviceWise", "host": "dynamic", **rotated} == peer
            sealed = await connection.fetchval(
                "select secret_sealed from pbx.sip_peer where extension = $1", int(key)
            )
            assert rotated["secret"].encode() not in sealed
            log = await ask(exchange, "GET", "audit?tenant_id=80")
            told = [(row["us_username"], row["action"], row["subject_id"]) for row in log]
            expected = [("admin", "secret_made"), ("advicewise", "secret_read"),
                        ("admin", "secret_rotated"), ("admin", "secret_read")]  # fmt: skip
            assert [(*one, key) for one in expected] == told
            assert rotated["secret"] not in str(log)

    exchange.run(run())


def test_routes_go_with_what_they_name(exchange: Exchange) -> None:
    """No destination is left from or to something that is gone; others stay."""

    async def run() -> None:
        async with exchange.fresh():
            for source, number, target, other in (
                ("DID", "2", "HUNTLIST", "3"),
                ("HUNTLIST-TIMEOUT", "3", "EXT", "11"),
                ("DID", "3", "EXT", "3"),
            ):
                new = {"te_id": "2", "de_type_src": source, "de_id_src": number,
                       "de_type_dst": target, "de_id_dst": other}  # fmt: skip
                await ask(exchange, "POST", "destinations", new, 201)
            await exchange.data("/hunt/deletebyid", hunt_id="3")
            left = await exchange.data("/destination/all", tenant_id="2")
            sources = [row["de_type_src"] for row in left]
            assert ["CONDITION", "NOTCONDITION", "DID"] == sources
            await ask(exchange, "DELETE", "conditions/2")
            left = await exchange.data("/destination/all", tenant_id="2")
            assert ["DID"] == [row["de_type_src"] for row in left]

    exchange.run(run())


def test_a_custom_type_in_use_stays(exchange: Exchange) -> None:
    """What others name is not removed."""

    async def run() -> None:
        async with exchange.fresh():
            assert "Record In Use." == await ask(exchange, "DELETE", "custom-types/1", None, 409)

    exchange.run(run())
