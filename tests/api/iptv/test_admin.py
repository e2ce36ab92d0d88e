"""Operator routes: provisioned records, users, events, boxes; who may (iptv.md 3.14)."""

import json
from typing import Any

import pytest

from tests.api.iptv.cases import M1, MTV, Row
from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_cases import play
from tests.api.iptv.test_devices import ONE, ask, signed_in

Refused = tuple[dict[str, Any], int, str]


async def admin(
    portal: Portal, method: str, path: str, body: Any = None, status: int = 200, **more: Any
) -> Any:
    """The results of an answer with this status, or its message; its form is the documented one."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    content = b"" if body is None else json.dumps(body).encode()
    by = more.pop("by", "stalker")
    answer = await portal.call(method, f"/admin/{path}", content, by=by, headers=headers)
    assert status == answer.status_code, f"{method} {path} {body}: {answer.text}"
    told, plain = answer.json(), path.partition("?")[0]
    for described in portal.document.operations(method, f"/iptv/admin/{plain}").values():
        assert "" == portal.document.fault(described, answer.status_code, told)
    assert ("OK" if status < 400 else "ERROR") == told["status"]
    return told["results"] if status < 400 else told["error"]


PACKAGE = {
    "external_id": "sports", "name": "Sports", "type": "tv", "description": "", "all_services": 0,
    "service_type": "single", "rent_duration": 24, "price": 12.5, "services": [29, 58],
}  # fmt: skip
# A new record of every kind, a change of it, and what is refused of it: body, status, message.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[Refused, ...]]] = {
    "channels": (
        {"id": 100, "name": "Films", "number": 5, "base_ch": 1, "enabled": 1},
        {"number": 6, "enabled": 0},
        (
            ({"name": "x"}, 400, "number required"),
            ({"number": 7}, 400, "name required"),
            ({"name": "x", "number": 0}, 400, "Not valid number"),
            ({"name": "x", "number": 10_000}, 400, "Not valid number"),
            ({"name": "x", "number": True}, 400, "Not valid number"),
            ({"name": "x", "number": 7, "base_ch": 2}, 400, "Not valid base_ch"),
            ({"name": "", "number": 7}, 400, "Not valid name"),
            ({"name": "x" * 256, "number": 7}, 400, "Value too long: name"),
            ({"name": "x\0", "number": 7}, 400, "Invalid encoding"),
            ({"name": "x", "number": 1}, 409, "number is already taken"),
            ({"id": 27, "name": "x", "number": 7}, 409, "id is already taken"),
        ),
    ),
    "contents": (
        {"type": "radio", "name": "Jazz", "number": 1},
        {"number": None},
        (
            ({"type": "tv", "name": "x"}, 400, "Not valid type"),
            ({"name": "x"}, 400, "type required"),
        ),
    ),
    "packages": (
        PACKAGE,
        {"price": 0, "services": [27], "service_type": "periodic"},
        (
            ({"name": "x", "type": "tv", "services": [1]}, 400,
             "One or more services are incorrect: 1"),
            ({"name": "x", "type": "tv", "services": ["a"]}, 400, "Not valid services"),
            ({"name": "x", "type": "module", "services": [1]}, 400, "Not valid services"),
            ({"name": "x", "type": "tv", "price": 0.001}, 400, "Not valid price"),
            ({"name": "x", "type": "tv", "price": -1}, 400, "Not valid price"),
            ({"name": "x", "type": "tv", "rent_duration": -1}, 400, "Not valid rent_duration"),
            ({"name": "x", "type": "tv", "external_id": "TV_2"}, 409,
             "external_id is already taken"),
        ),
    ),
    "tariffs": (
        {"external_id": "GOLD", "name": "Gold", "user_default": 0, "days_to_expires": 30,
         "packages": [{"id": 1, "optional": 1}, {"id": 10, "optional": 0}]},
        {"packages": [{"id": 10, "optional": 1}]},
        (
            ({"name": "x", "packages": [{"id": 99}]}, 400,
             "One or more packages are incorrect: 99"),
            ({"name": "x", "packages": [1]}, 400, "Not valid packages"),
            ({"name": "x", "packages": [{"id": 1, "optional": "1"}]}, 400, "Not valid packages"),
            ({"name": "x", "days_to_expires": 36_501}, 400, "Not valid days_to_expires"),
            ({"name": "x", "external_id": "full"}, 409, "external_id is already taken"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_records_live_and_go(kind: str, portal: Portal) -> None:
    """A record is made, found, changed and removed, and nothing else is."""
    new, change, refused = KINDS[kind]

    async def run() -> None:
        async with portal.fresh():
            before = await admin(portal, "GET", kind)
            made = await admin(portal, "POST", kind, new, 201)
            assert new == {name: made[name] for name in new}
            one = f"{kind}/{made['id']}"
            assert made == await admin(portal, "GET", one)
            for body, status, message in refused:
                assert message == await admin(portal, "POST", kind, body, status), body
            changed = await admin(portal, "PUT", one, change)
            assert {**made, **change} == changed
            assert changed == await admin(portal, "PUT", one, change)
            assert "Update data is empty" == await admin(portal, "PUT", one, {"x": 1}, 400)
            assert [*before, changed] == await admin(portal, "GET", kind)
            last = await admin(portal, "GET", f"{kind}?limit=1&offset={len(before)}")
            assert [changed] == last
            assert await admin(portal, "DELETE", one) is True
            assert before == await admin(portal, "GET", kind)
            verbs: tuple[tuple[str, Any], ...] = (
                ("GET", None), ("PUT", change), ("DELETE", None),
            )  # fmt: skip
            for method, body in verbs:
                for key in (one, f"{kind}/0", f"{kind}/x", f"{kind}/{'9' * 30}"):
                    told = await admin(portal, method, key, body, 404)
                    assert told.endswith("not found")

    portal.run(run())


def test_ids_may_be_given(portal: Portal) -> None:
    """What is made after a record with an id of its own has the next one."""

    async def run() -> None:
        async with portal.fresh():
            await admin(portal, "POST", "channels", {"id": 500, "name": "a", "number": 500}, 201)
            await admin(portal, "POST", "channels", {"id": 400, "name": "b", "number": 400}, 201)
            made = await admin(portal, "POST", "channels", {"name": "c", "number": 501}, 201)
            assert 501 == made["id"]

    portal.run(run())


def test_what_is_in_use_goes_by_force(portal: Portal) -> None:
    """Packages and plans in use stay unless force is meant; nothing is left of what goes."""

    async def run() -> None:
        async with portal.fresh() as connection:
            for one in ("packages/1", "tariffs/1"):
                assert "in use" in await admin(portal, "DELETE", one, status=409)
                assert "in use" in await admin(portal, "DELETE", f"{one}?force=0", status=409)
            await play(
                portal,
                Row("PUT /account_subscription/1553", "subscribed[]=tv_2"),
                Row("PUT /itv_subscription/1553", "sub_ch[]=27&sub_ch[]=29", ...),
            )
            await admin(portal, "PUT", "packages/1", {"services": [27, 29]})
            assert await admin(portal, "DELETE", "channels/27")
            assert [29] == (await admin(portal, "GET", "packages/1"))["services"]
            assert ["29"] == (await portal.results("GET", "/itv_subscription/1553"))[0]["sub_ch"]
            assert await admin(portal, "DELETE", "packages/1?force=1")
            assert (
                [] == (await portal.results("GET", "/account_subscription/1553"))[0]["subscribed"]
            )
            await admin(portal, "PUT", "tariffs/2", {"user_default": 1})
            assert 0 == (await admin(portal, "GET", "tariffs/1"))["user_default"]
            assert await admin(portal, "DELETE", "tariffs/1?force=1")
            assert "STANDART" == (await portal.results("GET", "/users/1553"))["tariff_plan"]
            assert 0 == await connection.fetchval("select count(*) from iptv.tariff_package")

    portal.run(run())


def test_disabled_channels_are_not_listed(portal: Portal) -> None:
    """A channel that is switched off is not in the document's list, and answers as none does."""

    async def run() -> None:
        async with portal.fresh():
            assert [MTV] == await portal.results("GET", "/itv/37")
            await admin(portal, "PUT", "channels/37", {"enabled": 0})
            off, unknown = [await portal.call("GET", f"/itv/{id_}") for id_ in (37, 999)]
            assert off.content == unknown.content
            assert 3 == len(await portal.results("GET", "/itv"))

    portal.run(run())


def test_users(portal: Portal) -> None:
    """Users come and go with their passwords; one admin stays."""

    async def run() -> None:
        async with portal.fresh():
            new = {"login": "kim, x", "password": "kim's password"}
            made = await admin(portal, "POST", "api-users", new, 201)
            assert {"login": "kim, x", "role": "api"} == made
            rows: tuple[tuple[dict[str, Any], int, str], ...] = (
                (new, 409, "There is a user kim, x already"),
                ({"login": "a:b", "password": "x" * 8}, 400, "colon"),
                ({"login": "lee", "password": "short"}, 400, "a password has"),
                ({"login": "lee", "password": "x" * 8, "role": "root"}, 400, "Not valid role"),
                ({"login": "lee", "password": 5}, 400, "Malformed body"),
            )
            for body, status, message in rows:
                assert message in await admin(portal, "POST", "api-users", body, status)
            denied = await admin(portal, "GET", "channels", status=403, by="kim, x:kim's password")
            assert "Resource denied by admin" == denied
            body = {"role": "admin", "password": "another one"}
            made = await admin(portal, "PUT", "api-users/kim, x", body)
            assert made == await admin(portal, "GET", "api-users/kim, x", by="kim, x:another one")
            assert ["billing", "kim, x", "stalker"] == [
                one["login"] for one in await admin(portal, "GET", "api-users")
            ]
            assert await admin(portal, "DELETE", "api-users/kim, x")
            verbs: tuple[tuple[str, Any], ...] = (("DELETE", None), ("PUT", {"role": "api"}))
            for method, change in verbs:
                told = await admin(portal, method, "api-users/stalker", change, 409)
                assert "This is the last admin" == told
                told = await admin(portal, method, "api-users/nobody", change, 404)
                assert "User not found" == told
            assert "Update data is empty" == await admin(
                portal, "PUT", "api-users/billing", {"login": "x"}, 400
            )

    portal.run(run())


def test_only_admins_are_let_in(portal: Portal) -> None:
    """Every operator route refuses billing systems and strangers, also on an open server."""

    async def run() -> None:
        document = (await portal.api.client.get("/schema/openapi.json")).json()
        routes = [
            (method, path.replace("{", "").replace("}", "").removeprefix("/iptv/admin/"))
            for path, methods in document["paths"].items()
            for method in methods
            if path.startswith("/iptv/admin/")
        ]
        assert 28 == len(routes)
        async with portal.fresh(is_closed=False):
            for method, path in routes:
                await admin(portal, method.upper(), path, {"a": 1}, 403, by="billing")
                stranger = await portal.call(method, f"/admin/{path}", "{}", by="")
                assert 401 == stranger.status_code
            for path in ("admin/nope", "admin/channels/1/2"):
                answer = await portal.call("GET", f"/{path}", by="stalker")
                assert 404 == answer.status_code

    portal.run(run())


@pytest.mark.parametrize(
    ("content", "kind", "status", "message"),
    [
        (b"", "application/json", 400, "HTTP POST data is empty"),
        (b"{}", "application/json", 400, "HTTP POST data is empty"),
        (b"[1]", "application/json", 400, "Malformed body"),
        (b"{", "application/json", 400, "Malformed body"),
        (b"\xff", "application/json", 400, "Invalid encoding"),
        (b'{"name":[{"a":"\\u0000"}]}', "application/json", 400, "Invalid encoding"),
        (b'{"name":' + b"[" * 900 + b"]" * 900 + b"}", "application/json", 400, "Malformed body"),
        (b"name=x", "application/x-www-form-urlencoded", 415, "Unsupported media type"),
        (b'{"name":"' + b"x" * (1 << 20) + b'"}', "application/json", 413, "Request too large"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bad_bodies(content: bytes, kind: str, status: int, message: str, portal: Portal) -> None:
    """Operator routes take JSON objects, and say what is wrong with anything else."""

    async def run() -> None:
        headers = {"Content-Type": kind}
        answer = await portal.call(
            "POST", "/admin/channels", content, by="stalker", headers=headers
        )
        assert (status, message) == (answer.status_code, answer.json()["error"])

    portal.run(run())


def test_events_have_a_state(portal: Portal) -> None:
    """Support sees what was told to whom, and what became of it."""

    async def run() -> None:
        async with portal.fresh():
            token = await signed_in(portal, M1, ONE)
            await play(
                portal,
                Row("POST /stb_msg/1553", "msg=a"),
                Row("POST /send_event", "event=reboot&ttl=60"),
                Row("POST /stb_msg/3", "msg=b"),
            )
            await ask(portal, token)
            (message,) = [(await ask(portal, token))["id"]]
            headers = {"Authorization": f"Bearer {token}"}

            async def states(query: str = "") -> list[str]:
                rows = await admin(portal, "GET", f"events?{query}")
                return [f"{row['login']} {row['event']} {row['state']}" for row in rows]

            known = ["1553 send_msg sent", "1553 reboot sent", "3 reboot pending",
                     "3 send_msg pending"]  # fmt: skip
            assert known == await states()
            path = f"/device/events/{message}/confirm"
            assert 200 == (await portal.call("POST", path, by="", headers=headers)).status_code
            portal.clock.advance_ms(60_000)
            assert ["1553 send_msg confirmed", "1553 reboot sent"] == await states(f"account={M1}")
            assert ["3 reboot expired"] == await states("state=expired&account=3")
            assert ["3 send_msg pending"] == await states("state=pending")
            assert ["3 reboot expired"] == await states("event=reboot&offset=1")
            assert [] == await states("account=nobody")
            assert "Not valid state" == await admin(portal, "GET", "events?state=x", status=400)
            portal.clock.advance_ms(-60_000)

    portal.run(run())


def test_a_queue_has_an_end(portal: Portal) -> None:
    """Of more than a thousand live events the oldest messages give way, and commands stay."""

    async def run() -> None:
        async with portal.fresh() as connection:
            await play(portal, Row("POST /send_event/1553", "event=reboot"))
            await connection.execute(
                "insert into iptv.event (account, event, msg, need_confirm, priority,"
                " created_at_ms, expires_at_ms)"
                " select 1, 'send_msg', i, true, 2, $1::bigint, $1 + 1000000"
                " from generate_series(1, 1000) i",
                portal.clock(),
            )
            await play(portal, Row("POST /stb_msg/1553", "msg=last"))
            live = await connection.fetch(
                "select event, msg from iptv.event where ended_at_ms is null order by id"
            )
            assert 1000 == len(live)
            assert [("reboot", ""), ("send_msg", "3")] == [tuple(row) for row in live[:2]]
            assert "last" == live[-1]["msg"]
            expired = await admin(portal, "GET", "events?state=expired")
            assert ["1", "2"] == [row["msg"] for row in expired]
            told = (await portal.api.client.get("/metrics")).text
            assert "farebox_iptv_events_given_way_total 2.0" in told

    portal.run(run())


def test_events_are_forgotten(portal: Portal) -> None:
    """Seven days after its end or expiry an event is gone, and not before."""

    async def run() -> None:
        week_ms = 7 * 86_400_000
        async with portal.fresh() as connection:
            token = await signed_in(portal, M1, ONE)
            await play(portal, Row("POST /send_event", "event=reboot&ttl=60"))
            await ask(portal, token)
            for later_ms, left in ((week_ms, 2), (1, 1), (60_000, 0)):
                portal.clock.advance_ms(later_ms)
                await portal.api.services.portal.boxes.sweep()
                found = await connection.fetchval("select count(*) from iptv.event")
                assert left == found
            portal.clock.advance_ms(-week_ms - 60_001)

    portal.run(run())


def test_a_box_can_be_replaced(portal: Portal) -> None:
    """After the binding is taken back another box signs in, and the old token is worth nothing."""

    async def run() -> None:
        async with portal.fresh():
            token = await signed_in(portal, M1, ONE)
            for name in ("nobody", "00:1A:79:00:00:00", "1,2"):
                told = await admin(portal, "DELETE", f"devices/{name}", status=404)
                assert "STB not found" == told
            assert await admin(portal, "DELETE", "devices/1553")
            headers = {"Authorization": f"Bearer {token}"}
            answer = await portal.call("GET", "/device/events", by="", headers=headers)
            assert 401 == answer.status_code
            await signed_in(portal, M1, "c" * 32)

    portal.run(run())
