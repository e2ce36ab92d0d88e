"""Windows: the spans between two resets in a zone's local calendar (vending-commerce.md 4.2).

Guarantees: one time-zone database, the installed tzdata package, never the machine's; a window
starts at the first instant whose local date is on or after its first date, so midnights that are
skipped or occur twice and dates that never existed have one meaning; tables and definition agree.

It does not decide anything and reads no clock.
"""

from array import array
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from farebox.domain.errors import InvalidError

FREQUENCIES = ("never", "day", "week", "month")
NEVER_MS = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SECOND = timedelta(seconds=1)
_DAY_S = 86_400
# Whole weeks and months around 2010 to 2040 in any zone: from a Monday before 1 December 2009 to a
# Monday after 1 February 2041.
_TABLE_ORDINALS = range(date(2009, 11, 30).toordinal(), date(2041, 2, 4).toordinal() + 1)


@cache
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def zone_names() -> frozenset[str]:
    """Every name the tzdata package knows, links included."""
    return _names()


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of this name; InvalidError if the tzdata package has none."""
    if name not in _names():
        raise InvalidError(f"Unknown time zone {name!r}", "invalid_time_zone")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as source:
        return ZoneInfo.from_file(source, key=name)


_numbers: dict[str, int] = {}


def zone_number(name: str) -> int:
    """A small number for a zone, the same as long as the process lives."""
    number = _numbers.get(name)
    if number is None:
        zone(name)
        number = _numbers.setdefault(name, len(_numbers))
    return number


def _offset_s(offset: timedelta | None) -> int:
    return offset // _SECOND if offset else 0


def _first_instant_s(where: ZoneInfo, ordinal: int) -> int:
    """The first second whose local date is on or after the date of this ordinal."""
    midnight = datetime.fromordinal(ordinal)
    wall_s = (ordinal - _EPOCH_ORDINAL) * _DAY_S
    before_s = _offset_s(where.utcoffset(midnight))
    after_s = _offset_s(where.utcoffset(midnight.replace(fold=1)))
    if after_s <= before_s:
        # Midnight exists, once or twice; fold 0 is the first of two.
        return wall_s - before_s
    # Midnight is skipped: the clock jumps over it somewhere in here, from before it to after it.
    low, high = wall_s - after_s, wall_s - before_s
    while low < high:
        middle = (low + high) // 2
        if _local_ordinal(where, middle) >= ordinal:
            high = middle
        else:
            low = middle + 1
    return low


def _local_ordinal(where: ZoneInfo, instant_s: int) -> int:
    return (_EPOCH + timedelta(seconds=instant_s)).astimezone(where).toordinal()


def local_day_start(zone_name: str, day: date) -> int:
    """The first instant whose local date is on or after `day`."""
    return _first_instant_s(zone(zone_name), day.toordinal()) * 1000


def _key(frequency: str, ordinal: int) -> int:
    """P of vending-commerce.md 4.2, from the local date."""
    if frequency == "day":
        return ordinal
    if frequency == "week":
        return (ordinal - 1) // 7
    day = date.fromordinal(ordinal)
    return 12 * day.year + day.month - 1


def _first_ordinal(frequency: str, key: int) -> int:
    """The date on which the window of this key begins."""
    if frequency == "day":
        return key
    if frequency == "week":
        return 7 * key + 1
    return date(key // 12, key % 12 + 1, 1).toordinal()


def _span(frequency: str, zone_name: str, instant_ms: int) -> tuple[int, int]:
    where = zone(zone_name)
    key = _key(frequency, _local_ordinal(where, instant_ms // 1000))
    start = _first_instant_s(where, _first_ordinal(frequency, key)) * 1000
    end = _first_instant_s(where, _first_ordinal(frequency, key + 1)) * 1000
    # Where clocks once fell back across midnight, the local date steps back but a window does not:
    # the instant belongs to the window that has already begun.
    while end <= instant_ms:
        key += 1
        start, end = end, _first_instant_s(where, _first_ordinal(frequency, key + 1)) * 1000
    return start, end


def window_start(frequency: str, zone_name: str, instant_ms: int) -> int:
    """The start of the window that contains the instant; 0 for never."""
    return 0 if frequency == "never" else _span(frequency, zone_name, instant_ms)[0]


def window_end(frequency: str, zone_name: str, instant_ms: int) -> int:
    """The end of the window that contains the instant; NEVER_MS for never."""
    return NEVER_MS if frequency == "never" else _span(frequency, zone_name, instant_ms)[1]


@cache
def _day_starts(zone_name: str) -> "array[int]":
    where = zone(zone_name)
    return array("q", [_first_instant_s(where, ordinal) * 1000 for ordinal in _TABLE_ORDINALS])


@cache
def table(zone_name: str, frequency: str) -> "array[int]":
    """Ascending window starts; every instant of 2010 to 2040 lies between two of them."""
    if frequency not in FREQUENCIES[1:]:
        raise ValueError(f"no table for frequency {frequency!r}")
    chosen = array("q")
    previous = None
    for ordinal, start in zip(_TABLE_ORDINALS, _day_starts(zone_name), strict=True):
        # A date that never existed starts together with the next one.
        if start != previous and _first_ordinal(frequency, _key(frequency, ordinal)) == ordinal:
            chosen.append(start)
            previous = start
    return chosen
