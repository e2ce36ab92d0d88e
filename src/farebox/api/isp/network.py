"""The network: changes of open sessions, statistics of the RADIUS server (isp.md E31, E36).

The answer of E31 is one word for each open session. What identifies a session may not be among the
attributes that are sent.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument, fold, is_absent
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, bare, error, message
from farebox.api.isp.kinds import ID, Kind, choice, text
from farebox.api.isp.wire import Message
from farebox.domain import attributes
from farebox.domain.errors import InvalidError
from farebox.domain.radius_packets import content_of
from farebox.engine.network import KINDS

CHANGES_MAX: Final = 20
_FORBIDDEN: Final = re.compile(
    r"(?i)(User-Name|Acct-Session-Id|NAS-.*|Framed-IP-Address|Event-Timestamp"
    r"|Message-Authenticator|Proxy-State|State|User-Password|CHAP-.*)"
)
_TEXT: Final = text(253)


class Change(msgspec.Struct):
    """An attribute and its new value."""

    attribute: str
    value: str


def _read_changes(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, list) or not 1 <= len(value) <= CHANGES_MAX:
        raise ValueError(f"must be a list of 1 to {CHANGES_MAX} attributes")
    return [_read_change(one) for one in value]


def _read_change(value: object) -> tuple[str, str]:
    given = {fold(name): one for name, one in value.items()} if isinstance(value, dict) else {}
    if is_absent(given.get("attribute")) or is_absent(given.get("value")):
        raise ValueError("must have attribute and value in every entry")
    name, content = _TEXT.read(given["attribute"]), _TEXT.read(given["value"])
    if _FORBIDDEN.fullmatch(name):
        raise ValueError(f"must not name {name}")
    found = attributes.find(name)
    if found is None:
        raise InvalidError(f"Unknown attribute {name}", "invalid_argument")
    content_of(found, content)
    return found.name, content


def _words(took: Sequence[bool]) -> list[str]:
    return ["TRUE" if one else "FALSE" for one in took]


async def coa_request(call: Call) -> Answer:
    """Changes the open sessions of a subscriber."""
    took, is_heard = await call.services.provider.network.change(
        call.account.id, call["userId"], call["vendorData"]
    )
    if any(took):
        return message(_words(took))
    if is_heard:
        return error(502, "coa_rejected", _words(took))
    return error(504, "coa_timeout", _words(took))


async def get_radius_statistics(call: Call) -> Answer:
    """What the RADIUS server has counted."""
    return bare(
        await call.services.provider.network.statistics(
            call.account.id, call["type"], call.caller.token
        )
    )


_CHANGES: Final = Kind(_read_changes, list[Change])
OPERATIONS: Final[tuple[Any, ...]] = (
    Operation(
        id="ISP-E31", method="POST", path="coa_request", scope="network", run=coa_request,
        gives=Message[list[str]], far=True,
        takes=(Argument("userId", ID), Argument("vendorData", _CHANGES)),
    ),
    Operation(
        id="ISP-E36", method="GET", path="get_radius_statistics/{type}", scope="network",
        run=get_radius_statistics, gives=list[str], far=True,
        takes=(Argument("type", choice(*KINDS)),),
    ),
)  # fmt: skip
