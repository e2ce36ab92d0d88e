"""Leases and counts of attempts, kept by a Redis for all processes or inside one process.

A lease saves work that would be wasted; it never decides anything about money. Whoever must not act
on a lost lease compares the fence, which grows with every acquisition of a name.
"""

from farebox.locks.attempts import Attempts, LocalAttempts, RedisAttempts
from farebox.locks.contract import Leases, LeaseUnavailableError, Token
from farebox.locks.lease import RedisLease
from farebox.locks.local import LocalLease

__all__ = [
    "Attempts",
    "LeaseUnavailableError",
    "Leases",
    "LocalAttempts",
    "LocalLease",
    "RedisAttempts",
    "RedisLease",
    "Token",
]
