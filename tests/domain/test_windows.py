"""Windows against the definition of vending-commerce.md 4.2: reference boundaries, all zones."""

import random
import struct
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import partial
from importlib import resources
from operator import lt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from farebox.domain import windows
from farebox.domain.errors import InvalidError

# P10 is claimed from 2011 on: before, a few zones fell back across midnight.
FIRST_MS = 1_293_840_000_000
LAST_MS = 2_240_611_200_000
# Before the first day of any table.
SINCE_S = 1_230_768_000
KEYS: dict[str, Callable[[date], int]] = {
    "day": date.toordinal,
    "week": lambda day: (day.toordinal() - 1) // 7,
    "month": lambda day: 12 * day.year + day.month - 1,
}


def ms(text: str) -> int:
    """Milliseconds of a UTC instant."""
    return int(datetime.fromisoformat(text).timestamp()) * 1000


# Zone, frequency, noon on a local date, start, next start, hours between.
REFERENCE = [
    ("Europe/Amsterdam", "day", "2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 23),
    ("Europe/Amsterdam", "day", "2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 25),
    ("Europe/Amsterdam", "week", "2026-10-25", "2026-10-18T22:00Z", "2026-10-25T23:00Z", 169),
    ("Europe/Amsterdam", "week", "2027-01-01", "2026-12-27T23:00Z", "2027-01-03T23:00Z", 168),
    ("Europe/Amsterdam", "month", "2026-10-25", "2026-09-30T22:00Z", "2026-10-31T23:00Z", 745),
    ("Africa/Cairo", "day", "2026-04-24", "2026-04-23T22:00Z", "2026-04-24T21:00Z", 23),
    ("Asia/Beirut", "day", "2026-03-29", "2026-03-28T22:00Z", "2026-03-29T21:00Z", 23),
    # The specification has this of 2026, for which tzdata 2026f keeps Cuba on summer time.
    ("America/Havana", "day", "2025-11-02", "2025-11-02T04:00Z", "2025-11-03T05:00Z", 25),
    ("Pacific/Apia", "day", "2011-12-31", "2011-12-30T10:00Z", "2011-12-31T10:00Z", 24),
    ("Australia/Lord_Howe", "month", "2026-10-15", "2026-09-30T13:30Z", "2026-10-31T13:00Z", 743.5),
    ("Asia/Kathmandu", "day", "2026-06-15", "2026-06-14T18:15Z", "2026-06-15T18:15Z", 24),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "frequency", "day", "start", "end", "hours"), REFERENCE)
def test_reference_boundaries(
    zone: str, frequency: str, day: str, start: str, end: str, hours: float
) -> None:
    """Definition and table give the boundaries of the specification."""
    noon = datetime.fromisoformat(day + "T12:00").replace(tzinfo=windows.zone(zone))
    instant = int(noon.timestamp()) * 1000
    span = (ms(start), ms(end))
    assert hours * 3_600_000 == span[1] - span[0]
    assert span == (
        windows.window_start(frequency, zone, instant),
        windows.window_end(frequency, zone, instant),
    )
    starts = windows.table(zone, frequency)
    at = bisect_right(starts, instant)
    assert span == (starts[at - 1], starts[at])


def test_never() -> None:
    """One endless window, and no table of it."""
    assert 0 == windows.window_start("never", "Europe/Amsterdam", FIRST_MS)
    assert windows.NEVER_MS == windows.window_end("never", "Europe/Amsterdam", FIRST_MS)
    with pytest.raises(ValueError, match="no table"):
        windows.table("Europe/Amsterdam", "never")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../zones", "europe/amsterdam", "localtime"])
def test_unknown_zones(name: str) -> None:
    """Only names of the tzdata package, spelled as there, are zones."""
    with pytest.raises(InvalidError) as raised:
        windows.zone(name)
    assert "invalid_time_zone" == raised.value.code
    with pytest.raises(InvalidError):
        windows.zone_number(name)


def test_zone_numbers() -> None:
    """Numbers are small, distinct, and the same when asked again."""
    names = sorted(windows.zone_names())[:50]
    numbers = [windows.zone_number(name) for name in names]
    assert len(set(numbers)) == 50
    assert numbers == [windows.zone_number(name) for name in names]
    assert max(numbers) < len(windows.zone_names())


def test_local_day_start() -> None:
    """A date that never existed starts together with the next one."""
    assert ms("2011-12-30T10:00Z") == windows.local_day_start("Pacific/Apia", date(2011, 12, 30))
    assert ms("2011-12-30T10:00Z") == windows.local_day_start("Pacific/Apia", date(2011, 12, 31))


def test_falling_back_across_midnight_is_never_backwards() -> None:
    """St. John's repeated the last hour of 6 November 2010 after midnight; the 7th went on."""
    zone, midnight = "America/St_Johns", ms("2010-11-07T02:30Z")
    for instant in (midnight, midnight + 60_000, midnight + 1_800_000, midnight + 3_660_000):
        assert midnight == windows.window_start("day", zone, instant)
        assert ms("2010-11-08T03:30Z") == windows.window_end("day", zone, instant)


def keys(where: ZoneInfo, frequency: str, instants_ms: Iterable[int]) -> list[int]:
    """P(frequency, zone, instant) of each, straight from local dates, which divide no second."""
    seconds = [instant // 1000 for instant in instants_ms]
    return [*map(KEYS[frequency], map(partial(datetime.fromtimestamp, tz=where), seconds))]


def rules(zone: bytes) -> tuple[Any, ...]:
    """What a zone's file (RFC 8536) says of all time from 2009 on: offsets, changes, the rest."""

    def counts(at: int) -> tuple[int, ...]:
        return struct.unpack(">6l", zone[at + 20 : at + 44])

    # The first part repeats the second in 32 bits, with times of four bytes.
    ut, standard, leap, times, types, letters = counts(0)
    at = 44 + 5 * times + 6 * types + letters + 8 * leap + standard + ut
    ut, standard, leap, times, types, letters = counts(at)
    instants = struct.unpack(f">{times}q", zone[at + 44 : at + 44 + 8 * times])
    at += 44 + 8 * times
    offsets = [struct.unpack_from(">l", zone, at + times + 6 * kind)[0] for kind in range(types)]
    changes = [(when, offsets[zone[at + n]]) for n, when in enumerate(instants)]
    before = [offset for when, offset in changes if when <= SINCE_S]
    footer = zone[at + times + 6 * types + letters + 12 * leap + standard + ut :]
    return before[-1:] or offsets[:1], [pair for pair in changes if pair[0] > SINCE_S], footer


@pytest.fixture(scope="module")
def zones() -> list[str]:
    """One zone for each way of telling the time since 2009; what others share is proved once."""
    names = sorted(windows.zone_names())
    assert len(names) >= 590
    folder = resources.files("tzdata").joinpath("zoneinfo")
    return [*{repr(rules(folder.joinpath(*n.split("/")).read_bytes())): n for n in names}.values()]


def test_every_day_of_every_zone(zones: list[str]) -> None:
    """P10 for all zones: P steps up by one window at each boundary, and only there."""
    assert len(zones) >= 150
    for name in zones:
        where = windows.zone(name)
        starts = [start for start in windows.table(name, "day") if FIRST_MS <= start <= LAST_MS]
        assert all(start % 1000 == 0 for start in starts)
        begins = keys(where, "day", starts)
        # The last millisecond before still belongs to the window before: nothing is skipped.
        ends = keys(where, "day", [start - 1 for start in starts])
        assert begins[:-1] == ends[1:], name
        assert all(map(lt, ends, begins)), name


def test_weeks_and_months_of_every_zone(zones: list[str]) -> None:
    """Weeks and months begin where their first day does, in every zone."""
    for name in zones:
        where, days = windows.zone(name), {*windows.table(name, "day")}
        for frequency in ("week", "month"):
            starts = windows.table(name, frequency)
            assert {*starts} <= days
            begins = keys(where, frequency, starts)
            assert [*range(begins[0], begins[0] + len(begins))] == begins, name
            within = [start for start in starts if FIRST_MS <= start <= LAST_MS]
            ends = keys(where, frequency, [start - 1 for start in within])
            assert all(map(lt, ends, keys(where, frequency, within))), name


def test_samples_of_every_zone(zones: list[str]) -> None:
    """Table and definition agree at random instants, and the span contains the instant."""
    source = random.Random(20)
    for name in zones:
        where = windows.zone(name)
        for frequency in KEYS:
            starts = windows.table(name, frequency)
            for _ in range(10):
                instant = source.randrange(FIRST_MS, LAST_MS)
                at = bisect_right(starts, instant)
                span = (
                    windows.window_start(frequency, name, instant),
                    windows.window_end(frequency, name, instant),
                )
                assert span == (starts[at - 1], starts[at]), (name, frequency, instant)
                assert span[0] <= instant < span[1]
                began, now, ended = keys(where, frequency, (span[0], instant, span[1]))
                assert began == now < ended


def test_tables_cover_their_years() -> None:
    """Every instant of 2010 to 2040 lies inside, in the zones farthest east and west."""
    for name in ("Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Apia"):
        for frequency in KEYS:
            starts = windows.table(name, frequency)
            assert starts[0] <= ms("2010-01-01T00:00Z")
            assert ms("2041-01-01T00:00Z") < starts[-1]


def test_a_table_is_fast_to_build_and_built_once() -> None:
    """A table of days takes well under a second even on a loaded machine, and is kept."""
    name = "Europe/Amsterdam"
    windows._day_starts.cache_clear()
    windows.table.cache_clear()
    begun = time.thread_time()
    first = windows.table(name, "day")
    assert time.thread_time() - begun < 0.5
    assert windows.table(name, "day") is first
