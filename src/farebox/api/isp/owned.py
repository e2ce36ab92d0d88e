"""Declared resources of the provider as operator routes under /isp/admin (isp.md 4.9).

List, create, get, patch and delete of what a declaration describes, in the envelopes of the rest of
this API, for callers with the scope `admin`. Rows belong to the selected account; those of an
account above may be used and not changed. Ids are strings on the wire.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.isp.arguments import Argument, fold
from farebox.api.isp.blueprint import Operation, body_type, enter
from farebox.api.isp.dialect import UNKEPT, Answer, Call, Failure, HTTPRequest, bare, data
from farebox.api.isp.kinds import (
    DAY,
    FLAG,
    ID,
    INSTANT,
    MAILBOX,
    MONEY,
    PHONE,
    Kind,
    choice,
    text,
    whole,
)
from farebox.api.isp.listing import PAGING
from farebox.api.isp.recording import recorded
from farebox.api.isp.wire import Data, Listed
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Field, Resource, View
from farebox.storage.pool import storage_errors, transaction

PAGE_MAX: Final = 10_000
# What a list may be narrowed to, beside its page.
_FILTERS: Final = {"users": ("status", "groupId", "username")}
# What the document calls a row that is not there.
_NAMES: Final = {
    "bandwidth_templates": "template", "groups": "group", "admins": "admin", "users": "user",
    "tickets": "ticket",
}  # fmt: skip
# How many are in a group, and what of a row of counts says it.
COUNTS: Final = {"Active_Users": "active", "Total_Users": "total", "Online_Users": "online"}
_TEXTS: Final = {"json_text": 64_000, "text": 255}
# Texts that have a form.
_FORMS: Final = {
    "phone": PHONE, "alt_phone": PHONE, "email": MAILBOX, "alt_email": MAILBOX,
    "country_code": text(2, 2), "installationTime": DAY,
}  # fmt: skip


class Owner(NamedTuple):
    """The account as the resource engine knows callers: its id is their group."""

    id: str
    group: str
    groups: tuple[str, ...] = ()
    admin: bool = False


class Owned:
    """Makes the routes of declared resources."""

    def __init__(self, services: Services, catalogue: Mapping[str, Resource]) -> None:
        self._services = services
        self._catalogue = catalogue

    def routes(self, resource: Resource) -> list[HTTPRouteHandler]:
        """List, create, get, change, delete."""
        path, noun = f"/{resource.name}", resource.title.upper().replace(" ", "")
        one, row = f"{path}/{{id:str}}", _typed(Data, resource.row)

        @get(path, **_described(f"ISP-X-{noun}-LIST", None, _typed(Listed, resource.row)))
        async def list_rows(request: HTTPRequest) -> Answer:
            takes = (*PAGING, *_where(resource))
            return await self._list(await self._enter(request, resource, takes), resource)

        @post(path, **_described(f"ISP-X-{noun}-CREATE", _new(resource), row, 201))
        async def create(request: HTTPRequest) -> Answer:
            return await self._write(request, resource, taken(resource, 0), None)

        @get(one, **_described(f"ISP-X-{noun}-GET", None, row))
        async def read(request: HTTPRequest, id: FromPath[str]) -> Answer:
            call = await self._enter(request, resource, ())
            return data(await self._one(call, resource, _key(resource, id)))

        @patch(one, **_described(f"ISP-X-{noun}-UPDATE", _changed(resource), row))
        async def change(request: HTTPRequest, id: FromPath[str]) -> Answer:
            key = _key(resource, id)
            return await self._write(request, resource, taken(resource, 1), key)

        @delete(one, response_headers=UNKEPT, **_described(f"ISP-X-{noun}-DELETE", None, None, 204))
        async def remove(request: HTTPRequest, id: FromPath[str]) -> None:
            await self._remove(request, resource, _key(resource, id))

        # Who subscribes is deleted by the documented operation.
        last = [] if resource.name == "users" else [remove]
        return [list_rows, create, read, change, *last]

    async def _enter(
        self, request: HTTPRequest, resource: Resource, takes: tuple[Argument, ...]
    ) -> Call:
        return await enter(self._services, request, _operation(resource, "read", takes))

    async def _list(self, call: Call, resource: Resource) -> Answer:
        limit, after = call["limit"] or PAGE_MAX, call["afterId"]
        number = resource.by_name["id"]
        wanted = tuple(
            Condition(resource.by_name[name], "in", (value,))
            for name, value in (call.values.get("where") or {}).items()
        )
        criteria = Criteria(
            conditions=(Condition(number, ">", (after,)), *wanted), order=((number, False),),
            limit=limit + 1,
        )  # fmt: skip
        async with storage_errors(), self._services.pool.acquire() as connection:
            page = await store.list_rows(
                connection, resource, criteria, view_of(call), hard_cap=limit + 1, count_max=1
            )
        await self._count(call, resource, page.rows)
        more = {"X-Next-After-Id": page.rows[limit - 1].id} if len(page.rows) > limit else None
        return data(page.rows[:limit], more)

    async def _one(self, call: Call, resource: Resource, key: int) -> Any:
        try:
            async with storage_errors():
                row = await store.read(self._services.pool, resource, key, view_of(call))
        except NotFoundError:
            raise _missing(resource, key) from None
        await self._count(call, resource, [row])
        return row

    async def _count(self, call: Call, resource: Resource, rows: list[Any]) -> None:
        """How many are in groups, where rows are those."""
        if resource.name == "groups" and rows:
            numbers = [int(row.id) for row in rows]
            found = await self._services.provider.groups.list(call.account.id, numbers)
            counts = {str(group["id"]): group for group in found}
            for row in rows:
                for name, column in COUNTS.items():
                    # Of a group that has gone since it was read there is nobody.
                    setattr(row, name, counts[row.id][column] if row.id in counts else 0)

    async def _write(
        self, request: HTTPRequest, resource: Resource, takes: tuple[Argument, ...],
        key: int | None,
    ) -> Answer:  # fmt: skip
        async def run(call: Call) -> Answer:
            values = {argument.name: call[argument.name] for argument in takes}
            if key is not None:
                values = said(resource, values, call.given)
            async with transaction(self._services.pool) as connection:
                given = (values, view_of(call), self._catalogue)
                try:
                    # The declaration's hook takes the secret out: it is sealed with the id.
                    secret = values.get("secret")
                    if key is None:
                        made = await store.insert(connection, resource, *given)
                    else:
                        await store.update(connection, resource, key, *given)
                        made = key
                    if secret is not None:
                        await self._services.provider.network.keep_secret(
                            connection, call.account.id, resource.table, made, secret
                        )
                except NotFoundError:
                    raise _missing(resource, key) from None
                except ConflictError as error:
                    raise ConflictError(error.message, _reason(error)) from error
                except InvalidError as error:
                    raise InvalidError(error.message, "invalid_argument") from error
            row = await self._one(call, resource, made)
            told = {"status": "success", "errorCode": 201 if key is None else 200, "data": row}
            return bare(told, status=201 if key is None else 200)

        operation = _operation(resource, "create" if key is None else "update", takes, run)
        return await recorded(request, await enter(self._services, request, operation), operation)

    async def _remove(self, request: HTTPRequest, resource: Resource, key: int) -> None:
        call = await self._enter(request, resource, ())
        try:
            async with transaction(self._services.pool) as connection:
                await store.delete(connection, resource, key, view_of(call))
        except NotFoundError:
            raise _missing(resource, key) from None
        await self._services.provider.audit.note(
            call.caller, call.account, call.client, f"delete {resource.name}", str(key), "success"
        )


async def _nothing(call: Call) -> Answer:
    return data(call.values)


def _operation(
    resource: Resource, verb: str, takes: tuple[Argument, ...], run: Any = _nothing
) -> Operation:
    return Operation(
        id=f"{verb} {resource.name}", method="POST", path=resource.name, scope="admin", run=run,
        gives=None, takes=takes, fixed=3,
    )  # fmt: skip


def view_of(call: Call) -> View:
    """The account's eyes at this instant."""
    owner = Owner(call.caller.token, call.account.id)
    return View(owner, call.now_ms, {"zone": call.account.time_zone})


def taken(resource: Resource, at: int) -> tuple[Argument, ...]:
    """The arguments of a create (0) or an update (1)."""
    return tuple(
        Argument(
            field.name,
            _kind(field),
            required=at == 0 and field.write[0] == "R",
            default=field.default,
        )
        for field in resource.fields
        if field.write[at] in "RO"
    )


def said(
    resource: Resource, values: Mapping[str, Any], given: Mapping[str, object]
) -> dict[str, Any]:
    """What a change says of a row; InvalidError where it takes away what every row has."""
    told = {name: value for name, value in values.items() if fold(name) in given}
    for name, value in told.items():
        if value is None and resource.by_name[name].write[0] == "R":
            raise InvalidError(f"{name} is required", "missing_argument")
    return told


def clock_of(values: Mapping[str, Any], current: Any, zone: str) -> str:
    """The zone of wall clocks in a row's values: its own as it will be, else the account's."""
    own = values["timezone"] if "timezone" in values else getattr(current, "timezone", None)
    return str(own or zone)


def _where(resource: Resource) -> tuple[Argument, ...]:
    """The argument that narrows a list to equal values, an object or its JSON."""
    names = _FILTERS.get(resource.name, ())

    def read(value: object) -> dict[str, Any]:
        if isinstance(value, str):
            value = msgspec.json.decode(value)
        if not isinstance(value, dict) or not value.keys() <= set(names):
            raise ValueError(f"must be an object of {', '.join(names)}")
        fields = [(name, resource.by_name[name]) for name in value]
        return {name: _read_wanted(field, value[name]) for name, field in fields}

    return (Argument("where", Kind(read, dict[str, str]), required=False),) if names else ()


def _read_wanted(field: Field, value: object) -> Any:
    return ID.read(value) if field.reference else text(field.high or 255).read(value)


def _new(resource: Resource) -> Any:
    return body_type(f"{resource.title}Create", taken(resource, 0))


def _changed(resource: Resource) -> Any:
    return body_type(f"{resource.title}Update", taken(resource, 1))


def _kind(field: Field) -> Kind:
    if field.reference is not None:
        return ID
    if field.choices:
        return choice(*field.choices)
    if field.type == "bool":
        return FLAG
    if field.type == "decimal":
        return MONEY
    if field.type in ("int", "bigtext"):
        return whole(field.low or 0, field.high or 2**31 - 1)
    if field.type == "instant":
        return INSTANT
    if field.type == "json":
        return Kind(_object, dict[str, Any])
    if field.name in _FORMS:
        return _FORMS[field.name]
    return text(field.high or _TEXTS.get(field.type, 255))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def _key(resource: Resource, written: str) -> int:
    try:
        key: int = ID.read(written)
    except ValueError:
        raise _missing(resource, written) from None
    return key


def _missing(resource: Resource, key: object) -> NotFoundError:
    name = _NAMES.get(resource.name, "row")
    return NotFoundError(f"{resource.title} {key} not found", f"{name}_not_found")


def _reason(error: ConflictError) -> str:
    return "duplicate_name" if error.code == "duplicate" else error.code


def _typed(envelope: Any, row: type[Any]) -> Any:
    return envelope[row]


def _described(operation: str, takes: Any, gives: Any, status: int = 200) -> dict[str, Any]:
    return documented(operation, takes, gives, status, refused=Failure, security="provider")
