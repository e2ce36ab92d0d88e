"""Who may call for the hosted PBX: users with passwords, each of some tenants (pbx.md 1, 1.2).

A user's row is read on every request, so what anybody changes binds at once on every server. How
passwords are compared is the doorkeeper's.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine.attempts import Restraint
from farebox.engine.doorkeeping import Doorkeeper, basic
from farebox.engine.passwords import PASSWORD_CHARS_MAX, Passwords
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Operator(msgspec.Struct, frozen=True):
    """A user who was let in, and the address of the call."""

    id: int
    username: str
    is_admin: bool
    client: str


class Prepared(msgspec.Struct):
    """Hashes and comparisons made before a transaction, which need not wait for them then."""

    # Of each password as many as are to be written, so that no two users share one.
    hashes: dict[str, list[str]] = {}
    # Whether a stored hash is that of a password.
    compared: dict[tuple[str, str], bool] = {}


class Operators:
    """Lets users in, and changes their passwords."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        restraint: Restraint,
        passwords: Passwords,
        password_chars_min: int,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._door = Doorkeeper(restraint, passwords)
        self._passwords = passwords
        self._chars_min = password_chars_min

    async def check(self, header: str | None, client: str) -> Operator:
        """The user behind an Authorization header; UnauthorizedError, one for all causes."""
        username, password = basic(header)
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.find, username)
        is_known = row is not None and row["enabled"] == "yes"
        stored = row["password_hash"] if is_known else None

        async def strengthen(old: str, new: str) -> None:
            await self._pool.execute(SQL.replace_hash, row["id"], old, new, self._clock())

        await self._door.prove(username, password, client, stored, strengthen)
        return Operator(row["id"], row["username"], row["role"] == "admin", client)

    async def named(self, caller: Operator, name: str) -> int:
        """The id of the user with this address or name; NotFoundError unless it may be asked."""
        async with storage_errors():
            found: int | None = await self._pool.fetchval(
                SQL.named, name, caller.is_admin, caller.id
            )
        if found is None:
            raise NotFoundError("There is no such user")
        return found

    async def tenants(self, person: int) -> list[Any]:
        """The tenants that a user sees."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.tenants, person))

    async def memberships(self, person: int) -> list[Any]:
        """The tenants that were given to a user; an admin sees all without them."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.memberships, person))

    async def change_password(self, caller: Operator, person: int, password: str) -> None:
        """Gives a user another password; the old one stops working when this returns."""
        if not caller.is_admin and person != caller.id:
            raise NotFoundError("There is no such user")
        hashed = await self.hash(password)
        async with transaction(self._pool) as connection:
            await self.store_password(connection, caller, person, hashed)

    async def hash(self, password: str) -> str:
        """The hash of an acceptable password. Raises InvalidError."""
        if len(password) < self._chars_min:
            raise InvalidError("Password Too Short.", fields={"password": "is too short"})
        if len(password) > PASSWORD_CHARS_MAX:
            raise InvalidError("Password Too Long.", fields={"password": "is too long"})
        return await self._passwords.hash(password)

    async def prepare(self, given: Sequence[tuple[str, str]]) -> Prepared:
        """What it takes to give users, by name, these passwords; unacceptable ones are left out."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.stored_hashes, [name.lower() for name, _ in given])
        stored = {row["name"]: row["password_hash"] for row in rows}
        prepared = Prepared()
        # One after the other, so that a thread is left for those who sign in meanwhile.
        for name, password in dict.fromkeys(given):
            kept = stored.get(name.lower())
            if kept is not None:
                is_right = await self._passwords.matches(kept, password)
                prepared.compared[kept, password] = is_right
                if is_right:
                    continue
            with suppress(InvalidError):
                hashed = await self.hash(password)
                prepared.hashes.setdefault(password, []).append(hashed)
        return prepared

    async def has(
        self, connection: Connection, person: int, password: str | None, hashed: str | None,
        prepared: Prepared,
    ) -> bool:  # fmt: skip
        """Whether a user's password is this one, or is kept as this hash."""
        stored = await connection.fetchval(SQL.stored_hash, person)
        if password is None:
            return bool(stored == hashed)
        known = prepared.compared.get((stored, password))
        # What was not compared was changed meanwhile.
        return await self._passwords.matches(stored, password) if known is None else known

    async def store_password(
        self, connection: Connection, caller: Operator, person: int, hashed: str
    ) -> None:
        """Writes the hash of a new password, and who gave it."""
        now_ms = self._clock()
        if await connection.fetchval(SQL.set_hash, person, hashed, now_ms) is None:
            raise NotFoundError("There is no such user")
        await note(connection, now_ms, caller, "password_changed", None, person)

    def close(self) -> None:
        """Lets go of the hashing threads."""
        self._passwords.close()


async def note(
    connection: Connection, now_ms: int, caller: Operator, action: str, tenant: int | None,
    subject: int,
) -> None:  # fmt: skip
    """An entry of the audit log; nothing of a secret is in it."""
    await connection.execute(
        SQL.note, now_ms, caller.id, caller.username, caller.client, action, tenant, subject
    )
