"""Offsets: how far a zone's wall clock is from UTC, and when that changes (4.12).

Guarantees: the same answers as `zoneinfo` on the installed tzdata package for every second of 1970
to 2106, which is what whole seconds in 32 bits can say; instants ascend and every one of them is a
change.

It does not decide anything and reads no clock. Sections are those of vending-commerce.md.
"""

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

from farebox.domain import windows

END_S = 2**32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
# magic, version, unused, and the counts isut, isstd, leap, transitions, types, characters.
_HEADER = struct.Struct(">4sc15x6l")
# A rule of the years to come never lasts for less than this.
_STEP_S = 7 * 86_400


@cache
def table(zone_name: str) -> tuple["array[int]", "array[int]"]:
    """(int64 instants in epoch seconds, int32 offsets in seconds; the first is before them all).

    InvalidError if the tzdata package has no such zone.
    """
    where = windows.zone(zone_name)
    instants, offsets = array("q"), array("i", [_offset_s(where, 0)])
    for instant in _candidates(zone_name, where):
        offset = _offset_s(where, instant)
        if 0 < instant < END_S and offset != offsets[-1]:
            instants.append(instant)
            offsets.append(offset)
    return instants, offsets


def stretches(zone_name: str, from_s: int, until_s: int) -> Iterator[tuple[int, int, int]]:
    """Where stretches of one offset begin and end between two instants, and their offset."""
    instants, offsets = table(zone_name)
    first, last = bisect_right(instants, from_s), bisect_left(instants, until_s)
    edges = pairwise([from_s, *instants[first:last], until_s])
    for at, (begin_s, end_s) in enumerate(edges, first):
        yield begin_s, end_s, offsets[at]


def _offset_s(where: ZoneInfo, instant_s: int) -> int:
    offset = (_EPOCH + timedelta(seconds=instant_s)).astimezone(where).utcoffset()
    return offset // _SECOND if offset else 0


def _candidates(zone_name: str, where: ZoneInfo) -> Iterator[int]:
    """Every instant at which the offset may change, ascending: listed ones, then those by rule."""
    data = files("tzdata").joinpath("zoneinfo", *zone_name.split("/")).read_bytes()
    listed = _listed(data)
    yield from listed
    # The last line is the rule of the years to come; only one with a comma changes the clock.
    if b"," not in data.rstrip(b"\n").rpartition(b"\n")[2]:
        return
    begun = max(listed[-1] if listed else 0, 0)
    before = _offset_s(where, begun)
    for end in range(begun + _STEP_S, END_S + _STEP_S, _STEP_S):
        after = _offset_s(where, min(end, END_S))
        if after != before:
            yield _change(where, end - _STEP_S, min(end, END_S))
        before = after


def _change(where: ZoneInfo, low: int, high: int) -> int:
    """The first second after `low` with the offset of `high`."""
    wanted = _offset_s(where, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(where, middle) == wanted:
            high = middle
        else:
            low = middle
    return high


def _listed(data: bytes) -> tuple[int, ...]:
    """The transition instants that a TZif file lists in its 64-bit part."""
    _, _, isut, isstd, leap, transitions, types, characters = _HEADER.unpack_from(data)
    old = 5 * transitions + 6 * types + characters + 8 * leap + isstd + isut
    start = _HEADER.size + old
    count = _HEADER.unpack_from(data, start)[5]
    return struct.unpack_from(f">{count}q", data, start + _HEADER.size)
