"""Dates and instants as text: what clients may send and what they are answered.

Inside, an instant is epoch milliseconds; here it becomes text and back (vending-commerce.md 1.4).
A local wall clock is not an instant yet: which one it means, where an hour happens twice or never,
depends on the purpose and is asked for by name.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from farebox.domain.errors import InvalidError

NEVER_MS: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Both ends leave room for every zone's offset and for the day after.
_YEAR_MIN, _YEAR_MAX = 2, 9998

_FORM = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a date text says: a day, a local wall clock, or an instant; exactly one is set."""

    day: date | None = None
    local: datetime | None = None
    instant: datetime | None = None


def parse(text: str) -> Moment:
    """The accepted forms; anything else is an error. Fractions of a second are dropped."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise _unreadable()
    year, month, day, hour, minute, second, offset = match.groups()
    if not _YEAR_MIN <= int(year) <= _YEAR_MAX:
        raise _unreadable()
    try:
        if hour is None:
            return Moment(day=date(int(year), int(month), int(day)))
        local = datetime(  # noqa: DTZ001 - a wall clock has no zone until one is applied
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0)
        )
        if offset is None:
            return Moment(local=local)
        return Moment(instant=local.replace(tzinfo=_offset(offset)).astimezone(UTC))
    except ValueError:
        raise _unreadable() from None


def utc_text(instant_ms: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, the fraction dropped."""
    whole = _EPOCH + timedelta(seconds=instant_ms // 1000)
    return f"{whole.isoformat()[:19]}Z"


def utc_text_up(instant_ms: int) -> str:
    """The same, rounded up to the second: a lock must not look shorter than it is."""
    return utc_text(instant_ms + 999)


def optional_utc_text(instant_ms: int | None) -> str | None:
    """`utc_text`, or nothing for nothing."""
    return None if instant_ms is None else utc_text(instant_ms)


def wall_text(instant_ms: int, zone: ZoneInfo) -> str:
    """The local wall clock with its offset: `2019-02-06T07:06:17+01:00`."""
    local = (_EPOCH + timedelta(seconds=instant_ms // 1000)).astimezone(zone)
    return local.isoformat()


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds of an instant with whole seconds."""
    elapsed = instant - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000


def later_ms(local: datetime, zone: ZoneInfo) -> int:
    """The later instant that a wall clock can mean, where an hour happens twice or never."""
    readings = (local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1))
    return max(to_ms(reading.astimezone(UTC)) for reading in readings)


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if text[0] == "-" else span)


def _unreadable() -> InvalidError:
    reason = "must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, optionally with Z or +HH:MM"
    return InvalidError(f"The date {reason}")
