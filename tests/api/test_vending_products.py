"""Products, flavours and extras: the examples of vending-platform.md 5, and rows of 2.6 and 3.9."""

import asyncio
from typing import Any

from tests.api.conftest import Api, Golden
from tests.golden import Example

COFFEE = {
    "id": 1, "plu": 1, "name": "Coffee", "price": 100, "barcode": None, "machine": 80,
    "reportName": None, "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z",
    "remotePrice": None, "type": "base", "vatrate": None, "ledger": None, "subledger": None,
    "internalRef": None,
}  # fmt: skip
COCOA = {"name": "Cocoa", "plu": 3, "price": 120}


def product(method: str, path: str, body: Any = None, status: int = 200, answer: Any = ...,
            **more: Any) -> Example:  # fmt: skip
    """A call of one of the product routes of machine 80."""
    verb = {"POST": "CREATE", "PATCH": "UPDATE", "PUT": "UPDATE", "DELETE": "DELETE"}.get(method)
    verb = verb or ("GET" if path.startswith("/") else "LIST")
    return Example(f"VEND-PRODUCT-{verb}", method, f"/machine/80/product{path}", body, status,
                   answer, **more)  # fmt: skip


def part(noun: str, verb: str, method: str, path: str, body: Any = None, status: int = 200,
         answer: Any = ...) -> Example:  # fmt: skip
    """A call of one of the routes of flavours or extras of machine 80."""
    where = f"/machine/80/product{noun}{path}"
    return Example(f"VEND-{noun.upper()}-{verb}", method, where, body, status, answer)


PRODUCTS = (
    product("GET", "", answer=[COFFEE, 2, 3, 4]),
    product("GET", "?sort=price&limit=2", answer=[4, 3]),
    product("GET", "?where[name][contains]=e&where[price][<]=95", answer=[2]),
    product("POST", "", COCOA, 201, {"id": 5}),
    product("GET", "", answer=[1, 2, 5, 3, 4]),
    product("PATCH", "/5", {"price": 125}, answer={"message": "Product updated"}),
    product("PUT", "/5", {"barcode": "871", "internalRef": "KAF-KL"}),
    product("GET", "/5", answer={"price": 125, "barcode": "871", "internalRef": "KAF-KL"}),
    product("PATCH", "/5", {"price": "130", "reportName": "Hot cocoa", "barcode": None}),
    product("GET", "/5", answer={"price": 130, "reportName": "Hot cocoa", "barcode": None}),
    product("POST", "", {**COCOA, "plu": 1}, 409, {"code": "duplicate", "fields": {"plu": ...}}),
    product("PATCH", "/5", {"plu": 1001}, 409, {"code": "duplicate"}),
    product("DELETE", "/5", answer={"message": "Product deleted"}),
    product("DELETE", "/5", status=404),
)

REFUSED = (
    product("POST", "", {}, 400, {"code": "missing_parameters",
                                  "fields": {"plu": ..., "name": ..., "price": ...}}),
    product("POST", "", {**COCOA, "price": 1.5}, 400, {"fields": {"price": ...}}),
    product("POST", "", {**COCOA, "price": -1}, 400),
    product("POST", "", {**COCOA, "price": 100_000_001}, 400),
    product("POST", "", {**COCOA, "plu": 1_000_000}, 400),
    product("POST", "", {**COCOA, "plu": True}, 400),
    product("POST", "", {**COCOA, "barcode": "b" * 65}, 400),
    product("POST", "", {**COCOA, "prize": 1}, 400, {"code": "unknown_field"}),
    product("POST", "", [COCOA], 400, {"code": "invalid_parameter"}),
    product("POST", "", {**COCOA, "remotePrice": 9, "type": "x", "machine": 81}, 201),
    product("PATCH", "/1", {}, 400, {"code": "missing_parameters"}),
    product("PATCH", "/1", {"name": None}, 400),
    product("PATCH", "/1", {"machine": None}, 400),
    product("PATCH", "/1", {"machine": 81}, 400, {"code": "invalid_reference"}),
    product("PATCH", "/99", {"price": 1}, 404),
    product("GET", "/abc", status=404),
    product("GET", "", status=404, by="sam"),
    product("POST", "", COCOA, 404, by="sam"),
    product("GET", "?where[class]=base", status=400, answer={"code": "invalid_filter"}),
    Example("VEND-PRODUCT-LIST", "GET", "/machine/0/product", status=404),
    Example("VEND-PRODUCT-LIST", "GET", "/machine/81/product", status=404),
    Example("VEND-PRODUCT-GET", "GET", "/machine/81/product/1", status=404, by="root"),
    Example("VEND-PRODUCT-UPDATE", "PATCH", "/machine/81/product/1", {"price": 1}, 404, by="root"),
    Example("VEND-PRODUCT-DELETE", "DELETE", "/machine/81/product/1", status=404, by="root"),
)  # fmt: skip

FLAVOURS = (
    part(
        "flavour",
        "CREATE",
        "POST",
        "",
        {"name": "Vanilla", "price": 30, "plu": 1002},
        201,
        {"message": "Flavour created", "id": 5},
    ),
    part(
        "flavour",
        "LIST",
        "GET",
        "",
        answer=[
            {
                "id": 5,
                "plu": 1002,
                "name": "Vanilla",
                "price": "30",
                "barcode": None,
                "machine": 80,
                "reportName": None,
            }
        ],
    ),
    part("flavour", "UPDATE", "PATCH", "/5", {"price": "35"}, answer={"message": ...}),
    part("flavour", "UPDATE", "PATCH", "/5", {"plu": 1002, "name": "Vanille"}),
    part("flavour", "UPDATE", "PATCH", "/5", {"plu": 1003}, 400, {"fields": {"plu": ...}}),
    part("flavour", "GET", "GET", "/5", answer={"price": "35", "name": "Vanille"}),
    # 1001 is milk and 1002 is taken: the lowest free number is asked for, not the next one.
    part("flavour", "CREATE", "POST", "", {"price": 5}, 201),
    part("flavour", "LIST", "GET", "", answer=[{"plu": 1000, "name": "PLU 1000"}, 5]),
    part("flavour", "CREATE", "POST", "", {"name": "Almond"}, 201),
    part("flavour", "LIST", "GET", "?plu=1003", answer=[{"name": "Almond", "price": "0"}]),
    part("flavour", "UPDATE", "PATCH", "/5", {"name": None, "price": None}),
    part("flavour", "GET", "GET", "/5", answer={"price": "0", "name": "PLU 1002"}),
    part("flavour", "CREATE", "POST", "", {}, 400, {"code": "missing_parameters"}),
    part("flavour", "CREATE", "POST", "", {"id": 3}, 400, {"code": "missing_parameters"}),
    part("flavour", "CREATE", "POST", "", {"name": "Tea", "plu": 2}, 409, {"code": "duplicate"}),
    part("flavour", "CREATE", "POST", "", {"name": "Half", "price": "0.5"}, 400),
    part("flavour", "GET", "GET", "/1", status=404),
    part("flavour", "DELETE", "DELETE", "/5"),
    part("flavour", "GET", "GET", "/5", status=404),
)

EXTRAS = (
    part(
        "extra",
        "CREATE",
        "POST",
        "",
        {"name": "Lid", "price": 10},
        201,
        {"message": "Extra created", "id": 5},
    ),
    part("extra", "LIST", "GET", "", answer=[{"id": 5, "plu": 2000, "price": "10"}]),
    part("extra", "UPDATE", "PATCH", "/5", {"reportName": "Lids"}),
    part("extra", "GET", "GET", "/5", answer={"reportName": "Lids"}),
    part("extra", "DELETE", "DELETE", "/5"),
    part("extra", "LIST", "GET", "", answer=[]),
)


async def test_life_of_a_product(golden: Golden) -> None:
    """Listed by number, created once per number, changed, deleted."""
    await golden(*PRODUCTS)


async def test_refusals(golden: Golden) -> None:
    """Wrong arguments, foreign machines and rows of other machines."""
    await golden(*REFUSED)


async def test_life_of_flavours(golden: Golden) -> None:
    """Prices are texts, numbers are given and kept, a row without a name is called after it."""
    await golden(*FLAVOURS)


async def test_life_of_extras(golden: Golden) -> None:
    """The same for extras, from another number on."""
    await golden(*EXTRAS)


async def _version(api: Api, machine: int = 80) -> int:
    found: int = await api.fetchval(
        "select assortment_version from vending.machine where id = $1", machine
    )
    return found


async def test_requests_that_change_something_raise_the_version(api: Api) -> None:
    """By one each; the same values again, a refusal and a read raise nothing."""
    nora, path = await api.login("nora"), "/machine/80/product"
    calls: tuple[tuple[str, str, Any, int], ...] = (
        ("POST", path, COCOA, 1),
        ("POST", path, COCOA, 1),
        ("PATCH", f"{path}/1", {"price": 100}, 1),
        ("PATCH", f"{path}/1", {"price": 101}, 2),
        ("GET", path, None, 2),
        ("POST", "/machine/80/productextra", {"name": "Cup"}, 3),
        ("DELETE", f"{path}/1", None, 4),
        ("DELETE", f"{path}/1", None, 4),
    )
    for method, where, body, version in calls:
        await nora.send(method, where, body)
        assert version == await _version(api), (method, where)


async def test_a_product_moves_to_another_machine(api: Api) -> None:
    """It keeps its id, both machines get a new version; a taken number refuses the move."""
    root = await api.login("root")
    assert 200 == (await root.patch("/machine/80/product/1", {"machine": 81})).status_code
    assert 404 == (await root.get("/machine/80/product/1")).status_code
    assert 81 == (await root.get("/machine/81/product/1")).json()["machine"]
    assert [1, 1] == [await _version(api, machine) for machine in (80, 81)]
    assert 201 == (await root.post("/machine/80/product", {**COCOA, "plu": 1})).status_code
    assert 409 == (await root.patch("/machine/81/product/1", {"machine": 80})).status_code


async def test_twins_get_numbers_of_their_own(api: Api) -> None:
    """Flavours created at the same moment without numbers get different ones."""
    nora, path = await api.login("nora"), "/machine/80/productflavour"
    answers = await asyncio.gather(*(nora.post(path, {"price": 1}) for _ in range(5)))
    assert [201] * 5 == [answer.status_code for answer in answers]
    numbers = [row["plu"] for row in (await nora.get(path)).json()]
    assert [1000, 1002, 1003, 1004, 1005] == numbers


async def test_permissions_are_those_of_the_row(api: Api) -> None:
    """What may be read and written at a machine is said for each kind of row."""
    await api.execute("update vending.usergroup set permissions = '{product:read}' where id = 2")
    api.services.access.forget()
    nora = await api.login("nora")
    calls = (
        ("GET", "/machine/80/product", None, 200),
        ("GET", "/machine/80/productextra", None, 403),
        ("POST", "/machine/80/product", COCOA, 403),
        ("PATCH", "/machine/80/product/1", {"price": 1}, 403),
        ("DELETE", "/machine/80/product/1", None, 403),
        ("POST", "/machine/81/product", COCOA, 404),
    )
    for method, path, body, status in calls:
        assert status == (await nora.send(method, path, body)).status_code, (method, path)


async def test_a_repeated_create_is_one_row(api: Api) -> None:
    """With an Idempotency-Key the first answer comes again."""
    nora, headers = await api.login("nora"), {"Idempotency-Key": "k1"}
    answers = [await nora.post("/machine/80/product", COCOA, headers=headers) for _ in range(2)]
    assert [201, 201] == [answer.status_code for answer in answers]
    assert answers[0].json() == answers[1].json()
    assert 1 == await _version(api)
