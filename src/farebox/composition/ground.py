"""What every family stands on, and what a family gives back to the process.

The `Ground` holds what is there once for a process. The `Part` is what the process must know about
a family: its objects, its jobs and chores, the changes it listens to and what it does all the time.
What must end is left with the ground's stack.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from farebox.api.metrics import Metrics
from farebox.engine.tokens import KeyRing
from farebox.jobs import Handler, Periodic
from farebox.locks import Attempts, Leases, LocalAttempts, RedisAttempts
from farebox.settings import Settings

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_MS = 86_400_000


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """The built objects that families share."""

    settings: Settings
    dsn: str
    # Any, for what stands in for a pool has its methods and not its class.
    pool: Any
    clock: Callable[[], int]
    keys: KeyRing
    leases: Leases
    metrics: Metrics
    # Takes down what was built, in the opposite order.
    stack: AsyncExitStack

    def attempts(self, name: str, limit: tuple[int, int]) -> Attempts:
        """Counts attempts under this name, for all processes that share a Redis."""
        own = LocalAttempts(*limit)
        if not self.settings.redis_url:
            return own
        shared = RedisAttempts(self.settings.redis_url, name, own)
        self.stack.push_async_callback(shared.close)
        return shared


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a process knows about a family, or about a piece of it."""

    # Slots of the services, by name.
    slots: Mapping[str, Any] = {}
    # Jobs of the outbox, by kind.
    handlers: Mapping[str, Handler] = {}
    # Chores with their spans in seconds, for one process at a time.
    chores: Periodic = {}
    # What to do when a channel of the database tells of a change.
    heard: Mapping[str, Callable[[str], None]] = {}
    # What goes on all the time in every process.
    running: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {}

    @classmethod
    def joined(cls, parts: Iterable["Part"]) -> "Part":
        """One part of several; a name that two of them use is an error of ours."""
        joined: dict[str, dict[str, Any]] = {name: {} for name in cls.__struct_fields__}
        for part in parts:
            for kind, found in joined.items():
                added = getattr(part, kind)
                if twice := found.keys() & added.keys():
                    raise ValueError(f"{kind} named twice: {sorted(twice)}")
                found.update(added)
        return cls(**joined)
