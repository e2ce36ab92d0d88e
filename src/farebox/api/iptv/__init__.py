"""The IPTV portal's API: accounts and their boxes, what they watch, what boxes are told (iptv.md).

`router` gathers the declared operations of the noun modules under /iptv; clients that hard-code
/stalker_portal/api reach the same. Where the document is silent, the modules say what was chosen.
"""

from typing import Final

from litestar import Router

from farebox.api.guarding import refuse_options
from farebox.api.iptv import (
    accounts,
    admin,
    bulk,
    devices,
    dialect,
    messages,
    offers,
    resellers,
    subscriptions,
    support,
)
from farebox.api.iptv.blueprint import routes_of
from farebox.api.services import Services

NOUNS: Final = tuple(
    noun
    for module in (accounts, messages, offers, subscriptions, resellers)
    for noun in module.NOUNS
)


def router(services: Services) -> Router:
    """All routes of this API."""
    return Router(
        path="/iptv",
        route_handlers=[
            *(route for noun in NOUNS for route in routes_of(services, noun)),
            *devices.routes(services),
            *admin.routes(services),
            *support.routes(services),
            *bulk.routes(services),
        ],
        guards=[refuse_options],
        exception_handlers={Exception: dialect.failure},
    )
