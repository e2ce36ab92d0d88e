"""Saved reports: the rows of vending-commerce.md 5.2 for them, and 3.22-3.25."""

from typing import Any

from tests.api.conftest import Api, Golden
from tests.golden import Example

FIXED = {"startDate": "2019-01-01", "endDate": "2019-03-31", "type": "fixed date"}
RELATIVE = {"startDate": {"week": 0, "day": 1}, "endDate": {"week": 0, "day": -1},
            "type": "relative"}  # fmt: skip
Q1 = {"name": "Q1", "period1": FIXED, "machines": [80]}
NEW = "/report/2"
CREATE, UPDATE = "VEND-REPORT-CREATE", "VEND-REPORT-UPDATE"
ADD, REMOVE = "VEND-REPORT-ADD", "VEND-REPORT-REMOVE"
POPULATE, GET = "VEND-REPORT-POPULATE", "VEND-X-REPORT-GET"
UPDATED = {"message": "Report updated"}


def machines(*ids: int) -> Example:
    """The machines that the report names now."""
    return Example(POPULATE, "GET", f"{NEW}/machines", answer=[*ids])


# One after the other.
LIFE = (
    Example(CREATE, "POST", "/report", Q1, 201, {"id": 2}),
    Example(GET, "GET", NEW, answer={"id": 2, "name": "Q1", "user": 2, "period1": FIXED,
                                     "period2": None}),
    machines(80),
    Example(UPDATE, "PATCH", NEW, {"machines": []}, answer=UPDATED),
    machines(),
    Example(UPDATE, "PATCH", NEW, {"machines": [999999]}, 400, {"code": "invalid_reference"}),
    Example(UPDATE, "PATCH", NEW, {"machines": [81]}, 400, {"code": "invalid_reference"}),
    Example(ADD, "PUT", f"{NEW}/machines/80", answer={"id": 2}),
    Example(ADD, "PUT", f"{NEW}/machines/80", answer={"id": 2}),
    machines(80),
    Example(REMOVE, "DELETE", f"{NEW}/machines/80", answer={"message": "Removed"}),
    Example(REMOVE, "DELETE", f"{NEW}/machines/80", answer={"message": "Removed"}),
    machines(),
    Example(REMOVE, "DELETE", f"{NEW}/user/1", None, 404),
    Example(ADD, "PUT", f"{NEW}/locationGroup/6", None, 404),
    Example(ADD, "PUT", f"{NEW}/machines/999999", None, 400, {"code": "invalid_reference"}),
    Example(ADD, "PUT", f"{NEW}/machines/81", None, 400, {"code": "invalid_reference"}),
    Example(ADD, "PUT", f"{NEW}/machines/x", None, 404),
    Example(ADD, "PUT", "/report/99/machines/80", None, 404),
    # Either spelling; an array replaces, and what is absent stays.
    Example(UPDATE, "PATCH", NEW, {"manufactures": [1], "machineModels": [1], "machineTypes": [1],
                                   "locationGroup": [6], "machines": [80]}, answer=UPDATED),
    Example(POPULATE, "GET", f"{NEW}/manufacturers", answer=[1]),
    Example(UPDATE, "PATCH", NEW, {"manufacturers": []}, answer=UPDATED),
    Example(POPULATE, "GET", f"{NEW}/manufacturers", answer=[]),
    Example(POPULATE, "GET", f"{NEW}/locationGroup", answer=[6]),
    machines(80),
    Example(UPDATE, "PATCH", NEW, {"period1": None, "period2": RELATIVE, "name": None},
            answer=UPDATED),
    Example(GET, "GET", NEW, answer={"name": None, "period1": None, "period2": RELATIVE}),
    # A row that was read may be sent back.
    Example(UPDATE, "PATCH", NEW, {"id": 2, "user": 2, "name": "again", "period2": RELATIVE,
                                   "createdAt": "2026-03-10T09:00:00Z"}, answer=UPDATED),
    # Strangers see nothing, those above everything.
    Example(GET, "GET", NEW, status=404, by="sam"),
    Example(UPDATE, "PATCH", NEW, {"name": "mine"}, 404, by="sam"),
    Example(REMOVE, "DELETE", f"{NEW}/machines/80", None, 404, by="sam"),
    Example("VEND-X-REPORT-LIST", "GET", "/report?sort=id desc", answer=[2, 1], by="root"),
    Example("VEND-X-REPORT-LIST", "GET", "/report?where[name]=again", answer=[2]),
    Example("VEND-X-REPORT-DELETE", "DELETE", NEW),
    Example(GET, "GET", NEW, status=404),
)  # fmt: skip
WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"period1": {**FIXED, "startDate": "yesterday"}}, "period1.startDate"),
    ({"period1": {**FIXED, "startDate": {"day": 1}}}, "period1.startDate"),
    ({"period1": {**FIXED, "endDate": "2018-12-31"}}, "period1"),
    ({"period1": {"startDate": "2019-01-01"}}, "period1.endDate"),
    ({"period2": {**RELATIVE, "endDate": {"week": 54}}}, "period2.endDate.week"),
    ({"period2": {**RELATIVE, "type": "sometimes"}}, "period2.type"),
    ({"period2": {**RELATIVE, "zone": "UTC"}}, "period2.zone"),
    ({"period1": []}, "period1"),
    ({"machines": 80}, "machines"),
    ({"name": "x" * 256}, "name"),
    ({"users": 1}, "users"),
    ({"manufactures": [], "manufacturers": []}, "manufactures"),
)


async def test_the_life_of_a_report(golden: Golden) -> None:
    """Made, read, changed, filled, emptied and deleted."""
    await golden(*LIFE)


async def test_what_no_report_holds(api: Api) -> None:
    """A create and an update refuse the same, naming the member."""
    nora = await api.login("nora")
    for body, place in WRONG:
        for answer in (await nora.post("/report", body), await nora.patch("/report/1", body)):
            assert 400 == answer.status_code, (body, answer.text)
            assert [place] == list(answer.json()["fields"]), answer.text
    assert 400 == (await nora.patch("/report/1", {})).status_code
    assert 1 == await api.fetchval("select count(*) from vending.report")


async def test_an_empty_report(api: Api) -> None:
    """Everything is optional, and a repeated key makes one report."""
    nora = await api.login("nora")
    headers = {"Idempotency-Key": "once"}
    made = [await nora.post("/report", {}, headers=headers) for _ in range(2)]
    assert [(201, {"id": 2})] * 2 == [(one.status_code, one.json()) for one in made]
