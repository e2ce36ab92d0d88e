"""What operators set up for others: root groups, who is an operator, who may do what.

Only members of groups with the admin flag come here (vending-platform.md 3.15). Nobody changes the
flag or the permissions of the own group: whoever is above it does, and the command line for a root.
Permissions that a group above lacks are kept but grant nothing.
"""

from typing import Any, Final

import msgspec
from litestar import patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint, row_id
from farebox.api.vending.bodies import Created
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    created,
    message,
    principal,
    read_body,
    read_json,
)
from farebox.api.vending.permissions import PERMISSIONS
from farebox.api.vending.repeats import once
from farebox.api.vending.usergroups import USERGROUP
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ForbiddenError, InvalidError
from farebox.resource import store
from farebox.storage.pool import Connection, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_GROUP: Final = "/admin/usergroup/{id:str}"


class RootGroup(msgspec.Struct):
    """Body of POST /admin/usergroup."""

    name: str


class GroupFlags(msgspec.Struct):
    """Body of PATCH /admin/usergroup/{id}."""

    admin: bool


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The operators' routes about groups."""

    @post("/admin/usergroup", **documented("VEND-X-ROOT-CREATE", RootGroup, Created, 201))
    async def create_root(request: Call) -> Answer:
        """Adds a group that is below no other."""
        fields = Fields(await read_body(request), known=("name",))
        values: dict[str, Any] = {"name": fields.string("name")}
        fields.finish()
        if not principal(request).admin:
            raise ForbiddenError("This is for operators' groups only")

        async def run(connection: Connection) -> Answer:
            view = made.view(request)
            return created(await store.insert(connection, USERGROUP, values, view, made.catalogue))

        return await once(request, made.services, run)

    @patch(_GROUP, **documented("VEND-X-USERGROUP-UPDATE", GroupFlags, Message))
    async def flag_group(request: Call, id: FromPath[str]) -> Answer:
        """Makes the members of a group operators, or ordinary users again."""
        fields = Fields(await read_body(request), known=("admin",))
        values = {"admin": fields.boolean("admin", required=True)}
        fields.finish()
        key = await _governed(made, request, id)
        await made.change(request, USERGROUP, key, values)
        return message("User group updated")

    @put(f"{_GROUP}/permissions", **documented("VEND-X-USERGROUP-PERMIT", list[str], Message))
    async def permit(request: Call, id: FromPath[str]) -> Answer:
        """Grants a group exactly these permissions; null grants all that the parent has."""
        names = _names(await read_json(request))
        key = await _governed(made, request, id)
        async with transaction(made.services.pool) as connection:
            await connection.execute(SQL.grant_permissions, key, names, made.services.clock())
        made.forget(USERGROUP)
        return message("User group updated")

    return [create_root, flag_group, permit]


def _names(body: object) -> list[str] | None:
    if body is None:
        return None
    if not isinstance(body, list):
        raise InvalidError("The body must be an array of names, or null")
    known = [name for name in PERMISSIONS if name in body]
    if unknown := [str(name)[:64] for name in body if name not in PERMISSIONS]:
        reason = f"unknown: {', '.join(unknown[:20])}"
        raise InvalidError(f"permissions {reason}", fields={"permissions": reason})
    return known


async def _governed(made: Blueprint, request: Call, text: str) -> int:
    """The id of a visible group below an operator's own."""
    key, caller = row_id(USERGROUP, text), principal(request)
    await store.read(made.services.pool, USERGROUP, key, made.view(request))
    if not caller.admin or key == caller.group:
        raise ForbiddenError("Only operators of a group above may change this")
    return key
