"""Time frames of charts: spans of the clock on the wall, cut into the stretches of each zone.

A frame has no instants of its own: where it begins depends on the zone of the place at which
something happened (vending-commerce.md 4.12, 4.15). A computed start is that of the hour, day,
week, month or year that the frame's type names, so that the first of its dates is a whole one; a
start that was given counts as it is. Reads no clock.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from farebox.domain import offsets
from farebox.domain.instants import Moment, to_ms

UNITS: Final = ("hour", "day", "week", "month", "year")
TYPES: Final = (*UNITS, "fixed")
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
# No zone is further from UTC, and a little more.
_MARGIN_MS: Final = 26 * HOUR_MS
# What the start of a unit can be away from an instant in it.
_LENGTH_MS: Final = {
    "hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS, "month": 31 * DAY_MS,
    "year": 366 * DAY_MS, "fixed": 0,
}  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Frame(msgspec.Struct, frozen=True):
    """From a given start, or `hours` before now, to a given end or now; dates of one unit or ""."""

    type: str
    unit: str
    hours: int = 0
    start: Moment | None = None
    end: Moment | None = None
    description: str = ""


class Stretch(NamedTuple):
    """Instants from_ms <= t < until_ms at which a zone's clock was offset_ms ahead of UTC."""

    from_ms: int
    until_ms: int
    offset_ms: int


def reach(frame: Frame, now_ms: int) -> tuple[int, int]:
    """Instants between which the frame lies in every zone."""
    if frame.start is None:
        low = now_ms - frame.hours * HOUR_MS - _LENGTH_MS[frame.type]
    else:
        low = _wall_ms(frame.start)
    high = now_ms + 1 if frame.end is None else _wall_ms(frame.end) + DAY_MS
    return low - _MARGIN_MS, high + _MARGIN_MS


def is_backwards(frame: Frame) -> bool:
    """Whether a given end comes before the given start, both being wall clocks or instants."""
    start, end = frame.start, frame.end
    if start is None or end is None or (start.instant is None) != (end.instant is None):
        return False
    return _wall_ms(start) >= _until_ms(end)


def stretches(frame: Frame, zone_name: str, now_ms: int) -> list[Stretch]:
    """The frame in one zone: stretches of one offset each, ascending; the clock may step back."""
    low, high = reach(frame, now_ms)
    kept = []
    for piece in _clocks(zone_name, low, high):
        start_ms = max(piece.from_ms, _start_ms(frame, zone_name, now_ms, piece.offset_ms))
        until_ms = min(piece.until_ms, _end_ms(frame, now_ms, piece.offset_ms))
        if start_ms < until_ms:
            kept.append(Stretch(start_ms, until_ms, piece.offset_ms))
    return kept


def _start_ms(frame: Frame, zone_name: str, now_ms: int, offset_ms: int) -> int:
    """The first instant of the frame while the clock has this offset."""
    if frame.start is not None:
        exact = frame.start.instant is not None
        return _wall_ms(frame.start) - (0 if exact else offset_ms)
    at_ms = now_ms - frame.hours * HOUR_MS
    if frame.type == "fixed":
        return at_ms
    (clock,) = _clocks(zone_name, at_ms, at_ms + 1)
    return _floor_ms(at_ms + clock.offset_ms, frame.type) - offset_ms


def _end_ms(frame: Frame, now_ms: int, offset_ms: int) -> int:
    """The instant at which the frame has ended while the clock has this offset."""
    if frame.end is None:
        return now_ms + 1
    return _until_ms(frame.end) - (0 if frame.end.instant is not None else offset_ms)


def _floor_ms(wall_ms: int, unit: str) -> int:
    """The start of a unit, on the wall."""
    length_ms = _LENGTH_MS[unit]
    if unit in ("hour", "day"):
        return wall_ms // length_ms * length_ms
    wall = _EPOCH + timedelta(days=wall_ms // DAY_MS)
    if unit == "week":
        return to_ms(wall - timedelta(days=wall.weekday()))
    return to_ms(wall.replace(day=1) if unit == "month" else wall.replace(month=1, day=1))


def _wall_ms(moment: Moment) -> int:
    """An instant, or a wall clock read as if it were in UTC."""
    if moment.day is not None:
        return (moment.day.toordinal() - _EPOCH.toordinal()) * DAY_MS
    return to_ms(moment.instant or (moment.local or _EPOCH).replace(tzinfo=UTC))


def _until_ms(end: Moment) -> int:
    """The last second belongs to a frame, and of a day without a time all of it."""
    return _wall_ms(end) + (DAY_MS if end.day is not None else 1000)


def _clocks(zone_name: str, low_ms: int, high_ms: int) -> Iterator[Stretch]:
    """The offsets of a zone between two instants."""
    for from_s, until_s, offset_s in offsets.stretches(
        zone_name, low_ms // 1000, -(-high_ms // 1000)
    ):
        yield Stretch(max(from_s * 1000, low_ms), min(until_s * 1000, high_ms), offset_s * 1000)
