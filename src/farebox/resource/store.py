"""Lists, reads and writes the rows of a declared resource; the closed set of verbs.

A row outside the caller's scope does not exist here. Writes run in the transaction of who calls and
tell the resource's channels; broken keys and nulls where none may be are spelled as domain errors.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from farebox.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from farebox.resource import compile as sql
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Association, Resource, View, Write
from farebox.storage.pool import Connection

Catalogue = Mapping[str, Resource]
_ROW = "t.id = {key}::bigint"


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one answer, how many match in all, and whether the hard cap cut them."""

    rows: list[Any]
    total: int
    truncated: bool


async def list_rows(
    connection: Connection, resource: Resource, criteria: Criteria, view: View,
    *, within: str = "true", hard_cap: int = 10_000, count_max: int | None = None,
) -> Page:  # fmt: skip
    """Give a page of what the caller may see; its matches, at most `count_max`, if it is cut."""
    limit = hard_cap + 1 if criteria.limit is None else criteria.limit
    tells = count_max is None
    query = sql.page(resource, criteria, view, limit=limit, within=within, tells=tells)
    records = await _fetch(connection, query) if limit else []
    told = records[0][-1] if records else None
    total = told or criteria.skip + len(records)
    if told is None and (len(records) >= limit or (criteria.skip and not records)):
        counted = sql.count(resource, criteria, view, limit=count_max, within=within)
        total = max(total if records else 0, (await _fetch(connection, counted))[0][0])
    rows = _rows(resource, [record[:-1] for record in records[:hard_cap]], view)
    return Page(rows, total, criteria.limit is None and len(records) > hard_cap)


async def read(
    connection: Connection, resource: Resource, key: int, view: View, within: str = _ROW
) -> Any:
    """Give one row as it is shown. Raises NotFoundError."""
    query = sql.read(resource, view.having(key=key), within)
    return _rows(resource, [await _one(connection, resource, query)], view)[0]


async def insert(
    connection: Connection, resource: Resource, values: dict[str, Any], view: View,
    catalogue: Catalogue,
) -> int:  # fmt: skip
    """Add a row from checked values and give its id.

    Raises InvalidError (invalid_reference) and ConflictError (duplicate).
    """
    write = Write(connection, resource, view, values)
    await _prepare(write, catalogue)
    async with _refusals(resource):
        key: int = (await _fetch(connection, _insertion(write)))[0][0]
    await _replace_links(write, key, catalogue)
    await _notify(connection, resource)
    return key


async def insert_many(
    connection: Connection, resource: Resource, rows: Sequence[dict[str, Any]], view: View,
    catalogue: Catalogue,
) -> list[int]:  # fmt: skip
    """Add rows that have no associations, in few round trips, and give their ids in order.

    Raises what `insert` raises, without telling for which row.
    """
    for field in resource.fields:
        target = catalogue.get(field.reference or "")
        if target is not None:
            ids = sorted({row[field.name] for row in rows if row.get(field.name) is not None})
            if len(await _fetch(connection, sql.present(target, ids, view))) < len(ids):
                raise InvalidError(f"{field.name} does not exist", "invalid_reference")
    alike = defaultdict(list)
    for at, values in enumerate(rows):
        write = Write(connection, resource, view, values)
        await _prepare(write, {})
        text, arguments = _insertion(write)
        alike[text].append((at, arguments))
    keys: dict[int, int] = {}
    async with _refusals(resource):
        for text, ones in alike.items():
            records = await connection.fetchmany(text, [arguments for _, arguments in ones])
            keys |= {at: record[0] for (at, _), record in zip(ones, records, strict=True)}
    await _notify(connection, resource)
    return [keys[at] for at in range(len(rows))]


async def update(
    connection: Connection, resource: Resource, key: int, values: dict[str, Any], view: View,
    catalogue: Catalogue,
) -> bool:  # fmt: skip
    """Write checked values and say whether anything changed; `updatedAt` moves only then.

    Raises NotFoundError, ForbiddenError, InvalidError and ConflictError (duplicate).
    """
    current, _ = await _claim(connection, resource, key, view)
    write = Write(connection, resource, view, values, current)
    for name in [name for name in values if name in resource.by_name]:
        if resource.by_name[name].write[1] == "=" and values.pop(name) != getattr(current, name):
            raise InvalidError(f"{name} cannot change", fields={name: "cannot change"})
    await _prepare(write, catalogue)
    touched = await _replace_links(write, key, catalogue)
    async with _refusals(resource):
        query = sql.update(resource, key, _columns(write), view.now_ms, touch=touched)
        changed = bool(await _fetch(connection, query))
    if changed:
        await _notify(connection, resource)
    return changed


async def delete(connection: Connection, resource: Resource, key: int, view: View) -> None:
    """Remove a row. Raises NotFoundError, ForbiddenError, ConflictError (in_use)."""
    _, deletable = await _claim(connection, resource, key, view)
    if not deletable:
        raise ForbiddenError(f"{resource.label} may not be deleted by this user")
    if resource.referrers:
        held = await _fetch(connection, sql.refers(resource, key))
        if fields := {record[0]: "refers to it" for record in held}:
            raise ConflictError(f"{resource.label} is in use", "in_use", fields)
    async with _refusals(resource, deleting=True):
        await _fetch(connection, sql.delete(resource, key))
    await _notify(connection, resource)


async def associate(
    connection: Connection, resource: Resource, key: int, association: Association, other: int,
    view: View, catalogue: Catalogue, *, present: bool,
) -> None:  # fmt: skip
    """Make `other` belong to the row or not; nothing happens where it already is so.

    Raises NotFoundError, ForbiddenError, InvalidError (invalid_reference).
    """
    current, _ = await _claim(connection, resource, key, view)
    write = Write(connection, resource, view, {association.alias: [other]}, current)
    await _prepare(write, catalogue if present else {})
    change, target = sql.link if present else sql.unlink, catalogue[association.target]
    query = change(association.through or ("", "", ""), key, [other], target, view)
    if await _fetch(connection, query):
        await _fetch(connection, sql.update(resource, key, {}, view.now_ms, touch=True))
        await _notify(connection, resource)


async def _fetch(connection: Connection, query: sql.Query) -> list[Any]:
    return list(await connection.fetch(query[0], *query[1]))


async def _one(connection: Connection, resource: Resource, query: sql.Query) -> Any:
    found = await _fetch(connection, query)
    if not found:
        raise NotFoundError(f"{resource.label} not found")
    return found[0]


def _rows(resource: Resource, records: list[Any], view: View) -> list[Any]:
    row, render = resource.row, resource.render
    rows = [row(*record) for record in records]
    return rows if render is None else [render(one, view) for one in rows]


async def _claim(connection: Connection, resource: Resource, key: int, view: View) -> Any:
    """Lock a row for a write and give it with whether it may be deleted."""
    query = sql.read(resource, view.having(key=key), _ROW, lock=True)
    *values, writable, deletable = await _one(connection, resource, query)
    if not writable:
        raise ForbiddenError(f"{resource.label} may not be changed by this user")
    return resource.row(*values), deletable


async def _prepare(write: Write, catalogue: Catalogue) -> None:
    """Check what the values refer to, then let the declaration have its say."""
    faults: dict[str, str] = {}
    for name, value in write.values.items():
        field, association = write.resource.by_name.get(name), write.resource.aliases.get(name)
        named = field.reference if field else association.target if association else None
        target = catalogue.get(named or "")
        # What an update leaves as it is need not be seen by who writes.
        if target is not None and value not in (None, getattr(write.current, name, None)):
            ids = value if isinstance(value, list) else [value]
            seen = await _fetch(write.connection, sql.present(target, ids, write.view))
            if lost := [str(one) for one in ids if one not in {record[0] for record in seen}]:
                faults[name] = f"does not exist: {', '.join(lost[:20])}"
    if faults:
        name, reason = next(iter(faults.items()))
        raise InvalidError(f"{name} {reason}", "invalid_reference", faults)
    if write.resource.prepare is not None:
        await write.resource.prepare(write)


def _insertion(write: Write) -> sql.Query:
    now_ms = write.view.now_ms
    columns = {**_columns(write), "created_at_ms": now_ms, "updated_at_ms": now_ms}
    if write.resource.owner is not None:
        columns.setdefault(write.resource.owner, write.view.caller.group)
    return sql.insert(write.resource, columns)


def _columns(write: Write) -> dict[str, object]:
    fields = write.resource.by_name
    values = {fields[name].stored: value for name, value in write.values.items() if name in fields}
    return values | write.columns


async def _replace_links(write: Write, key: int, catalogue: Catalogue) -> bool:
    changed = False
    for one in write.resource.associations:
        if one.through is not None and one.alias in write.values:
            given = (one.through, key, write.values[one.alias], catalogue[one.target], write.view)
            for query in (sql.unlink(*given, keep=True), sql.link(*given)):
                changed = bool(await _fetch(write.connection, query)) or changed
    return changed


async def _notify(connection: Connection, resource: Resource) -> None:
    if resource.notify:
        await _fetch(connection, sql.notify(resource))


@asynccontextmanager
async def _refusals(resource: Resource, *, deleting: bool = False) -> AsyncIterator[None]:
    """Spell a broken key, or a null where none may be, as what the caller did wrong."""
    try:
        yield
    except Exception as error:
        state, name = getattr(error, "sqlstate", ""), getattr(error, "constraint_name", "")
        if state == "23505" and name in resource.unique:
            reason, field = "is already taken", resource.unique[name]
            raise ConflictError(f"{field} {reason}", "duplicate", {field: reason}) from error
        if state == "23502":
            column = getattr(error, "column_name", "")
            field = next((one.name for one in resource.fields if one.stored == column), column)
            reason = "is required"
            raise InvalidError(f"{field} {reason}", fields={field: reason}) from error
        if state != "23503":
            raise
        if not deleting:
            raise InvalidError("A named row does not exist", "invalid_reference") from error
        fields = {str(getattr(error, "table_name", "")).rpartition(".")[2]: "refers to it"}
        raise ConflictError(f"{resource.label} is in use", "in_use", fields) from error
