"""User groups and users (vending-platform.md 2.1, 2.2, 3.1).

A group's parent and its assigned places are an ancestor's to change, never its own members'.
Deleting a group or a user keeps the row and closes it. Sign-in is elsewhere.
"""

from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created, arguments, new, rows, shape
from farebox.api.vending.dialect import (
    Answer,
    Call,
    created,
    message,
    principal,
    read_body,
    require,
)
from farebox.api.vending.repeats import once
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
from farebox.storage.pool import Connection, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
DEPTH_MAX = 16
_ANCESTORS_ONLY = ("parent", "locations", "locationGroups")


async def _prepare_group(write: Write) -> None:
    values, current = write.values, write.current
    if current is not None and values.get("parent") == current.parent:
        values.pop("parent", None)
    own = current is not None and current.id == write.view.caller.group
    if own and any(name in values for name in _ANCESTORS_ONLY):
        raise ForbiddenError("Only a group above may change this of its groups")
    if values.get("deleted"):
        await _check_deletable(write)
    if values.get("parent") is None:
        return
    await write.connection.execute(SQL.lock_forest)
    await _check_open(write, "parent")
    key = current.id if current else None
    is_cycle, depth = await write.connection.fetchrow(SQL.place_in_forest, key, values["parent"])
    if is_cycle:
        raise InvalidError("parent: cycle", "invalid_reference", {"parent": "cycle"})
    if depth > DEPTH_MAX:
        reason = f"groups can lie at most {DEPTH_MAX} deep"
        raise InvalidError(f"parent: {reason}", fields={"parent": reason})


async def _check_open(write: Write, name: str) -> None:
    """Nothing is put into a deleted group."""
    if await write.connection.fetchval(SQL.is_deleted, write.values[name]):
        reason = "is deleted"
        raise InvalidError(f"{name} {reason}", "invalid_reference", {name: reason})


async def _check_deletable(write: Write) -> None:
    if write.current.deleted:
        raise NotFoundError("User group not found")
    kept = await write.connection.fetchrow(SQL.keepers, write.current.id)
    fields = {name: "refers to it" for name, held in kept.items() if held}
    if fields:
        raise ConflictError("User group is in use", "in_use", fields)


async def _prepare_user(write: Write) -> None:
    if "userGroup" in write.values:
        await _check_open(write, "userGroup")
    if "email" in write.values:
        write.values["email"] = write.values["email"].lower()
        if write.current is not None and write.values["email"] != write.current.email:
            write.columns["email_confirmed"] = False


def _owned(alias: str, target: str) -> Association:
    return Association(alias, target, back="t.owner = {parent}::int")


def _assigned(alias: str, target: str) -> Association:
    link = (f"vending.usergroup_{target}", "usergroup", target)
    return Association(alias, target, through=link, writable=True)


PERMISSION = Resource(
    name="permission",
    table="vending.usergroup",
    source=SQL.granted,
    scope=tenancy.owned("t.usergroup"),
    fields=(ID, Field("name")),
)

USERGROUP = Resource(
    name="usergroup",
    title="User group",
    table="vending.usergroup",
    owner=None,
    scope=tenancy.owned("t.id"),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("parent", "int", "RO", reference="usergroup"),
        Field("admin", "bool01"),
        CREATED,
        UPDATED,
        Field("disabledAt", "instant", column="disabled_at_ms"),
        Field("deleted", "bool"),
    ),
    associations=(
        Association("parent", "usergroup", column="parent"),
        _owned("users", "user"),
        _assigned("locations", "location"),
        _assigned("locationGroups", "locationgroup"),
        Association("permissions", "permission", back="t.usergroup = {parent}::int"),
        _owned("errorCodes", "errorcode"),
        _owned("manufacturers", "manufacturer"),
        _owned("errorProfiles", "errorprofile"),
        _owned("alertGroups", "alertgroup"),
        _owned("alertRecipients", "alertrecipient"),
        _owned("alertObservers", "alertobserver"),
        _owned("languages", "language"),
        _owned("translations", "translation"),
        _owned("machineModels", "machinemodel"),
        _owned("machineGroups", "machinegroup"),
        Association("machine", "machine", back=f"t.location in {SQL.group_locations}"),
        Association("children", "usergroup", back="t.parent = {parent}::int and not t.deleted"),
    ),
    unique={"usergroup_name_once": "name"},
    notify=("farebox_access", "farebox_places"),
    prepare=_prepare_group,
)

USER = Resource(
    name="user",
    table="vending.users",
    owner=None,
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("username", write="RO", low=3, high=64, pattern=r"[A-Za-z0-9._@+-]+"),
        Field("email", write="RO", high=254, pattern=r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"),
        Field("language", "int", "RO", reference="language"),
        Field("userGroup", "int", "RO", column="owner", reference="usergroup"),
        CREATED,
        UPDATED,
        Field("emailConfirmed", "bool01", column="email_confirmed"),
        Field("disabledAt", "instant", column="disabled_at_ms"),
        Field("password_expires", "instant", column="password_expires_ms"),
    ),
    associations=(
        Association("language", "language", column="language"),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"users_username_once": "username", "users_email_once": "email"},
    notify=("farebox_access",),
    prepare=_prepare_user,
)

EXPOSED = (
    Exposed(
        resource=USERGROUP,
        operations=operations("VEND-USERGROUP", "list get create update populate add remove"),
    ),
    Exposed(resource=USER, operations=operations("VEND-USER", "list get populate")),
    Exposed(resource=PERMISSION, operations={}),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about groups and users that are no plain resource."""
    return [*_group_routes(made), *_user_routes(made)]


def _group_routes(made: Blueprint) -> list[HTTPRouteHandler]:
    @get(
        "/usergroup/{parentid:str}/children",
        **documented("VEND-USERGROUP-CHILDREN", None, rows(USERGROUP), query=CRITERIA),
    )
    async def children(request: Call, parentid: FromPath[str]) -> Answer:
        """The groups directly below a group."""
        return await made.associated(request, USERGROUP, parentid, "children")

    @delete(
        "/usergroup/{id:str}",
        **documented("VEND-USERGROUP-DELETE", None, Message),
    )
    async def delete_group(request: Call, id: FromPath[str]) -> Answer:
        """Closes a group that has no groups below it and nobody who can sign in."""
        closing = {"deleted": True, "disabledAt": made.services.clock()}
        await made.change(request, USERGROUP, row_id(USERGROUP, id), closing)
        return message("User group deleted")

    return [children, delete_group]


def _user_routes(made: Blueprint) -> list[HTTPRouteHandler]:
    people = made.services.people

    @post("/user", **documented("VEND-USER-CREATE", new(USER), Created, 201))
    async def create_user(request: Call) -> Answer:
        """Adds a user, who gets a mail to choose a password by."""
        values = arguments(USER, await read_body(request), creating=True)
        require(principal(request), "user:write")

        async def run(connection: Connection) -> Answer:
            view = made.view(request)
            key = await store.insert(connection, USER, values, view, made.catalogue)
            await people.invite(connection, key, values["email"])
            return created(key)

        return await once(request, made.services, run)

    async def update_user(request: Call, id: FromPath[str]) -> Answer:
        """Changes a user; a new address has to be confirmed by a mail."""
        key = row_id(USER, id)
        values = arguments(USER, await read_body(request), creating=False)
        await made.allow(request, USER, key)
        async with transaction(made.services.pool) as connection:
            view = made.view(request)
            before = await store.read(connection, USER, key, view)
            await store.update(connection, USER, key, values, view, made.catalogue)
            if values.get("email", before.email) != before.email:
                await people.invite(connection, key, values["email"])
        made.forget(USER)
        return message("User updated")

    @delete("/user/{id:str}", **documented("VEND-USER-DELETE", None, Message))
    async def delete_user(request: Call, id: FromPath[str]) -> Answer:
        """Disables a user and ends all sessions; nobody can do this to themselves."""
        key, now_ms = row_id(USER, id), made.services.clock()
        await made.allow(request, USER, key)
        if key == principal(request).id:
            raise ForbiddenError("Users cannot delete themselves")
        async with transaction(made.services.pool) as connection:
            view = made.view(request)
            if (await store.read(connection, USER, key, view)).disabledAt is not None:
                raise NotFoundError("User not found")
            await store.update(connection, USER, key, {"disabledAt": now_ms}, view, made.catalogue)
            await connection.execute(SQL.end_sessions, key, now_ms)
        made.forget(USER)
        return message("User deleted")

    path = "/user/{id:str}"
    return [
        create_user,
        patch(path, **documented("VEND-USER-UPDATE", shape(USER), Message))(update_user),
        put(path, include_in_schema=False)(update_user),
        delete_user,
    ]
