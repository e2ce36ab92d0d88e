"""Printed sheets in PostgreSQL: whose they are, how far they are, and their bytes in parts.

A sheet belongs to a voucher or a campaign. The status on that row says whether there is a sheet;
the document holds it. An edit that changes what is printed calls `drop_voucher` or `drop_campaign`
in its own transaction, after it has locked its rows: a drawing that is under way then finds its
document gone and ends without a trace.
"""

from typing import Literal, NamedTuple

import msgspec

from farebox.domain.errors import NotFoundError
from farebox.storage import sqlfile
from farebox.storage.pool import Connection, Pool, Record, storage_errors, transaction

SQL = sqlfile.load(__file__)

PART_BYTES = 256 * 1024
State = Literal["creating", "ready", "failed"]
Status = Literal["empty", "creating", "ready", "failed"]


class Subject(NamedTuple):
    """What a sheet is of."""

    kind: Literal["voucher", "campaign"]
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Row(msgspec.Struct, frozen=True):
    """The lock on a subject's row, with what it says."""

    status: Status
    # A campaign's own status; null for a voucher.
    campaign_status: str | None = None


class ReadyDocument(msgspec.Struct, frozen=True):
    """A finished sheet."""

    id: int
    size_bytes: int


async def lock(connection: Connection, subject: Subject) -> Row:
    """Lock a subject's row, for a voucher after any edit of its campaign. NotFoundError."""
    if subject.kind == "voucher":
        campaign = await connection.fetchval(SQL.voucher_campaign, subject.id)
        if campaign is not None:
            await connection.execute(SQL.share_campaign, campaign)
        row = await connection.fetchrow(SQL.lock_voucher, subject.id)
    else:
        await connection.execute(SQL.share_campaign, subject.id)
        row = await connection.fetchrow(SQL.lock_campaign, subject.id)
    if row is None:
        raise NotFoundError(f"There is no {subject.kind} {subject.id}.")
    return Row(*row)


async def add(connection: Connection, subject: Subject, now_ms: int) -> int:
    """Begin a new document of a locked subject, in the place of any older one; its id."""
    await connection.execute(SQL.drop_documents, [str(subject)])
    await _set_status(connection, subject, "creating")
    document: int = await connection.fetchval(SQL.add_document, str(subject), now_ms)
    return document


async def start(pool: Pool, document: int) -> int | None:
    """Begin one more try; its number, or None when the document is finished or gone."""
    async with transaction(pool) as connection:
        attempt: int | None = await connection.fetchval(SQL.start_attempt, document)
        if attempt is not None:
            await connection.execute(SQL.drop_parts, document)
        return attempt


async def add_part(pool: Pool, document: int, attempt: int, seq: int, body: bytes) -> bool:
    """Keep one part; False when the document is gone or another try has taken it over."""
    async with storage_errors():
        kept = await pool.fetchval(SQL.add_part, document, attempt, seq, body)
    return kept is not None


async def finish(
    pool: Pool, subject: Subject, document: int, attempt: int, state: State, size_bytes: int
) -> bool:
    """End a document and show it on its subject; False when an edit or another try was first."""
    async with transaction(pool) as connection:
        try:
            row = await lock(connection, subject)
        except NotFoundError:
            return False
        if row.status != "creating":
            # An edit put the status back without dropping the document: nobody waits for it.
            await connection.execute(SQL.drop_document, document)
            return False
        ended = await connection.fetchval(SQL.finish_document, document, attempt, state, size_bytes)
        if ended is None:
            return False
        await _set_status(connection, subject, state)
        return True


async def ready(pool: Pool, subject: Subject) -> ReadyDocument | None:
    """The finished sheet of a subject."""
    statement = SQL.ready_voucher if subject.kind == "voucher" else SQL.ready_campaign
    async with storage_errors():
        row = await pool.fetchrow(statement, subject.id)
    return None if row is None else ReadyDocument(*row)


async def read_part(pool: Pool, document: int, seq: int) -> bytes | None:
    """One part of a document; None after the last or when it was dropped meanwhile."""
    async with storage_errors():
        body: bytes | None = await pool.fetchval(SQL.read_part, document, seq)
    return body


async def drop_voucher(connection: Connection, voucher: int) -> None:
    """A locked voucher's printed content changed: forget its sheet."""
    subject = Subject("voucher", voucher)
    await _set_status(connection, subject, "empty")
    await connection.execute(SQL.drop_documents, [str(subject)])


async def drop_campaign(connection: Connection, campaign: int, *, vouchers: bool) -> None:
    """A campaign's sheet is out of date; with `vouchers`, those of its vouchers are too.

    The row is locked even where there is no sheet: one that is asked for in this moment must wait
    for the edit, or it would be drawn from what was there before.
    """
    subjects = [Subject("campaign", campaign)]
    await connection.execute(SQL.lock_campaign, campaign)
    await _set_status(connection, subjects[0], "empty")
    if vouchers:
        rows = await connection.fetch(SQL.drop_vouchers, campaign)
        subjects += [Subject("voucher", row["id"]) for row in rows]
    await connection.execute(SQL.drop_documents, [str(subject) for subject in subjects])


async def _set_status(connection: Connection, subject: Subject, status: Status) -> None:
    statement = SQL.set_voucher if subject.kind == "voucher" else SQL.set_campaign
    await connection.execute(statement, subject.id, status)


async def voucher_card(pool: Pool, voucher: int) -> Record | None:
    """What the page of one voucher shows."""
    async with storage_errors():
        return await pool.fetchrow(SQL.voucher_card, voucher)


async def campaign_cards(
    pool: Pool, campaign: int, after: int, now_ms: int, limit: int
) -> list[Record]:
    """What the next cards of a campaign show, by voucher id."""
    async with storage_errors():
        rows: list[Record] = await pool.fetch(SQL.campaign_cards, campaign, after, now_ms, limit)
    return rows


async def campaign_name(pool: Pool, campaign: int) -> str | None:
    """The campaign's name."""
    async with storage_errors():
        name: str | None = await pool.fetchval(SQL.campaign_name, campaign)
    return name


async def image(pool: Pool, image_id: int) -> str | None:
    """A stored picture."""
    async with storage_errors():
        original: str | None = await pool.fetchval(SQL.image, image_id)
    return original
