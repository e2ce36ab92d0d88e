"""The desk beside its baselines, in one run on one server: redemptions per second at 64 clients.

Uniform: every redemption draws one of all vouchers. The desk is measured as the service runs once
it has read ahead all that fits, which it does by itself beside its work (`held_s` is what that
takes with nobody to serve); a desk that never reads ahead, so that most draws cost a read, stands
beside it. Hot: every redemption is of one voucher. In each round every contender runs for the same
time, one after the other; figures are medians over the rounds, ratios are within a round.
"""

import contextlib
import itertools
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from benchmarks import baselines
from benchmarks.baselines import Draw, draws
from benchmarks.fleet import Fleet, code_of
from benchmarks.loop import Measured, RepeatError, closed_loop
from benchmarks.report import Metric
from farebox.api.vending.wire_device import VendingSpelling
from farebox.demo import DEVICE
from farebox.domain.errors import UnavailableError
from farebox.engine.access import Principal
from farebox.engine.calls import REDEEM, Call
from farebox.engine.places import Places
from farebox.engine.redemption import Desk
from farebox.storage.pool import open_pool
from farebox.storage.redemption import Ledger

CLIENTS = 64
PRINCIPAL = Principal(kind="device", id=80, name=DEVICE, group=2, machine=80)
ORDER = '{"deviceId":"gw-0080","order":{"id":"%s","amount":250}}'
HOT = 5
# Longer than any desk here takes to hold all that fits.
WARM_S = 120.0


class Plan(msgspec.Struct, frozen=True):
    """How long and how often."""

    seconds: float
    rounds: int
    pools: tuple[int, ...]
    pool_seconds: float
    warm_s: float


FULL = Plan(seconds=4.0, rounds=3, pools=(2, 4, 8, 16, 32), pool_seconds=2.0, warm_s=1.0)
QUICK = Plan(seconds=1.0, rounds=1, pools=(8,), pool_seconds=0.5, warm_s=0.3)

Contender = Callable[[], AbstractAsyncContextManager[Draw]]


@contextlib.asynccontextmanager
async def desk(fleet: Fleet, clock: Callable[[], int], warm_s: float) -> AsyncIterator[Desk]:
    """The product's desk as the service runs it: one connection, its own book."""
    ledger = Ledger(fleet.dsn, statement_timeout_ms=2000)
    made = Desk(ledger, clock, VendingSpelling(), warm_s=warm_s)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@contextlib.asynccontextmanager
async def _desk_draws(
    fleet: Fleet,
    clock: Callable[[], int],
    numbers: Callable[[], int],
    warm_s: float,
    took_s: list[float],
) -> AsyncIterator[Draw]:
    run, orders = f"{os.getpid()}-{time.monotonic_ns()}", itertools.count()
    pool = await open_pool(fleet.dsn, max_size=2)
    places = Places(pool)

    begun = time.perf_counter()
    async with desk(fleet, clock, warm_s) as made:
        took_s.append(time.perf_counter() - begun)

        def draw() -> Callable[[], Awaitable[bool]]:
            number, order_id = numbers(), f"e-{run}-{next(orders)}"

            async def attempt() -> bool:
                facts = places.known(PRINCIPAL, DEVICE)
                if facts is None:
                    facts = await places.resolve(PRINCIPAL, DEVICE)
                call = Call(
                    REDEEM, code_of(number), facts, DEVICE, ORDER % order_id,
                    guard="device:80", order_id=order_id, fingerprint=250, order_amount=250,
                )  # fmt: skip
                try:
                    answer = await made.submit(call)
                except UnavailableError as error:
                    raise RepeatError from error
                return b'"redeemed":true' in answer.body

            return attempt

        yield draw
    await pool.close()


def _baseline(
    make: Callable[[], AbstractAsyncContextManager[baselines.Baseline]],
    numbers: Callable[[], int],
) -> Contender:
    @contextlib.asynccontextmanager
    async def contender() -> AsyncIterator[Draw]:
        async with make() as baseline:
            yield draws(baseline, numbers)

    return contender


async def _run(contender: Contender, seconds: float, warm_s: float) -> Measured:
    async with contender() as draw:
        return await closed_loop(draw, clients=CLIENTS, seconds=seconds, warm_s=warm_s)


async def _best_pool(
    make: Callable[[int], Contender], plan: Plan, progress: Callable[[str], None]
) -> int:
    """The pool size at which a baseline is fastest."""
    best = dict.fromkeys(plan.pools, 0.0)
    for size in plan.pools if len(plan.pools) > 1 else ():
        progress(f"pool of {size}")
        best[size] = (await _run(make(size), plan.pool_seconds, plan.warm_s)).per_second
    return max(best, key=best.__getitem__)


async def measure(
    fleet: Fleet,
    redis_url: str,
    plan: Plan,
    clock: Callable[[], int],
    progress: Callable[[str], None],
) -> dict[str, Metric]:
    """`engine.redeem_uniform` and `engine.redeem_hot`."""
    source = random.Random(11)

    def anywhere() -> int:
        return source.randrange(fleet.vouchers)

    def hot() -> int:
        return HOT

    return {
        "engine.redeem_uniform": await _compare(fleet, redis_url, plan, clock, anywhere, progress),
        "engine.redeem_hot": await _compare(fleet, redis_url, plan, clock, hot, progress),
    }


async def _compare(
    fleet: Fleet,
    redis_url: str,
    plan: Plan,
    clock: Callable[[], int],
    numbers: Callable[[], int],
    progress: Callable[[str], None],
) -> Metric:
    now_ms = clock()
    held_s: list[float] = []

    def one_statement(size: int) -> Contender:
        return _baseline(lambda: baselines.one_statement(fleet, size, now_ms), numbers)

    def row_lock(size: int) -> Contender:
        return _baseline(lambda: baselines.row_lock(fleet, size, now_ms), numbers)

    def redis(size: int) -> Contender:
        return _baseline(lambda: baselines.redis_lua(redis_url, size), numbers)

    size = await _best_pool(one_statement, plan, progress)
    contenders: dict[str, Contender] = {
        "desk": lambda: _desk_draws(fleet, clock, numbers, WARM_S, held_s),
        "desk_cold": lambda: _desk_draws(fleet, clock, numbers, 0.0, []),
        "one_statement": one_statement(size),
        "row_lock": row_lock(await _best_pool(row_lock, plan, progress)),
        "redis_lua": redis(CLIENTS),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in contenders}
    for number in range(plan.rounds):
        # Every other round backwards, so that nobody always follows the same neighbour.
        order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
        for name in order:
            progress(name)
            runs[name].append(await _run(contenders[name], plan.seconds, plan.warm_s))
    chosen = f"best pool ({size})" if len(plan.pools) > 1 else f"pool of {size}"
    return _metric(runs, chosen, statistics.median(held_s))


def _metric(runs: dict[str, list[Measured]], pool: str, held_s: float) -> Metric:
    def middle(name: str, field: str = "per_second") -> float:
        values: list[float] = [getattr(run, field) for run in runs[name]]
        return statistics.median(values)

    pairs = zip(runs["desk"], runs["one_statement"], strict=True)
    return Metric(
        value=round(middle("desk")),
        unit="redemptions/s",
        baseline=f"one conditional UPDATE + INSERT per request, {pool}",
        ratio=round(statistics.median(a.per_second / b.per_second for a, b in pairs), 2),
        p50_ms=round(middle("desk", "p50_ms"), 2),
        p99_ms=round(middle("desk", "p99_ms"), 2),
        failed=sum(run.failed for run in runs["desk"]),
        retried=sum(run.retried for run in runs["desk"]),
        beside={name: round(middle(name)) for name in runs if name != "desk"}
        | {"held_s": round(held_s, 1)},
    )
