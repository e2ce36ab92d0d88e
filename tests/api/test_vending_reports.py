"""What saved reports name: the examples of vending-platform.md 5, and its 3.6."""

from tests.api.conftest import Api, Golden
from tests.golden import Example

PATH = "/report/1"
POPULATED = (
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/machines", answer=[80]),
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/machines?hostname=none", answer=[]),
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/user",
            answer={"id": 2, "username": "nora"}),
    *(
        Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/{alias}", answer=[])
        for alias in ("locationGroup", "manufacturers", "locations", "machineTypes",
                      "machineModels", "machineGroups")
    ),
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/machines", answer=[80], by="root"),
    Example("VEND-REPORT-POPULATE", "GET", "/report/9/machines", status=404),
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/machines", status=404, by="sam"),
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/locationGroups", status=404),
    Example("VEND-REPORT-POPULATE", "GET", f"{PATH}/secret", status=404),
    Example("VEND-REPORT-POPULATE", "GET", "/report/x/machines", status=404),
)  # fmt: skip


async def test_populate(golden: Golden) -> None:
    """Every documented alias answers; unknown ones and strangers get nothing."""
    await golden(*POPULATED)


async def test_what_is_not_seen_is_left_out(api: Api) -> None:
    """A machine that went to strangers is no longer shown in a report that names it."""
    await api.execute("insert into vending.report_machine (report, machine) values (1, 81)")
    for name, seen in (("nora", [80]), ("root", [80, 81])):
        rows = (await (await api.login(name)).get(f"{PATH}/machines")).json()
        assert seen == [row["id"] for row in rows]
