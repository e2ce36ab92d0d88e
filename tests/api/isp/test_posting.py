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
                assert [] == answer.json()["data"]["errors"]
                # The one side was left settled as it was, the other had to be settled anew.
                if turn:
                    assert before == await connection.fetch(SETTLED, made["plain"])
                assert all(row[0] > 0 for row in await connection.fetch(SETTLED, made["again"]))
                for plain, again, policy in zip(*made.values(), POLICIES, strict=True):
                    rows = [await connection.fetchrow(FIGURES, one) for one in (plain, again)]
                    assert dict(rows[0]) == dict(rows[1]), policy
            assert await connection.fetchval("select count(*) from isp.switch") > 1

    loop.run(play())
