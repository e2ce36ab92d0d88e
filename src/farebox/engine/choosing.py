"""Which candidate a code means, and what the core says of it (vending-commerce.md 4.4.2, 4.7).

Puts place, items and order into the numbers and flags that the core takes. Nothing is noted here; a
decision is applied to the held record only where the caller asks for that.
"""

from farebox.core import voucher as core
from farebox.core.voucher import Decision
from farebox.engine.calls import Call
from farebox.engine.shelf import Shelf


class Chooser:
    """Asks the core about candidates; one per desk."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def choose(
        self, op: int, call: Call, slots: tuple[int, ...], now_ms: int, lock_ms: int = 0
    ) -> tuple[int, Decision]:
        """The candidate that counts and its decision, nothing applied (4.7, steps 2 to 4).

        Slots come lowest campaign first, which settles every tie.
        """
        if len(slots) == 1:
            return slots[0], self.ask(op, call, slots[0], now_ms, lock_ms, dry=True)
        book = self._shelf.book
        device = self._shelf.device(call.device)
        for slot in slots:
            record = book.read(slot)
            if record.hold_device == device and record.hold_until_ms > now_ms:
                return slot, self.ask(op, call, slot, now_ms, lock_ms, dry=True)
        asked = [(slot, self.ask(op, call, slot, now_ms, lock_ms, dry=True)) for slot in slots]
        accepted = [one for one in asked if one[1].outcome == 0]
        if accepted:
            return min(accepted, key=lambda one: book.read(one[0]).expires_before_ms)
        return max(asked, key=lambda one: one[1].outcome)

    def ask(
        self, op: int, call: Call, slot: int, now_ms: int, lock_ms: int = 0, *, dry: bool = False
    ) -> Decision:
        """The core's decision on one candidate, applied unless `dry`."""
        flags, cap = self._flags(slot, call)
        device = self._shelf.device(call.device)
        return self._shelf.decide(op, slot, now_ms, device, cap, call.demand, lock_ms, flags, dry)

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
