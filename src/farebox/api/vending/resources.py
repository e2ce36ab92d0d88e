"""All declared resources of this API, and the routes made from them.

A resource names others in its associations and references; here the names meet their declarations.
"""

from collections.abc import Mapping
from typing import Final

from litestar.handlers import HTTPRouteHandler

from farebox.api.services import Services
from farebox.api.vending import (
    alerts,
    assortment,
    calculations,
    charts,
    commands,
    configuration,
    connectors,
    dashboards,
    dead_letters,
    errors,
    export,
    fleet,
    hours,
    images,
    integrations,
    models,
    products,
    profiles,
    provisioning,
    rates,
    records,
    report_files,
    reports,
    revenue,
    shifts,
    sites,
    statuses,
    templates,
    transactions_csv,
    usergroups,
    userreports,
    words,
)
from farebox.api.vending.blueprint import Blueprint
from farebox.resource.definition import Resource

_NOUNS: Final = (
    usergroups,
    sites,
    models,
    errors,
    fleet,
    templates,
    hours,
    words,
    images,
    shifts,
    commands,
    connectors,
    integrations,
    products,
    profiles,
    dashboards,
    alerts,
    reports,
    userreports,
    charts,
    records,
    rates,
    dead_letters,
)
_BY_HAND: Final = (
    usergroups,
    provisioning,
    errors,
    fleet,
    statuses,
    configuration,
    templates,
    hours,
    images,
    shifts,
    commands,
    connectors,
    integrations,
    products,
    profiles,
    dashboards,
    alerts,
    assortment,
    userreports,
    charts,
    report_files,
    reports,
    calculations,
    records,
    transactions_csv,
    rates,
    revenue,
    export,
    dead_letters,
)
EXPOSED: Final = tuple(one for noun in _NOUNS for one in noun.EXPOSED)
CATALOGUE: Final[Mapping[str, Resource]] = {one.resource.name: one.resource for one in EXPOSED}


def routes(services: Services) -> list[HTTPRouteHandler]:
    """The routes of every resource, and those that its noun adds by hand."""
    made = Blueprint(services, CATALOGUE)
    handlers = [handler for one in EXPOSED for handler in made.routes(one)]
    return [*handlers, *(handler for noun in _BY_HAND for handler in noun.routes(made))]
