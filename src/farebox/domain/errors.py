"""The closed set of errors a use-case can end with, each with a stable code.

They carry no HTTP status: every API family's dialect spells them in its own way. Nothing else is
raised across a layer on purpose, so anything else that reaches a dialect is a defect.
"""

from collections.abc import Mapping


class DomainError(Exception):
    """What a use-case refuses: a sentence for people, a code for programs, reasons per field."""

    default_code = "error"

    def __init__(
        self, message: str, code: str | None = None, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.fields = dict(fields or {})


class InvalidError(DomainError):
    """An argument is missing, ill-typed, out of range, or names a row that is not visible."""

    default_code = "invalid_parameter"


class UnauthorizedError(DomainError):
    """Nobody is signed in, or the proof has expired, was revoked or is wrong."""

    default_code = "unauthorized"


class ForbiddenError(DomainError):
    """Known, but not permitted."""

    default_code = "forbidden"


class NotFoundError(DomainError):
    """The row does not exist, or the caller may not know that it does."""

    default_code = "not_found"


class ConflictError(DomainError):
    """The state of the row does not allow this now."""

    default_code = "conflict"


class RateLimitedError(DomainError):
    """Too many attempts; `retry_after_s` says when to come back."""

    default_code = "rate_limited"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(DomainError):
    """No safe decision could be reached in time; nothing is known to have changed."""

    default_code = "unavailable"
