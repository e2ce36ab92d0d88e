"""The vending API: sign-in, campaigns, vouchers, and the machines they are used at.

`router` gathers the routes of the noun modules under /vending. Where the document is silent, the
modules say what was chosen.
"""

from litestar import Router

from farebox.api.services import Services
from farebox.api.vending import (
    campaigns,
    device,
    dialect,
    people,
    redemptions,
    resources,
    voucher_files,
    vouchers,
)


def router(services: Services) -> Router:
    """All routes of this API."""
    nouns = (people, resources, campaigns, vouchers, voucher_files, redemptions, device)
    return Router(
        path="/vending",
        route_handlers=[handler for noun in nouns for handler in noun.routes(services)],
        guards=[dialect.enter],
        exception_handlers={Exception: dialect.failure},
        request_max_body_size=dialect.BODY_BYTES_MAX,
    )
