"""Many accounts made and changed at once, under the rules that hold for one (iptv.md 3.14, 4).

An account is found by its login, or by its address where the row has no login. What is due is
applied first, a new tariff plan begins its time, boxes hear that they are switched off or on, a box
with another address has to sign in again, and no reseller gets more accounts than he may. All of it
is a few statements in the caller's transaction; a row is never half there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.domain.errors import ConflictError, ForbiddenError, NotFoundError
from farebox.engine.box_events import Event, Events
from farebox.engine.boxes import DAY_MS, Boxes
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
# An account with nothing in it.
EMPTY: Final[Mapping[str, Any]] = {
    "mac": "", "login": "", "password_hash": None, "full_name": "", "phone": "", "ls": "",
    "tariff": None, "tariff_expires_at_ms": None, "tariff_afterwards": None, "status": True,
    "additional_services_on": True, "comment": "", "account_balance": "", "end_at_ms": None,
    "reseller": None, "stb_sn": "", "stb_type": "",
}  # fmt: skip


class RowError(Exception):
    """A row that cannot be taken, with the column that is to blame."""

    def __init__(self, index: int, column: str, message: str) -> None:
        super().__init__(message)
        self.index = index
        self.column = column
        self.message = message


class Change(msgspec.Struct, frozen=True):
    """What becomes of a row: the account before, None for a new one, and afterwards."""

    index: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    @property
    def columns(self) -> list[str]:
        """What differs."""
        before = EMPTY if self.before is None else self.before
        return [name for name in EMPTY if before[name] != self.after[name]]


async def bring_in(
    connection: Connection, boxes: Boxes, events: Events, now_ms: int,
    rows: Sequence[Mapping[str, Any]],
) -> list[Change]:  # fmt: skip
    """Writes rows of columns. RowError, or ConflictError where somebody else was faster."""
    await connection.execute(SQL.allow_long)
    _refuse_twice(rows, "login", str.lower)
    _refuse_twice(rows, "mac", str)
    before = await _known(connection, boxes, rows)
    days = await _days(connection, rows)
    changes = [
        Change(index, before.get(index), _after(row, before.get(index), now_ms, days))
        for index, row in enumerate(rows)
    ]
    await _check_addresses(connection, changes)
    resellers = await _hold_resellers(connection, changes)
    await _write(connection, changes, now_ms)
    if resellers and await connection.fetchval(SQL.crowded, resellers) is not None:
        raise ForbiddenError("Reseller users limit exceeded")
    for is_on in (False, True):
        switched = [one.after["id"] for one in changes if one.before and _is_switched(one, is_on)]
        await events.queue(connection, switched, Event(name="cut_on" if is_on else "cut_off"))
    return changes


def _is_switched(change: Change, is_on: bool) -> bool:
    return "status" in change.columns and change.after["status"] is is_on


def _refuse_twice(rows: Sequence[Mapping[str, Any]], column: str, folded: Any) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        name = folded(row.get(column, ""))
        if name and name in seen:
            raise RowError(index, column, "is there twice")
        seen.add(name)


async def _known(
    connection: Connection, boxes: Boxes, rows: Sequence[Mapping[str, Any]]
) -> dict[int, Mapping[str, Any]]:
    """The accounts that there are, locked and settled, by the place of their row."""
    names = [[row.get(name, "") for row in rows] for name in ("login", "mac")]
    places = {row["place"] - 1: row["id"] for row in await connection.fetch(SQL.known, *names)}
    await boxes.hold(connection, [*places.values()])
    found = await connection.fetch(SQL.read, [*places.values()])
    by_id = {row["id"]: dict(row) for row in found}
    # One that was removed meanwhile is made anew.
    return {place: by_id[id_] for place, id_ in places.items() if id_ in by_id}


async def _days(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    tariffs = sorted({row["tariff"] for row in rows if row.get("tariff")})
    return {row["id"]: row["days_to_expires"] for row in await connection.fetch(SQL.days, tariffs)}


def _after(
    row: Mapping[str, Any], before: Mapping[str, Any] | None, now_ms: int, days: Mapping[int, int]
) -> dict[str, Any]:
    base = EMPTY if before is None else before
    after = {**base, **row}
    if after["tariff"] != base["tariff"] and "tariff_expires_at_ms" not in row:
        lasts = days.get(after["tariff"] or 0, 0)
        after["tariff_expires_at_ms"] = now_ms + lasts * DAY_MS if lasts else None
    return after


async def _check_addresses(connection: Connection, changes: Sequence[Change]) -> None:
    """Addresses are free, or of accounts that give them up here."""
    wanted = {one.after["mac"]: one for one in changes if "mac" in one.columns}
    leaving = {one.after.get("id") for one in changes if "mac" in one.columns}
    for row in await connection.fetch(SQL.holders, [*wanted]):
        if row["id"] not in leaving:
            raise RowError(wanted[row["mac"]].index, "mac", "is in use")


async def _hold_resellers(connection: Connection, changes: Sequence[Change]) -> list[int]:
    joined = {one.after["reseller"]: one for one in changes if "reseller" in one.columns}
    joined.pop(None, None)
    held = [row["id"] for row in await connection.fetch(SQL.hold_resellers, sorted(joined))]
    for reseller, change in joined.items():
        if reseller not in held:
            raise RowError(change.index, "reseller", "does not exist")
    return held


async def _write(connection: Connection, changes: Sequence[Change], now_ms: int) -> None:
    new = [one.after for one in changes if one.before is None]
    changed = [one for one in changes if one.before is not None and one.columns]
    moved = [one.after["id"] for one in changed if "mac" in one.columns]
    try:
        await connection.execute(SQL.free_addresses, moved)
        await connection.execute(SQL.change, [one.after for one in changed])
        await connection.execute(SQL.add, new, now_ms)
    except Exception as error:
        raise _spelled(error) from error


def _spelled(error: Exception) -> Exception:
    """A broken key as what somebody else did meanwhile."""
    state, name = getattr(error, "sqlstate", ""), getattr(error, "constraint_name", "")
    if state == "23505":
        is_login = name == "account_login_once"
        return ConflictError(
            "Login already in use" if is_login else "MAC address already in use", "duplicate"
        )
    return NotFoundError("Tariff plan not found") if state == "23503" else error
