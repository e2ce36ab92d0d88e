"""How this API speaks: one envelope of success, one of failure (iptv.md 1, 1.1).

Refusals have HTTP status 200, for clients that look into the body, unless the server was told to
send statuses of their own. Some have their own in any case: strangers, unknown methods and media
types, bodies too large, and what is the server's fault.
"""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from farebox.api.guarding import Guarded
from farebox.api.refusing import KEPT_EVEN_SO, allowed, retry_after, status_of
from farebox.api.services import Services
from farebox.domain.errors import (
    DomainError,
    InvalidError,
)
from farebox.storage.pool import as_unavailable

JSON: Final = "application/json; charset=utf-8"
BODY_BYTES_MAX: Final = 1 << 20
ROOT: Final = "/iptv/"
OWN_STATUS: Final = (f"{ROOT}admin/", f"{ROOT}device/")
UNSUPPORTED: Final = "unsupported_action"

Answer = Response[Any]
HTTPRequest = Request[Any, Any, Any]
T = TypeVar("T")
_log = structlog.get_logger("farebox.api")
encode = msgspec.json.Encoder().encode
_WORDS: Final = {429: "Too many requests", 503: "Service unavailable"}


class Success(msgspec.Struct, Generic[T]):
    """The envelope of success."""

    status: str
    results: T


class Failure(msgspec.Struct):
    """The envelope of every refusal."""

    status: str
    results: str
    error: str


async def let_in(services: Services, request: HTTPRequest) -> None:
    """Raises UnauthorizedError for strangers, unless the server is open to them."""
    if services.portal.policy.is_closed:
        await caller_of(services, request)


async def caller_of(services: Services, request: HTTPRequest) -> Any:
    """Who calls; UnauthorizedError for everybody else."""
    client = services.proxies.client(request.scope)
    return await services.portal.users.check(request.headers.get("authorization"), client)


# What goes out


def told(results: object, status: int = 200, **headers: str) -> Answer:
    """The answer of an operation."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return _sent({"status": "OK", "results": results}, status, spelled)


def invalid(text: str) -> InvalidError:
    """A refusal of what was sent, in the document's words."""
    return InvalidError(text)


def _sent(body: object, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    more = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encode(body), status_code=status, headers=more, media_type=JSON)


def _refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return _sent({"status": "ERROR", "results": "", "error": text}, status, headers)


def failure(request: HTTPRequest, raised: Exception) -> Answer:
    """The answer of anything that was raised; what nobody meant to raise is logged, not told."""
    known = raised if isinstance(raised, DomainError) else as_unavailable(raised)
    if known is not None:
        return _suited(request, refusal(known))
    if isinstance(raised, HTTPException) and raised.status_code in (400, 404, 405, 413, 415):
        return _of_framework(request, raised.status_code, raised.headers or {})
    _log.error("unexpected error", route=request.scope.get("path_template", ""), exc_info=raised)
    return _refused(500, "Internal error")


def _of_framework(request: HTTPRequest, status: int, headers: Mapping[str, str]) -> Answer:
    named = request.scope["path"].removeprefix(ROOT).strip("/")
    text = {
        400: "Malformed body",
        404: f'Resource "{named}" does not exist',
        405: "Not supported method",
        413: "Request too large",
        415: "Unsupported media type",
    }[status]
    answer = _suited(request, _refused(status, text, allowed(headers)))
    if status not in (404, 405):
        return answer
    services: Services = request.app.state.services
    return Guarded(request, answer, lambda: let_in(services, request), failure)


def refusal(known: DomainError) -> Answer:
    """The answer of what a use-case refused."""
    status, text, headers = status_of(known), known.message, retry_after(known)
    if known.code == UNSUPPORTED:
        status = 405
    elif status == 401 and known.code != "device":
        text = "401 Unauthorized request"
        headers["WWW-Authenticate"] = 'Basic realm="IPTV API"'
    return _refused(status, _WORDS.get(status, text), headers)


def _suited(request: HTTPRequest, answer: Answer) -> Answer:
    """The same with HTTP status 200 where the server was told to be so."""
    services: Services = request.app.state.services
    is_asked = services.portal.policy.is_compatible
    if is_asked and not request.scope["path"].startswith(OWN_STATUS):
        kept = answer.status_code in KEPT_EVEN_SO and not _is_of_command(answer)
        answer.status_code = answer.status_code if kept else 200
    return answer


def _is_of_command(answer: Answer) -> bool:
    """Whether the method is known, and only this resource has no such action."""
    return answer.status_code == 405 and b"does not support action" in answer.content
