"""Connectors: where integrations send to, kept by admins (vending-platform.md 2.8, 3.15).

Their secret and the values of their further headers are stored sealed and never shown; sending the
mask back leaves them as they are, null removes them. A connector of an admin's group is visible to
the groups below.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, row_id
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
from farebox.api.vending.repeats import once
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ForbiddenError
from farebox.engine.integrations import Secrets
from farebox.outbound.webhook import check_url, is_free_header
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Field, Resource, Write
from farebox.storage.pool import Connection, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
MASK: Final = "********"
HEADERS_MAX: Final = 16
_PATH: Final = "/admin/connector/{id:str}"


async def _prepare(write: Write) -> None:
    change: Any = write.view.parameters.get("secrets")
    if change is not None:
        write.columns.update(await change(write))


CONNECTOR = Resource(
    name="connector",
    table="vending.connector",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("url", write="RO", high=2000),
        Field("secret", column=SQL.hidden_secret),
        Field("headers", "json", column=SQL.hidden_headers),
        Field("throttle", "int", "OO", column="throttle_ms", low=0),
        Field("maxRetries", "int", "OO", column="max_retries", low=0, high=20),
        Field("retryThrottle", "int", "OO", column="retry_throttle_ms", low=0),
        Field("stopOnFailure", "bool", "OO", column="stop_on_failure"),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    referrers=(("integration", "vending.integration", "connector"),),
    prepare=_prepare,
)

# Integrations name connectors; the routes are all below.
EXPOSED = (Exposed(resource=CONNECTOR, operations={}),)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """All routes about connectors."""
    return [*_reading(made), *_writing(made)]


def _reading(made: Blueprint) -> list[HTTPRouteHandler]:
    @get(
        "/admin/connector",
        **documented("VEND-CONNECTOR-LIST", None, rows(CONNECTOR), query=CRITERIA),
    )
    async def list_connectors(request: Call) -> Answer:
        """The connectors."""
        _admit(request)
        return await made.page(request, CONNECTOR)

    @get(_PATH, **documented("VEND-CONNECTOR-GET", None, CONNECTOR.row))
    async def get_connector(request: Call, id: FromPath[str]) -> Answer:
        """A connector without its secrets."""
        _admit(request)
        require(principal(request), "connector:read")
        key, view = row_id(CONNECTOR, id), made.view(request)
        return reply(await store.read(made.services.pool, CONNECTOR, key, view))

    return [list_connectors, get_connector]


def _writing(made: Blueprint) -> list[HTTPRouteHandler]:
    @post("/admin/connector", **documented("VEND-CONNECTOR-CREATE", new(CONNECTOR), Created, 201))
    async def create_connector(request: Call) -> Answer:
        """Adds a connector."""
        _admit(request)
        values, secrets = _read(await read_body(request), creating=True)
        require(principal(request), "connector:write")

        async def run(connection: Connection) -> Answer:
            view = made.view(request).having(secrets=_change(made, secrets))
            return created(await store.insert(connection, CONNECTOR, values, view, made.catalogue))

        return await once(request, made.services, run)

    async def update_connector(request: Call, id: FromPath[str]) -> Answer:
        """Changes a connector."""
        _admit(request)
        values, secrets = _read(await read_body(request), creating=False)
        require(principal(request), "connector:write")
        view = made.view(request).having(secrets=_change(made, secrets))
        async with transaction(made.services.pool) as connection:
            await store.update(
                connection, CONNECTOR, row_id(CONNECTOR, id), values, view, made.catalogue
            )
        return message("Connector updated")

    @delete(_PATH, **documented("VEND-CONNECTOR-DELETE", None, Message))
    async def delete_connector(request: Call, id: FromPath[str]) -> Answer:
        """Removes a connector that no integration names."""
        _admit(request)
        require(principal(request), "connector:write")
        async with transaction(made.services.pool) as connection:
            await store.delete(connection, CONNECTOR, row_id(CONNECTOR, id), made.view(request))
        return message("Connector deleted")

    return [
        create_connector,
        patch(_PATH, **documented("VEND-CONNECTOR-UPDATE", shape(CONNECTOR), Message))(
            update_connector
        ),
        put(_PATH, include_in_schema=False)(update_connector),
        delete_connector,
    ]


def _admit(request: Call) -> None:
    if not principal(request).admin:
        raise ForbiddenError("Only admins keep connectors")


class _Given(msgspec.Struct):
    """What a body says about secrets; UNSET where it says nothing."""

    secret: str | msgspec.UnsetType | None = msgspec.UNSET
    headers: dict[str, str] | msgspec.UnsetType | None = msgspec.UNSET


def _read(body: Mapping[str, object], *, creating: bool) -> tuple[dict[str, Any], _Given]:
    values = arguments(CONNECTOR, body, creating=creating)
    reader, given = Fields(body), _Given()
    if reader.has("secret") and body["secret"] != MASK:
        given.secret = reader.optional_string("secret", low=8)
    if reader.has("headers"):
        given.headers = _headers(reader, body)
    if "url" in values:
        try:
            check_url(values["url"])
        except ValueError as error:
            reader.wrong("url", str(error))
    reader.finish()
    return values, given


def _headers(reader: Fields, body: Mapping[str, object]) -> dict[str, str]:
    inner = reader.nested("headers")
    names = [*body["headers"]] if inner and isinstance(body["headers"], dict) else []
    if len(names) > HEADERS_MAX:
        reader.wrong("headers", f"must have at most {HEADERS_MAX} members")
    headers = {}
    for name in names:
        if inner is None or not is_free_header(name):
            reader.wrong("headers", f"must not name {name[:64]}")
        else:
            headers[name] = inner.string(name, high=1000)
    return headers


def _change(made: Blueprint, given: _Given) -> Any:
    """What makes the sealed columns of a write from what was given and what was there."""
    if given == _Given():
        return None

    async def change(write: Write) -> dict[str, object]:
        deliveries, known = made.services.deliveries, Secrets()
        if write.current is not None:
            sealed = await write.connection.fetchval(SQL.sealed, write.current.id)
            known = deliveries.unseal(sealed)
        secret = known.secret if given.secret is msgspec.UNSET else given.secret
        headers = known.headers
        if not isinstance(given.headers, msgspec.UnsetType):
            headers = {
                name: known.headers.get(name, "") if value == MASK else value
                for name, value in (given.headers or {}).items()
            }
        kept = Secrets(secret, headers)
        return {
            "sealed": deliveries.seal(kept),
            "is_signed": kept.secret is not None,
            "header_names": [*kept.headers],
        }

    return change
