"""Campaigns through HTTP: the golden cases of vending-commerce.md 5.3, and what surrounds them."""

import re
from typing import Any

import pytest

from tests.api.conftest import Api, Caller

SPRING = {
    "name": "Spring",
    "totalVouchers": 3,
    "voucherValue": 100,
    "type": "discount",
    "redemptionLimit": 2,
    "resetFrequency": "day",
    "prefix": "SPR",
}
CODE = re.compile(r"SPR-[2-9A-HJKMNP-TV-Z]{10}")


async def create(caller: Caller, **members: Any) -> int:
    """The id of a new campaign, the golden one with changes."""
    answer = await caller.post("/campaign", SPRING | members)
    assert 201 == answer.status_code, answer.text
    key: int = answer.json()["id"]
    return key


async def read(caller: Caller, key: int) -> dict[str, Any]:
    """A campaign as it is shown."""
    answer = await caller.get(f"/campaign/{key}")
    assert 200 == answer.status_code, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def vouchers(caller: Caller, key: int, query: str = "") -> list[dict[str, Any]]:
    """The vouchers of a campaign."""
    answer = await caller.get(f"/campaign/{key}/vouchers{query}")
    assert 200 == answer.status_code, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


@pytest.mark.operation("VEND-CAMPAIGN-CREATE", "VEND-CAMPAIGN-GET")
async def test_create_and_get(api: Api) -> None:
    """All documented members, defaults filled in."""
    nora = await api.login("nora")
    key = await create(nora)
    assert {
        "id": key,
        "name": "Spring",
        "totalVouchers": 3,
        "type": "discount",
        "valueType": "cents",
        "voucherValue": 100,
        "redemptionLimit": 2,
        "resetFrequency": "day",
        "expiresOn": None,
        "currency": "EUR",
        "timeZone": "Europe/Amsterdam",
        "prefix": "SPR",
        "voucherText1": None,
        "voucherText2": None,
        "voucherText3": None,
        "voucherText4": None,
        "voucherStyle": None,
        "status": "active",
        "ownerId": 2,
        "ownerData": None,
        "campaignstats": key,
        "lastResetAt": None,
        "vouchersPdfStatus": "empty",
        "vouchersPdfUrl": None,
        "voucherLogoImg": None,
        "createdAt": "2026-03-10T09:00:00Z",
        "updatedAt": "2026-03-10T09:00:00Z",
    } == await read(nora, key)


@pytest.mark.operation("VEND-CAMPAIGN-VOUCHERS")
async def test_vouchers_of_a_campaign(api: Api) -> None:
    """Three codes of the prefix, inheriting everything."""
    nora = await api.login("nora")
    key = await create(nora)
    rows = await vouchers(nora, key)
    assert 3 == len(rows)
    assert all(CODE.fullmatch(row["code"]) for row in rows)
    assert all(isinstance(row["id"], str) for row in rows)
    expected = {
        "campaign": key,
        "type": "discount",
        "value": 100,
        "valueType": "cents",
        "initialValue": 100,
        "balance": 0,
        "redemptionLimit": 2,
        "redemptionCount": 0,
        "lockOwner": None,
        "lockedTill": None,
        "status": "active",
        "resetFrequency": "day",
        "timeZone": "Europe/Amsterdam",
        "prefix": "SPR",
        "pdfStatus": "empty",
        "pdfUrl": None,
    }
    assert [expected] * 3 == [{name: row[name] for name in expected} for row in rows]


BAD_CREATIONS: list[Any] = [
    ("invalid_parameter", "totalVouchers", -1),
    ("invalid_parameter", "totalVouchers", 1_000_001),
    ("invalid_parameter", "totalVouchers", 1.5),
    ("invalid_parameter", "totalVouchers", True),
    ("missing_parameters", "name", None),
    ("missing_parameters", "name", " "),
    ("missing_parameters", "totalVouchers", None),
    ("missing_parameters", "voucherValue", None),
    ("invalid_parameter", "name", "x" * 256),
    ("invalid_parameter", "voucherValue", 2**31),
    ("invalid_parameter", "redemptionLimit", -1),
    ("invalid_parameter", "prefix", "TOOLONG"),
    ("invalid_parameter", "prefix", "A-B"),
    ("invalid_parameter", "type", "percent"),
    ("invalid_parameter", "valueType", "percent"),
    ("invalid_parameter", "resetFrequency", "year"),
    ("invalid_time_zone", "timeZone", "CEST"),
    ("invalid_style", "voucherStyle", "{"),
    ("invalid_style", "voucherStyle", "[]"),
    ("invalid_parameter", "expiresOn", "31/12/2026"),
    ("invalid_parameter", "expiresOn", 20261231),
    ("expires_in_past", "expiresOn", "2026-03-09"),
    ("invalid_parameter", "currency", "euro"),
    ("invalid_parameter", "currency", "XYZ"),
    ("invalid_parameter", "status", "creating"),
    ("invalid_reference", "voucherLogoImg", 77),
    ("unknown_field", "voucherWorth", 1),
]


async def test_bad_arguments(api: Api) -> None:
    """Each is refused, naming the field, and nothing is created."""
    nora = await api.login("nora")
    for expected_code, member, value in BAD_CREATIONS:
        answer = await nora.post("/campaign", SPRING | {member: value})
        assert (400, expected_code) == (answer.status_code, answer.json()["code"]), answer.text
        assert [member] == list(answer.json()["fields"])
    assert 0 == await api.fetchval("select count(*) from voucher.campaign")


async def test_all_faults_together(api: Api) -> None:
    """One answer names everything that is wrong."""
    nora = await api.login("nora")
    body = {"type": "percent", "prefix": "A-B", "timeZone": "CEST", "extra": 1}
    answer = await nora.post("/campaign", body)
    assert (400, "unknown_field") == (answer.status_code, answer.json()["code"])
    expected = {"extra", "timeZone", "name", "totalVouchers", "voucherValue", "type", "prefix"}
    assert expected == set(answer.json()["fields"])


async def test_lenient_numbers_and_expiry_forms(api: Api) -> None:
    """Integral floats and decimal texts are integers; the expiry comes back normalised."""
    nora = await api.login("nora")
    key = await create(
        nora, totalVouchers="2", voucherValue=100.0, expiresOn="2026-12-31 18:00", id=7
    )
    row = await read(nora, key)
    assert (2, 100, "2026-12-31T18:00:00") == (
        row["totalVouchers"],
        row["voucherValue"],
        row["expiresOn"],
    )


@pytest.mark.operation("VEND-CAMPAIGN-UPDATE")
async def test_update_reaches_the_vouchers(api: Api) -> None:
    """An edit of the campaign is an edit of all its heirs."""
    nora = await api.login("nora")
    key = await create(nora)
    answer = await nora.patch(f"/campaign/{key}", {"redemptionLimit": 5, "expiresOn": "2026-12-31"})
    assert (200, {"message": "Campaign updated"}) == (answer.status_code, answer.json())
    rows = await vouchers(nora, key)
    assert [(5, "2026-12-31")] * 3 == [(row["redemptionLimit"], row["expiresOn"]) for row in rows]
    answer = await nora.put(f"/campaign/{key}", {"expiresOn": None, "timeZone": "Asia/Tokyo"})
    assert 200 == answer.status_code
    rows = await vouchers(nora, key)
    assert [(None, "Asia/Tokyo")] * 3 == [(row["expiresOn"], row["timeZone"]) for row in rows]


async def test_the_object_that_was_read_may_be_sent_back(api: Api) -> None:
    """It changes nothing, not even updatedAt."""
    nora = await api.login("nora")
    key = await create(nora, expiresOn="2026-12-31", voucherText1="Hello")
    row = await read(nora, key)
    revision = await api.fetchval("select policy_revision from voucher.campaign")
    api.clock.advance_ms(5000)
    answer = await nora.patch(f"/campaign/{key}", row)
    assert 200 == answer.status_code, answer.text
    assert row == await read(nora, key)
    assert revision == await api.fetchval("select policy_revision from voucher.campaign")


BAD_UPDATES: list[Any] = [
    ("missing_parameters", {}),
    ("unknown_field", {"weather": 1}),
    ("missing_parameters", {"name": None}),
    ("invalid_parameter", {"resetFrequency": "year"}),
    ("missing_parameters", {"timeZone": None}),
    ("invalid_time_zone", {"timeZone": "CEST"}),
    ("invalid_parameter", {"currency": "XYZ"}),
    ("invalid_style", {"voucherStyle": "x"}),
    ("invalid_parameter", {"status": "open"}),
    ("invalid_reference", {"voucherLogoImg": 77}),
]


async def test_bad_update(api: Api) -> None:
    """Refused as a whole."""
    nora = await api.login("nora")
    key = await create(nora)
    for expected_code, body in BAD_UPDATES:
        answer = await nora.patch(
            f"/campaign/{key}", {"voucherText1": "x"} | body if body else body
        )
        assert (400, expected_code) == (answer.status_code, answer.json()["code"]), answer.text
    assert (await read(nora, key))["voucherText1"] is None


async def test_members_that_only_creation_sets_are_ignored(api: Api) -> None:
    """type, totalVouchers, voucherValue and prefix stay."""
    nora = await api.login("nora")
    key = await create(nora)
    body = {"type": "gift", "totalVouchers": 9, "voucherValue": 1, "prefix": "X"}
    assert 200 == (await nora.patch(f"/campaign/{key}", body)).status_code
    row = await read(nora, key)
    assert SPRING == {name: row[name] for name in SPRING}


async def test_currency_is_fixed_once_something_was_redeemed(api: Api) -> None:
    """Also when everything was given back since."""
    nora = await api.login("nora")
    key = await create(nora)
    assert 200 == (await nora.patch(f"/campaign/{key}", {"currency": "USD"})).status_code
    await api.execute("update voucher.voucher set last_redemption_at_ms = 1 where id = 1")
    answer = await nora.patch(f"/campaign/{key}", {"currency": "EUR"})
    assert (409, "campaign_in_use") == (answer.status_code, answer.json()["code"])
    assert 200 == (await nora.patch(f"/campaign/{key}", {"currency": "USD"})).status_code


@pytest.mark.operation("VEND-CAMPAIGN-RULES")
async def test_rules(api: Api) -> None:
    """A PUT replaces the list; ids keep rows; equal rules collapse."""
    nora = await api.login("nora")
    key = await create(nora)
    path = f"/campaign/{key}/validationrules"
    answer = await nora.put(path, [{"field": "location", "value": "10"}])
    assert (200, {"message": "Validation rules updated"}) == (answer.status_code, answer.json())
    [first] = (await nora.get(path)).json()
    assert {"id": first["id"], "campaign": key, "field": "location", "value": "10"} == first
    body = [
        {"field": "product", "value": 5},
        {"field": "product", "value": "5"},
        {**first, "value": "11"},
    ]
    assert 200 == (await nora.send("POST", path.removesuffix("s"), body)).status_code
    rows = (await nora.get(path)).json()
    assert [("location", "11"), ("product", "5")] == [(row["field"], row["value"]) for row in rows]
    assert first["id"] == rows[0]["id"]
    assert 200 == (await nora.put(path, [])).status_code
    assert [] == (await nora.get(path)).json()


BAD_RULES: list[Any] = [
    ("unknown_rule_field", "[0].field", [{"field": "weather", "value": "x"}]),
    ("invalid_parameter", "[0].value", [{"field": "location", "value": ""}]),
    ("invalid_parameter", "[0].id", [{"field": "location", "value": "1", "id": 99}]),
    ("invalid_parameter", "[0].campaign", [{"field": "product", "value": "1", "campaign": 9}]),
    ("invalid_parameter", "[0]", ["location"]),
    ("invalid_parameter", None, {"field": "location", "value": "1"}),
    (
        "invalid_parameter",
        "validationrules",
        [{"field": "product", "value": str(number)} for number in range(1001)],
    ),
]


async def test_bad_rules(api: Api) -> None:
    """Refused as a whole; the rules stay."""
    nora = await api.login("nora")
    path = f"/campaign/{await create(nora)}/validationrules"
    await nora.put(path, [{"field": "location", "value": "10"}])
    for expected_code, expected_field, body in BAD_RULES:
        answer = await nora.put(path, body)
        assert (400, expected_code) == (answer.status_code, answer.json()["code"]), answer.text
        assert expected_field is None or [expected_field] == list(answer.json()["fields"])
    assert 1 == len((await nora.get(path)).json())


async def test_rules_raise_the_policy_only_when_they_change(api: Api) -> None:
    """A repeated PUT decides nothing anew."""
    nora = await api.login("nora")
    path = f"/campaign/{await create(nora)}/validationrules"
    revisions = []
    for body in ([{"field": "product", "value": "5"}], [{"field": "product", "value": "5"}], []):
        await nora.put(path, body)
        revisions.append(await api.fetchval("select policy_revision from voucher.campaign"))
    assert [2, 2, 3] == revisions


async def test_activate_and_deactivate(api: Api) -> None:
    """Status follows, by both ways; an unfinished campaign refuses."""
    nora = await api.login("nora")
    key = await create(nora)
    for action, expected in (("deactivate", "inactive"), ("activate", "active")):
        answer = await nora.post(f"/campaign/{key}/{action}")
        assert (200, expected) == (answer.status_code, (await read(nora, key))["status"])
    await nora.patch(f"/campaign/{key}", {"status": "inactive"})
    assert "inactive" == (await read(nora, key))["status"]
    await api.execute("update voucher.campaign set status = 'creating'")
    for answer in (
        await nora.post(f"/campaign/{key}/activate"),
        await nora.patch(f"/campaign/{key}", {"status": "active"}),
    ):
        assert (409, "campaign_not_ready") == (answer.status_code, answer.json()["code"])
    assert 200 == (await nora.patch(f"/campaign/{key}", {"status": "creating"})).status_code


async def test_big_campaign(api: Api) -> None:
    """Answered at once, completed by the worker."""
    nora = await api.login("nora")
    key = await create(nora, totalVouchers=5001)
    await api.services.worker.drain()
    assert "active" == (await read(nora, key))["status"]
    answer = await nora.get(f"/campaign/{key}/vouchers?limit=1")
    assert "5001" == answer.headers["X-Total-Count"]


async def test_last_reset(api: Api) -> None:
    """The start of the current period once a boundary has passed; filters see the same."""
    nora = await api.login("nora")
    key = await create(nora)
    never = await create(nora, resetFrequency="never")
    api.clock.set("2026-03-11T09:00:00Z")
    nora = await api.login("nora")
    assert "2026-03-10T23:00:00Z" == (await read(nora, key))["lastResetAt"]
    assert (await read(nora, never))["lastResetAt"] is None
    for query in (
        "where[lastResetAt]=2026-03-10T23:00:00Z",
        "where[lastResetAt][>]=2026-03-10&where[lastResetAt][<]=2026-03-12",
        "where[lastResetAt][!]=null",
    ):
        found = (await nora.get(f"/campaign?{query}")).json()
        assert [(key, "2026-03-10T23:00:00Z")] == [(row["id"], row["lastResetAt"]) for row in found]


@pytest.mark.operation("VEND-CAMPAIGN-LIST")
async def test_list(api: Api) -> None:
    """Limit, skip, where and sort as everywhere."""
    nora = await api.login("nora")
    keys = [await create(nora, name=name, totalVouchers=0) for name in ("B", "A", "C")]
    answer = await nora.get("/campaign?sort=name desc&limit=2")
    assert ["C", "B"] == [row["name"] for row in answer.json()]
    assert "3" == answer.headers["X-Total-Count"]
    assert keys == [row["id"] for row in (await nora.get("/campaign")).json()]
    assert ["A"] == [row["name"] for row in (await nora.get("/campaign?where[name]=A")).json()]
    for query in ("limit=101", "where[colour]=red", "sort=voucherStyle", "where[ownerData]=x"):
        assert 400 == (await nora.get(f"/campaign?{query}")).status_code


async def test_stats(api: Api) -> None:
    """Net of rollbacks; refusals by reason."""
    nora = await api.login("nora")
    key = await create(nora)
    await create(nora)
    await api.execute("update voucher.voucher set total = 2, total_amount = 150 where id = 1")
    await api.execute(
        "insert into voucher.redemption (id, code_key, voucher, device, order_id, fingerprint,"
        " amount_off, period_seq, state, requester, currency, request, response, redeemed_at_ms)"
        " select n, code_key, 1, 'm:80', n::text, 0, 50, 0, (n = 3)::int, 'gw-0080', 'EUR', '',"
        " '', n"
        " from voucher.voucher, generate_series(1, 3) n where voucher.id = 1"
    )
    await api.execute(
        "insert into voucher.history (id, voucher, requester, action, success, reason, currency,"
        " request, response, created_at_ms) values"
        " (11, 1, 'x', 1, false, 'voucher_locked', 'EUR', '', '', 5),"
        " (12, 2, 'x', 0, false, 'voucher_locked', 'EUR', '', '', 5),"
        " (13, 2, 'x', 2, false, 'not_redeemed', 'EUR', '', '', 5),"
        " (14, 4, 'x', 1, false, 'voucher_expired', 'EUR', '', '', 5)"
    )
    assert {
        "id": key,
        "campaign": key,
        "vouchers": 3,
        "vouchersUsed": 1,
        "redemptions": 2,
        "amountRedeemed": 150,
        "rollbacks": 1,
        "refusals": {"voucher_locked": 2},
    } == (await nora.get(f"/campaign/{key}/stats")).json()


async def test_foreign_campaign_is_a_missing_one(api: Api) -> None:
    """Sam's group sees no difference between Nora's campaign and none at all."""
    nora, sam = await api.login("nora"), await api.login("sam")
    key = await create(nora)
    for method, suffix, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("PUT", "/validationrules", []),
        ("GET", "/validationrules", None),
        ("GET", "/vouchers", None),
        ("GET", "/stats", None),
        ("POST", "/activate", None),
        ("POST", "/deactivate", None),
        ("POST", "/pdf", None),
        ("GET", "/pdf", None),
    ):
        foreign = await sam.send(method, f"/campaign/{key}{suffix}", body)
        missing = await sam.send(method, f"/campaign/999{suffix}", body)
        assert (404, foreign.text) == (missing.status_code, missing.text), (method, suffix)
        assert foreign.status_code == missing.status_code
    assert [] == (await sam.get("/campaign")).json()
    for text in ("abc", "0", "99999999999"):
        assert 404 == (await nora.get(f"/campaign/{text}")).status_code


async def test_permissions(api: Api) -> None:
    """A missing permission is told only of what is seen."""
    nora, root = await api.login("nora"), await api.login("root")
    key = await create(nora)
    foreign = await create(root)
    await api.execute("update vending.usergroup set permissions = '{campaign:read}' where id = 2")
    api.services.access.forget()
    assert 200 == (await nora.get(f"/campaign/{key}")).status_code
    for method, path, body in (
        ("POST", "/campaign", SPRING),
        ("PATCH", f"/campaign/{key}", {"name": "x"}),
        ("PUT", f"/campaign/{key}/validationrules", []),
        ("POST", f"/campaign/{key}/activate", None),
        ("GET", f"/campaign/{key}/vouchers", None),
    ):
        assert 403 == (await nora.send(method, path, body)).status_code, path
    assert 404 == (await nora.patch(f"/campaign/{foreign}", {"name": "x"})).status_code
    device = await api.device()
    assert 403 == (await device.get("/campaign")).status_code
    assert 401 == (await api.nobody.get("/campaign")).status_code


async def test_repeated_creation_with_a_key(api: Api) -> None:
    """One Idempotency-Key makes one campaign."""
    nora = await api.login("nora")
    headers = {"Idempotency-Key": "spring"}
    answers = [await nora.post("/campaign", SPRING, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [1, 3] == [
        await api.fetchval(f"select count(*) from voucher.{table}")
        for table in ("campaign", "voucher")
    ]
