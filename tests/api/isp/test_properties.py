"""What always holds (isp.md 4.12): usage, counts, single credits, accounts that are closed.

All properties of 4.12, and what shows each:

1, 2  tests/domain/test_quotas.py, test_more_use_never_leaves_more
3     the same, test_what_is_left_out_does_not_count
4, 7  the same, test_rolling_at_once_is_rolling_step_by_step;
      7 also tests/core/test_quota.py, test_evaluating_again_changes_nothing
5     the same, test_what_is_carried
6     the same, test_late_bytes_only_lower_what_was_carried
8     the same, test_windows_divide_time
9     tests/core/test_quota.py, test_rows_do_not_know_each_other
10    test_usage_in_any_portions here; tests/api/isp/test_posting.py for the two ways of adding
11    tests/core/test_quota.py, test_any_rows; after an answer of the network
      tests/api/isp/test_effects.py, test_the_network_learns_another_speed
12    test_counts_are_those_of_a_recount here
13    test_approvals_at_once here; over two servers tests/engine/test_collecting.py
14    test_others_do_not_exist here
"""

import asyncio
import random
import re
from collections import Counter
from typing import Any

from farebox.demo_provider import FIXTURE
from tests.api.isp.conftest import Provider
from tests.api.isp.test_posting import DATA, MIB, OVERRIDE, SUBSCRIBER
from tests.api.mutate import Valid
from tests.api.mutated.isp import valid_calls

OWN = ("active", "expired", "blacklisted", "suspended", "blocked", "pending", "others")
SECRETS = {"Idempotency-Key": "k"}


NOVEMBER = (1793471400000, 1796063400000)
CYCLE = (
    "insert into isp.cycle (subscriber, start_ms, end_ms, reset_type, anchor_ms)"
    " values ($1, $2, $3, 'monthly', $2)"
)
USED = """
select q.window_start_ms, q.window_end_ms, q.upload, q.download, q.carried, q.previous,
       c.upload as cycle_upload, c.download as cycle_download,
       (select jsonb_object_agg(day, array[d.upload, d.download]) from isp.usage_day d
         where d.subscriber = q.subscriber) as days
  from isp.quota_state q join isp.cycle c on c.subscriber = q.subscriber
 where q.subscriber = $1
"""
# Whose records come one by one, by day, and all at once; also who gets each batch twice.
PORTIONS = {"one": 1, "day": 9, "all": 99, "twice": 5}


def night(rng: random.Random, user: str) -> list[list[tuple[str, dict[str, Any]]]]:
    """A session and deltas of an evening and the night after it, with their times."""
    clocks = [f"2026-11-22T{hour}:{minute:02}" for hour in (20, 22, 23) for minute in (5, 25, 45)]
    clocks += [f"2026-11-23T0{hour}:{minute:02}" for hour in (0, 2, 3) for minute in (5, 25, 45)]
    records, octets = [], 0
    for at, clock in enumerate(clocks):
        record: dict[str, Any] = {"user": user, "at": f"{clock}:00+05:30"}
        if rng.random() < 0.5:
            octets += rng.randrange(2 * MIB)
            record |= {"nas": "127.0.0.1", "sessionId": user, "in": octets // 7, "out": octets}
        else:
            upload, download = rng.randrange(MIB), rng.randrange(2 * MIB)
            record |= {"recordId": f"{user}{at}", "upload": upload, "download": download}
        records.append((record["at"], record))
    size = PORTIONS[user]
    return [records[at : at + size] for at in range(0, len(records), size)]


def test_usage_in_any_portions(
    provider: Provider, loop: asyncio.Runner, random_source: random.Random
) -> None:
    """However records are cut into batches, sent again and evaluated between, totals are equal."""
    seed = random_source.randrange(1 << 30)

    async def send(records: list[dict[str, Any]]) -> None:
        answer = await provider.call("POST", "/isp/admin/usage/batch", json=records)
        assert [] == answer.json()["data"]["errors"], answer.text

    async def play() -> None:
        async with provider.fresh() as connection:
            numbers = {}
            for user in PORTIONS:
                numbers[user] = await connection.fetchval(SUBSCRIBER, user)
                policy = {**DATA, "every": "daily", "carries": True}
                await connection.execute(OVERRIDE, numbers[user], policy)
                await connection.execute(CYCLE, numbers[user], *NOVEMBER)
            for user, number in numbers.items():
                for batch in night(random.Random(seed), user):
                    provider.clock.set(batch[-1][0])
                    sent = [record for _, record in batch]
                    for _ in range(1 + (user == "twice")):
                        await send(sent)
                    if user != "all":
                        body = {"userIds": [number]}
                        path = "/isp/admin/fup/evaluate"
                        await provider.call("POST", path, json=body, cred="t-root")
            rows = [dict(await connection.fetchrow(USED, one)) for one in numbers.values()]
            assert [rows[0]] * len(rows) == rows, seed
            days = rows[0]["days"].values()
            totals = [sum(way) for way in zip(*days, strict=True)]
            assert 2 == len(days)
            assert totals == [rows[0]["cycle_upload"], rows[0]["cycle_download"]]
            [whole] = night(random.Random(seed), "all")
            sent = [one for _, one in whole]
            for at, (way, counter) in enumerate((("upload", "in"), ("download", "out"))):
                deltas = sum(one.get(way, 0) for one in sent)
                assert deltas + max(one.get(counter, 0) for one in sent) == totals[at]

    try:
        loop.run(play())
    finally:
        provider.clock.set(FIXTURE["clock"])


def test_counts_are_those_of_a_recount(provider: Provider, loop: asyncio.Runner) -> None:
    """Totals are sums of their parts, and groups have as many as the list of everybody says."""

    async def play() -> None:
        async with provider.fresh() as connection:
            statuses = ("pending", "blocked", "rejected", "blacklisted")
            for at, status in enumerate(statuses, 200):
                await connection.execute(
                    "insert into isp.subscriber (account, username, user_group, group_since_ms,"
                    " status, activated_at_ms, created_at_ms, updated_at_ms)"
                    " values ('test', $1, 5, 0, $2, 0, 1, 1)", f"u{at}", status,
                )  # fmt: skip
            told = (await provider.get("get_users_count"))["message"]
            assert told["total"] == sum(told[name] for name in OWN)
            everybody = [one[0]["User"] for one in (await provider.get("get_all"))["data"]]
            found = Counter(user["status"] for user in everybody)
            assert len(everybody) == told["total"]
            assert [found[name] for name in OWN[:-1]] == [told[name] for name in OWN[:-1]]
            for path in ("get_group_details", "get_allowed_groups/1"):
                for group in (await provider.get(path))["data"]:
                    members = [u for u in everybody if u["groupId"] == group["Group_id"]]
                    active = sum(user["status"] == "active" for user in members)
                    assert (len(members), active) == (group["Total_Users"], group["Active_Users"])

    loop.run(play())


def test_approvals_at_once(
    provider: Provider, loop: asyncio.Runner, random_source: random.Random
) -> None:
    """Whoever is first decides: one final state, and one credit or none."""

    async def play() -> None:
        pool = provider.api.services.pool
        for _ in range(3):
            calls = ["collection_approval"] * 4 + ["collection_disapproval"] * 4
            random_source.shuffle(calls)
            form = {"userId": "133", "modelId": "88", "amount": "10"}
            told = await asyncio.gather(*(provider.post(name, form) for name in calls))
            done = [one["message"] for one in told if one["status"] == "success"]
            assert 1 == len(done), told
            assert {409} == {one["errorCode"] for one in told if one["status"] == "error"}
            state = await pool.fetchval("select state from isp.payment_collection where id = 88")
            credited = await pool.fetch(
                "delete from isp.ledger_entry where reference = 'collection:88' returning 1"
            )
            assert (f"Payment {state.title()}", int(state == "approved")) == (
                done[0], len(credited)
            )  # fmt: skip
            await pool.execute("update isp.payment_collection set state = 'pending' where id = 88")

    loop.run(play())


def moved(value: Any) -> Any:
    """The same with ids that nobody has."""
    if isinstance(value, dict):
        return {
            name: moved(one) if name.lower().rstrip("s").endswith("id") else one
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [moved(one) for one in value]
    is_id = isinstance(value, int) and not isinstance(value, bool)
    return value + 900_000 if is_id else re.sub(r"^\d{1,5}$", lambda m: f"9{m[0]:0>6}", str(value))


def test_others_do_not_exist(provider: Provider, loop: asyncio.Runner) -> None:
    """Ids of another account are answered as ids of nobody, and nothing of it is ever told."""
    names = [user["username"] for user in FIXTURE["users"]]
    contacts = [user[k] for user in FIXTURE["users"] for k in ("phone", "email") if user.get(k)]

    async def ask(call: Valid, path: str, body: Any) -> str:
        query = f"?{call.query}" if call.query and "accountId" not in call.query else ""
        more: dict[str, Any] = {} if body is None else {"json": body}
        if call.media_type:
            more = {"content": call.body}
        async with provider.fresh() as connection:
            await connection.execute(
                "update isp.credential set scopes = '{read,write,collect,notify,network,secrets,"
                "admin}' where token = 't-other'"
            )
            answer = await provider.call(
                call.method, f"/isp{path}{query}", cred="t-other", headers=SECRETS, **more
            )
        return f"{answer.status_code} {answer.text}"

    async def play() -> None:
        for call in valid_calls():
            named = re.search(r"user[Ii]d|/users/\d|/\d+", f"{call.path} {call.body}")
            theirs = await ask(call, call.path, call.body)
            sent = f"{call.path} {call.body}"
            leaked = [one for one in (*names, *contacts) if one in theirs and one not in sent]
            assert [] == leaked, f"{call.method} {call.path}: {theirs}"
            if named and not call.media_type and not re.search("quota|radius", call.path):
                path = re.sub(r"/(\d{1,5})(?=/|$)", lambda m: "/" + moved(m[1]), call.path, count=1)
                nobody = await ask(call, path, moved(call.body) if call.body else call.body)
                plain = [re.sub(r"\d+", "n", one) for one in (theirs, nobody)]
                assert plain[0] == plain[1], f"{call.method} {call.path} {call.body}"

    loop.run(play())
