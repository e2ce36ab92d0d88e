"""The closed loop: a number of clients, each with one call under way, for a number of seconds.

Only calls that begin after the warm-up are counted. A failed call is counted and never measured as
a success; a call that had to be repeated counts once, with its whole time, its repetitions apart.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """What one run gave."""

    per_second: float
    p50_ms: float
    p99_ms: float
    done: int
    failed: int = 0
    retried: int = 0


class RepeatError(Exception):
    """The call had no effect and may be repeated as it is."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the sorted values does not pass."""
    if not values:
        return 0.0
    return values[min(len(values) - 1, int(len(values) * share))]


def summary(times_s: Sequence[float], span_s: float, failed: int = 0, retried: int = 0) -> Measured:
    """The figures of one run from the duration of each of its calls."""
    ordered = sorted(times_s)
    return Measured(
        per_second=len(ordered) / span_s if span_s > 0 else 0.0,
        p50_ms=percentile(ordered, 0.50) * 1000,
        p99_ms=percentile(ordered, 0.99) * 1000,
        done=len(ordered),
        failed=failed,
        retried=retried,
    )


async def closed_loop(
    call: Callable[[], Callable[[], Awaitable[bool]]],
    *,
    clients: int,
    seconds: float,
    warm_s: float = 0.5,
) -> Measured:
    """Run the loops. `call()` draws a request; what it gives is awaited until it is answered."""
    times_s: list[float] = []
    counts = {"failed": 0, "retried": 0}
    begins = time.perf_counter() + warm_s
    ends = begins + seconds

    async def client() -> None:
        while (started := time.perf_counter()) < ends:
            attempt, good = call(), False
            counted = started >= begins
            while True:
                try:
                    good = await attempt()
                    break
                except RepeatError:
                    counts["retried"] += counted
                    if time.perf_counter() > ends:
                        break
            if not counted:
                continue
            if good:
                times_s.append(time.perf_counter() - started)
            else:
                counts["failed"] += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    span_s = time.perf_counter() - begins
    return summary(times_s, span_s, counts["failed"], counts["retried"])
