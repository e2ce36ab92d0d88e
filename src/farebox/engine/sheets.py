"""Voucher sheets: asking for one, making it, reading it (vending-commerce.md 3.49 and 4.16).

A sheet is asked for in a transaction that also writes the job which makes it, so a crash loses
neither. One voucher's page takes milliseconds and is drawn before the request is answered; its job
comes later and finds nothing to do. A campaign's sheet is drawn by the job. Whoever makes a sheet
counts a try first, and only the latest try can add parts or finish: two workers, a restart or an
edit meanwhile never mix their bytes. After three tries it is `failed` until somebody asks again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
import structlog

from farebox.domain.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from farebox.engine import sheet_drawing
from farebox.engine.sheet_cards import Card, Heading, Logo, Message
from farebox.engine.sheet_links import SheetLinks
from farebox.storage import outbox
from farebox.storage import sheets as store
from farebox.storage.pool import Pool, Record, transaction
from farebox.storage.sheets import PART_BYTES, Status, Subject

ATTEMPTS_MAX = 3
# How long the job of a page waits for the request that is drawing it.
_GRACE_MS = 30_000
_CARDS_PER_READ = 500

_log = structlog.get_logger(__name__)


class OpenSheet(msgspec.Struct, frozen=True):
    """A finished sheet: its size, and its bytes in parts of at most 256 KiB."""

    file_name: str
    size_bytes: int
    parts: AsyncIterator[bytes]


class _OvertakenError(Exception):
    """An edit or a later try has taken the document away."""


class Sheets:
    """One per process: it never draws two sheets at once."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        secrets: Mapping[str, str],
        public_url: str | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._drawing_here = asyncio.Lock()
        self._drawing_apart = asyncio.Lock()
        self.links = SheetLinks(secrets, public_url, clock)

    @property
    def handlers(self) -> dict[str, Callable[[dict[str, Any], int], Awaitable[None]]]:
        """What makes the outbox's jobs of these kinds happen."""
        return {"sheet.voucher": self.make, "sheet.campaign": self.make}

    async def request(self, subject: Subject) -> Status:
        """Ask for a sheet; `creating` or `ready`. One that is under way or there is left alone.

        NotFoundError; ConflictError `campaign_not_ready` while a campaign's vouchers are not there.
        """
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            row = await store.lock(connection, subject)
            if row.status in ("creating", "ready"):
                return row.status
            if row.campaign_status in ("creating", "failed"):
                raise ConflictError("The campaign has no vouchers yet.", "campaign_not_ready")
            document = await store.add(connection, subject, now_ms)
            draws_now = subject.kind == "voucher" and not self._drawing_here.locked()
            payload = {"kind": subject.kind, "id": subject.id, "document": document}
            at_ms = now_ms + _GRACE_MS if draws_now else now_ms
            await outbox.put(connection, f"sheet.{subject.kind}", payload, now_ms, at_ms=at_ms)
        if draws_now:
            try:
                return await self._try(subject, document)
            except Exception:  # noqa: BLE001 - whatever it was, the job comes back to it
                # The job makes the next try; whoever asked sees `creating`.
                _log.exception("sheet_not_drawn", subject=str(subject))
        return "creating"

    async def make(self, payload: dict[str, Any], attempt: int) -> None:  # noqa: ARG002
        """The job: make the document, or see that it is made, gone or given up."""
        subject = Subject(payload["kind"], payload["id"])
        await self._try(subject, payload["document"])

    async def open(self, subject: Subject) -> OpenSheet:
        """The finished sheet. ConflictError `pdf_not_ready`."""
        ready = await store.ready(self._pool, subject)
        if ready is None:
            raise ConflictError("There is no finished PDF; ask for one first.", "pdf_not_ready")
        name = f"{subject.kind}-{subject.id}.pdf"
        return OpenSheet(name, ready.size_bytes, self._parts(ready))

    async def drop(self, subject: Subject) -> None:
        """Forget a sheet whose content is out of date, in a transaction of its own."""
        async with transaction(self._pool) as connection:
            await store.lock(connection, subject)
            if subject.kind == "voucher":
                await store.drop_voucher(connection, subject.id)
            else:
                await store.drop_campaign(connection, subject.id, vouchers=True)

    async def _parts(self, ready: store.ReadyDocument) -> AsyncIterator[bytes]:
        """The parts in order; an edit meanwhile breaks the answer off instead of mixing two."""
        sent = seq = 0
        while sent < ready.size_bytes:
            body = await store.read_part(self._pool, ready.id, seq)
            if body is None:
                raise UnavailableError("The PDF was replaced while it was read.")
            yield body
            sent, seq = sent + len(body), seq + 1

    async def _try(self, subject: Subject, document: int) -> Status:
        """One try at a document; raises when it failed and another one may follow."""
        attempt = await store.start(self._pool, document)
        if attempt is None:
            return "creating"
        if attempt > ATTEMPTS_MAX:
            # The third try took its process down with it.
            return await self._end(subject, document, attempt, "failed", 0)
        try:
            size_bytes = await self._fill(subject, document, attempt)
        except (_OvertakenError, NotFoundError):
            return "empty"
        except Exception as error:
            # A stored style that is no style stays one however often it is tried.
            if attempt < ATTEMPTS_MAX and not isinstance(error, InvalidError):
                raise
            _log.exception("sheet_failed", subject=str(subject))
            return await self._end(subject, document, attempt, "failed", 0)
        return await self._end(subject, document, attempt, "ready", size_bytes)

    async def _end(
        self, subject: Subject, document: int, attempt: int, state: store.State, size_bytes: int
    ) -> Status:
        ended = await store.finish(self._pool, subject, document, attempt, state, size_bytes)
        return state if ended else "empty"

    async def _fill(self, subject: Subject, document: int, attempt: int) -> int:
        """Draw the sheet and keep its parts; its size."""
        if subject.kind == "voucher":
            content = await self._page(subject.id)
            async with self._drawing_here:
                whole = await sheet_drawing.draw_here(content)
            return await self._keep(_once(whole), document, attempt)
        async with (
            self._drawing_apart,
            aclosing(sheet_drawing.draw_apart(self._cards(subject.id))) as chunks,
        ):
            return await self._keep(chunks, document, attempt)

    async def _keep(self, chunks: AsyncIterator[bytes], document: int, attempt: int) -> int:
        """Store a stream of bytes in parts."""
        waiting = bytearray()
        size_bytes = seq = 0
        async for chunk in chunks:
            waiting += chunk
            size_bytes += len(chunk)
            while len(waiting) >= PART_BYTES:
                await self._keep_part(document, attempt, seq, bytes(waiting[:PART_BYTES]))
                del waiting[:PART_BYTES]
                seq += 1
        if waiting:
            await self._keep_part(document, attempt, seq, bytes(waiting))
        return size_bytes

    async def _keep_part(self, document: int, attempt: int, seq: int, body: bytes) -> None:
        if not await store.add_part(self._pool, document, attempt, seq, body):
            raise _OvertakenError

    async def _page(self, voucher: int) -> list[Message]:
        """What the page of one voucher shows."""
        row = await store.voucher_card(self._pool, voucher)
        if row is None:
            raise NotFoundError(f"There is no voucher {voucher}.")
        content: list[Message] = [Heading("single", row["code"])]
        if row["logo"] is not None:
            content += await self._logo(row["logo"])
        return [*content, _card(row)]

    async def _cards(self, campaign: int) -> AsyncIterator[Message]:
        """What the pages of a campaign show, read as they are drawn."""
        name = await store.campaign_name(self._pool, campaign)
        if name is None:
            raise NotFoundError(f"There is no campaign {campaign}.")
        yield Heading("batch", name)
        now_ms, after = self._clock(), 0
        sent: set[int] = set()
        while True:
            rows = await store.campaign_cards(self._pool, campaign, after, now_ms, _CARDS_PER_READ)
            for row in rows:
                if row["logo"] is not None and row["logo"] not in sent:
                    sent.add(row["logo"])
                    for logo in await self._logo(row["logo"]):
                        yield logo
                yield _card(row)
            if len(rows) < _CARDS_PER_READ:
                return
            after = rows[-1]["id"]

    async def _logo(self, image: int) -> list[Message]:
        """The image as a message; none when it was deleted."""
        original = await store.image(self._pool, image)
        return [] if original is None else [Logo(image, original)]


def _card(row: Record) -> Card:
    texts = (row["text1"], row["text2"], row["text3"], row["text4"])
    return Card(row["code"], texts, row["style"], row["logo"], row["expires_on"])


async def _once(whole: bytes) -> AsyncIterator[bytes]:
    yield whole
