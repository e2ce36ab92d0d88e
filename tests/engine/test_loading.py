"""Bulk loads: what they add, skip and refuse, and that nobody misses a voucher they brought."""

from pathlib import Path
from typing import Any

import pytest

from farebox.domain.errors import InvalidError, NotFoundError
from farebox.engine.loading import FaultyRowsError, Loaded, Loader
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

NORTH, SOUTH = 2, 4

CAMPAIGNS = """\
name,voucherValue,type,redemptionLimit,resetFrequency,currency
Spring,100,discount,2,day,EUR
Gifts,1000,gift,0,never,AMD
Mixed,50,dynamic,1,week,EUR
"""
VOUCHERS = """\
{"campaign":"Spring","code":"spring-1"}
{"campaign":"Gifts","code":"GIFT-1","redemptionCount":1,"amountRedeemed":350,"text1":"Բարև"}
{"campaign":"Mixed","code":"OWN-1","type":"gift","value":500,"expiresOn":"2026-12-31"}
{"campaign":"Mixed","code":"OWN-2","type":"discount","value":5,"status":"inactive",\
"validationRules":[{"field":"product","value":7}]}
"""


@pytest.fixture
def database(stocked_database: str) -> str:
    """Machines and groups to load rows for."""
    return stocked_database


@pytest.fixture
async def place(pool: Pool, clock: SettableClock, tmp_path: Path) -> "Place":
    """The fixture's database and a folder for files."""
    return Place(pool, clock, tmp_path)


class Place:
    """Loads texts as files and reads back what became of them."""

    def __init__(self, pool: Pool, clock: SettableClock, folder: Path) -> None:
        self.pool, self.clock, self.folder = pool, clock, folder
        self.heard: list[int] = []

    async def load(self, name: str, text: str, group: int = NORTH, **options: Any) -> Loaded:
        """Load a text under a file name."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return await Loader(self.pool, self.clock, group, **options).load(path, self.heard.append)

    async def one(self, code_key: str) -> dict[str, Any]:
        """The only voucher under a code."""
        rows = await self.pool.fetch(
            "select v.*, c.name from voucher.voucher v join voucher.campaign c on c.id = v.campaign"
            " where code_key = $1",
            code_key,
        )
        assert 1 == len(rows)
        return dict(rows[0])


async def test_campaigns_then_vouchers(place: Place) -> None:
    """Rows become campaigns and vouchers with the settings they name."""
    campaigns = await place.load("campaigns.csv", CAMPAIGNS)
    vouchers = await place.load("vouchers.ndjson", VOUCHERS)

    assert Loaded(rows=3, campaigns=3) == campaigns
    assert Loaded(rows=4, vouchers=4) == vouchers
    heir, gift = await place.one("SPRING-1"), await place.one("GIFT-1")
    own, ruled = await place.one("OWN-1"), await place.one("OWN-2")
    assert ("spring-1", True, 100) == (heir["code"], heir["inherit"], heir["initial_value"])
    # 2026-03-10T09:00Z is in a day that ends at 23:00Z in Amsterdam.
    assert 1773183600000 == heir["period_end_ms"]
    assert ("AMD", 1, 350, 1, 350) == (
        gift["currency"], gift["count"], gift["amount"], gift["total"], gift["total_amount"],
    )  # fmt: skip
    assert "Բարև" == gift["text1"]
    assert ("gift", 500, 1798758000000) == (own["type"], own["value"], own["expires_before_ms"])
    assert False is ruled["active"]
    assert '[{"field":"product","value":"7"}]' == ruled["rules"]
    totals = await place.pool.fetch("select total_vouchers from voucher.campaign order by name")
    assert [1, 2, 1] == [row[0] for row in totals]


async def test_one_file_may_hold_both(place: Place) -> None:
    """A voucher may name a campaign that stands further up in the same file."""
    text = '{"name":"Fresh","voucherValue":30}\n{"campaign":"Fresh","code":"F1"}\n'

    assert Loaded(rows=2, campaigns=1, vouchers=1) == await place.load("both.jsonl", text)


async def test_running_it_again_adds_only_what_is_missing(place: Place) -> None:
    """A second load skips what exists, whatever chunk it stands in."""
    await place.load("campaigns.csv", CAMPAIGNS)
    await place.load("vouchers.ndjson", VOUCHERS)
    more = VOUCHERS + '{"campaign":"Spring","code":"SPRING-2"}\n'

    assert Loaded(rows=3, skipped=3) == await place.load("campaigns.csv", CAMPAIGNS)
    assert Loaded(rows=5, vouchers=1, skipped=4) == await place.load("v.ndjson", more, chunk=2)


async def test_an_equal_code_elsewhere_learns_of_the_new_one(place: Place) -> None:
    """Versions of existing candidates rise; those of the new ones do not."""
    await place.load("campaigns.csv", CAMPAIGNS)
    await place.load("a.csv", "campaign,code\nSpring,SAME\nSpring,OTHER\n")
    await place.load("b.csv", "campaign,code\nGifts,same\n")

    rows = await place.pool.fetch(
        "select c.name, v.code, v.version from voucher.voucher v"
        " join voucher.campaign c on c.id = v.campaign order by c.name, v.code"
    )
    expected = [("Gifts", "same", 1), ("Spring", "OTHER", 1), ("Spring", "SAME", 2)]
    assert expected == [tuple(row) for row in rows]


async def test_progress_ends_with_the_file(place: Place) -> None:
    """Progress is told in bytes, once per chunk, up to the size of the file."""
    await place.load("campaigns.csv", CAMPAIGNS, chunk=2)

    assert 2 == len(place.heard)
    assert len(CAMPAIGNS.encode()) == place.heard[-1]


async def test_a_dry_run_changes_nothing(place: Place) -> None:
    """A dry run finds faults and counts rows, and leaves no row behind."""
    text = '{"name":"Fresh","voucherValue":30}\n{"campaign":"Fresh","code":"F1"}\n'

    loaded = await place.load("both.jsonl", text, dry_run=True)

    assert Loaded(rows=2, campaigns=1, vouchers=1) == loaded
    assert 0 == await place.pool.fetchval("select count(*) from voucher.campaign")


HEADER = "campaign,code,type,value,redemptionLimit,expiresOn,timeZone,validationRules\n"


FORM = "1 to 64 printable ASCII characters without space and / \\ % ? # \" ' < >"
FITTING = "a value that must be discount in this campaign"


@pytest.mark.parametrize(
    ("row", "column", "expected", "found"),
    [
        ("Spring,A B", "the line", "8 cells", "2"),
        ("Spring,A B,,,,,,", "code", FORM, "'A B'"),
        ("Spring,,,,,,,", "code", "a value", "nothing"),
        ("Spring,A,discount,,,,,", "value", "a value for type discount", "nothing"),
        ("Spring,A,,-1,,,,", "value", "int >= 0", "'-1'"),
        ("Spring,A,,1,many,,,", "redemptionLimit", "int", "'many'"),
        ("Spring,A,percent,,,,,", "type", "one of the documented values", "'percent'"),
        ("Spring,A,gift,1,,,,", "type", FITTING, "'gift'"),
        ("Nowhere,A,,,,,,", "campaign", "the name of an existing campaign", "'Nowhere'"),
        ("999,A,,,,,,", "campaign", "the id of an existing campaign", "999"),
        ("Spring,A,discount,1,,,CEST,", "timeZone", "an IANA time zone", "'CEST'"),
        ("Spring,A,,,,soon,,", "expiresOn", "a date like 2026-12-31 or 2026-12-31 18:00", "'soon'"),
        ("Spring,A,,,,,,nonsense", "validationRules", "array", "'nonsense'"),
    ],
)
async def test_faults_name_line_column_expected_and_actual(
    place: Place, row: str, column: str, expected: str, found: str
) -> None:
    """A faulty row ends the load with one sentence that says where and what."""
    await place.load("campaigns.csv", CAMPAIGNS)

    with pytest.raises(FaultyRowsError) as caught:
        await place.load("bad.csv", HEADER + row + "\n")

    assert f"line 2, {column}: expected {expected}, found {found}" == caught.value.message
    assert 0 == await place.pool.fetchval("select count(*) from voucher.voucher")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1, the line: expected a JSON object"),
        ("[]", "line 1, the line: expected a JSON object, found []"),
        ('{"campaign":1,"code":7}', "line 1, code: expected str, found 7"),
        ('{"campaign":1,"code":"A","colour":"red"}', "line 1, colour: expected a known column"),
        ('{"name":"","voucherValue":1}', "line 1, name: expected str of length >= 1, found ''"),
        ('{"name":"N","voucherValue":1,"currency":"XXX"}', "line 1, currency: expected a currency"),
        ('{"name":"N","voucherValue":1,"prefix":"A-B"}', "line 1, prefix: expected 1 to 5 letters"),
        ('{"name":"N","voucherValue":1,"voucherStyle":"{"}', "line 1, voucherStyle: expected"),
        (
            '{"campaign":1,"code":"A","redemptionCount":2,"totalRedemptionCount":1}',
            "line 1, totalRedemptionCount: expected at least 2, the current window's, found 1",
        ),
    ],
)  # fmt: skip
async def test_faulty_objects(place: Place, line: str, message: str) -> None:
    """The same for NDJSON, where a type is not converted."""
    with pytest.raises(FaultyRowsError) as caught:
        await place.load("bad.ndjson", line + "\n")

    assert caught.value.message.startswith(message)


async def test_a_fault_keeps_what_came_before(place: Place) -> None:
    """Chunks before the faulty one stay, and the error says how much they held."""
    await place.load("campaigns.csv", CAMPAIGNS)

    with pytest.raises(FaultyRowsError) as caught:
        await place.load("v.csv", "campaign,code\nSpring,A\nSpring,B\nSpring,C\n,D\n", chunk=2)

    assert Loaded(rows=2, vouchers=2) == caught.value.loaded
    assert 2 == await place.pool.fetchval("select count(*) from voucher.voucher")


async def test_tenants_do_not_reach_each_other(place: Place) -> None:
    """A campaign of another tenant reads like a missing one, by name and by id."""
    await place.load("campaigns.csv", CAMPAIGNS)
    spring = await place.pool.fetchval("select id from voucher.campaign where name = 'Spring'")

    for named in ("Spring", str(spring)):
        with pytest.raises(FaultyRowsError):
            await place.load("v.csv", f"campaign,code\n{named},A\n", group=SOUTH)


async def test_doubled_names_and_unknown_groups_and_endings(place: Place) -> None:
    """Two campaigns of one name are told apart by id; a group and a format must be known."""
    await place.load("campaigns.csv", CAMPAIGNS)
    await place.pool.execute("update voucher.campaign set name = 'Spring' where name = 'Gifts'")

    with pytest.raises(FaultyRowsError, match="a name that one campaign has"):
        await place.load("v.csv", "campaign,code\nSpring,A\n")
    with pytest.raises(NotFoundError):
        await place.load("v.csv", "campaign,code\nSpring,A\n", group=99)
    with pytest.raises(InvalidError, match=r"ends in \.csv"):
        await place.load("v.xlsx", "")
