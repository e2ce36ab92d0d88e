"""Counts attempts per key and says when too many were made: sign-ins, resets, keys of devices.

This one remembers inside the process, on the monotonic clock, and is bounded; the methods are
coroutines so that a shared memory can take its place. It forbids nothing by itself.
"""

import time
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Protocol


class Attempts(Protocol):
    """At most so many attempts per key within a sliding span."""

    async def wait_s(self, key: str, running: int = 0) -> int:
        """Seconds until another attempt is welcome; 0 for now. `running` ones count as made."""
        ...

    async def note(self, key: str) -> None:
        """Counts an attempt."""
        ...

    async def forget(self, key: str) -> None:
        """Forgives all attempts of a key."""
        ...


class LocalAttempts:
    """The contract of `Attempts` inside one process."""

    def __init__(
        self,
        limit: int,
        span_s: float,
        *,
        keys_max: int = 50_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._span_s = span_s
        self._keys_max = keys_max
        self._monotonic = monotonic
        self._made: dict[str, deque[float]] = {}

    async def wait_s(self, key: str, running: int = 0) -> int:
        """Seconds until fewer than the limit lie within the span."""
        made = self._made.get(key)
        if made is None:
            return 0 if running < self._limit else 1
        now = self._monotonic()
        while made and made[0] <= now - self._span_s:
            made.popleft()
        if len(made) + running < self._limit:
            return 0
        return max(1, ceil(made[0] + self._span_s - now)) if made else 1

    async def note(self, key: str) -> None:
        """Counts an attempt; the key noted longest ago makes room when there are too many."""
        made = self._made.pop(key, None)
        if made is None:
            made = deque(maxlen=self._limit)
            if len(self._made) >= self._keys_max:
                del self._made[next(iter(self._made))]
        made.append(self._monotonic())
        self._made[key] = made

    async def forget(self, key: str) -> None:
        """Forgives all attempts of a key."""
        self._made.pop(key, None)
