"""Lists on PostgreSQL against a naive filter in Python (vending-platform.md 4.3)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.api.vending.filters import parse
from farebox.domain.errors import NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import View
from farebox.storage.pool import Connection, Pool, open_pool
from tests.resource.samples import COLUMNS, TABLE, TEXTS, THING, holds, ordered, shown, view

# Letters that a pattern or a quote would take for its own, and letters that exist in two cases.
_ALPHABET = "aAbBzZ%_\\'\"; -é0"
_TEXT = st.text(_ALPHABET, max_size=4)
_SMALL = st.integers(-3, 6)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": _TEXT,
    "code": _TEXT,
    "size": _SMALL,
    "price": st.integers(-3, 3) | st.integers(-(2**62), 2**62),
    "big": _SMALL | st.just(2**63 - 1),
    "active": st.booleans(),
    "at_ms": st.integers(0, 5000),
    "ratio": st.decimals(-9, 9, places=2, allow_nan=False),
    "notes": st.just("{}"),
}
_ROW = st.fixed_dictionaries({name: st.none() | value for name, value in _VALUES.items()})
_ROWS = st.lists(st.tuples(st.sampled_from((1, 1, 2, 3)), _ROW), max_size=25)
_ORDERED = ("<", "<=", ">", ">=")
_PATTERNS = ("contains", "startsWith", "endsWith")


@st.composite
def _condition(draw: st.DrawFn) -> tuple[str, str, Any]:
    name = draw(st.sampled_from(("name", "code", "size", "price", "big", "double", "id")))
    value = _VALUES.get(name, _SMALL)
    operators = ("=", "!=", "in", "nin", *_ORDERED, *(_PATTERNS if name in TEXTS else ()))
    operator = draw(st.sampled_from(operators))
    if operator in ("in", "nin"):
        return name, operator, draw(st.lists(st.none() | value, min_size=1, max_size=3))
    if operator in ("=", "!="):
        return name, operator, draw(st.none() | value)
    return name, operator, draw(value)


_CONDITIONS = st.lists(_condition(), max_size=3)
_BRANCHES = st.lists(st.lists(_condition(), min_size=1, max_size=2), max_size=3)
_ORDER = st.lists(
    st.tuples(st.sampled_from((*TEXTS, "size", "price", "double", "id")), st.booleans()),
    max_size=2,
    unique_by=lambda pair: pair[0],
)


def _bracketed(conditions: list[tuple[str, str, Any]], prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for name, operator, value in conditions:
        for one in value if isinstance(value, list) else [value]:
            suffix = "[]" if isinstance(value, list) else ""
            text = "null" if one is None else str(one)
            pairs.append((f"where{prefix}[{name}][{operator}]{suffix}", text))
    return pairs


def _object(conditions: list[tuple[str, str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, operator, value in conditions:
        result.setdefault(name, {})[operator] = value
    return result


def _distinct(conditions: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    # A repeated operator would be one list in the bracket form and one entry in the JSON form.
    return list(
        {(name, operator): (name, operator, value) for name, operator, value in conditions}.values()
    )


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all examples of a property."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def things(databases: Any, loop: asyncio.Runner) -> Iterator[Pool]:
    """A pool on a database with the sample table."""
    dsn = databases.create()
    pool = loop.run(open_pool(dsn, max_size=2))
    loop.run(pool.execute(TABLE))
    yield pool
    pool.terminate()
    databases.drop(dsn)


@contextlib.asynccontextmanager
async def _filled(pool: Pool, rows: Any) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection:
        await connection.execute("truncate things restart identity")
        names = ("owner", *COLUMNS)
        places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        await connection.executemany(
            f"insert into things ({', '.join(names)}) values ({places})",
            [(owner, *(row[name] for name in COLUMNS)) for owner, row in rows],
        )
        yield connection


async def _ids(connection: Connection, pairs: Any, eyes: View | None = None) -> list[int]:
    page = await store.list_rows(connection, THING, parse(THING, pairs), eyes or view())
    return [row.id for row in page.rows]


_SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_SETTINGS
@given(rows=_ROWS, conditions=_CONDITIONS, branches=_BRANCHES, order=_ORDER)
def test_lists_equal_the_naive_filter(
    things: Pool, loop: asyncio.Runner, rows: Any, conditions: Any, branches: Any, order: Any
) -> None:
    """Visible rows that satisfy the criteria, in order; in bracket form and in JSON form."""
    conditions, branches = _distinct(conditions), [_distinct(branch) for branch in branches]

    async def check() -> None:
        async with _filled(things, rows) as connection:
            everything = await store.list_rows(connection, THING, Criteria(), view())
            wanted = [
                row["id"]
                for row in ordered(shown(everything.rows), order)
                if all(holds(row, *one) for one in conditions)
                and (not branches or any(all(holds(row, *one) for one in b) for b in branches))
            ]
            sort = [("sort", ",".join(f"{n} {'desc' if d else 'asc'}" for n, d in order))][
                : len(order)
            ]
            bracketed = _bracketed(conditions)
            for number, branch in enumerate(branches):
                bracketed += _bracketed(branch, f"[or][{number}]")
            assert wanted == await _ids(connection, bracketed + sort)
            tree = _object(conditions)
            if branches:
                tree["or"] = [_object(branch) for branch in branches]
            assert wanted == await _ids(connection, [("where", json.dumps(tree)), *sort])

    loop.run(check())


@_SETTINGS
@given(rows=_ROWS, condition=_condition(), size=st.integers(1, 7), order=_ORDER)
def test_pages_and_complements(
    things: Pool, loop: asyncio.Runner, rows: Any, condition: Any, size: int, order: Any
) -> None:
    """Pages concatenate to the list, the total ignores the cut, and negations are complements."""

    async def check() -> None:
        async with _filled(things, rows) as connection:
            pairs = _bracketed([condition])
            sort = [("sort", ",".join(f"{n} {'desc' if d else 'asc'}" for n, d in order))][
                : len(order)
            ]
            whole = await _ids(connection, pairs + sort)
            paged: list[int] = []
            for skip in range(0, len(rows) + size, size):
                cut = [("skip", str(skip)), ("limit", str(size))]
                page = await store.list_rows(
                    connection, THING, parse(THING, pairs + sort + cut), view()
                )
                assert len(whole) == page.total
                paged += [row.id for row in page.rows]
            assert whole == paged
            name, operator, value = condition
            negated = {"=": "!=", "in": "nin", "!=": "=", "nin": "in"}.get(operator)
            if negated:
                rest = await _ids(connection, _bracketed([(name, negated, value)]))
                assert sorted(whole + rest) == await _ids(connection, [])

    loop.run(check())


@_SETTINGS
@given(rows=_ROWS, groups=st.sets(st.sampled_from((1, 2, 3)), min_size=1), condition=_condition())
def test_scope_holds_under_every_filter(
    things: Pool, loop: asyncio.Runner, rows: Any, groups: set[int], condition: Any
) -> None:
    """No criteria show a row of other groups, not even in a count or under an alternative."""

    async def check() -> None:
        async with _filled(things, rows) as connection:
            eyes = view(*groups)
            mine = [number for number, (owner, _) in enumerate(rows, 1) if owner in groups]
            assert mine == await _ids(connection, [], eyes)
            either = [*_bracketed([condition], "[or][0]"), ("where[or][1][id][>]", "0")]
            assert mine == await _ids(connection, either, eyes)
            none = await store.list_rows(connection, THING, parse(THING, [("limit", "0")]), eyes)
            assert ([], len(mine)) == (none.rows, none.total)
            for number in range(1, len(rows) + 1):
                if number in mine:
                    assert number == (await store.read(connection, THING, number, eyes)).id
                else:
                    with pytest.raises(NotFoundError):
                        await store.read(connection, THING, number, eyes)

    loop.run(check())


def test_cap_and_rendering(things: Pool, loop: asyncio.Runner) -> None:
    """Without a limit the hard cap cuts, says so, and still counts; values look as documented."""

    async def check() -> None:
        row = dict.fromkeys(COLUMNS)
        full = row | {"name": "a", "size": 2, "big": 2**63 - 1, "active": True, "at_ms": 5999,
                      "price": 100, "ratio": 4, "notes": "{}"}  # fmt: skip
        async with _filled(things, [(1, full), (1, row), (1, row)]) as connection:
            page = await store.list_rows(connection, THING, Criteria(), view(), hard_cap=2)
            assert (2, 3, True) == (len(page.rows), page.total, page.truncated)
            expected = {
                "id": 1, "name": "a", "code": None, "size": 2, "price": 100,
                "big": "9223372036854775807", "active": 1, "at": "1970-01-01T00:00:05Z",
                "ratio": "4", "notes": "{}", "double": 4,
            }  # fmt: skip
            assert expected == shown(page.rows)[0]
            assert [1] == await _ids(connection, [("at", "1970-01-01T00:00:05Z")])
            assert [] == await _ids(connection, [("where[at][>]", "1970-01-01T00:00:05Z")])
            assert [1] == await _ids(connection, [("where[at][<=]", "1970-01-01T00:00:05Z")])
            assert [1] == await _ids(connection, [("ratio", "4.0")])
            assert [1] == await _ids(connection, [("active", "true")])

    loop.run(check())


def test_like_has_one_wildcard(things: Pool, loop: asyncio.Runner) -> None:
    """`%` stands for any run in like; `_` and backslash stand for themselves."""

    async def check() -> None:
        names = ["a_c", "abc", "A\\C", "axxc"]
        rows = [(1, dict.fromkeys(COLUMNS) | {"name": name}) for name in names]
        async with _filled(things, rows) as connection:
            for pattern, found in (
                ("a%c", [1, 2, 3, 4]), ("a_c", [1]), ("a\\c", [3]), ("%C", [1, 2, 3, 4]), ("b", []),
            ):  # fmt: skip
                assert found == await _ids(connection, [("where[name][like]", pattern)])

    loop.run(check())


HOSTILE = ("'; drop table things; --", '" or 1=1 --', "\\'", "$1", "{groups}", "%s", "1) or (1=1")


def test_hostile_values_are_only_values(things: Pool, loop: asyncio.Runner) -> None:
    """SQL in a value finds the row that holds exactly it, in every operator, and does nothing."""

    async def check() -> None:
        rows = [(1, dict.fromkeys(COLUMNS) | {"name": value}) for value in HOSTILE]
        async with _filled(things, rows) as connection:
            for number, value in enumerate(HOSTILE, 1):
                for operator in ("=", "in", "contains", "startsWith", "endsWith"):
                    assert [number] == await _ids(connection, [(f"where[name][{operator}]", value)])
            assert len(HOSTILE) == await connection.fetchval("select count(*) from things")

    loop.run(check())
