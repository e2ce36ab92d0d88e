"""An answer that only those hear who are known; all others hear that they are not.

For refusals that the framework makes before anybody was asked who calls: a path or method that does
not exist would otherwise tell strangers which ones do. So would an answer to OPTIONS, which the
framework gives of its own accord and `refuse_options` makes a method like the others.
"""

from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

HTTPRequest = Request[Any, Any, Any]


class Guarded(Response[bytes]):
    """`ask` raises for strangers, and `failure` is the answer of what it raises."""

    def __init__(
        self,
        request: HTTPRequest,
        answer: Response[bytes],
        ask: Callable[[], Awaitable[object]],
        failure: Callable[[HTTPRequest, Exception], Response[bytes]],
    ) -> None:
        super().__init__(b"")
        self._request = request
        self._answer = answer
        self._ask = ask
        self._failure = failure

    def to_asgi_response(self, *args: Any, **named: Any) -> ASGIApp:  # type: ignore[override]
        """The response, with the caller asked first."""

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            answer = self._answer
            try:
                await self._ask()
            except Exception as raised:  # noqa: BLE001 - whatever it is has an answer
                answer = self._failure(self._request, raised)
            await answer.to_asgi_response(*args, **named)(scope, receive, send)

        return respond


async def refuse_options(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard of routes that are not asked what they can do; the refusal says it."""
    del handler
    if connection.scope.get("method") == "OPTIONS":
        template = connection.scope["path_template"]
        methods = [one.methods for one in connection.app.routes if one.path_format == template]
        raise HTTPException(status_code=405, headers={"allow": ", ".join({*chain(*methods)})})
