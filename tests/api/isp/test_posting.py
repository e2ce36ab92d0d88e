"""Bytes are posted in place where they can be, and event by event otherwise: both are the same."""

import asyncio
import random
from typing import Any

from tests.api.isp.conftest import Provider

MIB = 1 << 20
DATA = {"mode": "data", "first": 11, "second": 12, "limit": 12 * MIB}
# Of each policy a pair: whose figures are added to in place, and whose are taken event by event.
POLICIES: tuple[dict[str, Any], ...] = (
    {**DATA, "every": "monthly", "dom": 3},
    {**DATA, "every": "weekly", "dow": 2, "excludes_upload": True},
    {**DATA, "every": "daily", "carries": True},
    {**DATA, "every": "never"},
    {**DATA, "mode": "uploadDownload", "every": "monthly"},
    {"mode": "always", "first": 11},
)
SUBSCRIBER = """
insert into isp.subscriber (account, username, user_group, group_since_ms, activated_at_ms,
  created_at_ms, updated_at_ms) values ('test', $1, 5, 0, 0, 0, 0) returning id
"""
OVERRIDE = """
insert into isp.quota_override (subscriber, kind, policy, effective_from_ms, set_by)
values ($1, 'bandwidth', $2::jsonb, 0, 'test')
"""
# A month that began three weeks ago, and a cycle without end that began last winter.
CYCLE = """
insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms)
values ($1, $2, $3, $4, $2)
"""
CYCLES = ((1793471400000, 1796063400000, "monthly"), (1767205800000, None, "never"))
# Older than everything that is shared, so what has turned since has to be looked for.
UNSETTLE = "update isp.quota_state set settled_at_ms = -1 where subscriber = any($1::bigint[])"
SETTLED = "select settled_at_ms from isp.quota_state where subscriber = any($1::bigint[])"
HELD = "update isp.session set applied_template = 11 where subscriber = any($1::bigint[])"
FIGURES = """
select q.window_start_ms, q.window_end_ms, q.upload, q.download, q.topup, q.carried, q.policy,
       q.previous, q.time_zone,
       (select jsonb_agg(to_jsonb(c) - 'subscriber' order by c.start_ms)
          from isp.cycle c where c.subscriber = q.subscriber) as cycles,
       (select jsonb_agg(to_jsonb(d) - 'subscriber' order by d.day)
          from isp.usage_day d where d.subscriber = q.subscriber) as days,
       (select count(*) from isp.switch w where w.subscriber = q.subscriber) as switches
  from isp.quota_state q where q.subscriber = $1
"""


async def pairs(connection: Any) -> dict[str, list[int]]:
    """Two subscribers for each policy, and their ids by who they are."""
    made: dict[str, list[int]] = {"plain": [], "again": []}
    for at, policy in enumerate(POLICIES):
        for side, numbers in made.items():
            numbers.append(await connection.fetchval(SUBSCRIBER, f"{side}{at}"))
            await connection.execute(OVERRIDE, numbers[-1], policy)
            # The rest has none.
            for cycle in CYCLES[at % 3 : at % 3 + 1]:
                await connection.execute(CYCLE, numbers[-1], *cycle)
    return made


def records(random_source: random.Random, turn: int) -> list[dict[str, Any]]:
    """What a pair reports at the same instants: sessions, and deltas of any size."""
    sent = []
    for at in range(len(POLICIES)):
        for part in range(random_source.randrange(1, 4)):
            when = f"2026-11-22T09:{30 + turn}:{10 * part + random_source.randrange(10):02}+05:30"
            sizes = [random_source.randrange(3 * MIB) for _ in range(2)]
            for side in ("plain", "again"):
                one: dict[str, Any] = {"user": f"{side}{at}", "at": when}
                delta: dict[str, Any] = {"recordId": f"{side}{at}-{turn}-{part}"}
                delta |= {"upload": sizes[0], "download": sizes[1]}
                session: dict[str, Any] = {
                    "nas": "127.0.0.1",
                    "sessionId": f"{side}{at}",
                    "out": turn * MIB,
                }
                sent.append({**one, **(delta if part else session)})
    return sent


def test_in_place_and_one_by_one(
    provider: Provider, loop: asyncio.Runner, random_source: random.Random
) -> None:
    """After every batch the windows, cycles, days and switches of a pair are equal (G20)."""

    async def play() -> None:
        async with provider.fresh() as connection:
            made = await pairs(connection)
            for turn in range(8):
                await connection.execute(UNSETTLE, made["again"])
                await connection.execute(HELD, [*made["plain"], *made["again"]])
                before = await connection.fetch(SETTLED, made["plain"])
                sent = records(random_source, turn)
                answer = await provider.call("POST", "/isp/admin/usage/batch", json=sent)
                assert 200 == answer.status_code, answer.text
                assert [] == answer.json()["data"]["errors"]
                # The one side was left settled as it was, the other had to be settled anew.
                if turn:
                    assert before == await connection.fetch(SETTLED, made["plain"])
                assert all(row[0] > 0 for row in await connection.fetch(SETTLED, made["again"]))
                for plain, again, policy in zip(*made.values(), POLICIES, strict=True):
                    rows = [await connection.fetchrow(FIGURES, one) for one in (plain, again)]
                    assert dict(rows[0]) == dict(rows[1]), policy
            assert await connection.fetchval("select count(*) from isp.switch") > 1
            used = "select count(*) from isp.cycle where subscriber = any($1) and download > 0"
            assert 4 == await connection.fetchval(used, made["plain"])

    loop.run(play())


NAS = "insert into isp.nas (account, name, ip) values ('test', 'idle', '127.0.0.9')"
SESSIONS = """
select jsonb_agg(to_jsonb(o) - 'id' - 'subscriber' - 'acct_session_id' order by o.started_at_ms)
  from isp.session o where subscriber = $1
"""
SIDES = ("whole", "parts", "followed")


def counted(random_source: random.Random, turn: int) -> list[dict[str, Any]]:
    """Records of a few sessions as devices send them: repeated, late, begun anew and ended."""
    sent = []
    for number in range(4):
        for part in range(random_source.choice((0, 1, 1, 1, 2))):
            back = random_source.choice((0, 0, 0, 0, 2))
            count = turn * MIB + random_source.randrange(MIB) if random_source.random() < 0.9 else 5
            sent.append({
                "user": number, "nas": "127.0.0.1", "sessionId": f"s{number}", "out": count,
                "in": turn, "at": f"2026-11-22T09:{30 + turn - back}:{10 * part:02}+05:30",
                "type": random_source.choice(("interim",) * 6 + ("start", "stop")),
                "sessionTime": 60 * turn, "gigawords": bool(number % 2),
            })  # fmt: skip
    return sent


def of_side(side: str, sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same of the subscribers and sessions of a side."""
    return [
        {**one, "user": f"{side}{one['user']}", "sessionId": f"{side}-{one['sessionId']}"}
        for one in sent
    ]


def test_gone_on_with_or_followed(
    provider: Provider, loop: asyncio.Runner, random_source: random.Random
) -> None:
    """A batch in one, in parts, or behind a device that begins, which has every record followed."""
    idle = {"nas": "127.0.0.9", "type": "on", "at": "2026-11-22T09:00:00+05:30"}

    async def send(sent: list[dict[str, Any]]) -> None:
        answer = await provider.call("POST", "/isp/admin/usage/batch", json=sent)
        assert 200 == answer.status_code, answer.text
        assert [] == answer.json()["data"]["errors"]

    async def play() -> None:
        async with provider.fresh() as connection:
            await connection.execute(NAS)
            made = [
                [await connection.fetchval(SUBSCRIBER, f"{side}{at}") for side in SIDES]
                for at in range(4)
            ]
            for turn in range(8):
                sent = counted(random_source, turn)
                await send(of_side("whole", sent))
                at = random_source.randrange(len(sent) + 1)
                await send(of_side("parts", sent[:at]))
                await send(of_side("parts", sent[at:]))
                await send([idle, *of_side("followed", sent)])
                for numbers in made:
                    sessions = [await connection.fetchval(SESSIONS, one) for one in numbers]
                    assert sessions[0] == sessions[1] == sessions[2]
                    rows = [await connection.fetchrow(FIGURES, one) for one in numbers]
                    figures = [dict(row) if row else None for row in rows]
                    assert figures[0] == figures[1] == figures[2]

    loop.run(play())


BEGUN = """
insert into isp.session
  (account, nas, acct_session_id, subscriber, started_at_ms, updated_at_ms, download)
select 'test', id, 'two', $1, $2, $2, $3 from isp.nas where account = 'test' and ip = '127.0.0.1'
"""
NAMESAKES = """
insert into isp.subscriber (account, username, user_group, group_since_ms, activated_at_ms,
  created_at_ms, updated_at_ms)
select g.account, 'same', g.id, 0, 0, 0, 0 from isp.user_group g where g.id in (5, 184)
order by g.id returning id
"""
USED = "select sum(download)::bigint from isp.usage_day where subscriber = $1"


def test_the_newest_of_a_name_goes_on(provider: Provider, loop: asyncio.Runner) -> None:
    """Where two sessions of a name are open, a record is of the one that began last, once."""
    record = {
        "user": "two", "nas": "127.0.0.1", "sessionId": "two", "out": 900,
        "at": "2026-11-22T09:45:00+05:30",
    }  # fmt: skip

    async def play() -> None:
        async with provider.fresh() as connection:
            number = await connection.fetchval(SUBSCRIBER, "two")
            for started_ms, count in ((1795318200000, 100), (1795319000000, 300)):
                await connection.execute(BEGUN, number, started_ms, count)
            answer = await provider.call("POST", "/isp/admin/usage/batch", json=[record])
            assert 1 == answer.json()["data"]["accepted"], answer.text
            counts = "select download from isp.session where subscriber = $1 order by started_at_ms"
            assert [100, 900] == [row[0] for row in await connection.fetch(counts, number)]
            assert 600 == await connection.fetchval(USED, number)

    loop.run(play())


def test_namesakes_of_two_accounts(provider: Provider, loop: asyncio.Runner) -> None:
    """A batch may speak of an account and of one below it; each has his own bytes."""
    delta = {"user": "same", "at": "2026-11-22T09:45:00+05:30", "upload": 0}

    async def play() -> None:
        async with provider.fresh() as connection:
            numbers = [row["id"] for row in await connection.fetch(NAMESAKES)]
            for turn in range(2):
                sent = [
                    {**delta, "recordId": f"a{turn}", "download": 5},
                    {**delta, "recordId": f"b{turn}", "download": 7, "account": "niroop"},
                ]
                answer = await provider.call("POST", "/isp/admin/usage/batch", json=sent)
                assert 2 == answer.json()["data"]["accepted"], answer.text
            assert [10, 14] == [await connection.fetchval(USED, one) for one in numbers]

    loop.run(play())
