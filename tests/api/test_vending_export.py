"""CSV files: the examples of vending-platform.md 5, and what its 3.12 says of every argument."""

import csv
import io
from typing import Any

from farebox.api.vending.export import EXPORTABLE
from farebox.api.vending.resources import CATALOGUE
from tests.api.conftest import Api, Caller, Golden
from tests.golden import Example

PRODUCTS = "/export/product?columns=plu,name:Name,price&where[machine]=80"
CONVERT = Example("VEND-ASSORTMENT-CONVERT", "POST", "/machine/80/assortment/convert",
                  {"flavourPLU": 1000, "extraProductPLU": 2000})  # fmt: skip
COMBINED = (
    "plu,Name,price\r\n1,Coffee,100\r\n1--2001,Coffee + Sugar,105\r\n"
    "1-1001,Coffee + Milk,120\r\n1-1001-2001,Coffee + Milk + Sugar,125\r\n"
    "2,Tea,90\r\n2--2001,Tea + Sugar,95\r\n2-1001,Tea + Milk,110\r\n"
    "2-1001-2001,Tea + Milk + Sugar,115\r\n"
)


def export(query: str, status: int = 200, answer: Any = ..., **more: Any) -> Example:
    """A download."""
    return Example("VEND-EXPORT", "GET", f"/export/{query}", None, status, answer, **more)


def posted(resource: str, body: Any, status: int = 200, answer: Any = ...) -> Example:
    """The same arguments as a body."""
    return Example("VEND-EXPORT", "POST", f"/export/{resource}", body, status, answer)


GOLDEN = (
    Example("VEND-EXPORT", "GET", f"{PRODUCTS}&sort=plu", answer=(
        "plu,Name,price\r\n1,Coffee,100\r\n2,Tea,90\r\n1001,Milk,20\r\n2001,Sugar,5\r\n")),
    export("product?columns=plu,name&sort=plu", 400, {"fields": {"where.machine": ...}}),
    CONVERT,
    Example("VEND-EXPORT", "GET", f"{PRODUCTS}&exportAll=true", answer=COMBINED),
    Example("VEND-EXPORT", "GET", f"{PRODUCTS}&exportAll=1&sort=plu", answer=COMBINED),
    Example("VEND-EXPORT", "GET", f"{PRODUCTS}&exportAll=true&where[price][<]=95",
            answer="plu,Name,price\r\n2,Tea,90\r\n"),
    Example("VEND-EXPORT", "GET", f"{PRODUCTS}&exportAll=false&sort=price desc",
            answer="plu,Name,price\r\n1,Coffee,100\r\n2,Tea,90\r\n"),
    posted("product", {"columns": ["plu", "name:Name", "price"], "where": {"machine": 80},
                       "sort": "plu", "exportAll": True}, answer=COMBINED),
    export("productflavour?columns=plu,price&where[machine]=80", answer="plu,price\r\n1001,20\r\n"),
)  # fmt: skip

OTHERS = (
    export("usergroup?columns[]=id&columns[]=parent.name:Above&sort=id",
           answer="id,Above\r\n2,\r\n3,North\r\n"),
    export("machine?columns=hostname,location.name,location.activeShift&where[machine]=80",
           answer="hostname,location.name,location.activeShift\r\ngw-0080,Central Station,\r\n"),
    export("machine?columns=hostname,machine&machine=80",
           answer="hostname,machine\r\ngw-0080,80\r\n"),
    export("machine?columns=hostname&where[machine]=81", answer="hostname\r\n"),
    export("machine?columns=hostname", 400, {"fields": {"where.machine": ...}}),
    export("machine?columns=hostname&where[machine][!]=81", 400),
    export("location?columns=name,createdAt&timezone=Asia/Kathmandu",
           answer="name,createdAt\r\nCentral Station,2026-03-10 14:45:00\r\n"),
    posted("location", {"columns": "name,createdAt", "timezone": ["Europe/Amsterdam"],
                        "where": '{"id": 2}'},
           answer="name,createdAt\r\nCentral Station,2026-03-10 10:00:00\r\n"),
    export("location?columns=name", answer={"message": "name\r\nCentral Station\r\n"},
           headers={"Accept": "application/json"}),
    export("location?columns=name", answer="name\r\nCentral Station\r\n",
           headers={"Accept": "application/json, text/csv"}),
    export("language?columns=locale,locale", answer="locale,locale\r\nen-GB,en-GB\r\n"),
)  # fmt: skip

REFUSED = (
    export("location", 400, {"code": "missing_parameters", "fields": {"columns": ...}}),
    export("location?columns=", 400),
    export("location?columns=name,,id", 400),
    export("location?columns=name,secret", 400, {"fields": {"columns": ...}}),
    export("location?columns=owner", 400),
    export("location?columns=machines.name", 400),
    export("location?columns=" + ",".join(["name"] * 101), 400),
    export("location?columns=name&timezone=Mars/Olympus", 400),
    export("location?columns=name&where[secret]=1", 400, {"code": "invalid_filter"}),
    export("location?columns=name&sort=secret", 400, {"code": "invalid_sort"}),
    export("location?columns=name&limit=5", 400),
    export("location?columns=name&exportAll=x", 400),
    export("campaign?columns=name", 404),
    export("secret?columns=name", 404),
    export("dashboard?columns=name", 404),
    posted("location", {"columns": [5]}, 400, {"fields": {"columns": ...}}),
    posted("location", {"columns": {}}, 400),
    posted("location", {"columns": ["name"], "where": []}, 400, {"code": "invalid_filter"}),
    posted("location", {"columns": ["name"], "rows": 5}, 400),
    posted("location", [], 400),
)


async def test_products_and_what_can_be_made_of_them(golden: Golden) -> None:
    """Rows by conditions and order; with exportAll one for each combination, in plu order."""
    await golden(*GOLDEN)


async def test_combinations_are_all_there(api: Api) -> None:
    """Of every machine each base product with each flavour or none and each extra or none."""
    root = await api.login("root")
    kinds: dict[str, dict[int, list[tuple[int, str, int]]]] = {
        "product": {80: [(20, "Soup", 200)], 81: [(3, "Cola", 150), (11, "Water", 90)]},
        "productflavour": {80: [(1002, "Mint", 7)], 81: [(1000, "Lime", 5), (1, "Ice", 0)]},
        "productextra": {80: [(2002, "Lid", 1), (5, "Cup", 2)], 81: []},
    }
    for kind, rows in kinds.items():
        for machine, items in rows.items():
            for plu, name, price in items:
                body = {"plu": plu, "name": name, "price": price}
                await root.post(f"/machine/{machine}/{kind}", body)
    kinds["product"][80] += [(1, "Coffee", 100), (2, "Tea", 90), (1001, "Milk", 20),
                             (2001, "Sugar", 5)]  # fmt: skip
    expected = [
        [str(machine), "-".join([str(base[0]), *_numbers(flavour, extra)]),
         " + ".join(one[1] for one in (base, flavour, extra) if one),
         str(sum(one[2] for one in (base, flavour, extra) if one))]
        for machine in (80, 81)
        for base in sorted(kinds["product"][machine])
        for flavour in (None, *sorted(kinds["productflavour"][machine]))
        for extra in (None, *sorted(kinds["productextra"][machine]))
    ]  # fmt: skip
    path = "/export/product?columns=machine,plu,name,price&where[machine]=80,81&exportAll=true"
    assert expected == (await _cells(root, path))[1:]
    by_number = sorted(expected, key=lambda row: [int(n or -1) for n in row[1].split("-")])
    assert by_number == (await _cells(root, f"{path}&sort=plu"))[1:]


def _numbers(flavour: Any, extra: Any) -> list[str]:
    """What follows the base product's number."""
    if extra:
        return [str(flavour[0]) if flavour else "", str(extra[0])]
    return [str(flavour[0])] if flavour else []


async def test_other_resources(golden: Golden) -> None:
    """Columns of singular aliases, zones, headers, and JSON for who asks for nothing else."""
    await golden(*OTHERS)


async def test_refusals(golden: Golden) -> None:
    """Unknown columns, conditions, zones and resources."""
    await golden(*REFUSED)


async def test_every_resource_of_the_list_can_be_exported(api: Api) -> None:
    """All members at once, each of those that are declared."""
    root = await api.login("root")
    for name in sorted(set(EXPORTABLE) & set(CATALOGUE)):
        columns = ",".join(CATALOGUE[name].by_name)
        answer = await root.get(f"/export/{name}?columns={columns}&where[machine]=80"
                                if "machine" in CATALOGUE[name].by_name or name == "machine"
                                else f"/export/{name}?columns={columns}")  # fmt: skip
        assert 200 == answer.status_code, (name, answer.text)
        assert columns == answer.text.partition("\r\n")[0]


async def _cells(caller: Caller, path: str) -> list[list[str]]:
    answer = await caller.get(path)
    assert 200 == answer.status_code, answer.text
    return list(csv.reader(io.StringIO(answer.text, newline="")))


async def test_cells_are_safe_for_spreadsheets(api: Api) -> None:
    """What would begin a formula gets a quote before it; the rest is RFC 4180."""
    nora, body = await api.login("nora"), {"plu": 1, "price": 1}
    for plu, name in enumerate(("=1+1", "+x", "-x", "@x", 'a "b", c'), 10):
        await nora.post("/machine/80/product", {**body, "plu": plu, "name": name})
    path = "/export/product?columns=name:=Name,barcode&where[machine]=80&where[plu]=10,11,12,13,14"
    assert [
        ["'=Name", "barcode"], ["'=1+1", ""], ["'+x", ""], ["'-x", ""], ["'@x", ""],
        ['a "b", c', ""],
    ] == await _cells(nora, path)  # fmt: skip


async def test_the_file_has_a_harmless_name(api: Api) -> None:
    """Other characters become underscores; a browser may bring its token in the query."""
    nora = await api.login("nora")
    for asked, name in (("", "location.csv"), ("a b/../c", "a_b_.._c.csv"), ("x.csv", "x.csv")):
        answer = await nora.get(f"/export/location?columns=name&filename={asked}")
        assert f'attachment; filename="{name}"' == answer.headers["content-disposition"]
        assert "text/csv; charset=utf-8" == answer.headers["content-type"]
    token = nora.headers["Authorization"].removeprefix("Bearer ")
    path = "/export/location?columns=name&filename[]=mine&access_token="
    answer = await api.nobody.get(f"{path}{token}")
    assert 'attachment; filename="mine.csv"' == answer.headers["content-disposition"]


async def test_permissions(api: Api) -> None:
    """An export needs its own right, that of its rows, and those of the aliases it names."""
    nora = await api.login("nora")
    for granted, path, status in (
        ("machine:read", "machine?columns=id", 403),
        ("export:read", "machine?columns=id", 403),
        ("machine:read,export:read", "machine?columns=id", 200),
        ("machine:read,export:read", "machine?columns=id,location.name", 403),
        ("machine:read,export:read,location:read", "machine?columns=id,location.name", 200),
    ):
        await api.execute("update vending.usergroup set permissions = $1 where id = 2",
                          granted.split(","))  # fmt: skip
        api.services.access.forget()
        answer = await nora.get(f"/export/{path}&where[machine]=80")
        assert status == answer.status_code, (granted, path)
