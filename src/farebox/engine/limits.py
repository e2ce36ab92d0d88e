"""Limits of calls that cost something outside, or show secrets (isp.md 1.2, 3).

Each has its own number in a sliding span, per credential, subscriber or contact. What was refused
does not count.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from farebox.domain.errors import RateLimitedError
from farebox.locks import Attempts

MINUTE_S: Final = 60
HOUR_S: Final = 3600
# Name of a limit: how many in how many seconds.
LIMITS: Final = {
    "password": (60, MINUTE_S),
    "coa": (30, MINUTE_S),
    "radius-statistics": (30, MINUTE_S),
    "sms": (60, MINUTE_S),
    "sms-number": (10, HOUR_S),
    "recovery": (60, MINUTE_S),
    "recovery-contact": (3, HOUR_S),
}


class Limits:
    """Counts calls."""

    def __init__(self, attempts: Callable[[str, tuple[int, int]], Attempts]) -> None:
        self._attempts = {name: attempts(f"isp-{name}", limit) for name, limit in LIMITS.items()}

    async def take(self, name: str, key: str) -> None:
        """One more call; RateLimitedError when there were too many."""
        await self.take_all(name, (key,))

    async def take_all(self, name: str, keys: Iterable[str]) -> None:
        """One more call for each key, or for none: a key that comes twice counts twice."""
        attempts, times = self._attempts[name], Counter(keys)
        for key, count in times.items():
            wait_s = await attempts.wait_s(key, count - 1)
            if wait_s:
                raise RateLimitedError("Too many calls; try again later", wait_s)
        for key in times.elements():
            await attempts.note(key)
