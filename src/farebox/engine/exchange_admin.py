"""What only admins of the hosted PBX do beside the records themselves (pbx.md 3.11).

The last enabled admin stays; a tenant goes with everything of its own, but its call records and
audit stay stored and its code is never given again.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.engine.passwords import PASSWORD_CHARS_MAX, Passwords
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Admin:
    """Upkeep of users and tenants, and the audit log."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def hold_admins(self, connection: Connection) -> None:
        """Lets one transaction at a time change who is an admin."""
        await connection.execute(SQL.hold_admins)

    async def require_admin(self, connection: Connection) -> None:
        """ConflictError where nobody would be left to administer."""
        if not await connection.fetchval(SQL.has_admin):
            raise ConflictError("This is the last admin", "in_use")

    async def remove_tenant(self, connection: Connection, tenant: int) -> None:
        """Removes a tenant with everything that belongs to it."""
        for statement in (
            SQL.remove_destinations,
            SQL.remove_phones,
            SQL.remove_dids,
            SQL.remove_hunts,
            SQL.remove_extensions,
            SQL.remove_voicemails,
            SQL.remove_conditions,
            SQL.remove_ivrs,
            SQL.remove_customs,
            SQL.remove_tenant,
        ):
            await connection.execute(statement, tenant)

    async def set_tenants(
        self, connection: Connection, person: int, tenants: Sequence[int]
    ) -> tuple[list[str], list[str]]:
        """Lets a user see exactly these tenants: the codes of those before, and of these."""
        before = await connection.fetchval(SQL.codes, person)
        wanted = sorted(set(tenants))
        if len(wanted) != await connection.fetchval(SQL.count_tenants, wanted):
            raise NotFoundError("There is no such tenant")
        await connection.execute(SQL.remove_members, person, wanted)
        await connection.execute(SQL.add_members, person, wanted)
        return before, await connection.fetchval(SQL.codes, person)

    async def audit(self, after: int, limit: int, tenant: int | None) -> list[Any]:
        """Entries of the audit log after one of them."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.audit, after, limit, tenant))


async def bootstrap(
    pool: Pool, now_ms: int, username: str, password: str, password_chars_min: int
) -> int:
    """An admin made at the command line: its id. InvalidError, or ConflictError for a name."""
    if not re.fullmatch(r"[^:\x00-\x1f\x7f]{1,64}", username):
        raise InvalidError("a name has 1 to 64 characters, no colon among them")
    if not password_chars_min <= len(password) <= PASSWORD_CHARS_MAX:
        raise InvalidError(
            f"a password has {password_chars_min} to {PASSWORD_CHARS_MAX} characters"
        )
    passwords = Passwords(threads=1)
    try:
        hashed = await passwords.hash(password)
    finally:
        passwords.close()
    async with storage_errors():
        made: int | None = await pool.fetchval(SQL.add_admin, username, hashed, now_ms)
    if made is None:
        raise ConflictError(f"there is a user {username} already", "user_exists")
    return made
