"""Holds back who has failed too often: sign-ins, keys of devices.

Attempts that are still being checked count as failed until they were right, so that many at once
are no way around. Who counts, and for how many processes, is the business of `farebox.locks`.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from farebox.domain.errors import RateLimitedError, UnauthorizedError
from farebox.locks import Attempts


class Restraint:
    """Lets attempts through while few of their key have failed."""

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self._running: Counter[str] = Counter()

    @asynccontextmanager
    async def attempt(self, key: str) -> AsyncIterator[None]:
        """Around a check: RateLimitedError before it, and an UnauthorizedError in it is counted."""
        self._running[key] += 1
        try:
            # Counted before it is asked about: many at once must see each other.
            wait_s = await self.attempts.wait_s(key, self._running[key] - 1)
            if wait_s:
                raise RateLimitedError("Too many failed attempts; try again later", wait_s)
            yield
        except UnauthorizedError:
            await self.attempts.note(key)
            raise
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
