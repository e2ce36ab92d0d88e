"""Provisioned records made, changed and removed, each with what belongs to it (iptv.md 3.14).

A package has services and a tariff plan has packages: lists that a change replaces whole. What is
in use goes only by force, and is then taken from where it was used. Boxes are not told: an operator
who has finished sends `update_channels`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from farebox.api.iptv.catalogue import CATALOGUE, CHANNEL, CONTENT, INT_MAX, PACKAGE, SQL, TARIFF
from farebox.domain.errors import InvalidError
from farebox.resource import store
from farebox.resource.definition import Field, Resource, View
from farebox.storage.pool import Connection

LISTED_MAX: Final = 10_000
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MODULE: Final = re.compile(r"[a-z0-9_.]{1,64}", re.ASCII)

Given = Mapping[str, Any]
# Reads the list of a record as it would be shown. Raises InvalidError.
Read = Callable[[Any, object], list[Any]]
# Writes it, after the row of the record.
Write = Callable[[Connection, Any, list[Any]], Awaitable[None]]
Leave = Callable[[Connection, int], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Provisioned:
    """A kind of record, its path, and the list that belongs to each."""

    path: str
    resource: Resource
    # What a row of an import is found by where it has no id, in the form in which it is compared.
    key: str = ""
    folded: Callable[[object], object] = lambda value: value
    # Lets one transaction at a time write records of the kind, before any row of them is locked.
    hold: str = ""
    # The condition on records for `{ids}` and `{names}` of an import.
    found: str = SQL.by_id
    listed: str = ""
    read: Read | None = None
    write: Write | None = None
    # Takes a record from where it is used.
    leave: Leave | None = None

    @property
    def name(self) -> str:
        """As operation ids have it: `IPTV-X-CHANNEL-…`."""
        return self.resource.name.upper()


def view(now_ms: int) -> View:
    """Whoever is let in sees everything."""
    return View(None, now_ms)


# What comes in


def wrong(name: str, why: str = "is not valid") -> InvalidError:
    """The refusal of a member."""
    return InvalidError(f"Not valid {name}", fields={name: why})


def values_of(resource: Resource, given: Given, *, creating: bool) -> dict[str, Any]:
    """The checked values of a new record or of a change, by field name. Raises InvalidError."""
    values: dict[str, Any] = {}
    for field in resource.fields:
        letter = field.write[0 if creating else 1]
        if letter == "R" and field.name not in given:
            raise InvalidError(f"{field.name} required", fields={field.name: "is required"})
        if letter != "-" and field.name in given:
            values[field.name] = checked(field, given[field.name])
    return values


def checked(field: Field, value: object) -> Any:
    """A value that a field may have; a number that may change may also be taken away."""
    if value is None and field.kind.is_integer and field.default is None and field.write == "OO":
        return None
    try:
        read: Any = field.kind.read(value) if field.kind.read else value
    except ValueError:
        raise wrong(field.name) from None
    if isinstance(read, str):
        return _text(field, read)
    if field.low is not None and not field.low <= read <= (field.high or INT_MAX):
        raise wrong(field.name)
    if field.type == "number" and read != round(read, 2):
        raise wrong(field.name)
    return read


def _text(field: Field, text: str) -> str:
    text = text.strip()
    if len(text) > (field.high or 255):
        raise InvalidError(f"Value too long: {field.name}", fields={field.name: "is too long"})
    is_known = not field.choices or text in field.choices
    if len(text) < (field.low or 0) or not is_known or _CONTROL.search(text):
        raise wrong(field.name)
    return text


# Lists that belong to a record


def _read_services(package: Any, given: object) -> list[Any]:
    if not isinstance(given, list) or len(given) > LISTED_MAX:
        raise wrong("services")
    return sorted({_service(one, is_module=package.type == "module") for one in given})


def _service(given: object, *, is_module: bool) -> Any:
    if is_module and isinstance(given, str) and _MODULE.fullmatch(given):
        return given
    number = None if is_module else number_of(given)
    if number is None:
        raise wrong("services")
    return number


async def _write_services(connection: Connection, package: Any, services: list[Any]) -> None:
    """The services of a package, which there have to be."""
    names = [str(one) for one in services]
    if package.type != "module":
        await _require(connection, SQL.missing_services, "services", package.type, names)
    await connection.execute(SQL.set_services, package.id, names)


def _read_packages(tariff: Any, given: object) -> list[Any]:
    del tariff
    if not isinstance(given, list) or len(given) > LISTED_MAX:
        raise wrong("packages")
    wanted: dict[int, int] = {}
    for one in given:
        id_ = number_of(one.get("id")) if isinstance(one, dict) else None
        is_optional = one.get("optional", 0) if isinstance(one, dict) else None
        if id_ is None or not isinstance(is_optional, int) or is_optional not in (0, 1):
            raise wrong("packages")
        wanted[id_] = int(is_optional)
    return [{"id": id_, "optional": wanted[id_]} for id_ in sorted(wanted)]


async def _write_packages(connection: Connection, tariff: Any, packages: list[Any]) -> None:
    """The packages of a tariff plan, each with whether it can be chosen."""
    ids = [one["id"] for one in packages]
    await _require(connection, SQL.missing_packages, "packages", ids)
    are_optional = [bool(one["optional"]) for one in packages]
    await connection.execute(SQL.set_packages, tariff.id, ids, are_optional)


async def _require(connection: Connection, statement: str, name: str, *given: object) -> None:
    """InvalidError where a statement finds something missing."""
    if absent := await connection.fetch(statement, *given):
        text = ",".join(str(row[0]) for row in absent[:20])
        message = f"One or more {name} are incorrect: {text}"
        raise InvalidError(message, fields={name: "do not exist"})


def number_of(given: object) -> int | None:
    """An id, as a number or as digits."""
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    return int(text) if re.fullmatch(r"[1-9]\d{0,17}", text, re.ASCII) else None


def _channel_number(given: object) -> int | None:
    """A channel's number; what no column can hold is no channel's."""
    number = number_of(given)
    return number if number is not None and number < 2**31 else None


def _folded(given: object) -> str | None:
    """An external id as it is compared; none for the empty text."""
    return (given.strip().lower() or None) if isinstance(given, str) else None


# What happens when a record goes by force


async def _leave_packages(connection: Connection, kind: str, key: int) -> None:
    await connection.execute(SQL.leave_packages, kind, key)


async def _channel_leaves(connection: Connection, key: int) -> None:
    await _leave_packages(connection, "tv", key)


async def _content_leaves(connection: Connection, key: int) -> None:
    row = await store.read(connection, CONTENT, key, view(0))
    await _leave_packages(connection, row.type, key)


async def _package_leaves(connection: Connection, key: int) -> None:
    await connection.execute(SQL.leave_tariffs, key)


async def _tariff_leaves(connection: Connection, key: int) -> None:
    await connection.execute(SQL.leave_accounts, key)


KINDS: Final = (
    Provisioned(
        path="channels", resource=CHANNEL, key="number", folded=_channel_number,
        found=SQL.by_number, leave=_channel_leaves,
    ),
    Provisioned(path="contents", resource=CONTENT, leave=_content_leaves),
    Provisioned(
        path="packages", resource=PACKAGE, key="external_id", folded=_folded,
        found=SQL.by_external_id, listed="services", read=_read_services, write=_write_services,
        leave=_package_leaves,
    ),
    Provisioned(
        path="tariffs", resource=TARIFF, key="external_id", folded=_folded,
        found=SQL.by_external_id, hold=SQL.hold_tariffs, listed="packages", read=_read_packages,
        write=_write_packages, leave=_tariff_leaves,
    ),
)  # fmt: skip


# The verbs


async def add(connection: Connection, kind: Provisioned, given: Given, now_ms: int) -> Any:
    """A new record with its list, as it is shown."""
    values = values_of(kind.resource, given, creating=True)
    await _hold(connection, kind)
    key = await store.insert(connection, kind.resource, values, view(now_ms), CATALOGUE)
    if "id" in values:
        await connection.execute(SQL.move_sequence, kind.resource.table, key)
    return await _listed(connection, kind, key, given, now_ms)


async def edit(
    connection: Connection, kind: Provisioned, key: int, given: Given, now_ms: int
) -> Any:
    """The record with those members changed that are given."""
    values = values_of(kind.resource, given, creating=False)
    if not values and kind.listed not in given:
        raise InvalidError("Update data is empty")
    await _hold(connection, kind)
    await store.update(connection, kind.resource, key, values, view(now_ms), CATALOGUE)
    return await _listed(connection, kind, key, given, now_ms)


async def _hold(connection: Connection, kind: Provisioned) -> None:
    if kind.hold:
        await connection.execute(kind.hold)


async def _listed(
    connection: Connection, kind: Provisioned, key: int, given: Given, now_ms: int
) -> Any:
    row = await store.read(connection, kind.resource, key, view(now_ms))
    if kind.read is None or kind.write is None or kind.listed not in given:
        return row
    await kind.write(connection, row, kind.read(row, given[kind.listed]))
    return await store.read(connection, kind.resource, key, view(now_ms))


async def remove(
    connection: Connection, kind: Provisioned, key: int, now_ms: int, *, by_force: bool
) -> None:
    """Removes a record; ConflictError where it is in use and no force is meant."""
    await store.read(connection, kind.resource, key, view(now_ms))
    await connection.execute(SQL.allow_long)
    if kind.leave and (by_force or not kind.resource.referrers):
        await kind.leave(connection, key)
    await store.delete(connection, kind.resource, key, view(now_ms))
