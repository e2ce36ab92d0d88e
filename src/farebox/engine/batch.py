"""One batch of decisions on its way to the database: what changed, what was relied on.

It collects rows in the order of the decisions and hands them to the commit as columns, vouchers
sorted by (code, id) so that all batches lock in one order. It can undo everything it changed in the
book. It does not decide and does not talk to the database.
"""

from typing import Any

from farebox.domain.errors import DomainError
from farebox.engine.calls import Answer, Call
from farebox.engine.shelf import Shelf
from farebox.storage.redemption import NULL, Rows

KEEP, CLEAR, SET = range(3)


class Touch:
    """One voucher that this batch has changed: how it was, and what the row must learn."""

    __slots__ = (
        "code_key", "hold", "hold_device", "hold_owner", "hold_until_ms", "location",
        "redeemed_at_ms", "saved", "slot", "version",
    )  # fmt: skip

    def __init__(self, slot: int, code_key: str, saved: bytes, version: int) -> None:
        self.slot = slot
        self.code_key = code_key
        self.saved = saved
        self.version = version
        self.hold = KEEP
        self.hold_device = self.hold_owner = NULL
        self.hold_until_ms: int | None = None
        self.redeemed_at_ms: int | None = None
        self.location: int | None = None

    def redeem(self, now_ms: int, location: int | None) -> None:
        """Value was taken: the hold ends with it."""
        self.hold = CLEAR
        self.redeemed_at_ms = now_ms
        self.location = location

    def take_hold(self, device: str, owner: str, until_ms: int) -> None:
        """A device has taken or extended its hold."""
        self.hold = SET
        self.hold_device = device
        self.hold_owner = owner
        self.hold_until_ms = until_ms

    def end_hold(self) -> None:
        """The hold was released."""
        self.hold = CLEAR


class Batch:
    """Everything one commit carries."""

    __slots__ = (
        "absent", "answers", "buried", "history", "now_ms", "orders", "quiet",
        "redemptions", "relied", "rolled_back", "touches", "unkeyed",
    )  # fmt: skip

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.touches: dict[int, Touch] = {}
        # Slots whose versions must still hold: False = looked at, True = must stand still as well.
        self.relied: dict[int, bool] = {}
        # Vouchers with the device and the order that must not be recorded of them.
        self.absent = Rows()
        self.redemptions = Rows()
        self.history = Rows()
        # History of validations that wrote nothing; it may follow within a second.
        self.quiet = Rows()
        self.rolled_back: list[tuple[Any, ...]] = []
        self.buried: list[tuple[Any, ...]] = []
        self.unkeyed: list[tuple[str, int]] = []
        # Orders accepted in this batch: (code, device, order) -> (slot, fingerprint, answer text).
        self.orders: dict[tuple[str, str, str], tuple[int, int, str]] = {}
        # Answers that may leave once this is committed, in order of arrival.
        self.answers: list[tuple[Call, Answer | DomainError]] = []

    @property
    def writes(self) -> bool:
        """Whether the database must be asked at all."""
        return bool(
            self.touches or self.relied or self.absent or self.redemptions or self.history
            or self.rolled_back or self.buried
        )  # fmt: skip

    def undo(self, shelf: Shelf) -> None:
        """Puts every changed record back as it was; one that cannot be is forgotten."""
        book = shelf.book
        for touch in self.touches.values():
            if not book.restore(touch.slot, touch.saved, book.version(touch.slot)):
                shelf.evict(touch.code_key)

    def versions(self, shelf: Shelf) -> dict[int, int]:
        """Versions this batch relied on, by voucher id."""
        book = shelf.book
        changed = {book.voucher_id(slot): touch.version for slot, touch in self.touches.items()}
        looked_at = {book.voucher_id(slot): book.version(slot) for slot in self.relied}
        return looked_at | changed

    def columns(self, shelf: Shelf) -> list[Any]:
        """The arguments of the commit, in the order of its parameters."""
        book = shelf.book
        touches = sorted(
            self.touches.values(), key=lambda touch: (touch.code_key, book.voucher_id(touch.slot))
        )
        campaigns: dict[int, int] = {}
        for slot in (*self.touches, *self.relied):
            campaign = shelf.terms[slot].campaign
            # Decided under two revisions of a campaign, of which the older must be found out.
            if campaigns.setdefault(campaign.id, campaign.revision) > campaign.revision:
                campaigns[campaign.id] = campaign.revision
        ordered, seen, held, states = Rows(), Rows(), Rows(), Rows()
        for revision in sorted(campaigns.items()):
            ordered.add(revision)
        for slot, stands in self.relied.items():
            if slot not in self.touches:
                (held if stands else seen).add((book.voucher_id(slot), book.version(slot)))
        for touch in touches:
            _add_state(states, shelf, touch)
        return [
            ordered.column_of_numbers(), seen.column_of_numbers(), held.column_of_numbers(),
            *self.absent.columns(), *states.columns(), self.now_ms,
            *self.redemptions.columns(), *self.history.columns(),
        ]  # fmt: skip

    def keep(self, shelf: Shelf) -> None:
        """After the commit: states that a calendar had left behind are now in their rows."""
        if shelf.moved:
            for slot in self.touches:
                shelf.moved.pop(slot, None)


def columns_of(rows: list[Any], width: int) -> Any:
    """Rows as columns; as many empty columns where there are no rows."""
    return zip(*rows, strict=True) if rows else ((),) * width


def _add_state(states: Rows, shelf: Shelf, touch: Touch) -> None:
    """The whole new state of a changed voucher, as one row of the update."""
    record = shelf.book.read(touch.slot)
    campaign = shelf.terms[touch.slot].campaign
    moved = shelf.moved.get(touch.slot)
    last_reset_at_ms = record.period_start_ms or (moved and moved.last_reset_at_ms) or None
    states.add(
        (
            record.voucher_id, touch.version, record.version,
            record.count, record.amount, record.total, record.total_amount,
            record.period_end_ms, record.period_seq,
            campaign.calendar_revision if shelf.terms[touch.slot].inherit else None,
            last_reset_at_ms,
            touch.hold, touch.hold_until_ms, touch.redeemed_at_ms, touch.location,
        ),
        (touch.hold_device, touch.hold_owner),
    )  # fmt: skip
