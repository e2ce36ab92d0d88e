"""The voucher rules of vending-commerce.md 4.1-4.6 in slow plain Python, written from that text.

`decide` is the kernel: one voucher, one call, the facts around it as flags. `oracle_desk` adds
codes, devices and orders. Nothing here is fast, shared, durable or imported from the package under
test: that is the point.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

NEVER = 2**63 - 1
REASONS = (
    "", "order_id_reused", "order_rolled_back", "voucher_not_found", "campaign_not_active",
    "voucher_inactive", "voucher_expired", "machine_inactive", "location_not_allowed",
    "currency_mismatch", "product_not_allowed", "voucher_locked", "redemption_limit_reached",
    "balance_empty", "demand_exceeds_order", "insufficient_balance", "demand_required",
    "not_redeemed", "rollback_window_closed",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000
DAY = 24 * HOUR

# Periods (4.2) and expiry (4.3).


@cache
def zone(name: str) -> ZoneInfo:
    """The zone as the tzdata package tells it, whatever the machine has."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as source:
        return ZoneInfo.from_file(source, key=name)


def key(frequency: str, zone_name: str, now: int) -> int:
    """P(frequency, zone, now)."""
    if frequency == "never":
        return 0
    day = (EPOCH + timedelta(milliseconds=now)).astimezone(zone(zone_name)).date()
    if frequency == "day":
        return day.toordinal()
    return (day.toordinal() - 1) // 7 if frequency == "week" else 12 * day.year + day.month - 1


def first_day(frequency: str, period: int) -> date:
    """The calendar date on which a period begins."""
    if frequency == "month":
        return date(period // 12, period % 12 + 1, 1)
    return date.fromordinal(period if frequency == "day" else 7 * period + 1)


@cache
def start(frequency: str, zone_name: str, period: int) -> int:
    """min{t : P(t) >= period}: tried on every stretch of constant offset around that midnight."""
    midnight = (first_day(frequency, period) - date(1970, 1, 1)).days * 86_400
    where = zone(zone_name)

    def offset(second: int) -> int:
        there = datetime.fromtimestamp(second, where).utcoffset()
        assert there is not None
        return int(there.total_seconds())

    begin, last, found = midnight - 30 * 3600, midnight + 30 * 3600, []
    while begin < last:
        end = begin
        while end < last and offset(end) == offset(begin):
            end += 1800
        low, high = end - 1800, end
        while high - low > 1 and end < last:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offset(begin) else (low, middle)
        first = max(begin, midnight - offset(begin))
        if first < high:
            found.append(first)
        begin = high
    return 1000 * min(found)


def window(frequency: str, zone_name: str, now: int) -> tuple[int, int]:
    """[start, end) of the period that contains now."""
    if frequency == "never":
        return 0, NEVER
    period = key(frequency, zone_name, now)
    return start(frequency, zone_name, period), start(frequency, zone_name, period + 1)


def expires_before(text: str | None, zone_name: str) -> int:
    """The exclusive instant that an expiresOn text stands for."""
    if text is None:
        return NEVER
    if len(text) == 10:
        return start("day", zone_name, date.fromisoformat(text).toordinal() + 1)
    when = datetime.fromisoformat(text).replace(microsecond=0)
    if when.tzinfo is None:
        when = max(
            when.replace(tzinfo=zone(zone_name), fold=fold).astimezone(UTC) for fold in (0, 1)
        )
    return int((when - EPOCH).total_seconds()) * 1000 + 1000


# One voucher, one call (4.4-4.6, 4.18).


@dataclass(frozen=True)
class Voucher:
    """What a decision needs to know of one voucher; all settings effective."""

    gift: bool = False
    value: int = 100
    limit: int = 0
    frequency: str = "never"
    zone: str = "Europe/Amsterdam"
    active: bool = True
    expires: int = NEVER
    count: int = 0
    amount: int = 0
    total: int = 0
    total_amount: int = 0
    period_end: int = NEVER
    period_seq: int = 0
    last_reset_at: int | None = None
    hold_device: int | str | None = None
    hold_until: int = 0
    version: int = 1

    @property
    def balance(self) -> int:
        return max(0, self.value - self.amount) if self.gift else 0


@dataclass(frozen=True)
class Call:
    """One question to the kernel. None = not given."""

    op: str
    now: int
    device: int | str = 0
    cap: int | None = None
    demand: int | None = None
    partial: bool = False
    lock_ms: int = 0
    campaign_active: bool = True
    machine_active: bool = True
    place_ok: bool = True
    currency_ok: bool = True
    product_ok: bool = True


@dataclass(frozen=True)
class Decision:
    reason: str
    amount_off: int
    balance: int
    hold_until: int
    changed: bool

    @property
    def accepted(self) -> bool:
        return self.reason == ""


def seen(voucher: Voucher, now: int) -> Voucher:
    """The voucher as everybody must see it now: with a due reset applied, once, forward only."""
    if now < voucher.period_end:
        return voucher
    begin, end = window(voucher.frequency, voucher.zone, now)
    return replace(
        voucher,
        count=0,
        amount=0,
        period_end=end,
        period_seq=voucher.period_seq + 1,
        last_reset_at=begin,
    )


def configured(voucher: Voucher, now: int, **changes: Any) -> Voucher:
    """4.2 "config change": the old configuration's reset first, then re-keyed under the new one."""
    voucher = replace(seen(voucher, now), version=voucher.version + 1)
    changed = replace(voucher, **changes)
    if (changed.frequency, changed.zone) == (voucher.frequency, voucher.zone):
        return changed
    return replace(changed, period_end=window(changed.frequency, changed.zone, now)[1])


def refusal(voucher: Voucher, call: Call) -> str:
    """The first row of 4.5 that applies, "" when none does."""
    cap = NEVER if call.cap is None else call.cap
    redeem = call.op == "redeem"
    held = call.now < voucher.hold_until and voucher.hold_device != call.device
    asked = voucher.gift and call.demand is not None
    demand = call.demand or 0
    rows = (
        (not call.campaign_active, "campaign_not_active"),
        (not voucher.active, "voucher_inactive"),
        (call.now >= voucher.expires, "voucher_expired"),
        (not call.machine_active, "machine_inactive"),
        (not call.place_ok, "location_not_allowed"),
        (not call.currency_ok, "currency_mismatch"),
        (not call.product_ok, "product_not_allowed"),
        (held, "voucher_locked"),
        (voucher.limit > 0 and voucher.count >= voucher.limit, "redemption_limit_reached"),
        (voucher.gift and voucher.balance == 0, "balance_empty"),
        (redeem and asked and (cap == 0 if call.partial else demand > cap), "demand_exceeds_order"),
        (asked and not call.partial and demand > voucher.balance, "insufficient_balance"),
        (redeem and voucher.gift and not asked, "demand_required"),
    )
    return next((reason for applies, reason in rows if applies), "")


def worth(voucher: Voucher, call: Call) -> int:
    """4.4.2: what an accepted call takes off."""
    cap = NEVER if call.cap is None or call.op == "validate" else call.cap
    if not voucher.gift:
        return min(voucher.value, cap)
    if call.demand is None:
        return voucher.balance
    return min(call.demand, voucher.balance, cap) if call.partial else call.demand


def decide(stored: Voucher, call: Call) -> tuple[Decision, Voucher]:
    """Validate or redeem: the answer, and the voucher that is to be stored afterwards."""
    voucher = seen(stored, call.now)
    live = voucher.hold_until if call.now < voucher.hold_until else 0
    reason = refusal(voucher, call)
    if reason:
        offered = voucher.balance if reason == "insufficient_balance" else 0
        return Decision(reason, offered, voucher.balance, live, False), stored
    amount_off = worth(voucher, call)
    if call.op == "validate":
        if call.lock_ms == 0 or (voucher.limit == 0 and not voucher.gift):
            return Decision("", amount_off, voucher.balance, live, False), stored
        until = call.now + call.lock_ms
        held = replace(
            voucher, hold_device=call.device, hold_until=until, version=voucher.version + 1
        )
        return Decision("", amount_off, held.balance, until, True), held
    after = replace(
        voucher,
        count=voucher.count + 1,
        amount=voucher.amount + amount_off,
        total=voucher.total + 1,
        total_amount=voucher.total_amount + amount_off,
        hold_device=None,
        hold_until=0,
        version=voucher.version + 1,
    )
    return Decision("", amount_off, after.balance, 0, True), after


def give_back(stored: Voucher, now: int, amount_off: int, period_seq: int) -> Voucher:
    """4.4.4: one redemption of the period `period_seq` undone."""
    voucher = seen(stored, now)
    here = int(voucher.period_seq == period_seq)
    return replace(
        voucher,
        total=voucher.total - 1,
        total_amount=voucher.total_amount - amount_off,
        count=voucher.count - here,
        amount=voucher.amount - here * amount_off,
        version=voucher.version + 1,
    )
