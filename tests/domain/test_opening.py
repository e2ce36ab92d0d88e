"""Opening hours: spans against the definition instant by instant, DST days in both directions."""

from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.domain.opening import (
    DAY_MS,
    SEARCH_MS,
    Hours,
    is_open,
    open_spans,
    open_time,
    window_start,
)

HOUR_MS = 3_600_000
# Half-hour changes, a date that never was, Ramadan's changes, none at all.
ZONES = (
    "Europe/Amsterdam",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC",
)
_QUARTERS = st.integers(0, 95).map(lambda quarter: quarter * 900)
_ROWS = st.tuples(st.integers(1, 7), _QUARTERS, st.integers(0, 96).map(lambda q: q * 900)).filter(
    lambda row: row[1] != row[2]
)
HOURS = st.lists(_ROWS, min_size=1, max_size=6).map(tuple)
# 2009 to 2041, on a minute that is no boundary.
INSTANTS = st.integers(1_230_000_000, 2_240_000_000).map(lambda second: second * 1000 + 7)


def ms(text: str) -> int:
    """The instant of an ISO text with offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


# Hours, zone, day from and to (UTC), open hours in it.
DAYS = (
    # The hour 02:00-03:00 does not happen in spring and happens twice in autumn.
    (((7, 3600, 14400),), "Europe/Amsterdam", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 2),
    (((7, 3600, 14400),), "Europe/Amsterdam", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 4),
    (((7, 7200, 10800),), "Europe/Amsterdam", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 0),
    (((7, 7200, 10800),), "Europe/Amsterdam", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 2),
    # Past midnight from Saturday 22:00 to Sunday 04:00, over both changes.
    (((6, 79200, 14400),), "Europe/Amsterdam", "2026-03-28T11:00Z", "2026-03-29T11:00Z", 5),
    (((6, 79200, 14400),), "Europe/Amsterdam", "2026-10-24T11:00Z", "2026-10-25T11:00Z", 7),
    # Half an hour twice.
    (((7, 3600, 7200),), "Australia/Lord_Howe", "2026-04-04T13:00Z", "2026-04-05T13:30Z", 1.5),
    # Friday 2011-12-30 never was in Apia.
    (((5, 0, 86400),), "Pacific/Apia", "2011-12-28T00:00Z", "2012-01-02T00:00Z", 0),
    # A whole day, to 24:00:00, and one that ends at midnight of the next.
    (((2, 0, 86400),), "UTC", "2026-03-09T00:00Z", "2026-03-16T00:00Z", 24),
    (((2, 43200, 0),), "UTC", "2026-03-09T00:00Z", "2026-03-16T00:00Z", 12),
    # Overlaps are a union; no rows are always open.
    (((2, 0, 7200), (2, 3600, 10800)), "UTC", "2026-03-09T00:00Z", "2026-03-16T00:00Z", 3),
    ((), "UTC", "2026-03-09T00:00Z", "2026-03-10T00:00Z", 24),
)


@pytest.mark.parametrize(("hours", "zone_name", "start", "end", "hours_open"), DAYS)
def test_days(hours: Hours, zone_name: str, start: str, end: str, hours_open: float) -> None:
    """Open time of days on which clocks change, by the wall clock."""
    assert hours_open * HOUR_MS == open_time(hours, zone_name, ms(start), ms(end))


@given(HOURS, st.sampled_from(ZONES), INSTANTS, st.data())
def test_spans_agree_with_the_definition(
    hours: Hours, zone_name: str, start: int, data: st.DataObject
) -> None:
    """An instant lies in a span exactly when the hours hold there."""
    end = start + 4 * DAY_MS
    spans = open_spans(hours, zone_name, start, end)
    edges = [edge for span in spans for edge in span if start <= edge < end]
    instant = data.draw(st.integers(start, end - 1) | st.sampled_from([start, *edges]))
    for one in (instant, max(instant - 1, start)):
        inside = any(low <= one < high for low, high in spans)
        assert is_open(hours, zone_name, one) == inside
    assert spans == sorted(spans)
    assert all(low < high for low, high in spans)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


@given(st.sampled_from(ZONES), st.integers(2010, 2040), st.sampled_from((3, 4, 9, 10, 11)), HOURS)
def test_spans_of_months_in_which_clocks_change(
    zone_name: str, year: int, month: int, hours: Hours
) -> None:
    """Every quarter of an hour of such a month agrees with the definition."""
    start = ms(f"{year}-{month:02d}-01T00:00Z")
    spans = open_spans(hours, zone_name, start, start + 31 * DAY_MS)
    quarters = range(start, start + 31 * DAY_MS, 900_000)
    held = [one for one in quarters if any(low <= one < high for low, high in spans)]
    assert [one for one in quarters if is_open(hours, zone_name, one)] == held


@given(HOURS, st.sampled_from(ZONES), INSTANTS, st.integers(1, 400))
def test_windows_hold_their_open_time(
    hours: Hours, zone_name: str, now: int, quarters: int
) -> None:
    """From its start to now a window holds exactly its time, and no later start does."""
    window = quarters * 900_000
    start = window_start(open_spans(hours, zone_name, now - SEARCH_MS, now), now, window)
    if start == now - SEARCH_MS:
        assert open_time(hours, zone_name, start, now) <= window
    else:
        assert window == open_time(hours, zone_name, start, now)
        assert window > open_time(hours, zone_name, start + 1, now)


@given(HOURS, st.sampled_from(ZONES), INSTANTS, st.integers(0, 3 * DAY_MS))
def test_open_time_adds_up(hours: Hours, zone_name: str, start: int, middle: int) -> None:
    """Two halves are open as long as the whole."""
    end = start + 3 * DAY_MS
    halves = open_time(hours, zone_name, start, start + middle) + open_time(
        hours, zone_name, start + middle, end
    )
    assert halves == open_time(hours, zone_name, start, end)
