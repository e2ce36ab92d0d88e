"""Every declared resource against the migrated database, driven by the declarations alone."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from farebox.api import vending
from farebox.api.vending.filters import parse
from farebox.api.vending.permissions import PERMISSIONS
from farebox.api.vending.resources import CATALOGUE
from farebox.domain.errors import InvalidError
from farebox.engine.network_keys import NetworkKeys
from farebox.engine.sealing import Sealer
from farebox.resource import compile as sql
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Field, Resource, View
from farebox.storage.pool import Connection, open_pool
from tests.resource.samples import Person
from tests.servers import STOCKED, Databases

# A minute after the fixture was made.
NOW_MS = 1_773_133_260_000


def _declared() -> Iterator[Resource]:
    """Every declaration, without the variants of those that others refer to."""
    yield from CATALOGUE.values()
    for module in pkgutil.iter_modules(vending.__path__):
        names = vars(importlib.import_module(f"{vending.__name__}.{module.name}"))
        declared = (value for value in names.values() if isinstance(value, Resource))
        yield from (one for one in declared if one.name not in CATALOGUE)


RESOURCES = sorted(set(_declared()), key=lambda one: one.name)
BY_NAME = {one.name: one for one in RESOURCES} | dict(CATALOGUE)
WRITTEN = [one for one in RESOURCES if any(field.write[0] != "-" for field in one.fields)]
# Types of PostgreSQL that may stand behind each kind, once it is rendered.
SHOWN_TYPES = {
    "int": {"int2", "int4", "int8"}, "money": {"int2", "int4", "int8"}, "bigtext": {"text"},
    "text": {"text", "varchar"}, "expiry": {"text"}, "bool01": {"int4"}, "bool": {"bool"},
    "decimal": {"text"},
    "number": {"float8"}, "instant": {"timestamptz"}, "json_text": {"text"},
    "json": {"json", "jsonb"}, "list": {"json", "jsonb"}, "any": {"json", "jsonb"},
}  # fmt: skip
# First and second value for a text, tried in order until the field's rule is met.
TEXTS = (
    ("Europe/Paris", "Europe/Rome"), ("alpha", "beta"), ("a@example.test", "b@example.test"),
    ("en", "nl"), ("en-GB", "nl-NL"), ("EUR", "USD"), ("https://a.test/1", "https://a.test/2"),
)  # fmt: skip

# Where a declaration wants more of its values than their fields say: what they are instead in the
# first and in the second turn. A value of `...` is left out.
BENT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alertobserver": ({"paymentMethod": None}, {"error": None}),
    "widget": ({}, {"dashboard": ...}),
}


def _view() -> View:
    person = Person(id=1, group=1, groups=frozenset(range(1, 100)), admin=True)
    # Everything that some declaration names: zones, the running windows, links to sheets.
    named = {
        "default_time_zone": "Europe/Amsterdam", "starts": {}, "link": lambda *_: "",
        "permissions": PERMISSIONS, "integrations": None,
        "network_keys": NetworkKeys(Sealer({"one": "x" * 32}, "network")),
    }  # fmt: skip
    return View(person, NOW_MS, named)


def _names(resources: list[Resource]) -> list[str]:
    return [one.name for one in resources]


def _fits(field: Field, value: str) -> bool:
    if field.choices:
        return value in field.choices
    long_enough = (field.low or 1) <= len(value) <= (field.high or 255)
    return long_enough and (field.form is None or field.form.fullmatch(value) is not None)


async def _sample(connection: Connection, field: Field, turn: int) -> Any:
    """A value that the field takes; another one in the second turn."""
    if field.reference:
        target = CATALOGUE[field.reference]
        rows = (await store.list_rows(connection, target, Criteria(), _view())).rows
        return rows[min(turn, len(rows) - 1)].id if rows else await _made(connection, target)
    if field.kind.is_integer:
        return (field.low or 0) + turn
    if field.type == "json":
        return {"virtual": "card"} if turn else {}
    if field.type in ("bool", "bool01"):
        return not turn
    if field.type == "decimal":
        return Decimal("4.5") + turn
    if field.choices:
        return field.choices[min(turn, len(field.choices) - 1)]
    texts = TEXTS if field.name == "timeZone" else TEXTS[1:]
    return next(pair[turn] for pair in texts if _fits(field, pair[turn]))


async def _made(connection: Connection, resource: Resource) -> int:
    """A row of a resource that the fixture has none of."""
    written = [one for one in resource.fields if one.write[0] == "R"]
    values = {one.name: await _sample(connection, one, 0) for one in written}
    return await store.insert(connection, resource, values, _view(), CATALOGUE)


@pytest.fixture(scope="module")
def shelf(databases: Databases) -> Iterator[str]:
    """A database with the fixture, which nobody changes for good."""
    dsn = databases.create(STOCKED)
    yield dsn
    databases.drop(dsn)


@pytest.fixture
async def connection(shelf: str) -> AsyncIterator[Connection]:
    """A connection in a transaction on a database with the fixture, undone in the end."""
    pool = await open_pool(shelf, max_size=1, statement_timeout_ms=60_000)
    async with pool.acquire() as opened:
        undone = opened.transaction()
        await undone.start()
        yield opened
        await undone.rollback()
    pool.terminate()


def test_there_are_resources() -> None:
    """The walk finds what is declared, and every association and reference has a declaration."""
    assert {"machine", "location", "user", "usergroup"} <= set(_names(RESOURCES))
    for resource in CATALOGUE.values():
        targets = {one.target for one in resource.associations}
        targets |= {field.reference for field in resource.fields if field.reference}
        assert targets <= set(CATALOGUE), resource.name


@pytest.mark.parametrize("resource", RESOURCES, ids=_names(RESOURCES))
async def test_columns_exist_with_their_types(connection: Connection, resource: Resource) -> None:
    """Every field can be selected and has the type its kind promises."""
    text, _ = sql.select(resource, Criteria(), _view(), limit=0)
    statement = await connection.prepare(text)
    found = [(one.name, kind.type.name) for one, kind in zip(
        resource.fields, statement.get_attributes(), strict=True)]  # fmt: skip
    wrong = [pair for pair, one in zip(found, resource.fields, strict=True)
             if pair[1] not in SHOWN_TYPES[one.type]]  # fmt: skip
    assert [] == wrong


async def test_what_finds_rows_has_an_index(connection: Connection) -> None:
    """Fields that are said to have an index of their own are those that have one."""
    for resource in (one for one in RESOURCES if one.scope.through):
        columns = await connection.fetch(
            "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid"
            " and a.attnum = i.indkey[0] where i.indrelid = $1::regclass",
            resource.table,
        )
        first = {row["attname"] for row in columns}
        assert resource.scope.indexed == {
            one.name for one in resource.fields if one.stored in first
        }


@pytest.mark.parametrize("resource", RESOURCES, ids=_names(RESOURCES))
async def test_every_field_sorts_and_every_alias_resolves(
    connection: Connection, resource: Resource
) -> None:
    """Each orderable field orders both ways, and each association is a valid condition."""
    for field in resource.fields:
        if field.kind.read is not None:
            for way in ("asc", "desc"):
                criteria = parse(resource, [("sort", f"{field.name} {way}")])
                await store.list_rows(connection, resource, criteria, _view())
    for association in resource.associations:
        target = BY_NAME[association.target]
        within = sql.belonging(resource, association)
        view = _view().having(parent=2)
        await store.list_rows(connection, target, Criteria(), view, within=within)


@pytest.mark.parametrize("resource", WRITTEN, ids=_names(WRITTEN))
async def test_life_of_a_row(connection: Connection, resource: Resource) -> None:
    """Created values are read back; an update changes them once and then nothing."""
    values = [
        {one.name: await _sample(connection, one, turn) for one in resource.fields
         if one.write[turn] in "RO"} | BENT.get(resource.name, ({}, {}))[turn]
        for turn in (0, 1)
    ]  # fmt: skip
    values = [{name: one for name, one in turn.items() if one is not ...} for turn in values]
    key = await store.insert(connection, resource, dict(values[0]), _view(), CATALOGUE)
    row = await store.read(connection, resource, key, _view())
    texts = {one.name for one in resource.fields if one.type == "bigtext"}
    assert {
        name: str(value) if name in texts else _wire(value) for name, value in values[0].items()
    } == {name: _wire(getattr(row, name)) for name in values[0]}
    changed = await store.update(connection, resource, key, dict(values[1]), _view(), CATALOGUE)
    assert bool(values[1]) is changed
    assert not await store.update(connection, resource, key, dict(values[1]), _view(), CATALOGUE)
    assert key in [one.id for one in (await _rows(connection, resource, []))]
    await _check_filters(connection, resource, await store.read(connection, resource, key, _view()))


@pytest.mark.parametrize("resource", RESOURCES, ids=_names(RESOURCES))
async def test_present_rows_are_found_by_each_field(
    connection: Connection, resource: Resource
) -> None:
    """Rows of the fixture are found by each of their values, and by no unknown column."""
    for row in await _rows(connection, resource, [("limit", "3")]):
        await _check_filters(connection, resource, row)
    for key in ("where[password_hash]", "where[owner]", "where[id][sql]", "t.id"):
        with pytest.raises(InvalidError):
            parse(resource, [(key, "1")])


async def test_export_columns(connection: Connection) -> None:
    """Exports show columns and those of singular aliases, the latter only where they are seen."""
    machine, columns = CATALOGUE["machine"], ["hostname", "location.name"]
    for groups, seen in (({2}, "Central Station"), ({4}, "South Pier")):
        view = View(Person(groups=frozenset(groups)), NOW_MS)
        criteria = parse(machine, [("where[name][!]", "none")])
        (text, args), fields = sql.export(machine, CATALOGUE, columns, criteria, view)
        assert ["hostname", "name"] == [field.name for field in fields]
        assert [seen] == [record[1] for record in await connection.fetch(text, *args)]
    for wrong in ("secret", "location.owner", "machines.name", "a.b.c", ""):
        with pytest.raises(InvalidError):
            sql.export(machine, CATALOGUE, [wrong], Criteria(), _view())


async def _rows(connection: Connection, resource: Resource, pairs: Any) -> list[Any]:
    return (await store.list_rows(connection, resource, parse(resource, pairs), _view())).rows


async def _check_filters(connection: Connection, resource: Resource, row: Any) -> None:
    for name, value in msgspec.to_builtins(row).items():
        if resource.by_name[name].kind.read is None:
            continue
        text = {None: "null", True: "1", False: "0"}.get(value, value)
        same = await _rows(connection, resource, [(f"where[{name}]", str(text))])
        rest = await _rows(connection, resource, [(f"where[{name}][!]", str(text))])
        assert row.id in [one.id for one in same], name
        assert row.id not in [one.id for one in rest], name


def _wire(value: Any) -> Any:
    """A value as both sides can show it: flags as 0 and 1, decimals as text."""
    if isinstance(value, Decimal):
        return str(value.normalize())
    return int(value) if isinstance(value, bool) else value
