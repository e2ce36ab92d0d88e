"""One suite for both keepers of leases, and what only a Redis can suffer."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest

from farebox.locks import Leases, LeaseUnavailableError, LocalLease, RedisLease, Token
from tests.servers import Redis

LONG_MS = 60_000
SHORT_MS = 30


@pytest.fixture(params=["redis", "local"])
async def lease(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    """Each implementation of the contract in turn."""
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        # A loaded test machine may answer late; lateness is not what this suite is about.
        keeper: Leases = RedisLease(url, timeout_ms=5000)
    else:
        keeper = LocalLease()
    yield keeper
    await keeper.close()


async def taken(lease: Leases, name: str, ttl_ms: int = LONG_MS) -> Token:
    """Acquire a lease that must be free."""
    token = await lease.acquire(name, ttl_ms)
    assert token is not None
    return token


async def wait_for(lease: Leases, name: str, source: Random | None = None) -> Token:
    """Acquire a lease that others have, asking again and again."""
    source = source or Random(1)
    token = None
    while token is None:
        token = await lease.acquire(name, LONG_MS)
        await asyncio.sleep(source.random() / 200)
    return token


async def test_one_holder_at_a_time(lease: Leases) -> None:
    """A held lease is refused to others and free again after its release."""
    first = await taken(lease, "a")
    assert await lease.acquire("a", LONG_MS) is None
    assert await lease.release(first)
    assert (await taken(lease, "a")).name == "a"


async def test_names_do_not_meet(lease: Leases) -> None:
    """Leases of different names are held side by side."""
    await taken(lease, "a")
    await taken(lease, "A")
    await taken(lease, "a}{a")


async def test_a_lease_ends_by_itself(lease: Leases) -> None:
    """After its time the lease is free, and its old token neither renews nor releases."""
    old = await taken(lease, "a", SHORT_MS)
    await asyncio.sleep(SHORT_MS / 1000 * 2)
    assert not await lease.renew(old, LONG_MS)
    assert not await lease.release(old)
    await taken(lease, "a")


async def test_renewing_keeps_it(lease: Leases) -> None:
    """A renewed lease outlives its first time."""
    token = await taken(lease, "a", 1000)
    assert await lease.renew(token, LONG_MS)
    await asyncio.sleep(1.1)
    assert await lease.acquire("a", LONG_MS) is None


async def test_only_the_owner_renews_and_releases(lease: Leases) -> None:
    """A token with another owner, or of an ended hold, changes nothing for the present holder."""
    stale = await taken(lease, "a", SHORT_MS)
    await asyncio.sleep(SHORT_MS / 1000 * 2)
    token = await taken(lease, "a")
    for wrong in (stale, Token("a", token.fence, "somebody")):
        assert not await lease.renew(wrong, 1)
        assert not await lease.release(wrong)
    await asyncio.sleep(0.01)
    assert await lease.acquire("a", LONG_MS) is None
    assert await lease.release(token)


async def test_releasing_twice_is_harmless(lease: Leases) -> None:
    """The second release says that there was nothing left."""
    token = await taken(lease, "a")
    assert await lease.release(token)
    assert not await lease.release(token)


async def test_fences_grow(lease: Leases) -> None:
    """Every acquisition has a higher fence, after releases and after expiry."""
    fences = []
    for turn in range(20):
        token = await taken(lease, "a", 5 if turn % 2 else LONG_MS)
        fences.append(token.fence)
        await (asyncio.sleep(0.02) if turn % 2 else lease.release(token))
    assert sorted(set(fences)) == fences


@pytest.mark.parametrize("ttl_ms", [0, -1])
async def test_a_lease_needs_time(lease: Leases, ttl_ms: int) -> None:
    """A time to live below one millisecond is a defect of the caller."""
    token = await taken(lease, "a")
    with pytest.raises(ValueError, match="at least 1 ms"):
        await lease.acquire("b", ttl_ms)
    with pytest.raises(ValueError, match="at least 1 ms"):
        await lease.renew(token, ttl_ms)


async def test_a_crowd_of_tasks(lease: Leases) -> None:
    """Never two of fifty tasks are inside, everybody gets in, and fences follow the order."""
    inside = 0
    fences: list[int] = []

    async def work() -> None:
        nonlocal inside
        token = await wait_for(lease, "crowd")
        inside += 1
        assert inside == 1
        fences.append(token.fence)
        await asyncio.sleep(0)
        inside -= 1
        assert await lease.release(token)

    await asyncio.gather(*(work() for _ in range(50)))
    assert len(fences) == 50
    assert sorted(set(fences)) == fences


@pytest.mark.parametrize("kind", ["redis", "local"])
def test_a_crowd_of_threads(kind: str, redis_url: str) -> None:
    """Threads with loops of their own exclude each other too; 8 threads take 20 turns each."""
    shared = LocalLease()
    inside = threading.Lock()
    fences: list[int] = []
    failures: list[BaseException] = []

    async def work(source: Random) -> None:
        lease: Leases = shared if kind == "local" else RedisLease(redis_url, timeout_ms=5000)
        for _ in range(20):
            token = await wait_for(lease, "crowd", source)
            assert inside.acquire(blocking=False)
            fences.append(token.fence)
            inside.release()
            assert await lease.release(token)
        await lease.close()

    def run(seed: int) -> None:
        try:
            asyncio.run(work(Random(seed)))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sorted(set(fences)) == fences
    assert len(fences) == 160


async def test_the_local_keeper_forgets_ended_leases() -> None:
    """A million names that ended long ago do not stay in memory."""
    now = 0.0
    lease = LocalLease(lambda: now)
    for number in range(30_000):
        now += 0.01
        await lease.acquire(f"name {number}", 10)
    assert len(lease._held) <= 10_000


async def test_a_flush_forgets_holders_but_not_the_order(
    redis_server: Redis, redis_url: str
) -> None:
    """After a flush the lease is free, the old token is dead, and the fence is higher still."""
    lease = RedisLease(redis_url, timeout_ms=5000)
    old = await taken(lease, "a")
    redis_server.flush()
    assert not await lease.renew(old, LONG_MS)
    new = await taken(lease, "a")
    assert old.fence < new.fence
    assert not await lease.release(old)
    assert await lease.acquire("a", LONG_MS) is None
    await lease.close()


async def test_a_redis_that_is_away_costs_little() -> None:
    """Nobody listens: the first call fails, the next thousand fail without asking anybody."""
    now = 0.0
    lease = RedisLease("redis://127.0.0.1:1/0", monotonic=lambda: now)
    token = Token("a", 1, "me")
    with pytest.raises(LeaseUnavailableError, match="does not answer"):
        await lease.acquire("a", 1)
    started = time.process_time()
    for _ in range(1000):
        for call in (lease.acquire("a", 1), lease.renew(token, 1), lease.release(token)):
            with pytest.raises(LeaseUnavailableError, match="a moment ago"):
                await call
    assert time.process_time() - started < 1
    await lease.close()


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that a test may stop and start."""
    server = Redis()
    yield server
    server.stop()


async def test_a_redis_that_hangs_and_comes_back(own_redis: Redis) -> None:
    """A Redis that does not answer is left alone for a second, then asked again."""
    server, now = own_redis, 0.0
    lease = RedisLease(server.url, timeout_ms=1000, monotonic=lambda: now)
    token = await taken(lease, "a")
    server.pause()
    started = time.monotonic()
    with pytest.raises(LeaseUnavailableError):
        await lease.renew(token, LONG_MS)
    assert 0.9 < time.monotonic() - started < 5
    server.resume()
    with pytest.raises(LeaseUnavailableError, match="a moment ago"):
        await lease.renew(token, LONG_MS)
    now = 1.5
    assert await lease.renew(token, LONG_MS)
    server.stop()
    with pytest.raises(LeaseUnavailableError):
        await lease.acquire("b", LONG_MS)
    server.start()
    now = 3.0
    # The script is unknown to the new server and is sent again.
    assert await lease.acquire("a", LONG_MS) is not None
    await lease.close()
