"""The player of golden rows itself: what it lets pass and what it does not."""

from typing import Any

import pytest

from tests.api.conftest import Golden
from tests.documented import DOCUMENTED
from tests.golden import Example, difference

# expected, actual, whether the row is satisfied.
COMPARISONS: tuple[tuple[Any, Any, bool], ...] = (
    (..., None, True),
    ({"id": 1}, {"id": 1, "name": "x"}, True),
    ({"id": 1}, {"id": True}, False),
    ({"id": ...}, {"name": "x"}, False),
    ({"a": {"b": [2, 3]}}, {"a": {"b": [{"id": 2}, {"id": 3}], "c": 0}}, True),
    ([2], [{"id": 2}, {"id": 3}], False),
    ([], [], True),
    ({"a": None}, {"a": None}, True),
    ({"a": "1"}, {"a": 1}, False),
)

# A row that is wrong, and what is said about it.
WRONG = (
    (Example("VEND-USER-LIST", "GET", "/usergroup"), "not answered by this operation"),
    (Example("VEND-USER-ME", "GET", "/nothing"), "not answered by this operation"),
    (Example("VEND-USER-ME", "GET", "/user/me", status=201), "nora@example.test"),
    (Example("VEND-USER-ME", "GET", "/user/me", answer={"id": 3}), "answer.id is 2, not 3"),
)


def test_there_are_254_documented_operations() -> None:
    """The inventory is whole: 145 vending, 43 isp, 37 iptv, 29 pbx."""
    counts = [sum(id_.startswith(family) for id_ in DOCUMENTED)
              for family in ("VEND-", "ISP-", "IPTV-", "PBX-")]  # fmt: skip
    assert ([145, 43, 37, 29], 254) == (counts, len(DOCUMENTED))


def test_answers_are_compared_by_what_the_row_names() -> None:
    """Further members are free; types count; a number stands for an object's id."""
    for expected, actual, is_same in COMPARISONS:
        assert is_same is not bool(difference(expected, actual)), (expected, actual)


async def test_wrong_rows_are_told(golden: Golden) -> None:
    """A row fails when its operation, its status or its answer is another."""
    for example, told in WRONG:
        with pytest.raises(AssertionError, match=told):
            await golden(example)
    assert 2 == (await golden(Example("VEND-USER-ME", "GET", "/user/me")))["id"]
