"""Convert, override and copy: the examples of vending-platform.md 5, and the properties of 4.5."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.domain.assortment import class_of
from tests.api.conftest import Api, Caller, Golden
from tests.golden import Example

PATH = "/machine/80/assortment"
LIMITS = {"flavourPLU": 1000, "extraProductPLU": 2000}
SOUP = [{"plu": 1, "name": "Coffee", "price": 110}, {"plu": 9, "name": "Soup", "price": 150}]
KINDS = ("product", "productflavour", "productextra")


def preview(body: Any, status: int = 200, answer: Any = ..., **more: Any) -> Example:
    """What a conversion would do."""
    where = f"{PATH}/convert/preview"
    return Example("VEND-ASSORTMENT-PREVIEW", "POST", where, body, status, answer, **more)


def convert(body: Any, status: int = 200, answer: Any = ..., **more: Any) -> Example:
    """A conversion."""
    where = f"{PATH}/convert"
    return Example("VEND-ASSORTMENT-CONVERT", "POST", where, body, status, answer, **more)


def override(body: Any, status: int = 200, answer: Any = ..., **more: Any) -> Example:
    """A replacement of all base products."""
    return Example("VEND-ASSORTMENT-OVERRIDE", "PUT", PATH, body, status, answer, **more)


def copy(group: int, status: int = 200, answer: Any = ..., **more: Any) -> Example:
    """A copy to a group's machines."""
    where = f"{PATH}/copy/{group}"
    return Example("VEND-ASSORTMENT-COPY", "POST", where, None, status, answer, **more)


def products(answer: Any, kind: str = "product") -> Example:
    """A list of a machine's rows of a kind."""
    noun = {"product": "PRODUCT", "productflavour": "FLAVOUR", "productextra": "EXTRA"}[kind]
    return Example(f"VEND-{noun}-LIST", "GET", f"/machine/80/{kind}", answer=answer)


CONVERSION = (
    preview(LIMITS, answer={
        "baseProducts": [{"id": 1, "plu": 1, "price": 100}, {"id": 2, "plu": 2}],
        "productFlavours": [{"id": 3, "plu": 1001, "name": "Milk", "price": "20", "machine": 80}],
        "extraProducts": [{"id": 4, "plu": 2001, "name": "Sugar", "price": "5", "machine": 80}]}),
    preview({}, answer={"baseProducts": [1, 2, 3, 4], "productFlavours": [], "extraProducts": []}),
    preview({"flavourPLU": "1000"}, answer={
        "baseProducts": [1, 2], "productFlavours": [3, 4], "extraProducts": []}),
    products([1, 2, 3, 4]),
    convert(LIMITS, answer={"message": ...}),
    products([1, 2]),
    products([{"id": 5, "plu": 1001, "price": "20"}], "productflavour"),
    products([{"id": 6, "plu": 2001, "price": "5"}], "productextra"),
    Example("VEND-MACHINE-GET", "GET", "/machine/80", answer={"isManagedAssortment": 1}),
    convert(LIMITS),
    convert({}),
    products([1, 2]),
    preview(LIMITS, answer={
        "baseProducts": [1, 2], "productFlavours": [5], "extraProducts": [6]}),
)  # fmt: skip

REFUSED = (
    convert({"flavourPLU": 5, "extraProductPLU": 5}, 400, {"fields": {"extraProductPLU": ...}}),
    preview({"flavourPLU": 5, "extraProductPLU": 5}, 400),
    preview({"flavourPLU": -1, "extraProductPLU": 1_000_000}, 400,
            {"fields": {"flavourPLU": ..., "extraProductPLU": ...}}),
    preview({"plu": 5}, 400, {"code": "unknown_field"}),
    preview(LIMITS, 404, by="sam"),
    convert(LIMITS, 404, by="sam"),
    override({}, 400),
    override([1], 400, {"fields": {"assortment[0]": ...}}),
    override([{}], 400, {"code": "missing_parameters", "fields": {
        "assortment[0].plu": ..., "assortment[0].name": ..., "assortment[0].price": ...}}),
    override([*SOUP, SOUP[0]], 400, {"fields": {"assortment[2].plu": "1 is there twice"}}),
    override([{**SOUP[0], "price": 1.5}], 400),
    override([{**SOUP[0], "size": 5}], 400, {"code": "unknown_field"}),
    override([{"plu": n, "name": "x", "price": 1} for n in range(1001)], 400),
    override(SOUP, 404, by="sam"),
    copy(5, 404, by="sam"),
    copy(6, 404),
    products([1, 2, 3, 4]),
)  # fmt: skip

OVERRIDE = (
    override(SOUP, answer={"message": ...}),
    products([{"id": 1, "plu": 1, "price": 110}, {"plu": 9, "name": "Soup"}]),
    # What was read may be sent back.
    override([{**SOUP[0], "id": 1, "machine": 80, "type": "base", "remotePrice": None}]),
    products([1]),
    Example("VEND-EXTRA-CREATE", "POST", "/machine/80/productextra", {"plu": 9}, 201),
    override(SOUP, 409, {"code": "duplicate", "fields": {"plu": ...}}),
    override([]),
    products([]),
    products([{"plu": 9}], "productextra"),
)


async def test_conversion(golden: Golden) -> None:
    """A preview stores nothing and says what a conversion does; a second one finds nothing."""
    await golden(*CONVERSION)


async def test_refusals(golden: Golden) -> None:
    """What is refused leaves the assortment as it was."""
    await golden(*REFUSED)


async def test_override(golden: Golden) -> None:
    """The base products are the array, equal numbers keep their rows, other kinds stay."""
    await golden(*OVERRIDE)


async def test_a_copy_to_the_group_of_the_source_alone(golden: Golden) -> None:
    """The source itself is skipped."""
    await golden(copy(5, answer={"message": "Assortment copied to 0 machines"}))


async def _assortment(caller: Caller, machine: int) -> dict[str, list[dict[str, Any]]]:
    return {
        kind: (await caller.get(f"/machine/{machine}/{kind}?sort=plu")).json() for kind in KINDS
    }


def _sold(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["plu"], row["name"], int(row["price"]), row["reportName"]) for row in rows]


async def _second_machine(api: Api, root: Caller) -> None:
    """Machine 81 in a group with 80, selling other things under numbers of 80's."""
    for body in ({"plu": 1, "name": "Water", "price": 50}, {"plu": 7, "name": "Gum", "price": 9}):
        assert 201 == (await root.post("/machine/81/product", body)).status_code
    assert 201 == (await root.post("/machine/81/productextra", {"plu": 2})).status_code
    group = {"name": "All", "machines": [80, 81]}
    assert 6 == (await root.post("/machinegroup", group)).json()["id"]


async def test_a_copy_makes_equal_assortments(api: Api) -> None:
    """Number by number and kind by kind; equal numbers of one kind keep their ids."""
    root = await api.login("root")
    await root.post(f"{PATH}/convert", LIMITS)
    await _second_machine(api, root)
    before = await _assortment(root, 81)
    answer = await root.post(f"{PATH}/copy/6")
    assert "Assortment copied to 1 machines" == answer.json()["message"], answer.text
    source, target = await _assortment(root, 80), await _assortment(root, 81)
    assert {k: _sold(rows) for k, rows in source.items()} == {
        k: _sold(rows) for k, rows in target.items()
    }
    assert before["product"][0]["id"] == target["product"][0]["id"]
    assert 1 == (await root.get("/machine/81")).json()["isManagedAssortment"]
    version = "select assortment_version from vending.machine where id = 81"
    copied = await api.fetchval(version)
    await root.post(f"{PATH}/copy/6")
    assert copied == await api.fetchval(version)


async def test_prices_are_not_copied_across_currencies(api: Api) -> None:
    """The machines are named and nothing is written."""
    root = await api.login("root")
    await _second_machine(api, root)
    await root.patch("/machine/81", {"currency": 840})
    before = await _assortment(root, 81)
    answer = await root.post(f"{PATH}/copy/6")
    assert (400, "another currency at machines 81") == (
        answer.status_code, answer.json()["fields"]["machineGroup"],
    )  # fmt: skip
    assert before == await _assortment(root, 81)


@pytest.mark.parametrize("limits", [{}, LIMITS, {"flavourPLU": 2}, {"extraProductPLU": 0}])
async def test_a_conversion_loses_and_makes_nothing(api: Api, limits: dict[str, int]) -> None:
    """The same numbers, names and prices as before; the preview had said where they go."""
    nora = await api.login("nora")
    await nora.post("/machine/80/productflavour", {"name": "Oat", "price": 40, "plu": 1500})
    before = await _assortment(nora, 80)
    said = (await nora.post(f"{PATH}/convert/preview", limits)).json()
    await nora.post(f"{PATH}/convert", limits)
    after = await _assortment(nora, 80)

    def counted(parts: dict[str, list[dict[str, Any]]]) -> Counter[tuple[Any, ...]]:
        return Counter(one for rows in parts.values() for one in _sold(rows))

    assert counted(before) == counted(after)
    for name, kind in zip(("baseProducts", "productFlavours", "extraProducts"), KINDS, strict=True):
        assert _sold(said[name]) == _sold(after[kind])


PLUS = st.integers(0, 999_999)


@given(PLUS, st.none() | PLUS, st.none() | PLUS)
def test_the_greatest_threshold_below_decides(
    plu: int, flavour: int | None, extra: int | None
) -> None:
    """A number belongs to the last class that has begun at it, to the base before all of them."""
    if flavour is None or flavour != extra:
        begun = {"base": -1, "flavour": flavour, "extra": extra}
        below = [(at, kind) for kind, at in begun.items() if at is not None and at <= plu]
        assert max(below)[1] == class_of(plu, flavour, extra)
