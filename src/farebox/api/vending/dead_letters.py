"""Records of devices that could not be stored, for operators (vending-platform.md 3.16, 4.8).

A device drops what is below its cursor, rejected records included; here is what they were and why.
Admins see those of the gateways that they see, for as long as upkeep keeps them. They are read
only: a device that sends a record anew, under another number or mended, is how it is stored after
all.
"""

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, row_id
from farebox.api.vending.bodies import rows
from farebox.api.vending.dialect import Answer, Call, principal, reply, require
from farebox.domain.errors import ForbiddenError
from farebox.resource import store
from farebox.resource.definition import ID, Association, Field, Resource
from farebox.storage.sqlfile import load

SQL = load(__file__)

DEADLETTER = Resource(
    name="deadletter",
    title="Dead letter",
    table="vending.dead_letter",
    owner=None,
    scope=tenancy.located(SQL.place),
    fields=(
        ID,
        Field("gateway", "int"),
        Field("machine", "int"),
        Field("stream", column=SQL.stream),
        Field("remote", "int"),
        Field("reason"),
        Field("record", "json_text"),
        Field("createdAt", "instant", column="created_at_ms"),
    ),
    associations=(
        Association("gateway", "machine", column="gateway"),
        Association("machine", "machine", column="machine"),
    ),
)

# Its routes are below, because only admins have them.
EXPOSED: Final = (Exposed(resource=DEADLETTER, operations={}),)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about dead letters."""
    path, listed = "/admin/deadletter", rows(DEADLETTER)

    @get(path, **documented("VEND-X-DEADLETTER-LIST", None, listed, query=CRITERIA))
    async def list_letters(request: Call) -> Answer:
        """What could not be stored."""
        _admit(request)
        return await made.page(request, DEADLETTER)

    @get(f"{path}/{{id:str}}", **documented("VEND-X-DEADLETTER-GET", None, DEADLETTER.row))
    async def get_letter(request: Call, id: FromPath[str]) -> Answer:
        """A record that could not be stored."""
        _admit(request)
        require(principal(request), "deadletter:read")
        key, view = row_id(DEADLETTER, id), made.view(request)
        return reply(await store.read(made.services.pool, DEADLETTER, key, view))

    return [list_letters, get_letter]


def _admit(request: Call) -> None:
    if not principal(request).admin:
        raise ForbiddenError("Only admins read dead letters")
