"""The native book against the oracle, step by step, over the rules' awkward instants.

After every step each record must equal the oracle's voucher field by field, the book's invariants
must hold, and so must the properties P1-P5, P7, P9, P12 and P14 of vending-commerce.md 4.19 and "a
valid validate can be redeemed". Orders, candidates and durability are the engine's and not here.
"""

from array import array
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from farebox.core import Outcome, voucher
from farebox.domain import windows
from tests import oracle, strategies

CODES = ("A", "SPR-7KQ3M9TXWA", "00000-7KQ3M9TXWA", "00000-7KQ3M9TXWB", "LONG-" + "X" * 59, "~!@$")
OPS = {"validate": voucher.VALIDATE, "redeem": voucher.REDEEM}


def flags(call: oracle.Call) -> int:
    """The caller's facts as the core's bits."""
    return (
        voucher.CAMPAIGN_ACTIVE * call.campaign_active
        | voucher.MACHINE_ACTIVE * call.machine_active
        | voucher.PLACE_OK * call.place_ok
        | voucher.CURRENCY_OK * call.currency_ok
        | voucher.PRODUCT_OK * call.product_ok
        | voucher.PARTIAL * call.partial
    )


def absent(value: int | None) -> int:
    """None as the core spells it."""
    return -1 if value is None else value


@dataclass
class Known:
    """What the test knows of one slot: the oracle's voucher and what was redeemed from it."""

    code: str
    voucher_id: int
    state: oracle.Voucher
    begun: int = 0
    edited: bool = False
    redeemed: list[tuple[int, int]] = field(default_factory=list)


Drawn = dict[str, Any]
calls: st.SearchStrategy[Drawn] = st.fixed_dictionaries(
    {
        "device": st.sampled_from(strategies.DEVICES),
        "demand": strategies.demands,
        "partial": st.booleans(),
        "facts": strategies.facts,
    }
)


class VoucherMachine(RuleBasedStateMachine):
    """One book, one oracle, one clock."""

    slots: Bundle[int] = Bundle("slots")
    done: Bundle[tuple[int, int, int]] = Bundle("done")

    @initialize(now=strategies.moments(), seed=st.integers(0, 2**63))
    def open(self, now: int, seed: int) -> None:
        self.now = self.latest = now
        self.book = voucher.Book(1, seed=seed)
        self.known: dict[int, Known] = {}
        self.next_id = 1
        for zone in strategies.ZONES:
            for number, frequency in enumerate(strategies.RESETS, start=1):
                table = windows.table(zone, frequency)
                self.book.boundaries(windows.zone_number(zone), number, table)

    # Vouchers come, change and go.

    def put(self, code: str, voucher_id: int, state: oracle.Voucher) -> int:
        policy = self.book.policy(
            gift=state.gift,
            value=state.value,
            limit=state.limit,
            zone=windows.zone_number(state.zone),
            frequency=strategies.FREQUENCIES.index(state.frequency),
        )
        return self.book.add(
            code,
            voucher_id,
            policy,
            active=state.active,
            expires_before_ms=state.expires,
            count=state.count,
            amount=state.amount,
            total=state.total,
            total_amount=state.total_amount,
            period_end_ms=state.period_end,
            period_seq=state.period_seq,
            hold_device=-1 if state.hold_device is None else int(state.hold_device),
            hold_until_ms=state.hold_until,
            version=state.version,
        )

    @rule(target=slots, data=st.data(), code=st.sampled_from(CODES))
    def add(self, data: st.DataObject, code: str) -> int:
        state = data.draw(strategies.vouchers(self.now))
        slot = self.put(code, self.next_id, state)
        assert slot not in self.known
        self.known[slot] = Known(code, self.next_id, state)
        self.next_id += 1
        return slot

    @rule(target=slots, slot=consumes(slots), data=st.data())
    def edit(self, slot: int, data: st.DataObject) -> int:
        """A management edit: the row is re-read, so the record leaves and comes back re-keyed."""
        assume(self.now == self.latest and slot in self.known)
        known = self.known.pop(slot)
        soon = self.now // 1000 * 1000
        change = data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "value": strategies.values,
                    "limit": strategies.limits,
                    "frequency": strategies.frequencies,
                    "zone": strategies.zones,
                    "active": st.booleans(),
                    "expires": st.sampled_from([oracle.NEVER, soon, soon + 1000]),
                },
            )
        )
        state = oracle.configured(known.state, self.now, **change)
        self.book.remove(slot)
        again = self.put(known.code, known.voucher_id, state)
        self.known[again] = Known(
            known.code, known.voucher_id, state, edited=True, redeemed=known.redeemed
        )
        return again

    @rule(slot=consumes(slots))
    def remove(self, slot: int) -> None:
        assume(slot in self.known)
        self.book.remove(slot)
        del self.known[slot]

    @rule(slot=slots, more=st.integers(1, 3))
    def raised_elsewhere(self, slot: int, more: int) -> None:
        assume(slot in self.known)
        known = self.known[slot]
        version = known.state.version + more
        self.book.invalidate(slot, version)
        known.state = replace(known.state, version=version)

    # Time.

    @rule(pause=strategies.pauses)
    def tick(self, pause: int) -> None:
        self.now = min(self.now + pause, strategies.LAST_MS)
        self.latest = max(self.latest, self.now)

    @rule(slot=slots, near=st.sampled_from([-1, 0, 1]))
    def tick_to_reset(self, slot: int, near: int) -> None:
        assume(slot in self.known)
        end = self.known[slot].state.period_end
        if self.now < end + near < strategies.LAST_MS:
            self.now = self.latest = max(self.latest, end + near)

    @rule(slot=slots, near=st.sampled_from([-1, 0, 0, 1]))
    def hold_ends(self, slot: int, near: int) -> None:
        """A hold's end is exclusive to the millisecond, for its owner and for everybody."""
        assume(slot in self.known)
        self.ask(slot, oracle.Call("validate", self.now, 1, lock_ms=1000))
        end = self.known[slot].state.hold_until
        if self.now < end + near < strategies.LAST_MS:
            self.now = end + near
            self.latest = max(self.latest, self.now)
            for device in strategies.DEVICES:
                self.ask(slot, oracle.Call("redeem", self.now, device, demand=1), dry=True)
                self.ask(slot, oracle.Call("validate", self.now, device), dry=True)

    @rule(slot=slots, back=st.sampled_from([1, 1000, oracle.DAY]))
    def clock_back(self, slot: int, back: int) -> None:
        """P12: a clock that goes back never raises what is available."""
        assume(slot in self.known)
        earlier = max(self.now - back, strategies.FIRST_MS)
        assert self.book.balance(slot, earlier) <= self.book.balance(slot, self.now)
        self.now = earlier

    # Decisions.

    def question(self, op: str, drawn: Drawn, **rest: Any) -> oracle.Call:
        asked = {name: value for name, value in drawn.items() if name != "facts"}
        return oracle.Call(op, self.now, **asked, **drawn["facts"], **rest)

    def compare(
        self, slot: int, call: oracle.Call, got: voucher.Decision, *, dry: bool
    ) -> oracle.Decision:
        """A dry decision answers as the real one would, but nothing changes."""
        known = self.known[slot]
        expected, after = oracle.decide(known.state, call)
        if dry:
            expected, after = replace(expected, changed=False), known.state
        assert (
            expected.reason,
            expected.amount_off,
            expected.balance,
            expected.hold_until,
            expected.changed,
            after.version,
        ) == (
            oracle.REASONS[got.outcome],
            got.amount_off,
            got.balance,
            got.hold_until_ms,
            got.changed,
            got.version,
        )
        return expected

    def ask(self, slot: int, call: oracle.Call, *, dry: bool = False) -> oracle.Decision:
        got = self.book.decide(
            OPS[call.op],
            slot,
            call.now,
            int(call.device),
            absent(call.cap),
            absent(call.demand),
            call.lock_ms,
            flags(call),
            dry,
        )
        decision = self.compare(slot, call, got, dry=dry)
        if not dry:
            self.apply(slot, call)
        return decision

    def apply(self, slot: int, call: oracle.Call) -> None:
        known = self.known[slot]
        decision, after = oracle.decide(known.state, call)
        if after.period_seq != known.state.period_seq:
            known.begun = after.last_reset_at or 0
        known.state = after
        if decision.accepted and call.op == "redeem":
            known.redeemed.append((decision.amount_off, after.period_seq))

    @rule(slot=slots, call=calls, lock_ms=strategies.hold_lengths, dry=st.booleans())
    def validate(self, slot: int, call: Drawn, lock_ms: int, dry: bool) -> None:
        assume(slot in self.known)
        question = self.question("validate", call, lock_ms=lock_ms)
        decision = self.ask(slot, question, dry=dry)
        if decision.accepted:
            gift = self.known[slot].state.gift
            follow = replace(
                question, op="redeem", demand=decision.amount_off if gift else None, partial=False
            )
            redeemed = self.ask(slot, follow, dry=True)
            assert ("", decision.amount_off) == (redeemed.reason, redeemed.amount_off)

    @rule(target=done, slot=slots, call=calls, cap=strategies.caps, dry=st.booleans())
    def redeem(self, slot: int, call: Drawn, cap: int | None, dry: bool) -> Any:
        assume(slot in self.known)
        question = self.question("redeem", call, cap=cap)
        decision = self.ask(slot, question, dry=dry)
        known = self.known[slot]
        if dry or not decision.accepted:
            return multiple()
        return (known.voucher_id, decision.amount_off, known.state.period_seq)

    @rule(order=consumes(done))
    def roll_back(self, order: tuple[int, int, int]) -> None:
        voucher_id, amount_off, period_seq = order
        found = [s for s, known in self.known.items() if known.voucher_id == voucher_id]
        assume(found and (amount_off, period_seq) in self.known[found[0]].redeemed)
        self.give_back(found[0], amount_off, period_seq)

    def give_back(self, slot: int, amount_off: int, period_seq: int) -> None:
        known = self.known[slot]
        got = self.book.decide(voucher.ROLLBACK, slot, self.now, 1, period_seq, amount_off)
        after = oracle.give_back(known.state, self.now, amount_off, period_seq)
        if after.period_seq != known.state.period_seq:
            known.begun = after.last_reset_at or 0
        known.state = after
        known.redeemed.remove((amount_off, period_seq))
        assert (Outcome.ACCEPTED, after.balance, True, after.version) == (
            got.outcome,
            got.balance,
            got.changed,
            got.version,
        )

    @rule(slot=slots)
    def unlock(self, slot: int) -> None:
        """The service has decided who may; the book only lets go."""
        assume(slot in self.known)
        known = self.known[slot]
        self.book.release(slot)
        known.state = replace(
            known.state, hold_device=None, hold_until=0, version=known.state.version + 1
        )

    @rule(slot=slots, device=st.sampled_from(strategies.DEVICES), demand=strategies.demands)
    def redeem_and_roll_back(self, slot: int, device: int, demand: int | None) -> None:
        """P7: the state before, but for hold, version and a reset that was due anyway."""
        assume(slot in self.known)
        before = oracle.seen(self.known[slot].state, self.now)
        decision = self.ask(slot, oracle.Call("redeem", self.now, device, demand=demand))
        if decision.accepted:
            self.give_back(slot, decision.amount_off, self.known[slot].state.period_seq)
            after = replace(
                self.known[slot].state,
                version=before.version,
                hold_device=before.hold_device,
                hold_until=before.hold_until,
            )
            assert before == after

    @rule(slot=slots, call=calls, lock_ms=strategies.hold_lengths, op=st.sampled_from(tuple(OPS)))
    def decide_and_undo(self, slot: int, call: Drawn, lock_ms: int, op: str) -> None:
        """A decision whose commit failed leaves nothing behind; a wrong version undoes nothing."""
        assume(slot in self.known)
        known, saved = self.known[slot], self.book.save(slot)
        before, begun, redeemed = known.state, known.begun, list(known.redeemed)
        self.ask(slot, self.question(op, call, lock_ms=lock_ms))
        version = self.book.version(slot)
        assert self.book.restore(slot, saved, version + 1) is False
        self.same_records()
        assert self.book.restore(slot, saved, version) is True
        known.state, known.begun, known.redeemed = before, begun, redeemed

    @rule(
        op=st.sampled_from(tuple(OPS)),
        asked=st.lists(
            st.tuples(
                st.sampled_from((*CODES, "MISSING")),
                calls,
                strategies.caps,
                strategies.hold_lengths,
            ),
            min_size=1,
            max_size=12,
        ),
    )
    def batch(self, op: str, asked: list[Any]) -> None:
        """P14: a batch is the fold of its single calls, first slot of a code first."""
        n = len(asked)
        questions = [
            self.question(op, call, cap=cap if op == "redeem" else None, lock_ms=lock_ms)
            for _, call, cap, lock_ms in asked
        ]
        out = {name: array("q", [7] * n) for name in ("amount_off", "balance", "hold_until_ms")}
        outcome, changed = array("b", [7] * n), array("B", [7] * n)
        self.book.batch(
            OPS[op],
            self.book.pack([code for code, *_ in asked]),
            self.now,
            array("i", [int(q.device) for q in questions]),
            array("q", [absent(q.cap) for q in questions]),
            array("q", [absent(q.demand) for q in questions]),
            array("q", [q.lock_ms for q in questions]),
            array("B", [flags(q) for q in questions]),
            outcome,
            out["amount_off"],
            out["balance"],
            out["hold_until_ms"],
            changed,
        )
        for i, (code, *_) in enumerate(asked):
            slots = self.book.find(code)
            if not slots:
                assert outcome[i] == Outcome.VOUCHER_NOT_FOUND
                assert changed[i] == 0
                continue
            slot = min(slots)
            expected, _ = oracle.decide(self.known[slot].state, questions[i])
            assert (
                expected.reason,
                expected.amount_off,
                expected.balance,
                expected.hold_until,
                expected.changed,
            ) == (
                oracle.REASONS[outcome[i]],
                out["amount_off"][i],
                out["balance"][i],
                out["hold_until_ms"][i],
                bool(changed[i]),
            )
            self.apply(slot, questions[i])

    # After every step.

    @invariant()
    def same_records(self) -> None:
        if not hasattr(self, "known"):
            return
        self.book.check()
        assert len(self.known) == len(self.book)
        for code in CODES:
            slots = [slot for slot, known in self.known.items() if known.code == code]
            assert tuple(slots) == self.book.find(code)
        for slot, known in self.known.items():
            record, state = self.book.read(slot), known.state
            assert {
                "voucher_id": known.voucher_id,
                "active": state.active,
                "count": state.count,
                "amount": state.amount,
                "total": state.total,
                "total_amount": state.total_amount,
                "period_end_ms": state.period_end,
                "period_start_ms": known.begun,
                "period_seq": state.period_seq,
                "expires_before_ms": state.expires,
                "hold_device": -1 if state.hold_device is None else state.hold_device,
                "hold_until_ms": state.hold_until,
                "version": state.version,
                "balance": state.balance,
            } == {
                name: getattr(record, name)
                for name in (
                    "voucher_id", "active", "count", "amount", "total", "total_amount",
                    "period_end_ms", "period_start_ms", "period_seq", "expires_before_ms",
                    "hold_device", "hold_until_ms", "version", "balance",
                )
            }  # fmt: skip
            assert oracle.seen(state, self.now).balance == self.book.balance(slot, self.now)

    @invariant()
    def money(self) -> None:
        """P1-P5, from the redemptions alone."""
        for known in getattr(self, "known", {}).values():
            state, sums = known.state, known.redeemed
            current = [amount for amount, seq in sums if seq == state.period_seq]
            assert (len(sums), sum(a for a, _ in sums)) == (state.total, state.total_amount)
            assert (len(current), sum(current)) == (state.count, state.amount)
            assert 0 <= state.count <= state.total
            assert 0 <= state.amount <= state.total_amount
            if not known.edited:
                assert state.limit == 0 or state.count <= state.limit
                assert not state.gift or state.balance + state.amount == state.value


VoucherMachine.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    phases=strategies.PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestVoucherMachine = VoucherMachine.TestCase


@settings(max_examples=300, deadline=None)
@given(zone=strategies.zones, frequency=strategies.resets, now=strategies.moments())
def test_periods_contain_their_instant(zone: str, frequency: str, now: int) -> None:
    """P10: the oracle's definition and the shipped tables name one period for every instant."""
    begin, end = oracle.window(frequency, zone, now)
    period = oracle.key(frequency, zone, now)
    assert begin <= now < end
    assert begin % 1000 == end % 1000 == 0
    assert oracle.key(frequency, zone, begin - 1) < period <= oracle.key(frequency, zone, begin)
    assert oracle.key(frequency, zone, end - 1) == period < oracle.key(frequency, zone, end)
    assert (begin, end) == (
        windows.window_start(frequency, zone, now),
        windows.window_end(frequency, zone, now),
    )
    table = windows.table(zone, frequency)
    assert begin in table
    assert end in table


@settings(max_examples=100, deadline=None)
@given(
    zone=strategies.zones,
    frequency=strategies.resets,
    now=st.integers(2_300_000_000_000, 4_000_000_000_000),
    gift=st.booleans(),
)
def test_beyond_the_table(zone: str, frequency: str, now: int, gift: bool) -> None:
    """Outside its table the core asks for the boundary and then decides as the definition does."""
    book = voucher.Book(seed=1)
    number = windows.zone_number(zone)
    for index, name in enumerate(strategies.RESETS, start=1):
        book.boundaries(number, index, windows.table(zone, name))
    policy = book.policy(
        gift=gift, value=100, limit=3, zone=number, frequency=1 + strategies.RESETS.index(frequency)
    )
    slot = book.add("A", 1, policy, count=3, amount=100, total=3, total_amount=100, period_end_ms=0)
    before = book.read(slot)
    first = book.decide(voucher.REDEEM, slot, now, 1, demand=10)
    assert first.outcome == Outcome.NEEDS_BOUNDARY
    assert [getattr(before, n) for n in ("count", "amount", "version", "period_seq")] == [
        getattr(book.read(slot), n) for n in ("count", "amount", "version", "period_seq")
    ]
    end = oracle.window(frequency, zone, now)[1]
    second = book.decide(voucher.REDEEM, slot, now, 1, demand=10, boundary_ms=end)
    record = book.read(slot)
    assert (Outcome.ACCEPTED, 1, end, 1) == (
        second.outcome,
        record.count,
        record.period_end_ms,
        record.period_seq,
    )
