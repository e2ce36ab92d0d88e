"""Sign-in, the caller's own record, and the keys of devices (vending-platform.md 3.1, 4.1).

Handlers read arguments and spell answers; what happens is in `farebox.engine.people`.
"""

from litestar.handlers import HTTPRouteHandler

from farebox.api.services import Services


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes about people."""
    del services
    return []
