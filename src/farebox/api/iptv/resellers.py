"""Resellers (iptv.md 3.12)."""

from typing import Any, Final

import msgspec

from farebox.api.iptv.blueprint import Call, Noun, Operation, Run, listed
from farebox.api.iptv.dialect import Answer, invalid, told
from farebox.api.iptv.showing import date_text, flag
from farebox.domain.errors import ForbiddenError, NotFoundError
from farebox.storage.pool import transaction


class Reseller(msgspec.Struct):
    """A reseller."""

    id: str
    name: str
    created: str
    modified: str
    max_users: str
    use_ip_ranges: str


def _shown(call: Call, row: Any) -> Reseller:
    return Reseller(
        str(row["id"]), row["name"], date_text(call, row["created_at_ms"]),
        date_text(call, row["modified_at_ms"]), str(row["max_users"]), flag(row["use_ip_ranges"]),
    )  # fmt: skip


def _values(call: Call) -> dict[str, Any]:
    """What a body names."""
    given = call.given
    values: dict[str, Any] = {}
    if "name" in given:
        values["name"] = given.text("name", 100).strip()
    if "max_users" in given:
        values["max_users"] = given.whole("max_users", 0, 1_000_000_000)
    if "use_ip_ranges" in given:
        values["use_ip_ranges"] = given.flag("use_ip_ranges")
    if values.get("name") == "":
        raise invalid("Reseller name required")
    return values


async def list_resellers(call: Call) -> Answer:
    """All resellers."""
    rows = await call.portal.resellers.read(None)
    return listed(call, [_shown(call, row) for row in rows])


async def get_resellers(call: Call) -> Answer:
    """Some of them, in the given order."""
    by_id = {str(row["id"]): row for row in await call.portal.resellers.read(call.ids)}
    if len(by_id) < len(call.ids):
        several = "One or more identifiers are incorrect"
        raise NotFoundError("Reseller not found" if len(call.ids) == 1 else several)
    return told([_shown(call, by_id[id_]) for id_ in call.ids])


async def create_reseller(call: Call) -> Answer:
    """Makes one."""
    values = _values(call)
    if "name" not in values:
        raise invalid("Reseller name required")
    async with transaction(call.services.pool) as connection:
        await call.portal.resellers.create(connection, values)
    return told(True)


async def update_reseller(call: Call) -> Answer:
    """Gives one other values."""
    values = _values(call)
    async with transaction(call.services.pool) as connection:
        await call.portal.resellers.change(connection, call.ids[0], values)
    return told(True)


async def delete_reseller(call: Call) -> Answer:
    """Removes one; its accounts stay."""
    async with transaction(call.services.pool) as connection:
        await call.portal.resellers.delete(connection, call.ids[0])
    return told(True)


def _allowed(run: Run) -> Run:
    """The operation, where the server has resellers."""

    async def checked(call: Call) -> Answer:
        if not call.portal.policy.has_resellers:
            raise ForbiddenError("Resource denied by admin")
        return await run(call)

    return checked


_TAKES: Final = {"name": str, "max_users": int | str, "use_ip_ranges": int | str}
_ONE: Final[dict[str, Any]] = {"named": True, "least": 1, "most": 1}
NOUNS: Final = (
    Noun("reseller", (
        Operation(
            id="IPTV-RESELLER-LIST", method="GET", run=_allowed(list_resellers),
            gives=list[Reseller], is_paged=True,
        ),
        Operation(
            id="IPTV-RESELLER-GET", method="GET", run=_allowed(get_resellers),
            gives=list[Reseller], named=True,
        ),
        Operation(
            id="IPTV-RESELLER-CREATE", method="POST", run=_allowed(create_reseller), takes=_TAKES
        ),
        Operation(
            id="IPTV-RESELLER-UPDATE", method="PUT", run=_allowed(update_reseller), takes=_TAKES,
            **_ONE,
        ),
        Operation(
            id="IPTV-RESELLER-DELETE", method="DELETE", run=_allowed(delete_reseller), **_ONE
        ),
    )),
)  # fmt: skip
