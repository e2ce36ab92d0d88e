"""Commands for devices (vending-platform.md 3.14, 4.6).

Sent to one machine by its hostname, or to all machines of a filter; a gateway fetches them. Their
history with its outcomes is at `/machine/{id}/commands`; deleting a command takes it back while it
is queued, and it stays visible as cancelled. Seeing needs `devicecommand:read`, sending and taking
back `command:write`.
"""

from typing import Any, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import rows
from farebox.api.vending.configuration import machine_named
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    message,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.fields import INT32_MAX, as_integer
from farebox.api.vending.repeats import once
from farebox.api.vending.selection import Filter, read_selection, selected_machines
from farebox.api.vending.wire_people import Message
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Field, Resource
from farebox.storage.pool import Connection, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
PARAMS_MAX: Final = 16
PARAMS_BYTES_MAX: Final = 4096


class CommandSend(msgspec.Struct):
    """Body of a command for one machine."""

    params: list[int] = []


class CommandBulk(msgspec.Struct):
    """Body of a command for many machines."""

    filter: Filter
    params: list[dict[str, Any]]


class CommandQueued(msgspec.Struct):
    """Answer with the id of the command."""

    message: str
    command: int


DEVICECOMMAND = Resource(
    name="devicecommand",
    title="Command",
    table="vending.devicecommand",
    owner=None,
    scope=tenancy.located(SQL.location_of_machine),
    fields=(
        ID,
        Field("machine", "int"),
        Field("command"),
        Field("params", "list"),
        Field("state"),
        Field("result"),
        CREATED,
        UPDATED,
        Field("deliveredAt", "instant", column="delivered_at_ms"),
        Field("finishedAt", "instant", column="finished_at_ms"),
        Field("expiresAt", "instant", column="expires_at_ms"),
    ),
)

EXPOSED = (Exposed(resource=DEVICECOMMAND, operations=operations("VEND-COMMAND", "get")),)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about commands."""
    return [*_sending(made), *_history(made)]


def _sending(made: Blueprint) -> list[HTTPRouteHandler]:
    commands = made.services.commands

    @post(
        "/command/{hostname:str}/{command:str}",
        **documented("VEND-COMMAND-SEND", CommandSend, CommandQueued),
    )
    async def send_command(
        request: Call, hostname: FromPath[str], command: FromPath[str]
    ) -> Answer:
        """Queues a command for the machine with this hostname."""
        body = Fields(await read_body(request), known=("params",))
        params = [_integer(body, one) for one in body.array("params", high=PARAMS_MAX) or []]
        _check_name(body, command)
        body.finish()
        machine = await machine_named(made, request, hostname, "command:write", hostname_only=True)

        async def run(connection: Connection) -> Answer:
            [key] = await commands.queue(connection, [machine.id], command, params)
            return reply({"message": "Command queued", "command": key})

        return await once(request, made.services, run)

    @post("/command/{command:str}", **documented("VEND-COMMAND-BULK", CommandBulk, Message))
    async def send_commands(request: Call, command: FromPath[str]) -> Answer:
        """Queues a command for every machine that a filter means."""
        body = Fields(await read_body(request), known=("filter", "params"))
        chosen = read_selection(body)
        params = _objects(body)
        _check_name(body, command)
        body.finish()
        require(principal(request), "command:write")

        async def run(connection: Connection) -> Answer:
            view = made.view(request)
            machines = await selected_machines(made, connection, chosen, view)
            await commands.queue(connection, machines, command, params)
            return message(f"Command queued for {len(machines)} machines")

        return await once(request, made.services, run)

    def _check_name(body: Fields, command: str) -> None:
        if command not in commands.names:
            body.wrong("command", "must be one of " + ", ".join(commands.names))

    return [send_command, send_commands]


def _history(made: Blueprint) -> list[HTTPRouteHandler]:
    pool = made.services.pool

    @get(
        "/machine/{parentid:str}/commands",
        **documented("VEND-COMMAND-LIST", None, rows(DEVICECOMMAND), query=CRITERIA),
    )
    async def list_commands(request: Call, parentid: FromPath[str]) -> Answer:
        """The commands of a machine."""
        machine = made.catalogue["machine"]
        key = row_id(machine, parentid)
        view = made.view(request)
        await store.read(pool, machine, key, view)
        within = "t.machine = {parent}::int"
        return await made.page(request, DEVICECOMMAND, within, view.having(parent=key))

    @delete("/devicecommand/{id:str}", **documented("VEND-COMMAND-CANCEL", None, Message))
    async def cancel_command(request: Call, id: FromPath[str]) -> Answer:
        """Takes a queued command back."""
        key = row_id(DEVICECOMMAND, id)
        await store.read(pool, DEVICECOMMAND, key, made.view(request))
        require(principal(request), "command:write")
        async with transaction(pool) as connection:
            await made.services.commands.cancel(connection, key)
        return message("Command cancelled")

    return [list_commands, cancel_command]


def _integer(body: Fields, given: object) -> int:
    number = as_integer(given)
    if number is None or not -INT32_MAX - 1 <= number <= INT32_MAX:
        body.wrong("params", "must be an array of integers")
        return 0
    return number


def _objects(body: Fields) -> list[object]:
    params = [*(body.array("params", high=PARAMS_MAX, required=True) or [])]
    if not all(isinstance(one, dict) for one in params):
        body.wrong("params", "must be an array of objects")
        return []
    try:
        text = msgspec.json.encode(params)
    except (ValueError, OverflowError):
        body.wrong("params", "must hold numbers and texts of the usual size")
        return []
    if len(text) > PARAMS_BYTES_MAX:
        body.wrong("params", f"must have at most {PARAMS_BYTES_MAX} bytes as JSON")
    elif b"\\u0000" in text:
        # PostgreSQL keeps no JSON that holds it.
        body.wrong("params", "must not contain NUL")
    return params
