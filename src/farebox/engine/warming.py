"""Fills the shelf by itself, so that customers do not wait for reads.

Vouchers that take all their terms from their campaign are streamed from PostgreSQL straight into
the native book, newest campaigns first, until the shelf is full: as fast as it goes before the desk
opens, and with a pause after every stretch beside its work. Nothing depends on it: a voucher that
is not held is read when it is asked for, one that is held already keeps its record, and one that
has moved on since it was read loses its comparison.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from farebox.engine.shelf import Shelf
from farebox.engine.terms import NEVER_MS, Campaign
from farebox.storage.redemption import SQL, Ledger, NotWrittenError, OutcomeUnknownError

# Vouchers of one statement: short enough that a working desk feels none of it.
STRETCH = 20_000

log = structlog.get_logger()


class Warming:
    """One reading of all vouchers that fit, over a connection of its own."""

    def __init__(
        self, ledger: Ledger, shelf: Shelf, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._shelf = shelf
        self._monotonic = monotonic
        # Whether the desk works meanwhile, and is left half of the time.
        self._is_open = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> None:
        """Begins, and comes back when all is held or the time is up; the rest goes on."""
        self._task = asyncio.create_task(self._run(), name="warming")
        await asyncio.wait([self._task], timeout=seconds)
        self._is_open = True
        log.info("desk.warm", vouchers=len(self._shelf), done=self._task.done())

    async def stop(self) -> None:
        """Ends it wherever it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def finish(self) -> None:
        """Waits until all is held that can be."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            async with self._ledger.beside() as ledger:
                for row in await ledger.fetch(SQL.active_campaigns):
                    await self._campaign(ledger, row["id"])
        except (NotWrittenError, OutcomeUnknownError) as error:
            log.warning("desk.warm_ended", error=str(error))
        except Exception:
            # Nobody waits for this task, so nobody else would tell.
            log.exception("desk.warm_ended")

    async def _campaign(self, ledger: Ledger, campaign_id: int) -> None:
        after = 0
        while len(self._shelf) + STRETCH <= self._shelf.capacity:
            begun_s = self._monotonic()
            rows = await ledger.fetch(SQL.stretch_end, campaign_id, after, STRETCH)
            campaign = await self._known(ledger, campaign_id)
            end = rows[0][0]
            if end is None or campaign is None:
                return
            await self._stretch(ledger, campaign, after, end)
            after = end
            if self._is_open:
                await asyncio.sleep(self._monotonic() - begun_s)

    async def _known(self, ledger: Ledger, campaign_id: int) -> Campaign | None:
        """The campaign as the shelf knows it; None if it is gone."""
        if campaign_id not in self._shelf.campaigns:
            for row in await ledger.read_campaigns([campaign_id]):
                self._shelf.adopt(Campaign(row))
        return self._shelf.campaigns.get(campaign_id)

    async def _stretch(self, ledger: Ledger, campaign: Campaign, after: int, end: int) -> None:
        book = self._shelf.book

        def feed(chunk: bytes) -> None:
            # A shelf that has been emptied took a new book, which knows nothing of this stream.
            if self._shelf.book is book:
                self._shelf.feed(chunk, campaign)

        expires_before_ms = campaign.expires_before_ms
        await ledger.warm(
            feed,
            campaign.id,
            after,
            end,
            None if expires_before_ms == NEVER_MS else expires_before_ms,
            campaign.calendar_revision,
        )
