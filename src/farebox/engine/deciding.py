"""Decisions of the desk over held vouchers, in order of arrival (vending-commerce.md 4.3-4.7).

Chooses the candidate, asks the core, spells the answer and notes in the batch what the decision
wrote and what it relied on, for refusals as well as for successes. It takes the vouchers as they
are held; whether that is how they are in the database is for the commit to find out. Orders
recorded earlier are given to it by the careful path, which has read them.
"""

from collections.abc import Callable
from typing import Any

from farebox.core import Outcome
from farebox.core import voucher as core
from farebox.core.voucher import Decision
from farebox.domain.errors import InvalidError, NotFoundError, RateLimitedError
from farebox.engine.batch import CLEAR, SET, Batch, Touch
from farebox.engine.calls import ACTIONS, REFUND, VALIDATE, Answer, Call, Spelling
from farebox.engine.guessing import BLOCK_S, Guard
from farebox.engine.shelf import Shelf

DONE, ROLLED_BACK, TOMBSTONE = range(3)
DEVICE_ROLLBACK_MS = 24 * 3600 * 1000

# Recorded orders by (voucher, device, order), a refund's by (voucher, redemption): rows, or dicts
# with the same names for what this batch itself has recorded.
Orders = dict[tuple[Any, ...], Any]


class UnknownCodeError(Exception):
    """No candidate of the code is in the caller's scope."""


class Decider:
    """Decides calls of one batch; one per desk."""

    def __init__(
        self,
        shelf: Shelf,
        spelling: Spelling,
        guard: Guard,
        take_id: Callable[[], int],
        replay_window_ms: int,
    ) -> None:
        self._shelf = shelf
        self._spelling = spelling
        self._guard = guard
        self._take_id = take_id
        self._replay_window_ms = replay_window_ms

    def validate(self, call: Call, batch: Batch) -> None:
        """Whether a voucher would work, and a hold on it if asked for."""
        slots = self._scope(call)
        lock_ms = call.lock_ms
        slot, decision = self._choose(core.VALIDATE, call, slots, batch.now_ms, lock_ms)
        if lock_ms and decision.outcome == 0:
            touch = self._before(batch, slot, call.code_key)
            device = self._shelf.device(call.device)
            decision = self._shelf.decide(
                core.VALIDATE, slot, batch.now_ms, device, -1, call.demand, lock_ms,
                self._flags(slot, call)[0], False,
            )  # fmt: skip
            if decision.changed:
                batch.touches[slot] = touch
                touch.hold = SET
                touch.hold_device = call.device
                touch.hold_owner = call.label
                touch.hold_until_ms = decision.hold_until_ms
                self._rely(batch, slots, slot)
        terms = self._shelf.terms[slot]
        if decision.outcome == 0 or decision.outcome == Outcome.INSUFFICIENT_BALANCE:
            amount_off = decision.amount_off
        else:
            amount_off = 0
        text = self._spelling.validated(
            self._shelf.code(slot), terms.campaign.type, self._shelf.book.voucher_id(slot),
            decision.outcome, amount_off, decision.balance if terms.gift else terms.value,
            terms.valid_for,
        )  # fmt: skip
        self._remember(batch, call, slot, decision.outcome, text)
        batch.answers.append((call, Answer(200, text.encode())))

    def redeem(self, call: Call, batch: Batch, orders: Orders | None = None) -> None:
        """Takes value, once per order. `orders`: the records found, None where none were read."""
        slots = self._scope(call)
        if self._recorded(call, batch, slots, orders):
            return
        if call.blocked:
            raise RateLimitedError("Too many unknown codes", BLOCK_S)
        now_ms = batch.now_ms
        if len(slots) == 1:
            slot = slots[0]
            touch = self._before(batch, slot, call.code_key)
            decision = self._ask(core.REDEEM, call, slot, now_ms, 0, False)
        else:
            slot, decision = self._choose(core.REDEEM, call, slots, now_ms, 0)
            touch = self._before(batch, slot, call.code_key)
            if decision.outcome == 0:
                decision = self._ask(core.REDEEM, call, slot, now_ms, 0, False)
        outcome = decision.outcome
        if outcome:
            self._refuse(call, batch, slots, slot, decision, orders)
            return
        shelf = self._shelf
        terms = shelf.terms[slot]
        voucher_id = shelf.book.voucher_id(slot)
        redemption = self._take_id()
        text = self._spelling.redeemed(
            shelf.code(slot), terms.campaign.type, voucher_id, 0, decision.amount_off,
            decision.balance if terms.gift else terms.value, redemption,
        )  # fmt: skip
        batch.touches[slot] = touch
        touch.hold = CLEAR
        touch.redeemed_at_ms = now_ms
        touch.location = call.facts.location
        if len(slots) > 1:
            self._rely(batch, slots, slot)
        if orders is None:
            for other in slots:
                if other != slot:
                    batch.absent.append((shelf.book.voucher_id(other), call.device, call.order_id))
            batch.orders[call.code_key, call.device, call.order_id] = (slot, call.fingerprint, text)
        else:
            self._supersede(call, batch, slots, orders)
            orders[self._key(call, slot)] = {
                "id": redemption, "state": DONE, "fingerprint": call.fingerprint,
                "amount_off": decision.amount_off, "period_seq": shelf.book.period_seq(slot),
                "response": text, "redeemed_at_ms": now_ms,
            }  # fmt: skip
        batch.redemptions.append(
            (
                redemption,
                call.code_key,
                voucher_id,
                call.device,
                call.order_id,
                call.fingerprint,
                decision.amount_off,
                shelf.book.period_seq(slot),
                call.label,
                call.facts.location,
                terms.currency,
                call.request,
                text,
                now_ms,
            )
        )
        batch.answers.append((call, Answer(200, text.encode())))

    def roll_back(self, call: Call, batch: Batch, orders: Orders) -> None:
        """Gives a redeemed order back, or buries an order that has not come yet (4.4.4)."""
        shelf = self._shelf
        slots = self._scope(call)
        slot, record = self._find(call, slots, orders)
        if call.op == REFUND and (record is None or record["state"] == TOMBSTONE):
            batch.answers.append((call, NotFoundError("There is no such redemption")))
            return
        if record is None or (record["state"] == TOMBSTONE and not self._young(record, batch)):
            self._bury(call, batch, slots, orders)
            return
        if record["state"] != DONE:
            batch.answers.append((call, Answer(200, record["rollback_response"].encode())))
            return
        terms = shelf.terms[slot]
        if not call.by_user and batch.now_ms - record["redeemed_at_ms"] > DEVICE_ROLLBACK_MS:
            balance = shelf.book.balance(slot, batch.now_ms) if terms.gift else terms.value
            outcome = int(Outcome.ROLLBACK_WINDOW_CLOSED)
            text = self._spelling.rolled_back(
                shelf.code(slot), shelf.book.voucher_id(slot), outcome, 0, balance
            )
            self._remember(batch, call, slot, outcome, text)
            batch.answers.append((call, Answer(200, text.encode())))
            return
        batch.touches[slot] = self._before(batch, slot, call.code_key)
        decision = shelf.decide(
            core.ROLLBACK, slot, batch.now_ms, 0, record["period_seq"], record["amount_off"], 0,
            core.ALL_OK, False,
        )  # fmt: skip
        text = self._spelling.rolled_back(
            shelf.code(slot), shelf.book.voucher_id(slot), 0, record["amount_off"],
            decision.balance if terms.gift else terms.value,
        )  # fmt: skip
        batch.rolled_back.append((call.code_key, record["id"], batch.now_ms, text))
        self._remember(batch, call, slot, 0, text)
        # A second rollback of the order in this batch gets the same answer.
        orders[self._key(call, slot)] = {**record, "state": ROLLED_BACK, "rollback_response": text}
        batch.answers.append((call, Answer(200, text.encode())))

    def unlock(self, call: Call, batch: Batch) -> None:
        """Releases the device's own live hold; any live hold where forced (3, X)."""
        shelf = self._shelf
        slots = self._scope(call)
        device = shelf.device(call.device)
        for slot in slots:
            record = shelf.book.read(slot)
            live = record.hold_until_ms > batch.now_ms
            if live and (call.force or record.hold_device == device):
                touch = batch.touches[slot] = self._before(batch, slot, call.code_key)
                touch.hold = CLEAR
                shelf.book.release(slot)
                self._unlocked(call, batch, slot, True)
                return
        self._unlocked(call, batch, slots[0], False)

    def _unlocked(self, call: Call, batch: Batch, slot: int, unlocked: bool) -> None:
        shelf = self._shelf
        text = self._spelling.unlocked(shelf.code(slot), shelf.book.voucher_id(slot), unlocked)
        self._remember(batch, call, slot, 0 if unlocked else -1, text)
        batch.answers.append((call, Answer(200, text.encode())))

    @staticmethod
    def _scope(call: Call) -> tuple[int, ...]:
        if not call.slots:
            raise UnknownCodeError
        return call.slots

    def _before(self, batch: Batch, slot: int, code_key: str) -> Touch:
        """The voucher's touch, saved before the first change of this batch."""
        touch = batch.touches.get(slot)
        if touch is None:
            book = self._shelf.book
            batch.code_keys.add(code_key)
            touch = Touch(slot, code_key, book.save(slot), book.version(slot))
        return touch

    def _flags(self, slot: int, call: Call) -> tuple[int, int]:
        """(flags, cap): the place's flags, the items' effect on product and cap (4.4.2, 4.11)."""
        flags = self._shelf.flags(slot, call.facts)
        cap = call.order_amount or -1
        if call.items:
            products = self._shelf.terms[slot].products
            if products is not None:
                eligible = [item for item in call.items if item[0] in products]
                if not eligible:
                    flags &= ~core.PRODUCT_OK
                elif all(price for _, _, price in eligible):
                    told = sum(quantity * (price or 0) for _, quantity, price in eligible)
                    cap = told if cap < 0 else min(cap, told)
        if call.partial:
            flags |= core.PARTIAL
        return flags, cap

    def _ask(
        self, op: int, call: Call, slot: int, now_ms: int, lock_ms: int, dry: bool
    ) -> Decision:
        flags, cap = self._flags(slot, call)
        device = self._shelf.device(call.device)
        return self._shelf.decide(op, slot, now_ms, device, cap, call.demand, lock_ms, flags, dry)

    def _choose(
        self, op: int, call: Call, slots: tuple[int, ...], now_ms: int, lock_ms: int
    ) -> tuple[int, Decision]:
        """The candidate that counts and its decision, nothing applied (4.7, steps 2 to 4)."""
        if len(slots) == 1:
            return slots[0], self._ask(op, call, slots[0], now_ms, lock_ms, True)
        book = self._shelf.book
        device = self._shelf.device(call.device)
        for slot in slots:
            record = book.read(slot)
            if record.hold_device == device and record.hold_until_ms > now_ms:
                return slot, self._ask(op, call, slot, now_ms, lock_ms, True)
        best: tuple[int, Decision] | None = None
        furthest: tuple[int, Decision] | None = None
        expires_first = 0
        for slot in slots:
            decision = self._ask(op, call, slot, now_ms, lock_ms, True)
            if decision.outcome == 0:
                expires_before_ms = book.read(slot).expires_before_ms
                if best is None or expires_before_ms < expires_first:
                    best, expires_first = (slot, decision), expires_before_ms
            elif furthest is None or decision.outcome > furthest[1].outcome:
                furthest = (slot, decision)
        chosen = best or furthest
        if chosen is None:
            raise UnknownCodeError
        return chosen

    def _refuse(
        self,
        call: Call,
        batch: Batch,
        slots: tuple[int, ...],
        slot: int,
        decision: Decision,
        orders: Orders | None,
    ) -> None:
        """A refused redeem: relies on all candidates as they are and on the order being new."""
        shelf = self._shelf
        for candidate in slots:
            if candidate not in batch.touches:
                batch.relied.setdefault(candidate, False)
            if orders is None:
                batch.absent.append((shelf.book.voucher_id(candidate), call.device, call.order_id))
        batch.code_keys.add(call.code_key)
        if decision.outcome == Outcome.DEMAND_REQUIRED:
            error = InvalidError(
                "A gift voucher needs a demand", "demand_required",
                {"demand.amount": "is required for a gift voucher"},
            )  # fmt: skip
            batch.answers.append((call, error))
            return
        terms = shelf.terms[slot]
        self._refused(
            call, batch, slot, decision.outcome, decision.balance if terms.gift else terms.value
        )

    def _refused(self, call: Call, batch: Batch, slot: int, outcome: int, value: int) -> None:
        shelf = self._shelf
        text = self._spelling.redeemed(
            shelf.code(slot), shelf.terms[slot].campaign.type, shelf.book.voucher_id(slot),
            outcome, 0, value, 0,
        )  # fmt: skip
        self._remember(batch, call, slot, outcome, text)
        batch.answers.append((call, Answer(200, text.encode())))

    def _recorded(
        self, call: Call, batch: Batch, slots: tuple[int, ...], orders: Orders | None
    ) -> bool:
        """Answers an order that is known already (4.4.3); looked up before any other check."""
        if orders is None:
            twin = batch.orders.get((call.code_key, call.device, call.order_id))
            if twin is None or twin[0] not in slots:
                return False
            slot, fingerprint, text = twin
            outcome = Outcome.ORDER_ID_REUSED
        else:
            slot, record = self._find(call, slots, orders)
            if record is None:
                return False
            young = self._young(record, batch)
            fingerprint, text = record["fingerprint"], record["response"] if young else ""
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
            self._refused(call, batch, slot, outcome, self._value(slot, batch.now_ms))
        return True

    def _young(self, record: Any, batch: Batch) -> bool:
        return bool(batch.now_ms - record["redeemed_at_ms"] < self._replay_window_ms)

    def _supersede(self, call: Call, batch: Batch, slots: tuple[int, ...], orders: Orders) -> None:
        """Records of this order that are older than the replay window give up their key."""
        for slot in slots:
            record = orders.get(self._key(call, slot))
            if record is not None:
                batch.unkeyed.append((call.code_key, record["id"]))

    def _value(self, slot: int, now_ms: int) -> int:
        terms = self._shelf.terms[slot]
        return self._shelf.book.balance(slot, now_ms) if terms.gift else terms.value

    def _key(self, call: Call, slot: int) -> tuple[Any, ...]:
        voucher_id = self._shelf.book.voucher_id(slot)
        if call.op == REFUND:
            return (voucher_id, call.refund)
        return (voucher_id, call.device, call.order_id)

    def _find(self, call: Call, slots: tuple[int, ...], orders: Orders) -> tuple[int, Any]:
        """The candidate that holds a record of this order, and the record."""
        for slot in slots:
            record = orders.get(self._key(call, slot))
            if record is not None:
                return slot, record
        return slots[0], None

    def _bury(self, call: Call, batch: Batch, slots: tuple[int, ...], orders: Orders) -> None:
        """Tombstones on every candidate, each version raised, so that a redeem in flight loses."""
        self._guard.burial(call.guard)
        shelf = self._shelf
        first = slots[0]
        outcome = int(Outcome.NOT_REDEEMED)
        text = self._spelling.rolled_back(
            shelf.code(first), shelf.book.voucher_id(first), outcome, 0,
            self._value(first, batch.now_ms),
        )  # fmt: skip
        self._supersede(call, batch, slots, orders)
        for slot in slots:
            batch.touches[slot] = self._before(batch, slot, call.code_key)
            shelf.book.invalidate(slot, shelf.book.version(slot) + 1)
            tombstone = self._take_id()
            batch.buried.append(
                (
                    tombstone,
                    call.code_key,
                    shelf.book.voucher_id(slot),
                    call.device,
                    call.order_id,
                    call.label,
                    call.facts.location,
                    shelf.terms[slot].currency,
                    call.request,
                    text,
                    batch.now_ms,
                )
            )
            orders[self._key(call, slot)] = {
                "id": tombstone, "state": TOMBSTONE, "redeemed_at_ms": batch.now_ms,
                "response": "", "rollback_response": text, "fingerprint": 0, "amount_off": 0,
            }  # fmt: skip
        self._remember(batch, call, first, outcome, text)
        batch.answers.append((call, Answer(200, text.encode())))

    def _rely(self, batch: Batch, slots: tuple[int, ...], chosen: int) -> None:
        for slot in slots:
            if slot != chosen:
                batch.relied[slot] = True

    def _remember(self, batch: Batch, call: Call, slot: int, outcome: int, text: str) -> None:
        """A history row; the redemption row is the history of a successful redeem.

        A validation that wrote nothing needs no commit: its row may wait a moment.
        """
        shelf = self._shelf
        quiet = call.op == VALIDATE and slot not in batch.touches
        (batch.quiet if quiet else batch.history).append(
            (
                self._take_id(),
                shelf.book.voucher_id(slot),
                call.label,
                call.facts.location,
                ACTIONS[call.op],
                outcome == 0,
                self._spelling.reason(outcome),
                shelf.terms[slot].currency,
                call.request,
                text,
                batch.now_ms,
            )
        )
