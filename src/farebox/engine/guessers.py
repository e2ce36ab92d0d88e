"""Counts unknown codes over all processes that share a Redis, and blocks who asked for too many.

A process decides by its own counts and never waits for these: it tells the others of an unknown
code after its answer is on the way, and hears then whether there were too many. So a caller who
goes round the processes has one unknown code more at each, and whatever is under way. Without the
Redis each process counts alone.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from farebox.engine.guessing import MISSES_DEVICE, MISSES_USER, WINDOW_S, Guard, is_user
from farebox.locks import Attempts

# What is not told because so many are being told is counted by its own process only.
AT_ONCE: Final = 256


class Guessers:
    """Tells the other processes what a guard hears, and the guard what they have heard."""

    def __init__(self, guard: Guard, attempts: Callable[[str, tuple[int, int]], Attempts]) -> None:
        """`attempts` gives counts that are shared under a name."""
        self._guard = guard
        self._devices = attempts("device-codes", (MISSES_DEVICE + 1, int(WINDOW_S)))
        self._users = attempts("user-codes", (MISSES_USER + 1, int(WINDOW_S)))
        self._tasks: set[asyncio.Task[None]] = set()
        guard.heard = self.hear

    def hear(self, caller: str) -> None:
        """Counts an unknown code of this caller with everybody's."""
        if len(self._tasks) < AT_ONCE:
            task = asyncio.create_task(self._count(caller))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Returns when everything heard is counted."""
        await asyncio.gather(*self._tasks)

    async def _count(self, caller: str) -> None:
        attempts = self._users if is_user(caller) else self._devices
        await attempts.note(caller)
        if await attempts.wait_s(caller):
            self._guard.block(caller)
