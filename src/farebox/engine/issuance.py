"""Makes campaigns and vouchers: all or none, under codes that a campaign has only once.

Up to 5000 vouchers come into being in the transaction of the request; a bigger campaign is filled
by a job in batches, which counts what exists before it adds to it and may be killed at any point.
Whoever decides on an equal code elsewhere notices every new voucher, because the versions of that
code's other vouchers rise with it (vending-commerce.md 3.35, 3.43, 4.8, 4.14). Edits are elsewhere.
"""

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
import structlog

from farebox.domain import codes, revisions, windows
from farebox.domain.campaigns import (
    BATCH,
    Campaign,
    CampaignDraft,
    check_ready,
    check_voucher_type,
)
from farebox.domain.errors import ConflictError, DomainError, InvalidError, NotFoundError
from farebox.domain.vouchers import OwnSettings, VoucherDraft
from farebox.storage import campaigns, outbox, sheets, vouchers
from farebox.storage.pool import Connection, Pool, transaction

GENERATE: Final = "campaign.generate"
ROUNDS: Final = 5
# As often as a worker tries a job; the last failure is told by the campaign's status.
ATTEMPTS: Final = 12
WAIT_MS: Final = 1000

_log = structlog.get_logger("farebox.issuance")


class CodeSpaceExhaustedError(DomainError):
    """So many codes are taken that drawing new ones has no prospect; nothing was stored."""

    default_code = "code_space_exhausted"


class Created(msgspec.Struct, frozen=True):
    """What a creation made: the first voucher's id, and how crowded a chosen code is."""

    first_id: int
    count: int
    candidates: int = 1


class _Progress(msgspec.Struct, frozen=True):
    """How far a campaign is filled, by whom it was filled last."""

    newest: int
    existing: int


class Issuance:
    """The use-cases that create; one per process."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
        batch: int = BATCH,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._random_bytes = random_bytes
        self._batch = batch

    async def create_campaign(self, owner: int, draft: CampaignDraft) -> int:
        """A campaign with its vouchers, or, where they are many, with the job that makes them."""
        now_ms = self._clock()
        if _is_over(draft.expires_before_ms, now_ms):
            raise _past_expiry()
        is_small = draft.total_vouchers <= self._batch
        status = draft.status if is_small else "creating"
        async with transaction(self._pool) as connection:
            campaign_id = await campaigns.insert(connection, owner, draft, status, now_ms)
            calendar = revisions.first(draft.reset_frequency, draft.time_zone, now_ms)
            await campaigns.save_calendar(connection, campaign_id, [calendar])
            if not is_small:
                await outbox.put(connection, GENERATE, {"campaign": campaign_id}, now_ms)
            elif draft.total_vouchers:
                await vouchers.exclude_creations(connection)
                campaign = await campaigns.read(connection, campaign_id, None)
                order = _campaign_order(campaign, draft.total_vouchers)
                await self._add(connection, order, campaign, now_ms)
        return campaign_id

    async def create_vouchers(self, groups: Collection[int], draft: VoucherDraft) -> Created:
        """One voucher or many in an existing campaign of these groups."""
        now_ms = self._clock()
        settings = draft.settings
        if settings is not None and _is_over(settings.expires_before_ms, now_ms):
            raise _past_expiry()
        async with transaction(self._pool) as connection:
            await campaigns.exclude_edits(connection, draft.campaign)
            campaign = await _campaign_of(connection, draft.campaign, groups)
            check_voucher_type(campaign, "inherit" if settings is None else settings.type)
            check_ready(campaign)
            await vouchers.exclude_creations(connection)
            ids = await self._add(connection, draft, campaign, now_ms)
            candidates = 1
            if draft.code is not None:
                key = codes.canonical(draft.code)
                candidates = await vouchers.count_candidates(connection, key)
            await campaigns.add_to_total(connection, campaign.id, draft.count, now_ms)
            await sheets.drop_campaign(connection, campaign.id, vouchers=False)
        return Created(ids[0], len(ids), candidates)

    async def generate(self, payload: Mapping[str, Any], attempt: int) -> None:
        """The job: fills a campaign batch by batch, then opens it; a hopeless one ends `failed`."""
        campaign_id = int(payload["campaign"])
        try:
            progress: _Progress | None = _Progress(newest=-1, existing=0)
            while progress is not None:
                progress = await self._generate_batch(campaign_id, progress)
            await self._finish(campaign_id, is_complete=True)
        except NotFoundError:
            _log.warning("campaign to be filled is gone", campaign=campaign_id)
        except CodeSpaceExhaustedError:
            await self._finish(campaign_id, is_complete=False)
        except Exception:
            if attempt < ATTEMPTS:
                raise
            _log.exception("campaign cannot be filled", campaign=campaign_id)
            await self._finish(campaign_id, is_complete=False)

    async def give_up_abandoned(self) -> list[int]:
        """Ends campaigns as `failed` whose job died without a word, worker and all, once too often.

        A job that fails tells so itself; one that is killed in its last attempt cannot.
        """
        async with transaction(self._pool, readonly=True) as connection:
            abandoned = await campaigns.abandoned(connection)
        for campaign_id in abandoned:
            _log.error("campaign was abandoned by its job", campaign=campaign_id)
            await self._finish(campaign_id, is_complete=False)
        return abandoned

    async def _generate_batch(self, campaign_id: int, progress: _Progress) -> _Progress | None:
        """Adds at most one batch of what is missing; None when nothing is missing any more.

        While the newest voucher is the one the previous batch ended with, the count kept since then
        holds; otherwise another process has been here, and the vouchers are counted anew.
        """
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await campaigns.exclude_edits(connection, campaign_id)
            await vouchers.exclude_creations(connection)
            campaign = await campaigns.read(connection, campaign_id, None)
            if campaign.status != "creating":
                return None
            existing = progress.existing
            if await vouchers.newest_in_campaign(connection, campaign_id) != progress.newest:
                existing = await vouchers.count_in_campaign(connection, campaign_id)
            count = min(campaign.total_vouchers - existing, self._batch)
            if count <= 0:
                return None
            order = _campaign_order(campaign, count)
            ids = await self._add(connection, order, campaign, now_ms)
            await campaigns.add_to_total(connection, campaign_id, 0, now_ms)
            return _Progress(newest=max(ids), existing=existing + count)

    async def _finish(self, campaign_id: int, *, is_complete: bool) -> None:
        async with transaction(self._pool) as connection:
            await campaigns.exclude_decisions(connection, campaign_id, WAIT_MS)
            await campaigns.finish(connection, campaign_id, self._clock(), is_complete=is_complete)

    async def _add(
        self, connection: Connection, draft: VoucherDraft, campaign: Campaign, now_ms: int
    ) -> list[int]:
        """Inserts the drafted vouchers; their ids in the order of creation."""
        period_end_ms = _first_end(draft.settings, campaign, now_ms)
        created: list[Any] = []
        if draft.code is not None:
            spelled = [draft.code]
            created = await vouchers.insert(
                connection, draft, campaign, spelled, period_end_ms, now_ms
            )
            if not created:
                reason = "is already taken in this campaign"
                raise ConflictError(f"The code {reason}", "code_taken", {"code": reason})
        for _ in range(ROUNDS):
            missing = draft.count - len(created)
            if missing == 0:
                break
            drawn = [*dict.fromkeys(codes.draw(draft.prefix, missing, self._random_bytes))]
            created += await vouchers.insert(
                connection, draft, campaign, drawn, period_end_ms, now_ms
            )
        if len(created) < draft.count:
            raise CodeSpaceExhaustedError("No unused codes could be drawn")
        await vouchers.raise_candidates(
            connection, sorted(row["code_key"] for row in created), campaign.id
        )
        return [row["id"] for row in created]


def _first_end(settings: OwnSettings | None, campaign: Campaign, now_ms: int) -> int:
    if settings is None:
        return windows.window_end(campaign.reset_frequency, campaign.time_zone, now_ms)
    return windows.window_end(settings.reset_frequency, settings.time_zone, now_ms)


def _campaign_order(campaign: Campaign, count: int) -> VoucherDraft:
    """What creating a campaign orders: heirs, or in a dynamic campaign discounts of their own."""
    settings = None
    if campaign.type == "dynamic":
        settings = OwnSettings(
            type="discount",
            value=campaign.voucher_value,
            redemption_limit=campaign.redemption_limit,
            reset_frequency=campaign.reset_frequency,
            time_zone=campaign.time_zone,
            expires_on=campaign.expires_on,
            expires_before_ms=campaign.expires_before_ms,
        )
    return VoucherDraft(
        campaign=campaign.id, settings=settings, prefix=campaign.prefix, count=count
    )


async def _campaign_of(connection: Connection, campaign: int, groups: Collection[int]) -> Campaign:
    """The campaign a body names; an invisible one reads like a missing one."""
    try:
        return await campaigns.read(connection, campaign, groups)
    except NotFoundError:
        reason = "does not exist"
        raise InvalidError(
            f"campaign {reason}", "campaign_not_found", {"campaign": reason}
        ) from None


def _is_over(expires_before_ms: int | None, now_ms: int) -> bool:
    return expires_before_ms is not None and now_ms >= expires_before_ms


def _past_expiry() -> InvalidError:
    reason = "is already past"
    return InvalidError(f"expiresOn {reason}", "expires_in_past", {"expiresOn": reason})
