"""Lets in who sends name and password with every call (HTTP Basic).

Only that a password is right is remembered, by a digest bound to the stored hash: a new hash
forgets it. Whoever cannot be let in costs the same and hears the same, whatever the reason. Who may
call at all is read by the caller, on every request.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from farebox.domain.errors import UnauthorizedError
from farebox.engine.attempts import Restraint
from farebox.engine.passwords import Passwords

# Failed attempts of one name from one address, and the span in which they count.
FAILURES: Final = (10, 60)
_REMEMBERED_MAX: Final = 10_000

# Given the stored hash and a stronger one of the same password.
Strengthen = Callable[[str, str], Awaitable[object]]


class Doorkeeper:
    """Compares passwords, each right one once."""

    def __init__(self, restraint: Restraint, passwords: Passwords) -> None:
        self._restraint = restraint
        self.passwords = passwords
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}
        self._checking: dict[bytes, asyncio.Task[None]] = {}

    async def prove(
        self, name: str, password: str, client: str, stored: str | None, strengthen: Strengthen
    ) -> None:
        """Raises UnauthorizedError unless the password is the stored one; None is nobody's."""
        text = f"nobody {name}" if stored is None else stored
        proof = hmac.digest(self._key, f"{text}\0{password}".encode(), hashlib.sha256)
        if proof in self._right:
            return
        # Equal calls that come at once share one check, and count as one attempt.
        task = self._checking.get(proof)
        if task is None:
            check = self._check(proof, f"{client} {name.lower()}", password, stored, strengthen)
            task = asyncio.create_task(check)
            self._checking[proof] = task
            task.add_done_callback(lambda done: self._checked(proof, done))
        await asyncio.shield(task)

    def _checked(self, proof: bytes, task: asyncio.Task[None]) -> None:
        del self._checking[proof]
        if not task.cancelled():
            # Who waited has heard of it.
            task.exception()

    async def _check(
        self, proof: bytes, key: str, password: str, stored: str | None, strengthen: Strengthen
    ) -> None:
        async with self._restraint.attempt(key):
            if not await self.passwords.matches(stored, password) or stored is None:
                raise unauthorized()
        if self.passwords.is_weak(stored):
            await strengthen(stored, await self.passwords.hash(password))
        if len(self._right) >= _REMEMBERED_MAX:
            del self._right[next(iter(self._right))]
        self._right[proof] = None


def basic(header: str | None) -> tuple[str, str]:
    """Name and password of an Authorization header. Raises UnauthorizedError."""
    scheme, _, encoded = (header or "").partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise unauthorized() from None
    name, colon, password = pair.partition(":")
    if scheme.lower() != "basic" or not colon or not name or "\0" in pair:
        raise unauthorized()
    return name, password


def unauthorized() -> UnauthorizedError:
    """The one refusal for all causes."""
    return UnauthorizedError("Unauthorized")
