"""Runs the jobs of the outbox, and periodic housekeeping in one process at a time.

A worker holds one connection of the pool for its claims. A job is finished only after its handler
returned, so every handler must bear being run again. When the connection is lost the claims are
too: running handlers are cancelled, because another worker may begin at once. Housekeeping is led
by whoever holds a lease; its chores must bear a second leader for the moment a lease is lost.
Delays and periods go on with the monotonic clock even where the given clock stands still.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.locks import Leases, LeaseUnavailableError, LocalLease, Token
from farebox.storage import outbox, partitions, upkeep
from farebox.storage.outbox import Job
from farebox.storage.pool import Connection, Pool, as_unavailable, storage_errors

Handler = Callable[[dict[str, Any], int], Awaitable[None]]
Periodic = Mapping[str, tuple[float, Callable[[], Awaitable[object]]]]

_log = structlog.get_logger("farebox.jobs")
_LEADER = "housekeeping"
_LEADER_TTL_MS = 30_000
_LEADER_TICK_S = 5.0
_RECONNECT_S = 0.5


class Patience(msgspec.Struct, frozen=True):
    """How often a job is tried, how long it waits between attempts, and how often workers look."""

    attempts: int = 12
    first_delay_ms: int = 1_000
    longest_delay_ms: int = 3_600_000
    poll_s: float = 0.5

    def delay_ms(self, attempt: int, number: int) -> int:
        """The wait after a failed attempt: doubled each time, bounded, then up to 10 % more.

        The last part depends on the job's number, so that jobs that failed together do not all come
        back together.
        """
        exact = min(self.first_delay_ms << min(attempt - 1, 40), self.longest_delay_ms)
        return exact + exact * (number * 7919 % 1000) // 10_000


class MovingClock:
    """A clock that goes on where the given one stands still, as in a demonstration.

    From its last change on the monotonic clock goes on for it, so that retries are not stopped.
    """

    def __init__(
        self, clock: Callable[[], int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._told_ms, self._told_at = clock(), monotonic()

    def __call__(self) -> int:
        """Epoch milliseconds."""
        told_ms, at = self._clock(), self._monotonic()
        if told_ms != self._told_ms:
            self._told_ms, self._told_at = told_ms, at
        return told_ms + round((at - self._told_at) * 1000)


class Worker:
    """Runs due jobs of the kinds it has handlers for, until `stop()`.

    A handler that raises InvalidError says that its job can never succeed: it is dead at once.
    After any other error the job is tried again until the attempts are used up; then it is dead and
    stays visible in the outbox.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        handlers: Mapping[str, Handler],
        *,
        periodic: Periodic | None = None,
        leases: Leases | None = None,
        patience: Patience | None = None,
        concurrency: int = 4,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._now_ms = MovingClock(clock, monotonic)
        self._handlers = dict(handlers)
        self._periodic = dict(periodic or {})
        self._leases = leases or LocalLease()
        self._patience = patience or Patience()
        self._concurrency = concurrency
        self._monotonic = monotonic
        self._running: dict[int, asyncio.Task[None]] = {}
        # One connection serves all jobs, a statement at a time.
        self._line = asyncio.Lock()
        self._lost = False
        self._stopping = asyncio.Event()
        self._awake = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop()`; a database that goes away is waited for."""
        housekeeping = asyncio.create_task(self._keep_house()) if self._periodic else None
        try:
            while not self._stopping.is_set():
                try:
                    await self._work()
                except UnavailableError as error:
                    _log.warning("jobs.database_away", error=str(error.__cause__ or error))
                    await self._sleep(_RECONNECT_S)
        finally:
            if housekeeping is not None:
                housekeeping.cancel()
                await asyncio.gather(housekeeping, return_exceptions=True)

    async def stop(self) -> None:
        """Take no further job; `run()` returns when the running ones have ended."""
        self._stopping.set()
        self._awake.set()

    def wake(self) -> None:
        """Look for due jobs now instead of at the next poll."""
        self._awake.set()

    async def drain(self) -> int:
        """Run everything that is due now and what that makes due; returns the attempts made."""
        ran = 0
        async with storage_errors(), self._pool.acquire() as connection:
            while started := await self._start_due(connection):
                await asyncio.gather(*started)
                ran += len(started)
        return ran

    async def _work(self) -> None:
        async with storage_errors(), self._pool.acquire() as connection:
            self._lost = False
            connection.add_termination_listener(self._note_loss)
            try:
                while not self._stopping.is_set():
                    await self._start_due(connection)
                    await self._sleep(self._patience.poll_s)
                    if self._lost:
                        raise UnavailableError("The worker's connection was lost")
                await asyncio.gather(*self._running.values())
            finally:
                await self._cancel_running()
                if not self._lost:
                    connection.remove_termination_listener(self._note_loss)

    def _note_loss(self, _: object) -> None:
        self._lost = True
        self._awake.set()

    async def _start_due(self, connection: Connection) -> list[asyncio.Task[None]]:
        free = self._concurrency - len(self._running)
        if free <= 0 or not self._handlers:
            return []
        held = list(self._running)
        async with self._line:
            now_ms = self._now_ms()
            jobs = await outbox.take(connection, self._handlers, now_ms, free, held=held)
        started = []
        for job in jobs:
            task = asyncio.create_task(self._attempt(connection, job), name=f"job-{job.id}")
            self._running[job.id] = task
            task.add_done_callback(partial(self._ended, job.id))
            started.append(task)
        return started

    def _ended(self, number: int, _: object) -> None:
        del self._running[number]
        # There may be more jobs than this worker has places.
        self._awake.set()

    async def _attempt(self, connection: Connection, job: Job) -> None:
        error: Exception | None = None
        if job.attempt <= self._patience.attempts:
            try:
                await self._handlers[job.kind](job.payload, job.attempt)
            except Exception as raised:  # noqa: BLE001 - any failure is a failed attempt
                error = raised
        else:
            error = RuntimeError("every attempt ended without a word, with its worker")
        try:
            async with self._line:
                await self._settle(connection, job, error)
        except Exception as failure:
            # Without a connection the claim is gone; the job will be run again.
            if as_unavailable(failure) is None:
                raise
            _log.warning("jobs.unsettled", job=job.id, kind=job.kind, error=str(failure))

    async def _settle(self, connection: Connection, job: Job, error: Exception | None) -> None:
        now_ms = self._now_ms()
        if error is None:
            await outbox.finish(connection, job, now_ms)
            return
        text = f"{type(error).__name__}: {error}"
        where = {"job": job.id, "kind": job.kind, "attempt": job.attempt, "error": text}
        if isinstance(error, InvalidError) or job.attempt >= self._patience.attempts:
            await outbox.bury(connection, job, now_ms, text)
            _log.error("jobs.dead", **where)
        else:
            delay_ms = self._patience.delay_ms(job.attempt, job.id)
            await outbox.postpone(connection, job, now_ms + delay_ms, text)
            _log.warning("jobs.postponed", **where, delay_ms=delay_ms)

    async def _cancel_running(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _keep_house(self) -> None:
        """Run periodic work while this process holds the lease of the leader."""
        token: Token | None = None
        due = dict.fromkeys(self._periodic, self._monotonic())
        tick_s = min([_LEADER_TICK_S, *(period for period, _ in self._periodic.values())])
        try:
            while True:
                token = await self._lead(token)
                for name, (period_s, work) in self._periodic.items():
                    if token is not None and self._monotonic() >= due[name]:
                        await self._housework(name, work)
                        due[name] = self._monotonic() + period_s
                        token = await self._lead(token)
                await asyncio.sleep(tick_s)
        finally:
            await self._abdicate(token)

    async def _lead(self, token: Token | None) -> Token | None:
        try:
            if token is not None and await self._leases.renew(token, _LEADER_TTL_MS):
                return token
            return await self._leases.acquire(_LEADER, _LEADER_TTL_MS)
        except LeaseUnavailableError:
            return None

    async def _abdicate(self, token: Token | None) -> None:
        try:
            if token is not None:
                await self._leases.release(token)
        except LeaseUnavailableError:
            pass

    async def _housework(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            result = await work()
        except Exception as error:  # noqa: BLE001 - one broken chore must not end the others
            cause = error.__cause__ or error
            told = {"work": name, "error": f"{type(cause).__name__}: {cause}"}
            if isinstance(error, UnavailableError) or as_unavailable(error) is not None:
                _log.warning("housekeeping.postponed", **told)
            else:
                _log.error("housekeeping.failed", **told)
        else:
            _log.debug("housekeeping.done", work=name, result=str(result))

    async def _sleep(self, seconds: float) -> None:
        """Wait until woken, stopped, cut off, or so many seconds have passed."""
        try:
            await asyncio.wait_for(self._awake.wait(), seconds)
        except TimeoutError:
            pass
        self._awake.clear()


def housekeeping(pool: Pool, clock: Callable[[], int], *, replay_window_ms: int) -> Periodic:
    """What every installation needs done: months made ahead, and expired rows removed."""

    async def months() -> list[str]:
        return await partitions.make_ahead(pool, clock())

    async def expired() -> upkeep.Removed:
        return await upkeep.remove_expired(pool, clock(), replay_window_ms=replay_window_ms)

    return {"months": (3600.0, months), "expired": (300.0, expired)}
