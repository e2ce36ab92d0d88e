"""Counts unknown codes and orders per caller, says when it is enough (vending-commerce.md 4.8).

Counts live in this process, on the monotonic clock, and are bounded; `farebox.engine.guessers`
counts what several processes are asked. A blocked caller may still roll back and still gets the
answer of an order that is recorded.
"""

import time
from collections.abc import Callable

from farebox.domain.errors import RateLimitedError

WINDOW_S = 60.0
BLOCK_S = 60
MISSES_DEVICE = 20
MISSES_USER = 200
BURIALS = 60
CALLERS_MAX = 100_000


def is_user(caller: str) -> bool:
    """Whether a caller is a person, who may err more often than a device."""
    return caller.startswith("user:")


class Guard:
    """Sliding windows of one minute per caller; a caller's key starts with `user:` for people."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._misses: dict[str, list[float]] = {}
        self._burials: dict[str, list[float]] = {}
        self._blocked: dict[str, float] = {}
        # Hears of every unknown code.
        self.heard: Callable[[str], None] | None = None

    def blocked(self, caller: str) -> bool:
        """Whether this caller has guessed too often within the last minute."""
        if not self._blocked:
            return False
        until = self._blocked.get(caller)
        if until is None:
            return False
        if until <= self._monotonic():
            del self._blocked[caller]
            return False
        return True

    def miss(self, caller: str) -> None:
        """Notes an unknown code; RateLimitedError for the one that is too many."""
        if self.heard is not None:
            self.heard(caller)
        allowed = MISSES_USER if is_user(caller) else MISSES_DEVICE
        if self._count(self._misses, caller) > allowed:
            self.block(caller)
            raise RateLimitedError("Too many unknown codes", BLOCK_S)

    def block(self, caller: str) -> None:
        """This caller asks for no code within the next minute."""
        if len(self._blocked) >= CALLERS_MAX:
            self._blocked.clear()
        self._blocked[caller] = self._monotonic() + BLOCK_S
        self._misses.pop(caller, None)

    def burial(self, caller: str) -> None:
        """Notes a rollback of an unknown order; RateLimitedError beyond sixty a minute."""
        if self._count(self._burials, caller) > BURIALS:
            raise RateLimitedError("Too many rollbacks of unknown orders", BLOCK_S)

    def _count(self, counts: dict[str, list[float]], caller: str) -> int:
        now = self._monotonic()
        times = counts.get(caller)
        if times is None:
            if len(counts) >= CALLERS_MAX:
                counts.clear()
            times = counts[caller] = []
        while times and times[0] <= now - WINDOW_S:
            times.pop(0)
        times.append(now)
        return len(times)
