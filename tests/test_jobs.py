"""The worker: every job once at a time, again after failures, dead in the end, whoever dies."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from farebox.domain.errors import InvalidError
from farebox.jobs import Handler, Patience, Worker, housekeeping
from farebox.locks import LeaseUnavailableError, LocalLease, Token
from farebox.storage import outbox
from farebox.storage.outbox import Count
from farebox.storage.partitions import MONTHLY
from farebox.storage.pool import Pool, open_pool
from tests.clocks import SettableClock

DAY_MS = 86_400_000


class Log:
    """A handler that remembers its calls and fails as often as it is told."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.calls: list[tuple[dict[str, Any], int]] = []
        self.failures = failures
        self.error = error or OSError("no route")

    async def __call__(self, payload: dict[str, Any], attempt: int) -> None:
        self.calls.append((payload, attempt))
        if len(self.calls) <= self.failures:
            raise self.error


def still() -> float:
    """A monotonic clock that stands, so that only the test's clock counts."""
    return 0.0


async def state(pool: Pool) -> list[tuple[str, int, str | None]]:
    """State, attempts and error of every job, in order."""
    rows = await pool.fetch("select state, attempts, error from farebox.outbox order by id")
    return [(row["state"], row["attempts"], row["error"]) for row in rows]


async def until(done: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait up to ten seconds for something to become true."""
    async with asyncio.timeout(10):
        while True:
            answer = done()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def test_a_due_job_runs_once(pool: Pool, clock: SettableClock) -> None:
    """A job runs with its payload and attempt 1, is done, and never runs again."""
    log = Log()
    await outbox.put(pool, "mail", {"to": "a@example.com"}, clock())
    worker = Worker(pool, clock, {"mail": log})
    assert await worker.drain() == 1
    assert await worker.drain() == 0
    assert log.calls == [({"to": "a@example.com"}, 1)]
    assert await state(pool) == [("done", 1, None)]


async def test_a_job_of_a_lost_transaction_never_existed(pool: Pool, clock: SettableClock) -> None:
    """An effect written in a transaction that rolls back is not delivered."""
    log = Log()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await outbox.put(connection, "mail", {}, clock())
        await transaction.rollback()
    assert await Worker(pool, clock, {"mail": log}).drain() == 0


async def test_a_job_waits_for_its_time(pool: Pool, clock: SettableClock) -> None:
    """A job with a later instant is left alone until then."""
    log = Log()
    worker = Worker(pool, clock, {"mail": log}, monotonic=still)
    await outbox.put(pool, "mail", {}, clock(), at_ms=clock() + 3_600_000)
    assert await worker.drain() == 0
    clock.advance_ms(3_600_000)
    assert await worker.drain() == 1


async def test_unknown_kinds_stay(pool: Pool, clock: SettableClock) -> None:
    """A worker without a handler for a kind leaves its jobs pending and visible."""
    await outbox.put(pool, "mail", {}, clock())
    assert await Worker(pool, clock, {"sheet.voucher": Log()}).drain() == 0
    assert await Worker(pool, clock, {}).drain() == 0
    assert await outbox.counts(pool) == [Count("mail", "pending", 1, clock())]


async def test_a_failure_is_tried_again_later(pool: Pool, clock: SettableClock) -> None:
    """After a failure the job waits its delay, keeps the reason, and succeeds in the end."""
    log = Log(failures=2)
    worker = Worker(pool, clock, {"mail": log}, monotonic=still)
    await outbox.put(pool, "mail", {}, clock())
    assert await worker.drain() == 1
    assert await state(pool) == [("pending", 1, "OSError: no route")]
    assert await worker.drain() == 0
    clock.advance_ms(1_200)
    assert await worker.drain() == 1
    clock.advance_ms(1_200)
    assert await worker.drain() == 0
    clock.advance_ms(1_200)
    assert await worker.drain() == 1
    assert [attempt for _, attempt in log.calls] == [1, 2, 3]
    assert await state(pool) == [("done", 3, None)]


@pytest.mark.parametrize(
    ("attempt", "least_ms"),
    [(1, 1_000), (2, 2_000), (5, 16_000), (12, 2_048_000), (13, 3_600_000), (90, 3_600_000)],
)
def test_delays_double(attempt: int, least_ms: int) -> None:
    """The delay doubles with every attempt, up to an hour, with at most a tenth more."""
    delays = {Patience().delay_ms(attempt, number) for number in range(500)}
    assert min(delays) == least_ms
    assert max(delays) <= least_ms * 1.1
    assert len(delays) > 50


async def test_a_hopeless_job_is_dead_and_can_be_revived(pool: Pool, clock: SettableClock) -> None:
    """After the last attempt a job is dead and visible; reviving gives it all attempts again."""
    log = Log(failures=3)
    worker = Worker(pool, clock, {"mail": log}, monotonic=still, patience=Patience(attempts=3))
    number = await outbox.put(pool, "mail", {}, clock())
    for _ in range(5):
        await worker.drain()
        clock.advance_ms(DAY_MS)
    assert await state(pool) == [("dead", 3, "OSError: no route")]
    assert [(count.state, count.jobs) for count in await outbox.counts(pool)] == [("dead", 1)]
    assert await outbox.revive(pool, [number, number + 1], clock()) == [number]
    assert await worker.drain() == 1
    assert await state(pool) == [("done", 1, None)]


async def test_an_invalid_job_is_dead_at_once(pool: Pool, clock: SettableClock) -> None:
    """InvalidError says that no further attempt helps."""
    log = Log(failures=1, error=InvalidError("no such address"))
    await outbox.put(pool, "mail", {}, clock())
    assert await Worker(pool, clock, {"mail": log}).drain() == 1
    assert await state(pool) == [("dead", 1, "InvalidError: no such address")]


async def test_a_job_that_kills_its_worker_ends(pool: Pool, clock: SettableClock) -> None:
    """Attempts that nobody finished count too, so that such a job is buried unseen."""
    log = Log()
    await outbox.put(pool, "mail", {}, clock())
    await pool.execute("update farebox.outbox set attempts = 12")
    assert await Worker(pool, clock, {"mail": log}).drain() == 1
    assert log.calls == []
    assert (await state(pool))[0][:2] == ("dead", 13)


async def test_retries_go_on_while_the_clock_stands(pool: Pool, clock: SettableClock) -> None:
    """With a clock that stands still, delays pass on the monotonic clock."""
    log = Log(failures=1)
    patience = Patience(first_delay_ms=50, poll_s=0.02)
    worker = Worker(pool, clock, {"mail": log}, patience=patience)
    await outbox.put(pool, "mail", {}, clock())
    running = asyncio.create_task(worker.run())
    await until(lambda: len(log.calls) == 2)
    await worker.stop()
    await running
    assert await state(pool) == [("done", 2, None)]


async def test_many_workers_never_share_a_job(pool: Pool, clock: SettableClock) -> None:
    """Four workers run 200 jobs: each job once, and never two at the same time."""
    inside: set[int] = set()
    ran: list[int] = []

    async def work(payload: dict[str, Any], attempt: int) -> None:
        number = payload["number"]
        assert number not in inside
        inside.add(number)
        await asyncio.sleep(0.002)
        inside.remove(number)
        ran.append(number)

    for number in range(200):
        await outbox.put(pool, "work", {"number": number}, clock())
    workers = [Worker(pool, clock, {"work": work}, concurrency=5) for _ in range(4)]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    await until(lambda: len(ran) >= 200)
    for worker in workers:
        await worker.stop()
    await asyncio.gather(*running)
    assert list(range(200)) == sorted(ran)
    assert {("done", 1, None)} == set(await state(pool))


async def test_stopping_waits_for_the_running_job(pool: Pool, clock: SettableClock) -> None:
    """A job that runs when the worker is stopped comes to its end, another is not begun."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(payload: dict[str, Any], attempt: int) -> None:
        begun.set()
        await go_on.wait()

    worker = Worker(pool, clock, {"work": work}, concurrency=1)
    for _ in range(2):
        await outbox.put(pool, "work", {}, clock())
    running = asyncio.create_task(worker.run())
    await begun.wait()
    await worker.stop()
    go_on.set()
    await running
    assert await state(pool) == [("done", 1, None), ("pending", 0, None)]


async def test_a_cancelled_worker_gives_its_job_back(pool: Pool, clock: SettableClock) -> None:
    """The job of a worker that is cancelled is run by another one at once."""
    begun = asyncio.Event()

    async def hang(payload: dict[str, Any], attempt: int) -> None:
        begun.set()
        await asyncio.sleep(3600)

    await outbox.put(pool, "work", {}, clock())
    running = asyncio.create_task(Worker(pool, clock, {"work": hang}).run())
    await begun.wait()
    log = Log()
    other = Worker(pool, clock, {"work": log})
    assert await other.drain() == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await other.drain() == 1
    assert log.calls == [({}, 2)]


async def test_a_lost_connection_ends_the_claim(pool: Pool, clock: SettableClock) -> None:
    """When the worker's connection is cut its handler is cancelled and the job runs again."""
    calls: list[int] = []
    cancelled = 0

    async def work(payload: dict[str, Any], attempt: int) -> None:
        nonlocal cancelled
        calls.append(attempt)
        try:
            await asyncio.sleep(0 if attempt > 1 else 3600)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    worker = Worker(pool, clock, {"work": work}, patience=Patience(poll_s=0.05))
    await outbox.put(pool, "work", {}, clock())
    running = asyncio.create_task(worker.run())
    await until(lambda: calls == [1])
    await pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    await until(lambda: calls == [1, 2])
    await worker.stop()
    await running
    assert cancelled == 1
    assert await state(pool) == [("done", 2, None)]


_CHILD = """
import asyncio, sys
from farebox.jobs import Worker
from farebox.storage.pool import open_pool

async def hang(payload, attempt):
    print("begun", flush=True)
    await asyncio.sleep(3600)

async def main():
    pool = await open_pool(sys.argv[1])
    await Worker(pool, lambda: int(sys.argv[2]), {"work": hang}).run()

asyncio.run(main())
"""


async def test_the_job_of_a_killed_worker_runs_again(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """SIGKILL of a worker in the middle of a job frees the job within moments."""
    await outbox.put(pool, "work", {}, clock())
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, database, str(clock()), stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"begun\n"
    log = Log()
    worker = Worker(pool, clock, {"work": log})
    assert await worker.drain() == 0
    child.kill()
    await child.wait()

    async def drained() -> bool:
        return await worker.drain() == 1

    await until(drained)
    assert log.calls == [({}, 2)]


async def test_a_wake_spares_the_poll(pool: Pool, clock: SettableClock) -> None:
    """A woken worker looks at once."""
    log = Log()
    worker = Worker(pool, clock, {"work": log}, patience=Patience(poll_s=3600))
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    await outbox.put(pool, "work", {}, clock())
    worker.wake()
    await until(lambda: len(log.calls) == 1)
    await worker.stop()
    await running


async def test_one_leader_keeps_house(pool: Pool, clock: SettableClock) -> None:
    """Of three workers one runs the periodic work; when it stops, another one takes over."""
    leases = LocalLease()
    ran: list[int] = []

    def chores(number: int) -> dict[str, tuple[float, Callable[[], Awaitable[None]]]]:
        async def chore() -> None:
            ran.append(number)

        return {"chore": (0.02, chore)}

    workers = [Worker(pool, clock, {}, periodic=chores(n), leases=leases) for n in range(3)]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    await until(lambda: len(ran) >= 5)
    leader = ran[0]
    assert {leader} == set(ran)
    await workers[leader].stop()
    await running[leader]
    await until(lambda: ran[-1] != leader)
    for worker in workers:
        await worker.stop()
    await asyncio.gather(*running)


class Away:
    """A keeper of leases that cannot be reached."""

    async def acquire(self, name: str, ttl_ms: int) -> Token | None:
        """Fails."""
        raise LeaseUnavailableError

    async def renew(self, token: Token, ttl_ms: int) -> bool:
        """Fails."""
        raise LeaseUnavailableError

    async def release(self, token: Token) -> bool:
        """Fails."""
        raise LeaseUnavailableError

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_failing_chore_or_keeper_stops_nothing(pool: Pool, clock: SettableClock) -> None:
    """A chore that raises is tried again; without a keeper housekeeping waits and jobs go on."""
    ran: list[str] = []

    async def broken() -> None:
        ran.append("broken")
        raise ValueError

    async def never() -> None:
        ran.append("never")

    log = Log()
    await outbox.put(pool, "work", {}, clock())
    handlers: dict[str, Handler] = {"work": log}
    patient = Worker(pool, clock, handlers, periodic={"broken": (0.01, broken)})
    alone = Worker(pool, clock, handlers, periodic={"never": (0.01, never)}, leases=Away())
    running = [asyncio.create_task(worker.run()) for worker in (patient, alone)]
    await until(lambda: len(ran) >= 3 and len(log.calls) == 1)
    for worker in (patient, alone):
        await worker.stop()
    await asyncio.gather(*running)
    assert {"broken"} == set(ran)


async def test_housekeeping_makes_months_and_removes_what_expired(
    database: str, clock: SettableClock
) -> None:
    """The chores of every installation run against a real database."""
    pool = await open_pool(database)
    chores = housekeeping(pool, clock, replay_window_ms=7 * DAY_MS)
    assert {"months", "expired"} == set(chores)
    # This month and three more, of every table that grows.
    assert len(await chores["months"][1]()) == 4 * len(MONTHLY)  # type: ignore[arg-type]
    assert await chores["months"][1]() == []
    assert sum(vars_of(await chores["expired"][1]())) == 0
    await pool.close()


def vars_of(removed: object) -> list[int]:
    """The numbers of a Removed."""
    return [getattr(removed, name) for name in ("idempotency", "tombstones", "done_jobs")]
