"""A RADIUS server asks whether somebody may begin a session, and what his session holds."""

import asyncio
from typing import Any

import pytest

from farebox.engine.authorizing import _holds
from tests.api.isp.conftest import Provider

ROUTE = "/isp/admin/radius/authorize"
REST = {"type": "string", "value": ["testuser"]}
OVERRIDE = {
    "userId": 1, "vendorRestriction": "on", "vendorReset": "always",
    "vendorData": [
        {"type": "check", "vendor": "generic", "attribute": "NAS-Port", "equals": ">=",
         "value": "5"},
        {"type": "reply", "vendor": "Mikrotik", "attribute": "Mikrotik-Address-List",
         "equals": "+=", "value": "gold"},
    ],
}  # fmt: skip


async def ask(provider: Provider, asked: Any, cred: str = "t-root") -> tuple[int, Any]:
    """Status and body of an answer."""
    answer = await provider.call("POST", ROUTE, json=asked, cred=cred)
    return answer.status_code, answer.json()


def test_who_may_begin(provider: Provider, loop: asyncio.Runner) -> None:
    """Password and speed in the words of the device; checks decide about own attributes."""

    async def play() -> None:
        async with provider.fresh():
            status, told = await ask(provider, {"User-Name": REST, "NAS-IP-Address": "127.0.0.1"})
            assert (200, ["test2"]) == (status, told["control:Cleartext-Password"]["value"])
            [limit] = told["reply:Mikrotik-Rate-Limit"]["value"]
            assert limit.startswith("4048000/4048000 "), limit
            _, told = await ask(provider, {"User-Name": "testuser"})
            assert ["4048000"] == told["reply:WISPr-Bandwidth-Max-Up"]["value"]
            path = "/isp/api/v1/override_user_vendor_attributes"
            assert 200 == (await provider.call("POST", path, json=OVERRIDE)).status_code
            for port, given in (("4", None), ("5", {"op": "+=", "value": ["gold"]})):
                _, told = await ask(provider, {"User-Name": "testuser", "NAS-Port": port})
                assert given == told.get("reply:Mikrotik-Address-List")
            for asked, cred, expected in (
                ({"User-Name": "nobody"}, "t-root", (404, "user_not_found")),
                ({"User-Name": "sekark"}, "t-root", (403, "user_locked")),
                ({}, "t-root", (400, "missing_argument")),
                ({"User-Name": "testuser"}, "t-test", (403, "forbidden_scope")),
            ):
                status, told = await ask(provider, asked, cred)
                assert expected == (status, told["error"])

    loop.run(play())


def test_a_session_holds_what_it_was_given(provider: Provider, loop: asyncio.Runner) -> None:
    """One that begins soon after needs not be told; one that begins later does."""

    async def play() -> None:
        async with provider.fresh() as connection:
            await ask(provider, {"User-Name": "testuser"})
            for session, clock, expected in (("a", "10:05", 11), ("b", "10:11", 0)):
                begun = {"nas": "127.0.0.1", "sessionId": session, "user": "testuser",
                         "type": "start", "at": f"2026-11-22T{clock}:00+05:30"}  # fmt: skip
                provider.clock.now_ms += 11 * 60_000
                await provider.call("POST", "/isp/admin/usage/batch", json=[begun])
                provider.clock.now_ms -= 11 * 60_000
                assert expected == await connection.fetchval(
                    "select applied_template from isp.session where acct_session_id = $1", session
                )

    loop.run(play())


@pytest.mark.parametrize(
    ("sign", "wanted", "holds", "fails"),
    [
        ("==", "a", ["a"], ["b", None]),
        ("!=", "a", ["b", None], ["a"]),
        (">", "9", ["10"], ["9", "x", None]),
        ("<=", "9", ["9", "8"], ["10"]),
        ("=~", "ab*[x]", ["ab-[x]"], ["abx", None]),
        ("!~", "ab*", ["x", None], ["abc"]),
        ("=*", "", ["", "x"], [None]),
        ("!*", "", [None], ["x"]),
    ],
)
def test_checks(sign: str, wanted: str, holds: list[Any], fails: list[Any]) -> None:
    """Every operator, with values that it lets pass and others."""
    check = {"equals": sign, "value": wanted}
    assert [True] * len(holds) == [_holds(check, said) for said in holds]
    assert [False] * len(fails) == [_holds(check, said) for said in fails]
