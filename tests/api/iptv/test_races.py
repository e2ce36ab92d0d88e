"""Creates and changes that come at once over real connections: each thing is given once."""

import asyncio
from collections import Counter

import pytest

from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_admin import admin

# What is asked for eight times at once, how often it is given, and what the others hear.
ASKED = (
    ("POST /accounts", "login=same", 1, "Login already in use"),
    ("POST /users", "login=SAME", 1, "Login already in use"),
    ("POST /stb", "mac=00:1A:79:AA:00:01", 1, "Stb already exists"),
    ("POST /stb", "login=same&password=1&mac=00:1A:79:AA:00:0{n}", 1, "Login already in use"),
    ("POST /accounts", "login=one{n}&stb_mac=00:1A:79:AA:00:02", 1, "MAC address already in use"),
    ("POST /accounts", "login=one{n}&reseller_id={reseller}", 3, "Reseller users limit exceeded"),
    ("POST /reseller", "name=same", 1, "Reseller with this name already exists"),
    ("POST /account_subscription/1553", "subscribed[]=tv_2", 8, ""),
    ("DELETE /accounts/3", "", 1, "Account not found"),
)


@pytest.mark.parametrize(("call", "body", "given", "refusal"), ASKED, ids=str)
def test_at_once(call: str, body: str, given: int, refusal: str, portal: Portal) -> None:
    """Of eight equal wishes as many are granted as may be, and the others hear why not."""

    async def run() -> None:
        pool = portal.api.services.pool
        await pool.execute(
            "insert into iptv.reseller (id, name, max_users, created_at_ms, modified_at_ms)"
            " values (7, 'r', 3, 0, 0)"
        )
        method, _, path = call.partition(" ")
        try:
            answers = await asyncio.gather(
                *(
                    portal.call(method, path, body.format(n=number, reseller=7))
                    for number in range(8)
                )
            )
            told = Counter(answer.json().get("error", "OK") for answer in answers)
            refused = {refusal: 8 - given} if refusal else {}
            assert {"OK": given, **refused} == told
        finally:
            await pool.execute(
                "delete from iptv.account where id > 2; delete from iptv.reseller;"
                " delete from iptv.package_subscription; delete from iptv.event;"
                " insert into iptv.account (id, mac, login, ls, status, created_at_ms)"
                " values (2, '00:1A:79:00:15:B3', '3', '3', false, 0) on conflict do nothing"
            )

    portal.run(run())


def test_imports_at_once(portal: Portal) -> None:
    """Documents with the same accounts and channels make them once, whoever is first."""

    async def run() -> None:
        pool = portal.api.services.pool
        document = {
            "channels": [{"name": "New", "number": 900}],
            "accounts": [{"login": f"row{at}"} for at in range(50)],
        }
        answers = await asyncio.gather(
            *(portal.call("POST", "/admin/import", by="stalker", json=document) for _ in range(4))
        )
        rows = await pool.fetchval("select count(*) from iptv.account where login like 'row%'")
        channels = await pool.fetchval("select count(*) from iptv.channel where number = 900")
        await pool.execute(
            "delete from iptv.account where id > 2; delete from iptv.channel where number = 900"
        )
        assert (50, 1) == (rows, channels)
        statuses = Counter(answer.status_code for answer in answers)
        assert 1 <= statuses[200]
        assert {200, 400, 409} >= statuses.keys()

    portal.run(run())


def test_one_plan_is_everybodys(portal: Portal) -> None:
    """Plans that become the default at once take turns, and one of them is it."""

    async def run() -> None:
        pool = portal.api.services.pool
        await asyncio.gather(
            *(
                admin(portal, "PUT", f"tariffs/{number % 2 + 1}", {"user_default": 1})
                for number in range(6)
            )
        )
        defaults = await pool.fetchval("select count(*) from iptv.tariff where user_default")
        await admin(portal, "PUT", "tariffs/1", {"user_default": 1})
        assert 1 == defaults

    portal.run(run())


def test_an_admin_stays(portal: Portal) -> None:
    """Of two admins who remove each other at once, one is left."""

    async def run() -> None:
        new = {"login": "second", "password": "a password", "role": "admin"}
        await admin(portal, "POST", "api-users", new, 201)
        pool = portal.api.services.pool
        answers = await asyncio.gather(
            portal.call("DELETE", "/admin/api-users/second", by="stalker"),
            portal.call("PUT", "/admin/api-users/stalker", by="second:a password",
                        json={"role": "api"}),
        )  # fmt: skip
        left = await pool.fetchval("select count(*) from iptv.api_user where role = 'admin'")
        await pool.execute("update iptv.api_user set role = 'admin' where login = 'stalker';")
        await pool.execute("delete from iptv.api_user where login = 'second'")
        assert 1 == left
        assert 200 in [answer.status_code for answer in answers]

    portal.run(run())
