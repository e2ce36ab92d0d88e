"""What operators provision: every kind of row, secrets, statuses, and who may not."""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest

from tests.api.isp.conftest import Provider

ADMIN = "/isp/admin"
POLICY = {
    "bandwidthReset": "data", "bandwidthResetLimit": 1.5, "bandwidthResetUnitData": "gb",
    "bandwidthResetEvery": "monthly", "bandwidthResetEveryValue": 31, "bandwidthTemplate": 11,
    "bandwidthReset2": "always", "bandwidthTemplate2": 12,
}  # fmt: skip
# Noun, what is created, what is changed, a body that is refused, and the reason.
NOUNS: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str], ...] = (
    ("bandwidth_templates", {"name": "1 Mbps", "upKbps": 1024, "downKbps": 1024},
     {"priority": 3}, {"name": "25 Mbps", "upKbps": 1, "downKbps": 1}, "duplicate_name"),
    ("profiles", {"name": "P", "policy": POLICY}, {"deactivated": True},
     {"name": "P", "policy": {**POLICY, "bandwidthResetEveryValue": 32}}, "invalid_argument"),
    ("groups", {"name": "G", "profileId": "5"}, {"allowedForMove": False},
     {"name": "H", "profileId": 99}, "invalid_argument"),
    ("admins", {"username": "collector2"}, {"phone": "12345"}, {"username": "collector1"},
     "duplicate_name"),
    ("nas", {"ip": "10.1.1.1", "secret": "s3cret"}, {"coaEnabled": False, "secret": "other"},
     {"ip": "10.1.1", "secret": "x"}, "invalid_argument"),
    ("radius_servers", {"host": "radius.example.com", "secret": "s3cret"}, {"statusPort": 1812},
     {"host": "x"}, "missing_argument"),
    ("tickets", {"userId": "471"}, {"status": "closed"}, {"userId": 9}, "invalid_argument"),
    ("users", {"username": "new", "groupId": 5, "expirationTime": "2026-12-24 00:00:00"},
     {"name": "New", "expirationTime": None}, {"username": "ravi", "groupId": 5},
     "duplicate_name"),
)  # fmt: skip

# What a row of each noun always has.
KEPT = {
    "bandwidth_templates": {"name", "upKbps", "downKbps"}, "profiles": {"name", "policy"},
    "groups": {"name", "profileId"}, "admins": {"username"}, "nas": {"ip", "secret"},
    "radius_servers": {"host", "secret"}, "tickets": {"userId"},
    "users": {"username", "activationTime"},
}  # fmt: skip


def test_every_noun(provider: Provider, loop: asyncio.Runner) -> None:
    """Created, read, listed, changed, deleted; secrets are not shown; faults are told."""

    async def play() -> None:
        async def call(method: str, path: str, body: Any = None, cred: str = "t-root") -> Any:
            answer = await provider.call(method, f"{ADMIN}/{path}", json=body, cred=cred)
            assert answer.status_code < 500, answer.text
            return answer.status_code, answer.json() if answer.content else None

        for noun, new, change, wrong, reason in NOUNS:
            async with provider.fresh():
                status, made = await call("POST", noun, new)
                assert 201 == status, made
                row = made["data"]
                assert row["id"].isdigit()
                assert "s3cret" not in str(made)
                status, told = await call("GET", f"{noun}/{row['id']}")
                assert (200, row) == (status, told["data"])
                _, listed = await call("GET", f"{noun}?limit=1000")
                assert row in listed["data"]
                status, changed = await call("PATCH", f"{noun}/{row['id']}", change)
                assert 200 == status, changed
                assert (400, reason) == _error(await call("POST", noun, wrong)) or (
                    (409, reason) == _error(await call("POST", noun, wrong))
                )
                assert 403 == (await call("GET", noun, cred="t-test"))[0]
                if noun != "users":
                    status, _ = await call("DELETE", f"{noun}/{row['id']}")
                    assert 204 == status
                    assert 404 == (await call("GET", f"{noun}/{row['id']}"))[0]
                assert 404 == (await call("GET", f"{noun}/x"))[0]

    loop.run(play())


def test_what_every_row_has_stays(provider: Provider, loop: asyncio.Runner) -> None:
    """Null takes away what may be missing, and is refused for what a row cannot be made without."""

    async def play() -> None:
        for noun, new, *_ in NOUNS:
            async with provider.fresh():
                made = await provider.call("POST", f"{ADMIN}/{noun}", json=new, cred="t-root")
                row = made.json()["data"]
                refused = set()
                for name in {**row, **new}:
                    path = f"{ADMIN}/{noun}/{row['id']}"
                    told = await provider.call("PATCH", path, json={name: None}, cred="t-root")
                    if told.status_code != 200:
                        assert told.json()["error"] in ("missing_argument", "invalid_argument"), (
                            name
                        )
                        refused.add(name)
                assert KEPT[noun] == refused

    loop.run(play())


def _error(told: tuple[int, Any]) -> tuple[int, str]:
    return told[0], told[1]["error"]


def test_a_subscriber_from_nothing(provider: Provider, loop: asyncio.Runner) -> None:
    """Made, given a password, suspended, and read by the documented operations."""

    async def play() -> None:
        async with provider.fresh():
            body = {"username": "new", "groupId": 5, "phone": "5551234567"}
            made = await provider.call("POST", f"{ADMIN}/users", json=body, cred="t-root")
            number = made.json()["data"]["id"]
            users = f"{ADMIN}/users/{number}"
            password = {"password": "correct horse"}
            told = await provider.call("PUT", f"{users}/password", json=password, cred="t-root")
            assert 200 == told.status_code, told.text
            known = await provider.get(f"get_user_password/{number}", cred="t-root")
            assert password == known["message"]
            for status, expected in (("suspended", 200), ("blocked", 409), ("active", 200)):
                told = await provider.call(
                    "POST", f"{users}/status", json={"status": status}, cred="t-root"
                )
                assert expected == told.status_code, told.text
            found = await provider.post("get_users_by_phone", {"phone": "5551234567"})
            assert number == found["success"]
            counts = (await provider.get("get_users_count"))["message"]
            assert (9, 6) == (counts["total"], counts["active"])

    loop.run(play())


def test_clocks_on_the_wall(provider: Provider, loop: asyncio.Runner) -> None:
    """A time without an offset is one of the subscriber's own zone, else of the account's."""
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "2027-03-01T00:00:00+05:30"),
        ({"timezone": "America/New_York"}, "2027-03-01T00:00:00-05:00"),
        ({}, "2027-03-01T00:00:00-05:00"),
        ({"timezone": None}, "2027-03-01T00:00:00+05:30"),
    )

    async def play() -> None:
        async with provider.fresh():
            for more, expected in cases:
                body = {**more, "expirationTime": "2027-03-01 00:00:00"}
                told = await provider.call("PATCH", f"{ADMIN}/users/1", json=body, cred="t-root")
                shown = datetime.fromisoformat(told.json()["data"]["expirationTime"])
                assert datetime.fromisoformat(expected) == shown, more
                line = json.dumps({"username": "testuser", "expirationTime": "2027-03-01 00:00:00"})
                answer = await provider.call(
                    "POST", f"{ADMIN}/import/users", content=line.encode(), cred="t-root",
                    headers={"Content-Type": "application/x-ndjson"},
                )  # fmt: skip
                assert 1 == answer.json()["data"]["unchanged"], more

    loop.run(play())


# What is said of a subscriber, and how it is shown; None where it is refused.
FORMS: tuple[tuple[str, Any, Any], ...] = (
    ("phone", "+91 (974) 574-1812", "+919745741812"), ("phone", "none", None), ("phone", "", ""),
    ("alt_phone", 9745741812, "9745741812"), ("alt_phone", "123", None),
    ("email", " Me@Example.com ", "Me@Example.com"), ("email", "me@example.", None),
    ("email", "a@example.com,b@example.com", None), ("alt_email", "x", None), ("alt_email", "", ""),
    ("address", "2 Side Street", "2 Side Street"), ("address", None, None),
    ("country_code", "IND", None), ("country_code", "FR", "FR"),
    ("installationTime", "22-11-2026", "2026-11-22"), ("installationTime", "2026-02-30", None),
)  # fmt: skip


def test_what_is_known_of_a_subscriber(provider: Provider, loop: asyncio.Runner) -> None:
    """Each in its form, shown by the documented views, and the same after a table out and in."""

    async def play() -> None:
        async with provider.fresh():
            for name, given, expected in FORMS:
                body = {name: given}
                told = await provider.call("PATCH", f"{ADMIN}/users/1", json=body, cred="t-root")
                is_refused = given is not None and expected is None
                assert (400 if is_refused else 200) == told.status_code, (name, given)
                if not is_refused:
                    assert expected == told.json()["data"][name]
            shown = (await provider.get("get_basic_user_details"))["data"][0]
            assert ("2026-11-22", "FR") == (shown["installationTime"], shown["country_code"])
            line = (
                '{"username": "testuser", "installationTime": "2026-11-22", "country_code": "FR"}'
            )
            answer = await provider.call(
                "POST", f"{ADMIN}/import/users", content=line.encode(), cred="t-root",
                headers={"Content-Type": "application/x-ndjson"},
            )  # fmt: skip
            assert 1 == answer.json()["data"]["unchanged"], answer.text

    loop.run(play())


def test_simulators_change_their_behaviour(provider: Provider, loop: asyncio.Runner) -> None:
    """A demonstration's far sides do as they are told."""

    async def play() -> None:
        async with provider.fresh():
            for name, status in (("nas", 200), ("fax", 400)):
                told = await provider.call(
                    "PUT", f"{ADMIN}/simulators/{name}", json={"behaviour": "nak 401"},
                    cred="t-root",
                )  # fmt: skip
                assert status == told.status_code, told.text
            assert "nak 401" == provider.simulators.behaviour["nas"]

    loop.run(play())


def test_an_account_below(provider: Provider, loop: asyncio.Runner) -> None:
    """Made, given a credential of few scopes, and a gateway of its own."""

    async def play() -> None:
        async def call(method: str, path: str, body: Any = None, cred: str = "t-root") -> Any:
            answer = await provider.call(method, f"{ADMIN}/{path}", json=body, cred=cred)
            return answer.status_code, answer.json() if answer.content else None

        async with provider.fresh():
            made = {"newAccountId": "branch", "timezone": "Europe/Berlin", "currency": "EUR"}
            assert 201 == (await call("POST", "accounts", made))[0]
            assert (409, "duplicate_name") == _error(await call("POST", "accounts", made))
            status, told = await call("PATCH", "accounts/branch", {"companyName": "Branch"})
            assert 200 == status, told
            rows = (await call("GET", "accounts"))[1]["data"]
            assert ["branch", "niroop", "test"] == [row["accountId"] for row in rows]
            assert ("Branch", "Europe/Berlin") == (rows[0]["companyName"], rows[0]["timezone"])
            wanted = {"apiToken": "t-branch", "scopes": ["read"]}
            status, told = await call("POST", "accounts/branch/credentials", wanted)
            cred = f"t-branch:{told['data']['apiKey']}"
            assert [] == await provider.get("get_all_user_ids", cred=cred)
            assert 403 == (await call("GET", "accounts", cred=cred))[0]
            assert 403 == (await call("POST", "accounts/other/credentials", wanted))[0]
            url = f"http://127.0.0.1:{provider.simulators.ports['sms']}/x"
            gateway = {"url": url, "body": "{text}", "successPattern": "O*K"}
            assert 200 == (await call("PUT", "accounts/test/sms_gateway", gateway))[0]
            text = {"body": "Bye {username}"}
            path = "accounts/test/templates/sms/accountSuspension"
            assert 200 == (await call("PUT", path, text))[0]
            sent = {"userId": "471", "templateName": "accountSuspension"}
            assert "success" == (await provider.post("send_sms_to_user", sent))["status"]
            assert "Bye testpay" == provider.simulators.seen["sms"][-1]
            status, told = await call("DELETE", "accounts/branch/credentials/t-branch")
            assert (204, None) == (status, told)
            gone = await provider.call("GET", "/isp/api/v1/get_all_user_ids", cred=cred)
            assert 401 == gone.status_code

    loop.run(play())


def test_what_belongs_to_a_subscriber(provider: Provider, loop: asyncio.Runner) -> None:
    """Home, fixed address, ledger and renewal, as the documented operations then show them."""

    async def play() -> None:
        async def call(method: str, path: str, body: Any = None, key: str = "") -> Any:
            headers = {"Idempotency-Key": key} if key else {}
            answer = await provider.call(
                method, f"{ADMIN}/users/199/{path}", json=body, cred="t-root", headers=headers
            )
            return answer.status_code, answer.json()

        async with provider.fresh():
            home = {"latitude": "1.5", "areaId": 2, "streetId": 2}
            assert 200 == (await call("PUT", "location", home))[0]
            assert (404, "area_not_found") == _error(await call("PUT", "location", {"areaId": 9}))
            address = {"staticIpAddress": "10.9.9.9", "staticIpBoundMac": "aabb.ccdd.eeff"}
            assert 201 == (await call("POST", "static_ips", address))[0]
            assert 409 == (await call("POST", "static_ips", address))[0]
            assert (400, "missing_argument") == _error(await call("POST", "static_ips", {}))
            _, _, static, where = (await provider.get("get_details/199"))["data"]
            assert ("1.5", "PTC", None) == tuple(
                where["location"][name] for name in ("latitude", "area", "block")
            )
            assert "AA:BB:CC:DD:EE:FF" == static["staticIpMac"][0]["staticIpBoundMac"]
            for kind, amount in (("charges", "10.5"), ("payments", 4), ("adjustments", "-0.25")):
                assert (400, "missing_argument") == _error(
                    await call("POST", kind, {"amount": amount})
                )
                for _ in range(2):
                    told = await call("POST", kind, {"amount": amount}, key=kind)
                    assert 201 == told[0], told
            lines = (await call("GET", "ledger"))[1]["data"]
            assert ["10.5", "-4", "-0.25"] == [line["amount"] for line in lines]
            status, told = await call("POST", "renew", {})
            assert (200, "2026-12-22 10:00:00") == (status, told["data"]["expirationTime"])
            user, used, _, _ = (await provider.get("get_details/199"))["data"]
            assert "active" == user["User"]["status"]
            assert "2026-11-22 10:00:00" == used["currentBillingCycleUsage"]["billingStartDate"]

    loop.run(play())


def test_a_group_goes_while_it_is_listed(
    provider: Provider, loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups are read, then counted: of one that has gone in between there is nobody."""
    services = provider.api.services
    count = services.provider.groups.list

    async def late(*asked: Any) -> Any:
        await services.pool.execute("delete from isp.user_group where name = 'G'")
        return await count(*asked)

    async def play() -> None:
        async with provider.fresh():
            for path in ("groups?limit=1&afterId=7", "groups"):
                new = {"name": "G", "profileId": "5"}
                made = await provider.call("POST", f"{ADMIN}/groups", json=new, cred="t-root")
                with monkeypatch.context() as patched:
                    patched.setattr(services.provider.groups, "list", late)
                    listed = await provider.call("GET", f"{ADMIN}/{path}", cred="t-root")
                assert 200 == listed.status_code, listed.text
                assert {**made.json()["data"], "Total_Users": 0} == listed.json()["data"][-1]

    loop.run(play())
