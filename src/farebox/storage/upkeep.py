"""Removes what is kept for a time only: stored answers, tombstones, delivered effects, rejected
records of devices.

It deletes in small bites and may run anywhere, at any time and twice at once. It never touches a
redemption, whose row is history.
"""

import msgspec

from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)

DAY_MS = 86_400_000
IDEMPOTENCY_MS = DAY_MS
DONE_JOBS_MS = 7 * DAY_MS
DEAD_LETTERS_MS = 90 * DAY_MS
_BITE = 5000


class Removed(msgspec.Struct, frozen=True):
    """How many rows of each kind went."""

    idempotency: int
    tombstones: int
    done_jobs: int
    dead_letters: int


async def remove_expired(pool: Pool, now_ms: int, *, replay_window_ms: int) -> Removed:
    """Remove everything that is past its time."""
    async with storage_errors():
        return Removed(
            await _remove(pool, SQL.drop_idempotency, now_ms - IDEMPOTENCY_MS),
            await _remove(pool, SQL.drop_tombstones, now_ms - replay_window_ms),
            await _remove(pool, SQL.drop_done_jobs, now_ms - DONE_JOBS_MS),
            await _remove(pool, SQL.drop_dead_letters, now_ms - DEAD_LETTERS_MS),
        )


async def _remove(pool: Pool, statement: str, before_ms: int) -> int:
    removed, bite = 0, _BITE
    while bite == _BITE:
        tag: str = await pool.execute(statement, before_ms, _BITE)
        bite = int(tag.rpartition(" ")[2])
        removed += bite
    return removed
