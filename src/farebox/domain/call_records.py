"""Call records: how one is read, and what a search for them may ask (pbx.md 3.10, 4.3, 4.5).

Costs are exact decimals with six places and are compared as numbers. Times without an offset are
wall clocks of the tenant; one that does not exist moves to the end of its gap, one that occurs
twice is the first. Nothing is stored here.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from farebox.domain import wall_clocks

DISPOSITIONS: Final = ("ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION")
# No cost is outside of these.
COST_MIN: Final = Decimal(0)
COST_MAX: Final = Decimal(10**12)
LIST_MAX: Final = 100
TEXT_CHARS_MAX: Final = 255
UNIQUEID_CHARS_MAX: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX: Final = 10**9
_YEARS: Final = range(1970, 3000)
_STEP: Final = Decimal("0.000001")
_AMOUNT: Final = r"(\d{1,12}(?:\.\d{1,6})?)"
_COST: Final = re.compile(rf"(=|>=|>|<=|<|){_AMOUNT}", re.ASCII)
_COSTS: Final = re.compile(rf"{_AMOUNT}-{_AMOUNT}", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})([-/]?)(\d{2})\2(\d{2})", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_TEXTS: Final = (
    "clid", "src", "realsrc", "dst", "firstdst", "lastdst", "wherelanded", "userfield",
)  # fmt: skip

Range = tuple[Decimal | None, Decimal | None]


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a call as it is stored, without its id and tenant."""

    uniqueid: str
    sequence: int
    linkedid: str
    start_ms: int
    answer_ms: int | None
    end_ms: int | None
    clid: str
    src: str
    realsrc: str
    dst: str
    firstdst: str
    lastdst: str
    wherelanded: str
    duration: int
    billsec: int
    disposition: str
    cc_cost: Decimal
    userfield: str


class FaultyFieldError(ValueError):
    """A field of a record cannot be used; its text is the field's name."""


# What is searched for


def day(text: str) -> date:
    """A date such as 2024-03-10, 20240310 or 2024/03/10; ValueError for any other."""
    match = _DAY.fullmatch(text)
    if match is None or int(match[1]) not in _YEARS:
        raise ValueError(text)
    return date(int(match[1]), int(match[3]), int(match[4]))


def disposition(text: str) -> str:
    """The one spelling of how a call ended; ValueError for what is none."""
    plain = text.strip().upper().replace("_", " ")
    plain = "NO ANSWER" if plain == "NOANSWER" else plain
    if plain not in DISPOSITIONS:
        raise ValueError(text)
    return plain


def cost_range(text: str) -> Range:
    """The least and the greatest cost that a filter lets through, both included."""
    plain = text.strip().lower()
    if plain in ("yes", "no"):
        return (_STEP, None) if plain == "yes" else (Decimal(0), Decimal(0))
    if match := _COSTS.fullmatch(plain):
        return Decimal(match[1]), Decimal(match[2])
    match = _COST.fullmatch(plain)
    if match is None:
        raise ValueError(text)
    amount = Decimal(match[2])
    # Costs have six places, so what is above an amount begins one step above it.
    ranges: dict[str, Range] = {
        ">": (amount + _STEP, None), ">=": (amount, None),
        "<": (None, amount - _STEP), "<=": (None, amount),
    }  # fmt: skip
    return ranges.get(match[1], (amount, amount))


def listed(text: str) -> list[str] | None:
    """The members of a list with commas; None for an empty one, ValueError for a long one."""
    members = [member.strip() for member in text.split(",") if member.strip()]
    if len(members) > LIST_MAX:
        raise ValueError(text)
    return members or None


# What is recorded


def record_of(given: Mapping[str, object], zone: str) -> CallRecord:
    """A record from its wire form; FaultyFieldError names the first field that cannot be used."""
    uniqueid = _text(given, "uniqueid", UNIQUEID_CHARS_MAX)
    start_ms = _instant(given, "start", zone)
    if not uniqueid or start_ms is None:
        raise FaultyFieldError("start" if uniqueid else "uniqueid")
    duration, billsec = _whole(given, "duration"), _whole(given, "billsec")
    ended = _disposition(given)
    if duration < billsec:
        raise FaultyFieldError("duration")
    if billsec and ended != "ANSWERED":
        raise FaultyFieldError("billsec")
    return CallRecord(
        uniqueid=uniqueid,
        sequence=_whole(given, "sequence"),
        linkedid=_text(given, "linkedid", UNIQUEID_CHARS_MAX) or uniqueid,
        start_ms=start_ms,
        answer_ms=_instant(given, "answer", zone),
        end_ms=_instant(given, "end", zone),
        duration=duration,
        billsec=billsec,
        disposition=ended,
        cc_cost=_cost(given),
        **{name: _text(given, name, TEXT_CHARS_MAX) for name in _TEXTS},
    )


def _text(given: Mapping[str, object], name: str, most: int) -> str:
    value = given.get(name)
    value = "" if value is None else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str) or len(value) > most or re.search("[\0\ud800-\udfff]", value):
        raise FaultyFieldError(name)
    return value


def _whole(given: Mapping[str, object], name: str) -> int:
    text = _text(given, name, 20) or "0"
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or int(text) > _SECONDS_MAX:
        raise FaultyFieldError(name)
    return int(text)


def _disposition(given: Mapping[str, object]) -> str:
    try:
        return disposition(_text(given, "disposition", 20))
    except FaultyFieldError:
        raise
    except ValueError:
        raise FaultyFieldError("disposition") from None


def _cost(given: Mapping[str, object]) -> Decimal:
    text = _text(given, "cc_cost", 30) or "0"
    if not re.fullmatch(_AMOUNT, text, re.ASCII):
        raise FaultyFieldError("cc_cost")
    return Decimal(text).quantize(_STEP)


def _instant(given: Mapping[str, object], name: str, zone: str) -> int | None:
    text = _text(given, name, 40)
    if not text:
        return None
    try:
        if not _INSTANT.fullmatch(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
        if moment.year not in _YEARS:
            raise ValueError(text)
    except ValueError:
        raise FaultyFieldError(name) from None
    if moment.tzinfo is None:
        return wall_clocks.instant(moment, zone)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def span(first: date, last: date, zone: str) -> tuple[int, int]:
    """The instants from the local midnight that begins `first` to that which ends `last`."""
    return _midnight(first, zone), _midnight(last + timedelta(days=1), zone)


def _midnight(at: date, zone: str) -> int:
    return wall_clocks.instant(datetime(at.year, at.month, at.day), zone)  # noqa: DTZ001
