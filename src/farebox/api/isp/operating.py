"""Operators' operations that are no declared resource, as routes under /isp/admin (isp.md 4.9).

They go through the same checks and leave the same traces as documented operations. What was deleted
is answered with 204 and nothing else.
"""

from typing import Any, Final, cast

from litestar import Response, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation, body_type, enter
from farebox.api.isp.dialect import Answer, Failure, HTTPRequest
from farebox.api.isp.kinds import Kind
from farebox.api.isp.recording import recorded
from farebox.api.operations import documented
from farebox.api.services import Services

_METHODS: Final = {"GET": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}


def operation(
    noun: str, method: str, path: str, run: Any, *takes: Argument, gives: Any = dict[str, Any],
    status: int = 200, scope: str = "admin", **more: Any,
) -> Operation:  # fmt: skip
    """One of them."""
    return Operation(
        id=f"ISP-X-{noun}", method=method, path=path, scope=scope, run=run,
        gives=None if status == 204 else gives, takes=takes, fixed=3, status=status, **more,
    )  # fmt: skip


def maybe(name: str, kind: Kind, default: Any = None) -> Argument:
    """An argument that may be missing."""
    return Argument(name, kind, required=False, default=default)


def route(services: Services, one: Operation) -> HTTPRouteHandler:
    """Its route."""

    async def answer(request: HTTPRequest) -> Answer:
        return await recorded(request, await enter(services, request, one), one)

    async def end(request: HTTPRequest) -> Response[None]:
        return cast("Response[None]", await answer(request))

    asked = [argument for argument in one.takes if argument.name not in one.places]
    is_read = one.method in ("GET", "DELETE")
    described = documented(
        one.id,
        body_type(one.id.title().replace("-", ""), asked) if asked and not is_read else None,
        one.gives,
        one.status,
        query={argument.name: argument.kind.type for argument in asked} if is_read else None,
        path=dict.fromkeys(one.places, str),
        refused=Failure,
        security="provider",
    )
    path = "/" + one.path.replace("}", ":str}")
    made: HTTPRouteHandler = _METHODS[one.method](path, **described)(
        end if one.status == 204 else answer
    )
    return made
