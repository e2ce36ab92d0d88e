"""Fair use: when a subscriber's second speed applies, and what is left until then (isp.md 4.1-4.4).

`evaluate` is the rule for one subscriber, a pure function: usage, policy and an instant in, the
active choice and the window's new figures out. It asks the kernel that judges millions. Windows lie
between two boundaries of the local calendar, or are a billing cycle, or never end. All volumes are
int64 bytes of at most 2^60 - 1.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

from farebox.core import quota
from farebox.domain import wall_clocks
from farebox.domain.windows import NEVER_MS, local_day_start

MODES: Final = ("always", "data", "uploadDownload")
EVERY: Final = ("daily", "weekly", "monthly", "never", "billing")
UNITS: Final = {"mb": 1 << 20, "gb": 1 << 30}
BYTES_MAX: Final = quota.QUANTITY_MAX
KERNEL_MODES: Final = {
    "data": quota.DATA,
    "uploadDownload": quota.UPLOAD_DOWNLOAD,
    "always": quota.ALWAYS,
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When which of two choices applies; a choice is a bandwidth template or a set of attributes.

    `dom` is the day of the month, `dow` the day of the week from Sunday, at which windows begin.
    """

    mode: str
    first: int
    second: int = 0
    limit: int = 0
    every: str = "never"
    dom: int = 1
    dow: int = 0
    excludes_upload: bool = False
    carries: bool = False

    @property
    def rhythm(self) -> tuple[str, int]:
        """What its boundaries follow from, beside the zone."""
        if self.mode == "always":
            return "always", 0
        return self.every, {"monthly": self.dom, "weekly": self.dow}.get(self.every, 0)

    @property
    def terms(self) -> tuple[object, ...]:
        """What of it makes a change of policy; the choices themselves do not."""
        return self.mode, self.limit, self.rhythm, self.excludes_upload, self.carries

    def metric(self, upload: int, download: int) -> int:
        """What of the usage counts."""
        if self.excludes_upload:
            return download
        return max(upload, download) if self.mode == "uploadDownload" else upload + download

    def effective(self, carried: int, topup: int) -> int:
        """What may be used in a window before the second choice applies; 0 without a quota."""
        return 0 if self.mode == "always" else max(0, self.limit + carried + topup)


class Span(msgspec.Struct, frozen=True):
    """A window and the boundary before it."""

    before_ms: int
    start_ms: int
    end_ms: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """A window and what was used in it."""

    start_ms: int
    end_ms: int
    upload: int = 0
    download: int = 0
    topup: int = 0
    carried: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule says: the choice that applies, and the figures of the window."""

    active: int
    used: int
    effective: int
    remaining: int | None
    usage: Usage
    is_over: bool = False
    is_rolled: bool = False
    is_switch: bool = False
    is_stale: bool = False
    # The first of the two thresholds is 1, the second 2.
    level: int = 0
    # Of a window that has just begun: the one before it.
    before: Usage | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What else the rule asks about a subscriber; `applied` is what the network holds for him."""

    is_active: bool = True
    is_online: bool = True
    expires_ms: int | None = None
    applied: int = 0
    thresholds: tuple[int, int] = (80, 100)


def evaluate(
    policy: Policy, usage: Usage, standing: Standing, now_ms: int,
    span: Callable[[int], Span] | None = None, bill: tuple[int, int] | None = None,
) -> Verdict:  # fmt: skip
    """The rule of isp.md 4.3. `span` gives the calendar's windows, `bill` the cycle known."""
    found = None
    if span is not None and bill is None and now_ms >= usage.end_ms:
        found = span(now_ms)
    active, used, effective, remaining, start_ms, end_ms, carried, flags = _asked(
        policy, usage, standing, now_ms, found, bill
    )
    current, before = usage, None
    if flags & quota.ROLLED:
        before = usage
        if span is not None and found is not None and found.before_ms > usage.start_ms:
            # More than one boundary was passed: nothing was used in the window before.
            before = evaluate(policy, usage, standing, found.before_ms, span).usage
        current = Usage(start_ms=start_ms, end_ms=end_ms, carried=carried)
    elif end_ms != usage.end_ms:
        current = msgspec.structs.replace(usage, end_ms=end_ms)
    return Verdict(
        active=active,
        used=used,
        effective=effective,
        remaining=None if flags & quota.UNLIMITED else remaining,
        usage=current,
        is_over=bool(flags & quota.OVER),
        is_rolled=before is not None,
        is_switch=bool(flags & quota.SWITCH),
        is_stale=bool(flags & quota.STALE_CYCLE),
        level=2 if flags & quota.LEVEL_HIGH else int(bool(flags & quota.LEVEL_LOW)),
        before=before,
    )


def _asked(
    policy: Policy, usage: Usage, standing: Standing, now_ms: int, span: Span | None,
    bill: tuple[int, int] | None,
) -> tuple[int, ...]:  # fmt: skip
    """What the kernel says to one row; it needs a table only of a window that has ended."""
    flags = quota.EXCLUDE_UPLOAD * policy.excludes_upload + quota.CARRY * policy.carries
    flags += quota.ACTIVE * standing.is_active + quota.ONLINE * standing.is_online
    flags += quota.BILLING * (bill is not None)
    bill_start_ms, bill_end_ms = bill or (0, 0)
    low, high = standing.thresholds
    return quota.evaluate_one(
        now_ms, None if span is None else (span.before_ms, span.start_ms, span.end_ms),
        mode=KERNEL_MODES[policy.mode], flags=flags, limit=policy.limit, topup=usage.topup,
        carried=usage.carried, up=usage.upload, down=usage.download, period_start=usage.start_ms,
        period_end=usage.end_ms, t1=policy.first, t2=policy.second, applied=standing.applied,
        bill_start=bill_start_ms, bill_end=bill_end_ms,
        expires=NEVER_MS if standing.expires_ms is None else standing.expires_ms,
        low=low, high=high,
    )  # fmt: skip


def left_over(policy: Policy, usage: Usage) -> int:
    """What a window leaves to the next one: at most one limit, never a top-up."""
    used = policy.metric(usage.upload, usage.download)
    return min(max(policy.limit + usage.carried + min(0, usage.topup) - used, 0), policy.limit)


def window(policy: Policy, zone_name: str, now_ms: int) -> Span:
    """The window of the calendar around an instant: consecutive boundaries."""
    starts = _starts(*policy.rhythm, zone_name, wall_clocks.day_of(now_ms, zone_name))
    at = bisect_right(starts, now_ms)
    return Span(starts[at - 2], starts[at - 1], starts[at])


@lru_cache(maxsize=10_000)
def _starts(every: str, anchor: int, zone_name: str, today: date) -> list[int]:
    """Boundaries around a date."""
    days = _anchors(every, anchor, today)
    return sorted({local_day_start(zone_name, day) for day in days})


def _anchors(every: str, anchor: int, today: date) -> list[date]:
    """Dates at which windows begin, some before and some after a date."""
    if every == "daily":
        return [today + timedelta(days=step) for step in range(-4, 4)]
    if every == "weekly":
        back = (today.isoweekday() - anchor) % 7
        return [today + timedelta(days=7 * step - back) for step in range(-3, 4)]
    months = [today.year * 12 + today.month - 1 + step for step in range(-3, 4)]
    return [_clamped(month, anchor) for month in months]


def _clamped(month: int, dom: int) -> date:
    """A day of a month, or its last."""
    year, index = divmod(month, 12)
    following = date(year + (index == 11), (index + 1) % 12 + 1, 1)
    return date(year, index + 1, min(dom, (following - timedelta(days=1)).day))


def starting(
    policy: Policy, zone_name: str, now_ms: int, since_ms: int, bill: tuple[int, int] | None
) -> tuple[int, int]:
    """The window in which somebody begins who had none."""
    if policy.every == "billing" and bill is not None:
        return bill
    if policy.mode == "always" or policy.every in ("never", "billing"):
        return since_ms, NEVER_MS
    found = window(policy, zone_name, now_ms)
    return found.start_ms, found.end_ms


def changed(old: Policy, new: Policy, usage: Usage) -> Usage:
    """The figures under a policy with the same boundaries (isp.md 4.4)."""
    carried = min(usage.carried, new.limit) if new.carries else 0
    return usage if old.terms == new.terms else msgspec.structs.replace(usage, carried=carried)


def policy_of(prefix: str, given: Mapping[str, Any]) -> Policy:
    """The policy that arguments of the document's names describe; they were checked before.

    `prefix` is `bandwidth` or `vendor`; of the latter the choices are sets 1 and 2.
    """
    mode = given[f"{prefix}Reset"]
    first = given.get("bandwidthTemplate", 1) if prefix == "bandwidth" else 1
    if mode == "always":
        return Policy(mode=mode, first=first)
    every = given[f"{prefix}ResetEvery"]
    return Policy(
        mode=mode,
        first=first,
        second=given["bandwidthTemplate2"] if prefix == "bandwidth" else 2,
        limit=volume(given[f"{prefix}ResetLimit"], given[f"{prefix}ResetUnitData"]),
        every=every,
        dom=given.get(f"{prefix}ResetEveryValue") or 1 if every == "monthly" else 1,
        dow=given.get(f"{prefix}ResetEveryValueDay") or 0 if every == "weekly" else 0,
        excludes_upload=bool(given.get("excludeUpload")),
        carries=bool(given.get("carryForwardPreviousData")),
    )


def volume(amount: Decimal | int, unit: str) -> int:
    """Whole bytes of so many mb (2^20) or gb (2^30)."""
    return int(Decimal(amount) * UNITS[unit])
