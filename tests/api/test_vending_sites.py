"""Locations and location groups (vending-platform.md 2.4, 2.5, 3.6, 5)."""

from typing import Any

import pytest

from tests.api.conftest import Api, Golden
from tests.golden import Example

WHEN = "2026-03-10T09:00:00Z"
PIER: dict[str, Any] = {
    "name": "Pier", "address": "Quay 1", "postcode": "1011", "city": "Amsterdam", "country": "NL",
}  # fmt: skip
CENTRAL = {
    "id": 2, "name": "Central Station", "city": "Amsterdam", "country": "NL", "activeShift": None,
    "latitude": None, "longitude": None, "placeId": None, "timeZone": "Europe/Amsterdam",
    "createdAt": WHEN, "updatedAt": WHEN, "externalRef": None,
}  # fmt: skip


def made(body: Any, status: int = 201, answer: Any = ...) -> Example:
    """A new location."""
    return Example("VEND-LOCATION-CREATE", "POST", "/location", body, status, answer)


def changed(body: Any, status: int = 200, answer: Any = ..., key: int = 2) -> Example:
    """A change of a location."""
    return Example("VEND-LOCATION-UPDATE", "PATCH", f"/location/{key}", body, status, answer)


def read(key: int, answer: Any, status: int = 200) -> Example:
    """A location as it is shown."""
    return Example("VEND-LOCATION-GET", "GET", f"/location/{key}", None, status, answer)


EXAMPLES = (
    Example("VEND-LOCATION-LIST", "GET", "/location", None, 200, [CENTRAL]),
    made({**PIER, "latitude": 52.37, "longitude": 4.9}, 201, {"id": 10}),
    read(10, {**PIER, "latitude": "52.37", "longitude": "4.9", "timeZone": "Europe/Amsterdam",
              "activeShift": None}),
    changed({"city": "Zaandam", "locationGroups": [6]}, 200, {"message": "Location updated"}, 10),
    changed({"latitude": None}, 400, {"fields": {"latitude": ...}}, 10),
    changed({"latitude": None, "longitude": None}, key=10),
    read(10, {"city": "Zaandam", "latitude": None, "longitude": None}),
    Example("VEND-LOCATIONGROUP-POPULATE", "GET", "/locationgroup/6/locations", None, 200, [2, 10]),
    Example("VEND-LOCATION-POPULATE", "GET", "/location/10/locationGroups", None, 200, [6]),
    Example("VEND-LOCATION-POPULATE", "GET", "/location/2/machines", None, 200, [80]),
    Example("VEND-LOCATION-POPULATE", "GET", "/location/2/shifts", None, 200, []),
    Example("VEND-LOCATION-POPULATE", "GET", "/location/2/activeShift", None, 200, {}),
    Example("VEND-LOCATION-POPULATE", "GET", "/location/2/owner", None, 404),
    Example("VEND-LOCATION-DELETE", "DELETE", "/location/2", None, 409,
            {"code": "in_use", "fields": {"machine": ...}}),
    Example("VEND-LOCATION-DELETE", "DELETE", "/location/10", None, 200),
    read(10, ..., 404),
    Example("VEND-LOCATIONGROUP-CREATE", "POST", "/locationgroup",
            {"name": "Rails", "locations": [2]}, 201, {"id": 7}),
    Example("VEND-LOCATIONGROUP-UPDATE", "PATCH", "/locationgroup/6", {"name": "Rail"}, 200,
            {"message": "Location group updated"}),
    Example("VEND-LOCATIONGROUP-GET", "GET", "/locationgroup/6", None, 200,
            {"id": 6, "name": "Rail", "userGroup": 2, "createdAt": WHEN}),
    Example("VEND-LOCATIONGROUP-POPULATE", "GET", "/locationgroup/7/userGroup", None, 200, 2),
    Example("VEND-LOCATIONGROUP-REMOVE", "DELETE", "/locationgroup/7/locations/2", None, 200),
    Example("VEND-LOCATIONGROUP-ADD", "PUT", "/locationgroup/7/locations/2", None, 200, {"id": 7}),
    Example("VEND-LOCATIONGROUP-UPDATE", "PATCH", "/locationgroup/7", {"locations": []}, 200),
    Example("VEND-LOCATIONGROUP-POPULATE", "GET", "/locationgroup/7/locations", None, 200, []),
    Example("VEND-LOCATIONGROUP-DELETE", "DELETE", "/locationgroup/7", None, 200),
)  # fmt: skip

REFUSED = (
    made({}, 400, {"code": "missing_parameters", "fields": dict.fromkeys(PIER, ...)}),
    made({**PIER, "latitude": 52.37}, 400, {"fields": {"longitude": ...}}),
    made({**PIER, "latitude": 91, "longitude": "x"}, 400,
         {"fields": {"latitude": ..., "longitude": ...}}),
    made({**PIER, "timeZone": "Mars/Olympus"}, 400, {"fields": {"timeZone": ...}}),
    made({**PIER, "locationGroups": [9]}, 400, {"code": "invalid_reference"}),
    made({**PIER, "owner": 4}, 400, {"code": "unknown_field"}),
    changed({"name": None}, 400),
    changed({"latitude": 5}, 400, {"fields": {"longitude": ...}}),
    changed({"name": "x"}, 404, key=3),
    read(3, {"code": "not_found"}, 404),
    Example("VEND-LOCATIONGROUP-CREATE", "POST", "/locationgroup", {"name": "Stations"}, 409,
            {"code": "duplicate", "fields": {"name": ...}}),
    Example("VEND-LOCATIONGROUP-CREATE", "POST", "/locationgroup",
            {"name": "All", "locations": [2, 3]}, 400,
            {"code": "invalid_reference", "fields": {"locations": "does not exist: 3"}}),
    Example("VEND-LOCATIONGROUP-UPDATE", "PATCH", "/locationgroup/6", {"name": "x"}, 404,
            by="sam"),
)  # fmt: skip

# What is sent for a coordinate, and what comes back.
COORDINATES = (
    (52.370216, "52.370216"), ("52.37", "52.37"), (4.0, "4"), (4, "4"), ("-0.5", "-0.5"),
    (0, "0"), (1.23456785, "1.2345678"), (1.23456775, "1.2345678"), (-90, "-90"), ("1e1", "10"),
)  # fmt: skip


async def test_worked_examples(golden: Golden) -> None:
    """The calls of the document are answered as it says."""
    await golden(*EXAMPLES)


async def test_refusals(golden: Golden) -> None:
    """What is wrong or foreign is refused and changes nothing."""
    await golden(*REFUSED, read(2, CENTRAL))


async def test_coordinates(golden: Golden) -> None:
    """Numbers or texts come back as texts without trailing zeros, of seven places at most."""
    for given, shown in COORDINATES:
        await golden(
            changed({"latitude": given, "longitude": given}),
            read(2, {"latitude": shown, "longitude": shown}),
        )


async def test_time_zones(golden: Golden) -> None:
    """A country with one zone gives it, any other the server's; what is said counts."""
    cases = (
        ({"country": "GR"}, "Europe/Athens"),
        ({"country": "US"}, "Europe/Amsterdam"),
        ({"country": "Nowhere"}, "Europe/Amsterdam"),
        ({"country": "US", "timeZone": "America/Denver"}, "America/Denver"),
    )
    for key, (body, zone) in enumerate(cases, 10):
        await golden(made({**PIER, **body}, 201, key), read(key, {"timeZone": zone}))


async def test_external_references(golden: Golden) -> None:
    """They are once per owner; strangers may use the same."""
    taken = {"code": "duplicate", "fields": {"externalRef": ...}}
    await golden(
        changed({"externalRef": "A-1"}),
        made({**PIER, "externalRef": "A-1"}, 409, taken),
        Example("VEND-LOCATION-CREATE", "POST", "/location", {**PIER, "externalRef": "A-1"}, 201,
                by="sam"),
    )  # fmt: skip


@pytest.mark.parametrize("holder", ["campaign", "voucher", "shift"])
async def test_what_keeps_a_location(golden: Golden, api: Api, holder: str) -> None:
    """Rules that name it and its shifts keep it, not those that name another."""
    await golden(made(PIER, 201, 10))
    nora = await api.login("nora")
    rule = [{"field": "location", "value": "10"}, {"field": "product", "value": "10"}]
    if holder == "shift":
        await nora.post("/shift", {"location": 10})
    else:
        body = {"name": "c", "totalVouchers": 0, "voucherValue": 1}
        campaign = (await nora.post("/campaign", body)).json()["id"]
        if holder == "campaign":
            await nora.put(f"/campaign/{campaign}/validationrules", rule)
        else:
            body = {"campaign": campaign, "type": "discount", "value": 1, "validationRules": rule}
            assert 201 == (await nora.post("/voucher", body)).status_code
    held = {"code": "in_use", "fields": {holder: ...}}
    await golden(Example("VEND-LOCATION-DELETE", "DELETE", "/location/10", None, 409, held))
