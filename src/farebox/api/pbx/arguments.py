"""How parameters come in: forms of two kinds or a JSON object, in the body only (pbx.md 1).

The query is not read, so that passwords stay out of logs. Unknown names are not looked at, of
repeated ones the last counts. Parameters are checked in the order in which an operation lists them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException

from farebox.api.forms import multipart, urlencoded
from farebox.api.pbx.dialect import REQUIRED, HTTPRequest, invalid

FIELDS_MAX: Final = 1000
MEDIA_TYPES: Final = (
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json",
)
_ID: Final = re.compile(r"[1-9]\d{0,18}", re.ASCII)
# What no text column can hold.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_ID_MAX: Final = 2**63 - 1
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Kind:
    """How a parameter's value is read (ValueError when it cannot be), and its documented type."""

    read: Callable[[object], Any]
    type: Any = str
    # Whether spaces alone are a value.
    keeps_spaces: bool = False
    # What is said of a value that cannot be read.
    fault: str = "Invalid Parameter {}."


@dataclass(frozen=True)
class Param:
    """A parameter as the document names it."""

    name: str
    kind: Kind
    required: bool = True
    default: Any = None

    def read(self, given: Mapping[str, object]) -> Any:
        """The value. Raises InvalidError."""
        value = given.get(self.name)
        if value is None or (
            isinstance(value, str) and not (value if self.kind.keeps_spaces else value.strip())
        ):
            if self.required:
                raise invalid(REQUIRED)
            return self.default
        try:
            return self.kind.read(value)
        except ValueError:
            raise invalid(self.kind.fault.format(self.name)) from None


def read_all(params: Sequence[Param], given: Mapping[str, object]) -> dict[str, Any]:
    """The values of all parameters."""
    return {param.name: param.read(given) for param in params}


async def read_body(request: HTTPRequest) -> dict[str, object]:
    """The parameters of the body, whatever its media type."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    media_type = kind.strip().lower() or MEDIA_TYPES[0]
    if media_type not in MEDIA_TYPES:
        raise HTTPException(status_code=415)
    body = await request.body()
    if not body:
        return {}
    try:
        given = _parsed(body, media_type, parameters)
    except UnicodeDecodeError:
        raise invalid("Invalid Encoding.") from None
    except (ValueError, RecursionError):
        raise invalid("Malformed Body.") from None
    if any(
        isinstance(one, str) and _UNSTORABLE.search(one) for pair in given.items() for one in pair
    ):
        raise invalid("Invalid Encoding.")
    return given


def _parsed(body: bytes, media_type: str, parameters: str) -> dict[str, object]:
    if media_type == MEDIA_TYPES[1]:
        return dict(multipart(body, parameters, FIELDS_MAX))
    if media_type == MEDIA_TYPES[0]:
        return dict(urlencoded(body, FIELDS_MAX))
    value = _decode(body.decode())
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


# Kinds


def scalar(value: object) -> str:
    """A text or a number as text; ValueError for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(value)
    text = value if isinstance(value, str) else repr(value)
    if _UNSTORABLE.search(text):
        raise ValueError(value)
    return text


def _id(value: object) -> int:
    text = scalar(value).strip()
    if not _ID.fullmatch(text) or int(text) > _ID_MAX:
        raise ValueError(value)
    return int(text)


def _object(value: object) -> dict[str, object]:
    found = _decode(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError(value)
    return found


def whole(least: int, most: int) -> Kind:
    """A whole number between two others."""

    def read(value: object) -> int:
        text = scalar(value).strip()
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(value)
        return int(text)

    return Kind(read)


ID: Final = Kind(_id)
# An id after which a list goes on, 0 for its beginning.
AFTER: Final = Kind(lambda value: 0 if scalar(value).strip() == "0" else _id(value))
TEXT: Final = Kind(lambda value: scalar(value).strip())
PASSWORD: Final = Kind(scalar, keeps_spaces=True)
OBJECT: Final = Kind(
    _object, str | dict[str, str | float | None], fault="Invalid JSON In Parameter {}."
)
