"""The internet provider's API: subscribers, groups, quota, collections, messages (isp.md).

`router` gathers the declared operations of the noun modules under /isp/api/v1. Where the document
is silent, the modules say what was chosen. What this version does not have yet is not mounted.
"""

from typing import Final

from litestar import Router

from farebox.api.isp import (
    areas,
    changes,
    collections,
    details,
    dialect,
    groups,
    messages,
    network,
    operators,
    overrides,
    provisioning,
    quotas,
    radacct,
    subscribers,
    usage,
)
from farebox.api.isp.blueprint import routes_of
from farebox.api.services import Services

_NOUNS: Final = (
    details,
    subscribers,
    groups,
    areas,
    collections,
    changes,
    overrides,
    network,
    messages,
)
OPERATIONS: Final = tuple(operation for noun in _NOUNS for operation in noun.OPERATIONS)


def router(services: Services) -> Router:
    """All routes of this API."""
    documented = [handler for operation in OPERATIONS for handler in routes_of(services, operation)]
    operated = [
        handler
        for noun in (provisioning, operators, usage, radacct, quotas)
        for handler in noun.routes(services)
    ]
    return Router(
        path="/isp",
        route_handlers=[
            Router("/api/v1", route_handlers=documented),
            Router("/admin", route_handlers=operated),
        ],
        exception_handlers={Exception: dialect.failure},
        request_max_body_size=dialect.BODY_BYTES_MAX,
    )
