"""A server of our own with sales in it, in a temporary folder or in one that is kept.

The sales of a year, of 10 000 machines at 2 000 places in twelve zones, in order of time. Filling
is done without fsync; the server that is measured has the product's defaults. A kept folder is
filled once; `python -m benchmarks.sales 50000000 /var/tmp/sales` does it beforehand.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from farebox.demo import load_fixture
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.migrate import migrate
from farebox.storage.partitions import MONTHLY, make_ahead
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
MACHINES, PLACES = range(10_000, 20_000), range(10_001, 12_001)
GATEWAYS = 8
YEAR_MS = 365 * 86_400_000
_CHUNK = 250_000
# Until everything is there a crash may lose it.
_HASTY = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off",
    "wal_level": "minimal", "max_wal_senders": "0", "maintenance_work_mem": "1GB",
}  # fmt: skip

Say = Callable[[str], None]


class Site(msgspec.Struct, frozen=True):
    """A filled database: where it is, how many sales it has and when the last one was."""

    dsn: str
    data_dir: Path
    sales: int
    until_ms: int


@contextlib.asynccontextmanager
async def site(
    sales: int, now_ms: int, say: Say, *, folder: Path | None = None
) -> AsyncIterator[Site]:
    """A running server with so many sales, until now; those of a kept folder ended earlier."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            named = stack.enter_context(tempfile.TemporaryDirectory(prefix="farebox-bench-"))
            folder = Path(named)
        folder.mkdir(exist_ok=True)
        # PostgreSQL may have to run as another user than the one who made the folder.
        os.chmod(folder, 0o711)  # noqa: PTH101
        data_dir = folder / "data"
        if not data_dir.exists():
            with EmbeddedServer(data_dir, durable=False, settings=_HASTY) as server:
                await _fill(server.dsn, sales, now_ms, say)
        server = stack.enter_context(EmbeddedServer(data_dir))
        await migrate(server.dsn)
        async with _connected(server.dsn) as pool:
            filled = await pool.fetchrow(SQL.filled)
            await pool.execute(SQL.add_gateways, GATEWAYS, now_ms)
        if filled is None or filled["sales"] != sales:
            raise RuntimeError(f"{folder} was not filled with {sales:,} sales; remove it")
        yield Site(server.dsn, data_dir, sales, filled["until_ms"])


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, max_size=1, statement_timeout_ms=3_600_000)
    try:
        yield pool
    finally:
        await pool.close()


async def _fill(dsn: str, sales: int, now_ms: int, say: Say) -> None:
    await migrate(dsn)
    months = [one for one in MONTHLY if one.table.endswith("revenuetransaction")]
    async with _connected(dsn) as pool:
        await load_fixture(pool, now_ms)
        await pool.execute(SQL.set_aside)
        await make_ahead(pool, now_ms - YEAR_MS, ahead=15, tables=months)
        await pool.execute(SQL.add_places)
        for first in range(0, sales, _CHUNK):
            await pool.execute(SQL.add_sales, first, min(first + _CHUNK, sales), sales, now_ms)
            say(f"sales: {first:,} of {sales:,} filled")
        say("sales: making the indexes")
        await pool.execute(SQL.put_back)
        await pool.execute(SQL.settle)
        await pool.execute(SQL.finish, sales, now_ms)


async def _main(sales: int, folder: Path) -> None:
    async with site(sales, time.time_ns() // 1_000_000, print, folder=folder) as made:
        print(f"{made.sales:,} sales in {folder}")


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
