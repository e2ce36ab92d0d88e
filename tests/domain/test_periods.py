"""Periods: their edges, and the instants that they are where clocks change."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.domain.errors import InvalidError
from farebox.domain.periods import DAY_S, EPOCH_S, Period, edge, period, written
from farebox.domain.windows import zone, zone_names


def spans(start: str, end: str, where: str = "Europe/Amsterdam") -> list[tuple[str, str]]:
    """The spans as UTC texts."""
    found = Period(edge(start), edge(end, is_end=True)).spans(where)
    return [
        (
            datetime.fromtimestamp(since / 1000, UTC).isoformat()[:19],
            datetime.fromtimestamp(until / 1000, UTC).isoformat()[:19],
        )
        for since, until in found
    ]


ROWS: tuple[tuple[list[tuple[str, str]], str, str], ...] = (
    ([("2019-02-05T23:00:00", "2019-02-06T23:00:00")], "2019-02-06", "2019-02-06"),
    ([("2019-02-06T06:06:17", "2019-02-06T06:06:18")], "2019-02-06 07:06:17",
     "2019-02-06 07:06:17"),
    # The day that lacks an hour, and the one that has it twice.
    ([("2026-03-28T23:00:00", "2026-03-29T22:00:00")], "2026-03-29", "2026-03-29"),
    ([("2026-10-24T22:00:00", "2026-10-25T23:00:00")], "2026-10-25", "2026-10-25"),
    # An edge that the clock jumps over.
    ([("2026-03-29T01:00:00", "2026-03-29T10:00:00")], "2026-03-29 02:30", "2026-03-29 11:59:59"),
    ([("2026-03-28T23:00:00", "2026-03-29T01:00:00")], "2026-03-29", "2026-03-29 02:30"),
    # Edges that it shows twice: the time between belongs to none.
    ([("2026-10-25T00:30:00", "2026-10-25T01:00:00"),
      ("2026-10-25T01:30:00", "2026-10-25T02:00:00")], "2026-10-25 02:30", "2026-10-25 02:59:59"),
    ([("2026-10-24T22:00:00", "2026-10-25T00:15:00"),
      ("2026-10-25T01:00:00", "2026-10-25T01:15:00")], "2026-10-25", "2026-10-25 02:14:59"),
    # Offsets make instants of them.
    ([("2026-03-01T10:00:00", "2026-03-01T11:00:01")], "2026-03-01T05:00:00-05:00",
     "2026-03-01T11:00:00Z"),
    ([("2026-03-01T10:00:00", "2026-03-01T23:00:00")], "2026-03-01T10:00Z", "2026-03-01"),
)  # fmt: skip


@pytest.mark.parametrize(("expected", "start", "end"), ROWS)
def test_instants_of_a_period(expected: list[tuple[str, str]], start: str, end: str) -> None:
    """From the first second to the last one on the wall, whatever the clock did meanwhile."""
    assert expected == spans(start, end)


# Walls at which clocks change: forwards, backwards, by half an hour, at midnight, by a whole day.
TURNS = (
    ("Europe/Amsterdam", "2026-03-29 02:00"),
    ("Europe/Amsterdam", "2026-10-25 02:00"),
    ("Australia/Lord_Howe", "2026-04-05 01:30"),
    ("Africa/Cairo", "2026-04-24 00:00"),
    ("America/Havana", "2025-11-02 00:00"),
    ("Pacific/Apia", "2011-12-30 00:00"),
)


@settings(max_examples=300)
@given(
    st.sampled_from(TURNS), st.integers(-7200, 7200), st.integers(0, 90_000),
    st.integers(-8000, 100_000), st.integers(0, 999),
)  # fmt: skip
def test_membership_is_what_the_wall_shows(
    turn: tuple[str, str], from_s: int, length_s: int, at_s: int, rest_ms: int
) -> None:
    """An instant is in a span exactly if the clock then shows a second of the period."""
    where, start = turn[0], datetime.fromisoformat(turn[1]) + timedelta(seconds=from_s)
    asked = Period(edge(str(start)), edge(str(start + timedelta(seconds=length_s))))
    begins = start.replace(tzinfo=zone(where)).astimezone(UTC)
    instant = begins + timedelta(seconds=at_s, milliseconds=rest_ms)
    shown = instant.astimezone(zone(where)).replace(tzinfo=None, microsecond=0)
    at_ms = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    expected = asked.start.wall <= shown <= asked.end.wall
    found = [span for span in asked.spans(where) if span[0] <= at_ms < span[1]]
    assert expected == bool(found)
    assert len(found) <= 1


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [
        ("startDate", "2019-02-07", "2019-02-06"),
        ("startDate", "2019-02-07 10:00:01", "2019-02-07 10:00"),
        ("startDate", "2019-02-07T10:00:00+02:00", "2019-02-07T10:00:00+03:00"),
        ("endDate", "2019-02-07", "2022-02-08"),
        ("endDate", "2020-02-29", "2023-03-01"),
        ("endDate", "0002-01-01", "9998-12-31"),
    ],
)
def test_what_is_no_period(field: str, start: str, end: str) -> None:
    """Ends before starts, and more than three years, are refused."""
    with pytest.raises(InvalidError) as refused:
        period(edge(start), edge(end, is_end=True))
    assert ("invalid_range", [field]) == (refused.value.code, [*refused.value.fields])


def test_three_years_are_a_period() -> None:
    """From a date to the same date three years later; a second that is told with two offsets."""
    period(edge("2019-01-01"), edge("2022-01-01", is_end=True))
    period(edge("2020-02-29"), edge("2023-02-28", is_end=True))
    period(edge("2019-02-07T10:00:00+02:00"), edge("2019-02-07T09:00:00+01:00"))


@pytest.mark.parametrize(
    ("start", "end", "days", "wall_s"),
    [
        ("2019-02-06", "2019-02-06", 1, DAY_S),
        ("2019-02-06", "2022-02-06", 1097, 1097 * DAY_S),
        ("2024-02-29", "2024-03-01 00:00", 2, DAY_S + 1),
        ("2019-02-06 12:00", "2019-02-06 12:00:00", 1, 1),
    ],
)
def test_both_ends_are_included(start: str, end: str, days: int, wall_s: int) -> None:
    """To the second, on the wall; as instants a day wider, wherever it is."""
    made = period(edge(start), edge(end, is_end=True))
    (from_s, until_s), walls_s = made.instants_s, made.walls_s
    assert (days, wall_s) == (len(made.days), walls_s[1] - walls_s[0])
    assert (walls_s[0] - DAY_S, walls_s[1] + DAY_S) == (from_s + EPOCH_S, until_s + EPOCH_S)


def test_a_period_between_instants() -> None:
    """Instants bound it exactly, whatever the clock on the wall says."""
    made = period(edge("2019-02-06T12:00:00Z"), edge("2019-02-06T13:00:00+01:00"))
    (from_s, until_s), walls_s = made.instants_s, made.walls_s
    assert 1 == until_s - from_s
    assert (from_s - DAY_S, until_s + DAY_S) == (walls_s[0] - EPOCH_S, walls_s[1] - EPOCH_S)


@pytest.mark.parametrize("day", ["0002-01-01", "9998-12-31"])
def test_the_ends_of_the_calendar(day: str) -> None:
    """The first and the last day that can be told are periods in every zone."""
    asked = period(edge(day), edge(day, is_end=True))
    assert all(len(asked.spans(name)) == 1 for name in zone_names())


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("2019-03-11 11:40:43", "2019-03-11T11:40:43+01:00"),
        ("2019-03-11 11:40:00", "2019-03-11 11:40Z"),
        ("2019-03-11 11:40:43", " 2019-03-11 11:40:43 "),
        ("2019-03-11 00:00:00", "2019-03-11"),
    ],
)
def test_offsets_are_dropped(expected: str, text: str) -> None:
    """The wall clock of a reference is the one that was written."""
    assert expected == str(written(text))
