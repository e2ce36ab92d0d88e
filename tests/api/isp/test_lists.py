"""Long lists: whole and in order, sent in parts of bounded size, grouped by area where documented.

More subscribers than a part holds are written beside the fixture, and taken back.
"""

import asyncio
from typing import Any

import msgspec
import pytest

from farebox.api.isp.listing import PART, WHOLE_BYTES
from tests.api.isp.conftest import Provider, authorization

ROWS = PART + 200
MANY = """
with made as (
  insert into isp.subscriber (id, account, username, user_group, group_since_ms, activated_at_ms,
                              created_at_ms, updated_at_ms, phone)
  select 100000 + n, 'test', 'many' || n, 5, 0, 0, 1, 1, '5550001111'
    from generate_series(1, $1) n returning id)
insert into isp.location (subscriber, area)
select id, case id % 3 when 0 then 2 when 1 then 4 end from made where id % 4 > 0
"""
OWING = """
with many as (select id from isp.subscriber where id > $1)
, assigned as (
  insert into isp.collection_assignment (subscriber, admin, assigned_at_ms)
  select id, 7, 0 from many)
, taken as (
  insert into isp.payment_collection (account, subscriber, admin, amount_thousandths, created_at_ms)
  select 'test', id, 7, 1000, 0 from many)
insert into isp.renewal (account, subscriber, type, created_at_ms)
select 'test', id, '2', 0 from many
"""
LISTS: tuple[tuple[str, str, str, int], ...] = (
    ("GET", "get_all", "data", 8),
    ("GET", "get_all_user_ids", "", 8),
    ("GET", "get_basic_user_details", "data", 8),
    ("GET", "get_user_by_phone/5550001111", "data", 0),
    ("POST", "get_renewal_details", "message", 1),
    ("POST", "get_collection_approval_users", "data", 2),
    ("POST", "get_collection_users_areawise?adminId=7", "data", 2),
)


async def parts(provider: Provider, method: str, path: str) -> list[bytes]:
    """The messages of which the application makes the body of an answer."""
    name, _, query = path.partition("?")
    raw = f"/isp/api/v1/{name}".encode()
    key = authorization("t-test")["Authorization"].encode()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": raw.decode(), "raw_path": raw, "query_string": query.encode(),
        "root_path": "", "headers": [(b"authorization", key), (b"host", b"farebox.test")],
        "client": ("127.0.0.1", 1), "server": ("farebox.test", 80), "state": {},
    }  # fmt: skip
    asked, sent, made = iter([{"type": "http.request", "body": b""}]), asyncio.Event(), []

    async def receive() -> Any:
        for message in asked:
            return message
        await sent.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        made.append(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            sent.set()

    async with asyncio.timeout(20):
        await provider.api.app(scope, receive, send)
    return [part for part in made if part]


@pytest.fixture(scope="module")
def crowded(provider: Provider, loop: asyncio.Runner) -> Any:
    """The fixture's account with a crowd."""
    pool = provider.api.services.pool
    loop.run(pool.execute(MANY, ROWS))
    loop.run(pool.execute(OWING, 100_000))
    yield provider
    for table in ("renewal", "payment_collection"):
        loop.run(pool.execute(f"delete from isp.{table} where subscriber > 100000"))
    loop.run(pool.execute("delete from isp.subscriber where id > 100000"))


def numbers(told: Any) -> list[int]:
    """The ids of the subscribers in a list, in its order."""
    if isinstance(told, str):
        return [int(told)]
    if isinstance(told, list):
        return [number for one in told for number in numbers(one)]
    known = told.get("User") or told.get("UserLocation") or told.get("RenewalDetails") or told
    found = known.get("user_id") or known.get("id")
    return [] if found is None else [int(found)]


def test_lists_are_whole(crowded: Provider, loop: asyncio.Runner) -> None:
    """Everybody once; in parts none of which grows with the list."""

    async def play() -> None:
        for method, path, member, more in LISTS:
            made = await parts(crowded, method, path)
            told = msgspec.json.decode(b"".join(made))
            listed = told[member] if member else told
            found = numbers(listed)
            assert ROWS + more == len(found) == len(set(found)), path
            if "area" not in path and "approval" not in path:
                assert sorted(found) == found, path
            if sum(map(len, made)) > WHOLE_BYTES:
                assert max(map(len, made)) < 2 * WHOLE_BYTES + (1 << 19), path
                assert len(made) > 2, path
        _, path, _, _ = LISTS[3]
        phones = await crowded.post("get_users_by_phone", {"phone": "5550001111"})
        assert [100_001 + at for at in range(ROWS)] == numbers(phones["success"].split(","))

    loop.run(play())


def test_groups_by_area(crowded: Provider, loop: asyncio.Runner) -> None:
    """An inner list for each area in the order of their ids, by id inside; nobody's is last."""

    async def play() -> None:
        for name in ("get_collection_users_areawise", "get_collection_approval_users"):
            told = await crowded.post(name, {"adminId": "7"})
            areas = [{one["CollectionArea"]["area"] for one in group} for group in told["data"]]
            assert [{"PTC"}, {"Velachery"}, {None}] == areas or [1, 1, 1] == [
                len(area) for area in areas
            ]
            assert {None} == areas[-1]
            for group in told["data"]:
                assert sorted(numbers(group)) == numbers(group), name
            page = await crowded.call(
                "POST", f"/isp/api/v1/{name}", data={"adminId": "7", "limit": "3"}
            )
            assert 3 == len(numbers(page.json()["data"]))
            assert page.headers["x-next-after-id"].isdigit()
        one = await crowded.post("get_collection_users_areawise", {"adminId": "7", "areaId": "4"})
        assert 1 == len(one["data"])

    loop.run(play())
