"""Criteria as clients write them: what they mean, and what is refused under which name."""

from typing import Any

import pytest

from farebox.api.vending.filters import parse
from farebox.domain.errors import InvalidError
from farebox.resource.criteria import Criteria
from tests.resource.samples import THING


def _means(criteria: Criteria) -> list[tuple[str, str, tuple[object, ...]]]:
    return [(one.field.name, one.operator, one.values) for one in criteria.conditions]


MEANINGS = [
    ([("where[name]", "a")], [("name", "in", ("a",))]),
    ([("name", "a")], [("name", "in", ("a",))]),
    ([("name[]", "a"), ("name[]", "b")], [("name", "in", ("a", "b"))]),
    ([("where[name]", "a,b")], [("name", "in", ("a,b",))]),
    ([("where[size]", "1,2")], [("size", "in", (1, 2))]),
    ([("where[size][]", "1"), ("where[size][]", "2")], [("size", "in", (1, 2))]),
    ([("where[size]", "1"), ("where[size]", "2")], [("size", "in", (1, 2))]),
    ([("where[size][in][0]", "1"), ("where[size][in][1]", "2")], [("size", "in", (1, 2))]),
    ([("where[size][!]", "1,null")], [("size", "nin", (1, None))]),
    ([("where[size][not]", "1")], [("size", "nin", (1,))]),
    ([("where[size][ne]", "1")], [("size", "nin", (1,))]),
    ([("where[size][nin][]", "1")], [("size", "nin", (1,))]),
    ([("where[size][is]", "null")], [("size", "in", (None,))]),
    ([("where[name][contains]", "null")], [("name", "contains", ("null",))]),
    ([("where[name]", "")], [("name", "in", ("",))]),
    ([("where[size][lt]", "5")], [("size", "<", (5,))]),
    ([("where[size][lessThan]", "5")], [("size", "<", (5,))]),
    ([("where[size][lte]", "5")], [("size", "<=", (5,))]),
    ([("where[size][lessThanOrEqual]", "5")], [("size", "<=", (5,))]),
    ([("where[size][gt]", "5")], [("size", ">", (5,))]),
    ([("where[size][greaterThan]", "5")], [("size", ">", (5,))]),
    ([("where[size][gte]", "5")], [("size", ">=", (5,))]),
    ([("where[size][>=]", "1"), ("where[size][<]", "5")],
     [("size", ">=", (1,)), ("size", "<", (5,))]),
    ([("where[active]", "1")], [("active", "in", (True,))]),
    ([("where[active]", "false")], [("active", "in", (False,))]),
    ([("where[at][>=]", "2026-03-01")], [("at", ">=", (1772323200000,))]),
    ([("where[at][>=]", "2026-03-01T01:00:00.9+01:00")], [("at", ">=", (1772323200000,))]),
    ([("where", '{"size":{">":1,"<":"5"},"name":"a"}')],
     [("size", ">", (1,)), ("size", "<", (5,)), ("name", "in", ("a",))]),
    ([("where", '{"size":[1,null]}')], [("size", "in", (1, None))]),
    ([("where", '{"name":{"!":["a","b"]}}'), ("size", "2")],
     [("size", "in", (2,)), ("name", "nin", ("a", "b"))]),
    ([("_", "17"), ("__proto__", "x")], []),
]  # fmt: skip


@pytest.mark.parametrize(("pairs", "meaning"), MEANINGS)
def test_meaning(pairs: list[tuple[str, str]], meaning: list[Any]) -> None:
    """Every spelling of a condition comes to the same few operators and typed values."""
    assert meaning == _means(parse(THING, pairs))


def test_branches_are_alternatives_of_several_conditions() -> None:
    """Branches keep their own conditions, in the order of their numbers."""
    pairs = [
        ("where[or][1][name][startsWith]", "b"),
        ("where[or][0][size][>]", "1"),
        ("where[or][0][active]", "1"),
    ]
    bracketed = parse(THING, pairs)
    tree = {"or": [{"size": {">": 1}, "active": True}, {"name": {"startsWith": "b"}}]}
    written = parse(THING, [("where", tree)])
    assert bracketed.branches == written.branches
    assert [2, 1] == [len(branch) for branch in bracketed.branches]


ORDERS = [
    ("name", [("name", False)]),
    ("name ASC", [("name", False)]),
    ("name desc", [("name", True)]),
    ("name asc,id desc", [("name", False), ("id", True)]),
    ("desc", [("id", True)]),
    ("asc", [("id", False)]),
    ('[{"name":"DESC"},{"id":"ASC"}]', [("name", True), ("id", False)]),
]


@pytest.mark.parametrize(("text", "order"), ORDERS)
def test_sort_forms(text: str, order: list[tuple[str, bool]]) -> None:
    """All documented forms of sort are read."""
    assert order == [(field.name, way) for field, way in parse(THING, [("sort", text)]).order]


def test_sort_in_brackets() -> None:
    """`sort[col]=desc` is one of the forms."""
    criteria = parse(THING, [("sort[name]", "desc"), ("sort[id]", "asc")])
    assert [("name", True), ("id", False)] == [(f.name, way) for f, way in criteria.order]


REFUSED = [
    ([("where[secret]", "1")], "invalid_filter", "where[secret][=]"),
    ([("where[owner]", "1")], "invalid_filter", "where[owner][=]"),
    ([("where[id][~]", "1")], "invalid_filter", "where[id][~]"),
    ([("where[id]", "x")], "invalid_filter", "where[id][=]"),
    ([("where[id]", "")], "invalid_filter", "where[id][=]"),
    ([("where[id]", "99999999999999999999")], "invalid_filter", "where[id][=]"),
    ([("where[id]", "1' or '1'='1")], "invalid_filter", "where[id][=]"),
    ([("where[id) or (1]", "1")], "invalid_filter", "where[id) or (1][=]"),
    ([("where[size][contains]", "1")], "invalid_filter", "where[size][contains]"),
    ([("where[active]", "maybe")], "invalid_filter", "where[active][=]"),
    ([("where[at]", "31/12/2026")], "invalid_filter", "where[at][=]"),
    ([("where[at]", "2026-02-30")], "invalid_filter", "where[at][=]"),
    ([("where[notes]", "{}")], "invalid_filter", "where[notes][=]"),
    ([("where[name]", "a\0b")], "invalid_filter", "where[name][=]"),
    ([("where[size][<]", "1"), ("where[size][<]", "2")], "invalid_filter", "where[size][<]"),
    ([("where[size][<]", "null")], "invalid_filter", "where[size][<]"),
    ([("where", "{")], "invalid_filter", "where"),
    ([("where", "[]")], "invalid_filter", "where"),
    ([("where", "[" * 5000)], "invalid_filter", "where"),
    ([("where", "{}"), ("where[id]", "1")], "invalid_filter", "where"),
    ([("where", '{"or":[]}')], "invalid_filter", "where[or]"),
    ([("where", '{"or":[{}]}')], "invalid_filter", "where[or][0]"),
    ([("where", '{"name":{"=":{"a":1}}}')], "invalid_filter", "where[name][=]"),
    ([("where[or][10][id]", "1")], "invalid_filter", "where[or][10][id]"),
    ([("where[a][b][c]", "1")], "invalid_filter", "where[a][b][c]"),
    ([("secret", "1")], "invalid_filter", "secret"),
    ([("name;drop table things", "1")], "invalid_filter", "name;drop table things"),
    ([("sort", "secret")], "invalid_sort", "sort"),
    ([("sort", "notes")], "invalid_sort", "sort"),
    ([("sort", "name sideways")], "invalid_sort", "sort"),
    ([("sort", "name asc nulls")], "invalid_sort", "sort"),
    ([("sort", "")], "invalid_sort", "sort"),
    ([("sort", "name;select 1")], "invalid_sort", "sort"),
    ([("sort", "[{")], "invalid_sort", "sort"),
    ([("limit", "101")], "invalid_parameter", "limit"),
    ([("limit", "-1")], "invalid_parameter", "limit"),
    ([("limit", "x")], "invalid_parameter", "limit"),
    ([("skip", "-1")], "invalid_parameter", "skip"),
    ([("skip", "1.5")], "invalid_parameter", "skip"),
]


@pytest.mark.parametrize(("pairs", "code", "place"), REFUSED)
def test_refusals_name_the_place(pairs: list[tuple[str, str]], code: str, place: str) -> None:
    """What cannot be read is refused under its code and names the part it stands in."""
    with pytest.raises(InvalidError) as refused:
        parse(THING, pairs)
    assert (code, True) == (refused.value.code, place in refused.value.fields)


def test_all_faults_are_reported_together() -> None:
    """One answer names every bad part of a request."""
    with pytest.raises(InvalidError) as refused:
        parse(THING, [("where[secret]", "1"), ("sort", "secret"), ("limit", "101")])
    assert {"where[secret][=]", "sort", "limit"} == set(refused.value.fields)


def test_caps() -> None:
    """32 conditions and 1000 values are the most, one more of either is refused."""
    parse(THING, [("where[id][in]", ",".join(map(str, range(1000))))])
    parse(THING, [(f"where[or][{i % 8}][{n}][!]", "1") for i in range(8) for n in ("id", "size",
          "price", "big")])  # fmt: skip
    with pytest.raises(InvalidError):
        parse(THING, [("where[id][in]", ",".join(map(str, range(1001))))])
    with pytest.raises(InvalidError):
        parse(THING, [(f"where[or][{i}][{n}][!]", "1") for i in range(9) for n in ("id", "size",
              "price", "big")])  # fmt: skip


def test_reserved_keys_belong_to_the_handler() -> None:
    """A route's own arguments are left alone, in every bracket form."""
    pairs = [("useArchive", "true"), ("columns[]", "id"), ("id", "3")]
    assert [("id", "in", (3,))] == _means(parse(THING, pairs, reserved=("useArchive", "columns")))
