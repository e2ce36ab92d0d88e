"""The history of calls: local days, filters, pages that add up (pbx.md 3.10, 4.4, 5)."""

from typing import Any

import pytest

from farebox.domain.call_records import record_of
from farebox.engine import call_records
from tests.api.pbx.conftest import Exchange

PATH = "/cdr/getCallHistory"
DAY = {"start_date_ymd": "2024-03-10", "end_date_ymd": "2024-03-10"}
DAYS = {"start_date_ymd": "2024-03-09", "end_date_ymd": "2024-03-12"}


async def ids(exchange: Exchange, by: str = "admin", **form: str) -> str:
    """The ids of the calls that are found."""
    return " ".join(row["id"] for row in await exchange.data(PATH, by, **form))


@pytest.mark.operation("PBX-CDR-HISTORY")
def test_a_short_day(exchange: Exchange) -> None:
    """The day on which clocks go forward has 23 hours, all of them Toronto's."""

    async def run() -> None:
        answer = await exchange.post(
            PATH, **DAY, tenant_code="uniglobedorval", disposition="ANSWERED"
        )
        told = answer.json()
        assert ["2", "4"] == [row["id"] for row in told["data"]]
        starts = [row["start"] for row in told["data"]]
        assert ["2024-03-10 00:00:00", "2024-03-10 23:59:59"] == starts
        assert ["0.012500", "0.000000"] == [row["cc_cost"] for row in told["data"]]
        assert {"limit": "1000", "count": "2", "next_cursor": ""} == told["paging"]
        operation = exchange.document.operations("POST", f"/pbx{PATH}")["PBX-CDR-HISTORY"]
        assert "" == exchange.document.fault(operation, 200, told)

    exchange.run(run())


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, "1 2 3 6 4 5"),
        ({"tenant_code": "AdviceWise"}, "6"),
        ({"disposition": "answered,no_answer"}, "1 2 6 4 5"),
        ({"disposition": "BUSY"}, "3"),
        ({"disposition": "NOANSWER"}, ""),
        ({"firstdst": "15145550100, 7"}, "1 2 3 6 4 5"),
        ({"firstdst": "7"}, ""),
        ({"cost": "0.05"}, "1"),
        ({"cost": "=0.050"}, "1"),
        ({"cost": ">0.0125"}, "1 5"),
        ({"cost": ">=0.0125"}, "1 2 5"),
        ({"cost": "<0.05"}, "2 3 6 4"),
        ({"cost": "<=0"}, "3 6 4"),
        ({"cost": "<0"}, ""),
        ({"cost": "0.0125-0.05"}, "1 2"),
        ({"cost": "yes"}, "1 2 5"),
        ({"cost": "no"}, "3 6 4"),
        ({"cost": "yes", "disposition": "BUSY"}, ""),
    ],
    ids=str,
)
def test_filters(exchange: Exchange, form: dict[str, str], expected: str) -> None:
    """Filters hold together, members of a list one or the other; costs are numbers."""
    assert expected == exchange.run(ids(exchange, **DAYS, **form))


@pytest.mark.parametrize("limit", ["1", "2", "1000"])
def test_however_many_tenants_are_seen(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Tenants looked up one by one and calls read in order of time are the same pages."""

    async def run() -> None:
        forms: tuple[dict[str, str], ...]
        forms = ({}, {"disposition": "ANSWERED"}, {"cost": ">0"}, {"tenant_code": "AdviceWise"},
                 {"firstdst": "15145550100,15145550100, 7"})  # fmt: skip
        pages = []
        for few in (32, 0):
            monkeypatch.setattr(call_records, "_TENANTS_FEW", few)
            pages.append([await walked(exchange, limit=limit, **DAYS, **form) for form in forms])
        assert pages[0] == pages[1]
        assert ["1 2 3 6 4 5", "1 2 6 4 5", "1 2 5", "6", "1 2 3 6 4 5"] == pages[0]

    exchange.run(run())


async def walked(exchange: Exchange, **form: str) -> str:
    """The ids of the calls of all pages."""
    found: list[str] = []
    cursor = ""
    while True:
        told = (await exchange.post(PATH, **form, cursor=cursor)).json()
        found += [row["id"] for row in told["data"]]
        cursor = told["paging"]["next_cursor"]
        if not cursor:
            return " ".join(found)


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({"start_date_ymd": "2024-02-30"}, 400, "Invalid Parameter start_date_ymd."),
        ({"end_date_ymd": "2024-2-3"}, 400, "Invalid Parameter end_date_ymd."),
        ({"end_date_ymd": "2024-02/03"}, 400, "Invalid Parameter end_date_ymd."),
        (
            {"start_date_ymd": "2024-03-02", "end_date_ymd": "2024-03-01"},
            400, "Start Date After End Date.",
        ),
        ({"start_date_ymd": "2026-03-12"}, 400, "Start Date After End Date."),
        (
            {"start_date_ymd": "20240101", "end_date_ymd": "2024/07/18"},
            400, "Date Range Too Large.",
        ),
        ({"start_date_ymd": "2024-01-01"}, 400, "Date Range Too Large."),
        ({"disposition": "MAYBE"}, 400, "Invalid Disposition."),
        ({"disposition": "BUSY,MAYBE"}, 400, "Invalid Disposition."),
        ({"cost": "abc"}, 400, "Invalid Cost."),
        ({"cost": "0.0000001"}, 400, "Invalid Cost."),
        ({"cost": "-1"}, 400, "Invalid Cost."),
        ({"tenant_code": "none"}, 404, "Record Not Found."),
        ({"limit": "0"}, 400, "Invalid Parameter limit."),
        ({"limit": "5001"}, 400, "Invalid Parameter limit."),
        ({"cursor": "x"}, 400, "Invalid Parameter cursor."),
        ({"cursor": "A" * 44}, 400, "Invalid Parameter cursor."),
        ({"firstdst": "1," * 101}, 400, "Invalid Parameter firstdst."),
    ],
    ids=str,
)  # fmt: skip
def test_bad_filters(exchange: Exchange, form: dict[str, str], status: int, message: str) -> None:
    """What cannot be meant is refused, and says what."""
    answer = exchange.run(exchange.post(PATH, **form))
    told = {"status": "failed", "message": message}
    assert (status, told) == (answer.status_code, answer.json())


def test_only_calls_of_ones_tenants(exchange: Exchange) -> None:
    """A user finds the calls of its tenants, and no other tenant's code."""

    async def run() -> None:
        assert "6" == await ids(exchange, "advicewise", **DAYS)
        assert "" == await ids(exchange, "Airlord", **DAYS)
        foreign = await exchange.post(PATH, "advicewise", **DAYS, tenant_code="UniglobeDorval")
        unknown = await exchange.post(PATH, "advicewise", **DAYS, tenant_code="Unknown")
        assert (404, unknown.content) == (foreign.status_code, foreign.content)

    exchange.run(run())


def test_pages_are_the_whole(exchange: Exchange) -> None:
    """Pages hold every row once, also rows of one instant, whatever is added behind them."""

    async def run() -> None:
        whole = await exchange.data(PATH, **DAYS)
        for limit in range(1, 8):
            cursor, found = "", []
            while True:
                form = {**DAYS, "limit": str(limit), "cursor": cursor}
                told = (await exchange.post(PATH, **form)).json()
                found += told["data"]
                cursor = told["paging"]["next_cursor"]
                assert str(len(told["data"])) == told["paging"]["count"]
                if not cursor:
                    break
            assert whole == found

    exchange.run(run())


def test_pages_are_stable_while_calls_come(exchange: Exchange) -> None:
    """Calls added behind the pages' end, while they are read, lose and repeat no other call."""

    async def run() -> None:
        days = {"start_date_ymd": "2024-03-09", "end_date_ymd": "2024-03-12", "limit": "2"}
        whole = ["1", "2", "3", "6", "4", "5"]
        async with exchange.fresh():
            found: list[str] = []
            cursor = ""
            for number in range(3):
                form = {**days, "cursor": cursor}
                told = (await exchange.post("/cdr/getCallHistory", **form)).json()
                found += [row["id"] for row in told["data"]]
                cursor = told["paging"]["next_cursor"]
                late = {"accountcode": "AdviceWise", "uniqueid": f"l{number}",
                        "start": "2024-03-12T10:00:00Z", "disposition": "BUSY"}  # fmt: skip
                await exchange.call("POST", "/admin/cdrs", json={"cdrs": [late]})
            assert whole == found

    exchange.run(run())


def test_a_cursor_is_for_one_search(exchange: Exchange) -> None:
    """Another filter or another caller cannot use it; another limit can."""

    async def run() -> None:
        told = (await exchange.post(PATH, **DAYS, limit="1")).json()
        cursor = told["paging"]["next_cursor"]
        assert "2 3" == await ids(exchange, **DAYS, limit="2", cursor=cursor)
        for by, more in (("admin", {"cost": "yes"}), ("advicewise", {})):
            answer = await exchange.post(PATH, by, **DAYS, **more, cursor=cursor)
            assert "Invalid Parameter cursor." == answer.json()["message"]

    exchange.run(run())


def test_without_dates_it_is_today(exchange: Exchange) -> None:
    """Today is the tenant's own; only a start means up to today, only an end that one day."""

    async def run() -> None:
        async with exchange.fresh():
            # It is 09:00 UTC on 2026-03-10, so 05:00 in Toronto, where the day began at 04:00.
            for at in ("2026-03-10T03:59:59Z", "2026-03-10T04:00:00Z", "2026-03-11T03:59:59Z"):
                await take(exchange, 2, uniqueid=at, start=at)
            found = {"today": {}, "since": {"start_date_ymd": "20260309"},
                     "that day": {"end_date_ymd": "2026/03/09"}}  # fmt: skip
            counts = {name: len(await exchange.data(PATH, **form)) for name, form in found.items()}
            assert {"today": 2, "since": 3, "that day": 1} == counts

    exchange.run(run())


async def take(exchange: Exchange, tenant: int, **given: Any) -> str:
    """What became of one record: inserted, updated or unchanged."""
    record = record_of({"disposition": "BUSY", **given}, "America/Toronto")
    counts: Any = await exchange.api.services.exchange.calls.take([(tenant, record)])
    return " ".join(name for name, count in counts._asdict().items() if count)


def test_a_record_is_kept_once(exchange: Exchange) -> None:
    """The same again changes nothing, another one replaces it, also in another month."""

    async def run() -> None:
        async with exchange.fresh():
            one = {"uniqueid": "u", "start": "2024-03-10T12:00:00Z"}
            assert "inserted" == await take(exchange, 2, **one)
            assert "unchanged" == await take(exchange, 2, **one)
            assert "inserted" == await take(exchange, 2, **one, sequence=1)
            assert "inserted" == await take(exchange, 80, **one)
            later = {"uniqueid": "u", "start": "2024-05-01 00:00:00"}
            assert "updated" == await take(exchange, 2, **later)
            assert "unchanged" == await take(exchange, 2, **later)
            may = {"start_date_ymd": "2024-05-01", "end_date_ymd": "2024-05-01"}
            (row,) = await exchange.data(PATH, **may)
            assert ("u", "2024-05-01 00:00:00") == (row["uniqueid"], row["start"])
            both = await exchange.data(PATH, **DAY, disposition="BUSY")
            assert ["u", "u"] == [row["uniqueid"] for row in both if row["uniqueid"] == "u"]

    exchange.run(run())
