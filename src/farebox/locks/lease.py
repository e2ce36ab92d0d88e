"""Leases over Redis: one script, the server's clock, fences that grow.

A call that timed out may still have happened; its lease then ends by itself. After a loss of
Redis's data a lease may be held twice for the rest of its time, and fences go on from the server's
clock, so they grow unless that goes back.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from farebox.locks.contract import Token
from farebox.locks.script import Script


class RedisLease:
    """The contract of farebox.locks, kept by a Redis that all processes share."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "farebox",
        timeout_ms: int = 50,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix
        lua = Path(__file__).with_suffix(".lua")
        self._script = Script(url, lua, timeout_ms=timeout_ms, monotonic=monotonic)

    async def acquire(self, name: str, ttl_ms: int) -> Token | None:
        """Take the lease for a time; None while somebody else has it."""
        owner = secrets.token_hex(8)
        fence = await self._run(name, "acquire", owner, ttl_ms)
        return Token(name, fence, owner) if fence else None

    async def renew(self, token: Token, ttl_ms: int) -> bool:
        """Hold it for `ttl_ms` from now; False when it is over."""
        return bool(await self._run(token.name, "renew", token.owner, ttl_ms))

    async def release(self, token: Token) -> bool:
        """Give it up; False when it was over already."""
        return bool(await self._run(token.name, "release", token.owner, 1))

    async def close(self) -> None:
        """Let go of the connections; leases end by themselves."""
        await self._script.close()

    async def _run(self, name: str, action: str, owner: str, ttl_ms: int) -> int:
        if ttl_ms < 1:
            raise ValueError(f"a lease lasts at least 1 ms, not {ttl_ms}")
        # Both keys carry the same hash tag, so that a cluster keeps them on one node.
        keys = [f"{self._prefix}:lease:{{{name}}}", f"{self._prefix}:fence:{{{name}}}"]
        return await self._script.run(keys, [action, owner, ttl_ms])
