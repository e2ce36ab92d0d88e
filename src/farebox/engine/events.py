"""Ids of redemptions and history rows, and the history that may follow a moment later.

Ids are taken in blocks before decisions are made, because a stored answer names its redemption and
a decision never waits. History of validations that wrote nothing is gathered and written twice a
second, in pieces and beside the commits; a crash may lose that much of it, and nothing else
(vending-commerce.md 4.14).
"""

import asyncio
import contextlib
from collections import deque

import structlog

from farebox.storage.redemption import Ledger, NotWrittenError, Rows

DELAY_S = 0.5
# So many rows, and the rest of the batch that reaches them, are one statement; they do not wait.
ROWS_MAX = 512
# Of each row, as voucher.add_history takes it.
NUMBERS = 6

log = structlog.get_logger()


class EventIds:
    """Blocks of ids, used up in order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._blocks: deque[tuple[int, int]] = deque()
        # What is left of the block in use: [next, end).
        self._next = self._end = 0
        self.left = 0

    def take(self) -> int:
        """The next id; `ensure` has seen to it that there is one."""
        if self._next == self._end:
            self._next, self._end = self._blocks.popleft()
        taken = self._next
        self._next = taken + 1
        self.left -= 1
        return taken

    async def ensure(self, wanted: int) -> None:
        """Enough ids for what is about to be decided."""
        while self.left < wanted:
            first, end = await self._ledger.take_event_ids()
            self._blocks.append((first, end))
            self.left += end - first


class QuietHistory:
    """Rows that no commit waits for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # As the batches brought them.
        self._waiting: deque[Rows] = deque()
        self._count = 0
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def add(self, rows: Rows) -> None:
        """Gathers rows."""
        if not rows:
            return
        self._waiting.append(rows)
        self._count += len(rows.numbers) // NUMBERS
        if self._writer is None:
            self._hurry.clear()
            self._writer = asyncio.create_task(self._write(), name="quiet history")
        elif self._count >= ROWS_MAX:
            self._hurry.set()

    async def close(self) -> None:
        """Writes what has been gathered."""
        self._hurry.set()
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), DELAY_S)
            while self._waiting:
                rows = Rows()
                while self._waiting and len(rows.numbers) < ROWS_MAX * NUMBERS:
                    rows.extend(self._waiting.popleft())
                count = len(rows.numbers) // NUMBERS
                self._count -= count
                try:
                    await self._ledger.add_history(rows)
                except NotWrittenError as error:
                    log.warning("desk.history_lost", rows=count, error=str(error))
        finally:
            self._writer = None
