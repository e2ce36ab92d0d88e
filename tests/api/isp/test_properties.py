"""What always holds (isp.md 4.12, 12 to 14): counts, single credits, accounts that are closed."""

import asyncio
import random
import re
from collections import Counter
from typing import Any

from farebox.demo_provider import FIXTURE
from tests.api.isp.conftest import Provider
from tests.api.mutate import Valid
from tests.api.mutated.isp import valid_calls

OWN = ("active", "expired", "blacklisted", "suspended", "blocked", "pending", "others")
SECRETS = {"Idempotency-Key": "k"}


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
