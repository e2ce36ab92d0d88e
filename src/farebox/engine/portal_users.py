"""Who may call for the IPTV portal: billing systems and admins, by name and password (iptv.md 1).

A user's row is read on every request, so what anybody changes binds at once on every server.
"""

import re
from typing import Any, Final

import msgspec

from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.engine.attempts import Restraint
from farebox.engine.doorkeeping import Doorkeeper, basic
from farebox.engine.passwords import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Passwords
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
ROLES: Final = ("api", "admin")


class PortalUser(msgspec.Struct, frozen=True):
    """A user who was let in."""

    login: str
    is_admin: bool


class PortalUsers:
    """Lets users in, and keeps them; the last admin stays."""

    def __init__(self, pool: Pool, restraint: Restraint, passwords: Passwords) -> None:
        self._pool = pool
        self._passwords = passwords
        self._door = Doorkeeper(restraint, passwords)

    async def check(self, header: str | None, client: str) -> PortalUser:
        """The user behind an Authorization header; UnauthorizedError, one for all causes."""
        login, password = basic(header)
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.find, login)

        async def strengthen(old: str, new: str) -> None:
            await self._pool.execute(SQL.replace_hash, login, old, new)

        stored = row["password_hash"] if row else None
        await self._door.prove(login, password, client, stored, strengthen)
        return PortalUser(row["login"], row["role"] == "admin")

    async def read(self, login: str) -> Any:
        """A user. NotFoundError."""
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.find, login)
        if row is None:
            raise NotFoundError("User not found")
        return row

    async def page(self, offset: int, limit: int) -> tuple[list[Any], int]:
        """Some users by name, and how many there are."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.page, offset, limit)
            return list(rows), await self._pool.fetchval(SQL.count)

    async def hash(self, password: str) -> str:
        """What is stored of a password. InvalidError for one too short or too long."""
        _check_password(password)
        return await self._passwords.hash(password)

    async def add(
        self, connection: Connection, now_ms: int, login: str, hashed: str, role: str
    ) -> None:
        """Makes a user. InvalidError, ConflictError."""
        _check_login(login)
        if await connection.fetchval(SQL.add, login, hashed, role, now_ms) is None:
            raise ConflictError(f"There is a user {login} already", "user_exists")

    async def change(
        self, connection: Connection, login: str, hashed: str | None, role: str | None
    ) -> None:
        """Gives a user another password or role. NotFoundError, ConflictError."""
        await connection.execute(SQL.hold)
        if await connection.fetchval(SQL.change, login, hashed, role) is None:
            raise NotFoundError("User not found")
        await self._require_admin(connection)

    async def remove(self, connection: Connection, login: str) -> None:
        """Removes a user. NotFoundError, ConflictError."""
        await connection.execute(SQL.hold)
        if await connection.fetchval(SQL.remove, login) is None:
            raise NotFoundError("User not found")
        await self._require_admin(connection)

    async def _require_admin(self, connection: Connection) -> None:
        if not await connection.fetchval(SQL.has_admin):
            raise ConflictError("This is the last admin", "in_use")


def _check_login(login: str) -> None:
    if not re.fullmatch(r"[^:\x00-\x1f\x7f]{1,64}", login):
        raise InvalidError("a name has 1 to 64 characters, no colon among them")


def _check_password(password: str) -> None:
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise InvalidError(
            f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
        )


async def bootstrap(pool: Pool, now_ms: int, login: str, password: str, role: str) -> None:
    """Makes a user at the command line. InvalidError, or ConflictError for a name that is there."""
    _check_login(login)
    _check_password(password)
    passwords = Passwords(threads=1)
    try:
        hashed = await passwords.hash(password)
    finally:
        passwords.close()
    async with storage_errors():
        made = await pool.fetchval(SQL.add, login, hashed, role, now_ms)
    if made is None:
        raise ConflictError(f"there is a user {login} already", "user_exists")
