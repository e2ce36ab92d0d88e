"""Subscribers move between groups, at once or at a later instant (isp.md E10).

Everything of a move happens in one transaction as at its instant: figures are settled under the old
group, then group, overrides, usage, billing cycle and the book of renewals change together. A move
that is due is applied by whoever comes first, the sweep or the next call, always as at its own
instant; one whose group is gone by then is cancelled.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, Final

import msgspec

from farebox.domain import cycles, wall_clocks
from farebox.domain.cycles import Cycle
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.domain.windows import local_day_start
from farebox.engine.holding import hold
from farebox.engine.metering import BANDWIDTH, clear, settle
from farebox.engine.renewals import BY_API, MOVE
from farebox.engine.renewals import SQL as RENEWALS
from farebox.engine.switching import emit
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
TYPES: Final = ("moveImmediately", "previousBillingCycle", "nextbillingCycle", "customDate")
SWEEP_S: Final = 30.0
_SWEPT: Final = 100


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be moved, and what goes with it."""

    group: int
    type: str
    day: date | None
    clears_usage: bool
    clears_policies: bool
    moves_billing: bool


class Moves:
    """Moves subscribers, and sweeps the moves that are due."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def move(self, account: str, number: int, move: Move) -> str:
        """Moves now or makes a note to move; the subscriber's name."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            row = await hold(connection, account, number, now_ms)
            await _check(connection, account, row, move.group)
            cycle = (await settle(connection, number, now_ms))[BANDWIDTH].cycle
            due_ms = _due(move, cycle, row["zone"], now_ms)
            if due_ms > now_ms:
                await _schedule(connection, number, move, due_ms)
            else:
                await connection.execute(SQL.cancel, number)
                is_back = move.type == "previousBillingCycle" and cycle.start_ms is not None
                billing_ms = cycle.start_ms if is_back and cycle.start_ms else now_ms
                await _apply(connection, row, move, now_ms, billing_ms)
        username: str = row["username"]
        return username

    async def apply_due(self) -> int:
        """Applies the moves that are due; how many."""
        now_ms = self._clock()
        rows = await self._pool.fetch(SQL.due, now_ms, _SWEPT)
        for row in rows:
            try:
                await self._apply_one(row["account"], row["subscriber"], row["id"])
            except ConflictError:
                # Somebody else is at work on him, and will be followed by the next sweep.
                continue
        return len(rows)

    async def _apply_one(self, account: str, number: int, scheduled: int) -> None:
        async with transaction(self._pool) as connection:
            row = await hold(connection, account, number, self._clock(), deleted_too=True)
            found = await connection.fetchrow(SQL.take, scheduled)
            if found is None:
                return
            move = Move(
                group=found["user_group"], type="moveImmediately", day=None,
                clears_usage=found["clears_usage"], clears_policies=found["clears_policies"],
                moves_billing=found["moves_billing"],
            )  # fmt: skip
            group = await connection.fetchrow(SQL.group, move.group, account)
            is_possible = group is not None and not group["deactivated"]
            if is_possible and row["stored_status"] != "deleted":
                due_ms = found["due_at_ms"]
                await _apply(connection, row, move, due_ms, due_ms)
            else:
                await connection.execute(SQL.cancel_one, scheduled)


async def _check(connection: Connection, account: str, row: Any, group: int) -> None:
    found = await connection.fetchrow(SQL.group, group, account)
    if found is None:
        raise NotFoundError(f"Group {group} not found", "group_not_found")
    if row["user_group"] == group:
        raise ConflictError("The user is in this group", "same_group")
    if found["deactivated"]:
        raise InvalidError("groupId must be a group whose profile is in use", "invalid_argument")


def _due(move: Move, cycle: Cycle, zone: str, now_ms: int) -> int:
    if move.type == "nextbillingCycle":
        return max(now_ms, cycle.end_ms or now_ms)
    if move.day is None:
        return now_ms
    if move.day < wall_clocks.day_of(now_ms, zone):
        raise InvalidError("customDateTo must not be past", "invalid_argument")
    return max(now_ms, local_day_start(zone, move.day))


async def _schedule(connection: Connection, number: int, move: Move, due_ms: int) -> None:
    """Notes a move down in place of another; the same one again changes nothing."""
    terms = (move.group, due_ms, move.clears_usage, move.clears_policies, move.moves_billing)
    if await connection.fetchval(SQL.is_scheduled, number, *terms):
        return
    await connection.execute(SQL.cancel, number)
    await connection.execute(SQL.schedule, number, *terms)


async def _apply(connection: Connection, row: Any, move: Move, at_ms: int, billing_ms: int) -> None:
    number, zone = row["id"], row["zone"]
    await settle(connection, number, at_ms)
    if move.clears_policies:
        await connection.execute(SQL.clear_policies, number)
    reset_type = await connection.fetchval(SQL.enter, number, move.group, at_ms)
    if move.clears_usage:
        await clear(connection, number, zone, at_ms)
    if move.moves_billing:
        end_ms = cycles.end_of_first(reset_type, billing_ms, row["expires_at_ms"], zone)
        await connection.execute(SQL.end_cycle, number, billing_ms)
        await connection.execute(SQL.begin_cycle, number, billing_ms, end_ms, reset_type)
    await connection.execute(
        RENEWALS.add, row["account"], number, BY_API, None, MOVE, row["user_group"], move.group,
        wall_clocks.day_of(at_ms, zone), None, "group move", at_ms,
    )  # fmt: skip
    # Once more, now under the new group's policy.
    await emit(connection, await settle(connection, number, at_ms), at_ms)
