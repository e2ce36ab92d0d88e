"""Error profiles, identities and codes (vending-platform.md 2.5, 3.10, 5)."""

import pytest

from tests.api.conftest import Api, Golden
from tests.golden import Example

PROFILE = {"name": "P", "machineType": 1, "manufacturer": 1}
IDENTITY = {"machineType": 1, "error": "ED017"}
CODE = {"errorIdentity": 1, "errorProfile": 1, "code": "17"}

LIFE = (
    Example("VEND-ERRORPROFILE-CREATE", "POST", "/errorprofile", PROFILE, 201, {"id": 2}),
    Example("VEND-ERRORPROFILE-UPDATE", "PATCH", "/errorprofile/2", {"name": "Q"}, 200,
            {"message": "Error profile updated"}),
    Example("VEND-ERRORPROFILE-GET", "GET", "/errorprofile/2", None, 200,
            {"id": 2, "name": "Q", "machineType": 1, "manufacturer": 1, "userGroup": 2}),
    Example("VEND-ERRORIDENTITY-CREATE", "POST", "/erroridentity", IDENTITY, 201, {"id": 1}),
    Example("VEND-ERRORIDENTITY-CREATE", "POST", "/erroridentity", IDENTITY, 409,
            {"code": "duplicate", "fields": {"error": ...}}),
    Example("VEND-ERRORIDENTITY-UPDATE", "PATCH", "/erroridentity/1", {"error": "ED018"}, 200,
            {"message": "Error identity updated"}),
    Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", CODE, 201, {"id": 1}),
    Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", CODE, 409,
            {"code": "duplicate", "fields": {"code": ...}}),
    Example("VEND-ERRORCODE-UPDATE", "PATCH", "/errorcode/1", {"code": "18"}, 200,
            {"message": "Error code updated"}),
    Example("VEND-ERRORCODE-GET", "GET", "/errorcode/1", None, 200,
            {"errorIdentity": 1, "errorProfile": 1, "code": "18", "userGroup": 2}),
    # Without a code of its own it has its identity's word.
    Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode",
            {"errorIdentity": 1, "errorProfile": 2}, 201),
    Example("VEND-ERRORCODE-LIST", "GET", "/errorcode?code=ED018", None, 200,
            [{"errorProfile": 2, "code": "ED018"}]),
    Example("VEND-ERRORCODE-UPDATE", "PATCH", "/errorcode/1", {"code": None}, 200),
    Example("VEND-ERRORCODE-GET", "GET", "/errorcode/1", None, 200, {"code": "ED018"}),
    Example("VEND-ERRORCODE-POPULATE", "GET", "/errorcode/1/errorIdentity", None, 200, 1),
    Example("VEND-ERRORCODE-POPULATE", "GET", "/errorcode/1/errorProfile", None, 200, 1),
    Example("VEND-ERRORIDENTITY-POPULATE", "GET", "/erroridentity/1/errorCodes?sort=errorProfile",
            None, 200, [{"errorProfile": 1}, {"errorProfile": 2}]),
    Example("VEND-ERRORIDENTITY-POPULATE", "GET", "/erroridentity/1/machineType", None, 200, 1),
    Example("VEND-ERRORPROFILE-POPULATE", "GET", "/errorprofile/1/errorCodes", None, 200, [1]),
    Example("VEND-ERRORPROFILE-POPULATE", "GET", "/errorprofile/1/machineModels", None, 200, [1]),
    Example("VEND-ERRORPROFILE-POPULATE", "GET", "/errorprofile/2/userGroup", None, 200, 2),
    Example("VEND-ERRORIDENTITY-DELETE", "DELETE", "/erroridentity/1", None, 409,
            {"code": "in_use", "fields": {"errorcode": ...}}),
    # A profile takes its codes with it; one that a model uses stays.
    Example("VEND-ERRORPROFILE-DELETE", "DELETE", "/errorprofile/2", None, 200),
    Example("VEND-ERRORCODE-LIST", "GET", "/errorcode", None, 200, [1]),
    Example("VEND-ERRORPROFILE-DELETE", "DELETE", "/errorprofile/1", None, 409,
            {"code": "in_use", "fields": {"machinemodel": ...}}, by="root"),
    Example("VEND-ERRORCODE-DELETE", "DELETE", "/errorcode/1", None, 200),
    Example("VEND-ERRORIDENTITY-DELETE", "DELETE", "/erroridentity/1", None, 200),
)  # fmt: skip

REFUSED = (
    Example("VEND-ERRORPROFILE-CREATE", "POST", "/errorprofile", {"name": "P"}, 400,
            {"code": "missing_parameters", "fields": {"machineType": ..., "manufacturer": ...}}),
    Example("VEND-ERRORPROFILE-UPDATE", "PATCH", "/errorprofile/1", {"name": "Q"}, 403),
    Example("VEND-ERRORIDENTITY-CREATE", "POST", "/erroridentity", {**IDENTITY, "error": "x" * 65},
            400, {"fields": {"error": ...}}),
    Example("VEND-ERRORIDENTITY-CREATE", "POST", "/erroridentity", {**IDENTITY, "machineType": 7},
            400, {"code": "invalid_reference"}),
    Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", CODE, 400,
            {"code": "invalid_reference", "fields": {"errorIdentity": "does not exist: 1"}}),
    Example("VEND-ERRORCODE-UPDATE", "PATCH", "/errorcode/1", {"code": "1"}, 404),
    Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", {"errorIdentity": "x"}, 400,
            {"fields": {"errorIdentity": "must be an integer", "errorProfile": ...}}),
)  # fmt: skip


PARTS = (
    Example("VEND-ERRORPROFILE-CREATE", "POST", "/errorprofile", PROFILE, 201, {"id": 2}),
    Example("VEND-ERRORIDENTITY-CREATE", "POST", "/erroridentity", IDENTITY, 201, {"id": 1}),
    Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", CODE, 201, {"id": 1}),
    Example("VEND-ERRORPROFILE-ADD", "PUT", "/errorprofile/2/errorCodes/1", None, 200, {"id": 2}),
    Example("VEND-ERRORPROFILE-ADD", "POST", "/errorprofile/2/errorCodes/1", None, 200, {"id": 2}),
    Example("VEND-ERRORCODE-GET", "GET", "/errorcode/1", None, 200, {"errorProfile": 2}),
    Example("VEND-ERRORPROFILE-ADD", "PUT", "/errorprofile/2/machineModels/1", None, 403),
    Example("VEND-MACHINEMODEL-CREATE", "POST", "/machinemodel",
            {"name": "X1", "manufacturer": 1, "errorProfile": 1}, 201, {"id": 2}),
    Example("VEND-ERRORPROFILE-ADD", "PUT", "/errorprofile/2/machineModels/2", None, 200),
    Example("VEND-MACHINEMODEL-GET", "GET", "/machinemodel/2", None, 200, {"errorProfile": 2}),
    Example("VEND-ERRORPROFILE-REMOVE", "DELETE", "/errorprofile/2/machineModels/2", None, 409,
            {"code": "in_use", "fields": {"machineModels": ...}}),
    # What does not belong to the profile is not removed from it.
    Example("VEND-ERRORPROFILE-REMOVE", "DELETE", "/errorprofile/1/errorCodes/1", None, 200),
    Example("VEND-ERRORPROFILE-REMOVE", "DELETE", "/errorprofile/2/errorCodes/1", None, 200,
            {"message": "Error profile updated"}),
    Example("VEND-ERRORPROFILE-REMOVE", "DELETE", "/errorprofile/2/errorCodes/1", None, 200),
    Example("VEND-ERRORCODE-LIST", "GET", "/errorcode", None, 200, []),
    Example("VEND-ERRORPROFILE-ADD", "PUT", "/errorprofile/2/errorCodes/1", None, 400,
            {"code": "invalid_reference", "fields": {"errorCodes": "does not exist: 1"}}),
    Example("VEND-ERRORPROFILE-ADD", "PUT", "/errorprofile/2/manufacturer/1", None, 404),
    Example("VEND-ERRORPROFILE-ADD", "PUT", "/errorprofile/7/errorCodes/1", None, 404),
    Example("VEND-ERRORPROFILE-REMOVE", "DELETE", "/errorprofile/2/errorCodes/x", None, 404),
)  # fmt: skip


async def test_worked_examples(golden: Golden) -> None:
    """Profiles, identities and codes from their making to their end."""
    await golden(*LIFE)


async def test_parts_of_a_profile(golden: Golden) -> None:
    """Codes and models move between profiles; a code ends with its place, a model keeps one."""
    await golden(*PARTS)


async def test_refusals(golden: Golden) -> None:
    """What is wrong or not the caller's to write is refused."""
    await golden(*REFUSED)


async def test_one_machine_type(golden: Golden) -> None:
    """Code, identity and profile speak of the same type, and none is changed away from the rest."""
    other = {"fields": {"errorIdentity": "is for another machine type"}}
    bound = {"fields": {"machineType": "cannot change while there are error codes"}}
    elsewhere = {**CODE, "errorProfile": 2}
    await golden(
        Example("VEND-MACHINETYPE-CREATE", "POST", "/machinetype", {"name": "Snack"}, 201, 2),
        Example("VEND-ERRORIDENTITY-CREATE", "POST", "/erroridentity", IDENTITY, 201, 1),
        Example("VEND-ERRORPROFILE-CREATE", "POST", "/errorprofile",
                {**PROFILE, "machineType": 2}, 201, 2),
        Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", elsewhere, 400, other),
        Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", CODE, 201, 1),
        Example("VEND-ERRORCODE-UPDATE", "PATCH", "/errorcode/1", {"errorProfile": 2}, 400, other),
        Example("VEND-ERRORIDENTITY-UPDATE", "PATCH", "/erroridentity/1", {"machineType": 2}, 400,
                bound),
        Example("VEND-ERRORPROFILE-UPDATE", "PATCH", "/errorprofile/2", {"machineType": 1}, 200),
        Example("VEND-ERRORCODE-CREATE", "POST", "/errorcode", elsewhere, 201),
        Example("VEND-ERRORPROFILE-UPDATE", "PATCH", "/errorprofile/2", {"machineType": 2}, 400,
                bound),
        Example("VEND-ERRORPROFILE-UPDATE", "PATCH", "/errorprofile/2", {"machineType": 1}, 200),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ((4,), None),
        ((None,), "global"),
        ((None, 1), "1"),
        ((None, 1, 2, 4), "2"),
        ((3, 2), "2"),
    ],
)
async def test_whose_meaning_counts(
    api: Api, owners: tuple[int | None, ...], expected: str | None
) -> None:
    """A code means what the location's owner says, else the nearest group above, else everybody."""
    for number, owner in enumerate(owners, 1):
        await api.execute(
            "with i as (insert into vending.erroridentity"
            " (id, owner, machine_type, error, created_at_ms, updated_at_ms)"
            " values ($1, $2::int, 1, $3, 0, 0) returning id)"
            " insert into vending.errorcode"
            " (owner, error_identity, error_profile, code, created_at_ms, updated_at_ms)"
            " select $2::int, id, 1, 'E1', 0, 0 from i",
            number,
            owner,
            "global" if owner is None else str(owner),
        )
    found = await api.fetchval(
        "select error from vending.erroridentity where id = vending.error_identity_of(80, 'E1')"
    )
    assert expected == found
