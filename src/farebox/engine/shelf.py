"""The vouchers this process holds: the native book, and beside each record its terms.

It guarantees that all candidates of a code are held together or not at all, and that memory stays
within its bound: eviction costs a read, never a wrong answer. It reads nothing by itself and
commits nothing.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from farebox.core import Outcome
from farebox.core.voucher import (
    CAMPAIGN_ACTIVE,
    CURRENCY_OK,
    MACHINE_ACTIVE,
    PLACE_OK,
    PRODUCT_OK,
    Book,
    Decision,
)
from farebox.domain import windows
from farebox.domain.codes import CANDIDATES_MAX
from farebox.domain.revisions import PeriodState, move_up
from farebox.engine.calls import Call
from farebox.engine.places import Facts
from farebox.engine.terms import NEVER_MS, NOTHING, Campaign, Terms

# What a held voucher costs: record, index and side array of the book, and our own references to it.
BYTES_PER_VOUCHER = 128
DEVICES_MAX = 1 << 21
NO_DEVICE = -1
# The row of a voucher that takes everything from its campaign, as far as its terms go.
PLAIN = {"inherit": True, "value": None, "rules": None}


class Shelf:
    """Candidates by code, bounded; the book's single decisions with boundaries filled in."""

    def __init__(self, memory_bytes: int) -> None:
        self.capacity = max(1024, memory_bytes // BYTES_PER_VOUCHER)
        self.campaigns: dict[int, Campaign] = {}
        self._start_empty()

    def _start_empty(self) -> None:
        self.book = Book(1024)
        # By slot; a free slot has no meaning here.
        self.terms: list[Terms] = []
        self._spellings: dict[int, str] = {}
        # State of vouchers that their campaign's calendar left behind, until their next write.
        self.moved: dict[int, PeriodState] = {}
        self._devices: dict[str, int] = {}
        self._tables: set[tuple[int, int]] = set()
        self._hand = 0

    def __len__(self) -> int:
        return len(self.book)

    def device(self, identity: str) -> int:
        """The number that stands for a device in records."""
        number = self._devices.get(identity)
        if number is None:
            number = self._devices[identity] = len(self._devices)
        return number

    @property
    def is_over(self) -> bool:
        """Whether vouchers or device numbers are beyond their bounds."""
        return len(self.book) > self.capacity or len(self._devices) > DEVICES_MAX

    def make_room(self) -> None:
        """Called between batches: keeps vouchers and device numbers within their bounds."""
        if len(self._devices) > DEVICES_MAX:
            # Live holds name devices by number, so the numbers go together with all records.
            self._start_empty()
        while len(self.book) > self.capacity:
            self._hand = (self._hand + 1) % len(self.terms)
            if self.terms[self._hand] is not NOTHING:
                self.evict(self.book.code(self._hand))

    def candidates(self, code_key: str) -> tuple[int, ...]:
        """Slots of all candidates in the order (campaign, voucher); empty if not held or stale.

        Stale ones stay until they are read anew: a commit in flight may still name their slots.
        """
        slots = self.book.find(code_key)
        for slot in slots:
            if self.terms[slot].campaign.stale:
                return ()
        return slots

    def in_scope(self, call: Call) -> tuple[int, ...]:
        """The candidates that this call may mean (vending-commerce.md 4.7)."""
        return self.meant(call, self.candidates(call.code_key))

    def meant(self, call: Call, slots: tuple[int, ...]) -> tuple[int, ...]:
        """Those of a code's candidates that this call may mean."""
        scope = call.facts.scope
        if len(slots) == 1 and call.campaign is None and call.voucher_id is None:
            return slots if self.terms[slots[0]].campaign.owner in scope else ()
        return tuple(
            slot
            for slot in slots
            if self.terms[slot].campaign.owner in scope
            and (call.campaign is None or self.terms[slot].campaign.id == call.campaign)
            and (call.voucher_id is None or self.book.voucher_id(slot) == call.voucher_id)
        )

    def code(self, slot: int) -> str:
        """The code as it was stored."""
        return self._spellings.get(slot) or self.book.code(slot)

    def adopt(self, campaign: Campaign) -> None:
        """A newer reading of a campaign replaces the older one."""
        older = self.campaigns.get(campaign.id)
        if older is not None:
            older.stale = True
        self.campaigns[campaign.id] = campaign

    def put(self, code_key: str, rows: Iterable[Any]) -> None:
        """Holds exactly these candidates of a code, replacing what was held."""
        self.evict(code_key)
        for row in in_order(rows):
            self._add(code_key, row, self.campaigns[row["campaign"]])

    def evict(self, code_key: str) -> None:
        """Forgets all candidates of a code."""
        for slot in self.book.find(code_key):
            self.book.remove(slot)
            self.terms[slot] = NOTHING
            self._spellings.pop(slot, None)
            self.moved.pop(slot, None)

    def _add(self, code_key: str, row: Any, campaign: Campaign) -> None:
        terms = campaign.terms_of(row)
        state = PeriodState(
            row["count"], row["amount"], row["period_end_ms"], row["period_seq"],
            row["last_reset_at_ms"], row["calendar_revision"],
        )  # fmt: skip
        left_behind = terms.inherit and state.calendar_revision != campaign.calendar_revision
        if left_behind:
            state = move_up(state, campaign.calendar_revisions, campaign.calendar_revision)
        expires_before_ms = row["expires_before_ms"]
        if expires_before_ms is None:
            expires_before_ms = campaign.expires_before_ms if terms.inherit else NEVER_MS
        hold_device = row["hold_device"]
        slot = self.book.add(
            code_key,
            row["id"],
            self._policy(terms),
            active=row["active"],
            expires_before_ms=expires_before_ms,
            count=state.count,
            amount=state.amount,
            total=row["total"],
            total_amount=row["total_amount"],
            period_end_ms=state.period_end_ms,
            period_seq=state.period_seq,
            hold_device=NO_DEVICE if hold_device is None else self.device(hold_device),
            hold_until_ms=row["hold_until_ms"],
            version=row["version"],
        )
        self._reach(slot)
        self.terms[slot] = terms
        if row["code"] != code_key:
            self._spellings[slot] = row["code"]
        if left_behind:
            self.moved[slot] = state

    def feed(self, chunk: bytes, campaign: Campaign) -> None:
        """Takes vouchers without settings or candidates of their own from a COPY BINARY stream.

        What is held already stays as it is.
        """
        terms = campaign.terms_of(PLAIN)
        slots = self.book.feed(chunk, self._policy(terms))
        if slots:
            self._reach(max(slots))
        for slot in slots:
            if self.terms[slot] is NOTHING:
                self.terms[slot] = terms

    def _reach(self, slot: int) -> None:
        missing = slot + 1 - len(self.terms)
        if missing > 0:
            self.terms += [NOTHING] * missing

    def _policy(self, terms: Terms) -> int:
        zone = windows.zone_number(terms.zone)
        if terms.frequency and (zone, terms.frequency) not in self._tables:
            frequency = windows.FREQUENCIES[terms.frequency]
            self.book.boundaries(zone, terms.frequency, windows.table(terms.zone, frequency))
            self._tables.add((zone, terms.frequency))
        return self.book.policy(
            gift=terms.gift,
            value=terms.value,
            limit=terms.limit,
            zone=zone,
            frequency=terms.frequency,
        )

    def decide(
        self,
        op: int,
        slot: int,
        now_ms: int,
        device: int,
        cap: int,
        demand: int,
        lock_ms: int,
        flags: int,
        dry: bool,
    ) -> Decision:
        """The core's decision; where its tables end, the boundary comes from the definition."""
        decision = self.book.decide(op, slot, now_ms, device, cap, demand, lock_ms, flags, dry)
        if decision.outcome == Outcome.NEEDS_BOUNDARY:
            terms = self.terms[slot]
            boundary_ms = windows.window_end(
                windows.FREQUENCIES[terms.frequency], terms.zone, now_ms
            )
            decision = self.book.decide(
                op, slot, now_ms, device, cap, demand, lock_ms, flags, dry, boundary_ms
            )
        return decision

    def flags(self, slot: int, facts: Facts) -> int:
        """What terms and place say to each other, worked out once per pair."""
        terms = self.terms[slot]
        flags = facts.flags.get(terms)
        if flags is None:
            flags = facts.flags[terms] = self._flags(terms, facts)
        return flags

    @staticmethod
    def _flags(terms: Terms, facts: Facts) -> int:
        campaign = terms.campaign
        flags = 0
        if campaign.active and campaign.owner not in facts.disabled:
            flags |= CAMPAIGN_ACTIVE
        if facts.machine_active:
            flags |= MACHINE_ACTIVE
        if terms.rules.place_ok(facts.place):
            flags |= PLACE_OK
        if facts.currency is None or facts.currency == terms.currency:
            flags |= CURRENCY_OK
        if terms.products is None or terms.products:
            flags |= PRODUCT_OK
        return flags


def in_order(rows: Iterable[Any]) -> list[Any]:
    """The candidates that are looked at: lowest campaigns first, at most fifty."""
    return sorted(rows, key=lambda row: (row["campaign"], row["id"]))[:CANDIDATES_MAX]


def by_code(rows: Iterable[Any]) -> Iterable[tuple[str, list[Any]]]:
    """Rows ordered by code, one group per code."""
    for key, group in groupby(rows, key=lambda row: row["code_key"]):
        yield key, list(group)
