"""What each part of the commit costs: the whole function, and the same with one part left out.

Batches of 64 different vouchers drawn at random, one connection, the real schema. A variant is the
migration's own text with one part taken away, so it stays what the product runs. Nothing here
checks answers; the suite does.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.baselines import REQUEST, RESPONSE
from benchmarks.fleet import Fleet, code_of
from farebox.storage import redemption as store

MIGRATION = Path(store.__file__).with_name("migrations") / "0164_flat_commit.sql"
CREATE = "create function voucher.commit_batch"
BATCH = 64
NEVER_MS = 2**63 - 1

Variant = tuple[str, str, Callable[[str], str], dict[str, bool]]


def _without(begin: str, end: str) -> Callable[[str], str]:
    def cut(text: str) -> str:
        first = text.index(begin)
        return text[:first] + text[text.index(end, first) :]

    return cut


VARIANTS: tuple[Variant, ...] = (
    ("whole", "everything", str, {}),
    (
        "no campaign locks",
        "no advisory lock and no comparison of policy revisions",
        _without("  -- An assignment needs no executor", "  if held is not null"),
        {},
    ),
    (
        "no version compare",
        "the update takes every voucher as it is",
        lambda text: text.replace(" and v.version = states[i + 2];", ";"),
        {},
    ),
    ("no order keys", "no unique index over orders", str, {"keys": False}),
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
        # Every run draws its ids from another stretch below those of the product.
        self._id = -(2**61) + random.randrange(2**40) * 1024
        self._rows = rows
        self._campaigns = store.Rows()
        for row in campaigns:
            self._campaigns.add((row["id"], row["policy_revision"]))
        self._versions = {row["id"]: row["version"] for row in rows}
        self._counts = {row["id"]: row["count"] for row in rows}
        self._now_ms = now_ms
        self._random = random.Random(7)

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
        first = self._id = self._id + 2 * BATCH
        orders = [f"bench-{first + index}" for index in range(BATCH)]
        event_ids = list(range(first, first + BATCH))
        request, response = (REQUEST, RESPONSE) if answers else ("-", "-")
        told, seen, absent, states, redemptions = (store.Rows() for _ in range(5))
        if history or refuse:
            for number, voucher in zip(event_ids, ids, strict=True):
                told.add(
                    (number + BATCH, voucher, 2, 1, int(not refuse), self._now_ms),
                    ("m:80", "accepted", "EUR", request, response),
                )
        for row, number, order in zip(chosen, event_ids, orders, strict=True):
            voucher = row["id"]
            version = self._versions[voucher]
            if refuse:
                seen.add((voucher, version))
                absent.add((voucher,), ("m:80", order))
                continue
            self._versions[voucher] += 1
            count = self._counts[voucher] = self._counts[voucher] + 1
            states.add(
                (
                    voucher, version, version + 1, count, 100 * count, count, 100 * count,
                    row["period_end_ms"], 0, None, None, 1, None, self._now_ms, 2,
                ),
                (store.NULL, store.NULL),
            )  # fmt: skip
            redemptions.add(
                (number, voucher, 0, 100, 0, 2, self._now_ms),
                (row["code_key"], "m:80", order, "m:80", "EUR", request, response),
            )
        return [
            self._campaigns.column_of_numbers(), seen.column_of_numbers(), None, *absent.columns(),
            *states.columns(), self._now_ms, *redemptions.columns(), *told.columns(),
        ]  # fmt: skip


async def run(fleet: Fleet, now_ms: int, *, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Microseconds per redemption of every variant, the best of interleaved rounds.

    The best, because whatever else the machine does can only add to a commit.
    """
    connection = await asyncpg.connect(fleet.dsn, statement_cache_size=200)
    try:
        text = MIGRATION.read_text()
        text = text[text.index(CREATE) :]
        text = text[: text.index("end $$;") + len("end $$;")]
        await connection.execute("create schema if not exists bench")
        for index, (_, _, edit, _) in enumerate(VARIANTS):
            name = f"create function bench.commit_{index}"
            await connection.execute(edit(text).replace(CREATE, name))
        numbers = random.Random(1).sample(range(fleet.vouchers), min(fleet.vouchers, 50_000))
        campaigns = await connection.fetch(
            "select id, policy_revision from voucher.campaign where id = any($1) order by id",
            list(fleet.campaigns),
        )
        times: dict[str, list[float]] = {name: [] for name, *_ in VARIANTS}
        times["tier 2"] = []
        for _ in range(rounds):
            for index, (name, _, _, options) in enumerate(VARIANTS):
                rows = await connection.fetch(
                    "select id, code_key, version, count, period_end_ms from voucher.voucher"
                    " where code_key = any($1)",
                    [code_of(number) for number in numbers],
                )
                batches = _Batches(rows, campaigns, now_ms)
                times[name].append(await _measure(connection, index, batches, options, seconds))
            times["tier 2"].append(await _careful(connection, numbers, now_ms, seconds))
    finally:
        await connection.close()
    whole = min(times["whole"])
    about = {name: what for name, what, *_ in VARIANTS} | {
        "tier 2": "locks by code, orders read under them, the same commit, four round trips"
    }
    return [
        {
            "part": name,
            "what": about[name],
            "us": round(min(measured), 1),
            "share_of_whole": round(min(measured) / whole, 2),
        }
        for name, measured in times.items()
    ]


def _call(index: int) -> str:
    return store.SQL.commit_batch.replace("voucher.commit_batch(", f"bench.commit_{index}(")


async def _measure(
    connection: Any, index: int, batches: _Batches, options: dict[str, bool], seconds: float
) -> float:
    statement = await connection.prepare(_call(index))
    keyed = options.get("keys", True)
    if not keyed:
        await connection.execute("drop index voucher.redemption_order_once")
    try:
        done, spent_s, ends = 0, 0.0, time.perf_counter() + seconds
        while time.perf_counter() < ends:
            columns = batches.columns(**options)
            sent = time.perf_counter()
            await statement.fetchval(*columns)
            spent_s += time.perf_counter() - sent
            done += BATCH
        return spent_s / done * 1e6
    finally:
        if not keyed:
            await connection.execute(
                "create unique index redemption_order_once on voucher.redemption"
                " (voucher, device, order_id, code_key) where keyed"
            )


async def _careful(connection: Any, numbers: list[int], now_ms: int, seconds: float) -> float:
    """The careful path's statements around the same commit."""
    done, spent_s, ends = 0, 0.0, time.perf_counter() + seconds
    draw = random.Random(11)
    order = random.randrange(2**40)
    statement = await connection.prepare(_call(0))
    while time.perf_counter() < ends:
        codes = sorted(code_of(number) for number in draw.sample(numbers, BATCH))
        order += 1
        sent = time.perf_counter()
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
            await statement.fetchval(*batches.columns())
        spent_s += time.perf_counter() - sent
        done += BATCH
    return spent_s / done * 1e6


async def main() -> None:
    """Prints the table for a million vouchers."""
    from benchmarks.fleet import fleet

    now_ms = 1_790_000_000_000
    async with fleet(
        int(os.environ.get("VOUCHERS", "1000000")), now_ms, lambda _done, _of: None
    ) as filled:
        for row in await run(
            filled, now_ms, seconds=float(os.environ.get("SECONDS_EACH", "1")), rounds=7
        ):
            print(f"| {row['part']} | {row['us']} | {row['share_of_whole']} | {row['what']} |")


if __name__ == "__main__":
    asyncio.run(main())
