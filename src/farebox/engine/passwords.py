"""Hashes and checks passwords with Argon2id, two at a time, off the event loop.

Checking against nobody costs the same as checking against somebody. Waiting callers are bounded, so
that a flood of sign-ins is turned away instead of piling up. A hash that came from elsewhere says
itself what checking it costs; one that is too dear is never right.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from farebox.domain.errors import UnavailableError

PASSWORD_CHARS_MIN: Final = 8
PASSWORD_CHARS_MAX: Final = 128
_WAITING_MAX: Final = 256

# A hash like every other, of a password that nobody has kept.
NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$"
    "tr5edGN21toVFYXMwnWmgw$F9B8R6XVEJFDK0sQY7MFYKKEMUv1pvoHJUZ/KgKC+WQ"
)

_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})(\$[A-Za-z0-9+/]{10,90}){2}", re.ASCII
)
# What checking a hash may cost at most: four times the memory of ours, and sixteen of each other.
MEMORY_KIB_MAX: Final = 1 << 18
PASSES_MAX: Final = 16
LANES_MAX: Final = 16

Result = TypeVar("Result")


def is_hash(text: str) -> bool:
    """Whether this is an Argon2id hash that may be checked."""
    found = _HASH.fullmatch(text)
    if found is None:
        return False
    memory_kib, passes, lanes = (int(one) for one in found.groups()[:3])
    return memory_kib <= MEMORY_KIB_MAX and passes <= PASSES_MAX and lanes <= LANES_MAX


class Passwords:
    """A bounded pool of threads that hash."""

    def __init__(self, threads: int = 2) -> None:
        # The library's defaults are the second recommendation of RFC 9106: 64 MiB, three passes.
        self._hasher = PasswordHasher()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._waiting = 0
        self.checks = 0

    async def hash(self, password: str) -> str:
        """The text to store for a password."""
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one; nobody's costs the same and is always wrong."""
        right = await self._run(lambda: self._check(stored or NOBODY, password))
        return right and stored is not None

    def is_weak(self, stored: str) -> bool:
        """Whether a stored hash was made with lesser parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Ends the threads; what is under way is finished."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, stored: str, password: str) -> bool:
        self.checks += 1
        if not is_hash(stored):
            return False
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= _WAITING_MAX:
            raise UnavailableError("Too many people are signing in; try again", "busy")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
