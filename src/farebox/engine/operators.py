"""Who may call for the hosted PBX: users with passwords, each of some tenants (pbx.md 1, 1.2).

A user's row is read on every request, so what anybody changes binds at once on every server. Only
that a password is right is remembered, by a digest bound to the stored hash: a new hash forgets it.
Whoever cannot be let in costs the same and hears the same, whatever the reason.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from farebox.domain.errors import InvalidError, NotFoundError, UnauthorizedError
from farebox.engine.attempts import Restraint
from farebox.engine.passwords import PASSWORD_CHARS_MAX, Passwords
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Failed attempts of one user from one address, and the span in which they count.
FAILURES: Final = (10, 60)
_REMEMBERED_MAX: Final = 10_000


class Operator(msgspec.Struct, frozen=True):
    """A user who was let in, and the address of the call."""

    id: int
    username: str
    is_admin: bool
    client: str


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
        self._restraint = restraint
        self._passwords = passwords
        self._chars_min = password_chars_min
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}
        self._checking: dict[bytes, asyncio.Task[None]] = {}

    async def check(self, header: str | None, client: str) -> Operator:
        """The user behind an Authorization header; UnauthorizedError, one for all causes."""
        username, password = _basic(header)
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.find, username)
        proof = self._proof(row, username, password)
        if proof not in self._right:
            # Equal calls that come at once share one check, and count as one attempt.
            task = self._checking.get(proof)
            if task is None:
                task = asyncio.create_task(self._prove(row, username, password, proof, client))
                self._checking[proof] = task
                task.add_done_callback(lambda done: self._checked(proof, done))
            await asyncio.shield(task)
        if row is None or row["enabled"] != "yes":
            raise _unauthorized()
        return Operator(row["id"], row["username"], row["role"] == "admin", client)

    def _checked(self, proof: bytes, task: asyncio.Task[None]) -> None:
        del self._checking[proof]
        if not task.cancelled():
            # Who waited has heard of it.
            task.exception()

    async def _prove(
        self, row: Any, username: str, password: str, proof: bytes, client: str
    ) -> None:
        async with self._restraint.attempt(f"{client} {username.lower()}"):
            stored = row["password_hash"] if row else None
            is_right = await self._passwords.matches(stored, password)
            if not is_right or stored is None or row["enabled"] != "yes":
                raise _unauthorized()
        if self._passwords.is_weak(stored):
            stronger = await self._passwords.hash(password)
            await self._pool.execute(SQL.replace_hash, row["id"], stored, stronger, self._clock())
        if len(self._right) >= _REMEMBERED_MAX:
            del self._right[next(iter(self._right))]
        self._right[proof] = None

    def _proof(self, row: Any, username: str, password: str) -> bytes:
        stored = row["password_hash"] if row else f"nobody {username}"
        return hmac.digest(self._key, f"{stored}\0{password}".encode(), hashlib.sha256)

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
            raise InvalidError("Password Too Short.")
        if len(password) > PASSWORD_CHARS_MAX:
            raise InvalidError("Password Too Long.")
        return await self._passwords.hash(password)

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


def _basic(header: str | None) -> tuple[str, str]:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise _unauthorized() from None
    username, colon, password = pair.partition(":")
    if scheme.lower() != "basic" or not colon or not username or "\0" in pair:
        raise _unauthorized()
    return username, password


def _unauthorized() -> UnauthorizedError:
    return UnauthorizedError("Unauthorized Access")
