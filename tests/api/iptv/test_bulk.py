"""Whole catalogues and many accounts as operators bring them in (iptv.md 3.14)."""

from typing import Any

import pytest

from tests.api.iptv.cases import M1, M2
from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_admin import admin
from tests.api.iptv.test_rules import events

DAY_MS = 86_400_000
HASHED = (
    "$argon2id$v=19$m=65536,t=3,p=4"
    "$VaPQ+3F3uzo5G8INWrMBjQ$q4/H+gED/VjVyxwd4vOTri2jT0307ar6lZN+UUNFqxs"
)
# A document of every kind on the fixture: four records are new, four are known.
WHOLE: dict[str, Any] = {
    "channels": [{"number": 5, "name": "Films"}, {"id": 27, "name": "News 24"}, {"number": 2}],
    "contents": [{"id": 1, "type": "video", "name": "A film"}],
    "packages": [
        {"external_id": "tv_2", "price": 2.5, "services": [27, 29]},
        {"external_id": "films", "name": "Films", "type": "video", "services": [1]},
    ],
    "tariffs": [
        {"external_id": "GOLD", "name": "Gold", "days_to_expires": 2,
         "packages": [{"id": 1, "optional": 1}]},
        {"id": 2, "name": "Standart"},
    ],
    "accounts": [
        {"login": "1553", "status": 0, "tariff_plan": "gold", "stb_mac": M2},
        {"stb_mac": M2, "login": "3", "full_name": "Three"},
        {"login": "new", "password": "a password", "account_number": 77, "stb_type": "MAG"},
        {"login": "ready", "password_hash": HASHED, "stb_mac": "00:1A:79:00:00:09"},
    ],
}  # fmt: skip
# The second account gives its address up for the first one.
WHOLE["accounts"][1]["stb_mac"] = M1


def counted(created: int = 0, updated: int = 0, unchanged: int = 0) -> dict[str, int]:
    """What an answer says about a kind."""
    return {"created": created, "updated": updated, "unchanged": unchanged}


def test_a_document_is_brought_in_once(portal: Portal) -> None:
    """Everything is made or changed by its names; again, only passwords are written."""

    async def run() -> None:
        async with portal.fresh() as connection:
            assert {
                "channels": counted(1, 1, 1), "contents": counted(1), "packages": counted(1, 1),
                "tariffs": counted(1, 0, 1), "accounts": counted(2, 2),
            } == await admin(portal, "POST", "import", WHOLE)  # fmt: skip
            (one,) = await portal.results("GET", "/accounts/1553")
            assert (0, "GOLD", "2026-03-12 09:00:00", M2) == (
                one["status"], one["tariff_plan"], one["tariff_expired_date"], one["stb_mac"]
            )  # fmt: skip
            assert (1, "cut_off", "", False, 1, 240) in await events(connection)
            three = await portal.results("GET", "/users/3")
            assert ("Three", M1) == (three["full_name"], three["stb_mac"])
            signed = await portal.call(
                "POST", "/device/auth", f"login=new&password=a password&device_id={'d' * 32}", ""
            )
            assert 200 == signed.status_code
            again = await admin(portal, "POST", "import", WHOLE)
            assert (counted(unchanged=3), counted(0, 1, 3)) == (
                again["channels"], again["accounts"]
            )  # fmt: skip

    portal.run(run())


def test_a_dry_run_tells_and_changes_nothing(portal: Portal) -> None:
    """The differences are those that the import would make."""

    async def run() -> None:
        async with portal.fresh() as connection:
            before = await admin(portal, "GET", "channels")
            told = await admin(portal, "POST", "import", {"dry_run": 1, **WHOLE})
            assert [
                {"index": 0, "change": "created", "key": told["channels"]["differences"][0]["key"],
                 "fields": {}},
                {"index": 1, "change": "updated", "key": "27",
                 "fields": {"name": {"old": "News", "new": "News 24"}}},
            ] == told["channels"]["differences"]  # fmt: skip
            assert {
                "price": {"old": 0.0, "new": 2.5}, "services": {"old": [], "new": [27, 29]},
            } == told["packages"]["differences"][0]["fields"]  # fmt: skip
            one, _, new, _ = told["accounts"]["differences"]
            assert ("1553", {"old": True, "new": False}) == (one["key"], one["fields"]["status"])
            assert ("created", "new", {}) == (new["change"], new["key"], new["fields"])
            assert before == await admin(portal, "GET", "channels")
            assert 2 == await connection.fetchval("select count(*) from iptv.account")
            assert [] == await events(connection)

    portal.run(run())


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"channels": "x"}, "Not valid channels"),
    ({"channels": ["x"]}, "Not valid channels"),
    ({"dry_run": "yes", "channels": []}, "Not valid dry_run"),
    ({"contents": [{}] * 10_001}, "Too many rows"),
    ({"accounts": [{"password": "x"}] * 501}, "Too many passwords"),
    ({"contents": [{"type": "x", "name": "x"}]}, "Not valid contents[0].type: Not valid type"),
    ({"channels": [{"id": 900, "number": 900}]}, "Not valid channels[0].name: name required"),
    ({"contents": [{"id": None, "type": "video", "name": "x"}]},
     "Not valid contents[0].id: Not valid id"),
    ({"channels": [{"number": 2**31, "name": "x"}]},
     "Not valid channels[0].number: Not valid number"),
    ({"channels": [{"id": 900, "name": "x", "number": 1}]},
     "Not valid channels[0].number: number is already taken"),
    ({"packages": [{"external_id": "tv_2", "type": "video"}]},
     "Not valid packages[0].type: type cannot change"),
    ({"packages": [{"external_id": "tv_2", "services": [1]}]},
     "Not valid packages[0].services: One or more services are incorrect: 1"),
    ({"tariffs": [{"id": 1, "packages": [{"id": 99}]}]},
     "Not valid tariffs[0].packages: One or more packages are incorrect: 99"),
    ({"accounts": [{"login": "a"}, {"full_name": "x"}]},
     "Not valid accounts[1].login: Login required"),
    ({"accounts": [{"login": "a"}, {"login": "A"}]}, "Not valid accounts[1].login: is there twice"),
    ({"accounts": [{"login": "a", "stb_mac": M1}]}, "Not valid accounts[0].stb_mac: is in use"),
    ({"accounts": [{"login": "a", "stb_mac": "zz"}]},
     "Not valid accounts[0].stb_mac: Not valid mac address"),
    ({"accounts": [{"login": "a", "status": 2}]}, "Not valid accounts[0].status: Not valid status"),
    ({"accounts": [{"login": "a", "tariff_plan": "NO"}]},
     "Not valid accounts[0].tariff_plan: Tariff plan not found"),
    ({"accounts": [{"login": "a", "reseller_id": 9}]},
     "Not valid accounts[0].reseller_id: does not exist"),
    ({"accounts": [{"login": "a", "password": 5}]},
     "Not valid accounts[0].password: Not valid password"),
    ({"accounts": [{"login": "a", "password_hash": "md5"}]},
     "Not valid accounts[0].password_hash: Not valid password_hash"),
    ({"accounts": [{"login": ["a"]}]},
     "Not valid accounts[0].login: a value is neither text nor number"),
)  # fmt: skip


@pytest.mark.parametrize(("document", "message"), BAD, ids=lambda value: str(value)[:60])
def test_bad_documents(document: dict[str, Any], message: str, portal: Portal) -> None:
    """The first bad row is named with its field, and nothing of the document is kept."""

    async def run() -> None:
        async with portal.fresh() as connection:
            whole = {"channels": [{"name": "First", "number": 4000}], **document}
            assert message == await admin(portal, "POST", "import", whole, 400)
            assert 4 == await connection.fetchval("select count(*) from iptv.channel")
            assert 2 == await connection.fetchval("select count(*) from iptv.account")

    portal.run(run())


def test_resellers_keep_their_bounds(portal: Portal) -> None:
    """An import gives no reseller more accounts than he may have."""

    async def run() -> None:
        async with portal.fresh():
            await portal.results("POST", "/reseller", "name=r&max_users=2")
            (made,) = await portal.results("GET", "/reseller")
            rows = [{"login": f"a{at}", "reseller_id": made["id"]} for at in range(3)]
            told = await admin(portal, "POST", "import", {"accounts": rows}, 403)
            assert "Reseller users limit exceeded" == told
            done = await admin(portal, "POST", "import", {"accounts": rows[:2]})
            assert {"accounts": counted(2)} == done

    portal.run(run())


def test_thousands_of_accounts(portal: Portal) -> None:
    """A large document is a few statements, and bringing it in again changes nothing."""

    async def run() -> None:
        async with portal.fresh():
            rows = [
                {"login": f"box{at}", "account_number": str(at // 2), "tariff_plan": "FULL",
                 "stb_mac": f"00:1A:79:10:{at // 256:02X}:{at % 256:02X}"}
                for at in range(3000)
            ]  # fmt: skip
            assert {"accounts": counted(3000)} == await admin(
                portal, "POST", "import", {"accounts": rows}
            )
            rows[5] |= {"comment": "changed"}
            assert {"accounts": counted(0, 1, 2999)} == await admin(
                portal, "POST", "import", {"accounts": rows}
            )

    portal.run(run())
