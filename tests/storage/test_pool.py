"""Connections, transactions and the errors that say "not now"."""

import asyncio

import asyncpg
import pytest

from farebox.domain.errors import UnavailableError
from farebox.storage.pool import Pool, open_pool, storage_errors, transaction


async def run(pool: Pool, *statements: str) -> None:
    """Execute statements in one transaction."""
    async with transaction(pool) as connection:
        for statement in statements:
            await connection.execute(statement)


async def test_json_comes_back_as_plain_values(pool: Pool) -> None:
    """A jsonb column takes and gives dictionaries, lists, numbers and text."""
    value = {"a": [1, 2.5, "ü"], "b": None, "c": {"d": True}}
    assert value == await pool.fetchval("select $1::jsonb", value)
    assert await pool.fetchval("select jsonb_typeof($1::jsonb)", value) == "object"


async def test_a_transaction_commits_or_leaves_nothing(pool: Pool) -> None:
    """A block that ends normally commits; one that raises leaves nothing behind."""
    await pool.execute("create table trial (n int)")
    async with transaction(pool) as connection:
        await connection.execute("insert into trial values (1)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await run(pool, "insert into trial values (2)", "select 1 / 0")
    assert [row["n"] for row in await pool.fetch("select n from trial")] == [1]


async def test_a_lock_that_is_not_given_is_busy(pool: Pool) -> None:
    """Waiting longer than lock_timeout ends as UnavailableError with the code busy."""
    async with transaction(pool) as holder:
        await holder.execute("select pg_advisory_xact_lock(77, 1)")
        with pytest.raises(UnavailableError) as refused:
            await run(pool, "set local lock_timeout = 10", "select pg_advisory_xact_lock(77, 1)")
    assert refused.value.code == "busy"


async def test_a_statement_that_takes_too_long_is_busy(database: str) -> None:
    """The statement timeout of the pool ends a statement as UnavailableError."""
    pool = await open_pool(database, statement_timeout_ms=20)
    with pytest.raises(UnavailableError) as refused:
        await run(pool, "select pg_sleep(5)")
    await pool.close()
    assert refused.value.code == "busy"


async def test_a_cut_connection_is_unavailable(pool: Pool) -> None:
    """A backend that ends in the middle of a transaction is storage_unavailable."""
    with pytest.raises(UnavailableError) as refused:
        await run(pool, "select pg_terminate_backend(pg_backend_pid())")
    assert refused.value.code == "storage_unavailable"


async def test_a_connection_that_is_cut_while_it_rests_is_unavailable(pool: Pool) -> None:
    """Whoever holds a connection that was lost meanwhile hears storage_unavailable."""

    async def rest() -> None:
        async with storage_errors(), pool.acquire() as connection:
            backend = await connection.fetchval("select pg_backend_pid()")
            await pool.execute("select pg_terminate_backend($1, 5000)", backend)
            while True:
                await asyncio.sleep(0.01)
                await connection.fetchval("select 1")

    with pytest.raises(UnavailableError) as refused:
        await rest()
    assert refused.value.code == "storage_unavailable"


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Opening a pool without a server is storage_unavailable."""
    with pytest.raises(UnavailableError) as refused:
        await open_pool("postgresql://farebox@/farebox?host=/nowhere")
    assert refused.value.code == "storage_unavailable"


async def test_a_closed_pool_is_unavailable(pool: Pool) -> None:
    """A request that comes during shutdown is told so."""
    await pool.close()
    with pytest.raises(UnavailableError):
        await run(pool, "select 1")


@pytest.mark.parametrize("arguments", [(), (1, 2), ("one",), (1 << 40,)])
async def test_wrong_arguments_stay_defects(pool: Pool, arguments: tuple[object, ...]) -> None:
    """A statement called with the wrong arguments is never taken for an unavailable server."""
    with pytest.raises((asyncpg.InterfaceError, asyncpg.DataError)):
        async with transaction(pool) as connection:
            await connection.fetchval("select $1::int", *arguments)
