"""What a field can be: how a filter's value is read, bound in SQL, and shown.

Integers are read from `5`, `5.0` or `"5"`, flags from true, 1 or "1". Showing is done by SQL, so
that a row needs no work in Python. Bodies are read by each API's own dialect.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from farebox.domain.errors import InvalidError
from farebox.domain.expiry import comparable
from farebox.domain.instants import parse, to_ms

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)


def integer(value: object) -> int:
    """Give an int64; booleans are not integers. Raises ValueError with a reason, as all here do."""
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, int | float | str) and (whole or _INTEGER.fullmatch(str(value))):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise ValueError("must be an integer")
    return value


def text(value: object) -> str:
    """Give a string that PostgreSQL can hold: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if re.search("[\0\ud800-\udfff]", value):
        raise ValueError("must not contain NUL or half characters")
    return value


def flag(value: object) -> bool:
    """Give a bool."""
    if value in (0, 1, "0", "1", "true", "false"):
        return value in (1, "1", "true")
    raise ValueError("must be true, false, 0 or 1")


def decimal(value: object) -> Decimal:
    """Give an exact decimal from a number or a plain decimal string."""
    if isinstance(value, bool) or not _DECIMAL.fullmatch(str(value)):
        raise ValueError("must be a number")
    return Decimal(str(value))


def instant(value: object) -> int:
    """Give epoch milliseconds of a whole second; without an offset the text is in UTC."""
    try:
        moment = parse(text(value))
    except InvalidError as error:
        raise ValueError(error.message) from error
    local = moment.local or datetime.combine(moment.day or date.min, time())
    return to_ms(moment.instant or local.replace(tzinfo=UTC))


@dataclass(frozen=True, eq=False)
class Kind:
    """`shown` wraps a column for the select list; `bound` is the SQL type of a filter's value."""

    name: str
    python: Any
    bound: str = ""
    # Absent: no filter and no order by such a field.
    read: Callable[[object], object] | None = None
    shown: Callable[[str], str] = lambda column: column

    @property
    def is_integer(self) -> bool:
        """Whether filters take comma lists."""
        return self.bound == "bigint" and self.read is integer

    @property
    def is_text(self) -> bool:
        """Whether contains, startsWith, endsWith and like apply."""
        return self.bound == "text"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("int", int, "bigint", integer),
        Kind("money", int, "bigint", integer),
        # An int64 that clients hold as a string: voucher ids, prices of flavours.
        Kind("bigtext", str, "bigint", integer, lambda c: f"({c})::text"),
        Kind("text", str, "text", text),
        Kind("bool01", int, "bool", flag, lambda c: f"({c})::int"),
        Kind("bool", bool, "bool", flag),
        Kind("decimal", str, "numeric", decimal, lambda c: f"trim_scale({c})::text"),
        Kind("number", float, "numeric", decimal, lambda c: f"({c})::float8"),
        Kind("expiry", str, "text", comparable),
        # Milliseconds in the table, on the wire "YYYY-MM-DDTHH:MM:SSZ", formatted by msgspec.
        Kind("instant", datetime, "bigint", instant, lambda c: f"to_timestamp(({c}) / 1000)"),
        Kind("json_text", str),
        Kind("json", dict),
        Kind("list", list),
        Kind("any", Any),
    )
}
