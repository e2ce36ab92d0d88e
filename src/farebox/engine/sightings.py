"""When boxes were seen, kept in memory for a moment and written many at once (iptv.md 3.13).

A poll costs no row of its own: every few seconds one statement writes what has gathered, a page of
accounts in each row. A process that ends by force loses what it has not written, at most
`FLUSH_S` seconds: a box is seen again with its next poll, and nothing is decided by this.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from farebox.domain.errors import UnavailableError
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
FLUSH_S: Final = 5.0
# More than these and they are written at once, so that memory is bounded.
KEPT_MAX: Final = 50_000
_log = structlog.get_logger("farebox.sightings")


class Sightings:
    """Remembers polls, and writes them."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock
        # By account: when it polled, and when it last played something, 0 for not lately.
        self._seen: dict[int, tuple[int, int]] = {}
        # By account: where it calls from, and the version that it runs, where they are new.
        self._moved: dict[int, tuple[str, str]] = {}
        self._is_full = asyncio.Event()

    def note(self, account: int, *, is_playing: bool, moved: tuple[str, str] | None) -> None:
        """A box polled; `moved` has its address and version where they are not those stored."""
        now_ms = self._clock()
        played_ms = now_ms if is_playing else self._seen.get(account, (0, 0))[1]
        self._seen[account] = (now_ms, played_ms)
        if moved is not None:
            self._moved[account] = moved
        if len(self._seen) >= KEPT_MAX:
            self._is_full.set()

    async def flush(self) -> None:
        """Writes what was noted."""
        seen, self._seen = self._seen, {}
        moved, self._moved = self._moved, {}
        self._is_full.clear()
        if not seen:
            return
        accounts = sorted(seen)
        times = [[seen[one][place] for one in accounts] for place in (0, 1)]
        changed = sorted(moved)
        texts = [[moved[one][place] for one in changed] for place in (0, 1)]
        try:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.note, accounts, *times)
                if changed:
                    await connection.execute(SQL.move, changed, *texts)
        except BaseException:
            if len(self._seen) < KEPT_MAX:
                self._seen = seen | self._seen
                self._moved = moved | self._moved
            raise

    async def run(self) -> None:
        """Writes what is noted, every few seconds, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_full.wait(), FLUSH_S)
            if not await self.close():
                await asyncio.sleep(1)

    async def close(self) -> bool:
        """Writes what is noted, and whether that was possible."""
        try:
            await self.flush()
        except UnavailableError as error:
            _log.warning("sightings.unwritten", error=error.message)
            return False
        except Exception:  # noqa: BLE001 - whatever it is, later polls are written
            self._seen, self._moved = {}, {}
            _log.exception("sightings.dropped")
        return True
