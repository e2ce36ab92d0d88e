"""Lists of vouchers in their effective state: what is found, how many, and by which way."""

from farebox.api.vending.filters import parse
from farebox.api.vending.vouchers import VOUCHER
from farebox.resource import compile as sql
from farebox.resource.definition import View
from tests.api.conftest import Api

CAMPAIGN = {"name": "Many", "totalVouchers": 9, "voucherValue": 100, "type": "discount"}
# A list's query, which of nine vouchers it gives (numbered by id), and how many match.
LISTS: tuple[tuple[str, list[int], int], ...] = (
    ("limit=2", [0, 1], 9),
    ("sort=id desc&limit=2&skip=1", [7, 6], 9),
    ("where[status]=inactive", [1, 4], 2),
    ("where[status]=inactive&limit=1", [1], 2),
    ("where[status]=inactive&limit=1&skip=1", [4], 2),
    ("where[status]=inactive&limit=1&skip=5", [], 2),
    ("where[status]=expired&limit=3", [8], 1),
    ("where[status]=redeemed&limit=3", [], 0),
    ("where[or][0][status]=expired&where[or][1][value]=7&sort=value&limit=5", [3, 8], 2),
    ("sort=value&limit=1", [3], 9),
)


async def test_lists(api: Api) -> None:
    """Filters and orders by what is worked out for each voucher give the page and the number."""
    nora = await api.login("nora")
    campaign = (await nora.post("/campaign", CAMPAIGN)).json()["id"]
    everybody = f"/campaign/{campaign}/vouchers"
    ids = [row["id"] for row in (await nora.get(everybody)).json()]
    for number, change in (
        (1, {"status": "inactive"}), (4, {"status": "inactive"}), (3, {"value": 7}),
        (8, {"expiresOn": "2026-03-09"}),
    ):  # fmt: skip
        told = await nora.patch(f"/voucher/{ids[number]}", {"campaign": campaign, **change})
        assert 200 == told.status_code, told.text
    for query, found, total in LISTS:
        for path in (f"{everybody}?", f"/voucher?where[campaign]={campaign}&"):
            listed = await nora.get(f"{path}{query}")
            assert [ids[number] for number in found] == [row["id"] for row in listed.json()], query
            assert str(total) == listed.headers["x-total-count"], query


async def test_codes_are_found_in_an_index(api: Api) -> None:
    """As they are spelled, and by the key that all spellings share; nothing else is looked at."""
    nora = await api.login("nora")
    campaign = (await nora.post("/campaign", CAMPAIGN)).json()["id"]
    made = {"campaign": campaign, "type": "discount", "value": 100}
    await nora.post("/voucher", {**made, "code": "Summer-1"})
    for code, expected in (("Summer-1", ["Summer-1"]), ("SUMMER-1", []), ("%20Summer-1", [])):
        listed = await nora.get(f"/voucher?where[code]={code}")
        assert expected == [row["code"] for row in listed.json()], listed.text
    await nora.post("/voucher", {**made, "count": 3000})
    await api.execute("analyze voucher.voucher")
    criteria = parse(VOUCHER, [("where[code]", "Summer-1"), ("limit", "10")])
    caller = type("Caller", (), {"groups": (2,), "group": 2, "id": 2, "admin": False})()
    view = View(caller, api.clock(), {"starts": {}, "codes": ["SUMMER-1"]})
    query = sql.page(VOUCHER, criteria, view, limit=10, within="t.code_key = any({codes}::text[])")
    async with api.services.pool.acquire() as connection:
        plan = await connection.fetch(f"explain {query[0]}", *query[1])
    assert any("using voucher_code_once" in row[0] for row in plan), plan
