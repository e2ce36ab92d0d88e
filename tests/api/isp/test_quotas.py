"""Quotas of all subscribers at once: kernel, rule and routes agree; jobs do everything once."""

import asyncio
import random
import sys
from functools import partial
from typing import Any

import msgspec
import pytest
from benchmarks.bench_evaluate import SQL, fill

from farebox.core.quota import NEVER_MS
from farebox.domain.quotas import MODES, Policy, Standing, Usage, window
from farebox.domain.quotas import evaluate as by_rule
from farebox.engine.evaluating import Evaluating
from farebox.engine.metering import BANDWIDTH, read
from farebox.storage.joining import JoiningPool, joined
from farebox.storage.pool import open_pool
from tests.api.isp.conftest import Provider
from tests.core.test_quota import BASE, INSTANTS, MONTHS, VECTORS
from tests.servers import Databases

ROUTE = "/isp/admin/fup"
NUMBERS = ("data", "uploadDownload", "always")
TABLE = [at * 1000 for at in MONTHS]


async def ask(provider: Provider, path: str, body: Any = None, **more: Any) -> Any:
    """What a route answers to an operator."""
    method = "GET" if body is None else "POST"
    sent = {} if body is None else {"json": body}
    answer = await provider.call(method, f"{ROUTE}/{path}", cred="t-root", **sent, **more)
    assert 200 == answer.status_code, answer.text
    return answer.json()["data"]


def columns(rows: list[dict[str, int]]) -> dict[str, list[int | None]]:
    """Rows as the route takes them."""
    return {
        name: [None if row[name] == NEVER_MS else row[name] for row in rows] for name in rows[0]
    }


def test_the_route_knows_the_vectors(provider: Provider, loop: asyncio.Runner) -> None:
    """5.3, one call a vector, because each has its own time."""
    names = ("active", "used", "effective", "remaining", "flags", "carried", "period_end")

    async def play() -> None:
        for change, now, *expected, end in VECTORS.values():
            row = {
                key: value * 1000 if key in INSTANTS else value
                for key, value in {**BASE, **change}.items()
            }
            common = {"now": now * 1000, "offsets": [0, len(TABLE)], "boundaries": TABLE}
            told = await ask(provider, "quota", {**common, **columns([row])})
            wanted = [*expected[:3], None if expected[3] < 0 else expected[3], *expected[4:]]
            assert [*wanted, end * 1000] == [told[name][0] for name in names]

    loop.run(play())


def random_row(source: random.Random, now_ms: int) -> dict[str, int]:
    """A row whose window is one of its table, or a cycle, or open."""
    mode, kind = source.choice((0, 1, 2)), source.choice(("calendar", "billing", "open"))
    at = source.randrange(len(TABLE) - 2)
    start_ms, end_ms = (TABLE[at], TABLE[at + 1]) if kind == "calendar" else (TABLE[at], NEVER_MS)
    bill = (0, 0)
    if kind == "billing" and mode != 2:
        end_ms = start_ms + source.randrange(1, 10**9)
        bill = source.choice(((start_ms, end_ms + 5), (now_ms - 9, now_ms + source.randrange(9))))
    is_calendar = kind == "calendar" and mode != 2
    return {
        "mode": mode,
        "flags": source.randrange(16) + 16 * (bill != (0, 0)),
        "limit": 0 if mode == 2 else source.randrange(1, 40),
        "topup": source.randrange(-20, 20),
        **{name: source.randrange(30) for name in ("carried", "up", "down")},
        "period_start": start_ms, "period_end": end_ms, "cal": 0 if is_calendar else -1,
        "t1": 11, "t2": 12, "applied": source.choice((0, 11, 12)),
        "bill_start": bill[0], "bill_end": bill[1],
        "expires": source.choice((NEVER_MS, now_ms - 5, now_ms + 5)),
    }  # fmt: skip


def in_words(row: dict[str, int], now_ms: int) -> tuple[Any, ...]:
    """The rule for one row, in the order of the route's columns."""
    flags = row["flags"]
    policy = Policy(
        mode=NUMBERS[row["mode"]], first=row["t1"], second=row["t2"], limit=row["limit"],
        every="monthly", excludes_upload=bool(flags & 1), carries=bool(flags & 2),
    )  # fmt: skip
    usage = Usage(
        start_ms=row["period_start"], end_ms=row["period_end"], upload=row["up"],
        download=row["down"], topup=row["topup"], carried=row["carried"],
    )  # fmt: skip
    standing = Standing(
        is_active=bool(flags & 4), is_online=bool(flags & 8), expires_ms=row["expires"],
        applied=row["applied"],
    )  # fmt: skip
    span: Any = partial(window, policy, "Asia/Kolkata") if row["cal"] == 0 else None
    bill = (row["bill_start"], row["bill_end"]) if flags & 16 else None
    told = by_rule(policy, usage, standing, now_ms, span, bill)
    is_free = policy.mode == "always"
    bits = (
        told.is_over, told.is_rolled, told.is_switch, told.level >= 1, told.level == 2, is_free,
        told.is_stale,
    )  # fmt: skip
    return (
        told.active, told.used, told.effective, told.remaining, told.usage.start_ms,
        None if told.usage.end_ms == NEVER_MS else told.usage.end_ms, told.usage.carried,
        sum(1 << bit for bit, is_set in enumerate(bits) if is_set),
    )  # fmt: skip


def test_route_and_rule_agree(
    provider: Provider, loop: asyncio.Runner, random_source: random.Random
) -> None:
    """Any rows: columns by the kernel, one by one by the rule."""
    now_ms = 1795321800_000
    assert ("always", "data", "uploadDownload") == MODES
    rows = [random_row(random_source, now_ms) for _ in range(2000)]
    expected = [in_words(row, now_ms) for row in rows]

    async def play() -> None:
        common = {"now": now_ms, "offsets": [0, len(TABLE)], "boundaries": TABLE}
        told = await ask(provider, "quota", {**common, **columns(rows)})
        counts = told.pop("counts")
        assert expected == [*zip(*told.values(), strict=True)]
        assert sum(row[-1] & 1 for row in expected) == counts["over"]

    loop.run(play())


WRONG: tuple[tuple[Any, str], ...] = (
    (b"{}", "invalid_argument"),
    (b"{", "malformed_body"),
    ({"mode": [300]}, "invalid_argument"),
    ({"mode": [0, 0]}, "invalid_argument"),
    ({"up": [1 << 70]}, "invalid_argument"),
    ({"thresholds": [90, 80]}, "invalid_argument"),
    ({"offsets": []}, "invalid_argument"),
    ({"boundaries": ["x"]}, "invalid_argument"),
    ({"bill_start": [1]}, "invalid_argument"),
)


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_wrong_columns(provider: Provider, loop: asyncio.Runner, change: Any, reason: str) -> None:
    """What does not fit is refused, whatever it is."""
    whole = {**columns([BASE]), "now": 0, "cal": [-1]}
    body = change if isinstance(change, bytes) else msgspec.json.encode({**whole, **change})

    async def play() -> None:
        headers = {"Content-Type": "application/json"}
        answer = await provider.call(
            "POST", f"{ROUTE}/quota", cred="t-root", content=body, headers=headers
        )
        assert (400, reason) == (answer.status_code, answer.json()["error"])

    loop.run(play())


REFUSED: tuple[tuple[str, str, Any, int, str], ...] = (
    ("POST", "evaluate", {"now": 1795321800}, 400, "t-root"),
    ("POST", "evaluate", {"dryRun": True, "now": "noon"}, 400, "t-root"),
    ("POST", "evaluate", {"userIds": "x"}, 400, "t-root"),
    ("POST", "evaluate", {"accountId": "other"}, 403, "t-root"),
    ("POST", "evaluate", {}, 403, "t-test"),
    ("POST", "quota", {}, 403, "t-test"),
    ("GET", "users/999", None, 404, "t-root"),
    ("GET", "users/1", None, 403, "t-test"),
)


@pytest.mark.parametrize(("method", "path", "body", "status", "cred"), REFUSED)
def test_refused(
    provider: Provider, loop: asyncio.Runner, method: str, path: str, body: Any, status: int,
    cred: str,
) -> None:  # fmt: skip
    """Wrong arguments, other accounts, missing scopes."""

    async def play() -> None:
        sent = {} if body is None else {"json": body}
        answer = await provider.call(method, f"{ROUTE}/{path}", cred=cred, **sent)
        assert status == answer.status_code, answer.text

    loop.run(play())


async def written(connection: Any) -> list[Any]:
    """Everything that an evaluation may write."""
    return [
        [tuple(row.values()) for row in await connection.fetch(f"select * from {table} order by 1")]
        for table in ("isp.quota_state", "isp.switch", "farebox.outbox")
    ]


def test_evaluating_the_fixture(provider: Provider, loop: asyncio.Runner) -> None:
    """A dry run writes nothing and says what the job then does; the job does it once."""

    async def play() -> None:
        async with provider.fresh() as connection:
            await connection.execute("update isp.usage_day set download = download + 104857600")
            before = await written(connection)
            asked = {"accountId": "test", "dryRun": True}
            foreseen = await ask(provider, "evaluate", asked)
            assert before == await written(connection)
            done = await ask(provider, "evaluate", {"accountId": "test"})
            assert foreseen == done
            assert [(1, 11, 12, "over_quota")] == [
                (one["userId"], one["from"], one["to"], one["reason"]) for one in done["changes"]
            ]
            kinds = "select payload from farebox.outbox where kind = 'isp.switch'"
            job = {"subscriber": 1, "kind": "bandwidth"}
            assert [job] == [row["payload"] for row in await connection.fetch(kinds)]
            after = await written(connection)
            again = await ask(provider, "evaluate", {"accountId": "test", "userIds": [1, 999]})
            assert (1, 0, 1, 0) == tuple(
                again[name] for name in ("evaluated", "switched", "over", "rolled")
            )
            assert after == await written(connection)
            shown = await ask(provider, "users/1")
            assert ["OVER", "SWITCH", "LEVEL_LOW", "LEVEL_HIGH"] == shown["result"]["flags"]
            assert (11, 12) == (shown["state"]["applied"], shown["result"]["active"])

    loop.run(play())


CROWD = 400


async def crowd(databases: Databases, clock: int, play: Any) -> None:
    """Plays on a database with a crowd: 4 above their quota, 8 whose window has ended."""
    dsn = databases.create()
    pool = await open_pool(dsn, max_size=6)
    try:
        start_ms = await fill(pool, CROWD, clock)
        await play(dsn, pool, start_ms)
    finally:
        await pool.close()
        databases.drop(dsn)


async def left(pool: Any, start_ms: int) -> dict[str, int]:
    """What jobs have left; every window is written at most once more."""
    return dict(await pool.fetchrow(SQL.figures, start_ms))


JOB = """
import asyncio, sys
from farebox.engine.evaluating import Evaluating
from farebox.storage.pool import open_pool
async def main():
    pool = await open_pool(sys.argv[1], max_size=2)
    stretch, halved_min = map(int, sys.argv[3:])
    job = Evaluating(pool, lambda: int(sys.argv[2]), stretch=stretch, halved_min=halved_min)
    told = await job.run("crowd")
    sys.stdout.write(f"{told.evaluated} {told.switched}")
asyncio.run(main())
"""


async def worker(
    dsn: str, now_ms: int, stretch: int, halved_min: int = CROWD + 1
) -> asyncio.subprocess.Process:
    """The job as a process of its own."""
    sizes = map(str, (now_ms, stretch, halved_min))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", JOB, dsn, *sizes, stdout=asyncio.subprocess.PIPE
    )


async def until_waiting(pool: Any) -> None:
    """Until somebody waits for a lock of this database."""
    waiting = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(60):
        while not await pool.fetchval(waiting):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


def test_jobs_beside_each_other(databases: Databases, loop: asyncio.Runner) -> None:
    """One dies before its commit, a process is killed halfway, two others go on: all of it once."""
    now_ms = 1795321800_000

    async def play(dsn: str, pool: Any, start_ms: int) -> None:
        before = await left(pool, start_ms)
        foreseen = [
            await Evaluating(pool, lambda: now_ms, halved_min=least).run("crowd", dry_run=True)
            for least in (CROWD + 1, 1)
        ]
        for dry in foreseen:
            dry.changes.sort(key=lambda change: change.subscriber)
        assert foreseen[0] == foreseen[1]
        assert (CROWD, 8, 4) == tuple(
            getattr(foreseen[1], name) for name in ("evaluated", "rolled", "switched")
        )
        async with pool.acquire() as connection:
            await connection.transaction().start()
            with joined(connection):
                told = await Evaluating(JoiningPool(pool), lambda: now_ms).run("crowd")
            assert (8, 4) == (told.rolled, told.switched)
            # As a process that is killed leaves it.
            connection.terminate()
        assert before == await left(pool, start_ms)

        concerned = await pool.fetch(SQL.numbers)
        async with pool.acquire() as connection, connection.transaction():
            # Whoever is above his quota second is locked: the job stops halfway.
            await connection.execute(SQL.lock, concerned[100]["id"])
            killed = await worker(dsn, now_ms, 3)
            await until_waiting(pool)
            killed.kill()
            await killed.wait()
        done = await pool.fetchval("select count(*) from isp.switch")
        assert 1 <= done < 4
        # One of them reads everybody at once, the other in halves.
        jobs = [await worker(dsn, now_ms, *sizes) for sizes in ((2,), (5, 1))]
        ends = [(await job.communicate())[0].split() for job in jobs]
        assert [CROWD, CROWD] == [int(end[0]) for end in ends]
        assert 4 - done == sum(int(end[1]) for end in ends)
        after = await left(pool, start_ms)
        assert {"switches": 4, "jobs": 4, "present": CROWD} == {
            name: after[name] for name in ("switches", "jobs", "present")
        }
        assert 8 == after["versions"] - before["versions"]
        again = await Evaluating(pool, lambda: now_ms).run("crowd")
        assert (CROWD, 0, 4, 0) == (again.evaluated, again.rolled, again.over, again.switched)
        assert after == await left(pool, start_ms)
        numbers = [row["id"] for row in await pool.fetch(SQL.numbers)]
        meters = await read(pool, numbers, now_ms, BANDWIDTH)
        assert 4 == sum(meter.verdict.is_over for meter in meters.values())

    loop.run(crowd(databases, now_ms, play))
