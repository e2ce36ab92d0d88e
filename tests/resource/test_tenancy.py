"""Who sees what, on random forests of groups (vending-platform.md 4.2), against a plain model."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from farebox.api.vending.filters import parse
from farebox.api.vending.resources import CATALOGUE
from farebox.domain.errors import NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import View
from farebox.storage.pool import Pool, open_pool
from tests.forests import GROUPS, LOCATED, OWNED, RESOURCES, World, fill, worlds
from tests.resource.samples import Person


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all examples."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def pool_of_worlds(databases: Any, loop: asyncio.Runner) -> Iterator[Pool]:
    """A pool on a migrated database that is refilled by every example."""
    dsn = databases.create()
    pool = loop.run(open_pool(dsn, max_size=1))
    yield pool
    pool.terminate()
    databases.drop(dsn)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds())
def test_visibility_on_random_forests(
    pool_of_worlds: Pool, loop: asyncio.Runner, world: World
) -> None:
    """Lists, counts and reads show exactly the model's rows; parents see what children see."""

    async def check() -> None:
        pool = pool_of_worlds
        await fill(pool, world)
        for group in range(1, GROUPS + 1):
            expected = world.visible(group)
            admin = group in world.admins
            groups = frozenset(world.below(group))
            view = View(Person(id=group, group=group, groups=groups, admin=admin), 0)
            for name in RESOURCES:
                resource = CATALOGUE[name]
                page = await store.list_rows(pool, resource, Criteria(), view)
                assert expected[name] == [row.id for row in page.rows]
                # What an index finds, what it does not, and all are asked for in other words.
                ways: tuple[list[tuple[str, str]], ...]
                ways = ([("where[id][>]", "0")], [("where[id][!=]", "0")], [])
                for asked in ways[: None if resource.scope.through else 1]:
                    for limit in (0, 100):
                        criteria = parse(resource, [*asked, ("limit", str(limit))])
                        page = await store.list_rows(pool, resource, criteria, view)
                        assert expected[name][:limit] == [row.id for row in page.rows]
                        assert len(expected[name]) == page.total
                hidden = set(range(1, GROUPS + 1)) - set(expected[name])
                for key in sorted(hidden)[:1]:
                    with pytest.raises(NotFoundError):
                        await store.read(pool, resource, key, view)
            parent = world.parents[group - 1]
            if parent:
                wider = world.visible(parent)
                for name in (*OWNED, *LOCATED, "locationgroup"):
                    assert set(expected[name]) <= set(wider[name])

    loop.run(check())
