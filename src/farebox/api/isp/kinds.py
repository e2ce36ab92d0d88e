"""What an argument may be: its form on the wire, the reason when it has another, its type.

A kind turns one JSON value or form text into what a use-case takes. It knows neither the names of
arguments nor requests.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from farebox.domain import thousandths
from farebox.domain.errors import InvalidError
from farebox.domain.instants import Moment, parse

ID_MAX: Final = 10**18 - 1
NAME_CHARS: Final = 255
NOTE_CHARS: Final = 4000
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{4,64}", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})|(\d{2})-(\d{2})-(\d{4})", re.ASCII)
_PHONE: Final = re.compile(r"\+?\d{4,15}", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f<>,;]{1,64}@[^@\s\x00-\x1f<>,;]{1,190}(?<!\.)")
_YES: Final = frozenset(("yes", "true", "on", "1"))
_NO: Final = frozenset(("no", "false", "off", "0"))


@dataclass(frozen=True)
class Kind:
    """How a value is read (ValueError: the reason), and its type in the API document."""

    read: Callable[[Any], Any]
    type: Any = str


def _text_of(value: object) -> str:
    """A JSON string or number as text; nothing else has a text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a text")
    return value.strip() if isinstance(value, str) else repr(value)


def _number_of(value: object, reason: str) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(reason)
    written = str(value).strip() if isinstance(value, str) or value < 10**18 else ""
    if not _NUMBER.fullmatch(written):
        raise ValueError(reason)
    return int(written)


def _id(value: object) -> int:
    number = _number_of(value, "must be a positive integer")
    if number < 1:
        raise ValueError("must be a positive integer")
    return number


def _account(value: object) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, _ or -")
    return value


def _token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError("must be 4 to 64 letters, digits, _ or -")
    return value


def _day(value: object) -> date:
    match = _DAY.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError(value)
        year, month, day, day2, month2, year2 = match.groups()
        found = date(int(year or year2), int(month or month2), int(day or day2))
    except ValueError:
        raise ValueError("must be a date such as 2026-11-22 or 22-11-2026") from None
    if not 1900 <= found.year <= 2999:
        raise ValueError("must lie between the years 1900 and 2999")
    return found


def _phone(value: object) -> str:
    bare = re.sub(r"[ ()-]", "", _text_of(value))
    if not _PHONE.fullmatch(bare):
        raise ValueError("must be a phone number of 4 to 15 digits")
    return bare


def _mailbox(value: object) -> str:
    if not isinstance(value, str) or not _EMAIL.fullmatch(value.strip()):
        raise ValueError("must be an e-mail address")
    return value.strip()


def _email(value: object) -> str:
    return _mailbox(value).lower()


def _money(value: object) -> int:
    return thousandths.parse(_text_of(value))


def _flag(value: object) -> bool:
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError("must be yes or no")


def _moment(value: object) -> Moment:
    try:
        return parse(str(value))
    except InvalidError as error:
        raise ValueError("must be a time such as 2026-12-24 00:00:00") from error


def text(high: int = NAME_CHARS, low: int = 1) -> Kind:
    """Text without control characters, composed, of bounded length; line ends only in notes."""
    free = "\n" if high > NAME_CHARS else ""

    def read(value: object) -> str:
        composed = unicodedata.normalize("NFC", _text_of(value).replace("\r\n", "\n"))
        if not low <= len(composed) <= high:
            raise ValueError(f"must have {low} to {high} characters")
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in free for c in composed):
            raise ValueError("must not contain control characters")
        return composed

    return Kind(read)


def whole(low: int, high: int) -> Kind:
    """A whole number of a range."""
    reason = f"must be a whole number from {low} to {high}"

    def read(value: object) -> int:
        number = _number_of(value, reason)
        if not low <= number <= high:
            raise ValueError(reason)
        return number

    return Kind(read, int)


def choice(*words: str) -> Kind:
    """One of some words, whatever their case; gives the documented spelling."""
    spelled = {word.lower(): word for word in words}

    def read(value: object) -> str:
        found = spelled.get(str(value).strip().lower()) if isinstance(value, str | int) else None
        if found is None:
            raise ValueError(f"must be one of {', '.join(words)}")
        return found

    return Kind(read)


def digits(low: int, high: int) -> Kind:
    """A text of decimal digits only."""

    def read(value: object) -> str:
        written = re.sub(r"[ -]", "", _text_of(value))
        if not re.fullmatch(rf"[0-9]{{{low},{high}}}", written):
            raise ValueError(f"must have {low} to {high} digits")
        return written

    return Kind(read)


def ids(most: int) -> Kind:
    """Ids as a list, or as a text with commas between them; each once, in their first order."""

    def read(value: object) -> list[int]:
        listed = value if isinstance(value, list) else _text_of(value).split(",")
        if not 1 <= len(listed) <= most:
            raise ValueError(f"must name 1 to {most} ids")
        try:
            return list(dict.fromkeys(_id(one) for one in listed))
        except ValueError:
            raise ValueError("must be positive integers with commas between them") from None

    return Kind(read, list[int] | str)


ID: Final = Kind(_id, int)
ACCOUNT: Final = Kind(_account)
TOKEN: Final = Kind(_token)
DAY: Final = Kind(_day)
PHONE: Final = Kind(_phone)
EMAIL: Final = Kind(_email)
# The same as it is kept.
MAILBOX: Final = Kind(_mailbox)
MONEY: Final = Kind(_money)
FLAG: Final = Kind(_flag)
# A wall clock of the subscriber or account, or an instant with its offset.
INSTANT: Final = Kind(_moment)
NAME: Final = text()
NOTE: Final = text(NOTE_CHARS)
