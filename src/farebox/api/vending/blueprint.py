"""A declared resource as routes, the way this API does it (vending-platform.md 1.6, 1.7).

list, get, create, update, delete, populate, and add/remove of associations. The order of checks is
the document's: arguments, then whether the row is seen, then the permission, then references. What
a row may hold is the declaration's, how it is stored the resource engine's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.api.vending.bodies import Created, arguments, new, rows, shape
from farebox.api.vending.dialect import (
    Answer,
    Call,
    created,
    message,
    path_id,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.fields import INT32_MAX, INT64_MAX
from farebox.api.vending.filters import Order, parse
from farebox.api.vending.permissions import PERMISSIONS
from farebox.api.vending.repeats import once
from farebox.api.vending.sight import counted
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import NotFoundError
from farebox.resource import store
from farebox.resource.compile import belonging
from farebox.resource.definition import Resource, View
from farebox.storage.pool import Connection, transaction

CRITERIA: Final = {"where": str, "sort": str, "skip": int, "limit": int}


def operations(prefix: str, verbs: str) -> dict[str, str]:
    """The operation ids of verbs in the document's manner: `VEND-MACHINE` + `LIST`."""
    return {verb: f"{prefix}-{verb.upper()}" for verb in verbs.split()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposed:
    """A resource and the operation ids of the verbs it has here; other verbs have no route."""

    resource: Resource
    operations: Mapping[str, str]


class Blueprint:
    """Makes the routes of resources that may refer to each other by name."""

    def __init__(self, services: Services, catalogue: Mapping[str, Resource]) -> None:
        self.services, self.catalogue = services, catalogue
        zone, keys = services.options.default_time_zone, services.network_keys
        self._named = {"default_time_zone": zone, "permissions": PERMISSIONS, "network_keys": keys}

    def routes(self, exposed: Exposed) -> list[HTTPRouteHandler]:
        """One handler per verb, and one more for each second method."""
        made: list[HTTPRouteHandler] = []
        for verb, operation in exposed.operations.items():
            made += getattr(self, f"_{verb}")(exposed.resource, operation)
        return made

    def view(self, request: Call) -> View:
        """The caller's eyes at this instant."""
        return View(principal(request), self.services.clock(), self._named)

    def _list(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        @get(f"/{resource.name}", **documented(operation, None, rows(resource), query=CRITERIA))
        async def list_rows(request: Call) -> Answer:
            return await self.page(request, resource)

        return [list_rows]

    async def page(
        self, request: Call, resource: Resource, within: str = "true", view: View | None = None,
        reserved: tuple[str, ...] = (), order: Order = (), count_max: int | None = None,
    ) -> Answer:  # fmt: skip
        """A list as the query asks for it, restricted to what also satisfies `within`."""
        criteria = parse(resource, request.query_params.multi_items(), reserved, order)
        require(principal(request), f"{resource.name}:read")
        # One connection for rows and count: taking one from the pool costs a round trip.
        async with self.services.pool.acquire() as connection:
            page = await store.list_rows(
                connection, resource, criteria, view or self.view(request), within=within,
                hard_cap=self.services.options.list_hard_cap, count_max=count_max,
            )  # fmt: skip
        return reply(page.rows, headers=counted(page.total, truncated=page.truncated))

    def _get(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        @get(f"/{resource.name}/{{id:str}}", **documented(operation, None, resource.row))
        async def get_row(request: Call, id: FromPath[str]) -> Answer:
            return reply(await self._seen(request, resource, row_id(resource, id), "read"))

        return [get_row]

    async def _seen(self, request: Call, resource: Resource, key: int, right: str) -> Any:
        """The row, with a missing row told before a missing permission."""
        row = await store.read(self.services.pool, resource, key, self.view(request))
        require(principal(request), f"{resource.name}:{right}")
        return row

    def _create(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        @post(f"/{resource.name}", **documented(operation, new(resource), Created, 201))
        async def create(request: Call) -> Answer:
            values = arguments(resource, await read_body(request), creating=True)
            require(principal(request), f"{resource.name}:write")

            async def run(connection: Connection) -> Answer:
                view = self.view(request)
                key = await store.insert(connection, resource, values, view, self.catalogue)
                return created(key)

            answer = await once(request, self.services, run)
            self.forget(resource)
            return answer

        return [create]

    def _update(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        async def update(request: Call, id: FromPath[str]) -> Answer:
            values = arguments(resource, await read_body(request), creating=False)
            await self.change(request, resource, row_id(resource, id), values)
            return message(f"{resource.label} updated")

        path = f"/{resource.name}/{{id:str}}"
        return [
            patch(path, **documented(operation, shape(resource), Message))(update),
            put(path, include_in_schema=False)(update),
        ]

    async def change(
        self, request: Call, resource: Resource, key: int, values: dict[str, Any]
    ) -> None:
        """Write values to a row that the caller may write."""
        await self.allow(request, resource, key)
        view = self.view(request)
        async with transaction(self.services.pool) as connection:
            await store.update(connection, resource, key, values, view, self.catalogue)
        self.forget(resource)

    def _delete(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        @delete(f"/{resource.name}/{{id:str}}", **documented(operation, None, Message))
        async def delete_row(request: Call, id: FromPath[str]) -> Answer:
            key = row_id(resource, id)
            await self.allow(request, resource, key)
            async with transaction(self.services.pool) as connection:
                await store.delete(connection, resource, key, self.view(request))
            self.forget(resource)
            return message(f"{resource.label} deleted")

        return [delete_row]

    async def allow(self, request: Call, resource: Resource, key: int) -> None:
        """Refuse without the right to write, but not before the row is known to be seen."""
        caller = principal(request)
        if caller.permissions is not None and f"{resource.name}:write" not in caller.permissions:
            await self._seen(request, resource, key, "write")

    def forget(self, resource: Resource) -> None:
        """Let the next request of this process see what it means for who may do what."""
        if "farebox_access" in resource.notify:
            self.services.access.forget()

    # Associations

    def _populate(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        path = f"/{resource.name}/{{parentid:str}}/{{alias:str}}"

        @get(path, **documented(operation, None, list[dict[str, Any]] | dict[str, Any]))
        async def populate(request: Call, parentid: FromPath[str], alias: FromPath[str]) -> Answer:
            return await self.associated(request, resource, parentid, alias)

        return [populate]

    async def associated(
        self, request: Call, resource: Resource, parentid: str, alias: str, order: Order = ()
    ) -> Answer:
        """The rows under a plural alias, the object (or `{}`) under a singular one."""
        key = row_id(resource, parentid)
        await self._seen(request, resource, key, "read")
        association = resource.aliases.get(alias)
        if association is None:
            raise NotFoundError("Not found")
        target = self.catalogue[association.target]
        view, within = self.view(request).having(parent=key), belonging(resource, association)
        if association.column is None:
            return await self.page(request, target, within, view, order=order)
        require(principal(request), f"{target.name}:read")
        try:
            return reply(await store.read(self.services.pool, target, key, view, within))
        except NotFoundError:
            return reply({})

    def _add(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        async def add(
            request: Call, parentid: FromPath[str], alias: FromPath[str], fk: FromPath[str]
        ) -> Answer:
            key = await self.associate(request, resource, parentid, alias, fk, present=True)
            return reply({"id": key})

        path = f"/{resource.name}/{{parentid:str}}/{{alias:str}}/{{fk:str}}"
        return [
            put(path, **documented(operation, None, Created))(add),
            post(path, status_code=200, include_in_schema=False)(add),
        ]

    def _remove(self, resource: Resource, operation: str) -> list[HTTPRouteHandler]:
        path = f"/{resource.name}/{{parentid:str}}/{{alias:str}}/{{fk:str}}"

        @delete(path, **documented(operation, None, Message))
        async def remove(
            request: Call, parentid: FromPath[str], alias: FromPath[str], fk: FromPath[str]
        ) -> Answer:
            await self.associate(request, resource, parentid, alias, fk, present=False)
            return message(f"{resource.label} updated")

        return [remove]

    async def associate(
        self, request: Call, resource: Resource, parentid: str, alias: str, fk: str, *,
        present: bool,
    ) -> int:  # fmt: skip
        """Add a row to what is associated, or take it away; gives the parent's id."""
        key = row_id(resource, parentid)
        await self._seen(request, resource, key, "write")
        association = resource.aliases.get(alias)
        if association is None or not association.writable:
            raise NotFoundError("Not found")
        other = row_id(self.catalogue[association.target], fk)
        async with transaction(self.services.pool) as connection:
            await store.associate(
                connection, resource, key, association, other, self.view(request), self.catalogue,
                present=present,
            )  # fmt: skip
        return key


def row_id(resource: Resource, text: str) -> int:
    """The id in a path; ids that are strings on the wire are int64."""
    return path_id(text, INT64_MAX if resource.by_name["id"].type == "bigtext" else INT32_MAX)
