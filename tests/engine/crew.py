"""Processes with a desk each, for storms: real processes, real PostgreSQL, one starting gun.

A crew is started once and then given jobs: which database, whether there is a Redis, and what each
of its clients asks, one call after another. A client repeats a call that was answered 503, with the
same order, as a device would.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from farebox.api.vending.wire_device import VendingSpelling
from farebox.engine.redemption import Desk
from farebox.locks import RedisLease
from farebox.storage.redemption import Ledger
from tests.engine import worded
from tests.oracle_desk import Answer

Ask = tuple[str, dict[str, Any]]
TRIES = 50


@dataclass(frozen=True)
class Job:
    """What one process does: the calls of each of its clients."""

    dsn: str
    redis_url: str | None
    clients: Sequence[Sequence[Ask]]


@dataclass(frozen=True)
class Told:
    """One call and its final answer, with the time between first sending and answer."""

    name: str
    arguments: dict[str, Any]
    answer: Answer
    raw: bytes
    sent_at: float
    answered_at: float
    unavailable: int


async def insist(desk: Desk, ask: Ask) -> Told:
    """Asks until the answer is not a 503."""
    name, arguments = ask
    sent_at = time.monotonic()
    for unavailable in range(TRIES):
        outcome = (await worded.ask(desk, getattr(worded, name)(**arguments)))[0]
        answer = worded.answer_of(outcome)
        if answer.status != 503:
            raw = b"" if isinstance(outcome, BaseException) else outcome.body
            now = time.monotonic()
            return Told(name, arguments, answer, raw, sent_at, now, unavailable)
        await asyncio.sleep(0.02)
    raise AssertionError(f"{ask} was never decided")


async def _work(job: Job, gun: Barrier) -> list[Told]:
    leases = RedisLease(job.redis_url) if job.redis_url else None
    ledger = Ledger(job.dsn, statement_timeout_ms=5000)
    desk = Desk(ledger, lambda: time.time_ns() // 1_000_000, VendingSpelling(), leases=leases)
    await desk.start()
    await asyncio.to_thread(gun.wait, 60)

    async def client(asks: Sequence[Ask]) -> list[Told]:
        return [await insist(desk, ask) for ask in asks]

    try:
        told = await asyncio.gather(*map(client, job.clients))
    finally:
        await desk.stop()
        if leases is not None:
            await leases.close()
    return [one for client_told in told for one in client_told]


def _serve(pipe: Connection, gun: Barrier) -> None:
    while (job := pipe.recv()) is not None:
        try:
            pipe.send(asyncio.run(_work(job, gun)))
        except BaseException as error:  # noqa: BLE001 - told to the test, which fails
            gun.abort()
            pipe.send(error)


class Crew:
    """`size` processes; every job starts at one moment in all of them."""

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.size = size
        self._gun = context.Barrier(size)
        self._members = []
        for _ in range(size):
            ours, theirs = context.Pipe()
            member = context.Process(target=_serve, args=(theirs, self._gun), daemon=True)
            member.start()
            theirs.close()
            self._members.append((member, ours))

    async def storm(
        self, dsn: str, redis_url: str | None, clients: Sequence[Sequence[Sequence[Ask]]]
    ) -> list[Told]:
        """One list of clients per process; all answers together."""
        for (_, pipe), work in zip(self._members, clients, strict=True):
            pipe.send(Job(dsn, redis_url, work))
        told: list[Told] = []
        for _, pipe in self._members:
            got = await asyncio.to_thread(pipe.recv)
            if isinstance(got, BaseException):
                raise got
            told += got
        return told

    def stop(self) -> None:
        for member, pipe in self._members:
            pipe.send(None)
            member.join(10)
            pipe.close()
