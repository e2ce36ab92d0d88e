"""One framework application for all tests of a process, with the services of each test behind it.

Making the routes of all resources takes ten times as long as a usual test. Routes ask their
services for what they need when a request comes, so every request can bring its own; what a route
takes while it is made is given to it as a reference that finds the services of the request.
"""

from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from litestar import Litestar

from farebox.api.services import Options, Services
from farebox.app import litestar_app
from farebox.web import ASGI, Receive, Scope, Send

_SERVICES: ContextVar[Services] = ContextVar("services")


class Later:
    """What a slot of the services holds when it is called or asked for a member."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_SERVICES.get(), self._name), name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The clock is called itself."""
        return getattr(_SERVICES.get(), self._name)(*args, **named)


class Standing:
    """Stands for the services of the request; without a request, for whichever will come."""

    # The same for all, as `behind` makes sure.
    options = Options()

    def __getattr__(self, name: str) -> Any:
        services = _SERVICES.get(None)
        return Later(name) if services is None else getattr(services, name)


@cache
def _framework() -> Litestar:
    return litestar_app(cast("Services", Standing()))


def behind(services: Services) -> ASGI:
    """The framework's application as if it had been made for these services."""
    assert Standing.options == services.options
    framework: Any = _framework()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        mark = _SERVICES.set(services)
        try:
            await framework(scope, receive, send)
        finally:
            _SERVICES.reset(mark)

    return app
