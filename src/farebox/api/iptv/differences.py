"""What an import tells: what each row makes or changes, or which row is wrong (iptv.md 3.14)."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from farebox.api.iptv.dialect import invalid
from farebox.domain.errors import DomainError, InvalidError

DIFFERENCES_MAX: Final = 1000
Rows = list[dict[str, Any]]


class Difference(msgspec.Struct):
    """A row that makes or changes a record: by which name, and each field's old and new value."""

    index: int
    change: str
    key: str
    fields: dict[str, Any]


class Brought(msgspec.Struct, omit_defaults=True):
    """What became of the rows of a kind, with the differences in a dry run."""

    created: int
    updated: int
    unchanged: int
    differences: list[Difference] = []


def brought(rows: int, found: Sequence[Difference], is_dry: bool) -> Brought:
    """What became of so many rows; in a dry run the first of its differences too."""
    created = sum(one.change == "created" for one in found)
    shown = list(found[:DIFFERENCES_MAX]) if is_dry else []
    return Brought(created, len(found) - created, rows - len(found), shown)


def wrong(kind: str, index: int, error: DomainError, field: str) -> InvalidError:
    """The refusal of a row, with its index and field."""
    named = next(iter(error.fields), "") or _named_in(error.message) or field
    return invalid(f"Not valid {kind}[{index}].{named}: {error.message}")


def _named_in(message: str) -> str:
    """The field that a refusal in the document's words names."""
    found = re.fullmatch(r"(?:Not valid|Not valid date:|Value too long:) ([a-z_]+)", message)
    return found[1] if found else ""
