"""How the provider's API speaks: five envelopes of success, one of failure (isp.md 1.3).

The HTTP status is the `errorCode` of the body, `error` a stable reason, `message` English text. No
answer may be kept by a cache. No handler is declared here and no row is read.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from farebox.api.isp.arguments import Pairs, body_pairs
from farebox.api.refusing import status_of
from farebox.api.services import Services
from farebox.domain.errors import (
    DomainError,
    RateLimitedError,
)
from farebox.engine.credentials import Account, Caller
from farebox.engine.notices import Beside
from farebox.storage.pool import Connection, as_unavailable

JSON: Final = "application/json; charset=utf-8"
BODY_BYTES_MAX: Final = 1 << 20
MEDIA_TYPES: Final = (
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json",
)

Answer = Response[bytes]
HTTPRequest = Request[Any, Any, Any]
_log = structlog.get_logger("farebox.api")
_encode = msgspec.json.Encoder().encode
UNKEPT: Final = {"Cache-Control": "no-store"}


class Failure(msgspec.Struct):
    """The body of every refusal."""

    status: str
    errorCode: int  # noqa: N815 - the document's spelling
    error: str
    message: str | list[str]
    requestId: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class Call(msgspec.Struct, kw_only=True):
    """A request that was let in: who calls, for which account, with which checked arguments."""

    services: Services
    caller: Caller
    account: Account
    values: dict[str, Any]
    # As they came, under folded names.
    given: dict[str, object]
    client: str
    # The Idempotency-Key, where the caller sent one.
    repeat_key: str | None = None
    # Where the operation waits for other machines: keeps its answer with its effect.
    keep: Callable[[Connection, Answer], Awaitable[None]] | None = None

    @property
    def now_ms(self) -> int:
        """This instant."""
        return self.services.clock()

    def keeping(self, answer: Callable[[Any], Answer]) -> Beside:
        """What an effect writes beside itself: its answer, if the caller may ask again."""

        async def beside(connection: Connection, told: object) -> None:
            if self.keep is not None:
                await self.keep(connection, answer(told))

        return beside

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


# What comes in


async def read_body(request: HTTPRequest) -> Pairs:
    """The arguments of the body, whatever its media type."""
    body = await request.body()
    if not body:
        return ()
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    media_type = kind.strip().lower()
    if media_type not in MEDIA_TYPES:
        raise HTTPException(status_code=415)
    return body_pairs(body, media_type, parameters)


# What goes out


def bare(value: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Answer:
    """A JSON answer without an envelope."""
    return Response(
        _encode(value), status_code=status, headers={**UNKEPT, **(headers or {})}, media_type=JSON
    )


def data(value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Envelope D."""
    return bare({"status": "success", "errorCode": 200, "data": value}, headers)


def created(value: object) -> Answer:
    """Envelope D of something new."""
    return bare({"status": "success", "errorCode": 201, "data": value}, status=201)


def gone() -> Answer:
    """Nothing, after something was deleted."""
    return Response(b"", status_code=204, headers=UNKEPT, media_type=JSON)


def message(value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Envelope M."""
    return bare({"status": "success", "errorCode": 200, "message": value}, headers)


def message_only(text: str) -> Answer:
    """Envelope M-, which the document shows without an errorCode."""
    return bare({"status": "success", "message": text})


def success(headers: Mapping[str, str] | None = None) -> Answer:
    """Envelope S."""
    return bare({"status": "success", "errorCode": 200}, headers)


def error(status: int, reason: str, text: object, **more: Any) -> Answer:
    """The envelope of failure; what is in `more` are headers, or members with an underscore."""
    members = {name[1:]: value for name, value in more.items() if name.startswith("_")}
    headers = {name.replace("_", "-"): value for name, value in more.items() if name[0] != "_"}
    body = {"status": "error", "errorCode": status, "error": reason, "message": text}
    return bare({**body, **members}, headers, status)


# What the far side did, which is neither the caller's fault nor ours.
_FAR: Final = {
    "gateway_rejected": 502,
    "coa_rejected": 502,
    "gateway_timeout": 504,
    "coa_timeout": 504,
    "radius_timeout": 504,
}
_OWN: Final = frozenset(
    ("sms_not_configured", "email_not_configured", "radius_not_configured", "secrets_unavailable")
)
# The framework's own refusals, in our words.
_FRAMEWORK: Final[Mapping[int, tuple[str, str]]] = {
    400: ("The request is malformed", "malformed_body"),
    404: ("There is no such operation", "unknown_operation"),
    405: ("This method is not allowed here", "method_not_allowed"),
    413: ("The body is too large", "body_too_large"),
    415: ("The body must be a form or application/json", "unsupported_media_type"),
}


def failure(request: HTTPRequest, raised: Exception) -> Answer:
    """The answer of anything that was raised; what nobody meant to raise is logged, not told."""
    answer = _failure(request, raised)
    if request.method == "HEAD":
        answer.content = b""
    return answer


def _failure(request: HTTPRequest, raised: Exception) -> Answer:
    known = raised if isinstance(raised, DomainError) else as_unavailable(raised)
    if known is not None:
        return refusal(known)
    if isinstance(raised, HTTPException) and raised.status_code in _FRAMEWORK:
        text, reason = _FRAMEWORK[raised.status_code]
        allow = (raised.headers or {}).get("allow")
        return error(raised.status_code, reason, text, **({"Allow": allow} if allow else {}))
    number = secrets.token_hex(8)
    _log.error(
        "unexpected error",
        route=request.scope.get("path_template", ""),
        request=number,
        exc_info=raised,
    )
    return error(500, "internal_error", "Something went wrong on our side", _requestId=number)


def refusal(known: DomainError) -> Answer:
    """The answer of what a use-case refused."""
    status, reason, text = status_of(known), known.code, known.message
    if reason in _FAR:
        return error(_FAR[reason], reason, text)
    if reason == "user_busy":
        return error(409, reason, text, Retry_After="1")
    if status == 401:
        challenge = 'Basic realm="isp", charset="UTF-8"'
        return error(401, "unauthorized", text, WWW_Authenticate=challenge)
    if isinstance(known, RateLimitedError):
        return error(429, "rate_limited", text, Retry_After=str(known.retry_after_s))
    if status == 503:
        spelled = reason if reason in _OWN else "storage_unavailable"
        return error(503, spelled, text, Retry_After="1")
    return error(status, reason, text)
