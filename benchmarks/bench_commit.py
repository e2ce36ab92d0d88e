"""What each part of the commit costs: the whole function, and the function with one part left out.

Batches of 64 different vouchers drawn at random, one connection, the real schema. A variant is the
migration's own text with one part taken away, so it stays what the product runs. Nothing here checks
answers; the suite does.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.baselines import REQUEST, RESPONSE
from benchmarks.fleet import Fleet, code_of
from farebox.storage import redemption as store

MIGRATION = Path(store.__file__).with_name("migrations") / "0004_commit.sql"
BATCH = 64
NEVER_MS = 2**63 - 1

Variant = tuple[str, str, Callable[[str], str], dict[str, bool]]


def _without(begin: str, end: str) -> Callable[[str], str]:
    def cut(text: str) -> str:
        first = text.index(begin)
        return text[:first] + text[text.index(end, first) :]

    return cut


def _without_conflict(text: str) -> str:
    return text.replace(
        "on conflict (voucher, device, order_id, code_key) where keyed do nothing", ""
    )


VARIANTS: tuple[Variant, ...] = (
    ("whole", "everything", str, {}),
    (
        "no campaign locks",
        "no advisory lock and no comparison of policy revisions",
        _without("  perform pg_advisory_xact_lock_shared", "  if cardinality(held_ids)"),
        {},
    ),
    (
        "no version compare",
        "the update takes every voucher as it is",
        lambda text: text.replace(
            "where v.id = w.id and v.version = w.version", "where v.id = w.id"
        ),
        {},
    ),
    ("no order keys", "no unique index over orders", _without_conflict, {"keys": False}),
    ("no stored answers", "request and answer empty", str, {"answers": False}),
    ("history row beside", "a history row for every redemption as well", str, {"history": True}),
    (
        "refusals only",
        "nothing redeemed: versions and orders compared, history",
        str,
        {"refuse": True},
    ),
)


class _Batches:
    """Draws batches and keeps the versions they need."""

    def __init__(self, rows: list[Any], campaigns: list[Any], now_ms: int) -> None:
        self._rows = rows
        self._campaigns = (
            [row["id"] for row in campaigns],
            [row["policy_revision"] for row in campaigns],
        )
        self._versions = {row["id"]: row["version"] for row in rows}
        self._counts = {row["id"]: row["count"] for row in rows}
        self._now_ms = now_ms
        self._random = random.Random(7)
        self._id = -(2**61)

    def columns(
        self,
        *,
        answers: bool = True,
        history: bool = False,
        refuse: bool = False,
        keys: bool = True,
    ) -> list[Any]:
        """One batch as the arguments of the commit; it counts on being committed."""
        del keys
        chosen = sorted(self._random.sample(self._rows, BATCH), key=lambda row: row["code_key"])
        ids = [row["id"] for row in chosen]
        versions = [self._versions[number] for number in ids]
        empty: list[Any] = []
        first = self._id = self._id + 2 * BATCH
        orders = [f"bench-{first + index}" for index in range(BATCH)]
        event_ids = list(range(first, first + BATCH))
        device = ["m:80"] * BATCH
        request, response = (REQUEST, RESPONSE) if answers else ("", "")
        rows_of_history = [
            [number + BATCH for number in event_ids], ids, device, [2] * BATCH, [1] * BATCH,
            [not refuse] * BATCH, [""] * BATCH, ["EUR"] * BATCH, [request] * BATCH,
            [response] * BATCH, [self._now_ms] * BATCH,
        ]  # fmt: skip
        if refuse:
            return [
                *self._campaigns, ids, versions, empty, empty, ids, device, orders,
                *([empty] * 17), self._now_ms, *([empty] * 14), *rows_of_history,
            ]  # fmt: skip
        for number in ids:
            self._versions[number] += 1
            self._counts[number] += 1
        counts = [self._counts[number] for number in ids]
        amounts = [100 * count for count in counts]
        nothing = [None] * BATCH
        return [
            *self._campaigns, *([empty] * 7),
            ids, versions, [version + 1 for version in versions], counts, amounts, counts, amounts,
            [row["period_end_ms"] for row in chosen], [0] * BATCH, nothing, nothing, [1] * BATCH,
            nothing, nothing, [0] * BATCH, [self._now_ms] * BATCH, [2] * BATCH, self._now_ms,
            event_ids, [row["code_key"] for row in chosen], ids, device, orders, [0] * BATCH,
            [100] * BATCH, [0] * BATCH, device, [2] * BATCH, ["EUR"] * BATCH, [request] * BATCH,
            [response] * BATCH, [self._now_ms] * BATCH,
            *(rows_of_history if history else [empty] * 11),
        ]  # fmt: skip


async def run(fleet: Fleet, now_ms: int, *, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Microseconds per redemption of every variant, medians over interleaved rounds."""
    connection = await asyncpg.connect(fleet.dsn, statement_cache_size=200)
    try:
        text = MIGRATION.read_text()
        text = text[text.index("create function voucher.commit_batch") : text.index("end $$;") + 7]
        await connection.execute("create schema if not exists bench")
        for index, (_, _, edit, _) in enumerate(VARIANTS):
            name = f"create or replace function bench.commit_{index}"
            await connection.execute(
                edit(text).replace("create function voucher.commit_batch", name)
            )
        numbers = random.Random(1).sample(range(fleet.vouchers), min(fleet.vouchers, 50_000))
        campaigns = await connection.fetch(
            "select id, policy_revision from voucher.campaign where id = any($1) order by id",
            list(fleet.campaigns),
        )
        times: dict[str, list[float]] = {name: [] for name, *_ in VARIANTS}
        for _ in range(rounds):
            for index, (name, _, _, options) in enumerate(VARIANTS):
                rows = await connection.fetch(
                    "select id, code_key, version, count, period_end_ms from voucher.voucher"
                    " where code_key = any($1)",
                    [code_of(number) for number in numbers],
                )
                batches = _Batches(rows, campaigns, now_ms)
                batches._id += random.randrange(2**40) * 1024
                times[name].append(await _measure(connection, index, batches, options, seconds))
        times["tier 2"] = [
            await _careful(connection, numbers, now_ms, seconds) for _ in range(rounds)
        ]
    finally:
        await connection.close()
    whole = sorted(times["whole"])[rounds // 2]
    about = {name: what for name, what, *_ in VARIANTS} | {
        "tier 2": "locks by code, orders read under them, the same commit, four round trips"
    }
    return [
        {
            "part": name,
            "what": about[name],
            "us": round(sorted(measured)[rounds // 2], 1),
            "share_of_whole": round(sorted(measured)[rounds // 2] / whole, 2),
        }
        for name, measured in times.items()
    ]


async def _measure(
    connection: Any, index: int, batches: _Batches, options: dict[str, bool], seconds: float
) -> float:
    marks = ", ".join(f"${number}" for number in range(1, 53))
    statement = await connection.prepare(f"select bench.commit_{index}({marks})")
    keyed = options.get("keys", True)
    if not keyed:
        await connection.execute("drop index voucher.redemption_order_once")
    try:
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            await statement.fetchval(*batches.columns(**options))
            done += BATCH
        return (time.perf_counter() - began) / done * 1e6
    finally:
        if not keyed:
            await connection.execute(
                "create unique index redemption_order_once on voucher.redemption"
                " (voucher, device, order_id, code_key) where keyed"
            )


async def _careful(connection: Any, numbers: list[int], now_ms: int, seconds: float) -> float:
    """The careful path's statements around the same commit."""
    done, began = 0, time.perf_counter()
    draw = random.Random(11)
    order = random.randrange(2**40)
    marks = ", ".join(f"${number}" for number in range(1, 53))
    statement = await connection.prepare(f"select bench.commit_0({marks})")
    while time.perf_counter() - began < seconds:
        codes = sorted(code_of(number) for number in draw.sample(numbers, BATCH))
        order += 1
        async with connection.transaction():
            await connection.fetchval(store.SQL.lock_campaigns, codes)
            rows = await connection.fetch(store.SQL.lock_codes, codes)
            ids = [row["id"] for row in rows]
            await connection.fetch(
                store.SQL.read_orders, ids, ["m:80"] * len(ids), [f"c{order}"] * len(ids)
            )
            campaigns = [
                {"id": row["campaign"], "policy_revision": row["policy_revision"]}
                for row in {row["campaign"]: row for row in rows}.values()
            ]
            campaigns.sort(key=lambda row: row["id"])
            batches = _Batches(rows, campaigns, now_ms)
            batches._id += random.randrange(2**40) * 1024
            await statement.fetchval(*batches.columns())
        done += BATCH
    return (time.perf_counter() - began) / done * 1e6


async def main() -> None:
    """Prints the table for a million vouchers."""
    from benchmarks.fleet import fleet

    now_ms = 1_790_000_000_000
    async with fleet(1_000_000, now_ms, lambda done, of: None) as filled:
        for row in await run(filled, now_ms, seconds=3.0, rounds=5):
            print(f"| {row['part']} | {row['us']} | {row['share_of_whole']} | {row['what']} |")


if __name__ == "__main__":
    asyncio.run(main())
