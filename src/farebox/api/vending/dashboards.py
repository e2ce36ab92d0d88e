"""Dashboards and their widgets: everybody's own (vending-platform.md 2.5, 3.11).

Users of admin groups see the dashboards of users below them and change none of them. What a
widget's settings mean is its viewer's business: they are kept as they are sent.
"""

from typing import Any, Final

import msgspec
from litestar import get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import CRITERIA, Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import Created, arguments, new, rows, shape
from farebox.api.vending.dialect import (
    Answer,
    Call,
    Fields,
    created,
    message,
    principal,
    read_body,
    reply,
    require,
)
from farebox.api.vending.repeats import once
from farebox.api.vending.wire_people import Message
from farebox.domain.errors import ForbiddenError
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
SETTINGS_CHARS_MAX: Final = 16 << 10


class Settings(msgspec.Struct):
    """What a widget is to show, in words of its viewer's."""

    settings: str


async def _prepare_dashboard(write: Write) -> None:
    if write.current is None:
        write.columns["users"] = write.view.caller.id


async def _prepare_widget(write: Write) -> None:
    if "dashboard" in write.values:
        owner = await write.connection.fetchval(SQL.user_of, write.values["dashboard"])
        if owner != write.view.caller.id:
            raise ForbiddenError("This dashboard is another user's")


DASHBOARD = Resource(
    name="dashboard",
    table="vending.dashboard",
    owner=None,
    scope=tenancy.personal("t.users"),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("user", "int", column="users"),
        Field("userGroup", "int", column=SQL.group_of_user),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("widgets", "widget", back="t.dashboard = {parent}::int"),
        Association("user", "user", column="users"),
    ),
    unique={"dashboard_name_once": "name"},
    prepare=_prepare_dashboard,
)

WIDGETTYPE = Resource(
    name="widgettype",
    title="Widget type",
    table="vending.widgettype",
    owner=None,
    scope=tenancy.everyone(),
    fields=(ID, Field("name")),
)

WIDGET = Resource(
    name="widget",
    table="vending.widget",
    owner=None,
    scope=tenancy.personal(SQL.user_of_widget),
    fields=(
        ID,
        Field("name", write="OO"),
        Field("widgetType", "int", "OO", column="widget_type", default=1, reference="widgettype"),
        Field("dashboard", "int", "RO", reference="dashboard"),
        Field("settings"),
        CREATED,
        UPDATED,
    ),
    associations=(Association("dashboard", "dashboard", column="dashboard"),),
    prepare=_prepare_widget,
)
# What an update answers: the settings have a route of their own.
_WIDGET_NAMES: Final = tuple(field.name for field in WIDGET.fields if field.name != "settings")
WidgetChanged: Any = msgspec.defstruct(
    "WidgetChanged",
    [(name, WIDGET.by_name[name].kind.python | None) for name in _WIDGET_NAMES],
    module=__name__,
)

EXPOSED: Final = (
    Exposed(
        resource=DASHBOARD,
        operations=operations("VEND-DASHBOARD", "list get create update delete populate"),
    ),
    Exposed(resource=WIDGETTYPE, operations=operations("VEND-WIDGETTYPE", "list get")),
    Exposed(resource=WIDGET, operations=operations("VEND-WIDGET", "get delete")),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The routes of widgets, most of which begin at their dashboard."""
    return [*_on_dashboard(made), *_changes(made)]


def _on_dashboard(made: Blueprint) -> list[HTTPRouteHandler]:
    path = "/dashboard/{dashboard:str}/widget"

    @get(path, **documented("VEND-WIDGET-LIST", None, rows(WIDGET), query=CRITERIA))
    async def list_widgets(request: Call, dashboard: FromPath[str]) -> Answer:
        """The widgets on a dashboard."""
        return await made.associated(request, DASHBOARD, dashboard, "widgets")

    @post(path, **documented("VEND-WIDGET-CREATE", new(WIDGET), Created, 201))
    async def create_widget(request: Call, dashboard: FromPath[str]) -> Answer:
        """Adds a widget to a dashboard of the caller's own."""
        home, body = row_id(DASHBOARD, dashboard), await read_body(request)
        values = arguments(WIDGET, body | {"dashboard": home}, creating=True)
        await store.read(made.services.pool, DASHBOARD, home, made.view(request))
        require(principal(request), "widget:write")

        async def run(connection: Connection) -> Answer:
            view = made.view(request)
            return created(await store.insert(connection, WIDGET, values, view, made.catalogue))

        return await once(request, made.services, run)

    return [list_widgets, create_widget]


def _changes(made: Blueprint) -> list[HTTPRouteHandler]:
    path, changed = "/widget/{id:str}", shape(WIDGET)

    async def update(request: Call, id: FromPath[str]) -> Answer:
        """Changes a widget and gives it, without its settings."""
        key = row_id(WIDGET, id)
        values = arguments(WIDGET, await read_body(request), creating=False)
        await made.change(request, WIDGET, key, values)
        row = await store.read(made.services.pool, WIDGET, key, made.view(request))
        return reply(WidgetChanged(*(getattr(row, name) for name in _WIDGET_NAMES)))

    async def set_settings(request: Call, id: FromPath[str]) -> Answer:
        """Replaces the settings of a widget."""
        key = row_id(WIDGET, id)
        fields = Fields(await read_body(request), known=("settings",), ignored=WIDGET.by_name)
        text = fields.string("settings", high=SETTINGS_CHARS_MAX, trim=False, lines=True)
        fields.finish()
        await made.change(request, WIDGET, key, {"settings": text})
        return message("Widget updated")

    return [
        patch(path, **documented("VEND-WIDGET-UPDATE", changed, WidgetChanged))(update),
        put(path, include_in_schema=False)(update),
        patch(f"{path}/settings", **documented("VEND-WIDGET-SETTINGS", Settings, Message))(
            set_settings
        ),
        put(f"{path}/settings", include_in_schema=False)(set_settings),
    ]
