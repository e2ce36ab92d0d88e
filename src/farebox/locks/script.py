"""A script in Redis that is asked quickly or not at all.

A Redis that is away costs a caller at most `timeout_ms` once, and nothing for the next second:
until then every call raises LeaseUnavailableError at once. A call that timed out may still have
happened.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from farebox.locks.contract import LeaseUnavailableError

_REST_S = 1.0


class Script:
    """One Lua file on one server."""

    def __init__(
        self,
        url: str,
        lua: Path,
        *,
        timeout_ms: int = 50,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # Importing the client takes a third of a command's start, and most use no Redis.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._faults = (RedisError, OSError, TimeoutError)
        self._timeout_s = timeout_ms / 1000
        self._monotonic = monotonic
        self._away_until = 0.0
        self._redis = Redis.from_url(
            url,
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            # One quick answer is worth more here than a late one.
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(lua.read_text(encoding="utf-8"))

    async def run(self, keys: Sequence[str], args: Sequence[str | int]) -> int:
        """The number that the script answers. Raises LeaseUnavailableError."""
        if self._monotonic() < self._away_until:
            raise LeaseUnavailableError("Redis did not answer a moment ago")
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: int = await self._script(keys=list(keys), args=list(args))
        except self._faults as error:
            self._away_until = self._monotonic() + _REST_S
            raise LeaseUnavailableError(f"Redis does not answer: {error}") from error
        return answer

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()
