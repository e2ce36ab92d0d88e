"""How this API speaks: one envelope of success, one of failure (pbx.md 1, 1.1).

Refusals have HTTP statuses of their own; `compat` answers most of them with 200, for clients that
read no other bodies, but never those of the operator routes. What is asked of nobody known is
answered 401, even where there is no such path. No answer may be kept by a cache.
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
from farebox.engine.operators import Operator, Prepared
from farebox.resource.definition import View
from farebox.storage.pool import as_unavailable

JSON: Final = "application/json; charset=utf-8"
ADMIN: Final = "/pbx/admin/"
BODY_BYTES_MAX: Final = 256 << 10
REQUIRED: Final = "Please Enter Required Fields."
MISSING: Final = "Record Not Found."

Answer = Response[bytes]
HTTPRequest = Request[Any, Any, Any]
T = TypeVar("T")
_log = structlog.get_logger("farebox.api")
_encode = msgspec.json.Encoder().encode


class Success(msgspec.Struct, Generic[T]):
    """The envelope of success."""

    status: str
    data: T


class Failure(msgspec.Struct):
    """The envelope of every refusal."""

    status: str
    message: str


class Message(msgspec.Struct):
    """What a change answers."""

    msg: str


class Call(msgspec.Struct, kw_only=True):
    """A request that was let in: who calls, with which checked parameters."""

    services: Services
    caller: Operator
    values: dict[str, Any]
    # What was made ready of passwords before the transaction of many records.
    prepared: Prepared = msgspec.field(default_factory=Prepared)

    @property
    def now_ms(self) -> int:
        """This instant."""
        return self.services.clock()

    @property
    def view(self) -> View:
        """The caller's eyes."""
        sees = {"admin": self.caller.is_admin, "caller": self.caller.id}
        return View(None, self.now_ms, sees)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


async def caller_of(services: Services, request: HTTPRequest) -> Operator:
    """Who calls; UnauthorizedError for everybody else."""
    client = services.proxies.client(request.scope)
    header = request.headers.get("authorization")
    found: Operator = await services.exchange.operators.check(header, client)
    return found


# What goes out


def told(value: object, status: int = 200, **more: object) -> Answer:
    """The answer of an operation; further members stand beside its data."""
    return _sent({"status": "success", "data": value, **more}, status)


def invalid(text: str) -> InvalidError:
    """A refusal of what was sent, in the document's words."""
    return InvalidError(text)


def _sent(body: object, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    told = {"Cache-Control": "no-store", **(headers or {})}
    return Response(_encode(body), status_code=status, headers=told, media_type=JSON)


def _refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return _sent({"status": "failed", "message": text}, status, headers)


_FRAMEWORK: Final = {
    400: "Malformed Body.",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Too Large.",
    415: "Unsupported Media Type.",
}
_WORDS: Final = {
    401: "Unauthorized Access",
    404: MISSING,
    429: "Too Many Requests",
    503: "Service Unavailable.",
}


def failure(request: HTTPRequest, raised: Exception) -> Response[bytes]:
    """The answer of anything that was raised; what nobody meant to raise is logged, not told."""
    known = raised if isinstance(raised, DomainError) else as_unavailable(raised)
    if known is not None:
        return _suited(request, refusal(known))
    if isinstance(raised, HTTPException) and raised.status_code in _FRAMEWORK:
        status, headers = raised.status_code, allowed(raised.headers or {})
        suited = _suited(request, _refused(status, _FRAMEWORK[status], headers))
        if status not in (404, 405):
            return suited
        services: Services = request.app.state.services
        return Guarded(request, suited, lambda: caller_of(services, request), failure)
    _log.error("unexpected error", route=request.scope.get("path_template", ""), exc_info=raised)
    return _refused(500, "Internal Error.")


def refusal(known: DomainError) -> Answer:
    """The answer of what a use-case refused."""
    # What a call refers to is as unknown as what it is about.
    status = 404 if known.code == "invalid_reference" else status_of(known)
    headers = retry_after(known)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="PBX API"'
    text = _conflict(known) if status == 409 else _WORDS.get(status, known.message)
    return _refused(status, text, headers)


def _conflict(known: DomainError) -> str:
    if known.code == "in_use":
        return "Record In Use."
    is_number = any(name.endswith(("number", "mailbox")) for name in known.fields)
    return "Number Already In Use." if is_number else "Record Already Exists."


def _suited(request: HTTPRequest, answer: Answer) -> Answer:
    """The same with HTTP status 200 where the server was told to be so."""
    services: Services = request.app.state.services
    is_asked = services.exchange.policy.is_compatible
    if is_asked and not request.scope["path"].startswith(ADMIN):
        answer.status_code = answer.status_code if answer.status_code in KEPT_EVEN_SO else 200
    return answer
