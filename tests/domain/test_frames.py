"""Time frames in zones, against the clock on the wall asked second by second (4.12, 4.15)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.domain.frames import DAY_MS, HOUR_MS, TYPES, Frame, is_backwards, reach, stretches
from farebox.domain.instants import Moment, parse
from farebox.domain.windows import zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = (
    "Europe/Amsterdam", "Asia/Kathmandu", "America/Havana", "Africa/Cairo", "Pacific/Apia",
    "Australia/Lord_Howe", "Pacific/Chatham", "UTC",
)  # fmt: skip
EDGES = ("2026-03-29", "2026-10-25 02:30:00", "2026-03-29T02:30:00", "2026-03-29T00:30:00Z")


def wall(at_ms: int, name: str) -> datetime:
    """The clock on the wall."""
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone(name)).replace(tzinfo=None)


def floor(at: datetime, unit: str) -> datetime:
    """The start of the hour, day, week, month or year on the wall."""
    if unit == "hour":
        return at.replace(minute=0, second=0, microsecond=0)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return midnight - timedelta(days=at.weekday())
    return midnight.replace(
        day=1 if unit in ("month", "year") else at.day, month=1 if unit == "year" else at.month
    )


def holds(frame: Frame, at_ms: int, name: str, now_ms: int) -> bool:
    """Whether an instant is in the frame, by definition."""
    return has_begun(frame, at_ms, name, now_ms) and not has_ended(frame, at_ms, name, now_ms)


def has_begun(frame: Frame, at_ms: int, name: str, now_ms: int) -> bool:
    """Whether it is the frame's start, or later."""
    clock, instant = wall(at_ms, name), EPOCH + timedelta(milliseconds=at_ms)
    match frame.start:
        case Moment(day=date() as day):
            return clock.date() >= day
        case Moment(local=datetime() as local):
            return clock >= local
        case Moment(instant=datetime() as start):
            return instant >= start
    start_ms = now_ms - frame.hours * HOUR_MS
    if frame.type == "fixed":
        return at_ms >= start_ms
    return clock >= floor(wall(start_ms, name), frame.type)


def has_ended(frame: Frame, at_ms: int, name: str, now_ms: int) -> bool:
    """Whether the frame's last second is over."""
    clock, instant = wall(at_ms, name), EPOCH + timedelta(milliseconds=at_ms)
    match frame.end:
        case Moment(day=date() as day):
            return clock.date() > day
        case Moment(local=datetime() as local):
            return clock >= local + timedelta(seconds=1)
        case Moment(instant=datetime() as end):
            return instant >= end + timedelta(seconds=1)
    return at_ms > now_ms


moments = st.none() | st.sampled_from(EDGES).map(parse)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(TYPES), name=st.sampled_from(ZONES), hours=st.integers(0, 24 * 40),
    start=moments, end=moments, now_s=st.integers(1_743_000_000, 1_794_000_000),
    steps=st.lists(st.floats(0, 1), min_size=30, max_size=30),
)  # fmt: skip
def test_stretches_are_the_definition(
    kind: str,
    name: str,
    hours: int,
    start: Moment | None,
    end: Moment | None,
    now_s: int,
    steps: list[float],
) -> None:
    """An instant lies in one stretch if the wall says so, else in none, at the right offset."""
    frame = Frame(kind, "day", hours, start, end)
    now_ms = now_s * 1000
    found, (low, high) = stretches(frame, name, now_ms), reach(frame, now_ms)
    edges = [edge for one in found for edge in (one.from_ms - 1, one.from_ms, one.until_ms - 1,
                                                one.until_ms)]  # fmt: skip
    for at_ms in [
        *edges,
        *(low - DAY_MS + int(step * (high - low + 2 * DAY_MS)) for step in steps),
    ]:
        within = [one for one in found if one.from_ms <= at_ms < one.until_ms]
        assert int(holds(frame, at_ms, name, now_ms)) == len(within)
        for one in within:
            offset = zone(name).utcoffset(wall(at_ms, "UTC").replace(tzinfo=UTC).astimezone(
                zone(name)))  # fmt: skip
            assert offset is not None
            assert one.offset_ms == offset // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("start", "end", "backwards"),
    [
        ("2026-03-02", "2026-03-02", False),
        ("2026-03-02 23:59:59", "2026-03-02", False),
        ("2026-03-02 12:00:00", "2026-03-02 12:00:00", False),
        ("2026-03-02 12:00:01", "2026-03-02 12:00:00", True),
        ("2026-03-03", "2026-03-02", True),
        ("2026-03-02T12:00:00Z", "2026-03-02T11:59:59Z", True),
        ("2026-03-03", "2026-03-02T11:59:59Z", False),
    ],
)
def test_backwards(start: str, end: str, backwards: bool) -> None:
    """An end before its start is told, where both are of one kind."""
    assert backwards == is_backwards(Frame("fixed", "day", 0, parse(start), parse(end)))
