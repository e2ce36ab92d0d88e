"""Leases over Redis: one script, the server's clock, fences that grow.

A Redis that is away costs a caller at most `timeout_ms` once, and nothing for the next second:
until then every call raises LeaseUnavailableError at once. A call that timed out may still have
happened; its lease then ends by itself. After a loss of Redis's data a lease may be held twice for
the rest of its time, and fences go on from the server's clock, so they grow unless that goes back.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from farebox.locks.contract import LeaseUnavailableError, Token

_SCRIPT = Path(__file__).with_suffix(".lua").read_text(encoding="utf-8")
_REST_S = 1.0


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
        self._timeout_s = timeout_ms / 1000
        self._prefix = prefix
        self._monotonic = monotonic
        self._away_until = 0.0
        self._redis = Redis.from_url(
            url,
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            # One quick answer is worth more here than a late one.
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(_SCRIPT)

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
        await self._redis.aclose()

    async def _run(self, name: str, action: str, owner: str, ttl_ms: int) -> int:
        if ttl_ms < 1:
            raise ValueError(f"a lease lasts at least 1 ms, not {ttl_ms}")
        if self._monotonic() < self._away_until:
            raise LeaseUnavailableError("Redis did not answer a moment ago")
        # Both keys carry the same hash tag, so that a cluster keeps them on one node.
        keys = [f"{self._prefix}:lease:{{{name}}}", f"{self._prefix}:fence:{{{name}}}"]
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: int = await self._script(keys=keys, args=[action, owner, ttl_ms])
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._monotonic() + _REST_S
            raise LeaseUnavailableError(f"Redis does not answer: {error}") from error
        return answer
