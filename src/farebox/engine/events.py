"""Ids of redemptions and history rows, and the history that may follow a moment later.

Ids are taken in blocks before decisions are made, because a stored answer names its redemption and
a decision never waits. History of validations that wrote nothing is gathered and written twice a
second; a crash may lose that much of it, and nothing else (vending-commerce.md 4.14).
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog

from farebox.storage.redemption import Ledger, NotWrittenError

DELAY_S = 0.5
ROWS_MAX = 8192

log = structlog.get_logger()


class EventIds:
    """Blocks of ids, used up in order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._blocks: deque[tuple[int, int]] = deque()
        self.left = 0

    def take(self) -> int:
        """The next id; `ensure` has seen to it that there is one."""
        first, end = self._blocks[0]
        if first + 1 == end:
            self._blocks.popleft()
        else:
            self._blocks[0] = (first + 1, end)
        self.left -= 1
        return first

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
        self._rows: list[tuple[Any, ...]] = []
        self._since_s = 0.0

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Gathers rows."""
        if rows:
            if not self._rows:
                self._since_s = time.monotonic()
            self._rows += rows

    @property
    def waits(self) -> bool:
        """Whether there are rows at all."""
        return bool(self._rows)

    @property
    def is_due(self) -> bool:
        """Whether rows have waited long enough, or are many."""
        return bool(self._rows) and (
            time.monotonic() - self._since_s >= DELAY_S or len(self._rows) >= ROWS_MAX
        )

    async def write(self) -> None:
        """Writes what has been gathered."""
        rows, self._rows = self._rows, []
        if rows:
            try:
                await self._ledger.add_history(rows)
            except NotWrittenError as error:
                log.warning("desk.history_lost", rows=len(rows), error=str(error))
