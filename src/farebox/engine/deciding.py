"""Decisions of the desk over held vouchers, in order of arrival (vending-commerce.md 4.3-4.7).

Chooses the candidate, asks the core, spells the answer and notes in the batch what the decision
wrote and what it relied on, for refusals as well as for successes. It takes the vouchers as they
are held; whether that is how they are in the database is for the commit to find out.
"""

from farebox.core import Outcome
from farebox.core import voucher as core
from farebox.core.voucher import Decision
from farebox.domain.errors import InvalidError, RateLimitedError
from farebox.engine.batch import Batch
from farebox.engine.calls import Answer, Call
from farebox.engine.choosing import Chooser
from farebox.engine.guessing import BLOCK_S
from farebox.engine.notes import DONE, ROLLED_BACK, TOMBSTONE, Notes, Orders


class Decider:
    """Decides validations and redemptions; one per desk."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._chooser = Chooser(notes.shelf)

    def validate(self, call: Call, batch: Batch) -> None:
        """Whether a voucher would work, and a hold on it if asked for."""
        notes = self._notes
        slots = call.slots
        slot, decision = self._chooser.choose(
            core.VALIDATE, call, slots, batch.now_ms, call.lock_ms
        )
        if call.lock_ms and decision.outcome == 0:
            touch = notes.before(batch, slot, call.code_key)
            decision = self._chooser.ask(core.VALIDATE, call, slot, batch.now_ms, call.lock_ms)
            if decision.changed:
                batch.touches[slot] = touch
                touch.take_hold(call.device, call.label, decision.hold_until_ms)
                self._stand_still(batch, slots, slot)
        outcome = decision.outcome
        # What is left is told, so that the device can offer a part payment.
        told = outcome == 0 or outcome == Outcome.INSUFFICIENT_BALANCE
        terms = notes.shelf.terms[slot]
        text = notes.spelling.validated(
            notes.shelf.code(slot), terms.campaign.type, notes.shelf.book.voucher_id(slot), outcome,
            decision.amount_off if told else 0, notes.worth(slot, decision), terms.valid_for,
        )  # fmt: skip
        notes.answer(batch, call, slot, outcome, text)

    def redeem(self, call: Call, batch: Batch, orders: Orders | None = None) -> None:
        """Takes value, once per order. `orders`: the records found, None where none were read."""
        slots = call.slots
        if self._recorded(call, batch, slots, orders):
            return
        if call.blocked:
            raise RateLimitedError("Too many unknown codes", BLOCK_S)
        if len(slots) == 1:
            slot = slots[0]
            touch = self._notes.before(batch, slot, call.code_key)
            decision = self._chooser.ask(core.REDEEM, call, slot, batch.now_ms)
        else:
            slot, decision = self._chooser.choose(core.REDEEM, call, slots, batch.now_ms)
            touch = self._notes.before(batch, slot, call.code_key)
            if decision.outcome == 0:
                decision = self._chooser.ask(core.REDEEM, call, slot, batch.now_ms)
        if decision.outcome:
            self._refuse(call, batch, slot, decision, orders)
            return
        batch.touches[slot] = touch
        touch.redeem(batch.now_ms, call.facts.location)
        if len(slots) > 1:
            self._stand_still(batch, slots, slot)
        self._record(call, batch, slot, decision, orders)

    def _record(
        self, call: Call, batch: Batch, slot: int, decision: Decision, orders: Orders | None
    ) -> None:
        """The redemption row, its answer, and the order known to the rest of the batch."""
        notes = self._notes
        shelf = notes.shelf
        terms = shelf.terms[slot]
        voucher_id = shelf.book.voucher_id(slot)
        period_seq = shelf.book.period_seq(slot)
        redemption = notes.take_id()
        text = notes.spelling.redeemed(
            shelf.code(slot), terms.campaign.type, voucher_id, 0, decision.amount_off,
            notes.worth(slot, decision), redemption,
        )  # fmt: skip
        if orders is None:
            for other in call.slots:
                if other != slot:
                    batch.absent.add((shelf.book.voucher_id(other),), (call.device, call.order_id))
            batch.orders[call.order] = (slot, call.fingerprint, text)
        else:
            notes.supersede(call, batch, orders)
            orders[notes.order_key(call, slot)] = {
                "id": redemption, "state": DONE, "fingerprint": call.fingerprint,
                "amount_off": decision.amount_off, "period_seq": period_seq, "response": text,
                "redeemed_at_ms": batch.now_ms,
            }  # fmt: skip
        batch.redemptions.add(
            (
                redemption, voucher_id, call.fingerprint, decision.amount_off, period_seq,
                call.facts.location, batch.now_ms,
            ),
            (
                call.code_key, call.device, call.order_id, call.label, terms.currency,
                call.request, text,
            ),
        )  # fmt: skip
        batch.answers.append((call, Answer(200, text.encode())))

    def _refuse(
        self, call: Call, batch: Batch, slot: int, decision: Decision, orders: Orders | None
    ) -> None:
        """A refused redeem: relies on all candidates as they are and on the order being new."""
        book = self._notes.shelf.book
        for candidate in call.slots:
            if candidate not in batch.touches:
                batch.relied.setdefault(candidate, False)
            if orders is None:
                batch.absent.add((book.voucher_id(candidate),), (call.device, call.order_id))
        if decision.outcome == Outcome.DEMAND_REQUIRED:
            fields = {"demand.amount": "is required for a gift voucher"}
            error = InvalidError("A gift voucher needs a demand", "demand_required", fields)
            batch.answers.append((call, error))
        else:
            self._refused(call, batch, slot, decision.outcome, self._notes.worth(slot, decision))

    def _refused(self, call: Call, batch: Batch, slot: int, outcome: int, value: int) -> None:
        shelf = self._notes.shelf
        text = self._notes.spelling.redeemed(
            shelf.code(slot), shelf.terms[slot].campaign.type, shelf.book.voucher_id(slot),
            outcome, 0, value, 0,
        )  # fmt: skip
        self._notes.answer(batch, call, slot, outcome, text)

    def _recorded(
        self, call: Call, batch: Batch, slots: tuple[int, ...], orders: Orders | None
    ) -> bool:
        """Answers an order that is known already (4.4.3); looked up before any other check."""
        notes = self._notes
        if orders is None:
            twin = batch.orders.get(call.order)
            if twin is None or twin[0] not in slots:
                return False
            slot, fingerprint, text = twin
            outcome = Outcome.ORDER_ID_REUSED
        else:
            slot, record = notes.find_order(call, orders)
            if record is None:
                return False
            young = notes.is_young(record, batch)
            fingerprint, text = record["fingerprint"], record["response"]
            if record["state"] == DONE and young:
                outcome = Outcome.ORDER_ID_REUSED
            elif record["state"] == ROLLED_BACK or (record["state"] == TOMBSTONE and young):
                outcome = Outcome.ORDER_ROLLED_BACK
            else:
                # Older than the replay window: evaluated anew.
                return False
        if outcome == Outcome.ORDER_ID_REUSED and fingerprint == call.fingerprint:
            batch.answers.append((call, Answer(200, text.encode(), replayed=True)))
        else:
            self._refused(call, batch, slot, outcome, notes.value(slot, batch.now_ms))
        return True

    @staticmethod
    def _stand_still(batch: Batch, slots: tuple[int, ...], chosen: int) -> None:
        """The candidates not chosen must not move before this batch has committed."""
        for slot in slots:
            if slot != chosen:
                batch.relied[slot] = True
