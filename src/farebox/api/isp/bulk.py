"""Whole tables of the provider, in and out (isp.md 4.9): subscribers, groups, packages, speeds.

Lines of an import are applied while the body arrives, in batches of 1,000 that are transactions;
what becomes of them is the importer's. An export has the columns that an import takes, oldest row
first, and passwords only for callers with the scope `secrets`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.isp.blueprint import Operation, enter
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data
from farebox.api.isp.importing import Importer, Told, page
from farebox.api.isp.listing import sent
from farebox.api.isp.recording import recorded
from farebox.api.isp.tables import BATCH, CSV, NDJSON, batches, written
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.errors import NotFoundError
from farebox.resource.criteria import Condition
from farebox.resource.definition import Resource
from farebox.storage.pool import Connection, storage_errors

BYTES_MAX: Final = 64 << 20
ROWS_MAX: Final = 50_000


class _Export:
    """One resource going out, for one call."""

    def __init__(self, call: Call, resource: Resource) -> None:
        self._call = call
        self._resource = resource
        self.columns = [field.name for field in resource.fields if field.write[0] in "RO"]
        if resource.name == "users" and "secrets" in call.caller.scopes:
            self.columns.append("password")

    async def rows(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All rows in parts, with the columns that an import takes."""
        number, after = self._resource.by_name["id"], 0
        while True:
            async with storage_errors(), self._call.services.pool.acquire() as connection:
                wanted = Condition(number, ">", (after,))
                part = await page(connection, self._call, self._resource, wanted, BATCH)
                shown = await self._passwords(connection, part)
            if part:
                yield [
                    {name: shown[int(row.id)] if name == "password" else getattr(row, name)
                     for name in self.columns}
                    for row in part
                ]  # fmt: skip
            if len(part) < BATCH:
                return
            after = int(part[-1].id)

    async def _passwords(self, connection: Connection, part: Sequence[Any]) -> dict[int, str]:
        if "password" not in self.columns:
            return {}
        passwords = self._call.services.provider.passwords
        numbers = [int(row.id) for row in part]
        found: dict[int, str] = await passwords.of(connection, self._call.account.id, numbers)
        return found


def routes(services: Services, resources: Mapping[str, Resource]) -> list[HTTPRouteHandler]:
    """Import and export of the resources that can be."""
    nouns = ("users", "groups", "profiles", "bandwidth_templates")

    def table(noun: str) -> Resource:
        if noun not in nouns:
            raise NotFoundError("There is no such operation", "unknown_operation")
        return resources[noun]

    @post(
        "/import/{noun:str}", request_max_body_size=BYTES_MAX,
        **documented("ISP-X-IMPORT", str, dict[str, Any], path={"noun": str}, refused=Failure,
                     takes_as=(NDJSON, CSV), query={"accountId": str}, security="provider"),
    )  # fmt: skip
    async def take(request: HTTPRequest, noun: FromPath[str]) -> Answer:
        async def run(call: Call) -> Answer:
            into, told, count = Importer(call, table(noun), resources), Told(), 0
            async for lines in batches(request.stream(), kind, told.fault):
                count += len(lines)
                if count > ROWS_MAX:
                    told.fault(lines[0][0], f"An import has at most {ROWS_MAX} rows")
                    break
                await into.take(lines, told)
            return data(told)

        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        operation = _operation("ISP-X-IMPORT", run, far=True)
        call = await enter(services, request, operation, has_body=False)
        if kind not in (NDJSON, CSV):
            raise HTTPException(status_code=415)
        return await recorded(request, call, operation)

    @get(
        "/export/{noun:str}",
        **documented("ISP-X-EXPORT", None, str, path={"noun": str}, refused=Failure,
                     media_type=NDJSON, query={"accountId": str}, security="provider"),
    )  # fmt: skip
    async def give(request: HTTPRequest, noun: FromPath[str]) -> Any:
        async def run(call: Call) -> Any:
            kind = CSV if CSV in request.headers.get("accept", "") else NDJSON
            of = _Export(call, table(noun))
            return await sent(written(of.rows(), of.columns, kind), f"{kind}; charset=utf-8")

        operation = _operation("ISP-X-EXPORT", run)
        return await recorded(request, await enter(services, request, operation), operation)

    return [take, give]


def _operation(id_: str, run: Any, *, far: bool = False) -> Operation:
    return Operation(
        id=id_, method="POST", path="table", scope="admin", run=run, gives=None, fixed=3, far=far
    )
