"""What PostgreSQL does for a list on a million machines in ten thousand groups: no large scans."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from benchmarks.bench_list import SQL

from farebox.api.vending.filters import parse
from farebox.api.vending.resources import CATALOGUE
from farebox.resource import compile as sql
from farebox.resource.compile import belonging
from farebox.resource.criteria import Criteria
from farebox.resource.definition import View
from tests.resource.samples import Person
from tests.servers import Databases

GROUPS, MACHINES = 10_000, 1_000_000
LARGE = {"machine", "location"}

# What lists are asked for, by resource.
QUERIES = (
    ("machine", ""),
    ("machine", "limit=100"),
    ("machine", "limit=100&skip=300&sort=name desc"),
    ("machine", "where[name]=machine 77&sort=updatedAt desc&limit=100"),
    ("machine", "where[hostname]=host-4711"),
    ("machine", "where[location]=5,6,7&where[active]=1&sort=name&limit=100"),
    ("machine", "where[name][contains]=77&sort=name&limit=100"),
    ("machine", "where[id][in]=5,77,4711"),
    ("machine", "where[or][0][tag]=tag 7&where[or][1][id]=9&limit=10"),
    ("location", ""),
    ("location", "where[city]=city 7&sort=name&limit=100"),
)


def view(groups: int) -> View:
    """A caller who sees so many groups: one leaf, one branch, or everything."""
    below = {1: range(5000, 5001), 100: (2, *range(102, 201))}.get(groups, range(1, GROUPS + 1))
    return View(Person(group=next(iter(below)), groups=frozenset(below)), 0)


@pytest.fixture(scope="module")
def world(databases: Databases) -> Iterator[str]:
    """A database with a million machines, filled in some ten seconds."""
    dsn = databases.create()
    with asyncio.Runner() as runner:
        runner.run(_filled(dsn))
    yield dsn
    databases.drop(dsn)


async def _filled(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"set list.machines = {MACHINES}")
    await connection.execute(SQL.fill)
    # As autovacuum would soon: until pages are known to be visible, index-only scans seem dear.
    await connection.execute("vacuum analyze vending.usergroup, vending.location, vending.machine")
    await connection.close()


def scans(plan: Any) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


async def _scanned(connection: Any, query: sql.Query) -> set[str]:
    text, args = query
    plan = json.loads(await connection.fetchval(f"explain (format json) {text}", *args))
    return LARGE & set(scans(plan[0]["Plan"]))


@pytest.mark.parametrize("groups", [1, 100])
async def test_nobody_scans_for_a_part(world: str, groups: int) -> None:
    """Lists, counts, populates and reads of a leaf and of a branch read what they show."""
    connection = await asyncpg.connect(world)
    eyes = view(groups)
    for name, query in QUERIES:
        resource = CATALOGUE[name]
        pairs = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
        criteria = parse(resource, [(key, value) for key, value in pairs])
        limit = 10_001 if criteria.limit is None else criteria.limit
        for tells in (True, False):
            page = sql.page(resource, criteria, eyes, limit=limit, tells=tells)
            assert set() == await _scanned(connection, page), query
        assert set() == await _scanned(connection, sql.count(resource, criteria, eyes)), query
    for parent, alias in (("usergroup", "machine"), ("usergroup", "locations"),
                          ("location", "machines")):  # fmt: skip
        resource, association = CATALOGUE[parent], CATALOGUE[parent].aliases[alias]
        within, target = belonging(resource, association), CATALOGUE[association.target]
        page = sql.page(target, Criteria(), eyes.having(parent=5000), limit=100, within=within)
        assert set() == await _scanned(connection, page), alias
    row = sql.read(CATALOGUE["machine"], eyes.having(key=4711), "t.id = {key}::bigint")
    assert set() == await _scanned(connection, row)
    await connection.close()


async def test_whoever_sees_everything_pages_by_the_index(world: str) -> None:
    """The root's page of a hundred reads an index; only counting a million rows reads them."""
    connection = await asyncpg.connect(world)
    for name in ("machine", "location"):
        page = sql.page(CATALOGUE[name], Criteria(), view(GROUPS), limit=100)
        assert set() == await _scanned(connection, page), name
    await connection.close()
