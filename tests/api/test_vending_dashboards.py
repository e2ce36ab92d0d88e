"""Dashboards and widgets: the examples of vending-platform.md 5, and 2.5, 3.11, 4.2."""

from tests.api.conftest import Api, Golden
from tests.golden import Example

SALES = {"name": "Sales", "widgetType": 2}

WIDGETS = (
    Example("VEND-WIDGET-CREATE", "POST", "/dashboard/9/widget", SALES, 201, {"id": 12}),
    Example("VEND-WIDGET-SETTINGS", "PATCH", "/widget/12/settings",
            {"settings": '{"machines":[80]}'}, answer={"message": "Widget updated"}),
    Example("VEND-WIDGET-UPDATE", "PATCH", "/widget/12", {"name": "Sales NL"}, answer={
        "id": 12, "name": "Sales NL", "widgetType": 2, "dashboard": 9,
        "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z"}),
    Example("VEND-WIDGET-GET", "GET", "/widget/12", answer={
        "id": 12, "name": "Sales NL", "settings": '{"machines":[80]}'}),
    Example("VEND-WIDGET-LIST", "GET", "/dashboard/9/widget", answer=[11, 12]),
    Example("VEND-WIDGET-LIST", "GET", "/dashboard/9/widget?widgetType=2", answer=[12]),
    Example("VEND-DASHBOARD-POPULATE", "GET", "/dashboard/9/widgets", answer=[11, 12]),
    # What it reads may be sent back, the settings among it.
    Example("VEND-WIDGET-UPDATE", "PATCH", "/widget/12", {"settings": "x", "name": None}),
    Example("VEND-WIDGET-GET", "GET", "/widget/12",
            answer={"name": None, "settings": '{"machines":[80]}'}),
    Example("VEND-WIDGET-SETTINGS", "PUT", "/widget/12/settings", {"settings": " not\njson "}),
    Example("VEND-WIDGET-GET", "GET", "/widget/12", answer={"settings": " not\njson "}),
    Example("VEND-WIDGET-CREATE", "POST", "/dashboard/9/widget", {}, 201, {"id": 13}),
    Example("VEND-WIDGET-GET", "GET", "/widget/13", answer={"widgetType": 1, "settings": None}),
    Example("VEND-WIDGET-DELETE", "DELETE", "/widget/13"),
    Example("VEND-WIDGET-DELETE", "DELETE", "/widget/13", status=404),
)  # fmt: skip

REFUSED = (
    Example("VEND-WIDGET-CREATE", "POST", "/dashboard/9/widget", SALES, 404, by="sam"),
    Example("VEND-WIDGET-CREATE", "POST", "/dashboard/9/widget", SALES, 403, by="root"),
    Example("VEND-WIDGET-CREATE", "POST", "/dashboard/9/widget", {"widgetType": 9}, 400,
            {"code": "invalid_reference"}),
    Example("VEND-WIDGET-CREATE", "POST", "/dashboard/9/widget", {"type": 1}, 400,
            {"code": "unknown_field"}),
    Example("VEND-WIDGET-GET", "GET", "/widget/11", status=404, by="sam"),
    Example("VEND-WIDGET-GET", "GET", "/widget/11", by="root"),
    Example("VEND-WIDGET-UPDATE", "PATCH", "/widget/11", {"name": "x"}, 403, by="root"),
    Example("VEND-WIDGET-DELETE", "DELETE", "/widget/11", status=403, by="root"),
    Example("VEND-WIDGET-UPDATE", "PATCH", "/widget/11", {"dashboard": 1}, 400,
            {"code": "invalid_reference"}),
    Example("VEND-WIDGET-UPDATE", "PATCH", "/widget/11", {}, 400, {"code": "missing_parameters"}),
    Example("VEND-WIDGET-SETTINGS", "PATCH", "/widget/11/settings", {}, 400,
            {"code": "missing_parameters"}),
    Example("VEND-WIDGET-SETTINGS", "PATCH", "/widget/11/settings", {"settings": None}, 400),
    Example("VEND-WIDGET-SETTINGS", "PATCH", "/widget/11/settings", {"settings": {}}, 400),
    Example("VEND-WIDGET-SETTINGS", "PATCH", "/widget/11/settings", {"settings": "s" * 16385},
            400),
    Example("VEND-WIDGET-SETTINGS", "PATCH", "/widget/11/settings", {"settings": "s" * 16384}),
    Example("VEND-DASHBOARD-UPDATE", "PATCH", "/dashboard/9", {"name": "x"}, 403, by="root"),
    Example("VEND-DASHBOARD-GET", "GET", "/dashboard/9", status=404, by="sam"),
    Example("VEND-DASHBOARD-CREATE", "POST", "/dashboard", {"name": "Dashboard"}, 409,
            {"code": "duplicate"}),
    Example("VEND-WIDGETTYPE-LIST", "GET", "/widgettype?limit=2",
            answer=[{"id": 1, "name": "machine status"}, {"id": 2, "name": "revenue by day"}]),
)  # fmt: skip

DASHBOARDS = (
    Example("VEND-DASHBOARD-LIST", "GET", "/dashboard", answer=[
        {"id": 9, "name": "Dashboard", "user": 2, "userGroup": 2}]),
    Example("VEND-DASHBOARD-CREATE", "POST", "/dashboard", {"name": "Night"}, 201, {"id": 10}),
    Example("VEND-DASHBOARD-UPDATE", "PATCH", "/dashboard/10", {"name": "Late", "user": 4}),
    Example("VEND-DASHBOARD-GET", "GET", "/dashboard/10", answer={"name": "Late", "user": 2}),
    Example("VEND-WIDGET-UPDATE", "PATCH", "/widget/11", {"dashboard": 10},
            answer={"dashboard": 10}),
    Example("VEND-DASHBOARD-POPULATE", "GET", "/dashboard/10/user", answer=2),
    Example("VEND-DASHBOARD-DELETE", "DELETE", "/dashboard/10"),
    Example("VEND-WIDGET-GET", "GET", "/widget/11", status=404),
)  # fmt: skip


async def test_life_of_a_widget(golden: Golden) -> None:
    """Settings have a route of their own; an update answers the widget without them."""
    await golden(*WIDGETS)


async def test_life_of_a_dashboard(golden: Golden) -> None:
    """It is its user's, widgets move between a user's own and go with theirs."""
    await golden(*DASHBOARDS)


async def test_refusals(golden: Golden) -> None:
    """Another user's dashboard does not exist, or may only be looked at from above."""
    await golden(*REFUSED)


async def test_everybody_has_a_dashboard(api: Api) -> None:
    """It is made with the user."""
    nora = await api.login("nora")
    kim = {"username": "kim", "email": "kim@example.test", "userGroup": 3, "language": 1}
    assert 201 == (await nora.post("/user", kim)).status_code
    mine = (await (await api.login("kim")).get("/dashboard")).json()
    assert ["Dashboard"] == [row["name"] for row in mine]
