"""Everybody of an account with what he uses, in parts (isp.md E3).

The figures are those that `metering` gives. Most have been written under the terms in force, and
their window and cycle still hold: nothing has to be worked out for these. All others' figures are
taken through what has happened since, one subscriber at a time.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from farebox.core.quota import NEVER_MS
from farebox.domain.cycles import Cycle
from farebox.domain.quotas import Policy
from farebox.engine.metering import Meter, Metering, cycle_of
from farebox.engine.subscribers import Subscribers
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Entry(msgspec.Struct, frozen=True):
    """A subscriber's row, his billing cycle, and how much of which quota he has used."""

    row: Any
    cycle: Cycle
    used: int
    effective: int


class Roster:
    """Reads it."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], subscribers: Subscribers, metering: Metering
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._subscribers = subscribers
        self._metering = metering

    async def part(self, account: str, after: int, most: int) -> list[Entry]:
        """Those after an id, at most so many."""
        now_ms = self._clock()
        rows = await self._subscribers.all(account, after, most)
        async with storage_errors():
            found = await self._pool.fetch(SQL.figures, [row["id"] for row in rows], now_ms)
        figures = {one["subscriber"]: one for one in found}
        moving = [number for number, one in figures.items() if not _holds(one, now_ms)]
        meters = await self._metering.read(moving) if moving else {}
        return [
            _as_written(row, figures[row["id"]])
            if row["id"] not in meters
            else _moved(row, meters[row["id"]])
            for row in rows
        ]


def _holds(row: Any, now_ms: int) -> bool:
    """Whether what is written down is what applies at an instant."""
    start_ms, end_ms = row["window_start_ms"], row["window_end_ms"]
    if not row["is_settled"] or not start_ms <= now_ms < end_ms:
        return False
    if row["cycle_type"] is None:
        return True
    cycle_end_ms = row["cycle_end_ms"] or NEVER_MS
    is_billed = _policy(row["policy"]).rhythm[0] == "billing"
    return now_ms < cycle_end_ms and (
        not is_billed or (start_ms, end_ms) == (row["cycle_start_ms"], cycle_end_ms)
    )


def _as_written(row: Any, figures: Any) -> Entry:
    policy = _policy(figures["policy"])
    used = policy.metric(figures["upload"], figures["download"])
    effective = policy.effective(figures["carried"], figures["topup"])
    return Entry(row, cycle_of(figures), 0 if policy.mode == "always" else used, effective)


def _moved(row: Any, meter: Meter) -> Entry:
    used = 0 if meter.policy.mode == "always" else meter.verdict.used
    return Entry(row, meter.cycle, used, meter.verdict.effective)


@lru_cache(maxsize=10_000)
def _policy(written: str) -> Policy:
    return msgspec.json.decode(written, type=Policy)
