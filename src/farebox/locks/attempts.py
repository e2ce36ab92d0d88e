"""Counts attempts per key and says when too many were made: sign-ins, resets, keys of devices.

One contract, kept inside the process on its monotonic clock, or by a Redis that all processes
share. While that is away each process goes on with what it has counted itself, so a lost Redis
makes a limit looser and stops nobody. Nothing is forbidden here.
"""

import time
from collections import deque
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Protocol

from farebox.locks.contract import LeaseUnavailableError
from farebox.locks.script import Script


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
    """The contract of `Attempts` inside one process, bounded."""

    def __init__(
        self,
        limit: int,
        span_s: float,
        *,
        keys_max: int = 50_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.span_s = span_s
        self._keys_max = keys_max
        self._monotonic = monotonic
        self._made: dict[str, deque[float]] = {}

    async def wait_s(self, key: str, running: int = 0) -> int:
        """Seconds until fewer than the limit lie within the span."""
        made = self._made.get(key)
        if made is None:
            return 0 if running < self.limit else 1
        now = self._monotonic()
        while made and made[0] <= now - self.span_s:
            made.popleft()
        if len(made) + running < self.limit:
            return 0
        return max(1, ceil(made[0] + self.span_s - now)) if made else 1

    async def note(self, key: str) -> None:
        """Counts an attempt; the key noted longest ago makes room when there are too many."""
        made = self._made.pop(key, None)
        if made is None:
            made = deque(maxlen=self.limit)
            if len(self._made) >= self._keys_max:
                del self._made[next(iter(self._made))]
        made.append(self._monotonic())
        self._made[key] = made

    async def forget(self, key: str) -> None:
        """Forgives all attempts of a key."""
        self._made.pop(key, None)


class RedisAttempts:
    """The contract of `Attempts` over all processes of one Redis."""

    def __init__(
        self,
        url: str,
        name: str,
        own: LocalAttempts,
        *,
        prefix: str = "farebox",
        timeout_ms: int = 50,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`own` says the limit and the span, and counts what this process does."""
        self._own = own
        self._prefix = f"{prefix}:attempts:{name}"
        lua = Path(__file__).with_suffix(".lua")
        self._script = Script(url, lua, timeout_ms=timeout_ms, monotonic=monotonic)

    async def wait_s(self, key: str, running: int = 0) -> int:
        """Seconds until fewer than the limit lie within the span, wherever they were made."""
        wait_ms = await self._run("wait", key, running)
        return await self._own.wait_s(key, running) if wait_ms is None else ceil(wait_ms / 1000)

    async def note(self, key: str) -> None:
        """Counts an attempt, here and for the others."""
        await self._own.note(key)
        await self._run("note", key)

    async def forget(self, key: str) -> None:
        """Forgives all attempts of a key."""
        await self._own.forget(key)
        await self._run("forget", key)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._script.close()

    async def _run(self, action: str, key: str, running: int = 0) -> int | None:
        span_ms = int(self._own.span_s * 1000)
        try:
            return await self._script.run(
                [f"{self._prefix}:{{{key}}}"], [action, self._own.limit, span_ms, running]
            )
        except LeaseUnavailableError:
            return None
