"""Rules of the IPTV portal behind its answers: events, expiries, who is let in (iptv.md 1, 4)."""

from typing import Any

import pytest

from tests.api.iptv.cases import M1, Row, bad
from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_cases import play

DAY_MS = 86_400_000
STRANGER = '{"status":"ERROR","results":"","error":"401 Unauthorized request"}'

# A call and the events it queues: account, name, text, whether confirmed, priority, seconds.
QUEUED: tuple[tuple[Row, tuple[tuple[Any, ...], ...]], ...] = (
    (Row("PUT /stb/1553", "status=1&additional_services_on=0", ...), ()),
    (Row("PUT /stb/1553", "status=0", ...), ((1, "cut_off", "", False, 1, 240),)),
    (Row("PUT /accounts/3", "status=1"), ((2, "cut_on", "", False, 1, 240),)),
    (Row("PUT /users/1553", "status=1"), ()),
    (
        Row("POST /send_event", "event=reboot&ttl="),
        ((1, "reboot", "", False, 1, 240), (2, "reboot", "", False, 1, 240)),
    ),
    (
        Row(f"POST /send_event/{M1}", "event=update_channels&ttl=60"),
        ((1, "update_subscription", "", False, 1, 60),),
    ),
    (
        Row(f"POST /send_event/{M1}", "event=play_channel&channel=10"),
        ((1, "play_channel", "10", False, 1, 240),),
    ),
    (
        Row("POST /stb_msg/1553", "msg=%D1%81%D0%B2%D1%8F%D0%B7%D1%8C%0A+"),
        ((1, "send_msg", "связь\n ", True, 2, 604_800),),
    ),
    (Row("PUT /stb_modules/3", "disabled[]=tv", ...), ()),
    (
        Row("PUT /stb_modules/3", "restricted[]=tv", ...),
        ((2, "update_modules", "", False, 1, 240),),
    ),
    (
        Row("PUT /itv_subscription/3", "sub_ch[]=27&additional_services_on=1", ...),
        ((2, "update_subscription", "", False, 1, 240),),
    ),
    (
        Row("PUT /itv_subscription/3", "additional_services_on=0", ...),
        ((2, "additional_services_status", "0", False, 1, 240),),
    ),
    (Row("DELETE /account_subscription/3"), ()),
    (
        Row("PUT /account_subscription/3", "subscribed[]=tv_2"),
        ((2, "send_msg", ..., True, 2, 240),),
    ),
)


async def events(connection: Any) -> list[tuple[Any, ...]]:
    """All events, in their order."""
    rows = await connection.fetch(
        "select account, event, msg, need_confirm, priority,"
        " (expires_at_ms - created_at_ms) / 1000 from iptv.event"
        " where ended_at_ms is null order by id"
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(("row", "expected"), QUEUED, ids=lambda part: getattr(part, "call", None))
def test_what_boxes_are_told(row: Row, expected: tuple[Any, ...], portal: Portal) -> None:
    """Changes and commands queue their events, and what changes nothing queues none."""

    async def run() -> None:
        async with portal.fresh() as connection:
            await play(portal, row)
            queued = await events(connection)
            assert len(expected) == len(queued), queued
            for wanted, found in zip(expected, queued, strict=True):
                pairs = zip(wanted, found, strict=True)
                assert all(left is ... or left == right for left, right in pairs), found

    portal.run(run())


def test_restarts_replace_each_other(portal: Portal) -> None:
    """Only the last message that restarts a box waits; others wait beside it."""

    async def run() -> None:
        async with portal.fresh() as connection:
            for msg in ("a", "b&need_reboot=1", "c&need_reboot=1"):
                await play(portal, Row("POST /send_event/1553", f"event=send_msg&msg={msg}"))
            assert ["a", "c"] == [row[2] for row in await events(connection)]

    portal.run(run())


def test_a_tariff_ends_by_the_clock(portal: Portal) -> None:
    """Answers change at the moment; the sweep writes it and tells the box once."""

    async def run() -> None:
        async with portal.fresh() as connection:
            await connection.execute("update iptv.tariff set days_to_expires = 2 where id = 2")
            change = "tariff_plan=STANDART&tariff_instead_expired=FULL"
            await play(portal, Row("PUT /accounts/1553", change))
            (before,) = await portal.results("GET", "/accounts/1553")
            portal.clock.advance_ms(2 * DAY_MS)
            (after,) = await portal.results("GET", "/accounts/1553")
            boxes = portal.api.services.portal.boxes
            for _ in range(2):
                await boxes.sweep()
            (written,) = await portal.results("GET", "/accounts/1553")
            portal.clock.advance_ms(-2 * DAY_MS)
            names = ("tariff_plan", "tariff_expired_date", "tariff_instead_expired")
            assert ("STANDART", "2026-03-12 09:00:00", "FULL") == tuple(before[n] for n in names)
            assert ("FULL", "", "") == tuple(after[n] for n in names)
            assert after == written
            assert ["update_subscription"] == [row[1] for row in await events(connection)]

    portal.run(run())


def test_a_rented_package_ends_by_the_clock(portal: Portal) -> None:
    """It is gone after its hours, unless it was taken again meanwhile."""

    async def run() -> None:
        async with portal.fresh() as connection:
            await connection.execute(
                "update iptv.package set service_type = 'single', rent_duration_h = 24 where id = 1"
            )
            rent = Row("PUT /account_subscription/1553", "subscribed[]=tv_2")
            await play(portal, rent)
            portal.clock.advance_ms(DAY_MS - 1)
            await play(portal, rent)
            portal.clock.advance_ms(DAY_MS - 1)
            (still,) = await portal.results("GET", "/account_subscription/1553")
            portal.clock.advance_ms(1)
            (over,) = await portal.results("GET", "/account_subscription/1553")
            await portal.api.services.portal.boxes.sweep()
            left = await connection.fetchval("select count(*) from iptv.package_subscription")
            portal.clock.advance_ms(1 - 2 * DAY_MS)
            assert (["tv_2"], [], 0) == (still["subscribed"], over["subscribed"], left)

    portal.run(run())


def test_who_is_let_in(portal: Portal) -> None:
    """Strangers hear one thing everywhere; the aliases lead to the same place."""

    async def run() -> None:
        async with portal.fresh():
            for by in ("", "billing:pass", "nobody:pass"):
                for method, path in (("GET", "/stb"), ("GET", "/nope"), ("POST", "/itv/1")):
                    answer = await portal.call(method, path, by=by)
                    assert (401, STRANGER) == (answer.status_code, answer.text)
                    assert 'Basic realm="IPTV API"' == answer.headers["www-authenticate"]
            for alias in ("/stalker_portal/api", "/stalker_portal/api/v1"):
                told = await portal.api.client.get(f"{alias}/stb/3", auth=("stalker", "pass"))
                assert "OK" == told.json()["status"]
        async with portal.fresh(is_closed=False):
            assert "OK" == (await portal.call("GET", "/stb", by="")).json()["status"]

    portal.run(run())


def test_other_methods(portal: Portal) -> None:
    """Methods that no route has are refused, OPTIONS among them; strangers hear that they are."""

    async def run() -> None:
        refused = {"status": "ERROR", "results": "", "error": "Not supported method"}
        async with portal.fresh():
            for path in ("/stb", "/stb/3", "/admin/channels", "/admin/channels/27", "/device/auth"):
                for method in ("OPTIONS", "PATCH", "TRACE"):
                    answer = await portal.call(method, path)
                    assert (405, refused) == (answer.status_code, answer.json())
                    able = {*answer.headers["allow"].split(", ")}
                    assert able <= {"GET", "POST", "PUT", "DELETE"}
                    stranger = await portal.call(method, path, by="")
                    assert (401, STRANGER) == (stranger.status_code, stranger.text)
                assert 405 == (await portal.call("HEAD", path)).status_code
            answer = await portal.call("OPTIONS", "/stb/3")
            assert "DELETE, GET, POST, PUT" == answer.headers["allow"]

    portal.run(run())


def test_one_vendors_boxes(portal: Portal) -> None:
    """A server may know the addresses of one vendor alone, wherever an address is given."""

    async def run() -> None:
        async with portal.fresh(is_vendor_only=True, is_compatible=False):
            await play(
                portal,
                bad("POST /stb", "mac=00:1A:78:00:00:01", "Not valid mac address"),
                bad("PUT /users/3", "stb_mac=00:1A:78:00:00:01", "Not valid mac address"),
                bad("POST /device/auth", f"login=3&mac=001A78000001&device_id={'a' * 32}",
                    "Not valid mac address"),
                Row("POST /stb", "mac=00-1a-79-00-00-01", ...),
            )  # fmt: skip

    portal.run(run())


def test_media_types(portal: Portal) -> None:
    """Forms and JSON objects are read, other bodies are not."""

    async def run() -> None:
        rows = (
            ("application/json", b'{"status":true,"ls":7}', 200, None),
            ("text/plain", b"status=1", 200, None),
            ("application/json", b"[1]", 400, "Malformed body"),
            ("application/json", b'{"status":null}', 400, "Malformed body"),
            ("multipart/form-data; boundary=x", b"--x--", 415, "Unsupported media type"),
            ("application/x-www-form-urlencoded", b"ls=" + b"a" * (1 << 20), 413,
             "Request too large"),
        )  # fmt: skip
        for kind, body, status, error in rows:
            async with portal.fresh(is_compatible=False):
                headers = {"Content-Type": kind}
                answer = await portal.call("PUT", "/stb/3", body, headers=headers)
                assert (status, error) == (answer.status_code, answer.json().get("error")), kind

    portal.run(run())


def test_resellers_can_be_denied(portal: Portal) -> None:
    """Without the option there is no reseller anywhere."""

    async def run() -> None:
        async with portal.fresh(has_resellers=False, is_compatible=False):
            await play(portal, bad("GET /reseller", "", "Resource denied by admin", 403))
            assert "reseller_id" not in await portal.results("GET", "/users/3")

    portal.run(run())


def test_several_lines_of_an_account(portal: Portal) -> None:
    """An account number means all its boxes, in one transaction."""

    async def run() -> None:
        async with portal.fresh() as connection:
            await play(portal, Row("PUT /stb/3", "ls=1553", ...))
            await play(portal, Row("PUT /stb/1553", "status=0", [{"ls": 1553}, {"ls": 1553}]))
            assert [1] == [row[0] for row in await events(connection)]
            await play(portal, Row("DELETE /accounts/1553"))
            assert [] == await portal.results("GET", "/stb")

    portal.run(run())
