"""What a RADIUS server asks before it lets somebody in (isp.md 4.9).

For FreeRADIUS' module `rest`: attributes in, as texts or in that module's own objects; password and
replies out, in the form it reads. It takes 404 for an unknown name and 403 for a locked one.
"""

from collections.abc import Mapping
from typing import Any, Final

from farebox.api.isp.arguments import Argument
from farebox.api.isp.dialect import Answer, Call, bare
from farebox.api.isp.kinds import Kind, text
from farebox.api.isp.operating import operation

_TEXT: Final = text(253)


def _first(value: object) -> str:
    """An attribute's text: itself, or the first of the values of an object."""
    if isinstance(value, Mapping):
        value = value.get("value")
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(_TEXT.read(value))


async def authorize(call: Call) -> Answer:
    """Password and replies of a subscriber who may begin a session."""
    call.caller.require("secrets")
    asked = {}
    for name, value in call.given.items():
        try:
            asked[name] = _first(value)
        except ValueError:
            continue
    found = await call.services.provider.authorizing.authorize(
        call.account.id, call["User-Name"], asked
    )
    told = {"control:Cleartext-Password": _told(":=", [found.password])}
    values: dict[tuple[str, str], list[str]] = {}
    for name, sign, value in found.replies:
        values.setdefault((name, sign), []).append(value)
    told |= {f"reply:{name}": _told(sign, given) for (name, sign), given in values.items()}
    return bare(told)


def _told(sign: str, values: list[str]) -> dict[str, Any]:
    return {"op": sign, "value": values}


OPERATIONS: Final = (
    operation("AUTHORIZE", "POST", "radius/authorize", authorize,
              Argument("User-Name", Kind(_first)), scope="network",
              gives=dict[str, dict[str, str | list[str]]]),
)  # fmt: skip
