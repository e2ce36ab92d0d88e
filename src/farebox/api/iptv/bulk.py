"""Many records at once: all kinds in one document and one transaction (iptv.md 3.14).

A record is found by its id, else by what people know it by: a channel by its number, a package or
tariff plan by its external id, an account by its login or address. What is found is changed where
it differs, what is not is made. With `dry_run` the same is done and taken back, and every
difference is told. Passwords that a row carries are always written.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from farebox.api.iptv.account_rows import bring, hashes_of
from farebox.api.iptv.admin import described, enter
from farebox.api.iptv.arguments import read_object
from farebox.api.iptv.dialect import Answer, HTTPRequest, invalid, told
from farebox.api.iptv.differences import Brought, Difference, Rows, brought, wrong
from farebox.api.iptv.provisioning import (
    KINDS,
    Provisioned,
    add,
    edit,
    number_of,
    values_of,
    view,
)
from farebox.api.services import Services
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.storage.pool import Connection, transaction

ROWS_MAX: Final = 10_000
BYTES_MAX: Final = 32 << 20
PARTS: Final = (*(kind.path for kind in KINDS), "accounts")

_Member = Rows | msgspec.UnsetType
Document: Any = msgspec.defstruct(
    "Document",
    [
        ("dry_run", int | msgspec.UnsetType, msgspec.UNSET),
        *((name, _Member, msgspec.UNSET) for name in PARTS),
    ],
    module=__name__,
)


class _TakenBackError(Exception):
    """Ends the transaction of a dry run."""


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The one route."""

    @post("/admin/import", **described(
        "IMPORT", dict[str, Brought], takes=Document, body_bytes_max=BYTES_MAX
    ))  # fmt: skip
    async def import_document(request: HTTPRequest) -> Answer:
        await enter(services, request)
        document = await read_object(request)
        dry = document.get("dry_run", 0)
        if not isinstance(dry, int) or dry not in (0, 1):
            raise invalid("Not valid dry_run")
        return told(await _import(services, _parts(document), is_dry=bool(dry)))

    return [import_document]


def _parts(document: Mapping[str, Any]) -> dict[str, Rows]:
    """The kinds that a document has, in the order in which they name each other."""
    parts = {name: document[name] for name in PARTS if name in document}
    for name, rows in parts.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise invalid(f"Not valid {name}")
    if sum(map(len, parts.values())) > ROWS_MAX:
        raise invalid("Too many rows")
    return parts


async def _import(
    services: Services, parts: Mapping[str, Rows], *, is_dry: bool
) -> dict[str, Brought]:
    accounts = parts.get("accounts", [])
    hashes = await hashes_of(services, accounts, is_dry=is_dry)
    done: dict[str, list[Difference]] = {}
    try:
        async with transaction(services.pool) as connection:
            for kind in KINDS:
                if kind.path in parts:
                    job = _Records(connection, kind, services.clock())
                    done[kind.path] = await job.run(parts[kind.path])
            if "accounts" in parts:
                done["accounts"] = await bring(services, connection, accounts, hashes)
            if is_dry:
                raise _TakenBackError
    except _TakenBackError:
        pass
    return {name: brought(len(parts[name]), found, is_dry) for name, found in done.items()}


class _Records:
    """Brings in the rows of one kind, one after another."""

    def __init__(self, connection: Connection, kind: Provisioned, now_ms: int) -> None:
        self._connection = connection
        self._kind = kind
        self._now_ms = now_ms
        self._known: dict[tuple[str, Any], Any] = {}

    async def run(self, rows: Rows) -> list[Difference]:
        """The differences that the rows have made."""
        await self._read(rows)
        found = []
        for index, row in enumerate(rows):
            try:
                difference = await self._row(index, row)
            except (InvalidError, NotFoundError, ConflictError) as error:
                raise wrong(self._kind.path, index, error, "id") from error
            found += [difference] if difference else []
        return found

    async def _read(self, rows: Rows) -> None:
        """The records that rows may mean, read at once."""
        keys = [key for row in rows for key in self._keys_of(row)]
        ids = [value for name, value in keys if name == "id"]
        named = [value for name, value in keys if name != "id"]
        seen = view(self._now_ms).having(ids=ids, names=named)
        page = await store.list_rows(
            self._connection, self._kind.resource, Criteria(), seen,
            within=self._kind.found, hard_cap=2 * ROWS_MAX,
        )  # fmt: skip
        for one in page.rows:
            self._know(one)

    def _keys(self, id_: object, name: object) -> list[tuple[str, Any]]:
        """What a record is known by; the surest comes first."""
        pairs = (("id", number_of(id_)), (self._kind.key, self._kind.folded(name)))
        return [(key, value) for key, value in pairs if key and value is not None]

    def _keys_of(self, row: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return self._keys(row.get("id"), row.get(self._kind.key))

    def _know(self, record: Any) -> None:
        name = getattr(record, self._kind.key) if self._kind.key else None
        self._known |= dict.fromkeys(self._keys(record.id, name), record)

    async def _row(self, index: int, row: Mapping[str, Any]) -> Difference | None:
        kind, keys = self._kind, self._keys_of(row)
        # A row with an id means that record and no other.
        current = self._known.get(keys[0]) if keys else None
        if current is None:
            made = await add(self._connection, kind, row, self._now_ms)
            self._know(made)
            return Difference(index, "created", str(made.id), {})
        fields = self._differing(row, current)
        if not fields:
            return None
        self._know(await edit(self._connection, kind, current.id, row, self._now_ms))
        return Difference(index, "updated", str(current.id), fields)

    def _differing(self, row: Mapping[str, Any], current: Any) -> dict[str, Any]:
        values = values_of(self._kind.resource, row, creating=False)
        if self._kind.read is not None and self._kind.listed in row:
            values[self._kind.listed] = self._kind.read(current, row[self._kind.listed])
        new = {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in values.items()
        }
        return {
            name: {"old": getattr(current, name), "new": value}
            for name, value in new.items()
            if getattr(current, name) != value
        }
