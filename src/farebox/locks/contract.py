"""What a lease promises, whoever keeps it.

At most one token of a name is live at any moment of the keeper's clock; it ends by release or when
its time is over, whichever comes first. Only its own token renews or releases a lease; an ended
token does neither and harms nobody. Fences of a name strictly grow.
"""

from typing import Protocol

import msgspec


class LeaseUnavailableError(Exception):
    """Nobody can say who holds a lease now; treat it as having none."""


class Token(msgspec.Struct, frozen=True):
    """Proof of one acquisition; `owner` is random, so that a restarted keeper mistakes nobody."""

    name: str
    fence: int
    owner: str = ""


class Leases(Protocol):
    """Named leases; every call may raise LeaseUnavailableError."""

    async def acquire(self, name: str, ttl_ms: int) -> Token | None:
        """Take the lease for a time; None while somebody else has it."""
        ...

    async def renew(self, token: Token, ttl_ms: int) -> bool:
        """Hold it for `ttl_ms` from now; False when it is over."""
        ...

    async def release(self, token: Token) -> bool:
        """Give it up; False when it was over already."""
        ...

    async def close(self) -> None:
        """Let go of connections; leases end by themselves."""
        ...
