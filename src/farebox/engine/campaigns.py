"""Edits of campaigns: what the vouchers inherit changes for all of them at once.

An edit waits until nothing decides on the campaign's vouchers and holds decisions up while it
commits, so that once it is acknowledged no older decision can be (vending-commerce.md 3.38, 4.10,
4.14). It waits briefly and tries again rather than hold a queue of devices behind it. Vouchers are
rewritten only where their own expiry is read in the campaign's zone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from farebox.domain import campaigns as domain
from farebox.domain import expiry, revisions
from farebox.domain.campaigns import Campaign, CampaignChange
from farebox.domain.errors import ConflictError, InvalidError, UnavailableError
from farebox.domain.rules import Rule
from farebox.storage import campaigns, sheets
from farebox.storage.partitions import hold_history
from farebox.storage.pool import Connection, Pool, transaction

# A batch of decisions commits within milliseconds; one that does not is not worth waiting for.
WAIT_MS: Final = 250
TRIES: Final = 8
PATIENCE_MS: Final = 30_000


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a campaign; redemptions and amount are net of what was given back."""

    vouchers: int
    vouchers_used: int
    redemptions: int
    amount_redeemed: int
    rollbacks: int
    refusals: dict[str, int]


class Campaigns:
    """The use-cases on existing campaigns; one per process."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def check_references(
        self, group: int, groups: Collection[int], currency: str | None, image: int | None
    ) -> None:
        """Refuses a currency that does not exist and an image that this group may not use."""
        faults: dict[str, str] = {}
        async with transaction(self._pool) as connection:
            if currency is not None and not await campaigns.is_currency(connection, currency):
                faults["currency"] = "is not a currency of ISO 4217"
            if image is not None and not await campaigns.is_image(connection, image, group, groups):
                faults["voucherLogoImg"] = "does not exist"
        if faults:
            name, reason = next(iter(faults.items()))
            code = "invalid_parameter" if "currency" in faults else "invalid_reference"
            raise InvalidError(f"{name} {reason}", code, faults)

    async def update(self, groups: Collection[int], campaign: int, change: CampaignChange) -> None:
        """Applies an edit to the campaign and to everything that follows it."""

        async def edit(connection: Connection, before: Campaign) -> None:
            after = domain.edited(before, change)
            if after == before:
                return
            if after.currency != before.currency and await campaigns.is_used(connection, campaign):
                raise ConflictError(
                    "The currency cannot change any more: something was redeemed",
                    "campaign_in_use",
                    {"currency": "cannot change once something was redeemed"},
                )
            await _follow(connection, before, after, self._clock())

        await self._exclusively(groups, campaign, edit)

    async def set_status(self, groups: Collection[int], campaign: int, status: str) -> None:
        """Opens or closes a campaign; not one whose vouchers are incomplete."""

        async def edit(connection: Connection, before: Campaign) -> None:
            domain.check_ready(before)
            if before.status != status:
                after = msgspec.structs.replace(before, status=status)
                await _follow(connection, before, after, self._clock())

        await self._exclusively(groups, campaign, edit)

    async def replace_rules(
        self,
        groups: Collection[int],
        campaign: int,
        rules: Sequence[tuple[int | None, Rule]],
    ) -> None:
        """Makes these the campaign's rules; an id names an existing rule that keeps its row."""

        async def edit(connection: Connection, before: Campaign) -> None:
            del before
            rows = await campaigns.read_rules(connection, campaign)
            existing = {row["id"]: Rule(row["field"], row["value"]) for row in rows}
            _check_ids(rules, existing)
            kept = _numbered(rules, existing)
            if kept == [(key, rule.field, rule.value) for key, rule in existing.items()]:
                return
            await campaigns.replace_rules(connection, campaign, kept)
            await campaigns.touch_policy(connection, campaign, self._clock())

        await self._exclusively(groups, campaign, edit)

    async def read_rules(self, groups: Collection[int], campaign: int) -> list[Any]:
        """The rules as rows (id, field, value)."""
        async with transaction(self._pool, readonly=True) as connection:
            await campaigns.read(connection, campaign, groups)
            return await campaigns.read_rules(connection, campaign)

    async def stats(self, groups: Collection[int], campaign: int) -> Stats:
        """What became of the campaign's vouchers, in one view of the database."""
        async with transaction(
            self._pool, isolation="repeatable_read", readonly=True
        ) as connection:
            await hold_history(connection)
            await campaigns.read(connection, campaign, groups)
            sums, refusals = await campaigns.stats(connection, campaign, PATIENCE_MS)
        return Stats(**sums, refusals={row["reason"]: row["refused"] for row in refusals})

    async def _exclusively(
        self,
        groups: Collection[int],
        campaign: int,
        edit: Callable[[Connection, Campaign], Awaitable[None]],
    ) -> None:
        """Runs the edit while nothing decides on the campaign's vouchers."""
        for attempt in range(1, TRIES + 1):
            try:
                async with self._alone(groups, campaign) as (connection, before):
                    await edit(connection, before)
                return
            except UnavailableError as busy:
                if busy.code != "busy" or attempt == TRIES:
                    raise
            # Devices that queued up behind this attempt go first.
            await asyncio.sleep(0.01 * attempt)

    @asynccontextmanager
    async def _alone(
        self, groups: Collection[int], campaign: int
    ) -> AsyncIterator[tuple[Connection, Campaign]]:
        async with transaction(self._pool) as connection:
            # Whoever may not see the campaign must not be able to hold it up either.
            await campaigns.read(connection, campaign, groups)
            await campaigns.exclude_decisions(connection, campaign, WAIT_MS)
            yield connection, await campaigns.read(connection, campaign, groups)


async def _follow(connection: Connection, before: Campaign, after: Campaign, now_ms: int) -> None:
    """Writes the edit and what has to follow it in the same commit."""
    is_decisive = domain.alters_decisions(before, after)
    await campaigns.update(connection, after, now_ms, is_decisive=is_decisive)
    if domain.alters_calendar(before, after):
        calendar = await campaigns.read_calendar(connection, after.id)
        rows = revisions.supersede(
            calendar.values(), after.reset_frequency, after.time_zone, now_ms
        )
        await campaigns.save_calendar(connection, after.id, rows)
    if before.time_zone != after.time_zone:
        texts = await campaigns.own_expiries(connection, after.id)
        instants_ms = {
            text: expires_before_ms
            for text in texts
            if (expires_before_ms := expiry.again(text, after.time_zone)) is not None
        }
        await campaigns.move_expiries(connection, after.id, instants_ms, now_ms)
    if domain.alters_print(before, after):
        await sheets.drop_campaign(connection, after.id, vouchers=True)


def _check_ids(rules: Sequence[tuple[int | None, Rule]], existing: dict[int, Rule]) -> None:
    named: set[int] = set()
    faults: dict[str, str] = {}
    for index, (key, _) in enumerate(rules):
        if key is None:
            continue
        if key not in existing:
            faults[f"[{index}].id"] = "is not a rule of this campaign"
        elif key in named:
            faults[f"[{index}].id"] = "is named twice"
        named.add(key)
    if faults:
        raise InvalidError("The rules name rows that are not theirs", None, faults)


def _numbered(
    rules: Sequence[tuple[int | None, Rule]], existing: dict[int, Rule]
) -> list[tuple[int | None, str, str]]:
    """The rules once each, with the id they name or that an equal existing rule has."""
    named = {key for key, _ in rules if key is not None}
    unnamed = {rule: key for key, rule in existing.items() if key not in named}
    ids: dict[Rule, int | None] = {}
    for key, rule in rules:
        if ids.get(rule) is None:
            ids[rule] = unnamed.get(rule) if key is None else key
    ordered = sorted(ids.items(), key=lambda item: (item[1] is None, item[1] or 0))
    return [(key, rule.field, rule.value) for rule, key in ordered]
