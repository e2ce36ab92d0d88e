"""How parameters come in: identifiers in the path, forms with arrays or a JSON object (iptv.md 1).

The query of a change is not read. Unknown names are not looked at. A repeated scalar counts as its
last value; the elements of a list keep their order.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException

from farebox.api.forms import urlencoded
from farebox.api.iptv.dialect import HTTPRequest, invalid
from farebox.domain import wall_clocks

FIELDS_MAX: Final = 10_000
IDENTIFIERS_MAX: Final = 500
FORM: Final = "application/x-www-form-urlencoded"
MEDIA_TYPES: Final = (FORM, "application/json")
_NAME: Final = re.compile(r"([^\[\]]*)(?:\[(\d{0,4})\])?", re.ASCII)
# What no text column can hold.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", re.ASCII)
_decode = msgspec.json.Decoder().decode

Value = str | list[str]


def identifiers_of(segment: str) -> tuple[str, ...]:
    """What a path names, without blanks and repeats. Raises InvalidError."""
    named = (part.strip() for part in storable(segment).split(","))
    found = tuple(dict.fromkeys(part for part in named if part))
    if len(found) > IDENTIFIERS_MAX:
        raise invalid("Too many identifiers")
    return found


def storable(segment: str) -> str:
    """A part of a path that is a name. Raises InvalidError."""
    if _UNSTORABLE.search(segment) or "�" in segment:
        raise invalid("Invalid encoding")
    return segment


async def read_body(request: HTTPRequest) -> dict[str, Value]:
    """The parameters of the body, whatever its media type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    media_type = FORM if kind in ("", "text/plain") else kind
    if media_type not in MEDIA_TYPES:
        raise HTTPException(status_code=415)
    body = await request.body()
    if not body:
        return {}
    if media_type == FORM and body.count(b"&") >= FIELDS_MAX:
        raise invalid("Too many fields")
    try:
        given = _listed(urlencoded(body, FIELDS_MAX)) if media_type == FORM else _json(body)
    except UnicodeDecodeError:
        raise invalid("Invalid encoding") from None
    except (ValueError, RecursionError):
        raise invalid("Malformed body") from None
    for name, value in given.items():
        if any(_UNSTORABLE.search(text) for text in (name, *_texts(value))):
            raise invalid("Invalid encoding")
    return given


async def read_object(request: HTTPRequest, *, texts: bool = False) -> dict[str, Any]:
    """The members of a JSON object, as `texts` where asked for. Operator routes take no forms."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/json"):
        raise HTTPException(status_code=415)
    try:
        body = (await request.body()).decode()
        given = _decode(body) if body else {}
        is_bad = _unstorable(given)
    except UnicodeDecodeError:
        raise invalid("Invalid encoding") from None
    except (ValueError, RecursionError):
        raise invalid("Malformed body") from None
    if is_bad:
        raise invalid("Invalid encoding")
    if not isinstance(given, dict):
        raise invalid("Malformed body")
    if not given:
        raise invalid(f"HTTP {request.method} data is empty")
    if texts and not all(isinstance(value, str) for value in given.values()):
        raise invalid("Malformed body")
    return given


def _unstorable(value: object) -> bool:
    """Whether something in a value of any depth cannot be kept."""
    if isinstance(value, dict):
        return any(_unstorable(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(_unstorable(one) for one in value)
    return isinstance(value, str) and _UNSTORABLE.search(value) is not None


def _listed(pairs: Iterable[tuple[str, str]]) -> dict[str, Value]:
    """Pairs whose names may end in `[]` or `[7]`."""
    given: dict[str, Value] = {}
    places: dict[str, list[tuple[int, int, str]]] = {}
    for order, (key, value) in enumerate(pairs):
        match = _NAME.fullmatch(key)
        if match is None:
            raise ValueError(key)
        name, place = match.groups()
        if place is None:
            given[name] = value
            places.pop(name, None)
        else:
            # Elements without a place follow those before them.
            spots = places.setdefault(name, [])
            following = max((spot for spot, _, _ in spots), default=-1) + 1
            spots.append((int(place) if place else following, order, value))
            given[name] = []
    for name, spots in places.items():
        given[name] = [value for _, _, value in sorted(spots)]
    return given


def _json(body: bytes) -> dict[str, Value]:
    value = _decode(body.decode())
    if not isinstance(value, dict):
        raise ValueError("no object")
    return {
        name: [scalar(one) for one in inner] if isinstance(inner, list) else scalar(inner)
        for name, inner in value.items()
    }


def scalar(value: object) -> str:
    """A value of JSON as a form would have it. Raises ValueError."""
    if isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, str | int | float):
        raise ValueError(value)
    return value if isinstance(value, str) else repr(value)


def _texts(value: Value) -> list[str]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Given:
    """The parameters of a call, read one by one. Every reader raises InvalidError."""

    values: Mapping[str, Value]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, most: int, *, may_control: bool = True) -> str:
        """A text; empty where there is none."""
        value = self.values.get(name, "")
        if isinstance(value, list) or (not may_control and _CONTROL.search(value)):
            raise invalid(f"Not valid {name}")
        if _UNSTORABLE.search(value):
            raise invalid("Invalid encoding")
        if len(value) > most:
            raise invalid(f"Value too long: {name}")
        return value

    def name(self, name: str, forbidden: str) -> str:
        """A text by which something is found again."""
        value = self.text(name, 64, may_control=False).strip()
        if any(sign in value for sign in forbidden):
            raise invalid(f"Not valid {name}")
        return value

    def flag(self, name: str) -> bool:
        """0 or 1."""
        value = self.values.get(name)
        if value not in ("0", "1"):
            raise invalid(f"Not valid {name}")
        return value == "1"

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number between two others."""
        value = self.values.get(name, "")
        if isinstance(value, list) or not re.fullmatch(r"\d{1,18}", value, re.ASCII):
            raise invalid(f"Not valid {name}")
        if not least <= int(value) <= most:
            raise invalid(f"Not valid {name}")
        return int(value)

    def strings(self, name: str) -> list[str]:
        """A list without repeats; a scalar is a list of one."""
        return list(dict.fromkeys(_texts(self.values.get(name, []))))

    def filled(self, name: str) -> tuple[str, ...]:
        """The same without blanks."""
        return tuple(dict.fromkeys(one.strip() for one in self.strings(name) if one.strip()))

    def instant(self, name: str, time_zone: str) -> int | None:
        """A wall clock as epoch milliseconds; nothing for nothing."""
        value = self.values.get(name, "")
        if value in ("", "0"):
            return None
        try:
            if isinstance(value, list) or not _DATE.fullmatch(value):
                raise ValueError(value)
            wall = datetime.fromisoformat(value)
            if not 1970 <= wall.year <= 9998:
                raise ValueError(value)
        except ValueError:
            raise invalid(f"Not valid date: {name}") from None
        return wall_clocks.instant(wall, time_zone)


def read_query(request: HTTPRequest) -> tuple[int | None, int]:
    """`limit` and `offset` of a list; without a limit the list is whole."""
    query = Given(dict(request.query_params.items()))
    limit = query.whole("limit", 1, 1000) if "limit" in query else None
    return limit, query.whole("offset", 0, 2_000_000_000) if "offset" in query else 0


def shape(name: str, takes: Mapping[str, Any]) -> Any:
    """The type of a body with these members, none of which has to be there."""
    fields = [(key, kind | msgspec.UnsetType, msgspec.UNSET) for key, kind in takes.items()]
    return msgspec.defstruct(name, fields, kw_only=True, module=__name__)
