"""Configuration of machines and of their gateway software (vending-platform.md 2.8, 3.2, 3.5).

A device fetches both halves, the machine's settings and the gateway's opaque text ("houdini"), as
one version. A changed half raises it and puts the machine's configState to `scheduled`; the same
again changes nothing, except in bulk, which schedules every machine it means. The key of a wireless
network is stored sealed and shown to callers who may write machines; whoever sends back its mask
leaves it as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.dialect import (
    Answer,
    Call,
    message,
    path_id,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.fields import INT32_MAX, Fields
from farebox.api.vending.fleet import MACHINE
from farebox.api.vending.selection import Filter, read_selection, selected_machines
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine.network_keys import MASK, NetworkKeys
from farebox.resource import store
from farebox.resource.definition import View
from farebox.storage.pool import Connection, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
CONFIG_MAX: Final = 65_536
# The sections of a bulk change and their members; what a given section leaves out is cleared.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "config": ("config",),
    "wlan": ("mode", "ssid", "encryption", "encryptionKey"),
    "apn": ("apn",),
    "sharing": ("sharing",),
}
MEMBERS: Final = tuple(member for section in SECTIONS.values() for member in section)


class MachineConfig(msgspec.Struct, rename="camel"):
    """What a machine is configured to; all null until somebody says so."""

    name: str
    apn: str | None = None
    config: str | None = None
    sharing: str | None = None
    mode: str | None = None
    encryption: str | None = None
    encryption_key: str | None = None
    ssid: str | None = None


# New settings of a machine; what is left out stays.
ConfigChange: Any = msgspec.defstruct(
    "ConfigChange",
    [
        ("machine", int, msgspec.UNSET),
        *((name, str | None, msgspec.UNSET) for name in MEMBERS),
    ],
    kw_only=True,
    module=__name__,
)


class BulkChange(msgspec.Struct):
    """Sections of settings for the machines that a filter means."""

    filter: Filter
    configuration: dict[str, dict[str, str | None]]


class HoudiniConfig(msgspec.Struct):
    """The configuration of the gateway software."""

    config: str


def shown(keys: NetworkKeys, stored: str | None, view: View) -> str | None:
    """The key of a network, or its mask for those who may not write machines."""
    permissions = getattr(view.caller, "permissions", None)
    is_known = permissions is None or "machine:write" in permissions
    return keys.shown(stored, is_known=is_known)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about configuration that are no plain resource."""
    return [*_machine_routes(made), *_houdini_routes(made)]


def _machine_routes(made: Blueprint) -> list[HTTPRouteHandler]:
    path = "/machineconfig/{machine:str}"

    @get(path, **documented("VEND-MACHINECONFIG-GET", None, MachineConfig))
    async def read_config(request: Call, machine: FromPath[str]) -> Answer:
        """What a machine, named by its hostname or id, is configured to."""
        found = await machine_named(made, request, machine, "machineconfig:read")
        record = await made.services.pool.fetchrow(SQL.config_of, found.id)
        config = MachineConfig(found.name, **dict(record or {}))
        keys, view = made.services.network_keys, made.view(request)
        config.encryption_key = shown(keys, config.encryption_key, view)
        return reply(config)

    async def update_config(request: Call, machine: FromPath[str]) -> Answer:
        """Changes the settings of one machine."""
        body = await read_body(request)
        fields = Fields(body, known=(*MEMBERS, "machine"), ignored=("name",))
        if not body:
            raise InvalidError("There is nothing to change", "missing_parameters")
        changes = {name: _text(fields, name) for name in MEMBERS if fields.has(name)}
        same = fields.optional_integer("machine", low=1, high=INT32_MAX)
        fields.finish()
        found = await machine_named(made, request, machine, "machineconfig:write")
        if same not in (None, found.id):
            reason = "must be the machine of the path"
            raise InvalidError(f"machine {reason}", fields={"machine": reason})
        async with transaction(made.services.pool) as connection:
            await _configure(made, connection, [found.id], changes)
        return message("Machine configuration updated")

    async def update_many(request: Call) -> Answer:
        """Changes sections of the settings of many machines, and schedules all of them."""
        fields = Fields(await read_body(request), known=("filter", "configuration"))
        chosen, changes = read_selection(fields), _read_sections(fields)
        fields.finish()
        require(principal(request), "machineconfig:write")
        async with transaction(made.services.pool) as connection:
            ids = await selected_machines(made, connection, chosen, made.view(request))
            await _configure(made, connection, ids, changes, everywhere=True)
        return message(f"Configuration scheduled for {len(ids)} machines")

    bulk = documented("VEND-MACHINECONFIG-BULK", BulkChange, Message)
    return [
        read_config,
        patch(path, **documented("VEND-MACHINECONFIG-UPDATE", ConfigChange, Message))(
            update_config
        ),
        put(path, include_in_schema=False)(update_config),
        patch("/machineconfig", **bulk)(update_many),
        put("/machineconfig", include_in_schema=False)(update_many),
        post("/machineconfig", status_code=200, include_in_schema=False)(update_many),
    ]


def _houdini_routes(made: Blueprint) -> list[HTTPRouteHandler]:
    async def set_houdini(request: Call, hostname: FromPath[str]) -> Answer:
        """Replaces the configuration of the gateway software."""
        fields = Fields(await read_body(request), known=("config",))
        config = fields.string("config", high=CONFIG_MAX, lines=True, trim=False)
        fields.finish()
        found = await machine_named(
            made, request, hostname, "houdiniconfig:write", hostname_only=True
        )
        async with transaction(made.services.pool) as connection:
            await connection.execute(SQL.lock_machines, [found.id])
            now_ms = made.services.clock()
            await connection.execute(SQL.set_houdini, found.id, config, now_ms)
        return message("Houdini configuration updated")

    path, described = "/houdiniconfig/{hostname:str}", (HoudiniConfig, Message)
    return [
        post(path, **documented("VEND-HOUDINI-SET", *described))(set_houdini),
        put(path, include_in_schema=False)(set_houdini),
    ]


async def machine_named(
    made: Blueprint, request: Call, text: str, right: str, *, hostname_only: bool = False
) -> Any:
    """The machine that a hostname means, or a number that is nobody's hostname.

    Raises NotFoundError, and only then ForbiddenError where the caller lacks the right.
    """
    form, view = MACHINE.by_name["hostname"].form, made.view(request)
    pool, row = made.services.pool, None
    if form is not None and form.fullmatch(text):
        try:
            row = await store.read(pool, MACHINE, 0, view.having(hostname=text), SQL.named)
        except NotFoundError:
            row = None
    if row is None:
        if hostname_only:
            raise NotFoundError("Machine not found")
        row = await store.read(pool, MACHINE, path_id(text), view)
    require(principal(request), right)
    return row


def _text(fields: Fields, name: str) -> str | None:
    if name == "config":
        return fields.optional_string(name, high=CONFIG_MAX, lines=True, trim=False)
    return fields.optional_string(name)


def _read_sections(body: Fields) -> dict[str, str | None]:
    """The members that a bulk change writes."""
    changes: dict[str, str | None] = {}
    given = body.nested("configuration", known=SECTIONS, required=True)
    for name, members in SECTIONS.items():
        section = given.nested(name, known=members) if given is not None else None
        if section is None:
            continue
        if not any(section.has(member) for member in members):
            section.wrong(members[0], "is required", "missing_parameters")
        changes |= {member: _text(section, member) for member in members}
    if given is not None and not changes:
        body.wrong("configuration", "must have a section", "missing_parameters")
    return changes


async def _configure(
    made: Blueprint, connection: Connection, machines: list[int],
    changes: Mapping[str, str | None], *, everywhere: bool = False,
) -> None:  # fmt: skip
    """Writes the members given; `everywhere` schedules machines where nothing differs, too."""
    keys, now_ms = made.services.network_keys, made.services.clock()
    told = {name: text for name, text in changes.items() if text != MASK}
    await connection.execute(SQL.lock_machines, machines)
    same: list[int] = []
    if "encryptionKey" in told:
        key = told["encryptionKey"]
        stored = await connection.fetch(SQL.keys_of, machines)
        same = [row["machine"] for row in stored if keys.is_same(row["encryption_key"], key)]
        # Sealed twice it would differ from itself.
        told["encryptionKey"] = keys.seal(key)
    await connection.execute(SQL.configure, machines, told, now_ms, everywhere, same)
