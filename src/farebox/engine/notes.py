"""What decisions have in common: touching a voucher, finding an order's record, writing history.

Notes go into the batch that will be committed. Recorded orders come from the careful path, which
reads them under locks; the usual path knows only those of its own batch.
"""

from collections.abc import Callable
from typing import Any

from farebox.core.voucher import Decision
from farebox.engine.batch import Batch, Touch
from farebox.engine.calls import ACTIONS, REFUND, VALIDATE, Answer, Call, Spelling
from farebox.engine.shelf import Shelf

DONE, ROLLED_BACK, TOMBSTONE = range(3)

# Recorded orders by (voucher, device, order), a refund's by (voucher, redemption): rows, or dicts
# with the same names for what this batch itself has recorded.
Orders = dict[tuple[Any, ...], Any]


class Notes:
    """The pen of one desk."""

    def __init__(
        self,
        shelf: Shelf,
        spelling: Spelling,
        take_id: Callable[[], int],
        replay_window_ms: int,
    ) -> None:
        self.shelf = shelf
        self.spelling = spelling
        self.take_id = take_id
        self._replay_window_ms = replay_window_ms

    def before(self, batch: Batch, slot: int, code_key: str) -> Touch:
        """The voucher's touch, saved before the first change of this batch."""
        touch = batch.touches.get(slot)
        if touch is None:
            book = self.shelf.book
            touch = Touch(slot, code_key, book.save(slot), book.version(slot))
        return touch

    def answer(self, batch: Batch, call: Call, slot: int, outcome: int, text: str) -> None:
        """An answer and the history row that goes with it.

        A successful redeem does not come here: its redemption row is its history. A validation that
        wrote nothing needs no commit, so its row may wait a moment.
        """
        shelf = self.shelf
        quiet = call.op == VALIDATE and slot not in batch.touches
        (batch.quiet if quiet else batch.history).add(
            (
                self.take_id(), shelf.book.voucher_id(slot), call.facts.location, ACTIONS[call.op],
                int(outcome == 0), batch.now_ms,
            ),
            (
                call.label, self.spelling.reason(outcome), shelf.terms[slot].currency,
                call.request, text,
            ),
        )  # fmt: skip
        batch.answers.append((call, Answer(200, text.encode())))

    def worth(self, slot: int, decision: Decision) -> int:
        """`voucherValue` after a decision: a gift's balance, a discount's value."""
        terms = self.shelf.terms[slot]
        return decision.balance if terms.gift else terms.value

    def value(self, slot: int, now_ms: int) -> int:
        """`voucherValue` as it is now."""
        terms = self.shelf.terms[slot]
        return self.shelf.book.balance(slot, now_ms) if terms.gift else terms.value

    def order_key(self, call: Call, slot: int) -> tuple[Any, ...]:
        """The name of the call's order at one candidate."""
        voucher_id = self.shelf.book.voucher_id(slot)
        if call.op == REFUND:
            return (voucher_id, call.refund)
        return (voucher_id, call.device, call.order_id)

    def other_key(self, call: Call, slot: int, record: Any) -> tuple[Any, ...]:
        """How others may name the redemption of this call: by its order, or by its id."""
        voucher_id = self.shelf.book.voucher_id(slot)
        if call.op == REFUND:
            return (voucher_id, record["device"], record["order_id"])
        return (voucher_id, record["id"])

    def find_order(self, call: Call, orders: Orders) -> tuple[int, Any]:
        """The candidate that holds the newest record of this order, and the record or None."""
        found = None
        for slot in call.slots:
            record = orders.get(self.order_key(call, slot))
            if record is not None and (
                found is None or record["redeemed_at_ms"] > found[1]["redeemed_at_ms"]
            ):
                found = slot, record
        return found or (call.slots[0], None)

    def is_young(self, record: Any, batch: Batch) -> bool:
        """Whether a record is within the replay window."""
        return bool(batch.now_ms - record["redeemed_at_ms"] < self._replay_window_ms)

    def supersede(self, call: Call, batch: Batch, orders: Orders) -> None:
        """Records of this order that are older than the replay window give up their key."""
        for slot in call.slots:
            record = orders.get(self.order_key(call, slot))
            if record is not None:
                batch.unkeyed.append((call.code_key, record["id"]))
