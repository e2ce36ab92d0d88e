"""Sales, payments and logs as they are read: the examples of vending-commerce.md 5.1."""

from typing import Any

import pytest

from tests.api.conftest import Api, Golden
from tests.golden import Example

SALE = {
    "id": 3184234, "product": 1, "name": "Kaffee klein", "internalRef": "KAF-KL", "machine": 80,
    "location": 2, "occurredAt": "2019-02-06T07:06:17+01:00", "timeZone": "Europe/Amsterdam",
    "originalPrice": 0, "price": 10, "barcode": None, "currency": "EUR", "timestamp": 1549433177,
    "token": "^^C:R/-0", "salestype": 0, "numPaymentTransactions": 1, "remote": 40314354,
    "pricelist": 0, "usergroup": 0, "createdAt": "2019-02-06T06:12:16Z",
    "updatedAt": "2019-02-06T06:12:16Z",
}  # fmt: skip
PAYMENT = {
    "id": 3287746, "revenuetransaction": 3184234, "machine": 80, "location": 2,
    "occurredAt": "2019-02-06T07:06:17+01:00", "timeZone": "Europe/Amsterdam",
    "method": "virtual", "type": "virtual", "price": 10, "currency": "EUR", "exclude": 0,
    "reportGroup": None, "createdAt": "2019-02-06T06:12:16Z", "updatedAt": "2019-02-06T06:12:16Z",
}  # fmt: skip
LOG = {
    "id": 5801104, "remote": 89773649, "machine": 80, "location": 2, "code": "CM_REBOOT",
    "errorIdentity": 3, "type": 1, "isResolvable": False,
    "occurredAt": "2019-03-12T05:36:58+01:00", "timeZone": "Europe/Amsterdam", "duration": None,
    "extraData": '{"uptime": 67}', "date": 1552365418, "timestamp": 1552365418,
    "resolvedAt": None, "state": None, "createdAt": "2019-03-12T04:36:59Z",
}  # fmt: skip
REVTX, PAYTX = "/revenuetransaction", "/paymenttransaction"

EXAMPLES = (
    Example("VEND-REVTX-LIST", "GET", f"{REVTX}?limit=1&sort=id desc", answer=[SALE]),
    Example("VEND-REVTX-GET", "GET", f"{REVTX}/3184234", answer=SALE),
    Example("VEND-REVTX-POPULATE", "GET", f"{REVTX}/3184234/paymenttransactions",
            answer=[PAYMENT]),
    Example("VEND-REVTX-POPULATE", "GET", f"{REVTX}/3184234/machine", answer={"id": 80}),
    Example("VEND-REVTX-POPULATE", "GET", f"{REVTX}/3184234/location", answer={"id": 2}),
    Example("VEND-REVTX-POPULATE", "GET", f"{REVTX}/3184234/products", status=404),
    Example("VEND-REVTX-GET", "GET", f"{REVTX}/abc", status=404),
    Example("VEND-REVTX-GET", "GET", f"{REVTX}/999", None, 404, {"code": "not_found"}),
    *(
        Example("VEND-REVTX-LIST", "GET", f"{REVTX}?{query}", None, 400)
        for query in ("limit=101", "limit=x", "where[colour]=red", "sort=colour",
                      "useArchive=maybe", "where[extraData]=1")
    ),
    Example("VEND-REVTX-LIST", "GET",
            f"{REVTX}?where[timestamp][%3E%3D]=1549433177&where[timestamp][%3C]=1549433178",
            answer=[3184234]),
    Example("VEND-REVTX-LIST", "GET",
            f"{REVTX}?where[occurredAt]=2019-02-06T06:06:17Z&where[machine]=80", answer=[3184234]),
    Example("VEND-REVTX-LIST", "GET", f"{REVTX}?where[timestamp][%3E]=1549433177", answer=[]),
    Example("VEND-PAYTX-LIST", "GET", f"{PAYTX}?where[method]=virtual", answer=[PAYMENT]),
    Example("VEND-PAYTX-LIST", "GET", f"{PAYTX}?exclude=1", answer=[]),
    Example("VEND-PAYTX-GET", "GET", f"{PAYTX}/3287746", answer=PAYMENT),
    Example("VEND-LOG-LIST", "GET", "/log?where[code]=CM_REBOOT&useArchive=true", answer=[LOG]),
    Example("VEND-LOG-LIST", "GET", "/log?where[extraData]=1", None, 400),
    Example("VEND-LOG-GET", "GET", "/log/5801104", answer=LOG),
    Example("VEND-LOG-LAST", "GET", "/log/last?machine=80", answer=[LOG]),
    Example("VEND-LOG-LAST", "GET", "/log/last", answer=[LOG]),
    Example("VEND-LOG-LAST", "GET", "/log/last?machine=81", answer=[]),
    Example("VEND-LOG-LAST", "GET", "/log/last?machine=80", answer=[], by="sam"),
    Example("VEND-LOG-LAST", "GET", "/log/last?machine=x", None, 400),
    Example("VEND-LOG-LAST", "GET", "/log/last?machines=80", None, 400),
    *(
        Example("VEND-LOG-SUMMARY", "GET", f"/log/summary{query}",
                answer=[{"code": "CM_REBOOT", "error": "CM_REBOOT", "summary": 1}])
        for query in ("", "?machines[]=80", "?machines=81,80&limit=30", "?days=1",
                      "?locations[]=2&machines=80&machines=81")
    ),
    *(
        Example("VEND-LOG-SUMMARY", "GET", f"/log/summary{query}", answer=[])
        for query in ("?machines[]=81", "?locations=3", "?machines=80&locations=999")
    ),
    Example("VEND-LOG-SUMMARY", "GET", "/log/summary", answer=[], by="sam"),
    *(
        Example("VEND-LOG-SUMMARY", "GET", f"/log/summary?{query}", None, 400)
        for query in ("limit=31", "limit=0", "days=367", "machines[]=x", "machine=80")
    ),
    # What lies at another's place does not exist.
    *(
        Example(f"VEND-{noun}-GET", "GET", path, None, 404, by="sam")
        for noun, path in (("REVTX", f"{REVTX}/3184234"), ("PAYTX", f"{PAYTX}/3287746"),
                           ("LOG", "/log/5801104"))
    ),
    *(
        Example(f"VEND-{noun}-LIST", "GET", f"{path}?useArchive=true", answer=[], by="sam")
        for noun, path in (("REVTX", REVTX), ("PAYTX", PAYTX), ("LOG", "/log"))
    ),
)  # fmt: skip


async def fill(api: Api) -> None:
    """The rows of the document, and the hour in which it looks at them."""
    api.clock.set("2019-03-12T12:00:00+01:00")
    await insert(api, "revenuetransaction", SALE)
    await insert(api, "paymenttransaction", PAYMENT)
    await insert(api, "log", LOG)
    await newest(api)


async def newest(api: Api) -> None:
    """What ingestion notes at machines: their newest log."""
    await api.execute(
        "update vending.machine m set (last_log, last_log_at_ms) = (select g.id, g.occurred_at_ms "
        "from vending.log g where g.machine = m.id order by g.occurred_at_ms desc, g.id desc "
        "limit 1)"
    )


COLUMNS = {
    "internalRef": "internal_ref", "timeZone": "time_zone", "originalPrice": "original_price",
    "numPaymentTransactions": "num_paymenttransactions", "reportGroup": "report_group",
    "errorIdentity": "error_identity", "isResolvable": "is_resolvable", "extraData": "extra_data",
}  # fmt: skip
TIMES = {"occurredAt": "occurred_at_ms", "createdAt": "created_at_ms", "updatedAt": "updated_at_ms"}


async def insert(api: Api, table: str, row: dict[str, Any]) -> None:
    """A row from the members that show it."""
    values: dict[str, Any] = {}
    for name, value in row.items():
        if name in TIMES:
            instant = await api.fetchval("select extract(epoch from $1::text::timestamptz)", value)
            values[TIMES[name]] = int(instant) * 1000
        elif name not in ("timestamp", "date", "resolvedAt"):
            values[COLUMNS.get(name, name)] = bool(value) if name == "exclude" else value
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await api.execute(
        f"insert into vending.{table} ({', '.join(values)}) values ({places})", *values.values()
    )


async def test_examples(golden: Golden) -> None:
    """Every row of the document for these operations, on one database."""
    await fill(golden.api)
    await golden(*EXAMPLES)


@pytest.mark.parametrize("path", [REVTX, PAYTX, "/log"])
async def test_the_archive_is_asked_for(api: Api, path: str) -> None:
    """After thirteen months a row leaves the list, and is found with useArchive or by its id."""
    await fill(api)
    for date, hot in (("2020-03-05T12:00:00Z", 1), ("2020-04-15T12:00:00Z", 0)):
        api.clock.set(date)
        nora = await api.login("nora")
        listed = (await nora.get(path)).json()
        assert hot == len(listed)
        assert 1 == len((await nora.get(f"{path}?useArchive=1")).json())
    row = (await nora.get(f"{path}?useArchive=true")).json()[0]
    assert row == (await nora.get(f"{path}/{row['id']}")).json()


async def test_totals_have_an_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are counted up to a bound, but never to less than what was shown."""
    await fill(api)
    for key in range(1, 6):
        await insert(api, "log", {**LOG, "id": key})
    monkeypatch.setattr("farebox.api.vending.records.COUNT_MAX", 3)
    nora = await api.login("nora")
    for query, total in (("", 6), ("?limit=1", 3), ("?limit=2&skip=1", 3), ("?limit=5", 5),
                         ("?limit=3&skip=2", 5), ("?limit=0", 3), ("?limit=9", 6)):  # fmt: skip
        answer = await nora.get(f"/log{query}")
        assert str(total) == answer.headers["X-Total-Count"], query


async def test_records_are_exported(api: Api) -> None:
    """Sales, payments and logs as CSV, for a named machine only."""
    await fill(api)
    nora = await api.login("nora")
    for resource, columns, line in (
        ("revenuetransaction", "id,name,price,machine.hostname", "3184234,Kaffee klein,10,gw-0080"),
        ("paymenttransaction", "id,method,exclude", "3287746,virtual,0"),
        ("log", "code,occurredAt", "CM_REBOOT,2019-03-12 04:36:58"),
    ):
        path = f"/export/{resource}?columns={columns}"
        assert 400 == (await nora.get(path)).status_code
        answer = await nora.get(f"{path}&where[machine]=80")
        assert [200, line] == [answer.status_code, answer.text.split("\r\n")[1]], answer.text


async def test_the_newest_log_that_is_seen(api: Api) -> None:
    """Of a machine that was elsewhere, its newest log here counts; machines stand by their id."""
    await fill(api)
    await api.execute("update vending.location set owner = 2 where id = 3")
    for key, machine, location, minute in ((71, 80, 2, 1), (72, 80, 2, 1), (73, 80, 2, 0),
                                           (74, 80, 9, 2), (75, 81, 3, 0)):  # fmt: skip
        await insert(api, "log", {
            **LOG, "id": key, "machine": machine, "location": location,
            "occurredAt": f"2019-03-12T11:0{minute}:00+01:00",
        })  # fmt: skip
    await newest(api)
    nora = await api.login("nora")
    assert [72, 75] == [row["id"] for row in (await nora.get("/log/last")).json()]
    assert [72] == [row["id"] for row in (await nora.get("/log/last?machine=80")).json()]
    clear = {**LOG, "id": 76, "code": "ED017", "state": "clear"}
    await insert(api, "log", clear)
    assert ["CM_REBOOT"] == [row["code"] for row in (await nora.get("/log/summary")).json()]
