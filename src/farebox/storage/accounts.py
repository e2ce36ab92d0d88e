"""Rows of the first group, language and users; runs in the transaction of who calls."""

from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)


async def hold(connection: Connection) -> None:
    """Keeps other makers of accounts waiting until the transaction ends."""
    await connection.execute(SQL.hold_accounts)


async def find_group(connection: Connection, group: int | None, now_ms: int) -> int | None:
    """The given group if it can take members; without one, the root group, made when missing."""
    if group is not None:
        return group if await connection.fetchval(SQL.has_group, group) else None
    first: int | None = await connection.fetchval(SQL.first_group)
    if first is None:
        first = await connection.fetchval(SQL.make_root, now_ms)
    return first


async def find_language(connection: Connection, now_ms: int) -> int:
    """The first language, made when there is none."""
    first: int | None = await connection.fetchval(SQL.first_language)
    if first is not None:
        return first
    made: int = await connection.fetchval(SQL.make_language, now_ms)
    return made


async def add_user(
    connection: Connection,
    username: str,
    email: str,
    group: int,
    language: int,
    password_hash: str,
    now_ms: int,
) -> int | None:
    """The new user's id; None when the username or the address is taken."""
    added: int | None = await connection.fetchval(
        SQL.add_user, username, email, group, language, password_hash, now_ms
    )
    return added
