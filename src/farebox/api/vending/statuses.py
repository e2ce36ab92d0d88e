"""Machines by how they are doing (vending-platform.md 3.3, 4.4).

A machine has exactly one status. Lists can be narrowed to the machines that a widget's settings
choose: a JSON object with arrays `machines`, `machineGroups`, `locations`, `locationGroups`, whose
union is meant; settings that say none of them, or are no JSON object, choose all. An array that is
there and empty chooses nothing.
"""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending.alerts import ALERTOBSERVER
from farebox.api.vending.blueprint import CRITERIA, Blueprint, row_id
from farebox.api.vending.bodies import rows
from farebox.api.vending.dashboards import WIDGET
from farebox.api.vending.dialect import Answer, Call, Fields, principal, require
from farebox.api.vending.fields import INT32_MAX, as_integer
from farebox.api.vending.fleet import MACHINE
from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine import presence
from farebox.resource import store
from farebox.resource.definition import View
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Members of a widget's settings, and the names of their ids in SQL.
_CHOICES: Final = {
    "machines": "machines",
    "machineGroups": "machine_groups",
    "locations": "locations",
    "locationGroups": "location_groups",
}
_QUERY: Final = {**CRITERIA, "widget": int}


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The lists of machines, and of the observers at them, by status."""
    return [*_machines(made), *_observers(made)]


def _machines(made: Blueprint) -> list[HTTPRouteHandler]:
    @get(
        "/machine/offline",
        **documented("VEND-MACHINE-OFFLINE", None, rows(MACHINE), query=CRITERIA),
    )
    async def offline(request: Call) -> Answer:
        """The machines that nothing was heard of lately."""
        return await made.page(
            request, MACHINE, presence.condition("offline"), _view(made, request)
        )

    @get(
        "/machine/status/{status:str}",
        **documented("VEND-MACHINE-STATUS", None, rows(MACHINE), query=_QUERY),
    )
    async def by_status(request: Call, status: FromPath[str]) -> Answer:
        """The machines of one status."""
        within, view = await _having(made, request, status)
        return await made.page(request, MACHINE, within, view, ("widget",))

    return [offline, by_status]


def _observers(made: Blueprint) -> list[HTTPRouteHandler]:
    @get(
        "/machine/status/{status:str}/alertobservers",
        **documented("VEND-MACHINE-STATUS-OBSERVERS", None, rows(ALERTOBSERVER), query=_QUERY),
    )
    async def observers(request: Call, status: FromPath[str]) -> Answer:
        """The observers that watch a machine of one status."""
        within, view = await _having(made, request, status)
        require(principal(request), "machine:read")
        at = f"t.id in {SQL.watching} ({MACHINE.scope.read}) and ({within})))"
        return await made.page(request, ALERTOBSERVER, at, view, ("widget",))

    @get(
        "/machine/{id:str}/alerts",
        **documented("VEND-MACHINE-ALERTS", None, rows(ALERTOBSERVER), query=CRITERIA),
    )
    async def alerts(request: Call, id: FromPath[str]) -> Answer:
        """The observers that fire at a machine now."""
        key, view = row_id(MACHINE, id), made.view(request)
        await store.read(made.services.pool, MACHINE, key, view)
        require(principal(request), "machine:read")
        firing = view.having(machine=key)
        return await made.page(request, ALERTOBSERVER, presence.FIRES_AT, firing)

    return [observers, alerts]


def _view(made: Blueprint, request: Call) -> View:
    return made.view(request).having(offline_after_ms=made.services.presence.offline_after_ms)


async def _having(made: Blueprint, request: Call, status: str) -> tuple[str, View]:
    """The condition on machines of a status, and the view that knows its values."""
    query = Fields(request.query_params)
    query_widget = query.optional_integer("widget", low=1, high=INT32_MAX)
    if status not in presence.STATUSES:
        query.wrong("status", "must be one of " + ", ".join(presence.STATUSES))
    query.finish()
    view, within = _view(made, request), presence.condition(status)
    if query_widget is None:
        return within, view
    chosen = await _chosen(made, query_widget, view)
    if not chosen:
        return within, view
    meant = {name: chosen.get(member, []) for member, name in _CHOICES.items()}
    return f"({within}) and {SQL.chosen}", view.having(**meant)


async def _chosen(made: Blueprint, widget: int, view: View) -> dict[str, list[int]]:
    """The ids that a widget's settings name, by the members that they have."""
    try:
        row = await store.read(made.services.pool, WIDGET, widget, view)
    except NotFoundError:
        reason = "does not exist"
        raise InvalidError(f"widget {reason}", "invalid_reference", {"widget": reason}) from None
    try:
        settings: Any = msgspec.json.decode(row.settings or "null")
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(settings, dict):
        return {}
    given = {name: settings[name] for name in _CHOICES if isinstance(settings.get(name), list)}
    return {name: _ids(values) for name, values in given.items()}


def _ids(values: list[Any]) -> list[int]:
    numbers = [as_integer(one) for one in values]
    return [number for number in numbers if number is not None and 1 <= number <= INT32_MAX]
