"""Giving back: rollbacks, refunds, tombstones, ended holds (vending-commerce.md 4.4.4, 4.6).

Always on the careful path: rows are locked and the orders that calls name have been read under the
same locks. Nothing here is refused for expiry, status, locks or limits.
"""

from typing import Any

from farebox.core import Outcome
from farebox.core import voucher as core
from farebox.domain.errors import NotFoundError
from farebox.engine.batch import Batch
from farebox.engine.calls import REFUND, Answer, Call
from farebox.engine.guessing import Guard
from farebox.engine.notes import DONE, ROLLED_BACK, TOMBSTONE, Notes, Orders

DEVICE_ROLLBACK_MS = 24 * 3600 * 1000


class Returns:
    """Decides what is given back; one per desk."""

    def __init__(self, notes: Notes, guard: Guard) -> None:
        self._notes = notes
        self._guard = guard

    def roll_back(self, call: Call, batch: Batch, orders: Orders) -> None:
        """Gives a redeemed order back, or buries an order that has not come yet."""
        notes = self._notes
        slot, record = notes.find_order(call, orders)
        if call.op == REFUND and (record is None or record["state"] == TOMBSTONE):
            batch.answers.append((call, NotFoundError("There is no such redemption")))
        elif record is None or (record["state"] == TOMBSTONE and not notes.is_young(record, batch)):
            self._bury(call, batch, orders)
        elif record["state"] != DONE:
            batch.answers.append((call, Answer(200, record["rollback_response"].encode())))
        elif not call.by_user and batch.now_ms - record["redeemed_at_ms"] > DEVICE_ROLLBACK_MS:
            outcome = int(Outcome.ROLLBACK_WINDOW_CLOSED)
            text = self._spell(slot, outcome, 0, notes.value(slot, batch.now_ms))
            notes.answer(batch, call, slot, outcome, text)
        else:
            self._give_back(call, batch, slot, record, orders)

    def unlock(self, call: Call, batch: Batch) -> None:
        """Releases the device's own live hold; any live hold where forced (3, X)."""
        shelf = self._notes.shelf
        device = shelf.device(call.device)
        for slot in call.slots:
            record = shelf.book.read(slot)
            live = record.hold_until_ms > batch.now_ms
            if live and (call.force or record.hold_device == device):
                touch = batch.touches[slot] = self._notes.before(batch, slot, call.code_key)
                touch.end_hold()
                shelf.book.release(slot)
                self._unlocked(call, batch, slot, True)
                return
        self._unlocked(call, batch, call.slots[0], False)

    def _give_back(self, call: Call, batch: Batch, slot: int, record: Any, orders: Orders) -> None:
        notes = self._notes
        batch.touches[slot] = notes.before(batch, slot, call.code_key)
        decision = notes.shelf.decide(
            core.ROLLBACK, slot, batch.now_ms, 0, record["period_seq"], record["amount_off"], 0,
            core.ALL_OK, False,
        )  # fmt: skip
        text = self._spell(slot, 0, record["amount_off"], notes.worth(slot, decision))
        batch.rolled_back.append((call.code_key, record["id"], batch.now_ms, text))
        # Whoever gives it back again in this batch, by its order or by its id, gets this answer.
        again = {**record, "state": ROLLED_BACK, "rollback_response": text}
        orders[notes.order_key(call, slot)] = again
        other = notes.other_key(call, slot, record)
        if other in orders and orders[other]["id"] == record["id"]:
            orders[other] = again
        notes.answer(batch, call, slot, 0, text)

    def _bury(self, call: Call, batch: Batch, orders: Orders) -> None:
        """Tombstones on every candidate, each version raised, so that a redeem in flight loses."""
        self._guard.burial(call.guard)
        notes = self._notes
        shelf = notes.shelf
        first = call.slots[0]
        outcome = int(Outcome.NOT_REDEEMED)
        text = self._spell(first, outcome, 0, notes.value(first, batch.now_ms))
        notes.supersede(call, batch, orders)
        for slot in call.slots:
            batch.touches[slot] = notes.before(batch, slot, call.code_key)
            shelf.book.invalidate(slot, shelf.book.version(slot) + 1)
            tombstone = notes.take_id()
            row = (
                tombstone, call.code_key, shelf.book.voucher_id(slot), call.device, call.order_id,
                call.label, call.facts.location, shelf.terms[slot].currency, call.request, text,
                batch.now_ms,
            )  # fmt: skip
            batch.buried.append(row)
            orders[notes.order_key(call, slot)] = {
                "id": tombstone, "state": TOMBSTONE, "redeemed_at_ms": batch.now_ms,
                "fingerprint": 0, "response": "", "rollback_response": text,
            }  # fmt: skip
        notes.answer(batch, call, first, outcome, text)

    def _unlocked(self, call: Call, batch: Batch, slot: int, unlocked: bool) -> None:
        shelf = self._notes.shelf
        voucher_id = shelf.book.voucher_id(slot)
        text = self._notes.spelling.unlocked(shelf.code(slot), voucher_id, unlocked)
        self._notes.answer(batch, call, slot, 0 if unlocked else -1, text)

    def _spell(self, slot: int, outcome: int, returned: int, value: int) -> str:
        shelf = self._notes.shelf
        return self._notes.spelling.rolled_back(
            shelf.code(slot), shelf.book.voucher_id(slot), outcome, returned, value
        )
