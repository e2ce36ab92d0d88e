"""Every declared resource on random forests: who sees a row follows from where it belongs.

`HOMES` is vending-platform.md 4.2 written down: a resource that is declared but not listed here
fails. The tables are filled with rows of nothing but their home, whatever else they refer to.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from farebox.api.vending.permissions import PERMISSIONS
from farebox.api.vending.resources import CATALOGUE
from farebox.domain.errors import NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import ID, View
from farebox.storage.pool import Pool, open_pool
from tests.forests import GROUPS, PLACES, World, fill, worlds
from tests.resource.samples import Person

# What a row belongs to, and the column that says so; number n of a kind is group n's, user n's,
# at location n, of machine n or on dashboard n.
HOMES = {
    **dict.fromkeys(
        ("locationgroup", "machinegroup", "alertgroup", "alertrecipient", "alertobserver",
         "integration", "report", "user"), ("group", "owner")),
    "usergroup": ("group", "id"),
    "location": ("place", "id"),
    **dict.fromkeys(
        ("machine", "shift", "revenuetransaction", "paymenttransaction", "log", "iotevent"),
        ("place", "location")),
    **dict.fromkeys(
        ("product", "productflavour", "productextra", "openinghours", "devicecommand"),
        ("place", "machine")),
    "deadletter": ("place", "gateway"),
    **dict.fromkeys(
        ("machinetype", "manufacturer", "machinemodel", "errorprofile", "erroridentity",
         "errorcode", "transactionprofile", "image", "language", "translation",
         "machineconfigtemplate", "connector"), ("catalogue", "owner")),
    "dashboard": ("person", "users"),
    "widget": ("person", "dashboard"),
    "userreport": ("person", "users"),
    "chart": ("person", "report"),
    **dict.fromkeys(("currency", "currencyrate", "widgettype", "charttemplate"), ("everybody", "")),
    # Rows made up from the groups themselves.
    "permission": ("everybody", ""),
}  # fmt: skip
# Filled by the forest itself.
GROWN = {"usergroup", "user", "location", "machine", "locationgroup", "machinegroup", "dashboard",
         "language", "machinetype", "manufacturer"}  # fmt: skip
TIMED = {"revenuetransaction", "paymenttransaction", "log", "iotevent"}
CLASSES = {"product": "base", "productflavour": "flavour", "productextra": "extra"}
# Rows need no more than their home here, so nothing else is demanded of them.
LOOSE = """
do $$ declare one record; begin
  for one in select conrelid::regclass as home, conname from pg_constraint
              where contype in ('c', 'u') and coninhcount = 0
                and connamespace = 'vending'::regnamespace
  loop execute format('alter table %s drop constraint if exists %I cascade', one.home, one.conname);
  end loop;
  for one in select indexrelid::regclass as name from pg_index join pg_class c on c.oid = indexrelid
              where indisunique and not indisprimary and c.relnamespace = 'vending'::regnamespace
  loop execute format('drop index %s', one.name); end loop;
  for one in select attrelid::regclass as home, attname from pg_attribute a
               join pg_class c on c.oid = a.attrelid
              where c.relnamespace = 'vending'::regnamespace and c.relkind in ('r', 'p')
                and attnum > 0 and attnotnull and not attisdropped and not c.relispartition
                and not exists (select from pg_index i where i.indrelid = attrelid
                                   and i.indisprimary and attnum = any(i.indkey))
                and attidentity = '' and attname <> 'occurred_at_ms'
  loop execute format('alter table %s alter %I drop not null', one.home, one.attname); end loop;
end $$
"""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all examples."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def loose(databases: Any, loop: asyncio.Runner) -> Iterator[Pool]:
    """A pool on a database whose tables take rows of nothing but their home."""
    dsn = databases.create()
    pool = loop.run(open_pool(dsn, max_size=1, statement_timeout_ms=60_000))
    loop.run(pool.execute(LOOSE))
    yield pool
    pool.terminate()
    databases.drop(dsn)


def rows_of(name: str, world: World) -> list[tuple[int, int | None]]:
    """Ids and homes of a resource's rows."""
    kind, _ = HOMES[name]
    if kind == "catalogue":
        return list(enumerate(world.catalogue, 1))
    count = PLACES if kind == "place" else GROUPS
    # Ids of products are shared by the three classes.
    first = 1 + 100 * list(CLASSES).index(name) if name in CLASSES else 1
    return [(first + number, number + 1) for number in range(count)]


async def furnish(pool: Pool, world: World) -> None:
    """Rows of every resource that the forest has none of."""
    await fill(pool, world)
    names = [name for name, (kind, _) in HOMES.items() if kind != "everybody" and name not in GROWN]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        for table in sorted({CATALOGUE[name].table for name in names}):
            await connection.execute(f"delete from {table}")
        for name in names:
            columns = {"id": "$1", HOMES[name][1]: "$2"}
            columns |= {"class": f"'{CLASSES[name]}'"} if name in CLASSES else {}
            columns |= {"occurred_at_ms": "0"} if name in TIMED else {}
            await connection.executemany(
                f"insert into {CATALOGUE[name].table} ({', '.join(columns)})"
                f" overriding system value values ({', '.join(columns.values())})",
                rows_of(name, world),
            )


def expected(name: str, world: World, group: int) -> list[int]:
    """The ids that the user of a group sees."""
    if name == "locationgroup":
        return world.visible(group)[name]
    groups = world.below(group)
    seen: dict[str, set[Any]] = {
        "group": groups,
        "place": set(world.visible(group)["location"]),
        "catalogue": groups | world.above(group) | {None},
        "person": groups if group in world.admins else {group},
    }
    return [key for key, home in rows_of(name, world) if home in seen[HOMES[name][0]]]


def test_every_resource_has_a_home() -> None:
    """Whatever is declared says here who sees it."""
    assert set(HOMES) == set(CATALOGUE)


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds())
def test_nobody_sees_a_strangers_row(loose: Pool, loop: asyncio.Runner, world: World) -> None:
    """Of every resource a list shows exactly what belongs to the caller; the rest is not there."""

    async def check() -> None:
        await furnish(loose, world)
        for group in range(1, GROUPS + 1):
            below = frozenset(world.below(group))
            person = Person(id=group, group=group, groups=below, admin=group in world.admins)
            view = View(person, 0, {"permissions": PERMISSIONS})
            for name, (kind, _) in HOMES.items():
                if kind == "everybody":
                    continue
                # Who sees a row does not depend on what it says.
                bare = replace(CATALOGUE[name], fields=(ID,), render=None)
                seen = expected(name, world, group)
                page = await store.list_rows(loose, bare, Criteria(), view)
                assert seen == sorted(row.id for row in page.rows), (name, group)
                hidden = {key for key, _ in rows_of(name, world)} - set(seen)
                for key in sorted(hidden)[:1]:
                    with pytest.raises(NotFoundError):
                        await store.read(loose, bare, key, view)

    loop.run(check())
