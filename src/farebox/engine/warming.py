"""Fills the shelf before the desk opens, so that the first customers do not wait for reads.

Vouchers that take all their terms from their campaign are streamed from PostgreSQL straight into
the native book, newest campaigns first, until the shelf is full or the time is up. Nothing depends
on it: a voucher that is not held is read when it is asked for, and one that has moved on since
loses its comparison.
"""

import time
from collections.abc import Callable

from farebox.engine.shelf import Shelf
from farebox.engine.terms import NEVER_MS, Campaign
from farebox.storage.redemption import SQL, Ledger

CHUNK = 100_000


async def warm(
    ledger: Ledger,
    shelf: Shelf,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Holds as many vouchers as time and memory allow; returns how many.

    Only for a shelf that is empty: what it streams is not compared with what is held.
    """
    ends_s = monotonic() + seconds
    for row in await ledger.fetch(SQL.active_campaigns):
        rows = await ledger.read_campaigns([row["id"]])
        for campaign in map(Campaign, rows):
            shelf.adopt(campaign)
            after = 0
            while monotonic() < ends_s and len(shelf) + CHUNK <= shelf.capacity:
                last = await _chunk(ledger, shelf, campaign, after)
                if last is None:
                    break
                after = last
    return len(shelf)


async def _chunk(ledger: Ledger, shelf: Shelf, campaign: Campaign, after: int) -> int | None:
    """One stretch of a campaign's vouchers; the last id, or None at the end."""
    held = len(shelf)
    last = after

    def feed(chunk: bytes) -> None:
        nonlocal last
        last = shelf.feed(chunk, campaign) or last

    expires_before_ms = campaign.expires_before_ms
    await ledger.warm(
        feed,
        campaign.id,
        after,
        None if expires_before_ms == NEVER_MS else expires_before_ms,
        campaign.calendar_revision,
        CHUNK,
    )
    return last if len(shelf) - held == CHUNK else None
