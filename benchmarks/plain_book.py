"""The same decision in plain Python: what the native book is compared with.

Written as one would write it for speed: slots, locals, early returns, nothing allocated but the
answer.
"""

from bisect import bisect_right
from collections.abc import Sequence

NEVER_MS = 2**63 - 1
ALL_OK = 31
PARTIAL = 32


class Policy:
    """Settings shared by many vouchers."""

    __slots__ = ("gift", "limit", "starts", "value")

    def __init__(self, gift: bool, value: int, limit: int, starts: Sequence[int]) -> None:
        self.gift = gift
        self.value = value
        self.limit = limit
        self.starts = starts


class Voucher:
    """One voucher's numbers."""

    __slots__ = (
        "active", "amount", "count", "expires_before_ms", "hold_device", "hold_until_ms", "id",
        "period_end_ms", "period_seq", "policy", "total", "total_amount", "version",
    )  # fmt: skip

    def __init__(self, voucher_id: int, policy: Policy, period_end_ms: int) -> None:
        self.id = voucher_id
        self.policy = policy
        self.active = True
        self.expires_before_ms = NEVER_MS
        self.count = self.amount = self.total = self.total_amount = 0
        self.period_end_ms = period_end_ms
        self.period_seq = 0
        self.hold_device = -1
        self.hold_until_ms = 0
        self.version = 1


FACTS = ((1, 4), (2, 7), (4, 8), (8, 9), (16, 10))


def fact_missing(flags: int, first: int) -> int:
    """The reason for a fact outside the voucher that does not hold; 0 if all do."""
    for flag, reason in FACTS[first:]:
        if not flags & flag:
            return reason
    return 0


class PlainBook:
    """A dict of objects by canonical code."""

    def __init__(self) -> None:
        self.vouchers: dict[str, Voucher] = {}

    def decide(
        self,
        redeem: bool,
        code: str,
        now_ms: int,
        device: int,
        cap: int,
        demand: int,
        lock_ms: int,
        flags: int,
    ) -> tuple[int, int, int]:
        """(outcome, amount off, balance) of one validate or redeem, applied."""
        voucher = self.vouchers.get(code)
        if voucher is None:
            return 3, 0, 0
        policy = voucher.policy
        count, amount = voucher.count, voucher.amount
        due = now_ms >= voucher.period_end_ms
        if due:
            count = amount = 0
        balance = max(0, policy.value - amount) if policy.gift else 0
        if not flags & 1:
            return 4, 0, balance
        if not voucher.active:
            return 5, 0, balance
        if now_ms >= voucher.expires_before_ms:
            return 6, 0, balance
        if flags & ALL_OK != ALL_OK:
            return fact_missing(flags, 1), 0, balance
        if voucher.hold_until_ms > now_ms and voucher.hold_device != device:
            return 11, 0, balance
        if policy.limit and count >= policy.limit:
            return 12, 0, balance
        if policy.gift:
            if balance == 0:
                return 13, 0, 0
            off = demand if demand >= 0 else balance
            if redeem:
                if demand < 0:
                    return 16, 0, balance
                if flags & PARTIAL:
                    off = min(demand, balance, cap) if cap >= 0 else min(demand, balance)
                    if off == 0:
                        return 14, 0, balance
                elif 0 <= cap < demand:
                    return 14, 0, balance
            if off > balance:
                return 15, balance, balance
        else:
            off = min(policy.value, cap) if redeem and cap >= 0 else policy.value
        if redeem:
            voucher.total += 1
            voucher.total_amount += off
            voucher.hold_device = -1
            voucher.hold_until_ms = 0
            count += 1
            amount += off
            balance = balance - off if policy.gift else 0
        elif lock_ms > 0 and (policy.limit or policy.gift):
            voucher.hold_device = device
            voucher.hold_until_ms = now_ms + lock_ms
        else:
            return 0, off, balance
        if due:
            voucher.period_seq += 1
            at = bisect_right(policy.starts, now_ms)
            voucher.period_end_ms = policy.starts[at] if policy.starts else NEVER_MS
        voucher.count, voucher.amount = count, amount
        voucher.version += 1
        return 0, off, balance
