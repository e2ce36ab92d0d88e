"""Reads and writes users, their tokens and the keys of devices; decides nothing.

Also listens for what other processes changed about them. A lost listener is opened again and says
so, because what happened meanwhile was not heard.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Where changes of people, groups and keys are announced, and those of machines and places.
ACCESS_CHANNEL = "farebox_access"
PLACES_CHANNEL = "farebox_places"

Row = Any
# A pool or one of its connections: single statements run on either.
Door = Any


async def user_by_login(pool: Pool, login: str) -> Row:
    """The user who signs in as this text, or None."""
    async with storage_errors():
        return await pool.fetchrow(SQL.user_by_login, login)


async def user_by_id(pool: Pool, user: int) -> Row:
    """One user with language and group, or None."""
    async with storage_errors():
        return await pool.fetchrow(SQL.user_by_id, user)


async def user_state(pool: Pool, user: int, family: UUID) -> Row:
    """What a user's token stands on, or None when the user is gone."""
    async with storage_errors():
        return await pool.fetchrow(SQL.user_state, user, family)


async def device_state(pool: Pool, key: int) -> Row:
    """What a device's token stands on, or None when its key is no longer valid."""
    async with storage_errors():
        return await pool.fetchrow(SQL.device_state, key)


async def device_by_key(pool: Pool, hostname: str, sha256: bytes) -> Row:
    """The device that this hostname and key prove, or None."""
    async with storage_errors():
        return await pool.fetchrow(SQL.device_by_key, hostname, sha256)


async def note_key_use(pool: Pool, key: int, now_ms: int) -> None:
    """Remembers that a key was used."""
    async with storage_errors():
        await pool.execute(SQL.note_key_use, key, now_ms)


async def open_family(
    door: Door, family: UUID, user: int, jti: UUID, now_ms: int, *, ends_at_ms: int, family_ms: int
) -> None:
    """Starts a token family whose first refresh token ends at `ends_at_ms`."""
    async with storage_errors():
        await door.execute(SQL.open_family, family, user, jti, now_ms, ends_at_ms, family_ms)


async def rotate_refresh(
    pool: Pool, asked: UUID, fresh: UUID, now_ms: int, *, life_ms: int, grace_ms: int
) -> Row:
    """Exchanges a refresh token; the outcome says whether it was possible."""
    async with storage_errors():
        return await pool.fetchrow(SQL.rotate_refresh, asked, fresh, now_ms, life_ms, grace_ms)


async def token_bearer(pool: Pool, sha256: bytes, purpose: str, now_ms: int) -> int | None:
    """The user whom an unused mailed token names, or None."""
    async with storage_errors():
        user: int | None = await pool.fetchval(SQL.token_bearer, sha256, purpose, now_ms)
        return user


async def spend_token(
    connection: Connection,
    sha256: bytes,
    purpose: str,
    now_ms: int,
    password_hash: str,
    password_expires_ms: int | None,
) -> int | None:
    """Sets a password by a mailed token; None when somebody else has used it up."""
    user: int | None = await connection.fetchval(
        SQL.spend_token, sha256, purpose, now_ms, password_hash, password_expires_ms
    )
    return user


async def user_to_mail(connection: Connection, username: str | None, email: str | None) -> Row:
    """The enabled user whom all given names match, or None."""
    return await connection.fetchrow(SQL.user_to_mail, username, email)


async def replace_token(
    connection: Connection, user: int, purpose: str, now_ms: int, sha256: bytes, expires_ms: int
) -> None:
    """Stores a token to be mailed in place of those mailed before."""
    await connection.execute(SQL.retire_tokens, user, purpose, now_ms)
    await connection.execute(SQL.add_token, sha256, user, purpose, expires_ms)


async def replace_hash(pool: Pool, user: int, former: str, latter: str) -> None:
    """Stores a stronger hash of the same password."""
    async with storage_errors():
        await pool.execute(SQL.replace_hash, user, former, latter)


async def visible_machine(pool: Pool, machine: int, groups: frozenset[int]) -> str | None:
    """The hostname of a machine that these groups see, or None."""
    async with storage_errors():
        hostname: str | None = await pool.fetchval(SQL.visible_machine, machine, [*groups])
        return hostname


async def add_key(pool: Pool, machine: int, sha256: bytes, now_ms: int) -> None:
    """Gives a machine a new key; the former ones end."""
    async with storage_errors():
        await pool.execute(SQL.add_key, machine, sha256, now_ms)


async def revoke_keys(pool: Pool, machine: int, now_ms: int) -> None:
    """Ends all keys of a machine."""
    async with storage_errors():
        await pool.execute(SQL.revoke_keys, machine, now_ms)


async def listen(
    dsn: str, heard: Mapping[str, Callable[[str], None]], *, retry_s: float = 1.0
) -> None:
    """Calls a channel's callback with every change until cancelled, with "" when reconnected."""
    while True:
        try:
            await _listen_once(dsn, heard)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # Whoever relies on this re-reads what it holds every few seconds anyway.
            pass
        await asyncio.sleep(retry_s)


async def _listen_once(dsn: str, heard: Mapping[str, Callable[[str], None]]) -> None:
    connection = await asyncpg.connect(
        dsn, timeout=5, server_settings={"application_name": "farebox access"}
    )
    lost = asyncio.Event()
    try:
        connection.add_termination_listener(lambda _: lost.set())
        for channel in heard:
            await connection.add_listener(channel, lambda *change: heard[change[2]](change[3]))
        for callback in heard.values():
            callback("")
        await lost.wait()
    finally:
        connection.terminate()
