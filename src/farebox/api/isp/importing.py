"""Rows that come in as lines of a table, known by their names in the account (isp.md 4.9).

A new name makes a row, a known one changes it where the line says something else; what it does not
say stays. A batch is written in few statements; where it has a fault it is gone through again line
by line, so that each fault is told by its line, and nothing of the batch stands. A known
subscriber's group and status have operations of their own, with rules an import does not bend.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import fold, read_all
from farebox.api.isp.dialect import Call
from farebox.api.isp.kinds import text
from farebox.api.isp.owned import clock_of, said, taken, view_of
from farebox.api.isp.tables import BATCH, Line
from farebox.domain import wall_clocks
from farebox.domain.errors import DomainError, InvalidError
from farebox.domain.instants import to_ms
from farebox.resource import store
from farebox.resource.criteria import Condition, Criteria
from farebox.resource.definition import Resource
from farebox.storage.pool import Connection, transaction

FAULTS_MAX: Final = 1_000
# What a row is known by, where it is not its name.
_KEYS: Final = {"users": "username"}
# What only documented operations change.
_FIXED: Final = {"users": ("groupId", "status")}
_OWN: Final = "t.account = {group}"
_PASSWORD: Final = text(128)
# What a row is that gets another password.
_AFTER_PASSWORD: Final = {"created": "created", "updated": "updated", "unchanged": "updated"}


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


class Importer:
    """Takes lines into one resource, for one call."""

    def __init__(self, call: Call, resource: Resource, catalogue: Mapping[str, Resource]) -> None:
        self._call = call
        self._resource = resource
        self._catalogue = catalogue
        self._key = _KEYS.get(resource.name, "name")
        self._has_passwords = resource.name == "users"
        self._takes = taken(resource, 0), taken(resource, 1)

    async def take(self, lines: Sequence[Line], told: Told) -> None:
        """One batch."""
        try:
            async with transaction(self._call.services.pool) as connection:
                known = await self._known(connection, lines)
                try:
                    async with connection.transaction():
                        counts = await self._together(connection, lines, known)
                except (DomainError, ValueError):
                    # Once more, line by line, to tell which of them are at fault.
                    counts = await self._singly(connection, lines, known, told)
        except _FaultyError:
            return
        for name, count in counts.items():
            setattr(told, name, getattr(told, name) + count)

    async def _known(self, connection: Connection, lines: Sequence[Line]) -> dict[str, Any]:
        names = {self._name(given) for _, given in lines}
        wanted = Condition(self._resource.by_name[self._key], "in", tuple(sorted(names)))
        rows = await page(connection, self._call, self._resource, wanted, BATCH)
        # Of packages of one name the oldest is meant.
        return {getattr(row, self._key): row for row in reversed(rows)}

    def _name(self, given: Mapping[str, Any]) -> str:
        return str(given.get(fold(self._key), "")).strip()

    async def _together(
        self, connection: Connection, lines: Sequence[Line], known: Mapping[str, Any]
    ) -> Counter[str]:
        """All lines in few statements; an error says that a line has a fault, not which."""
        if len({self._name(given) for _, given in lines}) < len(lines):
            raise InvalidError("A name stands twice; which line is the last word?")
        view, words = view_of(self._call), {}
        new: list[dict[str, Any]] = []
        passwords: dict[int, str] = {}
        for _, given in lines:
            current = known.get(self._name(given))
            if current is None:
                new.append(read_all(self._takes[0], given))
                continue
            number, values = int(current.id), self._changes(given, current)
            is_new = not self._says(values, current) and await store.update(
                connection, self._resource, number, values, view, self._catalogue
            )
            words[number] = "updated" if is_new else "unchanged"
        keys = await store.insert_many(connection, self._resource, new, view, self._catalogue)
        made, words = iter(keys), {**words, **dict.fromkeys(keys, "created")}
        for _, given in lines:
            current = known.get(self._name(given))
            number = next(made) if current is None else int(current.id)
            if self._has_passwords and given.get("password"):
                passwords[number] = _PASSWORD.read(given["password"])
        for number in await self._keep(connection, passwords):
            words[number] = _AFTER_PASSWORD[words[number]]
        return Counter(words.values())

    async def _singly(
        self, connection: Connection, lines: Sequence[Line], known: dict[str, Any], told: Told
    ) -> Counter[str]:
        """Line by line, each fault told; _FaultyError where there was one."""
        counts: Counter[str] = Counter()
        faults = len(told.errors)
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
        return counts

    async def _row(self, connection: Connection, given: dict[str, Any], known: Any) -> str:
        view, current = view_of(self._call), known.get(self._name(given))
        if current is None:
            values = read_all(self._takes[0], given)
            number = await store.insert(connection, self._resource, values, view, self._catalogue)
            what = "created"
        else:
            number, values = int(current.id), self._changes(given, current)
            is_new = await store.update(
                connection, self._resource, number, values, view, self._catalogue
            )
            what = "updated" if is_new else "unchanged"
        if self._has_passwords and given.get("password"):
            password = _PASSWORD.read(given["password"])
            if await self._keep(connection, {number: password}):
                what = _AFTER_PASSWORD[what]
        if current is None:
            row = await store.read(connection, self._resource, number, view)
            known[getattr(row, self._key)] = row
        return what

    async def _keep(self, connection: Connection, passwords: Mapping[int, str]) -> list[int]:
        kept = self._call.services.provider.passwords
        others: list[int] = await kept.keep_others(connection, self._call.account.id, passwords)
        return others

    def _changes(self, given: dict[str, Any], current: Any) -> dict[str, Any]:
        """What a line says of a known row."""
        self._check(given, current)
        return said(self._resource, read_all(self._takes[1], given), given)

    def _says(self, values: Mapping[str, Any], current: Any) -> bool:
        """Whether a row is seen, without asking, to be what a line wants it to be."""
        zone = clock_of(values, current, self._call.account.time_zone)

        def is_shown(name: str, value: Any) -> bool:
            shown, kind = getattr(current, name), self._resource.by_name[name].type
            if value is None or shown is None:
                return value is shown
            if kind == "instant":
                return to_ms(shown) == wall_clocks.of_moment(value, zone)
            return bool(shown == (str(value) if kind in ("bigtext", "text") else value))

        return all(is_shown(name, value) for name, value in values.items())

    def _check(self, given: Mapping[str, Any], current: Any) -> None:
        for name in _FIXED.get(self._resource.name, ()):
            said = given.get(fold(name))
            if said is not None and str(said).strip() not in ("", str(getattr(current, name))):
                raise InvalidError(f"{name} of a known user does not change by an import")


async def page(
    connection: Connection, call: Call, resource: Resource, wanted: Condition, most: int
) -> list[Any]:
    """Rows of the account itself, by their ids."""
    criteria = Criteria(conditions=(wanted,), order=((resource.by_name["id"], False),), limit=most)
    found = await store.list_rows(
        connection, resource, criteria, view_of(call), within=_OWN, count_max=1
    )
    return list(found.rows)
