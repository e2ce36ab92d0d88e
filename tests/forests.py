"""Random forests of groups with places and catalogues, and who sees and may write what in them.

The reference is written from vending-platform.md 4.2 in plain Python and knows no SQL. Ids count
from 1: user n is the only one of group n, machine group n is group n's, machine n stands at
location n, dashboard n is user n's.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

GROUPS, PLACES = 6, 4
OWNED = ("usergroup", "user", "machinegroup")
LOCATED = ("location", "machine")
CATALOGUES = ("language", "machinetype", "manufacturer")
RESOURCES = (*OWNED, *LOCATED, *CATALOGUES, "locationgroup", "dashboard")


@dataclass
class World:
    """Parents of groups, owners of rows, and what was assigned."""

    parents: list[int | None]
    admins: set[int]
    locations: list[int]
    locationgroups: list[int]
    # (location group, location), (group, location), (group, location group).
    members: set[tuple[int, int]]
    assigned: set[tuple[int, int]]
    assigned_groups: set[tuple[int, int]]
    # Owners of the rows of every catalogue; None for what belongs to everybody.
    catalogue: list[int | None]

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
        """The ids that the user of a group sees, by resource."""
        groups = self.below(group)
        lent = {number for owner, number in self.assigned_groups if owner in groups}
        places = {place for owner, place in self.assigned if owner in groups}
        places |= {place for number, place in self.members if number in lent}
        places |= {number for number, owner in enumerate(self.locations, 1) if owner in groups}
        own = {number for number, owner in enumerate(self.locationgroups, 1) if owner in groups}
        lines = groups | self.above(group) | {None}
        inferior = groups if group in self.admins else {group}
        return {
            **{name: sorted(groups) for name in OWNED},
            **{name: sorted(places) for name in LOCATED},
            **{name: [n for n, owner in enumerate(self.catalogue, 1) if owner in lines]
               for name in CATALOGUES},
            "locationgroup": sorted(own | lent),
            "dashboard": sorted(inferior),
        }  # fmt: skip

    def may_write(self, group: int, name: str, key: int) -> bool:
        """Whether the user of a group may change a row that it sees."""
        groups = self.below(group)
        if name == "dashboard":
            return key == group
        if name == "locationgroup":
            return self.locationgroups[key - 1] in groups
        if name in CATALOGUES:
            owner = self.catalogue[key - 1]
            return group in self.admins if owner is None else owner in groups
        return True


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A forest in which a parent always has the lower number."""
    group, few = st.integers(1, GROUPS), st.integers(1, PLACES)
    pairs = st.sets(st.tuples(group, few), max_size=3)
    return World(
        [draw(st.none() | st.integers(1, n)) if n else None for n in range(GROUPS)],
        draw(st.sets(group, max_size=2)),
        [draw(group) for _ in range(PLACES)],
        [draw(group) for _ in range(PLACES)],
        draw(st.sets(st.tuples(few, few), max_size=5)),
        draw(pairs),
        draw(pairs),
        [None, *(draw(st.none() | group) for _ in range(3))],
    )


_TABLES = (
    "usergroup", "users", "location", "locationgroup", "machine", "machinegroup", "dashboard",
    "language", "machinetype", "manufacturer", "locationgroup_location", "usergroup_location",
    "usergroup_locationgroup",
)  # fmt: skip
# Truncating makes new files for every table that refers to these; nothing else is in the way.
_EMPTY = "set session_replication_role = replica;" + "".join(
    f"delete from vending.{name};" for name in _TABLES
)
# A new user's dashboard is numbered by the database.
_AGAIN = """
set session_replication_role = origin;
select setval(pg_get_serial_sequence('vending.dashboard', 'id'), 1, false)
"""
_ROWS = """
insert into vending.usergroup (id, parent, name, admin, created_at_ms, updated_at_ms)
values ($1, $2, 'g' || $1::int, $3, 0, 0);
insert into vending.language (id, owner, name, language, locale, created_at_ms, updated_at_ms)
values ($1, $2, 'c' || $1::int, 'en', $1::int::text, 0, 0);
insert into vending.machinetype (id, owner, name, created_at_ms, updated_at_ms)
values ($1, $2, 'c' || $1::int, 0, 0);
insert into vending.manufacturer (id, owner, name, created_at_ms, updated_at_ms)
values ($1, $2, 'c' || $1::int, 0, 0);
insert into vending.users (id, owner, username, email, language, created_at_ms, updated_at_ms)
values ($1, $1, 'user' || $1::int, $1::int::text, 1, 0, 0);
insert into vending.machinegroup (id, owner, name, created_at_ms, updated_at_ms)
values ($1, $1, 'm' || $1::int, 0, 0);
insert into vending.location
  (id, owner, name, address, postcode, city, country, time_zone, created_at_ms, updated_at_ms)
values ($1, $2, 'l', '', '', '', '', 'UTC', 0, 0);
insert into vending.machine (id, location, name, hostname, currency, created_at_ms, updated_at_ms)
values ($1, $1, 'm', $1::int::text, 978, 0, 0);
insert into vending.locationgroup (id, owner, name, created_at_ms, updated_at_ms)
values ($1, $2, 'l' || $1::int, 0, 0);
insert into vending.locationgroup_location values ($1, $2);
insert into vending.usergroup_location values ($1, $2);
insert into vending.usergroup_locationgroup values ($1, $2)
"""


async def clear(pool: Any) -> None:
    """Make a database hold nothing of anybody's, once before it is filled again and again."""
    await pool.execute("truncate vending.usergroup, vending.language cascade")


async def fill(pool: Any, world: World) -> None:
    """Make a database hold this world and nothing else."""
    people, places = [(n,) for n in range(1, GROUPS + 1)], [(n,) for n in range(1, PLACES + 1)]
    groups = [(n, parent, n in world.admins) for n, parent in enumerate(world.parents, 1)]
    shelf = list(enumerate(world.catalogue, 1))
    rows: list[list[Any]] = [
        groups, shelf, shelf, shelf, people, people, list(enumerate(world.locations, 1)), places,
        list(enumerate(world.locationgroups, 1)), list(world.members), list(world.assigned),
        list(world.assigned_groups),
    ]  # fmt: skip
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_EMPTY)
        await connection.execute(_AGAIN)
        for statement, values in zip(_ROWS.split(";"), rows, strict=True):
            await connection.executemany(statement, values)
