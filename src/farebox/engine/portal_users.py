"""Who may call for the IPTV portal: billing systems and admins, by name and password (iptv.md 1).

A user's row is read on every request, so what anybody changes binds at once on every server.
"""

import re

import msgspec

from farebox.domain.errors import ConflictError, InvalidError
from farebox.engine.attempts import Restraint
from farebox.engine.doorkeeping import Doorkeeper, basic
from farebox.engine.passwords import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Passwords
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class PortalUser(msgspec.Struct, frozen=True):
    """A user who was let in."""

    login: str
    is_admin: bool


class PortalUsers:
    """Lets users in."""

    def __init__(self, pool: Pool, restraint: Restraint, passwords: Passwords) -> None:
        self._pool = pool
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


async def bootstrap(pool: Pool, now_ms: int, login: str, password: str, role: str) -> None:
    """Makes a user at the command line. InvalidError, or ConflictError for a name that is there."""
    if not re.fullmatch(r"[^:\x00-\x1f\x7f]{1,64}", login):
        raise InvalidError("a name has 1 to 64 characters, no colon among them")
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise InvalidError(
            f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
        )
    passwords = Passwords(threads=1)
    try:
        hashed = await passwords.hash(password)
    finally:
        passwords.close()
    async with storage_errors():
        made = await pool.fetchval(SQL.add, login, hashed, role, now_ms)
    if made is None:
        raise ConflictError(f"there is a user {login} already", "user_exists")
