"""Figures of a whole account have the time they need."""

from farebox.engine.subscribers import thoroughly
from farebox.storage.pool import Pool

NOW = "select current_setting('statement_timeout'), current_setting('plan_cache_mode')"


async def test_whole_accounts_take_their_time(pool: Pool) -> None:
    """Longer than other statements, in a way made for the account, and only there."""
    before = tuple(await pool.fetchrow(NOW))
    async with thoroughly(pool) as connection:
        assert ("10s", "force_custom_plan") == tuple(await connection.fetchrow(NOW))
    assert ("2s", "auto") == before == tuple(await pool.fetchrow(NOW))
