"""Machines named by a filter: themselves, their groups, their places (vending-platform.md 3.2).

`{"type": "location", "ids": [2]}` means every visible machine at location 2. Every id must be
visible, or nothing is done; that no machine is found is no fault.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.fields import Fields
from farebox.domain.errors import InvalidError
from farebox.resource import compile as sql
from farebox.resource.criteria import Criteria
from farebox.resource.definition import View
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
IDS_MAX: Final = 1000
KINDS: Final = {
    "machine": SQL.machine,
    "machinegroup": SQL.machinegroup,
    "location": SQL.location,
    "locationgroup": SQL.locationgroup,
}


class Filter(msgspec.Struct):
    """How a filter is written, for the document."""

    type: str
    ids: list[int]


class Selection(NamedTuple):
    """What a filter names."""

    kind: str
    ids: Sequence[int]


def read_selection(body: Fields) -> Selection:
    """The member `filter` of a body; faults are noted there."""
    given = body.nested("filter", known=("type", "ids"), required=True)
    if given is None:
        return Selection("machine", [])
    kind = given.enum("type", KINDS, required=True)
    ids = given.ids("ids", high=IDS_MAX, required=True)
    if ids is not None and not ids:
        given.wrong("ids", f"must have 1 to {IDS_MAX} members")
    return Selection(kind or "machine", ids or [])


async def selected_machines(
    made: Blueprint, connection: Connection, chosen: Selection, view: View
) -> list[int]:
    """Ids of the visible machines that are meant. Raises InvalidError (invalid_reference)."""
    text, args = sql.present(made.catalogue[chosen.kind], chosen.ids, view)
    seen = {row[0] for row in await connection.fetch(text, *args)}
    lost = [str(one) for one in chosen.ids if one not in seen]
    if lost:
        reason = f"does not exist: {', '.join(lost[:20])}"
        raise InvalidError(f"filter.ids {reason}", "invalid_reference", {"filter.ids": reason})
    machines, meant = made.catalogue["machine"], view.having(ids=list(chosen.ids))
    text, args = sql.select(machines, Criteria(), meant, limit=None, within=KINDS[chosen.kind])
    return [row["id"] for row in await connection.fetch(text, *args)]
