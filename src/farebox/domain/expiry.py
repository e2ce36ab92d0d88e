"""When a voucher ends: the text a client sends, and the first instant at which it no longer works.

A day is valid to its local end, a date with a time to the end of that second; a local time that
happens twice or never means the later instant, in the customer's favour (vending-commerce.md 4.3).
The text is kept, because a change of zone gives a local text a new instant.
"""

from datetime import timedelta

from farebox.domain import instants, windows
from farebox.domain.errors import InvalidError


def parse_expiry(text: str, zone_name: str) -> tuple[str, int]:
    """The normalised text and `expires_before_ms`, the first instant that is too late."""
    zone = windows.zone(zone_name)
    moment = instants.parse(text)
    if moment.day is not None:
        next_day = moment.day + timedelta(days=1)
        return moment.day.isoformat(), windows.local_day_start(zone_name, next_day)
    if moment.local is not None:
        return moment.local.isoformat(), instants.later_ms(moment.local, zone) + 1000
    if moment.instant is None:
        raise InvalidError("The date is empty")
    return f"{moment.instant.isoformat()[:19]}Z", instants.to_ms(moment.instant) + 1000


def comparable(value: object) -> str:
    """The normalised text alone, which orders by date and time; ValueError for anything else.

    Local texts compare as they are written, a day as its midnight: who compares knows no zone.
    """
    if not isinstance(value, str):
        raise ValueError("must be a date, or a date with a time")
    try:
        return parse_expiry(value, "UTC")[0]
    except InvalidError as error:
        raise ValueError(error.message) from error


def again(text: str | None, zone_name: str) -> int | None:
    """`expires_before_ms` of a stored text under another zone; nothing stays nothing."""
    return None if text is None else parse_expiry(text, zone_name)[1]
