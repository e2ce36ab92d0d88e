"""Integrations, their jobs, and the sales that could not be sent (vending-platform.md 3.14).

What a new integration leaves out is taken from its connector. Setting `active` on one that a
failure stopped makes it go on and sends its failed jobs again. `externalId` and `description` are
shown too, so that what was read can be sent back. An integration of type `httplogs` sends logs
instead of sales; its type is chosen once, and its jobs name logs.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import rows
from farebox.api.vending.dialect import Answer, Call, principal, reply, require
from farebox.api.vending.fields import INT32_MAX, as_integer
from farebox.api.vending.filters import parse
from farebox.api.vending.sight import counted
from farebox.domain.errors import InvalidError
from farebox.domain.instants import to_ms, wall_text
from farebox.domain.windows import zone
from farebox.engine.ingestion_rows import OF_LOGS, OF_SALES
from farebox.engine.integrations import SQL as ENGINE_SQL
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import (
    CREATED,
    ID,
    UPDATED,
    Association,
    Field,
    Resource,
    Scope,
    View,
    Write,
)
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Member -> column of a connector, and what holds where it says nothing.
_DEFAULTS: Final[dict[str, tuple[str, Any]]] = {
    "throttle": ("throttle_ms", 0),
    "maxRetries": ("max_retries", 3),
    "retryThrottle": ("retry_throttle_ms", 60_000),
    "stopOnFailure": ("stop_on_failure", False),
}
_INTEGRATION_KEY = re.compile(r"(?:where\[)?integration\]?(?:\[(?:=|eq|is|in)?\])*")


async def _prepare(write: Write) -> None:
    values, current = write.values, write.current
    wanted = [
        name for name in _DEFAULTS
        if values.get(name) is None and (current is None or name in values)
    ]  # fmt: skip
    if wanted:
        connector = values.get("externalId") or current.externalId
        said = await write.connection.fetchrow(ENGINE_SQL.defaults, connector)
        for name in wanted:
            column, fallback = _DEFAULTS[name]
            values[name] = fallback if said[column] is None else said[column]
    if values.get("active") and current is not None and current.state == "failed":
        write.columns["state"] = "idle"
        await write.connection.execute(ENGINE_SQL.retry_failed, current.id, write.view.now_ms)


INTEGRATION = Resource(
    name="integration",
    table="vending.integration",
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("type", write="O=", choices=(OF_SALES, OF_LOGS), default=OF_SALES),
        Field("name", write="RO"),
        Field("active", "bool", "OO", default=True),
        Field("state"),
        Field("throttle", "int", "OO", column="throttle_ms", low=0),
        Field("maxRetries", "int", "OO", column="max_retries", low=0, high=20),
        Field("retryThrottle", "int", "OO", column="retry_throttle_ms", low=0),
        Field("stopOnFailure", "bool", "OO", column="stop_on_failure"),
        CREATED,
        UPDATED,
        Field("description", write="OO", high=4000),
        Field("externalId", "int", "RO", column="connector", reference="connector"),
        Field("userGroup", "int", column="owner"),
    ),
    associations=(Association("userGroup", "usergroup", column="owner"),),
    unique={"integration_name_once": "name"},
    prepare=_prepare,
)

JOB = Resource(
    name="integrationjob",
    title="Job",
    table="vending.integrationjob",
    owner=None,
    scope=Scope(f"t.integration in {SQL.visible}", write="false", delete="false"),
    fields=(
        ID,
        Field("state"),
        Field("machine", "int"),
        Field("revenuetransaction", "int"),
        Field("message"),
        Field("details"),
        CREATED,
        UPDATED,
        Field("log", "int"),
    ),
)


def _show_sale(row: Any, _: View) -> Any:
    row.occurredAt = wall_text(to_ms(row.occurredAt), zone(row.timezone))
    return row


FAILED_SALE = Resource(
    name="failedtransaction",
    table="vending.revenuetransaction",
    owner=None,
    source=SQL.failed_sales,
    scope=tenancy.located("t.location"),
    fields=(
        ID,
        Field("remote", "int"),
        Field("price", "money"),
        Field("occurredAt", "instant", column="occurred_at_ms"),
        Field("machine", "int"),
        Field("location", "int"),
        Field("timestamp", "int", column="t.occurred_at_ms / 1000"),
        Field("currency"),
        Field("timezone", column="time_zone"),
        Field("name"),
        Field("token"),
        Field("salestype", "int"),
        CREATED,
        UPDATED,
    ),
    render=_show_sale,
)

EXPOSED = (
    Exposed(
        resource=INTEGRATION,
        operations=operations("VEND-INTEGRATION", "list get create update delete populate"),
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes about integrations that are no plain resource."""

    @get(
        "/integration/{parentid:str}/jobs",
        **documented("VEND-INTEGRATION-JOBS", None, rows(JOB), query=CRITERIA),
    )
    async def list_jobs(request: Call, parentid: FromPath[str]) -> Answer:
        """The jobs of an integration, newest first unless asked otherwise."""
        key, view = row_id(INTEGRATION, parentid), made.view(request)
        criteria = parse(JOB, request.query_params.multi_items())
        await store.read(made.services.pool, INTEGRATION, key, view)
        newest = criteria.order or ((JOB.by_name["id"], True),)
        criteria = replace(criteria, order=newest)
        return await page(request, JOB, criteria, view.having(parent=key), _OF_INTEGRATION)

    @get(
        "/integration/failedtransactions",
        **documented("VEND-INTEGRATION-FAILED", None, rows(FAILED_SALE), query=CRITERIA),
    )
    async def list_failed(request: Call) -> Answer:
        """The sales that could not be sent."""
        chosen, pairs = _integrations(request.query_params.multi_items())
        view = made.view(request).having(integrations=chosen)
        require(principal(request), "revenuetransaction:read")
        return await page(request, FAILED_SALE, parse(FAILED_SALE, pairs), view)

    async def page(
        request: Call, resource: Resource, criteria: Criteria, view: View, within: str = "true"
    ) -> Answer:
        require(principal(request), "integration:read")
        found = await store.list_rows(
            made.services.pool, resource, criteria, view, within=within,
            hard_cap=made.services.options.list_hard_cap,
        )  # fmt: skip
        return reply(found.rows, headers=counted(found.total, truncated=found.truncated))

    return [list_jobs, list_failed]


_OF_INTEGRATION: Final = "t.integration = {parent}::int"


def _integrations(
    pairs: Iterable[tuple[str, Any]],
) -> tuple[list[int] | None, list[tuple[str, Any]]]:
    """The extra filter `where[integration]`, in any of its forms, and the pairs without it."""
    chosen: list[object] = []
    rest: list[tuple[str, Any]] = []
    is_asked = False
    for key, value in pairs:
        if _INTEGRATION_KEY.fullmatch(key):
            chosen += str(value).split(",")
            is_asked = True
        elif (
            key == "where"
            and isinstance(where := _decoded(value), dict)
            and ("integration" in where)
        ):
            given = where.pop("integration")
            chosen += given if isinstance(given, list) else [given]
            is_asked = True
            rest.append((key, where))
        else:
            rest.append((key, value))
    ids = [as_integer(one) for one in chosen]
    if any(one is None or not 0 < one <= INT32_MAX for one in ids):
        reason = "must be ids"
        raise InvalidError(f"integration {reason}", "invalid_filter", {"integration": reason})
    return ([one for one in ids if one is not None] if is_asked else None), rest


def _decoded(value: Any) -> Any:
    try:
        return msgspec.json.decode(value) if isinstance(value, str) else value
    except (msgspec.DecodeError, RecursionError):
        return None
