"""Summaries of sales, and currency rates: the examples of vending-commerce.md 5.1 and beyond."""

import pytest

from tests.api.conftest import Api, Golden
from tests.api.test_vending_records import SALE, fill, insert
from tests.golden import Example

PATH = "/revenuetransaction"
DAY = "startDate=2019-02-06&endDate=2019-02-06"
ROW = {"currency": "EUR", "currencyRate": 1, "date": "2019-02-06", "orginalValue": 10, "value": 10}
TO_DATE = {"currency": "EUR", "products": 1, "revenue": 10}


def summary(query: str, status: int = 200, answer: object = ..., by: str = "nora") -> Example:
    """A row about the summary."""
    path = f"{PATH}/summary?{query}"
    return Example("VEND-REVENUE-SUMMARY", "GET", path, None, status, answer, by)


def best(query: str, status: int = 200, answer: object = ...) -> Example:
    """A row about best sellers."""
    path = f"{PATH}/bestselling?{query}"
    return Example("VEND-REVENUE-BESTSELLING", "GET", path, None, status, answer)


EXAMPLES = (
    summary(f"{DAY}&machines[]=80", answer={"EUR": [ROW]}),
    # Arrays have three spellings, and limit together.
    summary(f"{DAY}&machines=80&machines=81&locations[]=2", answer={"EUR": [ROW]}),
    summary(f"{DAY}&machines=81,80", answer={"EUR": [ROW]}),
    summary(f"{DAY}&machines=&locations[]=", answer={"EUR": [ROW]}),
    summary(f"{DAY}&machines[]=81", answer={}),
    summary(f"{DAY}&machines[]=80&locations[]=3", answer={}),
    summary(f"{DAY}&locations[]=999", answer={}),
    summary("startDate=2019-02-07&endDate=2019-02-07", answer={}),
    summary("startDate=2019-02-06 07:06:17&endDate=2019-02-06T07:06:17", answer={"EUR": [ROW]}),
    summary("startDate=2019-02-06 07:06:18&endDate=2019-02-06", answer={}),
    summary("startDate=2019-02-06T06:06:17Z&endDate=2019-02-06T06:06:17Z", answer={"EUR": [ROW]}),
    summary(DAY, answer={}, by="sam"),
    summary(DAY, answer={"EUR": [ROW]}, by="root"),
    summary("startDate=2019-02-07&endDate=2019-02-06", 400, {"code": "invalid_range"}),
    summary("startDate=2016-01-01&endDate=2019-02-06", 400, {"code": "invalid_range"}),
    summary("startDate=2019-02-06", 400, {"fields": {"endDate": "is required"}}),
    summary("", 400, {"fields": {"startDate": ..., "endDate": ...}}),
    summary("startDate=06/02/2019&endDate=2019-02-06", 400, {"fields": {"startDate": ...}}),
    summary(f"{DAY}&machines[]=x&locations=1.5", 400,
            {"fields": {"machines": ..., "locations": ...}}),
    summary(f"{DAY}&machine[]=80", 400, {"code": "unknown_field"}),
    summary(DAY, 401, by="nobody"),
    best("startDate=2019-02-05&endDate=2019-02-06&amount=1", answer=[
        {"name": "Kaffee klein", "values": [{"date": "2019-02-05", "value": 0},
                                            {"date": "2019-02-06", "value": 1}]}]),
    best("startDate=2019-02-07&endDate=2019-02-08", answer=[]),
    *(
        best(f"{DAY}&amount={amount}", 400, {"fields": {"amount": ...}})
        for amount in ("0", "101", "x")
    ),
)  # fmt: skip


async def test_examples(golden: Golden) -> None:
    """Every row of the document for these operations, on one database."""
    await fill(golden.api)
    await golden(*EXAMPLES)
    golden.api.clock.set("2019-02-06T12:00:00+01:00")
    periods = {"EUR": [dict.fromkeys(("day", "month", "week", "year"), TO_DATE)]}
    [*cells] = await golden(
        Example("VEND-REVENUE-PERIODS", "GET", f"{PATH}/periods", answer=periods),
        Example("VEND-REVENUE-PERIODS", "GET", f"{PATH}/periods?machines[]=81", answer={}),
        Example("VEND-REVENUE-HEATMAP", "GET", f"{PATH}/heatmap?currency=eur", status=400),
        Example("VEND-REVENUE-HEATMAP", "GET", f"{PATH}/heatmap"),
    )
    assert [(day, hour) for day in range(1, 8) for hour in range(24)] == [
        (cell["day"], cell["hour"]) for cell in cells
    ]
    sold = [cell for cell in cells if cell["count"] or cell["total"]]
    assert [{"day": 3, "hour": 7, "count": 1, "total": 10}] == sold


async def test_what_counts(golden: Golden) -> None:
    """Refunds lower the sum and are no units; excluded sales are out; names are one product."""
    await fill(golden.api)
    others: list[dict[str, object]] = [
        {"price": -3}, {"price": 50, "product": 9}, {"price": 70, "name": "Tea"},
    ]  # fmt: skip
    for number, more in enumerate(others, 1):
        await insert(golden.api, "revenuetransaction", {**SALE, "id": number, **more})
    await insert(golden.api, "revenuetransaction", {**SALE, "id": 9, "price": 999})
    await golden.api.execute("update vending.revenuetransaction set excluded = true where id = 9")
    units = [("Kaffee klein", 2), ("Tea", 1)]
    await golden(
        summary(DAY, answer={"EUR": [{**ROW, "orginalValue": 127, "value": 127}]}),
        best(DAY, answer=[
            {"name": name, "values": [{"date": "2019-02-06", "value": count}]}
            for name, count in units
        ]),
    )  # fmt: skip


async def test_what_is_held_is_told(api: Api) -> None:
    """Sales that are held as columns, their memory, and who answered, among the metrics."""
    await (await api.login("nora")).get(f"{PATH}/summary?{DAY}")
    told = (await api.client.get("/metrics")).text
    for name in ("rows", "bytes", "months", "missing"):
        assert f"# TYPE farebox_sales_{name} gauge" in told
    assert 'farebox_sales_questions_total{answered_from="rows"}' in told


def rate(
    body: dict[str, object], status: int = 200, answer: object = ..., by: str = "root"
) -> Example:
    """A row about setting a rate."""
    return Example("VEND-X-CURRENCYRATE-SET", "PUT", "/currencyrate", body, status, answer, by)


async def test_rates(golden: Golden) -> None:
    """Operators set rates; sums are converted by the latest one on or before their day."""
    await fill(golden.api)
    await insert(
        golden.api, "revenuetransaction", {**SALE, "id": 1, "price": 105, "currency": "USD"}
    )
    usd = {"currency": "USD", "date": "2019-02-06", "rate": 0.9}
    listed = {"currency": "USD", "date": "2019-02-06", "rate": 0.9}
    dollars = {"currency": "USD", "date": "2019-02-06", "orginalValue": 105}
    await golden(
        summary(DAY, answer={
            "EUR": [ROW], "USD": [{**dollars, "currencyRate": 1, "value": 105}],
        }),
        rate(usd, 403, by="nora"),
        rate({**usd, "currency": "EUR"}, 400, {"fields": {"currency": ...}}),
        rate({**usd, "currency": "ZZZ"}, 400, {"code": "invalid_reference"}),
        rate({"currency": "us", "date": "2019-02-06 10:00", "rate": 0, "note": 1}, 400,
             {"fields": {"currency": ..., "date": ..., "rate": ..., "note": ...}}),
        rate({**usd, "date": "2019-02-07", "rate": 5}),
        rate({**usd, "rate": "0.5"}),
        rate(usd, answer={"id": 2}),
        Example("VEND-X-CURRENCYRATE-LIST", "GET", "/currencyrate?where[date]=2019-02-06",
                answer=[{"id": 2, **listed}]),
        # 94.5 is half way between two: to the even one.
        summary(DAY, answer={"USD": [{**dollars, "currencyRate": 0.9, "value": 94}]}),
    )  # fmt: skip
    golden.api.clock.set("2019-02-06T12:00:00+01:00")
    cells = await golden(Example("VEND-REVENUE-HEATMAP", "GET", f"{PATH}/heatmap"))
    assert [(2, 104)] == [(cell["count"], cell["total"]) for cell in cells if cell["count"]]


@pytest.mark.parametrize("path", ["summary?" + DAY, "bestselling?" + DAY, "periods", "heatmap"])
async def test_permission(api: Api, path: str) -> None:
    """Without the right to read sales there are no figures."""
    await api.execute("update vending.usergroup set permissions = '{log:read}' where id = 2")
    nora = await api.login("nora")
    assert 403 == (await nora.get(f"{PATH}/{path}")).status_code
