"""Users' reports and their charts: vending-commerce.md 3.26-3.34, 4.15 and the rows of 5.2."""

from typing import Any

import pytest

from tests.api.conftest import Api, Golden
from tests.golden import Example

UR, CHARTS, CHART = "/userreport/1", "/userreport/1/chart", "/chart/1"
FRAME = {"type": "day", "viewType": "day", "hoursToSub": 720, "column": "occurredAt"}
SUM = {"expr": "price", "op": "sum", "as": "revenue"}


def asked(*select: dict[str, Any], source: str = "revenuetransaction", **more: Any) -> Any:
    """Criteria of a chart."""
    return {"select": list(select) or [SUM], "from": source, **more}


LIFE = (
    Example("VEND-X-USERREPORT-CREATE", "POST", "/userreport", {"name": "Mine"}, 201, {"id": 1}),
    Example("VEND-X-USERREPORT-LIST", "GET", "/userreport",
            answer=[{"id": 1, "name": "Mine", "user": 2}]),
    Example("VEND-USERREPORT-UPDATE", "PATCH", UR, {"name": "x"}),
    Example("VEND-USERREPORT-UPDATE", "PATCH", UR, {"name": ""}, 400, {"fields": {"name": ...}}),
    Example("VEND-USERREPORT-UPDATE", "PATCH", UR, {}, 400),
    Example("VEND-X-USERREPORT-GET", "GET", UR, answer={"name": "x", "user": 2}),
    Example("VEND-CHART-LIST", "GET", CHARTS, answer=[]),
    Example("VEND-CHART-CREATE", "POST", CHARTS, {"type": "revenue_full"}, 201, {"id": 1}),
    Example("VEND-CHART-CREATE", "POST", CHARTS,
            {"type": "machine_issues", "name": "Trouble", "view": "bars", "position": 0}, 201,
            {"id": 2}),
    Example("VEND-CHART-CREATE", "POST", CHARTS,
            {"type": "payment_types", "view": None, "criteria": asked(timeFrames=[FRAME])}, 201,
            {"id": 3}),
    Example("VEND-CHART-LIST", "GET", CHARTS, answer=[
        {"id": 1, "name": None, "type": "revenue_full", "view": "table", "position": 0,
         "report": 1, "reportType": "userreport", "createAt": "2026-03-10T09:00:00Z",
         "updateAt": "2026-03-10T09:00:00Z", "criteria": {"from": "revenuetransaction"}},
        {"id": 2, "view": "bars", "position": 0}, {"id": 3, "position": 1}]),
    Example("VEND-CHART-LIST", "GET", f"{CHARTS}?sort=id desc&limit=2", answer=[3, 2]),
    Example("VEND-CHART-FIELD", "GET", f"{CHART}/criteria", answer={
        "id": 1, "criteria": {"from": "revenuetransaction", "where": [], "orderBy": [], "select": [
            {"expr": "currency", "op": "", "as": "currency"}, SUM,
            {"expr": "*", "op": "count", "as": "products"}], "timeFrames": [FRAME]}}),
    Example("VEND-CHART-FIELD", "GET", f"{CHART}/name", answer={"id": 1, "name": None}),
    Example("VEND-CHART-FIELD", "GET", f"{CHART}/reportType", answer={"reportType": "userreport"}),
    Example("VEND-CHART-FIELD", "GET", f"{CHART}/bogus", None, 400, {"fields": {"field": ...}}),
    Example("VEND-CHART-UPDATE", "PATCH", CHART, {"name": "Sales", "view": "lines"}),
    Example("VEND-CHART-GET", "GET", CHART, answer={"name": "Sales", "view": "lines"}),
    Example("VEND-CHART-UPDATE", "PUT", CHART, {"criteria": asked(), "type": "payment_types"}),
    Example("VEND-CHART-GET", "GET", CHART,
            answer={"type": "payment_types", "criteria": {"select": [SUM]}, "view": "lines"}),
    Example("VEND-USERREPORT-DUPLICATE", "POST", f"{UR}/duplicate", {"name": "copy"}, 201,
            {"message": ..., "id": 2}),
    Example("VEND-CHART-LIST", "GET", "/userreport/2/chart", answer=[
        {"id": 4, "name": "Sales", "position": 0, "report": 2},
        {"id": 5, "name": "Trouble", "view": "bars", "position": 0}, {"id": 6, "position": 1}]),
    Example("VEND-CHART-UPDATE", "PATCH", "/chart/3", {"report": 2}),
    Example("VEND-CHART-GET", "GET", "/chart/3", answer={"report": 2, "position": 2}),
    Example("VEND-X-CHART-DELETE", "DELETE", "/chart/3"),
    Example("VEND-CHART-GET", "GET", "/chart/3", status=404),
    Example("VEND-X-USERREPORT-DELETE", "DELETE", "/userreport/2"),
    Example("VEND-CHART-GET", "GET", "/chart/4", status=404),
    # Whoever is above sees it, changes nothing and may have a copy.
    Example("VEND-CHART-GET", "GET", CHART, by="root"),
    Example("VEND-CHART-UPDATE", "PATCH", CHART, {"name": "y"}, 403, by="root"),
    Example("VEND-CHART-CREATE", "POST", CHARTS, {"type": "revenue_full"}, 403, by="root"),
    Example("VEND-X-CHART-DELETE", "DELETE", CHART, None, 403, by="root"),
    Example("VEND-USERREPORT-DUPLICATE", "POST", f"{UR}/duplicate", {"name": "z"}, 201, {"id": 3},
            by="root"),
    Example("VEND-X-USERREPORT-GET", "GET", "/userreport/3", answer={"user": 1}, by="root"),
    # What is a stranger's does not exist, and neither does what is above.
    *(
        Example(operation, method, path, body, 404, {"code": "not_found"}, by)
        for by, number, chart in (("sam", 1, 1), ("nora", 3, 7), ("nora", 999, 999))
        for operation, method, path, body in (
            ("VEND-X-USERREPORT-GET", "GET", f"/userreport/{number}", None),
            ("VEND-USERREPORT-UPDATE", "PATCH", f"/userreport/{number}", {"name": "x"}),
            ("VEND-USERREPORT-DUPLICATE", "POST", f"/userreport/{number}/duplicate", {"name": "x"}),
            ("VEND-X-USERREPORT-DELETE", "DELETE", f"/userreport/{number}", None),
            ("VEND-CHART-LIST", "GET", f"/userreport/{number}/chart", None),
            ("VEND-CHART-CREATE", "POST", f"/userreport/{number}/chart", {"type": "revenue_full"}),
            ("VEND-CHART-GET", "GET", f"/chart/{chart}", None),
            ("VEND-CHART-FIELD", "GET", f"/chart/{chart}/name", None),
            ("VEND-CHART-UPDATE", "PATCH", f"/chart/{chart}", {"name": "x"}),
            ("VEND-X-CHART-DELETE", "DELETE", f"/chart/{chart}", None),
        )
    ),
    Example("VEND-CHART-UPDATE", "PATCH", CHART, {"report": 3}, 400, {"code": "invalid_reference"}),
)  # fmt: skip

TEMPLATES = (
    Example("VEND-CHARTTEMPLATE-LIST", "GET", "/charttemplate", answer=[
        {"id": number, "type": kind, "createAt": ..., "updateAt": ..., "name": ...,
         "criteria": {"from": source}}
        for number, (kind, source) in enumerate((
            ("revenue_full", "revenuetransaction"), ("revenue_grouped", "revenuetransaction"),
            ("payment_types", "paymenttransaction"), ("offline_machines", "log"),
            ("machine_cleaning", "log"), ("machine_alarms", "log"), ("machine_issues", "log"),
        ), 1)]),
    Example("VEND-CHARTTEMPLATE-GET", "GET", "/charttemplate/1", answer={"type": "revenue_full"}),
    Example("VEND-CHARTTEMPLATE-GET", "GET", "/charttemplate/99", status=404),
    Example("VEND-CHARTTEMPLATE-GET", "GET", "/charttemplate/x", status=404),
)  # fmt: skip

# Bodies of a create, and the paths that the refusal names.
REFUSED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    ({}, ("type",)),
    ({"type": "pie"}, ("type",)),
    ({"type": "revenue_full", "view": "cake", "position": -1, "name": 5, "colour": 1},
     ("view", "position", "name", "colour")),
    *(
        ({"type": "revenue_full", "criteria": criteria}, paths)
        for criteria, paths in (
            ("x", ("criteria",)),
            ({}, ("criteria.from",)),
            ({"from": "user"}, ("criteria.from",)),
            ({"from": "log", "limit": 1}, ("criteria.limit", "criteria.select")),
            (asked({"expr": "colour"}), ("criteria.select[0].expr",)),
            (asked({"expr": "price", "op": "median"}, {"op": "sum"}),
             ("criteria.select[0].op", "criteria.select[1].expr")),
            (asked({"expr": "*", "op": "sum"}), ("criteria.select[0].op",)),
            (asked({"expr": "*"}), ("criteria.select[0].op",)),
            (asked({"expr": "name", "op": "sum"}), ("criteria.select[0].op",)),
            (asked({"expr": "isResolvable", "op": "max"}, source="log"),
             ("criteria.select[0].op",)),
            (asked({"expr": "extraData"}, source="log"), ("criteria.select[0].expr",)),
            (asked({"expr": "price", "as": "1st"}), ("criteria.select[0].as",)),
            (asked({"expr": "price", "as": "a; drop"}), ("criteria.select[0].as",)),
            (asked(SUM, SUM), ("criteria.select[1].as",)),
            (asked({"expr": "*", "op": "count", "as": "date"}, timeFrames=[FRAME]),
             ("criteria.select[0].as",)),
            (asked(*[{"expr": "price", "op": "sum", "as": f"a{n}"} for n in range(21)]),
             ("criteria.select",)),
            (asked(where=[{"field": "colour", "op": "=", "value": 1}]),
             ("criteria.where[0].field",)),
            (asked(where=[{"field": "price", "op": "like", "value": 1}]),
             ("criteria.where[0].op",)),
            (asked(where=[{"field": "price", "op": "contains", "value": "1"}]),
             ("criteria.where[0].op",)),
            (asked(where=[{"field": "price", "op": "=", "value": "dear"}]),
             ("criteria.where[0].value",)),
            (asked(where=[{"field": "price", "op": "<"}]), ("criteria.where[0].value",)),
            (asked(where=[{"field": "price", "op": "in", "value": 1}]),
             ("criteria.where[0].value",)),
            (asked(where=[{"field": "price", "op": "in", "value": [1] * 1001}]),
             ("criteria.where[0].value",)),
            (asked(where=[{"field": "price", "op": "=", "value": 1}] * 33), ("criteria.where",)),
            (asked(where="price > 1"), ("criteria.where",)),
            (asked(orderBy=["price", "revenue up", 5, "revenue asc"]),
             ("criteria.orderBy[0]", "criteria.orderBy[1]", "criteria.orderBy[2]")),
            (asked(orderBy=["date"]), ("criteria.orderBy[0]",)),
            (asked(timeFrames=[{"viewType": "minute", "hoursToSub": -1, "column": "price"}]),
             ("criteria.timeFrames[0].type", "criteria.timeFrames[0].viewType",
              "criteria.timeFrames[0].hoursToSub", "criteria.timeFrames[0].column")),
            (asked(timeFrames=[{**FRAME, "startAt": "31/12/2026"}]),
             ("criteria.timeFrames[0].startAt",)),
            (asked(timeFrames=[{**FRAME, "startAt": "2026-03-02", "endAt": "2026-03-01"}]),
             ("criteria.timeFrames[0].endAt",)),
            (asked(timeFrames=[FRAME, {**FRAME, "column": "createdAt"}]),
             ("criteria.timeFrames[1].column",)),
            (asked(timeFrames=[FRAME] * 11), ("criteria.timeFrames",)),
        )
    ),
)  # fmt: skip

SENT_BACK = ("id", "createAt", "updateAt", "reportType")


async def test_life_of_a_report(golden: Golden) -> None:
    """Made, filled, changed, copied, taken away; seen from above, unknown elsewhere."""
    await golden(*LIFE)


async def test_templates(golden: Golden) -> None:
    """One for each type, in the types' order, and nobody changes them."""
    await golden(*TEMPLATES)


@pytest.mark.operation("VEND-CHART-CREATE")
async def test_refusals_name_the_place(api: Api) -> None:
    """Whatever is wrong with a chart is told under its own path, all of it together."""
    nora = await api.login("nora")
    await nora.post("/userreport", {"name": "Mine"})
    for body, paths in REFUSED:
        answer = await nora.post(CHARTS, body)
        assert (400, set(paths)) == (answer.status_code, set(answer.json()["fields"])), body
    assert [] == (await nora.get(CHARTS)).json()


@pytest.mark.operation("VEND-CHART-UPDATE")
async def test_the_object_is_sent_back(api: Api) -> None:
    """A chart that was read can be written as it is; what cannot be this chart cannot."""
    nora = await api.login("nora")
    await nora.post("/userreport", {"name": "Mine"})
    await nora.post(CHARTS, {"type": "machine_alarms", "name": "Alarms"})
    row = (await nora.get(CHART)).json()
    assert 200 == (await nora.patch(CHART, row)).status_code
    assert row == (await nora.get(CHART)).json()
    for name, value in zip(SENT_BACK, (2, "yesterday", "soon", "report"), strict=True):
        assert 400 == (await nora.patch(CHART, {name: value})).status_code, name
    assert 400 == (await nora.patch(CHART, {})).status_code


@pytest.mark.operation("VEND-CHART-CREATE")
async def test_a_report_is_bounded(api: Api) -> None:
    """A report has at most a hundred charts; one goes to the end unless its place is told."""
    nora = await api.login("nora")
    await nora.post("/userreport", {"name": "Mine"})
    await api.execute(
        "insert into vending.chart (report, type, criteria, position, created_at_ms, updated_at_ms)"
        " select 1, 'revenue_full', '{}', 2147483646, 0, 0 from generate_series(1, 99)"
    )
    assert 201 == (await nora.post(CHARTS, {"type": "revenue_full"})).status_code
    assert 2147483647 == (await nora.get(f"{CHARTS}?sort=id desc&limit=1")).json()[0]["position"]
    refused = await nora.post(CHARTS, {"type": "revenue_full"})
    assert (409, "too_many_charts") == (refused.status_code, refused.json()["code"])
