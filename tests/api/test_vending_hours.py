"""Opening hours (vending-platform.md 3.7, 5)."""

from typing import Any

from tests.api.conftest import Api, Golden
from tests.golden import Example

MONDAY = {"day": 1, "startTime": "09:15:00", "endTime": "10:00:00"}


def put(path: str, body: Any, status: int = 200, answer: Any = ..., method: str = "PUT") -> Example:
    """Sets hours."""
    return Example("VEND-OPENINGHOURS-SET", method, f"/openinghours/{path}", body, status, answer)


def hours(path: str, *expected: Any, status: int = 200) -> Example:
    """Reads hours."""
    told = [*expected] if status == 200 else ...
    return Example("VEND-OPENINGHOURS-LIST", "GET", f"/openinghours/{path}", None, status, told)


def row(day: int, start: str, end: str) -> dict[str, Any]:
    """One row of a body."""
    return {"day": day, "startTime": start, "endTime": end}


EXAMPLES = (
    hours("machine/80"),
    put("location/2", [MONDAY], 200, {"message": "Opening hours set for 1 machines"}),
    hours("machine/80", {**MONDAY, "machine": 80}),
    put("machinegroup/5", [row(0, "22:00", "06:00"), row(7, "22:00:00", "06:00:00"),
                           row(1, "00:00", "24:00"), row(6, "23:59:59", "00:00")]),
    # Sunday has two numbers; a row that is there twice counts once.
    hours("location/2?sort=day", row(1, "00:00:00", "24:00:00"), row(6, "23:59:59", "00:00:00"),
          row(7, "22:00:00", "06:00:00")),
    hours("locationgroup/6?where[day]=7&limit=1", {"day": 7}),
    put("locationgroup/6", [], 200, {"message": "Opening hours set for 1 machines"}, "POST"),
    hours("machinegroup/5"),
    put("machine/80", [MONDAY], 200, ..., "PATCH"),
    hours("machine/80", MONDAY),
)  # fmt: skip

REFUSED = (
    put("location/2", [{**MONDAY, "day": 8}], 400, {"fields": {"hours[0].day": ...}}),
    put("location/2", [MONDAY, {"day": 1}], 400,
        {"code": "missing_parameters",
         "fields": {"hours[1].startTime": ..., "hours[1].endTime": ...}}),
    put("location/2", [row(1, "9:15", "10:00")], 400, {"fields": {"hours[0].startTime": ...}}),
    put("location/2", [row(1, "24:00", "10:00")], 400, {"fields": {"hours[0].startTime": ...}}),
    put("location/2", [row(1, "10:00", "24:01")], 400, {"fields": {"hours[0].endTime": ...}}),
    put("location/2", [row(1, "10:00", "10:00:00")], 400, {"fields": {"hours[0].endTime": ...}}),
    put("location/2", [row(1, "10:60", "11:00")], 400),
    put("location/2", [{**MONDAY, "open": True}], 400, {"code": "unknown_field"}),
    put("location/2", [5], 400, {"fields": {"hours[0]": ...}}),
    put("location/2", [MONDAY] * 101, 400, {"fields": {"hours": ...}}),
    put("location/2", MONDAY, 400, {"code": "invalid_parameter"}),
    put("country/2", [MONDAY], 400, {"fields": {"resource": ...}}),
    put("location/3", [MONDAY], 404),
    put("machine/81", [MONDAY], 404),
    put("machine/abc", [MONDAY], 404),
    hours("machine/81", status=404),
    hours("country/1", status=400),
    hours("machine/80?where[start_s]=1", status=400),
)  # fmt: skip


async def test_worked_examples(golden: Golden) -> None:
    """Hours are set in place of what was there, and read back."""
    await golden(*EXAMPLES)


async def test_refusals(golden: Golden) -> None:
    """Hours that are wrong or of somebody else's machines are refused, all or nothing."""
    await golden(put("machine/80", [MONDAY]), *REFUSED, hours("machine/80", MONDAY))


async def test_machines_that_come_later(golden: Golden) -> None:
    """Hours are those of the machines that are there; one that is moved in keeps its own."""
    hall = {
        "name": "Hall", "hostname": "gw-0090", "location": 2, "machineModel": 1, "machineType": 1,
        "manufacturer": 1, "currency": 978,
    }  # fmt: skip
    await golden(
        put("location/2", [MONDAY]),
        Example("VEND-MACHINE-CREATE", "POST", "/machine", hall, 201, 90),
        hours("location/2", {**MONDAY, "machine": 80}),
        put("location/2", [MONDAY], 200, {"message": "Opening hours set for 2 machines"}),
        hours("location/2", {"machine": 80}, {"machine": 90}),
        Example("VEND-MACHINE-DELETE", "DELETE", "/machine/90", None, 200),
        hours("location/2", {"machine": 80}),
    )


async def test_only_machines_that_are_seen(golden: Golden, api: Api) -> None:
    """A group's machines elsewhere, which the caller does not see, keep their hours."""
    await api.execute("insert into vending.machinegroup_machine values (5, 81)")
    await golden(
        put("machinegroup/5", [MONDAY], 200, {"message": "Opening hours set for 1 machines"})
    )
    assert [80] == await api.fetchval("select array_agg(machine) from vending.openinghours")
