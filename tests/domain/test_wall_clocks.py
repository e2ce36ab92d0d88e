"""Wall clocks as texts: by whole days of one offset, and on days on which clocks change."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from farebox.domain import wall_clocks
from farebox.domain.windows import zone as tables
from tests.strategies import ZONES, instants, zones

# A night in which clocks change, and the years in which zones had odd seconds.
CHANGES = (
    ("Europe/Amsterdam", "2026-03-29T00:59:58"), ("Europe/Amsterdam", "2026-10-25T00:59:58"),
    ("Africa/Cairo", "2026-04-23T21:59:58"), ("America/Havana", "2026-11-01T04:59:58"),
    ("Australia/Lord_Howe", "2026-04-04T14:59:58"), ("Pacific/Apia", "2011-12-30T09:59:58"),
    ("America/St_Johns", "2010-03-14T03:30:58"), ("Europe/Amsterdam", "1937-06-30T22:39:58"),
)  # fmt: skip


def spelled(instant_ms: int, zone: str) -> str:
    """The same the long way."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)
    return at.astimezone(tables(zone)).strftime("%Y-%m-%d %H:%M:%S")


@given(zone=zones, instant_ms=instants)
def test_texts_of_any_instant(zone: str, instant_ms: int) -> None:
    """The text is the clock on the wall, without what is below a second."""
    assert spelled(instant_ms, zone) == wall_clocks.text(instant_ms, zone)


@pytest.mark.parametrize(("zone", "moment"), CHANGES)
def test_texts_while_clocks_change(zone: str, moment: str) -> None:
    """Second by second through a change, and hours around it."""
    second = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    steps = [*range(5), *(hours * 3600 for hours in range(-30, 31))]
    for at in [second + step for step in steps]:
        assert spelled(at * 1000, zone) == wall_clocks.text(at * 1000, zone)


def test_texts_at_the_ends_of_days() -> None:
    """The first and the last second of a day have its offset, in every zone."""
    for zone in ZONES:
        for at in (0, 86_399, 86_400, -1, 1_795_305_600):
            assert spelled(at * 1000, zone) == wall_clocks.text(at * 1000, zone)
