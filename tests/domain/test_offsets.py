"""Offset tables against zoneinfo: every change, and nothing but changes."""

import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

import pytest

from farebox.domain import offsets, windows
from farebox.domain.errors import InvalidError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Zone, instant, offset.
OFFSETS = [
    ("UTC", 0, 0),
    ("Europe/Amsterdam", 1774745999, 3600),
    ("Europe/Amsterdam", 1774746000, 7200),
    ("Asia/Kathmandu", 1700000000, 20700),
    ("Australia/Lord_Howe", 1790000000, 37800),
    ("Australia/Lord_Howe", 1795000000, 39600),
    ("Pacific/Apia", 1325239199, -36000),
    ("Pacific/Apia", 1325239200, 50400),
    # Long after the last instant that the package lists.
    ("America/New_York", 4_290_000_000, -18000),
    ("America/New_York", 4_280_000_000, -14400),
]


def by_zoneinfo(name: str, instant: int) -> int:
    """The definition."""
    moment = (EPOCH + timedelta(seconds=instant)).astimezone(windows.zone(name))
    return int((moment.utcoffset() or timedelta()).total_seconds())


@pytest.mark.parametrize(("name", "instant", "offset"), OFFSETS)
def test_offset(name: str, instant: int, offset: int) -> None:
    """One instant each."""
    instants, values = offsets.table(name)
    assert offset == values[bisect_right(instants, instant)]


@pytest.mark.parametrize("name", ["Africa/Casablanca", "Europe/Dublin", "Antarctica/Troll"])
def test_every_change(name: str) -> None:
    """At and just before every change, and anywhere, the table says what zoneinfo says."""
    instants, values = offsets.table(name)
    assert sorted(set(instants)) == list(instants)
    assert len(instants) + 1 == len(values)
    source = random.Random(1)
    probes = [*instants, *(at - 1 for at in instants)]
    probes += [source.randrange(offsets.END_S) for _ in range(2000)]
    for probe in probes:
        assert by_zoneinfo(name, probe) == values[bisect_right(instants, probe)]


def test_many_zones() -> None:
    """Whatever the zone, it has a table that agrees with zoneinfo at random instants."""
    source = random.Random(2)
    for name in sorted(windows.zone_names())[::17]:
        instants, values = offsets.table(name)
        for probe in (source.randrange(offsets.END_S) for _ in range(10)):
            assert by_zoneinfo(name, probe) == values[bisect_right(instants, probe)]


def test_unknown_zone() -> None:
    """A name that the package lacks has no table."""
    with pytest.raises(InvalidError, match="Unknown time zone"):
        offsets.table("Europe/Atlantis")
