"""Effects that leave the building: rows written in the transaction that wants them.

Delivery is at least once. A job is claimed by a lock of the worker's session, so at most one worker
has it, and the claim of a worker that died ends with its connection. An attempt is counted when it
begins: a job that kills its worker comes to an end too. Nothing is notified, because NOTIFY would
serialise the commits of all writers; workers ask often instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from farebox.storage.pool import Connection, Pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
_ERROR_LENGTH = 2000


class Job(msgspec.Struct, frozen=True):
    """A claimed effect; `attempt` counts from 1 and includes this one."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int


class Count(msgspec.Struct, frozen=True):
    """How many jobs of a kind are pending, done or dead, and since when the oldest exists."""

    kind: str
    state: str
    jobs: int
    oldest_ms: int


async def put(
    connection: Connection | Pool,
    kind: str,
    payload: Mapping[str, Any],
    now_ms: int,
    *,
    at_ms: int | None = None,
) -> int:
    """Write one effect, due at `at_ms` or at once; returns its number."""
    due_ms = now_ms if at_ms is None else at_ms
    number: int = await connection.fetchval(SQL.put, kind, dict(payload), due_ms, now_ms)
    return number


async def take(
    connection: Connection,
    kinds: Iterable[str],
    now_ms: int,
    limit: int,
    *,
    held: Sequence[int] = (),
) -> list[Job]:
    """Claim due jobs and begin an attempt of each; `held` are those this session has already."""
    # A session may take the same lock twice, hence the list of its own jobs.
    rows = await connection.fetch(SQL.lock_due, now_ms, list(kinds), list(held), limit)
    locked = [row["id"] for row in rows]
    if not locked:
        return []
    rows = await connection.fetch(SQL.claim, locked, now_ms)
    jobs = [Job(row["id"], row["kind"], row["payload"], row["attempts"]) for row in rows]
    late = set(locked) - {job.id for job in jobs}
    await release(connection, late)
    return sorted(jobs, key=lambda job: job.id)


async def release(connection: Connection, numbers: Iterable[int]) -> None:
    """Give claims back; what was not finished is due for anybody."""
    await connection.execute(SQL.unlock, list(numbers))


async def finish(connection: Connection, job: Job, now_ms: int) -> None:
    """The effect happened; gives the claim back."""
    await connection.execute(SQL.done, job.id, now_ms)
    await release(connection, [job.id])


async def postpone(connection: Connection, job: Job, next_at_ms: int, error: str) -> None:
    """The attempt failed and another one follows; gives the claim back."""
    await connection.execute(SQL.retry, job.id, next_at_ms, error[:_ERROR_LENGTH])
    await release(connection, [job.id])


async def bury(connection: Connection, job: Job, now_ms: int, error: str) -> None:
    """No further attempt follows, the job stays visible as dead; gives the claim back."""
    await connection.execute(SQL.dead, job.id, now_ms, error[:_ERROR_LENGTH])
    await release(connection, [job.id])


async def revive(pool: Pool, numbers: Iterable[int], now_ms: int) -> list[int]:
    """Make dead jobs pending again, with all their attempts; returns those that were dead."""
    rows = await pool.fetch(SQL.revive, list(numbers), now_ms)
    return sorted(row["id"] for row in rows)


async def counts(pool: Pool) -> list[Count]:
    """What the outbox holds, by kind and state."""
    return [Count(**row) for row in await pool.fetch(SQL.counts)]


async def next_due(connection: Connection | Pool, kinds: Iterable[str]) -> int | None:
    """When the next job of these kinds becomes due; None without any."""
    due: int | None = await connection.fetchval(SQL.next_due, list(kinds))
    return due
