"""Sales as a file: vending-commerce.md 3.21, 4.17 and its rows of 5.2."""

import csv
from urllib.parse import urlencode

from tests.api.conftest import Api, Caller, Golden
from tests.api.test_vending_calculations import fill
from tests.golden import Example

HEADER = (
    "id,occurredAt,timeZone,machine,machineName,location,locationName,product,name,internalRef,"
    "barcode,originalPrice,price,currency,salestype,paymentMethods,paymentTypes,token,remote"
)
YEAR = {"period1[startDate]": "2019-01-01 00:00:00", "period1[endDate]": "2019-03-12 23:59:59"}


def query(**more: str) -> str:
    """The query of a file over the fixture's sales."""
    return "/export/transactions?" + urlencode({**YEAR, **more})


async def ids(caller: Caller, path: str) -> list[int]:
    """The sales in a file."""
    answer = await caller.get(path)
    assert 200 == answer.status_code, answer.text
    return [int(line["id"]) for line in csv.DictReader(answer.text.splitlines())]


async def test_the_file(api: Api) -> None:
    """A line for each sale that is not excluded, oldest first, in the zone that was asked for."""
    await fill(api)
    await api.execute("update vending.revenuetransaction set token = '=1+1' where id = 13")
    nora = await api.login("nora")
    answer = await nora.get(query())
    assert 'attachment; filename="transactions.csv"' == answer.headers["content-disposition"]
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.split("\r\n")
    assert [HEADER, ""] == [lines[0], lines[-1]]
    assert ["11", "12", "14", "15", "16", "13", "19"] == [one.split(",")[0] for one in lines[1:-1]]
    assert (
        "12,2019-02-06 07:06:17,Europe/Amsterdam,80,Platform 2,2,Central Station,1,Kaffee klein,"
        "ref Kaffee klein,871,0,120,EUR,0,virtual,card,,"
    ) == lines[2]
    assert (
        "13,2019-03-11 23:59:59,Europe/Amsterdam,80,Platform 2,2,Central Station,2,Tee,"
        "ref Tee,871,0,90,EUR,0,card|card,card|card,'=1+1,"
    ) == lines[6]
    tokyo = await nora.get(query(timezone="Asia/Tokyo"))
    assert ",2019-02-06 15:06:17,Europe/Amsterdam," in tokyo.text
    as_json = await nora.get(query(), headers={"Accept": "application/json"})
    assert {"message": answer.text} == as_json.json()
    assert answer.text == (await nora.get("/report/transactions/csv?" + urlencode(YEAR))).text


async def test_whose_day_it_is(api: Api) -> None:
    """The period is read on the wall of the zone in which the file is told."""
    await fill(api)
    nora = await api.login("nora")
    day = {"period1[startDate]": "2019-03-12", "period1[endDate]": "2019-03-12"}
    assert [19] == await ids(nora, query(**day))
    assert [13, 19] == await ids(nora, query(**day, timezone="Asia/Tokyo"))
    assert [] == await ids(nora, query(**day, timezone="America/New_York"))
    # Nothing happens while clocks jump, and nothing before it began.
    jump = {"period1[startDate]": "2019-03-31 02:10", "period1[endDate]": "2019-03-31 02:20"}
    mixed = {"period1[startDate]": "2019-03-12T23:59:59-12:00", "period1[endDate]": "2019-03-12"}
    assert [[], []] == [await ids(nora, query(**jump)), await ids(nora, query(**mixed))]
    relative = {"period1[startDate][day]": "-1", "period1[endDate][day]": "-1",
                "period1[referenceDate]": "2019-03-12T11:40:43+01:00"}  # fmt: skip
    assert [13] == await ids(nora, "/export/transactions?" + urlencode(relative))


# What is asked for, and whether the sales are meant.
CHOICES: tuple[tuple[dict[str, str], bool], ...] = (
    ({"machines[]": "80"}, True),
    ({"locations": "3,2", "machines": "80"}, True),
    ({"machineGroups[]": "5", "locationGroups": "6"}, True),
    ({"machines[]": "81"}, False),
    ({"machines[]": "80", "locations[]": "47"}, False),
)
# What is asked for, what is wrong with it if anything, and the code of the refusal.
WRONG: tuple[tuple[dict[str, str], str | None, str], ...] = (
    ({"period1[startDate]": "2018-09-11"}, "period1.startDate", "range_too_old"),
    ({"period1[startDate]": "2018-09-11T23:30:00-05:00"}, None, ""),
    ({"period1[startDate]": "2018-09-12"}, None, ""),
    ({"timezone": "Mars/Base"}, "timezone", "invalid_time_zone"),
    ({"period1[startDate]": "13"}, "period1.startDate", "invalid_parameter"),
    ({"period1[startDate][year]": "0"}, "period1.startDate", "invalid_parameter"),
    ({"period1[endDate]": "2018-12-31"}, "period1", "invalid_range"),
    ({"period1": "x"}, "period1", "invalid_parameter"),
    ({"machines[]": "x"}, "machines", "invalid_parameter"),
    ({"machine": "80"}, "machine", "unknown_field"),
    ({"_": "1552388400"}, None, ""),
)


async def test_who_may_ask_for_what(golden: Golden) -> None:
    """Machines and locations both limit; faults are told under the path of their member."""
    await fill(golden.api)
    for more, found in CHOICES:
        told = await golden(Example("VEND-REPORT-RAWCSV", "GET", query(**more)))
        assert found == (len(told.split("\r\n")) > 2), more
    for more, place, code in WRONG:
        status, answer = (400, {"code": code}) if place else (200, ...)
        example = Example("VEND-REPORT-RAWCSV", "GET", query(**more), None, status, answer)
        told = await golden(example)
        assert place is None or place in told["fields"], told
    stranger = Example("VEND-REPORT-RAWCSV", "GET", query(), answer=HEADER + "\r\n", by="sam")
    await golden(
        stranger,
        Example("VEND-REPORT-RAWCSV", "GET", "/export/transactions", None, 400,
                {"fields": {"period1": "is required"}}),
        Example("VEND-REPORT-RAWCSV", "GET", "/export/transactions?period1[startDate]=2019-03-01",
                None, 400, {"fields": {"period1.endDate": "is required"}}),
    )  # fmt: skip
