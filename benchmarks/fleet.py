"""A server of our own with a fleet of vouchers in it, filled the same way every time.

The embedded PostgreSQL runs with its product defaults (fsync and synchronous_commit on) in a
temporary folder that is removed afterwards. Codes follow from their number; no list is kept.
"""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from farebox.demo import load_fixture
from farebox.domain.windows import window_end
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.migrate import migrate
from farebox.storage.pool import Pool, open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
CHUNK = 50_000


class Fleet(msgspec.Struct, frozen=True):
    """A filled database: where it is, which campaigns it has, how many vouchers."""

    dsn: str
    data_dir: Path
    campaigns: tuple[int, ...]
    vouchers: int
    server: dict[str, str]

    def campaign_of(self, number: int) -> int:
        """The campaign of voucher `number`."""
        return self.campaigns[number % len(self.campaigns)]


def code_of(number: int) -> str:
    """The code of voucher `number`, as the filling statement computes it."""
    return f"BENCH-{number * 2654435761 % 4294967296:010X}"


@contextlib.asynccontextmanager
async def fleet(
    vouchers: int, now_ms: int, progress: Callable[[int, int], None]
) -> AsyncIterator[Fleet]:
    """A running server with `vouchers` vouchers; `progress(done, of)` is told after each chunk."""
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        # PostgreSQL may have to run as another user than the one who made the folder.
        os.chmod(folder, 0o711)  # noqa: PTH101
        data_dir = Path(folder) / "data"
        with EmbeddedServer(data_dir) as server:
            await migrate(server.dsn)
            pool = await open_pool(server.dsn, max_size=2, statement_timeout_ms=600_000)
            try:
                await load_fixture(pool, now_ms)
                await _fill(pool, vouchers, now_ms, progress)
                campaigns = tuple(row["id"] for row in await pool.fetch(SQL.campaigns))
                about = dict((await pool.fetchrow(SQL.server)).items())
            finally:
                await pool.close()
            yield Fleet(server.dsn, data_dir, campaigns, vouchers, about)


async def counted(dsn: str) -> tuple[int, int]:
    """Redemptions according to the vouchers, and according to the redemption rows."""
    pool = await open_pool(dsn, max_size=1, statement_timeout_ms=600_000)
    try:
        row = await pool.fetchrow(SQL.counted)
        return row["counted"], row["recorded"]
    finally:
        await pool.close()


async def _fill(
    pool: Pool, vouchers: int, now_ms: int, progress: Callable[[int, int], None]
) -> None:
    ends_ms = window_end("month", "Europe/Amsterdam", now_ms)
    await pool.execute(SQL.insert_campaigns, now_ms, ends_ms)
    for first in range(0, vouchers, CHUNK):
        end = min(first + CHUNK, vouchers)
        await pool.execute(SQL.insert_vouchers, first, end, now_ms, ends_ms)
        progress(end, vouchers)
    await pool.execute(SQL.settle)
