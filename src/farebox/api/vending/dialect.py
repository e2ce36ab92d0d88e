"""How the vending API speaks: who may call, what a body may be, how answers and errors are spelled.

Everything under /vending ends in `{"message", "code"}` when it fails, the framework's own refusals
included (vending-platform.md 1.4). `enter` runs before every handler and keeps the documented
order: size, media type, authentication; the handler goes on with syntax, arguments, rows and
permission. No handler is declared here and no row is read.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import BaseRouteHandler

from farebox.api.operations import documented
from farebox.api.refusing import retry_after, status_of
from farebox.api.vending.fields import INT32_MAX, Fields
from farebox.domain.errors import (
    DomainError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from farebox.engine.access import Principal
from farebox.storage.pool import as_unavailable

__all__ = (
    "Answer",
    "Call",
    "Fields",
    "created",
    "documented",
    "enter",
    "failure",
    "message",
    "path_id",
    "principal",
    "read_body",
    "read_json",
    "refusal",
    "reply",
    "require",
)

JSON: Final = "application/json; charset=utf-8"
BODY_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 64

Call = Request[Any, Any, Any]
Answer = Response[bytes]
_log = structlog.get_logger("farebox.api")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


# Who may call


async def enter(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every route: size and media type of the body, then the caller.

    A handler's opt may say `public=True` (no token wanted) or `device=True` (devices may call it;
    `device="only"` refuses users).
    """
    request: Call = Request(connection.scope, connection.receive)
    if request.method == "OPTIONS":
        return
    if await request.body():
        _check_media_type(request)
    if handler.opt.get("public"):
        return
    caller = await _authenticate(request)
    request.scope["user"] = caller
    devices = handler.opt.get("device", False)
    if (caller.kind == "device" and not devices) or (caller.kind == "user" and devices == "only"):
        raise ForbiddenError("This route is not for this kind of caller")
    presence = request.app.state.services.presence
    if caller.kind == "device" and presence is not None:
        presence.note(caller.machine)


async def _authenticate(request: Call) -> Principal:
    header = request.headers.get("authorization")
    if header is None and request.method == "GET" and _is_export(request):
        # A browser's download cannot send headers.
        token = request.query_params.get("access_token")
        header = f"Bearer {token}" if token else None
    services = request.app.state.services
    found: Principal | None = services.access.known(header) if header else None
    if found is None:
        found = await services.access.check(header, services.proxies.client(request.scope))
    return found


def _is_export(request: Call) -> bool:
    return bool(request.scope["path"].startswith("/vending/export/"))


def _check_media_type(request: Call) -> None:
    kind, _ = _media_type(request)
    if kind not in ("application/json", "application/x-www-form-urlencoded"):
        raise HTTPException(status_code=415)


def _media_type(request: Call) -> tuple[str, str]:
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    return kind.strip().lower(), rest.strip().lower()


def principal(request: Call) -> Principal:
    """The caller that `enter` let in."""
    caller: Principal = request.scope["user"]
    return caller


def require(caller: Principal, permission: str) -> None:
    """Refuses a caller whose groups do not grant the permission."""
    if caller.permissions is not None and permission not in caller.permissions:
        raise ForbiddenError(f"This needs the permission {permission}")


# What comes in


async def read_body(request: Call) -> dict[str, object]:
    """The JSON object (or flat form) in the body; InvalidError when it is neither."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise InvalidError("The body must be an object")
    return value


async def read_json(request: Call) -> object:
    """The JSON value in the body, of any kind; an absent body reads as an empty object."""
    body = await request.body()
    if not body:
        return {}
    try:
        if _media_type(request)[0] == "application/x-www-form-urlencoded":
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000
            )
            return dict(pairs)
        value = _decode(body)
    except (ValueError, RecursionError):
        raise InvalidError("The body is not valid JSON", "invalid_json") from None
    # Counting brackets first keeps the walk away from all but very bushy bodies.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_deeper(value, DEPTH_MAX):
        raise InvalidError("The body is nested too deeply", "invalid_json")
    return value


def _is_deeper(value: object, depth: int) -> bool:
    level: list[object] = [value]
    for _ in range(depth + 1):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return False
        level = inner
    return any(isinstance(item, dict | list) for item in level)


def path_id(text: str, high: int = INT32_MAX) -> int:
    """The row id in a path; whatever cannot be one is a row that does not exist."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and 1 <= int(text) <= high:
        return int(text)
    raise NotFoundError("Not found")


# What goes out


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON answer, encoded here and now."""
    return Response(_encode(value), status_code=status, headers=headers, media_type=JSON)


def created(row_id: int) -> Answer:
    """The answer of a create."""
    return reply({"id": row_id}, 201)


def message(text: str) -> Answer:
    """The answer of an update, a delete or an action."""
    return reply({"message": text})


# The framework's own refusals, in our words.
_FRAMEWORK: Final[Mapping[int, tuple[str, str]]] = {
    400: ("The request is malformed", "invalid_parameter"),
    401: ("Sign in first", "unauthorized"),
    403: ("Not permitted", "forbidden"),
    404: ("Not found", "not_found"),
    405: ("This method is not allowed here", "method_not_allowed"),
    413: ("The body is too large", "too_large"),
    415: ("The body must be application/json", "unsupported_media_type"),
}


def failure(request: Call, error: Exception) -> Answer:
    """The answer of anything that was raised; what nobody meant to raise is logged, not told."""
    known = error if isinstance(error, DomainError) else as_unavailable(error)
    if known is not None:
        return refusal(known)
    if isinstance(error, HTTPException) and error.status_code in _FRAMEWORK:
        text, code = _FRAMEWORK[error.status_code]
        allow = (error.headers or {}).get("allow")
        return reply(
            {"message": text, "code": code},
            error.status_code,
            {"Allow": allow} if allow else None,
        )
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        # Nobody is left to read this answer.
        return reply({"message": "The connection was lost", "code": "invalid_json"}, 400)
    _log.error(
        "unexpected error",
        route=request.scope.get("path_template", ""),
        method=request.method,
        exc_info=error,
    )
    return reply({"message": "Something went wrong on our side", "code": "internal"}, 500)


def refusal(error: DomainError) -> Answer:
    """The answer of what a use-case refused."""
    status, code, headers = status_of(error), error.code, retry_after(error)
    if status == 503 and code != "busy":
        # The document tells contention from everything that is out of reach, and no more.
        code = "unavailable"
    body: dict[str, object] = {"message": error.message, "code": code}
    if error.fields:
        body["fields"] = error.fields
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="farebox"'
    return reply(body, status, headers)
