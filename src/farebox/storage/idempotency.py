"""Answers kept for requests that carried an Idempotency-Key, for 24 hours.

A key is claimed inside the request's own transaction: a twin waits until that ends, and then finds
the answer, or nothing when it failed. Which requests keep answers is the caller's to say.
"""

from typing import Final

import asyncpg
import msgspec

from farebox.domain.errors import ConflictError
from farebox.storage.pool import Connection, Pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
KEPT_MS: Final = 86_400_000


class Kept(msgspec.Struct, frozen=True):
    """A stored answer and the hash of the request that got it."""

    request_hash: bytes
    status: int
    headers: dict[str, str]
    body: bytes


async def claim(
    connection: Connection, owner: str, key: str, request_hash: bytes, now_ms: int
) -> Kept | None:
    """None when the key is now this request's; else the answer of the earlier one.

    ConflictError `locked` when a twin has not ended within five seconds.
    """
    await connection.execute(SQL.be_patient)
    try:
        claimed = await connection.fetchval(SQL.claim, owner, key, request_hash, now_ms, KEPT_MS)
    except asyncpg.LockNotAvailableError:
        raise ConflictError("The same request is still being worked on", "locked") from None
    await connection.execute(SQL.be_brief)
    if claimed:
        return None
    return Kept(**await connection.fetchrow(SQL.recall, owner, key))


async def find(connection: Connection | Pool, owner: str, key: str, now_ms: int) -> Kept | None:
    """The answer that a committed request has kept."""
    row = await connection.fetchrow(SQL.find, owner, key, now_ms, KEPT_MS)
    return None if row is None else Kept(**row)


async def keep(connection: Connection, owner: str, key: str, kept: Kept) -> None:
    """Stores the answer under the claimed key."""
    await connection.execute(SQL.keep, owner, key, kept.status, kept.headers, kept.body)


async def drop(connection: Connection | Pool, owner: str, key: str) -> None:
    """Gives the claimed key back."""
    await connection.execute(SQL.drop, owner, key)
