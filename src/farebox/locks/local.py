"""Leases inside one process, on its monotonic clock; safe for tasks and threads.

For a single worker without Redis. It cannot see other processes.
"""

import itertools
import secrets
import threading
import time
from collections.abc import Callable

from farebox.locks.contract import Token

# Ended leases are swept out when this many names have gathered.
_SWEEP_AT = 10_000


class LocalLease:
    """The contract of farebox.locks, kept in a dictionary."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}
        # One counter for all names: strictly growing for each, and nothing to keep per name.
        self._fences = itertools.count(1)
        self._sweep_at = _SWEEP_AT

    async def acquire(self, name: str, ttl_ms: int) -> Token | None:
        """Take the lease for a time; None while somebody else has it."""
        _check(ttl_ms)
        with self._mutex:
            now = self._monotonic()
            if self._owner(name, now) is not None:
                return None
            if len(self._held) >= self._sweep_at:
                self._held = {key: held for key, held in self._held.items() if held[1] > now}
                self._sweep_at = max(_SWEEP_AT, 2 * len(self._held))
            token = Token(name, next(self._fences), secrets.token_hex(8))
            self._held[name] = (token.owner, now + ttl_ms / 1000)
            return token

    async def renew(self, token: Token, ttl_ms: int) -> bool:
        """Hold it for `ttl_ms` from now; False when it is over."""
        _check(ttl_ms)
        with self._mutex:
            now = self._monotonic()
            if self._owner(token.name, now) != token.owner:
                return False
            self._held[token.name] = (token.owner, now + ttl_ms / 1000)
            return True

    async def release(self, token: Token) -> bool:
        """Give it up; False when it was over already."""
        with self._mutex:
            if self._owner(token.name, self._monotonic()) != token.owner:
                return False
            del self._held[token.name]
            return True

    async def close(self) -> None:
        """Nothing to let go of."""

    def _owner(self, name: str, now: float) -> str | None:
        held = self._held.get(name)
        return held[0] if held is not None and held[1] > now else None


def _check(ttl_ms: int) -> None:
    if ttl_ms < 1:
        raise ValueError(f"a lease lasts at least 1 ms, not {ttl_ms}")
