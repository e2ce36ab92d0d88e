"""Opening hours on the wall clock of a zone (vending-platform.md 4.7).

Hours are rows of ISO weekday, start and end as seconds of the local day; an end before its start
lies on the next day; no rows at all is always open. The wall clock rules: an hour that happens
twice is open twice, one that is skipped never is. Instants are epoch milliseconds, spans are
[start, end). Reads no clock.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from farebox.domain.windows import zone

Hours = tuple[tuple[int, int, int], ...]
Span = tuple[int, int]

DAY_MS = 86_400_000
# How far back a window of open time is looked for.
SEARCH_MS = 60 * DAY_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 1970-01-01 was a Thursday.
_EPOCH_WEEKDAY = 4


def is_open(hours: Hours, zone_name: str, instant_ms: int) -> bool:
    """Whether the hours hold at an instant, by definition."""
    if not hours:
        return True
    local = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone(zone_name))
    weekday, second = local.isoweekday(), local.hour * 3600 + local.minute * 60 + local.second
    return any(_holds(row, weekday, second) for row in hours)


def _holds(row: tuple[int, int, int], weekday: int, second: int) -> bool:
    day, start, end = row
    if end > start:
        return day == weekday and start <= second < end
    return (day == weekday and second >= start) or (day % 7 + 1 == weekday and second < end)


def open_spans(hours: Hours, zone_name: str, from_ms: int, to_ms: int) -> list[Span]:
    """When it is open from one instant to another: ascending, apart from each other."""
    if from_ms >= to_ms:
        return []
    if not hours:
        return [(from_ms, to_ms)]
    found: list[Span] = []
    for begin, end, offset in _steady(zone_name, from_ms, to_ms):
        # While the offset stands, local time runs as time does.
        local = [
            (max(start - offset, begin), min(stop - offset, end))
            for start, stop in _local_spans(hours, begin + offset, end + offset)
        ]
        found += [span for span in local if span[0] < span[1]]
    return _merged(found)


def open_time(hours: Hours, zone_name: str, from_ms: int, to_ms: int) -> int:
    """How long it is open in between, in milliseconds."""
    return sum(end - start for start, end in open_spans(hours, zone_name, from_ms, to_ms))


def window_start(spans: Sequence[Span], now_ms: int, window_ms: int) -> int:
    """The latest instant from which on so much of the spans' time lies before now.

    The spans are those of the last `SEARCH_MS`; if they are too short, their beginning is given.
    """
    for start, end in reversed(spans):
        if end - start >= window_ms:
            return end - window_ms
        window_ms -= end - start
    return now_ms - SEARCH_MS


def _local_spans(hours: Hours, from_ms: int, to_ms: int) -> Iterator[Span]:
    """The rows laid out over local days; the day before the first may reach into it."""
    for day in range(from_ms // DAY_MS - 1, to_ms // DAY_MS + 1):
        weekday = (day + _EPOCH_WEEKDAY - 1) % 7 + 1
        for when, start, end in hours:
            if when == weekday:
                stop = end if end > start else end + 86_400
                yield day * DAY_MS + start * 1000, day * DAY_MS + stop * 1000


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _steady(zone_name: str, from_ms: int, to_ms: int) -> Iterator[tuple[int, int, int]]:
    """The pieces of a span in which the zone's offset stands still, with it in milliseconds."""
    where, begin = zone(zone_name), from_ms
    while begin < to_ms:
        offset = _offset_ms(where, begin)
        # A day at a time: offsets do not change twice within one.
        end = min((begin // DAY_MS + 1) * DAY_MS, to_ms)
        if _offset_ms(where, end - 1) != offset:
            end = _change(zone_name, begin // 1000, (end + 999) // 1000) * 1000
        yield begin, end, offset
        begin = end


@lru_cache(maxsize=4096)
def _change(zone_name: str, low: int, high: int) -> int:
    """The first second after `low` at which the offset is another; it is at `high`."""
    where = zone(zone_name)
    before = _offset_ms(where, low * 1000)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_ms(where, middle * 1000) == before:
            low = middle
        else:
            high = middle
    return high


def _offset_ms(where: ZoneInfo, instant_ms: int) -> int:
    local = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(where)
    return (local.utcoffset() or timedelta()) // timedelta(milliseconds=1)
