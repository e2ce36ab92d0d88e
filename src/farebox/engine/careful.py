"""The careful path of the desk: decisions under row locks that are held to the commit.

Rollbacks, unlocks and refunds go here, and every call whose batch lost a comparison. Campaigns are
locked before vouchers, vouchers in the order (code, id); recorded orders are read under the same
locks, so what is decided here cannot be overtaken. It is several round trips instead of one.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from farebox.domain.errors import UnavailableError
from farebox.engine.batch import Batch, columns_of
from farebox.engine.calls import REDEEM, REFUND, ROLLBACK, Call
from farebox.storage.redemption import (
    SQL,
    ComparisonLostError,
    Ledger,
    NotWrittenError,
)

if TYPE_CHECKING:
    from farebox.engine.redemption import Desk

ROUNDS_MAX = 5

log = structlog.get_logger()


class Careful:
    """Serves calls under locks. OutcomeUnknownError passes through: the desk settles it."""

    def __init__(self, ledger: Ledger, desk: "Desk", clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._desk = desk
        self._clock = clock
        self.batches = 0

    async def serve(self, calls: Sequence[Call]) -> None:
        """Answers all of these calls; those not decided in five rounds end with `busy`."""
        for attempt in range(ROUNDS_MAX):
            try:
                await self._attempt(calls)
            except ComparisonLostError:
                continue
            except NotWrittenError as error:
                log.warning("desk.careful_failed", error=str(error), calls=len(calls))
                if await self._divide(calls):
                    return
                # Several processes have met; every one waits another while before it tries again.
                await asyncio.sleep(0.001 * (attempt + 1) * (1 + os.getpid() % 7))
            else:
                return
        self._desk.fail(calls, UnavailableError("Too much contention, try again", "busy"))

    async def _divide(self, calls: Sequence[Call]) -> bool:
        """One poisoned row fails a batch, so it is served in halves. False if it is one code."""
        code_keys = sorted({call.code_key for call in calls})
        if len(code_keys) == 1:
            return False
        left = set(code_keys[: len(code_keys) // 2])
        await self.serve([call for call in calls if call.code_key in left])
        await self.serve([call for call in calls if call.code_key not in left])
        return True

    async def _attempt(self, calls: Sequence[Call]) -> None:
        desk = self._desk
        self.batches += 1
        code_keys = sorted({call.code_key for call in calls})
        batch = Batch(0)
        try:
            async with self._ledger.transaction():
                campaigns, rows = await self._ledger.lock_codes(code_keys)
                if any(row["campaign"] not in campaigns for row in rows):
                    # A candidate came between the two locks; its campaign must be locked first.
                    raise ComparisonLostError
                self._note_losers(rows)
                if not await desk.reader.put(code_keys, rows):
                    raise ComparisonLostError
                for call in calls:
                    call.slots = desk.shelf.in_scope(call)
                # A rollback of an unknown order writes one row for every candidate.
                await desk.ids.ensure(sum(len(call.slots) + 2 for call in calls))
                orders = await self._orders(calls)
                batch.now_ms = self._clock()
                for call in calls:
                    if not call.future.done():
                        desk.decide_one(call, batch, orders)
                await self._write(batch)
        except BaseException:
            for key in code_keys:
                desk.shelf.evict(key)
            raise
        desk.finish(batch)

    def _note_losers(self, rows: Sequence[Any]) -> None:
        """Which codes made the batch lose: those whose rows are not what it relied on."""
        relied_on = self._desk.relied_on
        if relied_on:
            self._desk.contention.lost(
                {
                    row["code_key"]
                    for row in rows
                    if relied_on.get(row["id"], row["version"]) != row["version"]
                }
            )

    async def _orders(self, calls: Sequence[Call]) -> dict[tuple[Any, ...], Any]:
        """Records of the orders these calls name, at every candidate in scope."""
        shelf = self._desk.shelf
        asked: set[tuple[int, str, str]] = set()
        refunds: set[tuple[str, int, int]] = set()
        for call in calls:
            for slot in call.slots:
                voucher_id = shelf.book.voucher_id(slot)
                if call.op in (REDEEM, ROLLBACK):
                    asked.add((voucher_id, call.device, call.order_id))
                elif call.op == REFUND:
                    refunds.add((call.code_key, voucher_id, call.refund))
        orders: dict[tuple[Any, ...], Any] = {}
        if asked:
            for row in await self._ledger.read_orders(*columns_of(sorted(asked), 3)):
                orders[row["voucher"], row["device"], row["order_id"]] = row
        if refunds:
            for row in await self._ledger.read_redemptions(*columns_of(sorted(refunds), 3)):
                orders[row["voucher"], row["id"]] = row
        return orders

    async def _write(self, batch: Batch) -> None:
        if not batch.writes:
            return
        ledger = self._ledger
        if batch.unkeyed:
            await ledger.execute(SQL.unkey_orders, *columns_of(batch.unkeyed, 2))
        await ledger.commit_batch(batch.columns(self._desk.shelf))
        if batch.rolled_back:
            await ledger.execute(SQL.roll_back, *columns_of(batch.rolled_back, 4))
        if batch.buried:
            await ledger.execute(SQL.bury, *columns_of(batch.buried, 11))
