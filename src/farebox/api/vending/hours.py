"""Opening hours of machines (vending-platform.md 2.8, 3.7).

They are set for a machine, or for every machine that now belongs to a group or place, in place of
what those had; machines that come later are not changed. No hours at all is always open. An end
before the start lies on the next day. What the hours mean at an instant is elsewhere.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, row_id
from farebox.api.vending.bodies import rows
from farebox.api.vending.dialect import Answer, Call, message, principal, read_json, require
from farebox.api.vending.fields import Fields
from farebox.api.vending.selection import KINDS, Selection, selected_machines
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import InvalidError
from farebox.resource import store
from farebox.resource.definition import ID, Field, Resource
from farebox.storage.pool import transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
ROWS_MAX: Final = 100
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?", re.ASCII)
_MIDNIGHT: Final = ("24:00", "24:00:00")
_DAY_S: Final = 86_400


class Hours(msgspec.Struct, rename="camel"):
    """From when to when on a day of the week: 1 Monday to 7 Sunday, 0 is Sunday too."""

    day: int
    start_time: str
    end_time: str


OPENINGHOURS = Resource(
    name="openinghours",
    title="Opening hours",
    table="vending.openinghours",
    owner=None,
    scope=tenancy.located(SQL.location_of_machine),
    fields=(
        ID,
        Field("machine", "int"),
        Field("day", "int"),
        Field("startTime", column=SQL.start_time),
        Field("endTime", column=SQL.end_time),
    ),
)


EXPOSED = (Exposed(resource=OPENINGHOURS, operations={}),)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """Setting and reading hours, under each kind of row that machines belong to."""
    path = "/openinghours/{resource:str}/{id:str}"

    @get(
        path,
        **documented("VEND-OPENINGHOURS-LIST", None, rows(OPENINGHOURS), query=CRITERIA),
    )
    async def list_hours(request: Call, resource: FromPath[str], id: FromPath[str]) -> Answer:
        """The hours of every machine that the path means."""
        chosen = await _chosen(made, request, resource, id, "read")
        view = made.view(request)
        async with made.services.pool.acquire() as connection:
            machines = await selected_machines(made, connection, chosen, view)
        meant = view.having(machines=machines)
        return await made.page(request, OPENINGHOURS, "t.machine = any({machines}::int[])", meant)

    async def set_hours(request: Call, resource: FromPath[str], id: FromPath[str]) -> Answer:
        """Replaces the hours of every machine that the path means."""
        hours = _read(await read_json(request))
        chosen = await _chosen(made, request, resource, id, "write")
        async with transaction(made.services.pool) as connection:
            machines = await selected_machines(made, connection, chosen, made.view(request))
            await connection.execute(SQL.lock_machines, machines)
            await connection.execute(SQL.clear, machines)
            await connection.execute(SQL.add, machines, *_columns(hours))
        return message(f"Opening hours set for {len(machines)} machines")

    return [
        list_hours,
        put(path, **documented("VEND-OPENINGHOURS-SET", list[Hours], Message))(set_hours),
        patch(path, include_in_schema=False)(set_hours),
        post(path, status_code=200, include_in_schema=False)(set_hours),
    ]


async def _chosen(made: Blueprint, request: Call, kind: str, text: str, right: str) -> Selection:
    if kind not in KINDS:
        reason = "must be one of " + ", ".join(KINDS)
        raise InvalidError(f"resource {reason}", fields={"resource": reason})
    resource = made.catalogue[kind]
    row = await store.read(made.services.pool, resource, row_id(resource, text), made.view(request))
    require(principal(request), f"openinghours:{right}")
    return Selection(kind, [row.id])


def _read(body: object) -> list[tuple[int, int, int]]:
    """The rows of a body as ISO weekday and seconds of the day."""
    fields = Fields({"hours": body})
    hours: list[tuple[int, int, int]] = []
    each = fields.each("hours", high=ROWS_MAX, known=Hours.__struct_encode_fields__, required=True)
    for row in each or []:
        day = row.integer("day", low=0, high=7)
        start = _seconds(row, "startTime")
        end = _seconds(row, "endTime", last=True)
        if row.is_clean and start == end:
            row.wrong("endTime", "must differ from startTime")
        hours.append((day or 7, start, end))
    fields.finish()
    return hours


def _seconds(row: Fields, name: str, *, last: bool = False) -> int:
    text = row.string(name)
    if last and text in _MIDNIGHT:
        return _DAY_S
    found = _TIME.fullmatch(text)
    if found is None:
        if text:
            row.wrong(name, "must be a time of day as HH:MM:SS")
        return 0
    hour, minute, second = (int(part or 0) for part in found.groups())
    return hour * 3600 + minute * 60 + second


def _columns(hours: Sequence[tuple[int, int, int]]) -> list[list[Any]]:
    distinct = sorted(set(hours))
    return [[row[at] for row in distinct] for at in range(3)]
