"""Who sees what, on random forests of groups (vending-platform.md 4.2), against a plain model."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.api.vending.filters import parse
from farebox.api.vending.resources import CATALOGUE
from farebox.domain.errors import NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import View
from farebox.storage.pool import Pool, open_pool
from tests.resource.samples import Person

GROUPS = 6
NAMES = ("usergroup", "user", "location", "locationgroup", "machine", "language")


@dataclass
class World:
    """Parents of groups, owners of places, and what was assigned; ids start at 1."""

    parents: list[int | None]
    locations: list[int]
    locationgroups: list[int]
    members: set[tuple[int, int]]
    assigned: set[tuple[int, int]]
    assigned_groups: set[tuple[int, int]]
    languages: list[int | None]

    def below(self, group: int) -> set[int]:
        """The group and its descendants."""
        found = {group}
        for number, parent in enumerate(self.parents, 1):
            if parent in found:
                found.add(number)
        return found

    def above(self, group: int) -> set[int]:
        """The group and its ancestors."""
        parent = self.parents[group - 1]
        return {group} | (self.above(parent) if parent else set())

    def visible(self, group: int) -> dict[str, list[int]]:
        """The ids that a caller of the group sees, by resource."""
        groups = self.below(group)
        direct = {place for owner, place in self.assigned if owner in groups}
        lent = {number for owner, number in self.assigned_groups if owner in groups}
        direct |= {place for number, place in self.members if number in lent}
        direct |= {number for number, owner in enumerate(self.locations, 1) if owner in groups}
        own = {number for number, owner in enumerate(self.locationgroups, 1) if owner in groups}
        lines = groups | self.above(group) | {None}
        return {
            "usergroup": sorted(groups),
            "user": sorted(groups),
            "location": sorted(direct),
            # Machine n stands at location n.
            "machine": sorted(direct),
            "locationgroup": sorted(own | lent),
            "language": [n for n, owner in enumerate(self.languages, 1) if owner in lines],
        }


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A forest in which a parent always has the lower number."""
    group, few = st.integers(1, GROUPS), st.integers(1, 4)
    pairs = st.sets(st.tuples(group, few), max_size=3)
    return World(
        [draw(st.none() | st.integers(1, n)) if n else None for n in range(GROUPS)],
        [draw(group) for _ in range(4)],
        [draw(group) for _ in range(4)],
        draw(st.sets(st.tuples(few, few), max_size=5)),
        draw(pairs),
        draw(pairs),
        [None, *(draw(st.none() | group) for _ in range(3))],
    )


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


INSERTS = """
insert into vending.usergroup (id, parent, name, created_at_ms, updated_at_ms)
values ($1, $2, $1::int::text, 0, 0);
insert into vending.language (id, owner, name, language, locale, created_at_ms, updated_at_ms)
values ($1, $2, '', '', $1::int::text, 0, 0);
insert into vending.users (id, owner, username, email, language, created_at_ms, updated_at_ms)
values ($1, $1, $1::int::text, $1::int::text, 1, 0, 0);
insert into vending.location
  (id, owner, name, address, postcode, city, country, time_zone, created_at_ms, updated_at_ms)
values ($1, $2, '', '', '', '', '', 'UTC', 0, 0);
insert into vending.machine (id, location, name, hostname, currency, created_at_ms, updated_at_ms)
values ($1, $1, '', $1::int::text, 978, 0, 0);
insert into vending.locationgroup (id, owner, name, created_at_ms, updated_at_ms)
values ($1, $2, $1::int::text, 0, 0);
insert into vending.locationgroup_location values ($1, $2);
insert into vending.usergroup_location values ($1, $2);
insert into vending.usergroup_locationgroup values ($1, $2)
"""


async def _fill(pool: Pool, world: World) -> None:
    await pool.execute(
        "truncate vending.usergroup, vending.users, vending.language, vending.location,"
        " vending.locationgroup, vending.machine cascade"
    )
    people, places = [(n,) for n in range(1, GROUPS + 1)], [(n,) for n in range(1, 5)]
    filled = (
        list(enumerate(world.parents, 1)), list(enumerate(world.languages, 1)), people,
        list(enumerate(world.locations, 1)), places, list(enumerate(world.locationgroups, 1)),
        list(world.members), list(world.assigned), list(world.assigned_groups),
    )  # fmt: skip
    for text, rows in zip(INSERTS.split(";"), filled, strict=True):
        await pool.executemany(text, rows)


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
        await _fill(pool, world)
        for group in range(1, GROUPS + 1):
            expected = world.visible(group)
            view = View(Person(group=group, groups=frozenset(world.below(group))), 0)
            for name in NAMES:
                resource = CATALOGUE[name]
                page = await store.list_rows(pool, resource, Criteria(), view)
                assert expected[name] == [row.id for row in page.rows]
                counted = parse(resource, [("where[id][>]", "0"), ("limit", "0")])
                assert (
                    len(expected[name])
                    == (await store.list_rows(pool, resource, counted, view)).total
                )
                hidden = set(range(1, GROUPS + 1)) - set(expected[name])
                for key in sorted(hidden)[:1]:
                    with pytest.raises(NotFoundError):
                        await store.read(pool, resource, key, view)
            parent = world.parents[group - 1]
            if parent:
                wider = world.visible(parent)
                for name in ("usergroup", "user", "location", "locationgroup", "machine"):
                    assert set(expected[name]) <= set(wider[name])

    loop.run(check())
