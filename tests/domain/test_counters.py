"""Counters of sessions: the vectors of isp.md 5.5, and sending again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.domain.counters import Counts, Step, step

# Whether gigawords were seen, (minute, octets) of the records, kinds and bytes of their steps.
VECTORS = (
    ("I1", False, [(0, 0), (5, 100), (10, 250)], [("new", 0), ("new", 100), ("new", 150)]),
    ("I3", False, [(0, 0), (10, 250), (5, 100)], [("new", 0), ("new", 250), ("stale", 0)]),
    ("I4", False, [(0, 4294967000), (5, 704)], [("new", 4294967000), ("wrapped", 1000)]),
    ("I5", True, [(0, 5000000000), (5, 10)], [("new", 5000000000), ("reset", 10)]),
    ("I6", False, [(5, 777)], [("new", 777)]),
    ("twice", False, [(5, 777), (5, 777)], [("new", 777), ("duplicate", 0)]),
    ("half", False, [(0, 3 * 10**9), (5, 10)], [("new", 3 * 10**9), ("wrapped", 1294967306)]),
    ("small", False, [(0, 1000), (5, 10)], [("new", 1000), ("reset", 10)]),
)  # fmt: skip


def played(records: list[tuple[int, int]], has_gigawords: bool) -> list[Step]:
    """The steps of records in the order they come."""
    steps, last = [], None
    for minute, octets in records:
        now = Counts(minute * 60_000, 0, octets)
        steps.append(step(last, now, has_gigawords))
        if steps[-1].kind != "stale":
            last = now
    return steps


def test_the_vectors() -> None:
    """Every row of the document's table, and its neighbours."""
    for name, has_gigawords, records, expected in VECTORS:
        told = [(one.kind, one.download) for one in played(records, has_gigawords)]
        assert expected == told, name


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=10))
def test_sending_again_adds_nothing(growth: list[int]) -> None:
    """A batch that is sent twice counts once."""
    octets = [sum(growth[: at + 1]) for at in range(len(growth))]
    records = [*enumerate(octets)]
    assert octets[-1] == sum(one.download for one in played([*records, *records], False))
