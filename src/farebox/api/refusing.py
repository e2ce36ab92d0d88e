"""What a use-case refuses, as HTTP has it: a status, and when to ask again.

All four documents agree on these; each dialect spells the body, the challenge and its exceptions.
"""

from collections.abc import Mapping
from typing import Final

from farebox.domain.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
    UnavailableError,
)

_STATUS: Final[Mapping[type[DomainError], int]] = {
    InvalidError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    RateLimitedError: 429,
    UnavailableError: 503,
}
# What keeps its status where a server was told to refuse with status 200: strangers, unknown
# methods and bodies, those who ask too often, and what is the server's fault.
KEPT_EVEN_SO: Final = frozenset((401, 405, 413, 415, 429, 500, 503))


def status_of(refused: DomainError) -> int:
    """The status of a refusal."""
    return next((status for kind, status in _STATUS.items() if isinstance(refused, kind)), 400)


def retry_after(refused: DomainError) -> dict[str, str]:
    """The header that says when to come back, where that helps."""
    if isinstance(refused, RateLimitedError):
        return {"Retry-After": str(refused.retry_after_s)}
    return {"Retry-After": "1"} if isinstance(refused, UnavailableError) else {}


def allowed(headers: Mapping[str, str]) -> dict[str, str]:
    """The framework's list of the methods that a path has, without the one that it adds itself."""
    able = sorted({one.strip() for one in headers.get("allow", "").split(",")} - {"", "OPTIONS"})
    return {"Allow": ", ".join(able)} if able else {}
