"""What a campaign is made of, what an edit makes of it, and what that edit touches.

A campaign's settings are the terms of all its inherit vouchers. An edit is worked out here from the
row as it stands under the lock; which locks, and how vouchers follow, is for the engine
(vending-commerce.md 2.6, 3.38, 4.10).
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from farebox.domain import expiry
from farebox.domain.errors import ConflictError, InvalidError

TYPES: Final = ("discount", "gift", "dynamic")
VALUE_TYPES: Final = ("cents",)
WANTED_STATUSES: Final = ("active", "inactive")
FREQUENCIES: Final = ("day", "week", "month", "never")
UNFINISHED: Final = ("creating", "failed")

VALUE_MAX: Final = 2**31 - 1
TOTAL_MAX: Final = 1_000_000
# So many vouchers are made in the request itself; more are made by a job, so many at a time.
BATCH: Final = 5000

DEFAULT_CURRENCY: Final = "EUR"
DEFAULT_TIME_ZONE: Final = "Europe/Amsterdam"


class CampaignDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as it is asked for, every argument checked."""

    name: str
    total_vouchers: int
    voucher_value: int
    type: str = "discount"
    redemption_limit: int = 0
    reset_frequency: str = "never"
    expires_on: str | None = None
    expires_before_ms: int | None = None
    currency: str = DEFAULT_CURRENCY
    time_zone: str = DEFAULT_TIME_ZONE
    prefix: str
    texts: tuple[str | None, str | None, str | None, str | None] = (None, None, None, None)
    style: str | None = None
    logo_image: int | None = None
    status: str = "active"
    owner_data: str | None = None


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as it is stored, as far as an edit or a new voucher needs to know."""

    id: int
    owner: int
    name: str
    type: str
    total_vouchers: int
    voucher_value: int
    redemption_limit: int
    reset_frequency: str
    expires_on: str | None
    expires_before_ms: int | None
    currency: str
    time_zone: str
    prefix: str
    voucher_text1: str | None
    voucher_text2: str | None
    voucher_text3: str | None
    voucher_text4: str | None
    voucher_style: str | None
    logo_image: int | None
    status: str
    wanted_status: str
    calendar_revision: int


class CampaignChange(msgspec.Struct, frozen=True, kw_only=True):
    """The members an edit names; what is unset stays as it is."""

    name: str | UnsetType = UNSET
    redemption_limit: int | UnsetType = UNSET
    reset_frequency: str | UnsetType = UNSET
    # Null ends the expiry; a text is read in the zone that the campaign will have.
    expires_on: str | UnsetType | None = UNSET
    currency: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    voucher_text1: str | UnsetType | None = UNSET
    voucher_text2: str | UnsetType | None = UNSET
    voucher_text3: str | UnsetType | None = UNSET
    voucher_text4: str | UnsetType | None = UNSET
    voucher_style: str | UnsetType | None = UNSET
    logo_image: int | UnsetType | None = UNSET
    status: str | UnsetType = UNSET


_DECISIVE = (
    "redemption_limit", "reset_frequency", "expires_before_ms", "currency", "time_zone", "status",
)  # fmt: skip
_PRINTED = (
    "expires_on", "voucher_text1", "voucher_text2", "voucher_text3", "voucher_text4",
    "voucher_style", "logo_image",
)  # fmt: skip


def edited(campaign: Campaign, change: CampaignChange) -> Campaign:
    """The campaign after the edit; ConflictError where its state does not allow it now."""
    named = {
        name: value
        for name in change.__struct_fields__
        if (value := getattr(change, name)) is not UNSET
    }
    after = msgspec.structs.replace(campaign, **named)
    if after.status != campaign.status:
        check_ready(campaign)
    if "expires_on" in named or "time_zone" in named:
        text, expires_before_ms = expiry_of(after.expires_on, after.time_zone)
        after = msgspec.structs.replace(after, expires_on=text, expires_before_ms=expires_before_ms)
    return after


def expiry_of(text: str | None, time_zone: str) -> tuple[str | None, int | None]:
    """Normalised text and first instant too late; both nothing where nothing ends."""
    return (None, None) if text is None else expiry.parse_expiry(text, time_zone)


def check_ready(campaign: Campaign) -> None:
    """Refuses what needs the campaign's vouchers while they are not, or will not be, complete."""
    if campaign.status in UNFINISHED:
        raise ConflictError(
            f"The campaign's vouchers are not complete: its status is {campaign.status}",
            "campaign_not_ready",
        )


def check_voucher_type(campaign: Campaign, type: str) -> None:
    """Refuses a voucher of a type that the campaign cannot hold."""
    if type == "inherit":
        if campaign.type == "dynamic":
            reason = "cannot be inherit in a dynamic campaign"
            raise InvalidError(f"type {reason}", "inherit_needs_typed_campaign", {"type": reason})
    elif campaign.type not in ("dynamic", type):
        reason = f"must be {campaign.type} in this campaign"
        raise InvalidError(f"type {reason}", "voucher_type_mismatch", {"type": reason})


def alters_decisions(before: Campaign, after: Campaign) -> bool:
    """Whether a voucher could be decided otherwise after the edit."""
    return _differs(before, after, _DECISIVE)


def alters_print(before: Campaign, after: Campaign) -> bool:
    """Whether sheets printed before the edit show something else or should not be used."""
    was_deactivated = before.status == "active" and after.status == "inactive"
    return was_deactivated or _differs(before, after, _PRINTED)


def alters_calendar(before: Campaign, after: Campaign) -> bool:
    """Whether the periods of inherit vouchers end at other instants from now on."""
    return _differs(before, after, ("reset_frequency", "time_zone"))


def _differs(before: Campaign, after: Campaign, names: tuple[str, ...]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)
