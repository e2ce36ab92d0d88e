"""Call records and whole configurations as operators bring them in (pbx.md 3.11, 4.3)."""

from typing import Any

import pytest

from farebox.demo_exchange import SECRETS
from tests.api.pbx.conftest import Exchange
from tests.api.pbx.test_admin import ask

CALL = {
    "accountcode": "uniglobedorval", "uniqueid": "9.1", "start": "2024-03-10 12:00:00",
    "answer": "2024-03-10T12:00:05-04:00", "clid": '"Test" <251>', "firstdst": "5551234",
    "duration": 70, "billsec": "65", "disposition": "answered", "cc_cost": 0.1,
}  # fmt: skip
DAY = {"start_date_ymd": "2024-03-10", "end_date_ymd": "2024-03-10", "firstdst": "5551234"}
# A configuration of every kind, by names alone.
WHOLE: dict[str, Any] = {
    "tenants": [{"te_code": "Acme", "te_name": "Acme", "te_timezone": "Europe/Paris"}],
    "phone_models": [{"pm_name": "Desk 9"}],
    "custom_types": [{"ct_name": "HANGUP"}],
    "users": [{"us_username": "acme", "password": "acmepass1", "tenants": ["ACME"]}],
    "extensions": [
        {"te_code": "acme", "ex_number": "100", "ex_name": "Ann", "secret": "ann.secret"},
        {"te_code": "acme", "ex_number": "101", "ex_name": "Bob"},
    ],
    "hunts": [{"te_code": "acme", "hu_number": "500", "hu_name": "All", "hu_type": "RINGALL"}],
    "dids": [{"di_number": "33123456789", "te_code": "acme"}],
    "voicemails": [{"te_code": "acme", "mailbox": "100", "fullname": "Ann"}],
    "conditions": [{"te_code": "acme", "co_name": "Office", "co_type": "WEEKTIME"}],
    "ivrs": [{"te_code": "acme", "iv_name": "Menu"}],
    "customs": [{"te_code": "acme", "cu_name": "Off", "ct_name": "HANGUP"}],
    "phones": [{"te_code": "acme", "ph_mac": "00:15:65:00:00:01", "ph_name": "D", "ph_pm_id": 1}],
    "destinations": [
        {"te_code": "acme", "de_type_src": "DID", "src": "33123456789", "de_type_dst": "HUNTLIST",
         "dst": "500"},
        {"te_code": "acme", "de_type_src": "huntlist-timeout", "src": "500",
         "de_type_dst": "VOICEMAIL", "dst": "100"},
        {"te_code": "acme", "de_type_src": "CONDITION", "src": "Office", "de_type_dst": "DISA",
         "de_id_dst": "1"},
    ],
}  # fmt: skip


def counted(inserted: int = 0, updated: int = 0, unchanged: int = 0) -> dict[str, str]:
    """What an answer says about a batch."""
    return {"inserted": str(inserted), "updated": str(updated), "unchanged": str(unchanged)}


def test_call_records_are_taken(exchange: Exchange) -> None:
    """A batch is counted, and its calls are found with the tenant's times and exact costs."""

    async def run() -> None:
        async with exchange.fresh():
            batch = {"cdrs": [CALL, {**CALL, "sequence": 1}, CALL]}
            assert counted(2, 0, 1) == await ask(exchange, "POST", "cdrs", batch)
            assert counted(0, 0, 3) == await ask(exchange, "POST", "cdrs", batch)
            changed = {"cdrs": [{**CALL, "cc_cost": "0.2"}]}
            assert counted(0, 1, 0) == await ask(exchange, "POST", "cdrs", changed)
            rows = await exchange.data("/cdr/getCallHistory", **DAY)
            assert {"0.200000", "0.100000"} == {row["cc_cost"] for row in rows}
            (row, _) = rows
            assert "2024-03-10 12:00:00" == row["start"]
            assert "2024-03-10 12:00:05" == row["answer"]
            assert ("", "UniglobeDorval", "9.1") == (
                row["end"], row["accountcode"], row["linkedid"]
            )  # fmt: skip

    exchange.run(run())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"accountcode": "nobody"}, "accountcode"),
        ({"accountcode": 5}, "accountcode"),
        ({"accountcode": "a\0"}, "accountcode"),
        ({"uniqueid": ""}, "uniqueid"),
        ({"uniqueid": "x" * 65}, "uniqueid"),
        ({"start": ""}, "start"),
        ({"start": "2024-02-30 00:00:00"}, "start"),
        ({"start": "2024-03-10"}, "start"),
        ({"answer": "soon"}, "answer"),
        ({"end": 5}, "end"),
        ({"clid": "x" * 256}, "clid"),
        ({"clid": ["x"]}, "clid"),
        ({"duration": 64}, "duration"),
        ({"duration": -1}, "duration"),
        ({"billsec": 1.5}, "billsec"),
        ({"disposition": "MAYBE"}, "disposition"),
        ({"disposition": None}, "disposition"),
        ({"disposition": "BUSY"}, "billsec"),
        ({"cc_cost": "-1"}, "cc_cost"),
        ({"cc_cost": "0.0000001"}, "cc_cost"),
        ({"cc_cost": True}, "cc_cost"),
        ({"sequence": "x"}, "sequence"),
    ],
    ids=str,
)
def test_bad_call_records(exchange: Exchange, change: dict[str, Any], field: str) -> None:
    """One bad record refuses its batch, and nothing of it is kept."""

    async def run() -> None:
        batch = {"cdrs": [CALL, {**CALL, **change}]}
        message = await ask(exchange, "POST", "cdrs", batch, 400)
        assert f"Invalid Row 1 Field {field}." == message
        assert [] == await exchange.data("/cdr/getCallHistory", **DAY)

    exchange.run(run())


def test_batches_have_bounds(exchange: Exchange) -> None:
    """There is at least one record in a batch, and at most a thousand."""

    async def run() -> None:
        empty: tuple[Any, ...] = (None, [], {}, "x")
        for cdrs in empty:
            message = await ask(exchange, "POST", "cdrs", {"cdrs": cdrs}, 400)
            assert "Please Enter Required Fields." == message
        message = await ask(exchange, "POST", "cdrs", {"cdrs": [{}] * 1001}, 400)
        assert "Invalid Parameter cdrs." == message
        message = await ask(exchange, "POST", "cdrs", {"cdrs": ["x" * (4 << 20)]}, 413)
        assert "Request Too Large." == message

    exchange.run(run())


def test_local_times_around_changes_of_clocks(exchange: Exchange) -> None:
    """A time that clocks skip moves forward, one that they show twice is the first."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            for start, at in (
                ("2024-03-10 02:30:00", "2024-03-10 07:00:00"),
                ("2024-11-03 01:30:00", "2024-11-03 05:30:00"),
            ):
                await ask(exchange, "POST", "cdrs", {"cdrs": [{**CALL, "start": start}]})
                stored = await connection.fetchval(
                    "select to_timestamp(start_ms / 1000)::text from pbx.cdr where uniqueid = '9.1'"
                )
                assert f"{at}+00" == stored

    exchange.run(run())


def test_a_configuration_is_brought_in_once(exchange: Exchange) -> None:
    """Everything is made by its names; again, nothing is changed, however names are spelled."""

    async def run() -> None:
        async with exchange.fresh():
            told = await ask(exchange, "POST", "import", WHOLE)
            assert {name: counted(len(rows)) for name, rows in WHOLE.items()} == told["counts"]
            login = await exchange.call("GET", "/user/login", "acme:acmepass1")
            mine = await exchange.data("/user/tenants", "acme:acmepass1", user="acme")
            assert login.json()["data"]["user_id"] == mine["user_id"]
            (tenant,) = mine["tenants"]
            where = {"tenant_id": tenant["te_id"]}
            routes = await exchange.data("/destination/all", "acme:acmepass1", **where)
            sources = [row["de_type_src"] for row in routes]
            assert ["DID", "HUNTLIST-TIMEOUT", "CONDITION"] == sources
            first = (await exchange.data("/extension/bytenant", **where))[0]["ex_id"]
            (peer,) = await exchange.data("/extension/user", **where, extension_id=first)
            assert ("100-Acme", "ann.secret") == (peer["name"], peer["secret"])
            for spelled in (WHOLE, OTHERWISE):
                told = await ask(exchange, "POST", "import", spelled)
                expected = {name: counted(unchanged=len(rows)) for name, rows in spelled.items()}
                assert expected == told["counts"]
            log = await ask(exchange, "GET", "audit")
            assert ["password_changed", "secret_read"] == [row["action"] for row in log]

    exchange.run(run())


# What is known by names that are spelled in another case, and types that are kept in capitals.
OTHERWISE: dict[str, Any] = {
    "tenants": [{**WHOLE["tenants"][0], "te_code": "ACME"}],
    "users": [{**WHOLE["users"][0], "us_username": "Acme"}],
    "hunts": [{**WHOLE["hunts"][0], "hu_type": "ringAll"}],
    "phones": [{**WHOLE["phones"][0], "ph_mac": "00:15:65:00:00:01".upper()}],
}


SECRETS_OF_ROWS = (
    ("extensions", {"te_code": "acme", "ex_number": "100"}, "secret", "ann.secret", "ann.other"),
    ("extensions", {"te_code": "acme", "ex_number": "100"}, "host", "dynamic", "10.0.0.9"),
    ("phones", {"te_code": "acme", "ph_mac": "00:15:65:00:00:01"}, "ph_http_password", "", "pin"),
    ("users", {"us_username": "acme"}, "password", "acmepass1", "acmepass2"),
    ("users", {"us_username": "acme"}, "tenants", ["acme"], ["ADVICEWISE", "acme"]),
)


def test_what_is_beside_a_row_is_compared(exchange: Exchange) -> None:
    """An account, a password, what a user sees: a change is told, of secrets that there is one."""

    async def run() -> None:
        async with exchange.fresh():
            await ask(exchange, "POST", "import", WHOLE)
            for kind, row, name, kept, new in SECRETS_OF_ROWS:
                for value, change in ((kept, 0), (new, 1), (new, 0)):
                    document = {kind: [{**row, name: value}]}
                    dry = await ask(exchange, "POST", "import", {"dry_run": "yes", **document})
                    told = await ask(exchange, "POST", "import", document)
                    counts = {kind: counted(updated=change, unchanged=1 - change)}
                    assert (counts, counts) == (dry["counts"], told["counts"])
                    shown = {
                        "host": {"old": "dynamic", "new": "10.0.0.9"},
                        "tenants": {"old": "Acme", "new": "Acme AdviceWise"},
                    }.get(name, {"old": "***", "new": "***"})
                    assert change * [{name: shown}] == [one["fields"] for one in dry["differences"]]
            login = await exchange.call("GET", "/user/login", "acme:acmepass2")
            assert 200 == login.status_code

    exchange.run(run())


def test_a_document_may_say_something_twice(exchange: Exchange) -> None:
    """The second row of one key is a change of the first, or none."""

    async def run() -> None:
        async with exchange.fresh():
            row = {"te_code": "AdviceWise", "hu_number": "500", "hu_name": "A", "hu_type": "X"}
            rows = [row, row, {**row, "hu_name": "B"}, {**row, "hu_name": "B"}]
            told = await ask(exchange, "POST", "import", {"hunts": rows})
            assert {"hunts": counted(1, 1, 2)} == told["counts"]
            (hunt,) = await exchange.data("/hunt/bytenant", tenant_id="80")
            assert "B" == hunt["hu_name"]

    exchange.run(run())


def test_a_dry_run_tells_and_changes_nothing(exchange: Exchange) -> None:
    """The differences are those that the import would make."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            document = {
                "dry_run": "yes",
                "hunts": [
                    {"te_code": "UniglobeDorval", "hu_number": "501", "hu_name": "Sales"},
                    {"te_code": "UniglobeDorval", "hu_number": "502", "hu_ringtime": 60},
                ],
                "ivrs": [{"te_code": "AdviceWise", "iv_name": "Menu"}],
            }
            told = await ask(exchange, "POST", "import", document)
            assert {"hunts": counted(0, 1, 1), "ivrs": counted(1)} == told["counts"]
            names = {"hu_name": {"old": "Franchise Opportunities", "new": "Sales"}}
            assert [
                {"kind": "hunts", "index": "0", "change": "update", "key": "501", "fields": names},
                {"kind": "ivrs", "index": "0", "change": "insert", "key": "Menu", "fields": {}},
            ] == told["differences"]
            assert 0 == await connection.fetchval("select count(*) from pbx.ivr where tenant = 80")

    exchange.run(run())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"ivrs": "x"}, "Invalid Parameter ivrs."),
        ({"ivrs": [{}] * 20_001}, "Invalid Parameter ivrs."),
        ({"users": [{"password": "x"}] * 501}, "Invalid Parameter users."),
        ({"dry_run": "maybe"}, "Invalid Parameter dry_run."),
        ({"ivrs": ["x"]}, "Invalid Row ivrs 0 Field iv_name."),
        ({"ivrs": [{"te_code": "none", "iv_name": "x"}]}, "Invalid Row ivrs 0 Field te_code."),
        ({"phone_models": [{"pm_name": "a"}, {}]}, "Invalid Row phone_models 1 Field pm_name."),
        (
            {"users": [{"us_username": "x", "password_hash": "md5"}]},
            "Invalid Row users 0 Field password_hash.",
        ),
        (
            {"users": [{"us_username": "x", "password": "short"}]},
            "Invalid Row users 0 Field password.",
        ),
        (
            {"users": [{"us_username": "x", "password": "xxxxxxxx", "tenants": ["none"]}]},
            "Invalid Row users 0 Field te_code.",
        ),
        (
            {"extensions": [{"te_code": "AdviceWise", "ex_number": "x", "ex_name": "x"}]},
            "Invalid Row extensions 0 Field ex_number.",
        ),
        (
            {"dids": [{"te_code": "AdviceWise", "di_number": "15146001434"}]},
            "Invalid Row dids 0 Field di_number.",
        ),
        (
            {"destinations": [{"te_code": "AdviceWise", "de_type_src": "EXT", "src": "221"}]},
            "Invalid Row destinations 0 Field ex_number.",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_configurations(exchange: Exchange, document: dict[str, Any], message: str) -> None:
    """The first bad row is named, and nothing of the document is kept."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            models = {"phone_models": [{"pm_name": "Before"}], **document}
            assert message == await ask(exchange, "POST", "import", models, 400)
            assert 1 == await connection.fetchval("select count(*) from pbx.phone_model")

    exchange.run(run())


def test_secrets_are_not_told(exchange: Exchange) -> None:
    """No list and no import has a secret in it."""

    async def run() -> None:
        for path in ("extensions", "users", "phones", "audit"):
            told = str(await ask(exchange, "GET", path))
            assert not any(secret in told for secret in (*SECRETS.values(), "$argon2id"))

    exchange.run(run())
