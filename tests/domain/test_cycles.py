"""Billing cycles and wall clocks: no drift over short months, gaps and repeats of clocks."""

from datetime import datetime

from farebox.domain import cycles, wall_clocks

# Zone, wall clock, days later, and the wall clock then.
STEPS = (
    ("Europe/Berlin", "2026-03-28 02:30:00", 1, "2026-03-29 03:00:00"),
    ("Europe/Berlin", "2026-10-24 02:30:00", 1, "2026-10-25 02:30:00"),
    ("Asia/Kolkata", "2026-02-28 23:59:59", 1, "2026-03-01 23:59:59"),
    ("Africa/Cairo", "2026-04-23 00:00:00", 1, "2026-04-24 01:00:00"),
)
# Kind, anchor, now, and the cycle around it.
CYCLES = (
    ("monthly", "2026-01-31 08:00:00", "2026-02-28 07:59:59", "2026-01-31 08:00:00",
     "2026-02-28 08:00:00"),
    ("monthly", "2026-01-31 08:00:00", "2026-02-28 08:00:00", "2026-02-28 08:00:00",
     "2026-03-31 08:00:00"),
    ("monthly", "2015-06-07 00:00:00", "2026-11-22 10:00:00", "2026-11-07 00:00:00",
     "2026-12-07 00:00:00"),
    ("weekly", "2026-11-01 12:00:00", "2026-11-22 11:59:59", "2026-11-15 12:00:00",
     "2026-11-22 12:00:00"),
    ("daily", "2020-01-01 05:00:00", "2026-11-22 10:00:00", "2026-11-22 05:00:00",
     "2026-11-23 05:00:00"),
)  # fmt: skip
ZONE = "Asia/Kolkata"
# Kind, start, expiry, end of the first cycle.
FIRST = (
    ("payAsYouGo", "2018-01-05 12:24:34", "2017-08-20 12:00:00", "2018-02-04 12:24:34"),
    ("payAsYouGo", "2026-11-04 00:00:00", "2026-11-20 00:00:00", "2026-11-20 00:00:00"),
    ("payAsYouGo", "2026-11-04 00:00:00", None, "2026-12-04 00:00:00"),
    ("monthly", "2015-06-07 00:00:00", None, "2015-07-07 00:00:00"),
    ("never", "2015-06-07 00:00:00", None, None),
)


def at(text: str | None, zone: str = ZONE) -> int | None:
    """A wall clock as an instant."""
    return None if text is None else wall_clocks.instant(datetime.fromisoformat(text), zone)


def test_days_keep_the_wall_time() -> None:
    """A time in a gap becomes the first one after it; of two the first is meant."""
    for zone, wall, days, expected in STEPS:
        start = at(wall, zone)
        assert start is not None
        later = wall_clocks.plus_days(start, days, zone)
        assert expected == wall_clocks.text(later, zone), wall


def test_recurring_cycles_follow_from_their_anchor() -> None:
    """However long ago it was."""
    for kind, anchor, now, start, end in CYCLES:
        began, asked = at(anchor), at(now)
        assert began is not None
        assert asked is not None
        assert (at(start), at(end)) == cycles.containing(kind, began, asked, ZONE), (kind, now)


def test_the_first_cycle_ends() -> None:
    """Pay as you go ends with the expiry, if that is ahead and sooner."""
    for kind, start, expires, end in FIRST:
        began = at(start)
        assert began is not None
        assert at(end) == cycles.end_of_first(kind, began, at(expires), ZONE), (kind, start)
