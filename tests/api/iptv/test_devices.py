"""Boxes sign in, fetch their events and confirm them (iptv.md 3.13, 4.2)."""

import asyncio
from typing import Any

from tests.api.iptv.cases import M1, M2, Row
from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_cases import play

ONE, TWO = "a" * 32, "b" * 32


async def ask(portal: Portal, token: str, query: str = "") -> Any:
    """What a poll answers."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = await portal.call("GET", f"/device/events{query}", by="", headers=headers)
    assert 200 == answer.status_code, answer.text
    return answer.json()["results"]


async def signed_in(portal: Portal, mac: str, device: str) -> str:
    """A box's token."""
    told = await portal.results("POST", "/device/auth", f"mac={mac}&device_id={device}")
    assert (86_400, 120) == (told["expires_in"], told["poll_interval"])
    token: str = told["token"]
    return token


def test_sign_in(portal: Portal) -> None:
    """The first box is bound; another one, and any wrong name or word, hears the same."""

    async def run() -> None:
        async with portal.fresh():
            assert 43 == len(await signed_in(portal, M1, ONE))
            await play(portal, Row("POST /stb", "login=p&password=1234", ...))
            rows = (
                (f"mac={M1}&device_id={TWO}", 401), (f"mac={M1}&device_id=x", 400),
                (f"device_id={ONE}", 400), (f"mac=zz&device_id={ONE}", 400),
                (f"mac=00:1A:79:00:00:00&device_id={ONE}", 401),
                (f"login=p&password=x&device_id={ONE}", 401),
                (f"login=1553&device_id={ONE}", 401),
                (f"login=p&password=1234&mac={M1}&device_id={ONE}", 409),
                (f"login=p&password=1234&device_id={TWO}&mac=001A79000001", 200),
            )  # fmt: skip
            for body, status in rows:
                answer = await portal.call("POST", "/device/auth", body, by="")
                assert status == answer.status_code, f"{body}: {answer.text}"
                if status == 401:
                    assert "Device not authorized" == answer.json()["error"]
            assert "p" == (await portal.results("GET", "/stb/001A79000001"))[0]["login"]
            assert 401 == (await portal.call("GET", "/device/events", by="")).status_code

    portal.run(run())


def test_events(portal: Portal) -> None:
    """Commands come once and first, messages until they are confirmed, each to its own box."""

    async def run() -> None:
        async with portal.fresh():
            one, two = await signed_in(portal, M1, ONE), await signed_in(portal, M2, TWO)
            await play(
                portal,
                Row("POST /stb_msg/1553", "msg=%D1%81%D0%B2%D1%8F%D0%B7%D1%8C"),
                Row("POST /send_event", "event=reboot"),
                Row("PUT /stb_modules/3", "restricted[]=&disabled[]=tv", ...),
            )
            first = await ask(portal, one, "?cur_play_type=1")
            assert ("reboot", 2, 0) == (first["event"], first["msgs"], first["need_confirm"])
            second = await ask(portal, one)
            assert ("send_msg", "связь", 1) == (second["event"], second["msg"], second["msgs"])
            assert second == await ask(portal, one)
            assert "id" not in await ask(portal, one, f"?event_active_id={second['id']}")
            # Events of many broadcasts have numbers beyond those of 32 bits.
            assert second == await ask(portal, one, f"?event_active_id={10**17}")
            path = f"/device/events/{second['id']}/confirm"
            for token, status in ((two, 404), (one, 200), (one, 200), ("x", 401)):
                headers = {"Authorization": f"Bearer {token}"}
                answer = await portal.call("POST", path, by="", headers=headers)
                assert status == answer.status_code
            assert 0 == (await ask(portal, one))["msgs"]
            other = await ask(portal, two)
            assert ("reboot", {"disabled": ["tv"], "restricted": []}, 0) == (
                other["event"], other["modules"], other["status"],
            )  # fmt: skip
            await portal.api.services.portal.sightings.flush()
            (shown,) = await portal.results("GET", f"/stb/{M1}")
            assert ("1", "2026-03-10 09:00:00") == (shown["online"], shown["last_active"])

    portal.run(run())


def test_waiting_boxes_are_woken(portal: Portal) -> None:
    """A box that waits has its event long before its time is over."""

    async def run() -> None:
        token = await signed_in(portal, M1, ONE)
        waiting = asyncio.create_task(ask(portal, token, "?wait=25"))
        for _ in range(1000):
            if portal.api.services.portal.polls._waiting:
                break
            await asyncio.sleep(0.005)
        await play(portal, Row("POST /send_event/1553", "event=show_menu"))
        told = await asyncio.wait_for(waiting, 10)
        assert "show_menu" == told["event"]

    portal.run(run())
