"""A caller who spreads guesses over processes is blocked as one who makes them all in one."""

import asyncio

import pytest

from farebox.domain.errors import RateLimitedError
from farebox.engine.guessers import Guessers
from farebox.engine.guessing import Guard
from farebox.locks import Attempts, LocalAttempts, RedisAttempts


class Process:
    """What one process knows of guesses."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._closing: list[RedisAttempts] = []
        self.guard = Guard()
        self.guessers = Guessers(self.guard, self._attempts)

    def _attempts(self, name: str, limit: tuple[int, int]) -> Attempts:
        made = RedisAttempts(self._url, name, LocalAttempts(*limit), timeout_ms=5000)
        self._closing.append(made)
        return made

    async def guess(self, caller: str, times: int = 1) -> None:
        """Unknown codes, counted everywhere before this returns."""
        for _ in range(times):
            self.guard.miss(caller)
        await self.guessers.settle()

    async def close(self) -> None:
        """Lets go of the connections."""
        await asyncio.gather(*(one.close() for one in self._closing))


@pytest.mark.parametrize(("caller", "half"), [("gw-0080", 10), ("user:2", 100)])
async def test_guesses_at_several_processes_count_together(
    redis_url: str, caller: str, half: int
) -> None:
    """The first guess beyond the bound blocks where it is made, at others it takes one more."""
    first, second = Process(redis_url), Process(redis_url)
    await first.guess(caller, half)
    await second.guess(caller, half)
    assert [False, False] == [one.guard.blocked(caller) for one in (first, second)]
    await second.guess(caller)
    assert [False, True] == [one.guard.blocked(caller) for one in (first, second)]
    await first.guess(caller)
    assert first.guard.blocked(caller)
    assert not first.guard.blocked("another")
    await asyncio.gather(first.close(), second.close())


async def test_without_redis_a_process_counts_alone() -> None:
    """A Redis that is away stops nobody, and one process still has its own bound."""
    alone = Process("redis://127.0.0.1:1")
    await alone.guess("gw-0080", 20)
    assert not alone.guard.blocked("gw-0080")
    with pytest.raises(RateLimitedError):
        alone.guard.miss("gw-0080")
    assert alone.guard.blocked("gw-0080")
    await alone.guessers.settle()
    await alone.close()
