"""Usage from the network: counted once, where it belongs, with what follows."""

import asyncio
from typing import Any

from tests.api.isp.conftest import Provider

MIB = 1 << 20
SESSION = {"nas": "127.0.0.1", "sessionId": "s9", "user": "testuser"}


async def batch(provider: Provider, records: Any, **more: Any) -> Any:
    """The answer to a batch."""
    answer = await provider.call("POST", "/isp/admin/usage/batch", json=records, **more)
    assert 200 == answer.status_code, answer.text
    return answer.json()["data"]


def at(clock: str) -> str:
    """A time of the fixture's day."""
    return f"2026-11-22T{clock}:00+05:30"


def records(*counts: tuple[str, int], **more: Any) -> list[dict[str, Any]]:
    """Interim records of a session: time, octets downloaded."""
    return [{**SESSION, "at": at(clock), "in": 0, "out": out, **more} for clock, out in counts]


def test_a_session_counts_once(provider: Provider, loop: asyncio.Runner) -> None:
    """Sent twice, it is the same; in a day, a cycle and a window."""

    async def play() -> None:
        async with provider.fresh():
            sent = records(("09:00", 0), ("09:05", 100), ("09:10", 250))
            told = await batch(provider, sent)
            assert (3, []) == (told["accepted"], told["errors"])
            again = await batch(provider, sent)
            assert (0, 2, 1) == (again["accepted"], again["stale"], again["duplicate"])
            _, used, _, _ = (await provider.get("get_details/1"))["data"]
            assert 94371840 + 250 == used["currentBillingCycleUsage"]["totalDataUsage"]
            shown = await provider.call("GET", "/isp/admin/usage/1", cred="t-root")
            assert {"date": "2026-11-22", "upload": 0, "download": 250} == shown.json()["data"][-1]

    loop.run(play())


def test_too_much_switches(provider: Provider, loop: asyncio.Runner) -> None:
    """Past the limit the second speed applies, and the network is told."""

    async def play() -> None:
        async with provider.fresh() as connection:
            delta = {"recordId": "r1", "user": "testuser", "at": at("09:30"), "upload": 0}
            sent = [{**delta, "download": 10 * MIB}, {**delta, "download": 10 * MIB}]
            told = await batch(provider, sent)
            assert (1, 1, 0) == (told["accepted"], told["duplicate"], told["switches"])
            told = await batch(provider, [{**delta, "recordId": "r2", "download": 1}])
            assert 1 == told["switches"]
            _, used, _, _ = (await provider.get("get_details/1"))["data"]
            assert "12" == used["currentBillingCycleUsage"]["bandwidthTemplateId"]
            assert 1 == await connection.fetchval("select count(*) from isp.switch")

    loop.run(play())


def test_a_late_record_lowers_what_was_carried(provider: Provider, loop: asyncio.Runner) -> None:
    """It belongs to the window before, on its own day, and not to the present one (G21, I8)."""

    async def play() -> None:
        async with provider.fresh() as connection:
            await connection.execute("delete from isp.usage_day")
            await connection.execute("update isp.session set stopped_at_ms = 0")
            carry = {
                "userId": "1", "bandwidthRestriction": "on", "bandwidthReset": "data",
                "bandwidthResetLimit": "100", "bandwidthResetUnitData": "mb",
                "bandwidthResetEvery": "monthly", "bandwidthResetEveryValue": "1",
                "bandwidthTemplate": "11", "bandwidthReset2": "always",
                "bandwidthTemplate2": "12", "carryForwardPreviousData": "yes",
            }  # fmt: skip
            await provider.post("override_user_bandwidth", carry)
            delta = {"user": "testuser", "upload": 10 * MIB, "download": 20 * MIB}
            await batch(provider, [{**delta, "recordId": "a", "at": at("09:00")}])
            provider.clock.set("2026-12-01T00:00:00+05:30")
            await batch(provider, [{"user": "testuser", "recordId": "b", "upload": 0,
                                    "download": 0, "at": "2026-12-01T00:00:00+05:30"}])  # fmt: skip
            carried = "select carried from isp.quota_state where subscriber = 1"
            assert 70 * MIB == await connection.fetchval(carried)
            late = {"user": "testuser", "recordId": "c", "upload": 15 * MIB, "download": 0}
            await batch(provider, [{**late, "at": "2026-11-30T23:00:00+05:30"}])
            assert 55 * MIB == await connection.fetchval(carried)
            used = "select upload + download from isp.quota_state where subscriber = 1"
            assert 0 == await connection.fetchval(used)
            day = "select upload from isp.usage_day where subscriber = 1 and day = '2026-11-30'"
            assert 15 * MIB == await connection.fetchval(day)
        provider.clock.set("2026-11-22T10:00:00+05:30")

    loop.run(play())


FAULTS = (
    (5, "must be an object"),
    ({"user": "testuser", "recordId": "x"}, "at is required"),
    ({"user": "testuser"}, "nas is required"),
    ({"at": 1795321800, "nas": "127.0.0.1"}, "user is required"),
    ({**SESSION, "mac": "x"}, "mac must be"),
    ({**SESSION, "framedIp": "x"}, "'x' does not"),
    ({**SESSION, "user": "a\u0007"}, "user must not"),
    ({**SESSION, "at": "noon"}, "at must be"),
    ({**SESSION, "at": 1795321800, "out": -1}, "out must be"),
    ({**SESSION, "at": 1795321800, "type": "x"}, "type must be"),
    ({**SESSION, "at": 1000}, "too_old"),
    ({**SESSION, "at": "0001-01-01T00:00:00+14:00"}, "too_old"),
    ({**SESSION, "at": 1795321800, "framedIp": "fe80::1%eth0"}, "framedIp must not name"),
)


def test_bad_records_harm_no_other(provider: Provider, loop: asyncio.Runner) -> None:
    """They are told by their index; unknown names are counted."""

    async def play() -> None:
        async with provider.fresh():
            good = [
                *records(("09:00", 5)),
                {**SESSION, "sessionId": "s8", "user": "nobody", "at": 1795321800},
                {**SESSION, "nas": "10.0.0.1", "at": 1795321800},
                # Six octets, as somebody writes them.
                {**SESSION, "sessionId": "s9", "at": 1795321800, "mac": "aa.bb-cc:dd.ee.ff"},
            ]
            told = await batch(provider, [*(one for one, _ in FAULTS), *good])
            assert (2, 1, 1) == (told["accepted"], told["unknownUser"], told["unknownNas"])
            assert [*range(len(FAULTS))] == [one["index"] for one in told["errors"]]
            for (_, reason), one in zip(FAULTS, told["errors"], strict=True):
                assert one["error"].startswith(reason)
            for body, status in ((b"{", 400), (b"", 200), (b'{"user":1}\n{"user":2}', 200)):
                answer = await provider.call(
                    "POST", "/isp/admin/usage/batch", content=body,
                    headers={"Content-Type": "application/x-ndjson"},
                )  # fmt: skip
                assert status == answer.status_code, answer.text

    loop.run(play())


def test_a_record_after_a_stop_begins_another(provider: Provider, loop: asyncio.Runner) -> None:
    """Also if it says that it began when the one before it did; each counts its own."""

    async def play() -> None:
        async with provider.fresh() as connection:
            sent = records(("09:01", 100), sessionTime=60) + records(
                ("09:02", 150), sessionTime=120
            )
            sent += records(("09:03", 7), sessionTime=180)
            sent[1]["type"] = "stop"
            told = await batch(provider, sent)
            assert (3, []) == (told["accepted"], told["errors"])
            again = await batch(provider, sent)
            assert 0 == again["accepted"]
            rows = await connection.fetch(
                "select download, stopped_at_ms is null as is_open from isp.session"
                " where acct_session_id = 's9' order by started_at_ms"
            )
            assert [(150, False), (7, True)] == [tuple(row) for row in rows]

    loop.run(play())


KEPT = """
with ids as (
  insert into isp.usage_record (account, record_id, created_at_ms)
  select 'test', n::text, $1 - n * 86400000 from unnest('{34,36}'::bigint[]) as n
)
insert into isp.usage_waiting (account, username, record, received_at_ms)
select 'test', 'to come', '{}', $1 - n * 86400000 from unnest('{6,8}'::bigint[]) as n
"""
LEFT = """
select (select array_agg(record_id) from isp.usage_record) as ids,
       (select array_agg(received_at_ms) from isp.usage_waiting) as waiting
"""


def test_what_is_too_old_is_forgotten(provider: Provider, loop: asyncio.Runner) -> None:
    """A sweep forgets ids after thirty-five days, and whose name has not come after seven."""

    async def play() -> None:
        async with provider.fresh() as connection:
            now_ms = provider.clock()
            await connection.execute(KEPT, now_ms)
            assert 0 == await provider.api.services.provider.usage.sweep()
            left = await connection.fetchrow(LEFT)
            assert (["34"], [now_ms - 6 * 86_400_000]) == (left["ids"], left["waiting"])

    loop.run(play())
