"""What a session is told when its speed or attributes change, in its device's words (isp.md 4.7).

Speeds are one string for a device of mikrotik, two numbers of bits a second for any other; a number
that is too large for the attribute is the largest one. Of a subscriber's own attributes those are
sent that are replies and that the dictionary has.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from farebox.domain import attributes
from farebox.domain.radius_packets import Content, content_of
from farebox.engine.metering import rate_limit

_SENT: Final = ("=", ":=", "+=")
_INTEGER_MAX: Final = (1 << 32) - 1


def speed(template: Mapping[str, Any], vendor: str | None) -> list[Content]:
    """A bandwidth template."""
    return _contents(speed_words(template, vendor))


def speed_words(template: Mapping[str, Any], vendor: str | None) -> list[tuple[str, str]]:
    """The same as names and texts."""
    if vendor == "mikrotik":
        return [("Mikrotik-Rate-Limit", rate_limit(template))]
    return [
        (f"WISPr-Bandwidth-Max-{way.title()}",
         str(min(template[f"{way}_kbps"] * 1000, _INTEGER_MAX)))
        for way in ("up", "down")
    ]  # fmt: skip


def replies(given: Sequence[Mapping[str, str]]) -> list[Content]:
    """A set of attributes of an override."""
    return _contents([
        (one["attribute"], one["value"])
        for one in given
        if one["type"] == "reply" and one["equals"] in _SENT
    ])  # fmt: skip


def _contents(told: Sequence[tuple[str, str]]) -> list[Content]:
    known = [(attributes.find(name), value) for name, value in told]
    return [content_of(attribute, value) for attribute, value in known if attribute is not None]
