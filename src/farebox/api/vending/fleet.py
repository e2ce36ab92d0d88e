"""Machines and the currencies they are paid in (vending-platform.md 2.3, 3.3).

A machine belongs to whoever sees its location. Its hostname is the device's identity and never
changes. A machine made from a source takes over what the request leaves out, and what it sells,
its hours and its configuration; of its source's groups those that the caller may change.
"""

from dataclasses import replace
from typing import Any, Final

import msgspec
from litestar import get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created, arguments, new, rows, shape
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    created,
    message,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.fields import INT32_MAX
from farebox.api.vending.repeats import once
from farebox.api.vending.sites import LOCATION
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ForbiddenError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import (
    CREATED,
    ID,
    UPDATED,
    Association,
    Field,
    Resource,
    View,
    Write,
)
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
DEBTOR_MAX: Final = 2**53 - 1
_GROUPS: Final = ("vending.machinegroup_machine", "machine", "machinegroup")
_OBSERVERS: Final = ("vending.alertobserver_machine", "machine", "alertobserver")


async def _prepare_machine(write: Write) -> None:
    """What a copy does not say for itself it takes over from its source."""
    source = write.view.parameters.get("source")
    if source is None or write.current is not None:
        return
    said = {MACHINE.by_name[name].stored for name in write.values if name in MACHINE.by_name}
    taken = await write.connection.fetchrow(SQL.copied, source)
    write.columns |= {name: value for name, value in taken.items() if name not in said}


async def _prepare_gateway(write: Write) -> None:
    """A gateway reports for itself, and what reports through it is nobody's gateway."""
    gateway = write.values.get("gateway")
    if gateway is None:
        return
    # One change at a time, so that two machines cannot become each other's gateway.
    await write.connection.execute(SQL.lock_gateways)
    reason = await write.connection.fetchval(SQL.unfit, write.current.id, gateway)
    if reason is not None:
        raise InvalidError(f"gateway {reason}", fields={"gateway": reason})


CURRENCY = Resource(
    name="currency",
    table="vending.currency",
    scope=tenancy.everyone(),
    owner=None,
    fields=(ID, Field("code"), Field("exponent", "int")),
)

_PROFILE: Final = Field(
    "transactionProfile",
    "int",
    "OO",
    column="transaction_profile",
    reference="transactionprofile",
)

_INDEXED: Final = (
    "id name hostname gateway location machineModel machineType manufacturer transactionProfile"
)

MACHINE = Resource(
    name="machine",
    table="vending.machine",
    owner=None,
    scope=tenancy.gathered("t.location", _INDEXED),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("hostname", write="R=", pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
        Field("gateway", "int"),
        Field("location", "int", "RO", reference="location"),
        Field("machineModel", "int", "RO", column="machine_model", reference="machinemodel"),
        Field("machineType", "int", "RO", column="machine_type", reference="machinetype"),
        Field("manufacturer", "int", "RO", reference="manufacturer"),
        Field("lastRevenuetransaction", "int", column="last_revenuetransaction"),
        Field("lastLog", "int", column="last_log"),
        Field("lastIotevent", "int", column="last_iotevent"),
        Field("tag", write="OO"),
        Field("notes", write="OO", high=4000),
        Field("virtualPrices", "bool01", "OO", column="virtual_prices", default=False),
        Field("active", "bool01", "OO", default=True),
        Field("currency", "int", "RO", reference="currency"),
        Field("debtor", "int", "OO", high=DEBTOR_MAX),
        Field("logSynced", "int", column="log_synced"),
        Field("revenuetransactionSynced", "int", column="revenuetransaction_synced"),
        Field("ioteventSynced", "int", column="iotevent_synced"),
        Field("ruleSet", column="rule_set"),
        CREATED,
        UPDATED,
        Field("lastSoldId", "int", column="last_sold_id"),
        Field("isManagedAssortment", "bool01", column="is_managed_assortment"),
        Field("configState", column="config_state"),
        _PROFILE,
        Field("hasSubscription", "bool01", column="has_subscription"),
    ),
    associations=(
        Association("location", "location", column="location"),
        Association("machineModel", "machinemodel", column="machine_model"),
        Association("machineType", "machinetype", column="machine_type"),
        Association("manufacturer", "manufacturer", column="manufacturer"),
        Association("machineGroups", "machinegroup", through=_GROUPS, writable=True),
        Association("alertObservers", "alertobserver", through=_OBSERVERS),
    ),
    unique={"machine_hostname_once": "hostname"},
    referrers=(
        ("machine", "vending.machine", "gateway"),
        ("revenuetransaction", SQL.has_sold, "machine"),
        ("log", SQL.has_logged, "machine"),
    ),
    notify=("farebox_places",),
    prepare=_prepare_machine,
)

EXPOSED = (
    Exposed(resource=CURRENCY, operations=operations("VEND-CURRENCY", "list get")),
    Exposed(
        resource=MACHINE,
        operations=operations("VEND-MACHINE", "list get update delete populate add remove"),
    ),
)


# A machine made from a source says its name and its hostname, and of the rest what it likes.
_COPY: Final = replace(
    MACHINE,
    fields=tuple(
        one
        if one.name in ("name", "hostname")
        else replace(one, write=one.write.replace("R", "O"), default=None)
        for one in MACHINE.fields
    ),
)


# What only an operator settles.
_SETTLED: Final = {"gateway": "-O", "ruleSet": "OO", "hasSubscription": "RO"}


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about machines that are no plain resource."""
    return [*_plain_routes(made), *_operator_routes(made)]


def _operator_routes(made: Blueprint) -> list[HTTPRouteHandler]:
    settled = replace(
        MACHINE,
        fields=tuple(
            replace(
                one,
                write=_SETTLED.get(one.name, "--"),
                reference="machine" if one.name == "gateway" else None,
            )
            for one in MACHINE.fields
        ),
        associations=(),
        prepare=_prepare_gateway,
    )

    @patch(
        "/admin/machine/{id:str}",
        **documented("VEND-X-MACHINE-PROVISION", shape(settled), Message),
    )
    async def provision(request: Call, id: FromPath[str]) -> Answer:
        """Settles a machine's gateway, rule set and subscription; administrators only."""
        values = arguments(settled, await read_body(request), creating=False)
        if not principal(request).admin:
            raise ForbiddenError("This is for administrators")
        await made.change(request, settled, row_id(MACHINE, id), values)
        return message("Machine updated")

    return [provision]


def _plain_routes(made: Blueprint) -> list[HTTPRouteHandler]:

    @post(
        "/machine",
        **documented("VEND-MACHINE-CREATE", new(MACHINE), Created, 201, query={"source": int}),
    )
    async def create_machine(request: Call) -> Answer:
        """Adds a machine, with `?source=` as a copy of another."""
        body = await read_body(request)
        query = Fields(request.query_params, known=("source",))
        source = query.optional_integer("source", low=1, high=INT32_MAX)
        query.finish()
        values = arguments(MACHINE if source is None else _COPY, body, creating=True)
        require(principal(request), "machine:write")

        async def run(connection: Connection) -> Answer:
            view = made.view(request)
            if source is None:
                return created(
                    await store.insert(connection, MACHINE, values, view, made.catalogue)
                )
            return created(await _copy(connection, source, values, view, made.catalogue))

        return await once(request, made.services, run)

    @get(
        "/machine/gateways",
        **documented("VEND-MACHINE-GATEWAYS", None, rows(MACHINE), query=CRITERIA),
    )
    async def gateways(request: Call) -> Answer:
        """The machines that talk to the server themselves."""
        return await made.page(request, MACHINE, "t.gateway is null")

    @get("/machine/bylocation", **documented("VEND-MACHINE-BYLOCATION", None, list[AtLocation]))
    async def by_location(request: Call) -> Answer:
        """Every visible location that has machines, each with its machines."""
        for resource in (MACHINE, LOCATION):
            require(principal(request), f"{resource.name}:read")
        view, cap = made.view(request), made.services.options.list_hard_cap
        async with made.services.pool.acquire() as connection:
            machines, places = [
                await store.list_rows(
                    connection, one, Criteria(), view, within=within, hard_cap=cap
                )
                for one, within in ((MACHINE, "true"), (LOCATION, SQL.has_machines))
            ]
        at: dict[int, list[Any]] = {}
        for machine in machines.rows:
            at.setdefault(machine.location, []).append(machine)
        headers = {"X-Truncated": "1"} if machines.truncated or places.truncated else None
        return reply([_place(one, at[one.id]) for one in places.rows if one.id in at], 200, headers)

    return [create_machine, gateways, by_location]


async def _copy(
    connection: Connection, source: int, values: dict[str, Any], view: View, catalogue: Any
) -> int:
    try:
        await store.read(connection, MACHINE, source, view)
    except NotFoundError:
        reason = "source does not exist"
        raise InvalidError(reason, "invalid_reference", {"source": reason}) from None
    # Null is as good as absent where the machine must have a value.
    optional = {one.name for one in MACHINE.fields if one.write[0] == "O" and one.default is None}
    values = {name: one for name, one in values.items() if one is not None or name in optional}
    key = await store.insert(connection, MACHINE, values, view.having(source=source), catalogue)
    groups = [] if "machineGroups" in values else sorted(view.caller.groups)
    await connection.execute(SQL.copy_belongings, source, key, groups, view.now_ms)
    return key


_PLACE: Final = (
    "name", "address", "postcode", "city", "country", "activeShift", "latitude", "longitude",
    "placeId", "timeZone", "id",
)  # fmt: skip
AtLocation: Any = msgspec.defstruct(
    "AtLocation",
    [
        *((name, LOCATION.by_name[name].kind.python | None) for name in _PLACE),
        ("machines", rows(MACHINE)),
    ],
    module=__name__,
)


def _place(location: Any, machines: list[Any]) -> Any:
    return AtLocation(*(getattr(location, name) for name in _PLACE), machines)
