"""The hosted PBX's API: tenants, lines, numbers, what calls pass through, call records (pbx.md).

`router` gathers the declared operations of the noun modules under /pbx. Where the document is
silent, the modules say what was chosen.
"""

from typing import Final

from litestar import Router

from farebox.api.guarding import refuse_options
from farebox.api.pbx import admin, calls, dialect, intake, lines, people, routing
from farebox.api.pbx.blueprint import route_of
from farebox.api.services import Services

OPERATIONS: Final = tuple(
    operation for noun in (people, lines, routing, calls) for operation in noun.OPERATIONS
)


def router(services: Services) -> Router:
    """All routes of this API."""
    return Router(
        path="/pbx",
        route_handlers=[
            *(route_of(services, operation) for operation in OPERATIONS),
            *admin.routes(services),
            *intake.routes(services),
        ],
        guards=[refuse_options],
        exception_handlers={Exception: dialect.failure},
    )
