"""Transaction profiles: the examples of vending-platform.md 5, and 2.5, 3.10."""

from tests.api.conftest import Golden
from tests.golden import Example

PATH = "/transactionprofile"
FIRST = {"reportRule": "first_letter", "paymentTypesMap": {"virtual": "card"}}

LIFE = (
    Example("VEND-TXPROFILE-CREATE", "POST", PATH, FIRST, 201, {"id": 2}),
    Example("VEND-TXPROFILE-GET", "GET", f"{PATH}/2", answer={
        "id": 2, "reportRule": "first_letter", "paymentTypesMap": {"virtual": "card"},
        "name": None, "userGroup": 2}),
    Example("VEND-TXPROFILE-UPDATE", "PATCH", f"{PATH}/2", {"id": 2, "reportRule": "first_block"},
            answer={"id": 2}),
    Example("VEND-TXPROFILE-UPDATE", "PUT", f"{PATH}/2", {"id": "2", "name": "Rail"}),
    Example("VEND-TXPROFILE-UPDATE", "PATCH", f"{PATH}/2", {"id": 1, "name": "x"}, 400,
            {"fields": {"id": ...}}),
    Example("VEND-TXPROFILE-UPDATE", "PATCH", f"{PATH}/2", {"paymentTypesMap": None}),
    Example("VEND-TXPROFILE-GET", "GET", f"{PATH}/2", answer={
        "reportRule": "first_block", "paymentTypesMap": {}, "name": "Rail"}),
    Example("VEND-TXPROFILE-LIST", "GET", f"{PATH}?reportRule=first_block", answer=[2]),
    Example("VEND-TXPROFILE-GET", "GET", f"{PATH}/2", status=404, by="sam"),
    Example("VEND-TXPROFILE-POPULATE", "GET", f"{PATH}/1/machines", answer=[80]),
    Example("VEND-TXPROFILE-DELETE", "DELETE", f"{PATH}/2"),
    Example("VEND-TXPROFILE-CREATE", "POST", PATH, {}, 201),
    Example("VEND-TXPROFILE-GET", "GET", f"{PATH}/3", answer={
        "reportRule": "first_letter", "paymentTypesMap": {}}),
)  # fmt: skip

REFUSED = tuple(
    Example("VEND-TXPROFILE-CREATE", "POST", PATH, body, 400, {"fields": {place: ...}})
    for body, place in (
        ({"paymentTypesMap": {"gold": "card"}}, "paymentTypesMap.gold"),
        ({"paymentTypesMap": {"cash": "gold"}}, "paymentTypesMap.cash"),
        ({"paymentTypesMap": {"cash": 5}}, "paymentTypesMap.cash"),
        ({"paymentTypesMap": []}, "paymentTypesMap"),
        ({"reportRule": "last_letter"}, "reportRule"),
        ({"rule": "first_block"}, "rule"),
    )
)

PAYMENT_TYPES = Example("VEND-TXPROFILE-PAYMENTTYPES", "GET", f"{PATH}/paymenttypes", answer={
    "paymentMethods": ["cash", "card", "code", "virtual", "token"],
    "paymentTypes": ["cash", "card", "code", "virtual", "token", "free", "other"],
    "defaultMap": {"cash": "cash", "card": "card", "code": "code", "virtual": "virtual",
                   "token": "token"}})  # fmt: skip


async def test_life_of_a_profile(golden: Golden) -> None:
    """Updates answer the id; one that machines use stays."""
    await golden(*LIFE)
    await golden(
        Example("VEND-TXPROFILE-DELETE", "DELETE", f"{PATH}/1", None, 409, {
            "code": "in_use", "fields": {"machine": ...}}, by="root"),
    )  # fmt: skip


async def test_maps_name_what_exists(golden: Golden) -> None:
    """The pair that is wrong is named."""
    await golden(*REFUSED)


async def test_payment_types(golden: Golden) -> None:
    """Methods, types and the map that holds without a profile."""
    await golden(PAYMENT_TYPES)
