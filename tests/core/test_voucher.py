"""The voucher book by example: the ladder in its order, amounts, holds, resets, rollbacks."""

import re
from pathlib import Path
from typing import Any

import pytest

import farebox.core.calendar
import farebox.core.limits
import farebox.core.voucher
from farebox.core import Outcome
from farebox.core.voucher import (
    ALL_OK,
    CAMPAIGN_ACTIVE,
    CURRENCY_OK,
    MACHINE_ACTIVE,
    NEVER_MS,
    PARTIAL,
    PLACE_OK,
    PRODUCT_OK,
    REDEEM,
    ROLLBACK,
    VALIDATE,
    Book,
    Decision,
)
from farebox.domain import windows
from tests.core.conftest import Adder

ROOT = Path(__file__).parents[2]
NOW = 1_773_133_200_000
HOUR = 3_600_000
DAY = 24 * HOUR
ME, OTHER = 5, 6

# Every refusal of the core in descending precedence, and what is wrong when it applies: (flag that
# is missing, record fields, arguments).
LADDER: list[tuple[Outcome, int, dict[str, int], dict[str, int]]] = [
    (Outcome.CAMPAIGN_NOT_ACTIVE, CAMPAIGN_ACTIVE, {}, {}),
    (Outcome.VOUCHER_INACTIVE, 0, {"active": False}, {}),
    (Outcome.VOUCHER_EXPIRED, 0, {"expires_before_ms": NOW}, {}),
    (Outcome.MACHINE_INACTIVE, MACHINE_ACTIVE, {}, {}),
    (Outcome.LOCATION_NOT_ALLOWED, PLACE_OK, {}, {}),
    (Outcome.CURRENCY_MISMATCH, CURRENCY_OK, {}, {}),
    (Outcome.PRODUCT_NOT_ALLOWED, PRODUCT_OK, {}, {}),
    (Outcome.VOUCHER_LOCKED, 0, {"hold_device": OTHER, "hold_until_ms": NOW + 1}, {}),
    (Outcome.REDEMPTION_LIMIT_REACHED, 0, {"count": 3, "total": 3}, {}),
    (Outcome.BALANCE_EMPTY, 0, {"amount": 1000, "total_amount": 1000}, {}),
    (Outcome.DEMAND_EXCEEDS_ORDER, 0, {}, {"cap": 1000}),
    (Outcome.INSUFFICIENT_BALANCE, 0, {}, {"demand": 1001}),
]


@pytest.mark.parametrize("rung", range(len(LADDER)), ids=[row[0].name for row in LADDER])
def test_ladder(book: Book, gift: Adder, rung: int) -> None:
    """With everything wrong from one rung down, that rung is the reason, and nothing is written."""
    fields: dict[str, int] = {}
    arguments: dict[str, Any] = {"flags": ALL_OK}
    for _, flag, wrong_fields, wrong_arguments in LADDER[rung:]:
        arguments["flags"] &= ~flag
        fields |= wrong_fields
        arguments |= wrong_arguments
    slot = gift(limit=3, **fields)
    before = book.save(slot)
    assert book.decide(REDEEM, slot, NOW, ME, **arguments).outcome == LADDER[rung][0]
    assert book.save(slot) == before


def test_demand_required_is_last(book: Book, gift: Adder) -> None:
    """A gift needs a demand, and lacking one is reported only when nothing else is wrong."""
    slot = gift(limit=1)
    assert book.decide(REDEEM, slot, NOW, ME).outcome == Outcome.DEMAND_REQUIRED
    used = gift("U", limit=1, count=1, total=1)
    assert book.decide(REDEEM, used, NOW, ME).outcome == Outcome.REDEMPTION_LIMIT_REACHED


def test_order_is_one() -> None:
    """Enum, native enum, ladder and documentation have the same outcomes in the same order."""
    expected = [(outcome.value, outcome.name) for outcome in Outcome]
    native = re.findall(r"^    ([A-Z_]+) = (-?\d+)$", _read("native/outcome.pxd"), re.MULTILINE)
    assert expected == [(int(number), name) for name, number in native]
    documented = re.findall(r"^\| (-?\d+) \| `([A-Z_]+)`", _read("docs/outcomes.md"), re.MULTILINE)
    assert expected == [(int(number), name) for number, name in documented]
    assert expected == sorted(expected)
    rungs = [row[0] for row in LADDER]
    assert rungs == sorted(rungs)


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["voucher", "calendar", "limits"])
def test_stub_names(name: str) -> None:
    """The stub and the compiled module have the same public names, down to the methods."""
    module = getattr(farebox.core, name)
    stub = _read(f"src/farebox/core/{name}.pyi")
    public = {key for key in vars(module) if key[0].isupper()}
    assert set(re.findall(r"^(?:class )?([A-Z]\w*):(?: Final|$)", stub, re.MULTILINE)) == public
    for title in re.findall(r"^class (\w+)", stub, re.MULTILINE):
        body = stub.partition(f"class {title}")[2].partition("\n@final")[0]
        methods = set(re.findall(r"^    def ([a-z]\w*)", body, re.MULTILINE))
        assert methods == {key for key in vars(getattr(module, title)) if key[0] != "_"}


# What is taken (4.4.2): kind, operation, cap, demand, flags -> outcome, amount off, balance after.
AMOUNTS = [
    ("discount", VALIDATE, -1, -1, 0, Outcome.ACCEPTED, 100, 0),
    ("discount", VALIDATE, 30, 20, 0, Outcome.ACCEPTED, 100, 0),
    ("discount", REDEEM, -1, -1, 0, Outcome.ACCEPTED, 100, 0),
    ("discount", REDEEM, 100, -1, 0, Outcome.ACCEPTED, 100, 0),
    ("discount", REDEEM, 30, 900, 0, Outcome.ACCEPTED, 30, 0),
    ("discount", REDEEM, 0, -1, 0, Outcome.ACCEPTED, 0, 0),
    ("gift", VALIDATE, -1, -1, 0, Outcome.ACCEPTED, 1000, 1000),
    ("gift", VALIDATE, 10, 300, 0, Outcome.ACCEPTED, 300, 1000),
    ("gift", VALIDATE, -1, 1001, 0, Outcome.INSUFFICIENT_BALANCE, 1000, 1000),
    ("gift", VALIDATE, -1, 1001, PARTIAL, Outcome.ACCEPTED, 1000, 1000),
    ("gift", REDEEM, -1, 1000, 0, Outcome.ACCEPTED, 1000, 0),
    ("gift", REDEEM, 300, 300, 0, Outcome.ACCEPTED, 300, 700),
    ("gift", REDEEM, 299, 300, 0, Outcome.DEMAND_EXCEEDS_ORDER, 0, 1000),
    ("gift", REDEEM, -1, 1001, 0, Outcome.INSUFFICIENT_BALANCE, 1000, 1000),
    ("gift", REDEEM, -1, 2**63 - 1, 0, Outcome.INSUFFICIENT_BALANCE, 1000, 1000),
    ("gift", REDEEM, -1, 1001, PARTIAL, Outcome.ACCEPTED, 1000, 0),
    ("gift", REDEEM, 250, 1001, PARTIAL, Outcome.ACCEPTED, 250, 750),
    ("gift", REDEEM, 0, 1001, PARTIAL, Outcome.DEMAND_EXCEEDS_ORDER, 0, 1000),
    ("gift", REDEEM, 0, -1, PARTIAL, Outcome.DEMAND_REQUIRED, 0, 1000),
]


@pytest.mark.parametrize(
    ("kind", "op", "cap", "demand", "flags", "outcome", "amount_off", "balance"), AMOUNTS
)
def test_amounts(
    book: Book,
    discount: Adder,
    gift: Adder,
    kind: str,
    op: int,
    cap: int,
    demand: int,
    flags: int,
    outcome: Outcome,
    amount_off: int,
    balance: int,
) -> None:
    """Value, cap, demand and part: what is taken and what is left."""
    slot = discount() if kind == "discount" else gift()
    got = book.decide(op, slot, NOW, ME, cap, demand, 0, ALL_OK | flags)
    assert (outcome, amount_off, balance) == (got.outcome, got.amount_off, got.balance)
    assert got.changed == (op == REDEEM and outcome == Outcome.ACCEPTED)


def test_redeem_writes_all_counters(book: Book, gift: Adder) -> None:
    """A redeem counts in window and life, clears the hold and raises the version."""
    slot = gift(limit=2, hold_device=ME, hold_until_ms=NOW + 1)
    got = book.decide(REDEEM, slot, NOW, ME, demand=300)
    after = book.read(slot)
    assert (1, 300, 1, 300, 2, -1, 0, 700) == (
        after.count, after.amount, after.total, after.total_amount, after.version,
        after.hold_device, after.hold_until_ms, after.balance,
    )  # fmt: skip
    assert (True, 2, 0) == (got.changed, got.version, got.hold_until_ms)


def test_limit(book: Book, discount: Adder) -> None:
    """P3: a limit of two accepts exactly two."""
    slot = discount(limit=2)
    outcomes = [book.decide(REDEEM, slot, NOW, ME).outcome for _ in range(4)]
    assert [0, 0, 12, 12] == outcomes


# Holds (4.6): kind, limit, holder, its end, asker, lock_ms -> outcome, end seen, is written.
HOLDS = [
    ("gift", 0, -1, 0, ME, 500, 0, NOW + 500, True),
    ("discount", 1, -1, 0, ME, 500, 0, NOW + 500, True),
    ("discount", 0, -1, 0, ME, 500, 0, 0, False),
    ("gift", 0, ME, NOW + 900, ME, 500, 0, NOW + 500, True),
    ("gift", 0, ME, NOW + 900, ME, 0, 0, NOW + 900, False),
    ("gift", 0, OTHER, NOW + 900, ME, 500, 11, NOW + 900, False),
    ("gift", 0, OTHER, NOW + 1, ME, 0, 11, NOW + 1, False),
    ("gift", 0, OTHER, NOW, ME, 500, 0, NOW + 500, True),
]


@pytest.mark.parametrize(
    ("kind", "limit", "holder", "end", "asker", "lock_ms", "outcome", "seen", "written"), HOLDS
)
def test_holds(
    book: Book,
    discount: Adder,
    gift: Adder,
    kind: str,
    limit: int,
    holder: int,
    end: int,
    asker: int,
    lock_ms: int,
    outcome: int,
    seen: int,
    written: bool,
) -> None:
    """Who may take a hold, what it replaces and what it leaves alone."""
    add = discount if kind == "discount" else gift
    slot = add(limit=limit, hold_device=holder, hold_until_ms=end)
    before = book.save(slot)
    got = book.decide(VALIDATE, slot, NOW, asker, lock_ms=lock_ms)
    assert (outcome, seen, written) == (got.outcome, got.hold_until_ms, got.changed)
    assert (book.save(slot) != before) == written
    assert got.version == 1 + written


def test_hold_is_by_device_and_ends_half_open(book: Book, gift: Adder) -> None:
    """The holder redeems, others wait until the very millisecond of the end."""
    slot = gift()
    book.decide(VALIDATE, slot, NOW, ME, lock_ms=1000)
    ask = (REDEEM, slot)
    assert book.decide(*ask, NOW + 999, OTHER, demand=1).outcome == Outcome.VOUCHER_LOCKED
    assert book.decide(*ask, NOW + 999, ME, demand=1, dry=True).outcome == Outcome.ACCEPTED
    assert book.decide(*ask, NOW + 1000, OTHER, demand=1).outcome == Outcome.ACCEPTED


def test_dry_changes_nothing(book: Book, gift: Adder) -> None:
    """A dry decision is the answer without the effect."""
    slot = gift(limit=1)
    before = book.save(slot)
    for op in (VALIDATE, REDEEM, ROLLBACK):
        got = book.decide(op, slot, NOW, ME, demand=300, lock_ms=500, dry=True)
        assert (Outcome.ACCEPTED, 300, False, 1) == (
            got.outcome, got.amount_off, got.changed, got.version,
        )  # fmt: skip
    assert book.save(slot) == before


# Resets (4.2).


@pytest.fixture
def daily(book: Book, gift: Adder) -> int:
    """A used up daily gift of Amsterdam whose window ends an hour after NOW."""
    book.boundaries(3, 1, windows.table("Europe/Amsterdam", "day"))
    return gift(
        zone=3, frequency=1, limit=2, count=2, total=5, amount=1000, total_amount=1500,
        period_end_ms=NOW + HOUR, period_seq=4,
    )  # fmt: skip


def test_reset_is_seen_before_it_is_written(book: Book, daily: int) -> None:
    """Reads, refusals and plain validates see a due reset; only a write stores it."""
    before = book.save(daily)
    assert book.decide(VALIDATE, daily, NOW + HOUR - 1, ME).outcome == 12
    seen = book.decide(VALIDATE, daily, NOW + HOUR, ME)
    assert (Outcome.ACCEPTED, 1000, False) == (seen.outcome, seen.amount_off, seen.changed)
    assert (0, 1000) == (book.balance(daily, NOW + HOUR - 1), book.balance(daily, NOW + HOUR))
    assert book.decide(REDEEM, daily, NOW + HOUR, ME, demand=1001).outcome == 15
    assert book.save(daily) == before


@pytest.mark.parametrize("op", [VALIDATE, REDEEM])
def test_reset_is_written_once(book: Book, daily: int, op: int) -> None:
    """The first write after several missed windows resets once, to the window of now."""
    now = NOW + 5 * DAY
    got = book.decide(op, daily, now, ME, demand=300, lock_ms=1000)
    after = book.read(daily)
    span = [f("day", "Europe/Amsterdam", now) for f in (windows.window_start, windows.window_end)]
    assert [*span, 5] == [after.period_start_ms, after.period_end_ms, after.period_seq]
    taken = 300 if op == REDEEM else 0
    assert (taken > 0, taken, 1500 + taken, 1000 - taken) == (
        after.count > 0, after.amount, after.total_amount, got.balance,
    )  # fmt: skip
    book.decide(REDEEM, daily, now, ME, demand=1)
    assert book.read(daily).period_seq == 5


def test_clock_going_back_keeps_the_window(book: Book, daily: int) -> None:
    """P12: a clock behind the stored window neither resets nor gives anything back."""
    book.decide(REDEEM, daily, NOW + DAY, ME, demand=1000)
    got = book.decide(REDEEM, daily, NOW - DAY, ME, demand=1)
    assert (Outcome.BALANCE_EMPTY, 5) == (got.outcome, book.read(daily).period_seq)


@pytest.mark.parametrize("op", [VALIDATE, REDEEM, ROLLBACK])
def test_outside_the_table_nothing_is_guessed(book: Book, gift: Adder, op: int) -> None:
    """Without a covering table the answer is NEEDS_BOUNDARY until the caller names the boundary."""
    slot = gift(zone=9, frequency=1, period_end_ms=NOW, amount=500, total_amount=500)
    before = book.save(slot)
    got = book.decide(op, slot, NOW, ME, demand=10)
    assert (Outcome.NEEDS_BOUNDARY, False) == (got.outcome, got.changed)
    assert book.save(slot) == before
    got = book.decide(op, slot, NOW, ME, demand=10, boundary_ms=NOW + DAY)
    assert Outcome.ACCEPTED == got.outcome
    if op == REDEEM:
        after = book.read(slot)
        assert (NOW + DAY, 0, 1) == (after.period_end_ms, after.period_start_ms, after.period_seq)


@pytest.mark.parametrize("boundary_ms", [-1000, 1, NOW, NOW - 1000, NOW + 1, 4_294_967_295_000])
def test_boundary_must_be_one(book: Book, gift: Adder, boundary_ms: int) -> None:
    """A boundary is a whole second after now and before 2106."""
    with pytest.raises(ValueError, match="boundary_ms"):
        book.decide(VALIDATE, gift(), NOW, ME, boundary_ms=boundary_ms)


def test_due_reset_of_a_policy_that_never_resets(book: Book, discount: Adder) -> None:
    """A window left over from an older calendar ends once and for ever."""
    slot = discount(limit=1, count=1, total=1, period_end_ms=NOW)
    assert book.decide(REDEEM, slot, NOW, ME).outcome == Outcome.ACCEPTED
    assert (NEVER_MS, 1) == (book.read(slot).period_end_ms, book.read(slot).period_seq)


# Rollbacks (4.4.4).


def test_rollback_in_the_same_window(book: Book, gift: Adder) -> None:
    """P7: redeem and roll back leave the state before, but for hold and version."""
    slot = gift(limit=1, hold_device=ME, hold_until_ms=NOW + HOUR)
    book.decide(REDEEM, slot, NOW, ME, demand=300)
    got = book.decide(ROLLBACK, slot, NOW, OTHER, cap=0, demand=300, flags=0)
    after = book.read(slot)
    assert (Outcome.ACCEPTED, 300, 1000, True, 3) == (
        got.outcome, got.amount_off, got.balance, got.changed, got.version,
    )  # fmt: skip
    assert (0, 0, 0, 0, -1) == (
        after.count, after.amount, after.total, after.total_amount, after.hold_device,
    )  # fmt: skip


def test_rollback_in_a_later_window(book: Book, daily: int) -> None:
    """The allowance of a past window has lapsed: only totals change, and the reset is written."""
    got = book.decide(ROLLBACK, daily, NOW + HOUR, ME, cap=4, demand=300)
    after = book.read(daily)
    assert (0, 0, 4, 1200, 5) == (
        after.count, after.amount, after.total, after.total_amount, after.period_seq,
    )  # fmt: skip
    assert got.balance == 1000


def test_rollback_is_refused_by_nothing(book: Book, discount: Adder) -> None:
    """Neither expiry, status, holds, limits nor missing facts stand against it."""
    slot = discount(
        limit=1, count=1, total=1, amount=100, total_amount=100, active=False,
        expires_before_ms=1000, hold_device=OTHER, hold_until_ms=NOW + HOUR,
    )  # fmt: skip
    got = book.decide(ROLLBACK, slot, NOW, ME, cap=0, demand=100, flags=0)
    assert (Outcome.ACCEPTED, NOW + HOUR) == (got.outcome, got.hold_until_ms)
    assert (0, OTHER) == (book.read(slot).count, book.read(slot).hold_device)


def test_rollback_of_what_never_was_stops_at_zero(book: Book, discount: Adder) -> None:
    """P5 holds even if a caller gives back more than was taken."""
    slot = discount(count=2, total=2, amount=20, total_amount=20)
    for cap in (9, 0, 0, 9):
        book.decide(ROLLBACK, slot, NOW, ME, cap=cap, demand=2**63 - 1)
        book.check()
    after = book.read(slot)
    assert (0, 0, 0, 0) == (after.count, after.amount, after.total, after.total_amount)


# What a record can hold.

MISFITS: list[tuple[str, dict[str, int]]] = [
    ("id", {"voucher_id": 2**48}),
    ("id", {"voucher_id": -1}),
    ("count", {"count": -1}),
    ("count", {"count": 2, "total": 1}),
    ("total", {"total": 2**32}),
    ("amount", {"amount": -1}),
    ("amount", {"amount": 2, "total_amount": 1}),
    ("total_amount", {"total_amount": 2**62}),
    ("period_end_ms", {"period_end_ms": NOW + 1}),
    ("expires_before_ms", {"expires_before_ms": NOW + 1}),
    ("period_seq", {"period_seq": 2**31}),
    ("period_seq", {"period_seq": -1}),
    ("hold_device", {"hold_device": 2**22}),
    ("hold_until_ms", {"hold_device": 1, "hold_until_ms": 2**42}),
    ("version", {"version": 2**48}),
    ("version", {"version": -1}),
]


@pytest.mark.parametrize(("field", "wrong"), MISFITS)
def test_misfits_do_not_enter(
    book: Book, discount: Adder, field: str, wrong: dict[str, int]
) -> None:
    """A value beyond the packed width is named and refused at the door."""
    with pytest.raises(ValueError, match=f"^{field} does not fit"):
        discount(**wrong)
    assert len(book) == 0
    book.check()


def test_what_fits_comes_back(book: Book, gift: Adder) -> None:
    """The largest values of every field are kept exactly."""
    largest = {
        "voucher_id": 2**48 - 1, "count": 2**32 - 1, "total": 2**32 - 1, "amount": 2**62 - 1,
        "total_amount": 2**62 - 1, "period_end_ms": 4_294_967_294_000, "period_seq": 2**31 - 1,
        "expires_before_ms": 4_294_967_294_000, "hold_device": 2**22 - 1,
        "hold_until_ms": 2**42 - 1, "version": 2**48 - 1,
    }  # fmt: skip
    kept = book.read(gift(**largest))
    assert largest == {name: getattr(kept, name) for name in largest}
    assert (True, 0, 0) == (kept.active, kept.balance, kept.period_start_ms)


# Instants that saturate: given -> kept.
SATURATING = [
    (NEVER_MS, NEVER_MS),
    (4_294_967_295_000, NEVER_MS),
    (4_294_967_295_001, NEVER_MS),
    (0, 0),
    (-1, 0),
]


@pytest.mark.parametrize(("given", "kept"), SATURATING)
def test_instants_saturate(book: Book, discount: Adder, given: int, kept: int) -> None:
    """From 2106 on is never, before 1970 is 1970; both keep their meaning."""
    record = book.read(discount(expires_before_ms=given, period_end_ms=given))
    assert (kept, kept) == (record.expires_before_ms, record.period_end_ms)


def test_a_record_that_cannot_count_refuses(book: Book, discount: Adder) -> None:
    """The last countable redemption is accepted, the next one is refused, not wrapped."""
    slot = discount(count=2**32 - 2, total=2**32 - 2)
    assert [0, 12] == [book.decide(REDEEM, slot, NOW, ME).outcome for _ in range(2)]
    full = discount("F", total_amount=2**62 - 1)
    assert [0, 12] == [book.decide(REDEEM, full, NOW, ME).outcome for _ in range(2)]
    book.check()


def test_version_passes_32_bits(book: Book, discount: Adder) -> None:
    """The upper half of a version carries."""
    slot = discount(version=2**32 - 1, voucher_id=2**48 - 1)
    assert 2**32 == book.decide(REDEEM, slot, NOW, ME).version == book.version(slot)
    assert 2**48 - 1 == book.voucher_id(slot)
    book.invalidate(slot, 2**40 + 5)
    assert 2**40 + 5 == book.version(slot)


# Arguments out of range: operation, now, device, further ones.
WRONG: list[tuple[int, int, int, dict[str, Any]]] = [
    (3, NOW, ME, {}),
    (-1, NOW, ME, {}),
    (VALIDATE, -1, ME, {}),
    (VALIDATE, 4_294_967_295_000, ME, {}),
    (VALIDATE, NOW, 2**22, {}),
    (VALIDATE, NOW, -1, {}),
    (VALIDATE, NOW, ME, {"lock_ms": -1}),
    (VALIDATE, NOW, ME, {"lock_ms": 2**36}),
    (ROLLBACK, NOW, ME, {}),
]


@pytest.mark.parametrize(("op", "now", "device", "more"), WRONG)
def test_wrong_arguments(
    book: Book, gift: Adder, op: int, now: int, device: int, more: dict[str, Any]
) -> None:
    """What a decision cannot be asked with is a ValueError before any work."""
    with pytest.raises(ValueError, match=r"."):
        book.decide(op, gift(), now, device, **more)


@pytest.mark.parametrize("slot", [-1, 1, 2**40])
def test_empty_slots(book: Book, gift: Adder, slot: int) -> None:
    """A slot without a record is an IndexError everywhere."""
    gift()
    for call in (book.remove, book.read, book.voucher_id, book.version, book.save, book.release):
        with pytest.raises(IndexError, match="no record"):
            call(slot)
    with pytest.raises(IndexError, match="no record"):
        book.decide(VALIDATE, slot, NOW, ME)


POLICIES: list[dict[str, Any]] = [
    {"gift": True, "value": 2**31, "limit": 0},
    {"gift": True, "value": -1, "limit": 0},
    {"gift": True, "value": 0, "limit": 2**32},
    {"gift": True, "value": 0, "limit": 0, "zone": 65536},
    {"gift": True, "value": 0, "limit": 0, "frequency": 4},
]


@pytest.mark.parametrize("settings", POLICIES)
def test_wrong_policies(book: Book, settings: dict[str, Any]) -> None:
    """Settings that a policy cannot hold are refused."""
    with pytest.raises(ValueError, match=r"out of range|no calendar"):
        book.policy(**settings)


def test_policies_are_interned(book: Book) -> None:
    """Equal settings are one policy; the zone of one that never resets does not count."""
    one = book.policy(gift=True, value=5, limit=0, zone=1)
    assert one == book.policy(gift=True, value=5, limit=0, zone=2)
    assert one != book.policy(gift=True, value=5, limit=0, zone=2, frequency=1)
    many = {book.policy(gift=False, value=value, limit=0) for value in range(5000)}
    assert len(many) == 5000


def test_unknown_policy(book: Book) -> None:
    """A record names a policy that exists."""
    with pytest.raises(ValueError, match="no policy"):
        book.add("A", 1, 0)


def test_decision_is_a_plain_value(book: Book, discount: Adder) -> None:
    """Later calls do not touch an older answer, and it cannot be written."""
    slot = discount()
    first: Decision = book.decide(REDEEM, slot, NOW, ME)
    book.decide(REDEEM, slot, NOW, ME)
    assert first.version == 2
    with pytest.raises(AttributeError):
        first.version = 3  # type: ignore[misc]
    assert "amount_off=100" in repr(first)
    assert "'total': 2" in repr(book.read(slot))
