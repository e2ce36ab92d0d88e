"""A voucher as its owner sees it: inherited settings, counters of the period that runs now, status.

What is stored may be behind: a reset that is due is written only with the next change, and an
inherit voucher follows its campaign without being rewritten. `seen` gives the state that counts
(vending-commerce.md 4.2, 4.9, 4.10); the statement of the same name in storage/vouchers.sql says it
in SQL.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from farebox.domain import revisions, windows
from farebox.domain.campaigns import Campaign
from farebox.domain.revisions import CalendarRevision, PeriodState

TYPES: Final = ("discount", "gift")
STATUSES: Final = ("active", "inactive", "expired", "redeemed")
COMMENTS_MAX: Final = 2000


class OwnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a voucher that inherits nothing."""

    type: str
    value: int
    redemption_limit: int = 0
    reset_frequency: str = "never"
    time_zone: str
    expires_on: str | None = None
    expires_before_ms: int | None = None


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """What a voucher says of itself on paper and to its owner."""

    text1: str | None = None
    text2: str | None = None
    text3: str | None = None
    text4: str | None = None
    style: str | None = None
    comments: str | None = None


class VoucherDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One or many vouchers as they are asked for; without settings of their own they inherit."""

    campaign: int
    settings: OwnSettings | None
    code: str | None = None
    prefix: str
    count: int = 1
    printed: Printed = Printed()
    # The JSON list as it is stored, null without rules.
    rules: str | None = None


class VoucherChange(msgspec.Struct, frozen=True, kw_only=True):
    """The members a small edit names; what is unset stays as it is."""

    campaign: int
    value: int | UnsetType = UNSET
    expires_on: str | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET
    comments: str | UnsetType | None = UNSET


class VoucherReplacement(msgspec.Struct, frozen=True, kw_only=True):
    """All settings anew; the voucher owns them from then on."""

    campaign: int
    settings: OwnSettings
    printed: Printed
    rules: str | None


class Voucher(msgspec.Struct, frozen=True, kw_only=True):
    """A voucher as it is stored, as far as edits and reading need to know."""

    id: int
    code_key: str
    campaign: int
    inherit: bool
    type: str | None
    value: int | None
    redemption_limit: int | None
    reset_frequency: str | None
    time_zone: str | None
    expires_on: str | None
    expires_before_ms: int | None
    active: bool
    text1: str | None
    text2: str | None
    text3: str | None
    text4: str | None
    style: str | None
    comments: str | None
    rules: str | None
    count: int
    amount: int
    period_end_ms: int
    period_seq: int
    calendar_revision: int
    last_reset_at_ms: int | None
    last_redemption_at_ms: int | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The effective state at one instant."""

    type: str
    value: int
    redemption_limit: int
    reset_frequency: str
    time_zone: str
    expires_before_ms: int | None
    balance: int
    status: str
    period: PeriodState


def settings_of(voucher: Voucher, campaign: Campaign) -> OwnSettings:
    """The settings in force: the campaign's, with the voucher's overrides, where it inherits."""
    if not voucher.inherit:
        return OwnSettings(
            type=voucher.type or "",
            value=voucher.value or 0,
            redemption_limit=voucher.redemption_limit or 0,
            reset_frequency=voucher.reset_frequency or "never",
            time_zone=voucher.time_zone or "",
            expires_on=voucher.expires_on,
            expires_before_ms=voucher.expires_before_ms,
        )
    expires = voucher if voucher.expires_on is not None else campaign
    return OwnSettings(
        type=campaign.type,
        value=campaign.voucher_value if voucher.value is None else voucher.value,
        redemption_limit=campaign.redemption_limit,
        reset_frequency=campaign.reset_frequency,
        time_zone=campaign.time_zone,
        expires_on=expires.expires_on,
        expires_before_ms=expires.expires_before_ms,
    )


def period_of(
    voucher: Voucher,
    campaign: Campaign,
    calendar: Mapping[int, CalendarRevision],
    now_ms: int,
) -> PeriodState:
    """The counters with every edit of the calendar and every due reset applied."""
    state = PeriodState(
        count=voucher.count,
        amount=voucher.amount,
        period_end_ms=voucher.period_end_ms,
        period_seq=voucher.period_seq,
        last_reset_at_ms=voucher.last_reset_at_ms,
        calendar_revision=voucher.calendar_revision,
    )
    if voucher.inherit:
        state = revisions.move_up(state, calendar, campaign.calendar_revision)
    settings = settings_of(voucher, campaign)
    return revisions.apply_due_reset(state, settings.reset_frequency, settings.time_zone, now_ms)


def rekeyed(
    period: PeriodState, before: OwnSettings, after: OwnSettings, now_ms: int
) -> PeriodState:
    """The period under other settings: counters stay, the end is the new calendar's next one."""
    same = (before.reset_frequency, before.time_zone) == (after.reset_frequency, after.time_zone)
    if same:
        return period
    end_ms = windows.window_end(after.reset_frequency, after.time_zone, now_ms)
    return msgspec.structs.replace(period, period_end_ms=end_ms)


def seen(
    voucher: Voucher,
    campaign: Campaign,
    calendar: Mapping[int, CalendarRevision],
    now_ms: int,
) -> Seen:
    """The voucher in its effective state."""
    settings = settings_of(voucher, campaign)
    period = period_of(voucher, campaign, calendar, now_ms)
    balance = max(0, settings.value - period.amount) if settings.type == "gift" else 0
    return Seen(
        type=settings.type,
        value=settings.value,
        redemption_limit=settings.redemption_limit,
        reset_frequency=settings.reset_frequency,
        time_zone=settings.time_zone,
        expires_before_ms=settings.expires_before_ms,
        balance=balance,
        status=_status(voucher.active, settings, period, balance, now_ms),
        period=period,
    )


def _status(
    is_active: bool, settings: OwnSettings, period: PeriodState, balance: int, now_ms: int
) -> str:
    if not is_active:
        return "inactive"
    if settings.expires_before_ms is not None and now_ms >= settings.expires_before_ms:
        return "expired"
    is_used_up = 0 < settings.redemption_limit <= period.count
    is_empty = settings.type == "gift" and balance == 0
    if settings.reset_frequency == "never" and (is_used_up or is_empty):
        return "redeemed"
    return "active"
