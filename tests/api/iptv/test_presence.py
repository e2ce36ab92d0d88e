"""Polls of boxes: when they were seen, who gets an event, who may sign in (iptv.md 3.13, 4.2)."""

import asyncio
import hashlib
from typing import Any

import pytest

from tests.api.iptv.cases import M1, M2, Row, bad
from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_cases import play
from tests.api.iptv.test_devices import ONE, TWO, ask, signed_in

ADD_EVENTS = (
    "insert into iptv.event (account, event, priority, created_at_ms, expires_at_ms)"
    " select 2, 'reboot', 1, 0, $2::bigint + 60000 from generate_series(1, $1)"
)
# How many entries of the indexes of events, and how many rows beside them, were read.
READ = (
    "select sum(pg_stat_get_xact_tuples_returned(c.oid)) from pg_class c"
    " where c.oid = 'iptv.event'::regclass or c.oid in"
    " (select i.indexrelid from pg_index i where i.indrelid = 'iptv.event'::regclass)"
)


def test_polls_are_written_together(portal: Portal) -> None:
    """A poll writes nothing; what has gathered is one row for all boxes of a page."""

    async def run() -> None:
        async with portal.fresh() as connection:
            one, two = await signed_in(portal, M1, ONE), await signed_in(portal, M2, TWO)
            await ask(portal, one, "?cur_play_type=1&version=2.0")
            await ask(portal, two)
            written = "select page, polled_at_ms[2:4] as seen from iptv.presence"
            assert [] == await connection.fetch(written)
            await portal.api.services.portal.sightings.flush()
            now_ms = portal.clock()
            assert [(0, [now_ms, now_ms, 0])] == [
                tuple(row) for row in await connection.fetch(written)
            ]
            (shown,) = await portal.results("GET", "/stb/1553")
            assert ("2.0", "127.0.0.1", "2026-03-10 09:00:00") == (
                shown["version"], shown["ip"], shown["last_active"]
            )  # fmt: skip
            assert (
                "0000-00-00 00:00:00" == (await portal.results("GET", "/stb/3"))[0]["last_active"]
            )

    portal.run(run())


@pytest.mark.parametrize(("silent_ms", "online"), [(120_000, "1"), (120_001, "0")])
def test_a_silent_box_goes_offline(silent_ms: int, online: str, portal: Portal) -> None:
    """A box is online until its last poll is longer ago than the watchdog allows."""

    async def run() -> None:
        async with portal.fresh():
            await ask(portal, await signed_in(portal, M1, ONE))
            await portal.api.services.portal.sightings.flush()
            portal.clock.advance_ms(silent_ms)
            for path in ("/stb/1553", "/accounts/1553"):
                assert online == (await portal.results("GET", path))[0]["online"]
            portal.clock.advance_ms(-silent_ms)

    portal.run(run())


def test_notes_at_once_keep_the_latest(portal: Portal) -> None:
    """Servers that note the same boxes at once do not undo each other, in whatever order."""

    async def run() -> None:
        pool = portal.api.services.pool
        note = "select iptv.note_seen($1, $2, $3)"
        accounts = [*range(1000, 2000)]
        times = [[at] * len(accounts) for at in (5, 9, 7)]
        await asyncio.gather(*(pool.execute(note, accounts, polled, polled) for polled in times))
        rows = await pool.fetch(
            "select distinct p.polled_at_ms[i % 240 + 1] as at"
            " from generate_series(1000, 1999) i join iptv.presence p on p.page = i / 240"
        )
        await pool.execute("delete from iptv.presence")
        assert [9] == [row["at"] for row in rows]

    portal.run(run())


def test_one_of_many_polls_gets_an_event(portal: Portal) -> None:
    """Polls of a box that come at once share its commands out: each command is got once."""

    async def run() -> None:
        token = await signed_in(portal, M1, ONE)
        for _ in range(5):
            await play(portal, Row("POST /send_event/1553", "event=reload_portal"))
        told = await asyncio.gather(*(ask(portal, token) for _ in range(40)))
        events = [one["id"] for one in told if "id" in one]
        assert (5, 5) == (len(events), len({*events}))
        assert 0 == (await ask(portal, token))["msgs"]

    portal.run(run())


@pytest.mark.parametrize("how", ["truncate iptv.event", "delete from iptv.event"])
def test_polls_read_their_own_events_alone(how: str, portal: Portal) -> None:
    """Planned while there was no event, a poll reads those of its box alone when there are many.

    What a broadcast is writing cannot be seen yet, but would be read, once for every box.
    """

    async def run() -> None:
        pool, token = portal.api.services.pool, await signed_in(portal, M1, ONE)
        await pool.execute(ADD_EVENTS, 1000, portal.clock())
        await pool.execute(how)
        await pool.execute("vacuum (analyze, truncate off) iptv.event")
        box = [hashlib.sha256(token.encode()).digest()]
        async with pool.acquire() as connection, connection.transaction():
            for _ in range(2):
                before = await connection.fetchval(READ)
                for _ in range(6):
                    await connection.fetch(
                        "select iptv.look($1, '{0}', $2, false)", box, portal.clock()
                    )
                    await connection.execute(
                        "select iptv.take('{1, 2}', '{3, 4}', $1)", portal.clock()
                    )
                assert await connection.fetchval(READ) - before < 100
                await connection.execute(ADD_EVENTS, 1000, portal.clock())
            await connection.execute("delete from iptv.event")

    portal.run(run())


@pytest.mark.parametrize(
    ("named", "live"), [("", 1000), ("*", 1000), ("1,2", 1002)], ids=["lost", "all", "some"]
)
def test_queues_are_counted_after_a_broadcast(named: str, live: int, portal: Portal) -> None:
    """Queues are looked through for full ones once, and again when everybody may have been told."""

    async def run() -> None:
        events = portal.api.services.portal.events
        async with portal.fresh() as connection:
            await events.tidy()
            await connection.execute(ADD_EVENTS, 1002, portal.clock())
            await events.tidy()
            events.hear(named)
            await events.tidy()
            left = "select count(*) from iptv.event where account = 2 and ended_at_ms is null"
            assert live == await connection.fetchval(left)

    portal.run(run())


def test_a_poll_ends_the_wait_of_the_one_before(portal: Portal) -> None:
    """A box waits once: its next poll is answered in its place."""

    async def run() -> None:
        token, polls = await signed_in(portal, M1, ONE), portal.api.services.portal.polls

        async def waiting(before: Any) -> Any:
            for _ in range(1000):
                if polls._waiting and next(iter(polls._waiting.values())) is not before:
                    return next(iter(polls._waiting.values()))
                await asyncio.sleep(0.002)
            return None

        first = asyncio.create_task(ask(portal, token, "?wait=25"))
        bell = await waiting(None)
        second = asyncio.create_task(ask(portal, token, "?wait=25"))
        assert await waiting(bell)
        assert "id" not in await asyncio.wait_for(first, 10)
        await play(portal, Row("POST /send_event/1553", "event=show_menu"))
        assert "show_menu" == (await asyncio.wait_for(second, 10))["event"]
        assert {} == polls._waiting

    portal.run(run())


def test_boxes_that_wait_hold_no_connections(portal: Portal) -> None:
    """More boxes wait than there are connections, others are served meanwhile, and all wake."""

    async def run() -> None:
        pool, polls = portal.api.services.pool, portal.api.services.portal.polls
        macs = [f"00:1A:79:01:00:{number:02d}" for number in range(pool.get_max_size() + 2)]
        for mac in macs:
            await portal.results("POST", "/stb", f"mac={mac}")
        tokens = [await signed_in(portal, mac, ONE) for mac in macs]
        polling = [asyncio.create_task(ask(portal, token, "?wait=25")) for token in tokens]
        for _ in range(2000):
            if len(polls._waiting) == len(macs):
                break
            await asyncio.sleep(0.005)
        await asyncio.wait_for(portal.results("GET", "/stb/1553"), 10)
        await play(portal, Row(f"POST /send_event/{','.join(macs)}", "event=show_menu"))
        told = await asyncio.wait_for(asyncio.gather(*polling), 20)
        assert {"show_menu"} == {one["event"] for one in told}
        await portal.results("DELETE", f"/stb/{','.join(macs)}")

    portal.run(run())


def test_addresses_alone_may_not_do(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may refuse boxes of accounts that have no password, in the words of all refusals."""
    monkeypatch.setattr(portal.api.services.portal.polls, "_knows_addresses", False)

    async def run() -> None:
        async with portal.fresh():
            await play(
                portal,
                Row("POST /stb", "login=p&password=1234", ...),
                bad("POST /device/auth", f"mac={M1}&device_id={ONE}", "Device not authorized", 401),
                Row("POST /device/auth", f"login=p&password=1234&device_id={TWO}", ...),
            )

    portal.run(run())


def test_what_was_due_comes_with_the_poll(portal: Portal) -> None:
    """A poll applies the end of a rented package first, and brings what it queues."""

    async def run() -> None:
        async with portal.fresh() as connection:
            await connection.execute(
                "update iptv.package set service_type = 'single', rent_duration_h = 1 where id = 1"
            )
            await play(portal, Row("PUT /account_subscription/1553", "subscribed[]=tv_2"))
            token = await signed_in(portal, M1, ONE)
            portal.clock.advance_ms(3_600_000)
            told = [(await ask(portal, token)).get("event") for _ in range(2)]
            portal.clock.advance_ms(-3_600_000)
            # The message about the choice has expired by then.
            assert ["update_subscription", None] == told

    portal.run(run())


def test_events_are_dead_at_their_end(portal: Portal) -> None:
    """Up to its last millisecond an event is delivered, at its end it is not."""

    async def run() -> None:
        for late_ms, event in ((59_999, "reboot"), (60_000, None)):
            async with portal.fresh():
                token = await signed_in(portal, M1, ONE)
                await play(portal, Row("POST /send_event/1553", "event=reboot&ttl=60"))
                portal.clock.advance_ms(late_ms)
                told = await ask(portal, token)
                portal.clock.advance_ms(-late_ms)
                assert (event, int(event is not None)) == (told.get("event"), told["msgs"])

    portal.run(run())
