"""Rows of vouchers: creation, edits, history; and the source from which they are read as they are.

Runs in the transaction of who calls. Creation takes its own lock before the first row; edits come
after the campaign's lock. Decisions and redemptions are elsewhere.
"""

from collections.abc import Collection, Sequence
from typing import Any

from farebox.domain import codes
from farebox.domain.campaigns import Campaign
from farebox.domain.errors import NotFoundError
from farebox.domain.revisions import PeriodState
from farebox.domain.vouchers import Voucher, VoucherDraft
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)

# Vouchers in their effective state, as a source of rows with the places {now_ms} and {starts}.
SEEN = SQL.seen


async def be_patient(connection: Connection, patience_ms: int) -> None:
    """Statements may take so long from here to the end of the transaction."""
    await connection.execute(SQL.be_patient, str(patience_ms))


async def exclude_creations(connection: Connection) -> None:
    """From here to the end of the transaction nobody else creates vouchers."""
    await connection.execute(SQL.exclude_creations)


async def insert(
    connection: Connection,
    draft: VoucherDraft,
    campaign: Campaign,
    spelled: Sequence[str],
    period_end_ms: int,
    now_ms: int,
) -> list[Any]:
    """Adds vouchers with these codes; gives (id, code_key) of those the campaign did not have."""
    settings, printed = draft.settings, draft.printed
    values = [
        [codes.canonical(code) for code in spelled],
        spelled,
        campaign.id,
        campaign.currency,
        draft.prefix,
        campaign.voucher_value if settings is None else settings.value,
        printed.text1,
        printed.text2,
        printed.text3,
        printed.text4,
        printed.style,
        printed.comments,
        draft.rules,
        period_end_ms,
        campaign.calendar_revision,
        now_ms,
    ]
    if settings is None:
        return list(await connection.fetch(SQL.insert_inheriting, *values))
    return list(
        await connection.fetch(
            SQL.insert_own,
            *values,
            settings.type,
            settings.redemption_limit,
            settings.reset_frequency,
            settings.time_zone,
            settings.expires_on,
            settings.expires_before_ms,
        )
    )


async def raise_candidates(connection: Connection, code_keys: Sequence[str], campaign: int) -> None:
    """Raises the versions of vouchers that share these codes in other campaigns."""
    await connection.execute(SQL.raise_candidates, code_keys, campaign)


async def count_candidates(connection: Connection, code_key: str) -> int:
    """How many vouchers share a code, this one included."""
    count: int = await connection.fetchval(SQL.count_candidates, code_key)
    return count


async def count_in_campaign(connection: Connection, campaign: int) -> int:
    """How many vouchers a campaign has."""
    count: int = await connection.fetchval(SQL.count_in_campaign, campaign)
    return count


async def newest_in_campaign(connection: Connection, campaign: int) -> int:
    """The id of a campaign's newest voucher (0: none)."""
    return await connection.fetchval(SQL.newest_in_campaign, campaign) or 0


async def find_campaign(connection: Connection, voucher: int) -> int:
    """The campaign a voucher belongs to, for ever; NotFoundError without such a voucher."""
    campaign: int | None = await connection.fetchval(SQL.find_campaign, voucher)
    if campaign is None:
        raise NotFoundError("Voucher not found")
    return campaign


async def lock(connection: Connection, voucher: int) -> Voucher:
    """The voucher, unchanged by others until the transaction ends."""
    row = await connection.fetchrow(SQL.lock_voucher, voucher)
    if row is None:
        raise NotFoundError("Voucher not found")
    return Voucher(**row)


async def update(
    connection: Connection, voucher: Voucher, period: PeriodState, now_ms: int
) -> None:
    """Writes an edited voucher with the period its counters are in; raises its version."""
    await connection.execute(
        SQL.update_voucher,
        voucher.id,
        voucher.code_key,
        voucher.inherit,
        voucher.type,
        voucher.value,
        voucher.redemption_limit,
        voucher.reset_frequency,
        voucher.time_zone,
        voucher.expires_on,
        voucher.expires_before_ms,
        voucher.active,
        voucher.text1,
        voucher.text2,
        voucher.text3,
        voucher.text4,
        voucher.style,
        voucher.comments,
        voucher.rules,
        period.count,
        period.amount,
        period.period_end_ms,
        period.period_seq,
        period.calendar_revision,
        period.last_reset_at_ms,
        now_ms,
    )


async def find_code(connection: Connection, voucher: int, groups: Collection[int]) -> str:
    """The canonical code of a voucher that these groups own, else NotFoundError."""
    code_key: str | None = await connection.fetchval(SQL.find_code, voucher, sorted(groups))
    if code_key is None:
        raise NotFoundError("Voucher not found")
    return code_key


async def read_log(
    connection: Connection, voucher: int, code_key: str, limit: int, skip: int
) -> tuple[list[Any], int]:
    """A page of what happened at a voucher, newest first, and how much happened in all."""
    rows = await connection.fetch(SQL.read_log, voucher, code_key, limit, skip)
    return list(rows), await connection.fetchval(SQL.count_log, voucher, code_key)


async def read_redemptions(
    connection: Connection, voucher: int, code_key: str, limit: int, skip: int
) -> tuple[list[Any], int]:
    """A page of a voucher's redemptions, newest first, and how many there are."""
    rows = await connection.fetch(SQL.read_redemptions, voucher, code_key, limit, skip)
    return list(rows), await connection.fetchval(SQL.count_redemptions, voucher, code_key)


async def calendars(connection: Connection, groups: Collection[int]) -> list[tuple[str, str]]:
    """The (frequency, zone) pairs in use by what these groups own."""
    rows = await connection.fetch(SQL.calendars, sorted(groups))
    return [(row["frequency"], row["zone"]) for row in rows]
