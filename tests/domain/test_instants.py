"""Date texts in and out."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from farebox.domain import instants, windows
from farebox.domain.errors import InvalidError

wall = datetime.fromisoformat


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (instants.Moment(day=date(2026, 3, 29)), "2026-03-29"),
        (instants.Moment(day=date(2026, 3, 29)), " 2026-03-29 "),
        (instants.Moment(local=wall("2026-03-29T18:05:00")), "2026-03-29 18:05"),
        (instants.Moment(local=wall("2026-03-29T18:05:07")), "2026-03-29T18:05:07"),
        (instants.Moment(local=wall("2026-03-29T18:05:07")), "2026-03-29 18:05:07.999"),
        (instants.Moment(instant=datetime(2026, 3, 29, 18, 5, tzinfo=UTC)), "2026-03-29T18:05Z"),
        (
            instants.Moment(instant=datetime(2026, 3, 29, 16, 5, 7, tzinfo=UTC)),
            "2026-03-29 18:05:07.5+02:00",
        ),
        (
            instants.Moment(instant=datetime(2026, 3, 29, 23, 35, tzinfo=UTC)),
            "2026-03-29T18:05-05:30",
        ),
    ],
)
def test_accepted_forms(expected: instants.Moment, text: str) -> None:
    """A day, a wall clock or an instant; fractions are dropped."""
    assert expected == instants.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "31/12/2026", "2026-2-3", "2026-02-30", "2026-03-29Z", "2026-03-29T25:00",
        "2026-03-29T10:60", "2026-03-29T10:00:60", "2026-03-29T10:00+24:00", "20260329",
        "2026-03-29T10", "2026-03-29T10:00:00 Z", "0000-01-01", "9999-12-31", "٢٠٢٦-03-29",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    """A text that is not exactly one of the forms, or names no real date, is an argument error."""
    with pytest.raises(InvalidError):
        instants.parse(text)


@pytest.mark.parametrize(
    ("expected", "expected_up", "instant_ms"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 0),
        ("2026-03-10T09:00:00Z", "2026-03-10T09:00:01Z", 1_773_133_200_001),
        ("2026-03-10T09:00:00Z", "2026-03-10T09:00:01Z", 1_773_133_200_999),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", -1),
    ],
)
def test_utc_text(expected: str, expected_up: str, instant_ms: int) -> None:
    """UTC seconds: the fraction dropped, or rounded up where a lock ends."""
    assert (expected, expected_up) == (
        instants.utc_text(instant_ms),
        instants.utc_text_up(instant_ms),
    )


def test_nothing_stays_nothing() -> None:
    """An unset instant has no text."""
    assert instants.optional_utc_text(None) is None


def test_wall_text_carries_the_offset() -> None:
    """The local clock of the zone at that instant."""
    zone = windows.zone("Europe/Amsterdam")
    assert "2019-02-06T07:06:17+01:00" == instants.wall_text(1_549_433_177_000, zone)


@pytest.mark.parametrize(
    ("expected", "local"),
    [
        (1_792_891_800_000, wall("2026-10-25T02:30:00")),
        (1_774_747_800_000, wall("2026-03-29T02:30:00")),
        (1_773_136_800_000, wall("2026-03-10T11:00:00")),
    ],
)
def test_later_reading_of_a_wall_clock(expected: int, local: datetime) -> None:
    """An hour that happens twice or never means its later instant."""
    assert expected == instants.later_ms(local, ZoneInfo("Europe/Amsterdam"))
