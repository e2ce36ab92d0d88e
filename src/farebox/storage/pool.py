"""Connections to PostgreSQL: the pool, transactions, and what a lost connection means.

Every connection carries the statement timeout, speaks UTC and turns jsonb into plain Python
values. Errors that say "not now" (locks, serialisation, time-outs, lost or refused connections)
leave as UnavailableError; every other database error is a defect, or a constraint that the caller
names itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg
import msgspec
from asyncpg import Connection as Connection
from asyncpg import Pool as Pool
from asyncpg import Record as Record

from farebox.domain.errors import UnavailableError

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

# Another transaction is in the way: the same call may succeed a moment later.
_BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
)
# The server is away, full or going away.
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # What the driver says when a connection is cut between two messages of one statement.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


async def open_pool(
    dsn: str, *, min_size: int = 1, max_size: int = 10, statement_timeout_ms: int = 2000
) -> Pool:
    """Open a pool; raises UnavailableError when PostgreSQL cannot be reached."""
    with_defaults = {
        "application_name": "farebox",
        "statement_timeout": str(statement_timeout_ms),
        "timezone": "UTC",
        # Otherwise a user's own schema comes first, and ours may be called like the user.
        "search_path": "public",
        "jit": "off",
    }
    async with storage_errors():
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            init=prepare,
            server_settings=with_defaults,
            max_inactive_connection_lifetime=0,
        )


async def prepare(connection: Connection) -> None:
    """Make a new connection turn json and jsonb into plain Python values and back."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=_encode_json, decoder=msgspec.json.decode, schema="pg_catalog"
        )


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@asynccontextmanager
async def transaction(
    pool: Pool, *, isolation: Isolation | None = None, readonly: bool = False
) -> AsyncIterator[Connection]:
    """Give a connection inside a transaction that commits when the block ends without an error."""
    async with (
        storage_errors(),
        pool.acquire() as connection,
        connection.transaction(isolation=isolation, readonly=readonly),
    ):
        yield connection


@asynccontextmanager
async def storage_errors() -> AsyncIterator[None]:
    """Let errors that say "not now" leave the block as UnavailableError."""
    try:
        yield
    except Exception as error:
        unavailable = as_unavailable(error)
        if unavailable is None:
            raise
        raise unavailable from error


def as_unavailable(error: BaseException) -> UnavailableError | None:
    """Spell an error that says "not now" as UnavailableError; None for every other error."""
    if isinstance(error, _BUSY):
        return UnavailableError("Another change is in the way; try again", "busy")
    if isinstance(error, _AWAY) or _is_closed(error):
        return UnavailableError("The database cannot be reached", "storage_unavailable")
    return None


def _is_closed(error: BaseException) -> bool:
    # The driver uses InterfaceError for wrong arguments too, and those are defects. A connection
    # that is lost while nobody uses it goes back to its pool under the hands of whoever has it.
    said = str(error)
    return isinstance(error, asyncpg.InterfaceError) and (
        "is clos" in said or "released back to the pool" in said
    )
