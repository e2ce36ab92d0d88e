"""Tenancy over HTTP on random forests, against a plain reference (vending-platform.md 4.2)."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Api, Caller
from tests.forests import GROUPS, RESOURCES, World, clear, fill, worlds

NOBODYS = 9999


async def _callers(api: Api) -> list[Caller]:
    people, pool = api.services.people, api.services.pool
    pairs = [await people._open_session(pool, user) for user in range(1, GROUPS + 1)]
    return [api.bearer(pair.access_token) for pair in pairs]


async def _check_lists(world: World, callers: list[Caller]) -> None:
    """Every list and total is the reference's."""
    for group, caller in enumerate(callers, 1):
        for name, ids in world.visible(group).items():
            answer = await caller.get(f"/{name}")
            assert ids == [row["id"] for row in answer.json()], (group, name, world)
            assert str(len(ids)) == answer.headers["X-Total-Count"]


async def _check_one(caller: Caller, name: str, hidden: int) -> None:
    """A row that is not seen answers, byte for byte, as one that is not there."""
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"} if name != "user" else {"username": "xxx"}),
        ("DELETE", "", None),
        ("GET", "/userGroup", None),
        ("GET", "/nothing", None),
    ):
        told = [
            await caller.send(method, f"/{name}/{key}{tail}", body) for key in (hidden, NOBODYS)
        ]
        assert 404 == told[0].status_code, (method, name, hidden, told[0].text)
        assert told[0].content == told[1].content
        assert told[0].headers == told[1].headers
    found = await caller.get(f"/{name}?where[id]={hidden}")
    assert ([], "0") == (found.json(), found.headers["X-Total-Count"])


async def _check_rows(world: World, callers: list[Caller]) -> None:
    """What is seen may be written where the reference says so; the rest is not there at all."""
    for group, caller in enumerate(callers, 1):
        seen = world.visible(group)
        for name in RESOURCES:
            for key in seen[name][-2:]:
                member = "username" if name == "user" else "name"
                row = (await caller.get(f"/{name}/{key}")).json()
                answer = await caller.patch(f"/{name}/{key}", {member: row[member]})
                status = 200 if world.may_write(group, name, key) else 403
                assert status == answer.status_code, (group, name, key, world, answer.text)
            for key in sorted(set(range(1, GROUPS + 1)) - set(seen[name]))[:1]:
                await _check_one(caller, name, key)


@pytest.fixture(scope="module")
def forest(shared_api: Api, loop: asyncio.Runner) -> Api:
    """An application on a database without any rows."""
    loop.run(clear(shared_api.services.pool))
    return shared_api


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds(), moved=st.integers(2, GROUPS), above=st.integers(1, GROUPS))
def test_everybody_sees_the_reference(
    forest: Api, loop: asyncio.Runner, world: World, moved: int, above: int
) -> None:
    """Lists, rows and rights on a forest; and all lists again after a group has moved."""

    async def check() -> None:
        await fill(forest.services.pool, world)
        forest.services.access.forget()
        callers = await _callers(forest)
        await _check_lists(world, callers)
        await _check_rows(world, callers)
        # Below a lower number it cannot become its own ancestor.
        world.parents[moved - 1] = min(above, moved - 1)
        await forest.execute(
            "update vending.usergroup set parent = $2 where id = $1",
            moved, world.parents[moved - 1],
        )  # fmt: skip
        forest.services.access.forget()
        await _check_lists(world, callers)

    loop.run(check())
