"""Types, manufacturers, models and groups of machines (vending-platform.md 2.5, 3.4, 5)."""

from tests.api.conftest import Api, Golden
from tests.golden import Example

WHEN = "2026-03-10T09:00:00Z"

EXAMPLES = (
    Example("VEND-MACHINEMODEL-CREATE", "POST", "/machinemodel",
            {"name": "X1", "manufacturer": 1, "errorProfile": 1}, 201, {"id": 2}),
    Example("VEND-MACHINEMODEL-GET", "GET", "/machinemodel/1", None, 200,
            {"id": 1, "name": "Duo", "manufacturer": 1, "machineType": 1, "errorProfile": 1,
             "image": None, "userGroup": None, "createdAt": WHEN, "updatedAt": WHEN}),
    Example("VEND-MACHINEMODEL-LIST", "GET", "/machinemodel?where[name]=Duo", None, 200, [1]),
    Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/1/manufacturer", None, 200,
            {"id": 1, "name": "Barista Works"}),
    Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/1/machineType", None, 200, 1),
    Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/1/errorProfile", None, 200, 1),
    Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/1/userGroup", None, 200, {}),
    Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/1/machines", None, 404),
    Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "Snack"}, 201, {"id": 2}),
    Example("VEND-MACHINETYPE-LIST", "GET", "/machinetype", None, 200, [1, 2]),
    Example("VEND-MACHINETYPE-POPULATE", "GET", "/machinetype/1/machines", None, 200, [80]),
    Example("VEND-MACHINETYPE-POPULATE", "GET", "/machinetype/1/machineModels", None, 200, [1]),
    Example("VEND-MACHINETYPE-POPULATE", "GET", "/machinetype/1/errorIdentities", None, 200, []),
    Example("VEND-MANUFACTURER-CREATE", "POST", "/manufacturer",
            {"name": "Acme", "machineTypes": [1]}, 201, {"id": 2}),
    Example("VEND-MANUFACTURER-GET", "GET", "/manufacturer/1", None, 200,
            {"name": "Barista Works", "userGroup": None}),
    Example("VEND-MANUFACTURER-POPULATE", "GET", "/manufacturer/1/machineTypes", None, 200, [1]),
    Example("VEND-MANUFACTURER-POPULATE", "GET", "/manufacturer/1/machineModels", None, 200,
            [1, 2]),
    Example("VEND-MACHINEGROUP-CREATE", "POST", "/machinegroup",
            {"name": "All", "machines": [80, 80]}, 201, {"id": 6}),
    Example("VEND-MACHINEGROUP-POPULATE", "GET", "/machinegroup/5/machines", None, 200, [80]),
    Example("VEND-MACHINEGROUP-POPULATE", "GET", "/machinegroup/5/userGroup", None, 200, 2),
    Example("VEND-MACHINEGROUP-ADD", "PUT", "/machinegroup/5/machines/80", None, 200, {"id": 5}),
    Example("VEND-MACHINEGROUP-REMOVE", "DELETE", "/machinegroup/5/machines/80", None, 200),
    Example("VEND-MACHINEGROUP-POPULATE", "GET", "/machinegroup/5/machines", None, 200, []),
    Example("VEND-MACHINEGROUP-UPDATE", "PATCH", "/machinegroup/5", {"machines": [80]}, 200,
            {"message": "Machine group updated"}),
    Example("VEND-MACHINEGROUP-UPDATE", "PATCH", "/machinegroup/5", {"machines": []}, 200),
    Example("VEND-MACHINEGROUP-POPULATE", "GET", "/machinegroup/5/machines", None, 200, []),
    Example("VEND-MACHINEGROUP-DELETE", "DELETE", "/machinegroup/5", None, 200,
            {"message": "Machine group deleted"}),
)  # fmt: skip

REFUSED = (
    Example("VEND-MACHINEMODEL-CREATE", "POST", "/machinemodel", {}, 400,
            {"code": "missing_parameters",
             "fields": {"name": ..., "manufacturer": ..., "errorProfile": ...}}),
    Example("VEND-MACHINEMODEL-CREATE", "POST", "/machinemodel",
            {"name": "X1", "manufacturer": 9, "errorProfile": 9}, 400,
            {"code": "invalid_reference", "fields": {"manufacturer": ..., "errorProfile": ...}}),
    Example("VEND-MACHINEMODEL-UPDATE", "PATCH", "/machinemodel/1", {"name": "Mine"}, 403),
    Example("VEND-MACHINEMODEL-UPDATE", "PATCH", "/machinemodel/1", {"errorProfile": None}, 400),
    Example("VEND-MACHINEMODEL-UPDATE", "PATCH", "/machinemodel/9", {"name": "Mine"}, 404),
    Example("VEND-MACHINEMODEL-GET", "GET", "/machinemodel/abc", None, 404),
    Example("VEND-MACHINETYPE-UPDATE", "PATCH", "/machinetype/1", {"name": "Mine"}, 403),
    Example("VEND-MACHINETYPE-DELETE", "DELETE", "/machinetype/1", None, 403),
    Example("VEND-MACHINETYPE-DELETE", "DELETE", "/machinetype/1", None, 409,
            {"code": "in_use",
             "fields": {"machine": ..., "machinemodel": ..., "errorprofile": ...}}, by="root"),
    Example("VEND-MANUFACTURER-DELETE", "DELETE", "/manufacturer/1", None, 409,
            {"code": "in_use"}, by="root"),
    Example("VEND-MACHINEMODEL-DELETE", "DELETE", "/machinemodel/1", None, 409,
            {"code": "in_use", "fields": {"machine": ...}}, by="root"),
    Example("VEND-MACHINEGROUP-CREATE", "POST", "/machinegroup", {"name": "Platforms"}, 409,
            {"code": "duplicate", "fields": {"name": ...}}),
    Example("VEND-MACHINEGROUP-CREATE", "POST", "/machinegroup",
            {"name": "Both", "machines": [80, 81]}, 400,
            {"code": "invalid_reference", "fields": {"machines": "does not exist: 81"}}),
    Example("VEND-MACHINEGROUP-GET", "GET", "/machinegroup/5", None, 404, by="sam"),
    Example("VEND-MACHINEGROUP-UPDATE", "PATCH", "/machinegroup/5", {"name": "x"}, 404, by="sam"),
    Example("VEND-MACHINEGROUP-DELETE", "DELETE", "/machinegroup/5", None, 404, by="sam"),
    Example("VEND-MACHINEGROUP-ADD", "PUT", "/machinegroup/5/machines/81", None, 400),
    Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "x", "nam": 1}, 400,
            {"code": "unknown_field"}),
    Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "x"}, 401, by="nobody"),
)  # fmt: skip


async def test_worked_examples(golden: Golden) -> None:
    """The calls of the document are answered as it says."""
    await golden(*EXAMPLES)


async def test_refusals(golden: Golden) -> None:
    """What is wrong, foreign or in use is refused and changes nothing."""
    await golden(*REFUSED)


async def test_a_model_of_ones_own(golden: Golden) -> None:
    """It is made for the caller's group, read back, changed and removed."""
    body = {"name": "X1", "manufacturer": 1, "errorProfile": 1}
    await golden(
        Example("VEND-MACHINEMODEL-CREATE", "POST", "/machinemodel", body, 201, {"id": 2}),
        Example("VEND-MACHINEMODEL-GET", "GET", "/machinemodel/2", None, 200,
                {"id": 2, "name": "X1", "manufacturer": 1, "machineType": None, "errorProfile": 1,
                 "image": None, "userGroup": 2}),
        Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/2/userGroup", None, 200,
                {"id": 2, "name": "North"}),
        Example("VEND-MACHINEMODEL-POPULATE", "GET", "/machinemodel/2/machineType", None, 200, {}),
        Example("VEND-MACHINEMODEL-UPDATE", "PATCH", "/machinemodel/2", {"machineType": 1}, 200,
                {"message": "Machine model updated"}),
        Example("VEND-MACHINEMODEL-GET", "GET", "/machinemodel/2", None, 200, {"machineType": 1}),
        Example("VEND-MACHINEMODEL-CREATE", "POST", "/machinemodel", body, 409,
                {"code": "duplicate"}),
        Example("VEND-MACHINEMODEL-GET", "GET", "/machinemodel/2", None, 404, by="sam"),
        Example("VEND-MACHINEMODEL-DELETE", "DELETE", "/machinemodel/2", None, 200),
        Example("VEND-MACHINEMODEL-DELETE", "DELETE", "/machinemodel/2", None, 404),
    )  # fmt: skip


async def test_types_and_manufacturers_of_ones_own(golden: Golden) -> None:
    """A manufacturer's types are a set: given whole, added to and taken from."""
    one = "/manufacturer/2"
    await golden(
        Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "Snack"}, 201, 2),
        Example("VEND-MACHINETYPE-UPDATE", "PATCH", "/machinetype/2", {"name": "Snacks"}, 200,
                {"message": "Machine type updated"}),
        Example("VEND-MACHINETYPE-GET", "GET", "/machinetype/2", None, 200,
                {"name": "Snacks", "userGroup": 2}),
        Example("VEND-MANUFACTURER-CREATE", "POST", "/manufacturer",
                {"name": "Acme", "machineTypes": [1]}, 201, {"id": 2}),
        Example("VEND-MANUFACTURER-ADD", "PUT", f"{one}/machineTypes/2", None, 200, {"id": 2}),
        Example("VEND-MANUFACTURER-ADD", "POST", f"{one}/machineTypes/2", None, 200, {"id": 2}),
        Example("VEND-MANUFACTURER-POPULATE", "GET", f"{one}/machineTypes", None, 200, [1, 2]),
        Example("VEND-MANUFACTURER-REMOVE", "DELETE", f"{one}/machineTypes/1", None, 200),
        Example("VEND-MANUFACTURER-REMOVE", "DELETE", f"{one}/machineTypes/1", None, 200),
        Example("VEND-MANUFACTURER-POPULATE", "GET", f"{one}/machineTypes", None, 200, [2]),
        Example("VEND-MANUFACTURER-UPDATE", "PATCH", one, {"machineTypes": []}, 200,
                {"message": "Manufacturer updated"}),
        Example("VEND-MANUFACTURER-POPULATE", "GET", f"{one}/machineTypes", None, 200, []),
        Example("VEND-MANUFACTURER-ADD", "PUT", f"{one}/machineModels/1", None, 404),
    )  # fmt: skip


async def test_what_is_everybodys_is_the_operators(golden: Golden, api: Api) -> None:
    """Rows without a group are read by all and written by administrators; others' are not seen."""
    await api.execute("update vending.usergroup set admin = true where id = 1")
    await golden(
        Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "Root's"}, 201,
                {"id": 2}, by="root"),
        Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "Sam's"}, 201,
                {"id": 3}, by="sam"),
        # Those of groups above are seen but not written, those of groups beside are not seen.
        Example("VEND-MACHINETYPE-LIST", "GET", "/machinetype", None, 200, [1, 2]),
        Example("VEND-MACHINETYPE-UPDATE", "PATCH", "/machinetype/2", {"name": "x"}, 403),
        Example("VEND-MACHINETYPE-UPDATE", "PATCH", "/machinetype/3", {"name": "x"}, 404),
        Example("VEND-MACHINETYPE-UPDATE", "PATCH", "/machinetype/1", {"name": "Hot"}, 200,
                by="root"),
    )  # fmt: skip
