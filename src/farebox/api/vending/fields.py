"""Reads the arguments of one request and collects everything that is wrong with them.

A reader returns a harmless value of the promised type when its argument is wrong, so that a handler
reads all of them in a row and calls `finish` once; that raises one InvalidError naming every field.
Leniency follows vending-platform.md 1.5 and vending-commerce.md 1.3. Knows nothing about rows.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from farebox.domain.errors import InvalidError

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1

_DECIMAL = re.compile(r"-?[0-9]{1,18}\Z", re.ASCII)
# C0 controls, DEL, and halves of surrogate pairs, which no text column can hold.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_UNPRINTABLE_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# The order in which the document checks; the code of an answer is that of the first kind met.
_RANKS: Final = {"unknown_field": 0, "missing_parameters": 1}
_MISSING: Final = object()


class _Report:
    """The reasons collected so far, shared by a body and everything nested in it."""

    __slots__ = ("code", "fields", "rank")

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.code = "invalid_parameter"
        self.rank = 9

    def add(self, name: str, reason: str, code: str) -> None:
        self.fields.setdefault(name, reason)
        rank = _RANKS.get(code, 2)
        if rank < self.rank:
            self.rank, self.code = rank, code


class Fields:
    """The members of one JSON object (or query), read by name and expectation."""

    def __init__(
        self,
        body: Mapping[str, object],
        *,
        known: Collection[str] | None = None,
        ignored: Collection[str] = (),
        prefix: str = "",
        report: _Report | None = None,
    ) -> None:
        """`known` makes any other member an error, except the read-only ones in `ignored`."""
        self._body = body
        self._prefix = prefix
        self._report = report or _Report()
        if known is not None:
            for name in body:
                if name not in known and name not in ignored:
                    self.wrong(name, "is unknown", "unknown_field")

    def has(self, name: str) -> bool:
        """Whether the member is there at all, null included."""
        return name in self._body

    def given(self, name: str) -> object:
        """The member as it was sent; None when it is absent."""
        return self._body.get(name)

    def is_null(self, name: str) -> bool:
        """Whether the member is there and null."""
        return name in self._body and self._body[name] is None

    def wrong(self, name: str, reason: str, code: str = "invalid_parameter") -> None:
        """Reports a reason of the caller's own, under the documented code if there is one."""
        self._report.add(self._prefix + name, reason, code)

    @property
    def is_clean(self) -> bool:
        """Whether nothing has been reported yet."""
        return not self._report.fields

    def finish(self) -> None:
        """Raises what has been collected, if anything."""
        fields = self._report.fields
        if fields:
            name, reason = next(iter(fields.items()))
            more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
            raise InvalidError(f"{name} {reason}{more}", self._report.code, fields)

    def _take(self, name: str, required: bool) -> object:
        value = self._body.get(name)
        if value is None:
            if required:
                self.wrong(name, "is required", "missing_parameters")
            return _MISSING
        return value

    def integer(
        self, name: str, *, low: int = -INT64_MAX - 1, high: int = INT64_MAX, required: bool = True
    ) -> int:
        """A whole number; 0 when it is wrong or absent (see `optional_integer` for absence)."""
        value = self.optional_integer(name, low=low, high=high, required=required)
        return 0 if value is None else value

    def optional_integer(
        self, name: str, *, low: int = -INT64_MAX - 1, high: int = INT64_MAX, required: bool = False
    ) -> int | None:
        """A whole number, an integral float or decimal text; None when absent or null."""
        value = self._take(name, required)
        if value is _MISSING:
            return None
        number = as_integer(value)
        if number is None:
            self.wrong(name, "must be an integer")
        elif not low <= number <= high:
            self.wrong(name, _range(low, high))
        else:
            return number
        return None

    def number(self, name: str, *, low: float, high: float, required: bool = False) -> float | None:
        """A JSON number (decimal text is accepted too) between two bounds."""
        value = self._take(name, required)
        if value is _MISSING:
            return None
        number = _as_number(value)
        if number is None:
            self.wrong(name, "must be a number")
        elif not low <= number <= high:
            self.wrong(name, f"must be between {low:g} and {high:g}")
        else:
            return number
        return None

    def string(
        self,
        name: str,
        *,
        low: int = 1,
        high: int = 255,
        pattern: re.Pattern[str] | None = None,
        trim: bool = True,
        lines: bool = False,
        lenient: bool = False,
    ) -> str:
        """A required text; "" when it is wrong."""
        text = self._text(name, low, high, pattern, trim, lines, lenient, required=True)
        return text or ""

    def optional_string(
        self,
        name: str,
        *,
        low: int = 1,
        high: int = 255,
        pattern: re.Pattern[str] | None = None,
        trim: bool = True,
        lines: bool = False,
        lenient: bool = False,
    ) -> str | None:
        """A text; None when it is absent, null or empty."""
        return self._text(name, low, high, pattern, trim, lines, lenient, required=False)

    def _text(
        self,
        name: str,
        low: int,
        high: int,
        pattern: re.Pattern[str] | None,
        trim: bool,
        lines: bool,
        lenient: bool,
        *,
        required: bool,
    ) -> str | None:
        value = self._take(name, required)
        if value is _MISSING:
            return None
        if lenient and type(value) is int and abs(value) <= INT64_MAX:
            value = str(value)
        if not isinstance(value, str):
            self.wrong(name, "must be a string")
            return None
        text = value.strip() if trim else value
        if not text:
            if required:
                self.wrong(name, "is required", "missing_parameters")
        elif (_UNPRINTABLE_IN_LINES if lines else _UNPRINTABLE).search(text):
            self.wrong(name, "must not contain control characters")
        elif not low <= len(text) <= high:
            self.wrong(name, f"must have {low} to {high} characters")
        elif pattern is not None and not pattern.fullmatch(text):
            self.wrong(name, "has the wrong form")
        else:
            return text
        return None

    def boolean(self, name: str, *, required: bool = False) -> bool | None:
        """true, false, 0 or 1 (as text too, which is how forms and queries say it)."""
        value = self._take(name, required)
        if value is _MISSING:
            return None
        if isinstance(value, bool):
            return value
        if type(value) in (int, str) and str(value) in _FLAGS:
            return _FLAGS[str(value)]
        self.wrong(name, "must be true or false")
        return None

    def enum(self, name: str, values: Collection[str], *, required: bool = False) -> str | None:
        """One of a closed set of texts."""
        value = self._take(name, required)
        if value is _MISSING:
            return None
        if isinstance(value, str) and value in values:
            return value
        self.wrong(name, "must be one of " + ", ".join(values))
        return None

    def array(
        self, name: str, *, low: int = 0, high: int = 10_000, required: bool = False
    ) -> Sequence[object] | None:
        """A JSON array whose members the caller reads."""
        value = self._take(name, required)
        if value is _MISSING:
            return None
        if not isinstance(value, list):
            self.wrong(name, "must be an array")
        elif not low <= len(value) <= high:
            self.wrong(name, f"must have {low} to {high} members")
        else:
            return value
        return None

    def ids(self, name: str, *, high: int = 10_000, required: bool = False) -> list[int] | None:
        """An array of row ids; duplicates collapse, the order is kept."""
        items = self.array(name, high=high, required=required)
        if items is None:
            return None
        ids: dict[int, None] = {}
        for item in items:
            number = as_integer(item)
            if number is None or not 1 <= number <= INT32_MAX:
                self.wrong(name, "must be an array of ids")
                return None
            ids[number] = None
        return [*ids]

    def members(self, name: str, *, required: bool = False) -> dict[str, object] | None:
        """A JSON object with any members."""
        value = self._take(name, required)
        if isinstance(value, dict):
            return value
        if value is not _MISSING:
            self.wrong(name, "must be an object")
        return None

    def nested(
        self, name: str, *, known: Collection[str] | None = None, required: bool = False
    ) -> "Fields | None":
        """A nested object, whose errors are reported under dotted names."""
        value = self._take(name, required)
        if value is _MISSING:
            return None
        if not isinstance(value, dict):
            self.wrong(name, "must be an object")
            return None
        return self._inner(value, f"{name}.", known)

    def each(
        self,
        name: str,
        *,
        low: int = 0,
        high: int = 10_000,
        known: Collection[str] | None = None,
        required: bool = False,
    ) -> "list[Fields] | None":
        """An array of objects, whose errors are reported as name[0].member."""
        items = self.array(name, low=low, high=high, required=required)
        if items is None:
            return None
        nested = []
        for index, item in enumerate(items):
            if isinstance(item, dict):
                nested.append(self._inner(item, f"{name}[{index}].", known))
            else:
                self.wrong(f"{name}[{index}]", "must be an object")
        return nested

    def _inner(
        self, body: Mapping[str, object], prefix: str, known: Collection[str] | None
    ) -> "Fields":
        return Fields(body, known=known, prefix=self._prefix + prefix, report=self._report)


_FLAGS: Final[Mapping[str, bool]] = {"0": False, "1": True, "true": True, "false": False}


def as_integer(value: object) -> int | None:
    """The integer that a lenient client meant, or None; booleans are not integers."""
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value.is_integer() else None
    if type(value) is str and _DECIMAL.match(value.strip()):
        # int() strips less than strip() does.
        return int(value.strip())
    return None


def _as_number(value: object) -> float | None:
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) is int or type(value) is float:
        # An integer beyond any float is out of every range anyway.
        number = float(value) if abs(value) < 1e300 else math.inf
        return None if math.isnan(number) else number
    return None


def _range(low: int, high: int) -> str:
    if high == INT64_MAX:
        return f"must be >= {low}"
    if low == -INT64_MAX - 1:
        return f"must be <= {high}"
    return f"must be between {low} and {high}"
