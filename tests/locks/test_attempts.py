"""One suite for both keepers of counts, and what only a Redis can suffer or give."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from farebox.locks import Attempts, LocalAttempts, RedisAttempts
from tests.servers import Redis

# A loaded test machine may answer late; lateness is not what this suite is about.
TIMEOUT_MS = 5000


def shared(url: str, limit: int = 2, span_s: float = 60, **more: int) -> RedisAttempts:
    """The counts of one process among several."""
    own = LocalAttempts(limit, span_s)
    return RedisAttempts(url, "test", own, timeout_ms=more.get("timeout_ms", TIMEOUT_MS))


@pytest.fixture(params=["redis", "local"])
async def attempts(request: pytest.FixtureRequest) -> AsyncIterator[Attempts]:
    """Two attempts a minute, kept by each implementation in turn."""
    if request.param == "local":
        yield LocalAttempts(2, 60)
        return
    keeper = shared(request.getfixturevalue("redis_url"))
    yield keeper
    await keeper.close()


async def test_the_limit_holds_within_the_span(attempts: Attempts) -> None:
    """Made and running attempts count together, keys do not meet, and forgiving clears."""
    assert [0, 0, 1] == [await attempts.wait_s("a", running) for running in (0, 1, 2)]
    await attempts.note("a")
    assert 0 == await attempts.wait_s("a")
    assert 55 <= await attempts.wait_s("a", running=1) <= 60
    await attempts.note("a")
    assert 55 <= await attempts.wait_s("a") <= 60
    assert 0 == await attempts.wait_s("b")
    await attempts.forget("a")
    assert 0 == await attempts.wait_s("a")


async def test_processes_share_what_redis_counts(redis_url: str) -> None:
    """What one process notes holds back another, and its forgiving lets it go on."""
    first, second = shared(redis_url), shared(redis_url)
    for _ in range(3):
        await first.note("a")
    assert 55 <= await second.wait_s("a") <= 60
    await second.forget("a")
    assert 0 == await first.wait_s("a")
    await asyncio.gather(first.close(), second.close())


async def test_the_span_slides(redis_url: str) -> None:
    """An attempt counts for its span and no longer, and its key does not stay."""
    attempts = shared(redis_url, limit=1, span_s=0.05)
    await attempts.note("a")
    await asyncio.sleep(0.06)
    assert 0 == await attempts.wait_s("a")
    await attempts.close()


async def test_without_redis_every_process_counts_for_itself() -> None:
    """A Redis that goes away stops nobody, and what was counted here still counts."""
    server = Redis()
    attempts = shared(server.url, timeout_ms=500)
    await attempts.note("a")
    server.stop()
    await attempts.note("a")
    assert 55 <= await attempts.wait_s("a") <= 60
    assert 0 == await attempts.wait_s("b")
    await attempts.close()
