"""What a caller does not see does not exist, byte for byte; nothing comes of asking (iptv.md 1).

The portal has no tenants. Foreign to a call is what is there, but not for it: another kind of
record, an account by a name that this resource does not know it by, another box's event, and every
record for somebody who may not call. The operations come from the description of the API, so that a
new one is asked too; what is valid besides comes from the valid calls.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.api.iptv.cases import M1, M2, Row
from tests.api.iptv.conftest import Portal, authorization
from tests.api.iptv.test_cases import play
from tests.api.iptv.test_devices import ONE, TWO, signed_in
from tests.api.mutate import CONTENT, Valid, encoded
from tests.api.mutated.iptv import valid_calls

UNKNOWN = "765432"
# What is there under its name, and under the number of its row; numbers are of one kind each.
WORLD = """
update iptv.account set id = 71, login = 'lisa', ls = 'L-7' where id = 2;
update iptv.account set id = 70, login = 'jon', ls = 'J-7' where id = 1;
insert into iptv.content (id, type, name) values (72, 'radio', 'Jazz');
insert into iptv.channel (id, name, number, enabled) values (73, 'Films', 9, false);
insert into iptv.reseller (id, name, created_at_ms, modified_at_ms) values (74, 'North', 0, 0);
insert into iptv.tariff (id, external_id, name, user_default) values (75, 'GOLD', 'Golden', false);
insert into iptv.package (id, external_id, name, type) values (76, 'sports', 'Sports', 'tv');
insert into iptv.event (id, account, event, priority, need_confirm, created_at_ms, expires_at_ms,
                        ended_at_ms)
  overriding system value values (77, 71, 'send_msg', 2, true, 0, 9e15, null),
                                 (78, 70, 'send_msg', 2, true, 0, 1, null);
"""
# For every resource what it finds, and what is there besides.
SEEN: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("stb", "accounts", "stb_msg", "send_event", "stb_modules", "itv_subscription",
         "account_subscription"),
        ("J-7", ("jon", "lisa", "70", "74", "stalker")),
    ),
    "users": ("jon", ("J-7", "L-7", "70", "74", "stalker")),
    "itv": ("27", ("73", "72", "74", "News")),
    "tariffs": ("75", ("GOLD", "76", "27")),
    "services_package": ("76", ("sports", "75", "27")),
    "reseller": ("74", ("North", "71", "27")),
    "admin/channels": ("73", ("72", "74", "Films")),
    "admin/contents": ("72", ("73", "27", "Jazz")),
    "admin/packages": ("76", ("75", "27", "sports")),
    "admin/tariffs": ("75", ("76", "27", "GOLD")),
    "admin/api-users": ("billing", ("lisa", "jon", M2)),
    "admin/devices": ("lisa", ("L-7", "70", "stalker")),
    "device/events": ("77", ("77", "78")),
}  # fmt: skip


def head_of(path: str) -> str:
    """What a path is about."""
    parts = path.strip("/").split("/")
    return "/".join(parts[: 2 if parts[0] in ("admin", "device") else 1])


def placed(call: Valid, name: str) -> str:
    """The call's path with another record's name in it."""
    head = head_of(call.path)
    rest = call.path.strip("/").removeprefix(head).strip("/").partition("/")[2]
    return f"/{head}/{quote(name, safe='')}{'/' if rest else ''}{rest}"


CALLS = [
    call
    for call in valid_calls()
    # A valid call names a record, or else there is nothing in it that could be foreign.
    if call.path.strip("/").removeprefix(head_of(call.path))
]


async def described(portal: Portal) -> Iterator[tuple[str, str]]:
    """Method and path of every described operation that names a record."""
    document = (await portal.api.client.get("/schema/openapi.json")).json()
    return (
        (method.upper(), path.removeprefix("/iptv"))
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/iptv/") and "{" in path and method in ("get", "post", "put", "delete")
    )


def test_every_operation_is_asked(portal: Portal) -> None:
    """Each operation with a name in its path has a valid call, and each resource its names."""

    async def run() -> None:
        wanted = {(method, head_of(path)) for method, path in await described(portal)}
        assert set() == wanted - {(call.method, head_of(call.path)) for call in CALLS}
        assert {head for _, head in wanted} == SEEN.keys()

    portal.run(run())


def one_each() -> dict[str, Valid]:
    """A valid call of each method of each resource."""
    return {f"{call.method} {head_of(call.path)}": call for call in CALLS}


async def answer_of(portal: Portal, call: Valid, name: str, headers: Any) -> tuple[Any, ...]:
    """What a call hears about a record; the record's own name aside."""
    more: dict[str, Any] = {"params": call.query} if call.query else {}
    if call.body is not None:
        is_form = not call.path.startswith("/admin/")
        body = urlencode(call.body, doseq=True) if is_form else encoded(call.body, "json")
        if is_form:
            lists = [key for key, value in call.body.items() if isinstance(value, list)]
            body = re.sub(rf"(^|&)({'|'.join(lists) or '!'})=", r"\1\2[]=", str(body))
        kind = "application/x-www-form-urlencoded" if is_form else "application/json"
        more["content"], headers = body, {**headers, "Content-Type": kind}
    answer = await portal.call(call.method, placed(call, name), by="", headers=headers, **more)
    return answer.status_code, answer.text.replace(name, "?"), answer.headers


async def contents(connection: Any) -> list[Any]:
    """All rows of the portal, as one number for each table."""
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'iptv'")
    names = sorted(f"iptv.{row['tablename']}" for row in tables)
    return [await connection.fetchval(CONTENT.format(name)) for name in names]


@pytest.mark.parametrize("call", one_each().values(), ids=one_each())
def test_foreign_is_unknown(call: Valid, portal: Portal) -> None:
    """Whatever is there but not for this call answers as nothing does, and stays as it is."""
    seen, foreign = SEEN[head_of(call.path)]

    async def run() -> None:
        async with portal.fresh(is_compatible=False) as connection:
            await connection.execute(WORLD)
            token = await signed_in(portal, M1, ONE)
            box = {"Authorization": f"Bearer {token}"}
            before = await contents(connection)
            headers = box if call.who == "box" else authorization(call.who)
            unknown = await answer_of(portal, call, UNKNOWN, headers)
            assert 404 == unknown[0], unknown
            for name in foreign:
                assert unknown == await answer_of(portal, call, name, headers), name
            # Who may not call hears the same about what is there and about what is not.
            others: list[Any] = [{}, box if call.who != "box" else {"Authorization": "Bearer x"}]
            if call.path.startswith("/admin/"):
                others.append(authorization("billing"))
            for other in others:
                refused = await answer_of(portal, call, UNKNOWN, other)
                assert refused[0] in (401, 403), refused
                assert refused == await answer_of(portal, call, seen, other)
            assert before == await contents(connection)
            if call.who != "box":
                assert 404 != (await answer_of(portal, call, seen, headers))[0]

    portal.run(run())


# What a body or a query names: a call, and what is there but not for it.
NAMED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("PUT /itv_subscription/J-7", "sub_ch[]={}", ("72", "74")),
    ("PUT /account_subscription/J-7", "subscribed[]={}", ("sports", "News", "76")),
    ("PUT /account_subscription/J-7", "subscribed_id[]={}", ("76", "75", "sports")),
    ("PUT /account_subscription/J-7", "unsubscribed[]={}", ("sports", "76")),
    ("PUT /account_subscription/J-7", "unsubscribed_id[]={}", ("76", "75")),
    ("POST /account_subscription/J-7", "subscribed[]={}", ("sports", "76")),
    ("POST /accounts", "login=new&tariff_plan={}", ("76", "sports", "Golden")),
    ("PUT /users/jon", "tariff_instead_expired={}", ("76", "sports", "Golden")),
    ("PUT /accounts/J-7", "reseller_id={}", ("75", "27")),
    ("POST /device/auth", f"login={{}}&device_id={TWO}", ("jon", "L-7", "stalker")),
    ("GET /admin/events?account={}", "", ("stalker", "70", "74")),
    ("GET /admin/events?event={}", "", ("reboot",)),
    ("GET /device/events?event_active_id={}", "", ("77", "78")),
)


@pytest.mark.parametrize(("call", "body", "foreign"), NAMED)
def test_foreign_is_unknown_inside(
    call: str, body: str, foreign: tuple[str, ...], portal: Portal
) -> None:
    """The same of what is named in a body or in a query."""
    method, _, path = call.partition(" ")

    async def run() -> None:
        async with portal.fresh(is_compatible=False) as connection:
            await connection.execute(WORLD)
            token = await signed_in(portal, M1, ONE)
            box = {"Authorization": f"Bearer {token}"}
            by = box if "/device/" in path else authorization("stalker")

            async def told(name: str) -> tuple[Any, ...]:
                answer = await portal.call(
                    method, path.format(name), body.format(name), by="", headers=by
                )
                return answer.status_code, answer.text.replace(name, "?")

            before, unknown = await contents(connection), await told(UNKNOWN)
            assert unknown[0] in (401, 404) if method != "GET" else unknown[0] == 200
            for name in foreign:
                assert unknown == await told(name), name
            assert before == await contents(connection)

    portal.run(run())


def test_one_event_is_one_boxs(portal: Portal) -> None:
    """A box hears of its own events alone, and asking for all names nobody else's."""

    async def run() -> None:
        async with portal.fresh() as connection:
            one, two = await signed_in(portal, M1, ONE), await signed_in(portal, M2, TWO)
            await play(portal, Row("POST /stb_msg/1553", "msg=mine"))
            before = await contents(connection)
            for token, msgs in ((two, 0), (one, 1)):
                answer = await portal.call(
                    "GET", "/device/events", by="", headers={"Authorization": f"Bearer {token}"}
                )
                assert msgs == answer.json()["results"]["msgs"]
                assert ("mine" in answer.text) == bool(msgs)
                assert (before == await contents(connection)) == (not msgs)

    portal.run(run())
