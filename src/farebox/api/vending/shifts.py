"""Shifts of locations (vending-platform.md 3.7, 4.9).

Beginning one answers with the whole new shift, and ends the one before it. A repeated request with
an Idempotency-Key gets the first answer and begins nothing.
"""

from litestar import post
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations
from farebox.api.vending.bodies import arguments, new
from farebox.api.vending.dialect import Answer, Call, principal, read_body, reply, require
from farebox.api.vending.repeats import once
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource
from farebox.storage.pool import Connection

SHIFT = Resource(
    name="shift",
    table="vending.shift",
    owner=None,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("location", "int", "R-", reference="location"),
        Field("firstTransaction", "int", column="first_transaction"),
        Field("lastTransaction", "int", column="last_transaction"),
        Field("previousShift", "int", column="previous_shift"),
        Field("closed", "instant", column="closed_at_ms"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("location", "location", column="location"),
        Association("previousShift", "shift", column="previous_shift"),
    ),
)

EXPOSED = (Exposed(resource=SHIFT, operations=operations("VEND-SHIFT", "list get populate")),)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The route that begins a shift."""

    @post("/shift", **documented("VEND-SHIFT-CREATE", new(SHIFT), SHIFT.row, 201))
    async def begin_shift(request: Call) -> Answer:
        """Ends the open shift of a location and begins the next."""
        location: int = arguments(SHIFT, await read_body(request), creating=True)["location"]
        require(principal(request), "shift:write")
        await _see(made, request, location)
        shifts = made.services.shifts
        async with shifts.turn(location) as ends_at:

            async def run(connection: Connection) -> Answer:
                key = await shifts.begin(location, ends_at)
                return reply(await store.read(connection, SHIFT, key, made.view(request)), 201)

            return await once(request, made.services, run)

    return [begin_shift]


async def _see(made: Blueprint, request: Call, location: int) -> None:
    """Refuse a location that the caller does not see, before anybody has to wait for it."""
    try:
        view = made.view(request)
        await store.read(made.services.pool, made.catalogue["location"], location, view)
    except NotFoundError:
        reason = f"does not exist: {location}"
        raise InvalidError(
            f"location {reason}", "invalid_reference", {"location": reason}
        ) from None
