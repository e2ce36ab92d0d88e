"""What reports calculate: the shapes of vending-commerce.md 5.2 and figures of sales of our own."""

from typing import Any

from tests.api.conftest import Api, Golden
from tests.api.test_vending_records import insert
from tests.golden import Example, difference

ZERO = {"year": 0, "month": 0, "day": 0, "week": None}
START = {**ZERO, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
END = {**ZERO, "hour": 23, "minute": 59, "second": 59}
PERIOD = {"referenceDate": "2019-03-11T11:40:43+01:00", "startDate": START, "endDate": END}
BEFORE = {**PERIOD, "startDate": {**START, "year": -1}, "endDate": {**END, "year": -1}}
BODY = {"machines": [87, 94, 80], "period1": PERIOD}
SPAN = {"startDate": "2019-01-01 00:00:00", "endDate": "2019-03-11 23:59:59"}
SPAN_BEFORE = {"startDate": "2018-01-01 00:00:00", "endDate": "2018-03-11 23:59:59"}

PATHS = {
    "VEND-REPORT-ERRORS-DURATION": "/report/errors/duration",
    "VEND-REPORT-ERRORS-QUANTITY": "/report/errors/quantity",
    "VEND-REPORT-PRODUCTS": "/report/products",
    "VEND-REPORT-PAYMENTTYPES": "/report/paymenttypes",
    "VEND-REPORT-SHIFT-PAYMENTS": "/report/shifts/payments",
    "VEND-REPORT-SHIFT-PRODUCTS": "/report/shifts/products",
}
HOME = {"machine": 80, "location": 2, "timeZone": "Europe/Amsterdam"}
# id, when, product, name, original price, price, currency, excluded
SALES = (
    (11, "2019-01-01T00:00:00+01:00", 1, "Kaffee", 150, 100, "EUR", False),
    (12, "2019-02-06T07:06:17+01:00", 1, "Kaffee klein", 0, 120, "EUR", False),
    (13, "2019-03-11T23:59:59+01:00", 2, "Tee", 0, 90, "EUR", False),
    (14, "2019-02-07T12:00:00+01:00", 1, "Kaffee klein", 0, -120, "EUR", False),
    (15, "2019-02-07T13:00:00+01:00", None, "PLU 77", 0, 50, "EUR", False),
    (16, "2019-02-07T13:00:01+01:00", 1, "Kaffee klein", 0, 500, "AMD", False),
    (17, "2019-02-07T13:00:02+01:00", 2, "Tee", 0, 9000, "EUR", True),
    # Just outside the period, and in the one before.
    (18, "2018-12-31T23:59:59+01:00", 1, "Kaffee", 0, 7, "EUR", False),
    (19, "2019-03-12T00:00:00+01:00", 1, "Kaffee", 0, 7, "EUR", False),
    (20, "2018-03-11T23:00:00+01:00", 2, "Tee", 0, 80, "EUR", False),
)
# id, sale, when, method, type, price, group, excluded
PAYMENTS = (
    (31, 11, "2019-01-01T00:00:00+01:00", "cash", "cash", 100, None, 0),
    (32, 12, "2019-02-06T07:06:17+01:00", "virtual", "card", 120, "C", 0),
    (33, 13, "2019-03-11T23:59:59+01:00", "card", "card", 40, "C", 0),
    (34, 13, "2019-03-11T23:59:59+01:00", "card", "card", 50, None, 0),
    (35, 17, "2019-02-07T13:00:02+01:00", "cash", "cash", 9000, None, 1),
    (36, 14, "2019-02-07T12:00:00+01:00", "virtual", "card", -120, "C", 0),
)
# id, when, code, resolvable, resolved, state
LOGS = (
    (51, "2019-02-01T10:00:00+01:00", "ED017", True, "2019-02-01T10:10:00+01:00", "set"),
    (52, "2019-02-01T10:10:00+01:00", "ED017", False, None, "clear"),
    (53, "2019-03-11T23:00:00+01:00", "ED017", True, "2019-03-12T08:00:00+01:00", "set"),
    (54, "2019-03-11T22:00:00+01:00", "OPEN", True, None, "set"),
    (55, "2019-02-02T10:00:00+01:00", "CM_REBOOT", False, None, None),
    (56, "2019-02-03T10:00:00+01:00", "CM_REBOOT", False, None, None),
    (57, "2018-03-01T10:00:00+01:00", "ZZ", False, None, None),
    (58, "2018-03-01T10:00:00+01:00", "ZZ", False, None, None),
    (59, "2018-03-01T10:00:00+01:00", "OPEN", True, "2018-03-01T10:00:01+01:00", None),
)


async def fill(api: Api) -> None:
    """Two shifts, and sales, payments and logs around the period."""
    api.clock.set("2019-03-12T12:00:00+01:00")
    for key, at, product, name, original, price, currency, excluded in SALES:
        await insert(api, "revenuetransaction", {
            **HOME, "id": key, "occurredAt": at, "product": product, "name": name,
            "internalRef": f"ref {name}", "barcode": "871", "originalPrice": original,
            "price": price, "currency": currency, "excluded": excluded, "createdAt": at,
            "updatedAt": at,
        })  # fmt: skip
    for key, sale, at, method, type_, price, group, exclude in PAYMENTS:
        await insert(api, "paymenttransaction", {
            **HOME, "id": key, "revenuetransaction": sale, "occurredAt": at, "method": method,
            "type": type_, "price": price, "currency": "EUR", "reportGroup": group,
            "exclude": exclude, "createdAt": at, "updatedAt": at,
        })  # fmt: skip
    for key, at, code, resolvable, resolved, state in LOGS:
        await insert(api, "log", {
            **HOME, "id": key, "occurredAt": at, "code": code, "isResolvable": resolvable,
            "state": state, "createdAt": at,
            "errorIdentity": 34 if code == "ED017" else None,
        })  # fmt: skip
        if resolved:
            await api.execute(
                "update vending.log set (resolved_at_ms, duration) = (select ms, "
                "(ms - occurred_at_ms) / 1000 from (select 1000 * extract(epoch from "
                "$2::text::timestamptz)::bigint as ms) r) where id = $1", key, resolved,
            )  # fmt: skip
    await api.execute(
        "insert into vending.shift (id, location, closed_at_ms, created_at_ms, updated_at_ms) "
        "values (7, 2, 1549500000000, 1549400000000, 0), (8, 2, null, 1549500000000, 0)"
    )
    await api.execute("update vending.product set report_name = 'Coffee, small' where id = 1")
    await api.execute(
        "insert into vending.erroridentity (id, machine_type, error, created_at_ms, updated_at_ms)"
        " values (34, 1, 'cup_jam', 0, 0)"
    )


def row(names: str, *values: Any) -> dict[str, Any]:
    """A row from the names of its members and their values."""
    return dict(zip(names.split(), values, strict=True))


PRODUCT = "productId name internalRef revenue quantity currency"
PAYMENT = "type quantity revenue reportGroup currency"
ERROR = "code erroridentity error quantity"
SHIFT_PAYMENT = "location payment quantity reportGroup revenue shift type"
SHIFT_PRODUCT = "shift productId name barcode reportName quantity revenue sum currency"
SMALL, STATION, COFFEE = "Kaffee klein", "Central Station", "Coffee, small"

FIRST: dict[str, list[dict[str, Any]]] = {
    "VEND-REPORT-PRODUCTS": [
        row(PRODUCT, 1, SMALL, f"ref {SMALL}", 500, 1, "AMD"),
        row(PRODUCT, 1, SMALL, f"ref {SMALL}", 100, 2, "EUR"),
        row(PRODUCT, 2, "Tee", "ref Tee", 90, 1, "EUR"),
        row(PRODUCT, None, "PLU 77", "ref PLU 77", 50, 1, "EUR"),
    ],
    "VEND-REPORT-PAYMENTTYPES": [
        row(PAYMENT, "cash", 1, 100, None, "EUR"),
        row(PAYMENT, "card", 1, 50, None, "EUR"),
        row(PAYMENT, "card", 2, 40, "C", "EUR"),
    ],
    # An event that ends after the period, and one that has not ended, count to its end.
    "VEND-REPORT-ERRORS-DURATION": [
        row(f"{ERROR} duration", "CM_REBOOT", None, "CM_REBOOT", 2, 0),
        row(f"{ERROR} duration", "ED017", 34, "cup_jam", 2, 600 + 3600),
        row(f"{ERROR} duration", "OPEN", None, "OPEN", 1, 7200),
    ],
    "VEND-REPORT-ERRORS-QUANTITY": [
        row(ERROR, "CM_REBOOT", None, "CM_REBOOT", 2),
        row(ERROR, "ED017", 34, "cup_jam", 2),
        row(ERROR, "OPEN", None, "OPEN", 1),
    ],
    "VEND-REPORT-SHIFT-PAYMENTS": [
        row(SHIFT_PAYMENT, STATION, "cash", 1, None, 100, 0, "cash"),
        row(SHIFT_PAYMENT, STATION, "virtual", 1, "C", 120, 7, "card"),
        row(SHIFT_PAYMENT, STATION, "card", 1, None, 50, 8, "card"),
        row(SHIFT_PAYMENT, STATION, "card", 1, "C", 40, 8, "card"),
        row(SHIFT_PAYMENT, STATION, "virtual", 0, "C", -120, 8, "card"),
    ],
    "VEND-REPORT-SHIFT-PRODUCTS": [
        row(SHIFT_PRODUCT, 0, 1, "Kaffee", "871", COFFEE, 1, 100, 150, "EUR"),
        row(SHIFT_PRODUCT, 7, 1, SMALL, "871", COFFEE, 1, 120, 120, "EUR"),
        row(SHIFT_PRODUCT, 8, 1, SMALL, "871", COFFEE, 1, 500, 500, "AMD"),
        row(SHIFT_PRODUCT, 8, 2, "Tee", "871", None, 1, 90, 90, "EUR"),
        row(SHIFT_PRODUCT, 8, None, "PLU 77", "871", None, 1, 50, 50, "EUR"),
        row(SHIFT_PRODUCT, 8, 1, SMALL, "871", COFFEE, 0, -120, -120, "EUR"),
    ],
}
# The year before: its own order, but of errors those of the first period come first.
SECOND: dict[str, list[Any]] = {
    "VEND-REPORT-PRODUCTS": [row(PRODUCT, 2, "Tee", "ref Tee", 80, 1, "EUR")],
    "VEND-REPORT-ERRORS-DURATION": [
        row(f"{ERROR} duration", "OPEN", None, "OPEN", 1, 1),
        row(f"{ERROR} duration", "ZZ", None, "ZZ", 2, 0),
    ],
}
WRONG: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, "period1", "missing_parameters"),
    ({"period1": "today"}, "period1", "invalid_parameter"),
    ({"period1": {}}, "period1.startDate", "missing_parameters"),
    ({"period1": {**PERIOD, "startDate": {"month": 13}}}, "period1.startDate.month",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "startDate": {"year": 999}}}, "period1.startDate.year",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "endDate": {"hour": 24}}}, "period1.endDate.hour",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "endDate": {"day": True}}}, "period1.endDate.day",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "endDate": {"days": 1}}}, "period1.endDate.days", "unknown_field"),
    ({"period1": {**PERIOD, "endDate": {"week": 53}}}, "period1.endDate.week",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "endDate": {"day": -10_000_000}}}, "period1.endDate.day",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "endDate": "tomorrow"}}, "period1.endDate", "invalid_parameter"),
    ({"period1": {**PERIOD, "type": "fixed date"}}, "period1.startDate", "invalid_parameter"),
    ({"period1": {**PERIOD, "type": "fixed"}}, "period1.type", "invalid_parameter"),
    ({"period1": {**PERIOD, "referenceDate": "now"}}, "period1.referenceDate",
     "invalid_parameter"),
    ({"period1": {**PERIOD, "startDate": "2019-03-12"}}, "period1", "invalid_range"),
    ({"period1": {**PERIOD, "startDate": "2016-03-10"}}, "period1", "invalid_range"),
    ({**BODY, "period2": []}, "period2", "invalid_parameter"),
    ({**BODY, "machines": "80"}, "machines", "invalid_parameter"),
    ({**BODY, "locationGroups": [0]}, "locationGroups", "invalid_parameter"),
    ({**BODY, "colour": "red"}, "colour", "unknown_field"),
)  # fmt: skip
# What is asked for, and whether the sales are meant.
CHOICES: tuple[tuple[dict[str, Any], bool], ...] = (
    ({}, True),
    ({"machines": [], "locations": []}, True),
    ({"machines": [80], "locations": [2]}, True),
    ({"machines": ["80"], "locationGroups": [6]}, True),
    ({"machineGroups": [5]}, True),
    ({"machines": [81], "machineGroups": [5]}, True),
    ({"machines": [80], "machineModels": [1], "machineTypes": [1], "manufacturers": [1]}, True),
    ({"machineModels": [1]}, True),
    ({"machines": [80], "machineModels": [2]}, False),
    ({"machines": [81]}, False),
    ({"machines": [80], "locations": [3]}, False),
    ({"machines": [999], "locations": [2]}, False),
    ({"locations": [2], "locationGroups": [999]}, True),
    ({"machineGroups": [999]}, False),
    ({"locationGroups": [999]}, False),
)


async def test_figures(golden: Golden) -> None:
    """Every calculation on the same sales, over one period and over two."""
    await fill(golden.api)
    for operation, path in PATHS.items():
        one = {**SPAN, "data": FIRST[operation]}
        told = await golden(Example(operation, "POST", path, BODY, answer={"period1": one}))
        assert ["period1"] == list(told)
        assert [[*one_row] for one_row in FIRST[operation]] == [
            [*one_row] for one_row in told["period1"]["data"]
        ]
        two = {**SPAN_BEFORE, "data": SECOND.get(operation, ...)}
        await golden(
            Example(operation, "POST", path, {**BODY, "period2": BEFORE},
                    answer={"period1": one, "period2": two}),
            # What lies at another's place is nobody's business.
            Example(operation, "POST", path, BODY, answer={"period1": {**SPAN, "data": []}},
                    by="sam"),
        )  # fmt: skip


async def test_who_is_meant(golden: Golden) -> None:
    """Machines and locations both limit; what is unknown or not seen means nothing."""
    await fill(golden.api)
    for choice, found in CHOICES:
        data = FIRST["VEND-REPORT-PRODUCTS"] if found else []
        await golden(
            Example("VEND-REPORT-PRODUCTS", "POST", "/report/products",
                    {**choice, "period1": PERIOD}, answer={"period1": {"data": data}})
        )  # fmt: skip
    await golden.api.execute("update vending.machinegroup set owner = 4")
    await golden(
        Example("VEND-REPORT-PRODUCTS", "POST", "/report/products",
                {"machineGroups": [5], "period1": PERIOD}, answer={"period1": {"data": []}})
    )  # fmt: skip


async def test_what_is_refused(api: Api) -> None:
    """Every fault is told under the path of its member."""
    nora = await api.login("nora")
    for body, place, code in WRONG:
        answer = await nora.post("/report/products", body)
        assert (400, code) == (answer.status_code, answer.json()["code"]), body
        assert place in answer.json()["fields"], answer.text


async def test_places_have_walls_of_their_own(api: Api) -> None:
    """A day is each place's own, also after the place has moved to another zone."""
    await fill(api)
    await api.execute("update vending.location set time_zone = 'America/New_York' where id = 2")
    await insert(api, "revenuetransaction", {
        **HOME, "id": 61, "timeZone": "America/New_York", "product": 9, "name": "Night",
        "occurredAt": "2019-02-07T03:00:00+01:00", "price": 5, "currency": "EUR",
        "createdAt": "2019-02-07T03:00:00+01:00", "updatedAt": "2019-02-07T03:00:00+01:00",
    })  # fmt: skip
    nora = await api.login("nora")
    day = {"startDate": "2019-02-06", "endDate": "2019-02-06"}
    answer = await nora.post("/report/products", {"period1": day})
    assert ["Kaffee klein", "Night"] == [one["name"] for one in answer.json()["period1"]["data"]]
    whole = {"startDate": "2019-02-07T02:00:00Z", "endDate": "2019-02-07T02:00:00Z"}
    told = (await nora.post("/report/products", {"period1": whole})).json()["period1"]
    assert "" == difference({"startDate": "2019-02-07 02:00:00", "data": [{"name": "Night"}]}, told)


# What owners call it, from the first to the last line, and what nora of North then reads.
WORDS: tuple[tuple[int | None, str, str], ...] = (
    (4, "South", "cup_jam"),
    (3, "Cafe", "cup_jam"),
    (None, "Jam", "Jam"),
    (1, "Root", "Root"),
    (2, "North", "North"),
)


async def test_errors_in_ones_own_words(api: Api) -> None:
    """The nearest group's translation counts, then everybody's, then the word itself."""
    await fill(api)
    nora = await api.login("nora")
    for owner, value, expected in WORDS:
        await api.execute(
            "insert into vending.translation (owner, key, language, value, created_at_ms, "
            "updated_at_ms) values ($1, 'cup_jam', 1, $2, 0, 0)", owner, value,
        )  # fmt: skip
        told = (await nora.post("/report/errors/quantity", BODY)).json()["period1"]["data"]
        assert expected == told[1]["error"]
        assert expected == (await nora.get("/log/summary?days=60")).json()[1]["error"]


CSV = "/export/transactions?period1[startDate]=2019-03-01&period1[endDate]=2019-03-02"
RIGHTS: tuple[tuple[str, str, str, Any, int], ...] = (
    *(("machine:read", "POST", path, BODY, 403) for path in PATHS.values()),
    *(("report:read", "POST", path, BODY, 200) for path in PATHS.values()),
    # What is wrong with a question is told before who may ask it.
    ("machine:read", "POST", "/report/products", {}, 400),
    ("export:read", "GET", CSV, None, 403),
    ("revenuetransaction:read", "GET", CSV, None, 403),
    ("export:read,revenuetransaction:read", "GET", CSV, None, 200),
    ("report:read", "POST", "/report", {}, 403),
    ("report:write", "POST", "/report", {}, 201),
    ("report:read", "PATCH", "/report/1", {"name": "x"}, 403),
    ("report:read", "PUT", "/report/1/machines/80", None, 403),
    ("report:read", "DELETE", "/report/1/machines/80", None, 403),
    ("report:read", "GET", "/log/last", None, 403),
    ("report:read", "GET", "/log/summary", None, 403),
    ("log:read", "GET", "/log/last", None, 200),
    ("log:read", "GET", "/log/summary", None, 200),
)


async def test_rights(api: Api) -> None:
    """Who may ask: reports, files, saved reports and logs have rights of their own."""
    await fill(api)
    nora, device = await api.login("nora"), await api.device()
    for granted, method, path, body, status in RIGHTS:
        await api.execute(
            "update vending.usergroup set permissions = $1 where id = 2", granted.split(",")
        )
        api.services.access.forget()
        answer = await nora.send(method, path, body)
        assert status == answer.status_code, (granted, method, path, answer.text)
        assert 403 == (await device.send(method, path, body)).status_code
