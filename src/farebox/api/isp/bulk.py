"""Whole tables of the provider, in and out (isp.md 4.9): subscribers, groups, packages, speeds.

A line of an import is a row, known by its name in the account: a new one is made, a known one is
changed where it says something else, and what it does not say stays. Lines are applied while the
body arrives, in batches of 1,000 that are transactions: a batch with a fault changes nothing and
tells each of its faults by the line. A known subscriber's group and status have operations of their
own, with rules an import does not bend. An export has the columns that an import takes, oldest row
first, and passwords only for callers with the scope `secrets`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.isp.arguments import fold, read_all
from farebox.api.isp.blueprint import Operation, enter
from farebox.api.isp.dialect import Answer, Call, Failure, HTTPRequest, data
from farebox.api.isp.kinds import text
from farebox.api.isp.listing import sent
from farebox.api.isp.owned import taken, view_of
from farebox.api.isp.recording import recorded
from farebox.api.isp.tables import BATCH, CSV, NDJSON, Line, batches, written
from farebox.api.operations import documented
from farebox.api.services import Services
from farebox.domain.errors import DomainError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Resource, View
from farebox.storage.pool import Connection, storage_errors, transaction

BYTES_MAX: Final = 64 << 20
ROWS_MAX: Final = 50_000
FAULTS_MAX: Final = 1_000
# What a row is known by, where it is not its name.
_KEYS: Final = {"users": "username"}
# What only documented operations change.
_FIXED: Final = {"users": ("groupId", "status")}
_OWN: Final = "t.account = {group}"
_PASSWORD: Final = text(128)


class Told(msgspec.Struct):
    """What an import did."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[dict[str, Any]] = []

    def fault(self, line: int, reason: str) -> None:
        """One more fault, as long as there is room."""
        if len(self.errors) < FAULTS_MAX:
            self.errors.append({"line": line, "error": reason})


class _FaultyError(Exception):
    """A batch that must not have been."""


class _Table:
    """One resource, for one call."""

    def __init__(self, call: Call, resource: Resource, catalogue: Mapping[str, Resource]) -> None:
        self._call = call
        self._resource = resource
        self._catalogue = catalogue
        self._key = _KEYS.get(resource.name, "name")
        self._has_passwords = resource.name == "users"
        self.columns = [field.name for field in resource.fields if field.write[0] in "RO"]
        if self._has_passwords and "secrets" in call.caller.scopes:
            self.columns.append("password")

    async def take(self, lines: Sequence[Line], told: Told) -> None:
        """One batch."""
        counts, faults = {"created": 0, "updated": 0, "unchanged": 0}, len(told.errors)
        try:
            async with transaction(self._call.services.pool) as connection:
                known = await self._known(connection, lines)
                for number, given in lines:
                    try:
                        async with connection.transaction():
                            counts[await self._row(connection, given, known)] += 1
                    except DomainError as error:
                        told.fault(number, error.message)
                    except ValueError as error:
                        told.fault(number, f"password {error}")
                if len(told.errors) > faults:
                    raise _FaultyError
        except _FaultyError:
            return
        for name, count in counts.items():
            setattr(told, name, getattr(told, name) + count)

    async def _known(self, connection: Connection, lines: Sequence[Line]) -> dict[str, Any]:
        names = {str(given.get(fold(self._key), "")).strip() for _, given in lines}
        wanted = Condition(self._resource.by_name[self._key], "in", tuple(sorted(names)))
        rows = await self._page(connection, (wanted,), BATCH)
        # Of packages of one name the oldest is meant.
        return {getattr(row, self._key): row for row in reversed(rows)}

    async def _row(self, connection: Connection, given: dict[str, Any], known: Any) -> str:
        view, current = view_of(self._call), known.get(str(given.get(fold(self._key), "")).strip())
        arguments = taken(self._resource, 0 if current is None else 1)
        values = read_all(arguments, given)
        if current is None:
            number = await store.insert(connection, self._resource, values, view, self._catalogue)
            what = "created"
        else:
            self._check(given, current)
            number = int(current.id)
            values = {name: value for name, value in values.items() if fold(name) in given}
            is_new = await store.update(
                connection, self._resource, number, values, view, self._catalogue
            )
            what = "updated" if is_new else "unchanged"
        if self._has_passwords and given.get("password"):
            passwords = self._call.services.provider.passwords
            password = _PASSWORD.read(given["password"])
            if await passwords.keep_other(connection, self._call.account.id, number, password):
                what = "updated" if what == "unchanged" else what
        if current is None:
            row = await store.read(connection, self._resource, number, view)
            known[getattr(row, self._key)] = row
        return what

    def _check(self, given: Mapping[str, Any], current: Any) -> None:
        for name in _FIXED.get(self._resource.name, ()):
            said = given.get(fold(name))
            if said is not None and str(said).strip() not in ("", str(getattr(current, name))):
                raise InvalidError(f"{name} of a known user does not change by an import")

    async def rows(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All rows in parts, with the columns that an import takes."""
        number, after = self._resource.by_name["id"], 0
        while True:
            async with storage_errors(), self._call.services.pool.acquire() as connection:
                condition = Condition(number, ">", (after,))
                page = await self._page(connection, (condition,), BATCH)
                shown = await self._passwords(connection, page)
            if page:
                yield [
                    {name: shown[int(row.id)] if name == "password" else getattr(row, name)
                     for name in self.columns}
                    for row in page
                ]  # fmt: skip
            if len(page) < BATCH:
                return
            after = int(page[-1].id)

    async def _passwords(self, connection: Connection, page: Sequence[Any]) -> dict[int, str]:
        if "password" not in self.columns:
            return {}
        passwords = self._call.services.provider.passwords
        numbers = [int(row.id) for row in page]
        found: dict[int, str] = await passwords.of(connection, self._call.account.id, numbers)
        return found

    async def _page(
        self, connection: Connection, conditions: tuple[Condition, ...], most: int
    ) -> list[Any]:
        criteria = Criteria(
            conditions=conditions, order=((self._resource.by_name["id"], False),), limit=most
        )
        found = await store.list_rows(
            connection, self._resource, criteria, self._view, within=_OWN, count_max=1
        )
        return list(found.rows)

    @property
    def _view(self) -> View:
        return view_of(self._call)


def routes(services: Services, resources: Mapping[str, Resource]) -> list[HTTPRouteHandler]:
    """Import and export of the resources that can be."""
    nouns = ("users", "groups", "profiles", "bandwidth_templates")

    def table(call: Call, noun: str) -> _Table:
        if noun not in nouns:
            raise NotFoundError("There is no such operation", "unknown_operation")
        return _Table(call, resources[noun], resources)

    @post(
        "/import/{noun:str}", request_max_body_size=BYTES_MAX,
        **documented("ISP-X-IMPORT", str, dict[str, Any], path={"noun": str}, refused=Failure,
                     takes_as=(NDJSON, CSV), query={"accountId": str}, security="provider"),
    )  # fmt: skip
    async def take(request: HTTPRequest, noun: FromPath[str]) -> Answer:
        async def run(call: Call) -> Answer:
            into, told, count = table(call, noun), Told(), 0
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
            of = table(call, noun)
            return await sent(written(of.rows(), of.columns, kind), f"{kind}; charset=utf-8")

        operation = _operation("ISP-X-EXPORT", run)
        return await recorded(request, await enter(services, request, operation), operation)

    return [take, give]


def _operation(id_: str, run: Any, *, far: bool = False) -> Operation:
    return Operation(
        id=id_, method="POST", path="table", scope="admin", run=run, gives=None, fixed=3, far=far
    )
