"""Boundary tables in the core: what contains an instant, and nothing outside."""

import random
from array import array
from bisect import bisect_right
from typing import Any

import numpy as np
import pytest

from farebox.core.calendar import Table
from farebox.domain import windows

AMSTERDAM = windows.table("Europe/Amsterdam", "day")

# Boundaries in seconds, instant in milliseconds, index.
FINDS = [
    ([], 0, -1),
    ([5], 5000, -1),
    ([5, 9], 4999, -1),
    ([5, 9], 5000, 0),
    ([5, 9], 8999, 0),
    ([5, 9], 9000, -1),
    ([-9, -5, 0, 7], -5001, 0),
    ([-9, -5, 0, 7], -5000, 1),
    ([-9, -5, 0, 7], 6999, 2),
    # Spacing that makes the arithmetic guess as wrong as it can be.
    ([0, 1, 2, 3, 1_000_000], 2500, 2),
    ([0, 1, 2, 3, 1_000_000], 999_999_999, 3),
    ([0, 999_997, 999_998, 999_999, 1_000_000], 5, 0),
    ([0, 999_997, 999_998, 999_999, 1_000_000], 999_998_500, 2),
]


@pytest.mark.parametrize(("starts", "instant_ms", "index"), FINDS)
def test_find(starts: list[int], instant_ms: int, index: int) -> None:
    """Half-open periods; -1 outside."""
    table = Table(array("q", [1000 * start for start in starts]))
    assert len(table) == len(starts)
    assert index == table.find(instant_ms)
    if index < 0:
        with pytest.raises(LookupError, match="outside"):
            table.span(instant_ms)
    else:
        span = (1000 * starts[index], 1000 * starts[index + 1])
        assert span == table.span(instant_ms)


@pytest.mark.parametrize("frequency", ["day", "week", "month"])
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Pacific/Apia", "Australia/Lord_Howe"])
def test_every_boundary(zone: str, frequency: str) -> None:
    """At, before and after each boundary of a real table the answer is that of a search."""
    starts = windows.table(zone, frequency)
    instants = sorted({at + step for at in starts for step in (-1, 0, 1, 43_200_000)})
    found: Any = np.zeros(len(instants), np.int32)
    given: Any = np.array(instants)
    Table(starts).find_many(given, found)
    inside = [starts[0] <= instant < starts[-1] for instant in instants]
    expected = [
        bisect_right(starts, instant) - 1 if ok else -1
        for instant, ok in zip(instants, inside, strict=True)
    ]
    assert expected == found.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_irregular_tables(seed: int) -> None:
    """Any ascending table is searched right, however uneven."""
    source = random.Random(seed)
    starts = sorted({1000 * int(10 ** source.uniform(0, 12)) for _ in range(500)})
    table = Table(array("q", starts))
    for _ in range(2000):
        instant = int(10 ** source.uniform(0, 15.2))
        expected = bisect_right(starts, instant) - 1 if starts[0] <= instant < starts[-1] else -1
        assert expected == table.find(instant)


@pytest.mark.parametrize("starts", [[0, 0], [1000, 0], [0, 1001], [-1]])
def test_tables_are_ascending_whole_seconds(starts: list[int]) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="ascending whole seconds"):
        Table(array("q", starts))


def test_wrong_columns() -> None:
    """Type, length and contiguity are checked before any work."""
    table = Table(AMSTERDAM)
    instants: Any = np.zeros(4, np.int64)
    wrongs: list[Any] = [np.zeros(4, np.int64), np.zeros(3, np.int32), np.zeros(8, np.int32)[::2]]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"."):
            table.find_many(instants, wrong)
    with pytest.raises(ValueError, match=r"."):
        Table(wrongs[1])
