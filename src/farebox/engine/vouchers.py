"""Edits of single vouchers, and what is told of their past.

Every edit first brings the voucher up to date: a due reset and the campaign's newer calendar are
applied under the settings in force, then the edit, and the version rises (vending-commerce.md 3.45,
3.46, 4.2). Redeeming and giving back are the redemption desk's.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec import UNSET

from farebox.domain import vouchers as domain
from farebox.domain.campaigns import Campaign, check_voucher_type, expiry_of
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.domain.revisions import PeriodState
from farebox.domain.vouchers import Voucher, VoucherChange, VoucherReplacement
from farebox.storage import campaigns, sheets, vouchers
from farebox.storage.pool import Connection, Pool, transaction


class Vouchers:
    """The use-cases on existing vouchers; one per process."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def change(self, groups: Collection[int], voucher: int, change: VoucherChange) -> None:
        """Applies a small edit; on an inherit voucher the members become its own."""
        async with transaction(self._pool) as connection:
            campaign, before = await _locked(connection, groups, voucher, change.campaign)
            after = _changed(before, campaign, change)
            if after == before:
                return
            # Asked only now that the voucher stands still: it may have been waited for.
            now_ms = self._clock()
            period = await _period(connection, before, campaign, now_ms)
            await vouchers.update(connection, after, period, now_ms)
            await _drop_outdated_sheets(connection, before, after)

    async def replace(
        self, groups: Collection[int], voucher: int, replacement: VoucherReplacement
    ) -> None:
        """Gives the voucher all its settings anew and ends its inheritance."""
        settings = replacement.settings
        async with transaction(self._pool) as connection:
            campaign, before = await _locked(connection, groups, voucher, replacement.campaign)
            check_voucher_type(campaign, settings.type)
            earlier = domain.settings_of(before, campaign)
            if settings.type != earlier.type and before.last_redemption_at_ms is not None:
                raise ConflictError(
                    "The type cannot change any more: the voucher was redeemed",
                    "voucher_in_use",
                    {"type": "cannot change once the voucher was redeemed"},
                )
            now_ms = self._clock()
            period = await _period(connection, before, campaign, now_ms)
            period = domain.rekeyed(period, earlier, settings, now_ms)
            after = msgspec.structs.replace(
                before,
                inherit=False,
                rules=replacement.rules,
                **msgspec.structs.asdict(settings),
                **msgspec.structs.asdict(replacement.printed),
            )
            await vouchers.update(connection, after, period, now_ms)
            await _drop_outdated_sheets(connection, before, after)

    async def log(
        self, groups: Collection[int], voucher: int, limit: int, skip: int
    ) -> tuple[list[Any], int]:
        """What happened at the voucher, newest first, and how much in all."""
        async with transaction(self._pool, readonly=True) as connection:
            code_key = await vouchers.find_code(connection, voucher, groups)
            return await vouchers.read_log(connection, voucher, code_key, limit, skip)

    async def redemptions(
        self, groups: Collection[int], voucher: int, limit: int, skip: int
    ) -> tuple[list[Any], int]:
        """The voucher's redemptions, newest first, and how many there are."""
        async with transaction(self._pool, readonly=True) as connection:
            code_key = await vouchers.find_code(connection, voucher, groups)
            return await vouchers.read_redemptions(connection, voucher, code_key, limit, skip)


async def _locked(
    connection: Connection, groups: Collection[int], voucher: int, expected: int
) -> tuple[Campaign, Voucher]:
    """The voucher and its campaign, both kept as they are; NotFoundError outside the groups."""
    campaign_id = await vouchers.find_campaign(connection, voucher)
    try:
        await campaigns.read(connection, campaign_id, groups)
    except NotFoundError:
        raise NotFoundError("Voucher not found") from None
    if campaign_id != expected:
        reason = "is not the campaign of this voucher"
        raise InvalidError(f"campaign {reason}", "campaign_mismatch", {"campaign": reason})
    await campaigns.exclude_edits(connection, campaign_id)
    # An edit of the voucher may make the campaign's sheet outdated.
    await campaigns.hold_sheet(connection, campaign_id)
    campaign = await campaigns.read(connection, campaign_id, None)
    return campaign, await vouchers.lock(connection, voucher)


async def _period(
    connection: Connection, voucher: Voucher, campaign: Campaign, now_ms: int
) -> PeriodState:
    calendar = (
        await campaigns.read_calendar(connection, campaign.id)
        if voucher.inherit and voucher.calendar_revision != campaign.calendar_revision
        else {}
    )
    return domain.period_of(voucher, campaign, calendar, now_ms)


def _changed(before: Voucher, campaign: Campaign, change: VoucherChange) -> Voucher:
    after = before
    if change.value is not UNSET:
        inherited = before.inherit and before.value is None
        if not inherited or change.value != campaign.voucher_value:
            after = msgspec.structs.replace(after, value=change.value)
    if change.expires_on is not UNSET:
        zone = domain.settings_of(before, campaign).time_zone
        text, expires_before_ms = expiry_of(change.expires_on, zone)
        after = msgspec.structs.replace(after, expires_on=text, expires_before_ms=expires_before_ms)
    if change.active is not UNSET:
        after = msgspec.structs.replace(after, active=change.active)
    if change.comments is not UNSET:
        after = msgspec.structs.replace(after, comments=change.comments)
    return after


async def _drop_outdated_sheets(connection: Connection, before: Voucher, after: Voucher) -> None:
    """A sheet that shows something else, or a voucher out of use, must not be handed out."""
    if _printed(before) != _printed(after) or before.active != after.active:
        await sheets.drop_voucher(connection, after.id)
        await sheets.drop_campaign(connection, after.campaign, vouchers=False)


def _printed(voucher: Voucher) -> tuple[str | None, ...]:
    return (
        voucher.expires_on,
        voucher.text1,
        voucher.text2,
        voucher.text3,
        voucher.text4,
        voucher.style,
    )
