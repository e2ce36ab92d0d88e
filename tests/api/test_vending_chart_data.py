"""What charts show: figures by the clock on each place's wall (vending-commerce.md 4.12, 4.15)."""

from typing import Any
from xml.etree import ElementTree

import pytest

from farebox.api.vending.criteria import AGGREGATES, SOURCES, stored
from farebox.domain.errors import InvalidError
from farebox.resource.definition import View
from farebox.storage import partitions
from farebox.storage.pool import transaction
from farebox.summary.figures import summarise
from tests.api.conftest import Api, Caller
from tests.api.test_vending_charts import CHART, CHARTS, FRAME, SUM, asked
from tests.resource.samples import Person

# Sales of machine 80 at location 2: local time there, zone, price, currency, left out of reports.
SALES = (
    ("2026-03-29T01:59:59+01:00", "Europe/Amsterdam", 100, "EUR", False),
    ("2026-03-29T03:00:00+02:00", "Europe/Amsterdam", 50, "EUR", False),
    ("2026-03-28T23:59:59+01:00", "Europe/Amsterdam", 20, "EUR", False),
    ("2026-03-29T23:59:59+02:00", "Europe/Amsterdam", -30, "EUR", False),
    ("2026-03-29T12:00:00+02:00", "Europe/Amsterdam", 7, "AMD", False),
    ("2026-03-29T12:00:00+02:00", "Europe/Amsterdam", 999, "EUR", True),
    # Where it was later the next day already: the place once was in another zone.
    ("2026-03-29T00:30:00+05:45", "Asia/Kathmandu", 1000, "EUR", False),
)  # fmt: skip
NOW = "2026-03-30T00:00:00+02:00"
DAYS = {**FRAME, "hoursToSub": 0, "startAt": "2026-03-28", "endAt": "2026-03-29"}
CURRENCY = {"expr": "currency", "op": "", "as": "currency"}
COUNT = {"expr": "*", "op": "count", "as": "products"}
LOGS = (
    ("CM_OFFLINE", True, None, 600), ("CM_OFFLINE", True, None, None), ("ED017", True, 3, 60),
    ("Needs cleaning", True, None, None), ("CM_REBOOT", False, 3, None),
)  # fmt: skip


async def fill(api: Api) -> None:
    """The sales and logs, and an instant just after them."""
    # Into their months at once: no report looks on while they move there.
    await partitions.make_ahead(api.services.pool, api.clock())
    for at, zone, price, currency, excluded in SALES:
        await api.execute(
            "insert into vending.revenuetransaction (machine, location, time_zone, occurred_at_ms,"
            " product, name, price, currency, excluded, created_at_ms, updated_at_ms) values (80,"
            " 2, $1, extract(epoch from $2::text::timestamptz) * 1000, 1, 'Coffee', $3, $4, $5, 0,"
            " 0)", zone, at, price, currency, excluded,
        )  # fmt: skip
    for code, resolvable, identity, duration in LOGS:
        await api.execute(
            "insert into vending.log (machine, location, time_zone, occurred_at_ms, code,"
            " is_resolvable, error_identity, duration, resolved_at_ms, created_at_ms) values (80,"
            " 2, 'Europe/Amsterdam', extract(epoch from $1::text::timestamptz) * 1000, $2, $3, $4,"
            " $5, case when $5::int is null then null else 1 end, 0)",
            "2026-03-29T12:00:00+02:00", code, resolvable, identity, duration,
        )  # fmt: skip
    # Nobody is missed while the clock jumps.
    await api.execute("update vending.machine set has_subscription = false")
    api.clock.set(NOW)


@pytest.fixture
async def nora(api: Api) -> Caller:
    """Nora with a report of hers, and sales."""
    await fill(api)
    caller = await api.login("nora")
    await caller.post("/userreport", {"name": "Mine"})
    return caller


async def data(caller: Caller, criteria: Any) -> list[dict[str, Any]]:
    """What a chart with these criteria shows."""
    made = await caller.post(CHARTS, {"type": "revenue_full", "criteria": criteria})
    assert 201 == made.status_code, made.text
    answer = await caller.get(f"/chart/{made.json()['id']}/data")
    assert 200 == answer.status_code, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def day(date: str, currency: str, revenue: int, products: int) -> dict[str, Any]:
    """A row of the template of all revenue."""
    return {"date": date, "currency": currency, "revenue": revenue, "products": products}


FIGURES: tuple[tuple[Any, list[dict[str, Any]]], ...] = (
    (asked(CURRENCY, SUM, COUNT, timeFrames=[DAYS]),
     [day("2026-03-28", "EUR", 20, 1), day("2026-03-29", "AMD", 7, 1),
      day("2026-03-29", "EUR", 1120, 4)]),
    # The hour that clocks skip is not there; where it was half past midnight, so it says.
    (asked(SUM, timeFrames=[{**DAYS, "viewType": "hour"}],
           where=[{"field": "currency", "op": "=", "value": "EUR"}]),
     [{"date": "2026-03-28 23:00", "revenue": 20}, {"date": "2026-03-29 00:00", "revenue": 1000},
      {"date": "2026-03-29 01:00", "revenue": 100}, {"date": "2026-03-29 03:00", "revenue": 50},
      {"date": "2026-03-29 23:00", "revenue": -30}]),
    (asked(COUNT, timeFrames=[{**DAYS, "viewType": "week"}]),
     [{"date": "2026-W13", "products": 6}]),
    (asked(COUNT, timeFrames=[{**DAYS, "viewType": "month"}]),
     [{"date": "2026-03", "products": 6}]),
    (asked(COUNT, timeFrames=[{**DAYS, "viewType": "year"}]), [{"date": "2026", "products": 6}]),
    # Several frames are told apart; one without a unit is a whole.
    (asked(COUNT, timeFrames=[{**DAYS, "viewType": ""},
                              {**DAYS, "startAt": "2026-03-29 03:00:00", "viewType": None}]),
     [{"timeFrame": 0, "date": None, "products": 6},
      {"timeFrame": 1, "date": None, "products": 3}]),
    # Seconds are inclusive on the wall, and instants are instants.
    (asked(COUNT, timeFrames=[{**DAYS, "type": "fixed", "viewType": "day",
                               "startAt": "2026-03-28T23:59:59+01:00",
                               "endAt": "2026-03-29 01:59:59"}]),
     [{"date": "2026-03-28", "products": 1}, {"date": "2026-03-29", "products": 1}]),
    # Back from now, from the start of the day, week or hour there; or from the very second.
    (asked(COUNT, timeFrames=[{**FRAME, "hoursToSub": 1}]),
     [{"date": "2026-03-29", "products": 4}]),
    (asked(COUNT, timeFrames=[{**FRAME, "type": "week", "hoursToSub": 0}]), []),
    (asked(COUNT, timeFrames=[{**FRAME, "type": "hour", "hoursToSub": 1}]),
     [{"date": "2026-03-29", "products": 1}]),
    (asked(COUNT, timeFrames=[{**FRAME, "type": "fixed", "hoursToSub": 12}]),
     [{"date": "2026-03-29", "products": 2}]),
    # Without a time frame, all there is; without a row, nothing to group but a whole.
    (asked(SUM, COUNT), [{"revenue": 1147, "products": 6}]),
    (asked(SUM, where=[{"field": "price", "op": ">", "value": 5000}]), [{"revenue": 0}]),
    (asked(CURRENCY, {"expr": "price", "op": "avg"}, {"expr": "price", "op": "min"},
           {"expr": "price", "op": "max"}, {"expr": "barcode", "op": "count"},
           orderBy=["currency"]),
     [{"currency": "AMD", "avg_price": 7.0, "min_price": 7, "max_price": 7, "count_barcode": 0},
      {"currency": "EUR", "avg_price": 228.0, "min_price": -30, "max_price": 1000,
       "count_barcode": 0}]),
    (asked({"expr": "price"}, orderBy=["price desc"],
           where=[{"field": "price", "op": "in", "value": [100, "50", 20.0]}]),
     [{"price": 100}, {"price": 50}, {"price": 20}]),
    (asked({"expr": "occurredAt", "op": "max", "as": "last"}), [{"last": "2026-03-29T21:59:59Z"}]),
    (asked({"expr": "name"}, COUNT, orderBy=["products", "name"],
           where=[{"field": "name", "op": "contains", "value": "OFF"},
                  {"field": "barcode", "op": "=", "value": None}]),
     [{"name": "Coffee", "products": 6}]),
    (asked(COUNT, source="machine", timeFrames=[{**FRAME, "column": "createdAt",
                                                 "startAt": "2026-01-01"}]),
     [{"date": "2026-03-10", "products": 1}]),
    (asked({"expr": "hostname"}, {"expr": "active"}, source="machine"),
     [{"hostname": "gw-0080", "active": 1}]),
)  # fmt: skip

# What the templates show of these rows.
TEMPLATES: tuple[tuple[str, list[dict[str, Any]]], ...] = (
    ("revenue_grouped",
     [{"date": "2026-03-28", "machine": 80, "currency": "EUR", "revenue": 20, "products": 1},
      {"date": "2026-03-29", "machine": 80, "currency": "AMD", "revenue": 7, "products": 1},
      {"date": "2026-03-29", "machine": 80, "currency": "EUR", "revenue": 1120, "products": 4}]),
    ("payment_types", []),
    ("offline_machines", [{"date": "2026-03-29", "machine": 80, "times": 2, "duration": 600}]),
    ("machine_cleaning", [{"date": "2026-03-29", "machine": 80, "times": 1}]),
    ("machine_alarms",
     [{"date": "2026-03-29", "machine": 80, "code": "ED017", "times": 1, "duration": 60}]),
    ("machine_issues",
     [{"date": "2026-03-29", "machine": 80, "code": "ED017", "times": 1, "duration": 60},
      {"date": "2026-03-29", "machine": 80, "code": "Needs cleaning", "times": 1, "duration": 0}]),
)  # fmt: skip


@pytest.mark.operation("VEND-CHART-FIELD")
async def test_figures(nora: Caller) -> None:
    """Counts and sums by dates on the wall, conditions and order, over what is not left out."""
    for criteria, rows in FIGURES:
        assert rows == await data(nora, criteria), criteria


async def test_templates_have_answers(nora: Caller) -> None:
    """Every template can be asked at once."""
    for kind, rows in TEMPLATES:
        made = (await nora.post(CHARTS, {"type": kind})).json()["id"]
        assert rows == (await nora.get(f"/chart/{made}/data")).json()["data"], kind


async def test_figures_are_the_callers(api: Api, nora: Caller) -> None:
    """A chart shows what who looks at it sees, not what who made it saw."""
    await nora.post(CHARTS, {"type": "revenue_full", "criteria": asked(COUNT)})
    await api.execute("update vending.revenuetransaction set location = 3 where price = 100")
    assert [{"products": 5}] == (await nora.get(f"{CHART}/data")).json()["data"]
    root = await api.login("root")
    assert [{"products": 6}] == (await root.get(f"{CHART}/data")).json()["data"]
    await api.execute("update vending.userreport set users = 4")
    sam = await api.login("sam")
    assert [{"products": 1}] == (await sam.get(f"{CHART}/data")).json()["data"]


async def test_rights(api: Api, nora: Caller) -> None:
    """Looking at a chart needs the right to read what it is of."""
    await nora.post(CHARTS, {"type": "offline_machines"})
    await api.execute("update vending.usergroup set permissions = '{chart:read}' where id = 2")
    api.services.access.forget()
    assert 200 == (await nora.get(f"{CHART}/name")).status_code
    assert 403 == (await nora.get(f"{CHART}/data")).status_code


@pytest.mark.operation("VEND-CHART-FIELD")
async def test_pictures(api: Api, nora: Caller) -> None:
    """Who accepts SVG gets a picture with names, units, currencies, zones and escaped text."""
    await api.execute("update vending.machine set name = '<b>&\"\x01' where id = 80")
    for number, view in enumerate(("table", "bars", "lines", "pie"), 1):
        body = {"type": "revenue_grouped", "view": view, "name": "]]> & <script>"}
        await nora.post(CHARTS, body)
        answer = await nora.get(f"/chart/{number}/data", headers={"Accept": "image/svg+xml"})
        assert "image/svg+xml; charset=utf-8" == answer.headers["Content-Type"], answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        texts = [one.text or "" for one in ElementTree.fromstring(answer.content).iter()]
        assert {"]]> & <script>", '<b>&"'} <= set(texts), texts
        assert any("Asia/Kathmandu, Europe/Amsterdam" in text for text in texts), texts
        assert {"EUR", "11.20"} <= set(texts) if view == "table" else "revenue (EUR)" in texts
    assert (
        "application/json; charset=utf-8"
        == (await nora.get(f"{CHART}/data", headers={"Accept": "*/*"})).headers["Content-Type"]
    )


async def test_pictures_name_what_is_seen(api: Api, nora: Caller) -> None:
    """Without the right to read machines, and where there is nothing, a picture does without."""
    await nora.post(CHARTS, {"type": "offline_machines", "view": "bars"})
    await nora.post(CHARTS, {"type": "payment_types", "view": "lines"})
    svg = {"Accept": "image/svg+xml"}
    assert "Platform 2" in (await nora.get(f"{CHART}/data", headers=svg)).text
    assert "nothing in this time" in (await nora.get("/chart/2/data", headers=svg)).text
    await api.execute(
        "update vending.usergroup set permissions = '{chart:read,log:read}' where id = 2"
    )
    api.services.access.forget()
    assert "Platform 2" not in (await nora.get(f"{CHART}/data", headers=svg)).text


LISTS = ("in", "nin")
# A value of each type that a condition can have.
VALUES = {"text": "2%_'\\", "instant": "2026-03-29T12:00:00Z", "bool": True, "bool01": 0}


async def test_whatever_is_accepted_has_an_answer(api: Api) -> None:
    """Every column of every source with every operation and condition that it may have."""
    await fill(api)
    person = Person(id=2, group=2, groups=frozenset({2, 3}))
    accepted = 0
    async with transaction(api.services.pool) as connection:
        for name, source in SOURCES.items():
            frame = {**FRAME, "viewType": "month", "column": "createdAt"}
            for field in source.resource.fields:
                value = VALUES.get(field.type, 5)
                where = [
                    {"field": field.name, "op": op,
                     "value": [value, None] if op in LISTS else value}
                    for op in ("=", "!=", "in", "nin", "<", "<=", ">", ">=", "contains",
                               "startsWith")
                ]  # fmt: skip
                for column, conditions in (
                    *(({"expr": field.name, "op": op}, []) for op in ("", *AGGREGATES)),
                    *(({"expr": "*", "op": "count"}, [one]) for one in where),
                ):
                    asked_for = asked(
                        column, source=name, where=conditions, timeFrames=[frame],
                        orderBy=["date desc"],
                    )  # fmt: skip
                    try:
                        question = stored(asked_for)
                    except InvalidError:
                        continue
                    accepted += 1
                    await summarise(
                        connection, source.resource, question.asked, question.frames,
                        View(person, api.clock()), within=source.within,
                    )  # fmt: skip
    assert 700 < accepted
