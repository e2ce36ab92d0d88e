"""Many records at once: all kinds in one document and one transaction (iptv.md 3.14).

A record is found by its id, else by what people know it by: a channel by its number, a package or
tariff plan by its external id, an account by its login, or its address where the row has no login.
What is found is changed where it differs, what is not is made. With `dry_run` the same is done and
taken back, and every difference is told. Passwords that a row carries are always written.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from farebox.api.iptv.admin import described, enter
from farebox.api.iptv.arguments import Given, read_object, scalar
from farebox.api.iptv.blueprint import Call
from farebox.api.iptv.dialect import Answer, HTTPRequest, invalid, told
from farebox.api.iptv.provisioning import (
    KINDS,
    Provisioned,
    add,
    edit,
    number_of,
    values_of,
    view,
)
from farebox.api.iptv.subjects import values_of as columns_of
from farebox.api.services import Services
from farebox.domain.errors import ConflictError, DomainError, InvalidError, NotFoundError
from farebox.engine.account_import import Change, RowError, bring_in
from farebox.engine.passwords import is_hash
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.storage.pool import Connection, transaction

ROWS_MAX: Final = 10_000
PASSWORDS_MAX: Final = 500
BYTES_MAX: Final = 32 << 20
DIFFERENCES_MAX: Final = 1000
PARTS: Final = (*(kind.path for kind in KINDS), "accounts")
# Columns of accounts by the names that people know.
_SPELLED: Final = {
    "mac": "stb_mac", "ls": "account_number", "tariff": "tariff_plan", "reseller": "reseller_id",
    "tariff_afterwards": "tariff_instead_expired", "tariff_expires_at_ms": "tariff_expired_date",
    "end_at_ms": "end_date", "password_hash": "password",
}  # fmt: skip
_TEXTS: Final = {"stb_sn": 64, "stb_type": 64}

Rows = list[dict[str, Any]]
_Member = Rows | msgspec.UnsetType
Document: Any = msgspec.defstruct(
    "Document",
    [
        ("dry_run", int | msgspec.UnsetType, msgspec.UNSET),
        *((name, _Member, msgspec.UNSET) for name in PARTS),
    ],
    module=__name__,
)


class Difference(msgspec.Struct):
    """A row that makes or changes a record: by which name, and each field's old and new value."""

    index: int
    change: str
    key: str
    fields: dict[str, Any]


class Brought(msgspec.Struct, omit_defaults=True):
    """What became of the rows of a kind, with the differences in a dry run."""

    created: int
    updated: int
    unchanged: int
    differences: list[Difference] = []


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
    hashes = await _hashes(services, accounts, is_dry=is_dry)
    done: dict[str, list[Difference]] = {}
    try:
        async with transaction(services.pool) as connection:
            for kind in KINDS:
                if kind.path in parts:
                    job = _Records(connection, kind, services.clock())
                    done[kind.path] = await job.run(parts[kind.path])
            if "accounts" in parts:
                done["accounts"] = await _accounts(services, connection, accounts, hashes)
            if is_dry:
                raise _TakenBackError
    except _TakenBackError:
        pass
    return {name: _brought(len(parts[name]), found, is_dry) for name, found in done.items()}


def _brought(rows: int, found: Sequence[Difference], is_dry: bool) -> Brought:
    created = sum(one.change == "created" for one in found)
    shown = list(found[:DIFFERENCES_MAX]) if is_dry else []
    return Brought(created, len(found) - created, rows - len(found), shown)


def _wrong(kind: str, index: int, error: DomainError, field: str) -> InvalidError:
    """The refusal of a row, with its index and field."""
    named = next(iter(error.fields), "") or _named_in(error.message) or field
    return invalid(f"Not valid {kind}[{index}].{named}: {error.message}")


def _named_in(message: str) -> str:
    """The field that a refusal in the document's words names."""
    found = re.fullmatch(r"(?:Not valid|Not valid date:|Value too long:) ([a-z_]+)", message)
    return found[1] if found else ""


# Provisioned records


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
                raise _wrong(self._kind.path, index, error, "id") from error
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


# Accounts


async def _hashes(services: Services, rows: Rows, *, is_dry: bool) -> dict[int, str]:
    """What is stored of the passwords of rows, by the place of the row; before anything waits."""
    clear = {at: row["password"] for at, row in enumerate(rows) if row.get("password")}
    if len(clear) > PASSWORDS_MAX:
        raise invalid("Too many passwords")
    for at, password in clear.items():
        if not isinstance(password, str) or len(password) > 128:
            raise _wrong("accounts", at, invalid("Not valid password"), "password")
    if is_dry:
        return dict.fromkeys(clear, "")
    boxes, places = services.portal.boxes, [*clear]
    hashed: dict[int, str] = {}
    for start in range(0, len(places), 2):
        pair = places[start : start + 2]
        made = await asyncio.gather(*(boxes.hash(clear[at]) for at in pair))
        hashed.update(zip(pair, made, strict=True))
    return hashed


async def _accounts(
    services: Services, connection: Connection, rows: Rows, hashes: Mapping[int, str]
) -> list[Difference]:
    portal, tariffs = services.portal, dict[str, int | None]()

    async def tariff_of(name: str) -> int | None:
        if name not in tariffs:
            tariffs[name] = await portal.boxes.tariff_of(connection, name)
        return tariffs[name]

    wanted = []
    for index, row in enumerate(rows):
        try:
            known = {"password_hash": hashes[index]} if index in hashes else {}
            wanted.append(await _columns(services, row, known, tariff_of))
        except DomainError as error:
            raise _wrong("accounts", index, error, _field_of(error)) from error
    try:
        changes = await bring_in(connection, portal.boxes, portal.events, services.clock(), wanted)
    except RowError as error:
        field = _SPELLED.get(error.column, error.column)
        raise invalid(f"Not valid accounts[{error.index}].{field}: {error.message}") from error
    return [_difference(one) for one in changes if one.before is None or one.columns]


def _field_of(error: DomainError) -> str:
    """What a refusal is about that names no field."""
    words = {"Tariff": "tariff_plan", "Reseller": "reseller_id", "Not valid mac": "stb_mac"}
    return next((name for word, name in words.items() if error.message.startswith(word)), "login")


async def _columns(
    services: Services, row: Mapping[str, Any], known: Mapping[str, str], tariff_of: Any
) -> dict[str, Any]:
    """The checked columns of a row."""
    try:
        texts = {name: scalar(value) for name, value in row.items() if value is not None}
    except ValueError:
        raise invalid("a value is neither text nor number") from None
    call = Call(services, (), Given(texts))
    values = await columns_of(call, known, tariff_of)
    values |= {name: call.given.text(name, most) for name, most in _TEXTS.items() if name in texts}
    if "additional_services_on" in texts:
        values["additional_services_on"] = call.given.flag("additional_services_on")
    ready = texts.get("password_hash", "")
    if ready and not is_hash(ready):
        raise invalid("Not valid password_hash")
    if ready:
        values["password_hash"] = ready
    if not values.get("login") and not values.get("mac"):
        raise invalid("Login required")
    return values


def _difference(change: Change) -> Difference:
    key = change.after["login"] or change.after["mac"]
    if change.before is None:
        return Difference(change.index, "created", key, {})
    before, after = change.before, change.after
    fields = {
        _SPELLED.get(name, name): {"old": before[name], "new": after[name]}
        if name != "password_hash"
        else {"old": "", "new": ""}
        for name in change.columns
    }
    return Difference(change.index, "updated", key, fields)
