"""Rows of campaigns, their rules and calendar revisions; one statement per function.

Runs in the transaction of who calls. The order of locks is the caller's: the campaign's advisory
lock first, then its row, then vouchers in the order of their codes.
"""

from collections.abc import Collection, Sequence
from typing import Any

from farebox.domain.campaigns import Campaign, CampaignDraft
from farebox.domain.errors import NotFoundError
from farebox.domain.revisions import CalendarRevision
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)

# Campaigns as they are shown, as a source of rows with the place {starts}.
SEEN = SQL.seen


async def exclude_decisions(connection: Connection, campaign: int, wait_ms: int) -> None:
    """From here to the end of the transaction nothing decides on the campaign's vouchers."""
    await connection.execute(SQL.limit_waiting, str(wait_ms))
    await connection.execute(SQL.exclude_decisions, campaign)


async def exclude_edits(connection: Connection, campaign: int) -> None:
    """From here to the end of the transaction the campaign stays as it is."""
    await connection.execute(SQL.exclude_edits, campaign)


async def read(connection: Connection, campaign: int, groups: Collection[int] | None) -> Campaign:
    """The campaign if one of the groups owns it (None: any), else NotFoundError."""
    owners = None if groups is None else sorted(groups)
    row = await connection.fetchrow(SQL.read_campaign, campaign, owners)
    if row is None:
        raise NotFoundError("Campaign not found")
    return Campaign(**row)


async def hold_sheet(connection: Connection, campaign: int) -> None:
    """Locks the row of a campaign that has a sheet: it comes before rows of its vouchers."""
    await connection.execute(SQL.hold_sheet, campaign)


async def insert(
    connection: Connection, owner: int, draft: CampaignDraft, status: str, now_ms: int
) -> int:
    """Adds a campaign in the given status; the drafted one is what it will have in the end."""
    campaign: int = await connection.fetchval(
        SQL.insert_campaign,
        owner,
        draft.owner_data,
        draft.name,
        draft.total_vouchers,
        draft.type,
        draft.voucher_value,
        draft.redemption_limit,
        draft.reset_frequency,
        draft.expires_on,
        draft.expires_before_ms,
        draft.currency,
        draft.time_zone,
        draft.prefix,
        *draft.texts,
        draft.style,
        draft.logo_image,
        status,
        draft.status,
        now_ms,
    )
    return campaign


async def update(
    connection: Connection, campaign: Campaign, now_ms: int, *, is_decisive: bool
) -> None:
    """Writes the settings of an edited campaign."""
    await connection.execute(
        SQL.update_campaign,
        campaign.id,
        campaign.name,
        campaign.redemption_limit,
        campaign.reset_frequency,
        campaign.expires_on,
        campaign.expires_before_ms,
        campaign.currency,
        campaign.time_zone,
        campaign.voucher_text1,
        campaign.voucher_text2,
        campaign.voucher_text3,
        campaign.voucher_text4,
        campaign.voucher_style,
        campaign.logo_image,
        campaign.status,
        is_decisive,
        now_ms,
    )


async def finish(connection: Connection, campaign: int, now_ms: int, *, is_complete: bool) -> None:
    """Ends the status `creating`."""
    await connection.execute(SQL.finish_campaign, campaign, is_complete, now_ms)


async def abandoned(connection: Connection) -> list[int]:
    """Campaigns that are being created by nobody."""
    return [row[0] for row in await connection.fetch(SQL.abandoned)]


async def add_to_total(connection: Connection, campaign: int, vouchers: int, now_ms: int) -> None:
    """Counts new vouchers; also how their creation touches the campaign's row."""
    await connection.execute(SQL.add_to_total, campaign, vouchers, now_ms)


async def touch_policy(connection: Connection, campaign: int, now_ms: int) -> None:
    """Makes every decision that relied on the campaign compare unequal."""
    await connection.execute(SQL.touch_policy, campaign, now_ms)


async def read_calendar(connection: Connection, campaign: int) -> dict[int, CalendarRevision]:
    """The campaign's calendar revisions by number."""
    rows = await connection.fetch(SQL.read_calendar, campaign)
    return {row["revision"]: CalendarRevision(**row) for row in rows}


async def save_calendar(
    connection: Connection, campaign: int, calendar: Sequence[CalendarRevision]
) -> None:
    """Writes these revisions; the last one becomes the current one."""
    columns = zip(*(_values(revision) for revision in calendar), strict=True)
    await connection.execute(SQL.save_calendar, campaign, *columns)
    await connection.execute(SQL.point_at_calendar, campaign, calendar[-1].revision)


async def is_used(connection: Connection, campaign: int) -> bool:
    """Whether anything was ever redeemed, given back or not."""
    used: bool = await connection.fetchval(SQL.is_used, campaign)
    return used


async def own_expiries(connection: Connection, campaign: int) -> list[str]:
    """Expiry texts of inherit vouchers that override the campaign's."""
    return [row[0] for row in await connection.fetch(SQL.own_expiries, campaign)]


async def move_expiries(
    connection: Connection, campaign: int, instants_ms: dict[str, int], now_ms: int
) -> None:
    """Gives those texts their instants in the campaign's new zone."""
    texts, moved_ms = [*instants_ms], [*instants_ms.values()]
    await connection.execute(SQL.move_expiries, campaign, texts, moved_ms, now_ms)


async def read_rules(connection: Connection, campaign: int) -> list[Any]:
    """Rows (id, field, value) in their order."""
    return list(await connection.fetch(SQL.read_rules, campaign))


async def replace_rules(
    connection: Connection, campaign: int, rules: Sequence[tuple[int | None, str, str]]
) -> None:
    """Makes these (id, field, value) the campaign's rules; those without an id are new."""
    await connection.execute(SQL.clear_rules, campaign)
    ids, names, values = ([rule[column] for rule in rules] for column in range(3))
    await connection.execute(SQL.insert_rules, campaign, ids, names, values)


async def is_currency(connection: Connection, code: str) -> bool:
    """Whether a currency of this code exists."""
    known: bool = await connection.fetchval(SQL.is_currency, code)
    return known


async def is_image(connection: Connection, image: int, group: int, groups: Collection[int]) -> bool:
    """Whether users of a group, with these groups below it, may use an image."""
    known: bool = await connection.fetchval(SQL.is_image, image, group, sorted(groups))
    return known


async def stats(connection: Connection, campaign: int, patience_ms: int) -> tuple[Any, list[Any]]:
    """Sums over a campaign's vouchers, and its refusals by reason."""
    await connection.execute(SQL.be_patient, str(patience_ms))
    sums = await connection.fetchrow(SQL.stats, campaign)
    return sums, list(await connection.fetch(SQL.refusals, campaign))


def _values(revision: CalendarRevision) -> tuple[Any, ...]:
    return (
        revision.revision,
        revision.frequency,
        revision.zone,
        revision.changed_at_ms,
        revision.superseded_at_ms,
        revision.first_end_ms,
        revision.next_end_ms,
        revision.last_start_ms,
        revision.later_start_ms,
    )
