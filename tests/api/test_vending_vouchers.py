"""Vouchers through HTTP: the golden cases of vending-commerce.md 5.3, and what surrounds them."""

import re
from typing import Any

import msgspec
import pytest

from tests.api.conftest import Api, Caller
from tests.api.test_vending_campaigns import create

DISCOUNT = {"type": "discount", "value": 100}


async def make(caller: Caller, campaign: int, **members: Any) -> dict[str, Any]:
    """A new voucher as the answer shows it."""
    answer = await caller.post("/voucher", {"campaign": campaign} | DISCOUNT | members)
    assert 201 == answer.status_code, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def read(caller: Caller, key: str) -> dict[str, Any]:
    """A voucher as it is shown."""
    answer = await caller.get(f"/voucher/{key}")
    assert 200 == answer.status_code, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def found(caller: Caller, query: str) -> list[str]:
    """Ids of the vouchers that a list shows."""
    answer = await caller.get(f"/voucher?{query}")
    assert 200 == answer.status_code, answer.text
    return [row["id"] for row in answer.json()]


@pytest.mark.operation("VEND-VOUCHER-CREATE", "VEND-VOUCHER-GET")
async def test_create_one(api: Api) -> None:
    """All documented members; the document's defaults, not the campaign's."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0, expiresOn="2026-12-31", currency="USD")
    row = await make(nora, campaign)
    assert re.fullmatch(r"00000-[2-9A-HJKMNP-TV-Z]{10}", row.pop("code"))
    assert {
        "id": "1",
        "campaign": campaign,
        "type": "discount",
        "value": 100,
        "valueType": "cents",
        "currency": "USD",
        "initialValue": 100,
        "balance": 0,
        "redemptionLimit": 0,
        "redemptionCount": 0,
        "amountRedeemed": 0,
        "totalRedemptionCount": 0,
        "totalAmountRedeemed": 0,
        "lastRedemptionAt": None,
        "lastRedemptionLocation": None,
        "prefix": "00000",
        "resetFrequency": "never",
        "lastResetAt": None,
        "expiresOn": None,
        "timeZone": "Europe/Amsterdam",
        "lockOwner": None,
        "lockedTill": None,
        "status": "active",
        "text1": None,
        "text2": None,
        "text3": None,
        "text4": None,
        "style": None,
        "logoImg": None,
        "pdfStatus": "empty",
        "pdfUrl": None,
        "voucherComments": None,
        "createdAt": "2026-03-10T09:00:00Z",
        "updatedAt": "2026-03-10T09:00:00Z",
    } == row
    assert 1 == await api.fetchval("select total_vouchers from voucher.campaign")


async def test_create_many(api: Api) -> None:
    """An empty 201 that says how many; the campaign counts them."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=3)
    answer = await nora.post("/voucher", {"campaign": campaign, "count": 5000} | DISCOUNT)
    assert (201, b"", "5000", "0") == (
        answer.status_code,
        answer.content,
        answer.headers["X-Total-Count"],
        answer.headers["Content-Length"],
    )
    assert 5003 == (await nora.get(f"/campaign/{campaign}")).json()["totalVouchers"]
    assert 5003 == await api.fetchval("select count(*) from voucher.voucher")


BAD_CREATIONS: list[Any] = [
    ("count_out_of_range", "count", {"count": 5001}),
    ("count_out_of_range", "count", {"count": 0}),
    ("code_with_count", "code", {"count": 2, "code": "X"}),
    ("voucher_type_mismatch", "type", {"type": "gift"}),
    ("invalid_parameter", "type", {"type": "dynamic"}),
    ("missing_parameters", "type", {"type": None}),
    ("missing_parameters", "value", {"value": None}),
    ("invalid_parameter", "value", {"value": -1}),
    ("invalid_parameter", "value", {"value": 2**31}),
    ("invalid_code", "code", {"code": "a b"}),
    ("invalid_code", "code", {"code": "x" * 65}),
    ("campaign_not_found", "campaign", {"campaign": 999}),
    ("missing_parameters", "campaign", {"campaign": None}),
    (
        "unknown_rule_field",
        "validationRules[0].field",
        {"validationRules": [{"field": "x", "value": "1"}]},
    ),
    ("invalid_parameter", "validationRules", {"validationRules": "x"}),
    ("invalid_style", "style", {"style": "["}),
    ("invalid_time_zone", "timeZone", {"timeZone": "Mars/Base"}),
    ("expires_in_past", "expiresOn", {"expiresOn": "2026-03-09"}),
    ("invalid_parameter", "expiresOn", {"expiresOn": "soon"}),
    ("invalid_parameter", "valueType", {"valueType": "percent"}),
    ("invalid_parameter", "resetFrequency", {"resetFrequency": "hour"}),
    ("invalid_parameter", "redemptionLimit", {"redemptionLimit": 1.5}),
    ("invalid_parameter", "prefix", {"prefix": "TOOLONG"}),
    ("invalid_parameter", "voucherComments", {"voucherComments": "x" * 2001}),
    ("unknown_field", "worth", {"worth": 1}),
]


async def test_bad_creation(api: Api) -> None:
    """Refused, naming the field; nothing is created."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0)
    for expected_code, expected_field, members in BAD_CREATIONS:
        answer = await nora.post("/voucher", {"campaign": campaign} | DISCOUNT | members)
        assert (400, expected_code) == (answer.status_code, answer.json()["code"]), answer.text
        assert [expected_field] == list(answer.json()["fields"])
    assert 0 == await api.fetchval("select count(*) from voucher.voucher")


async def test_custom_codes(api: Api) -> None:
    """Once per campaign whatever the spelling; again in another one."""
    nora = await api.login("nora")
    first, second = await create(nora, totalVouchers=0), await create(nora, totalVouchers=0)
    row = await make(nora, first, code="Summer1", prefix="SUM")
    assert ("Summer1", "SUM") == (row["code"], row["prefix"])
    answer = await nora.post("/voucher", {"campaign": first, "code": "SUMMER1"} | DISCOUNT)
    assert (409, "code_taken") == (answer.status_code, answer.json()["code"])
    assert "SUMMER1" == (await make(nora, second, code="SUMMER1"))["code"]


async def test_creation_warns_of_a_crowded_code(api: Api) -> None:
    """Beyond 50 candidates a device does not look at all of them."""
    nora = await api.login("nora")
    campaigns = [await create(nora, totalVouchers=0) for _ in range(51)]
    for campaign in campaigns[:50]:
        body = {"campaign": campaign, "code": "CROWD"} | DISCOUNT
        assert "Warning" not in (await nora.post("/voucher", body)).headers
    answer = await nora.post("/voucher", body | {"campaign": campaigns[50]})
    assert (201, True) == (answer.status_code, "51 vouchers" in answer.headers["Warning"])


async def test_inherit_voucher(api: Api) -> None:
    """It takes its settings from the campaign; what does not apply is ignored."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0, type="gift", expiresOn="2026-12-31")
    row = await make(nora, campaign, type="inherit", value=-5, redemptionLimit="x", text1="Own")
    assert ("gift", 100, 100, 100, 2, "day", "2026-12-31", "Own") == (
        row["type"],
        row["value"],
        row["initialValue"],
        row["balance"],
        row["redemptionLimit"],
        row["resetFrequency"],
        row["expiresOn"],
        row["text1"],
    )
    dynamic = await create(nora, totalVouchers=1, type="dynamic")
    answer = await nora.post("/voucher", {"campaign": dynamic, "type": "inherit"})
    assert "inherit_needs_typed_campaign" == answer.json()["code"]
    assert "gift" == (await make(nora, dynamic, type="gift"))["type"]


@pytest.mark.operation("VEND-VOUCHER-PATCH")
async def test_patch(api: Api) -> None:
    """Value and expiry become the voucher's own; null gives the expiry back to the campaign."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=2, expiresOn="2026-11-30")
    body = {"campaign": campaign, "value": 500, "expiresOn": "2026-12-31 18:00"}
    answer = await nora.patch("/voucher/1", body)
    assert (200, {"message": "Voucher updated"}) == (answer.status_code, answer.json())
    row, other = await read(nora, "1"), await read(nora, "2")
    assert (500, "2026-12-31T18:00:00", 100) == (
        row["value"],
        row["expiresOn"],
        row["initialValue"],
    )
    assert (100, "2026-11-30") == (other["value"], other["expiresOn"])
    await nora.patch(f"/campaign/{campaign}", {"expiresOn": "2026-10-31"})
    assert "2026-12-31T18:00:00" == (await read(nora, "1"))["expiresOn"]
    await nora.patch("/voucher/1", {"campaign": campaign, "expiresOn": None})
    assert "2026-10-31" == (await read(nora, "1"))["expiresOn"]
    row = await make(nora, campaign, expiresOn="2026-12-31")
    await nora.patch(f"/voucher/{row['id']}", {"campaign": str(campaign), "expiresOn": None})
    assert (await read(nora, row["id"]))["expiresOn"] is None


async def test_patch_status_and_comments(api: Api) -> None:
    """A derived status that comes back is nothing to set."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=1)
    for status, expected in (
        ("inactive", "inactive"),
        ("expired", "inactive"),
        ("active", "active"),
    ):
        body = {"campaign": campaign, "status": status, "voucherComments": " for Ann "}
        assert 200 == (await nora.patch("/voucher/1", body)).status_code
        row = await read(nora, "1")
        assert (expected, "for Ann") == (row["status"], row["voucherComments"])
    assert 200 == (await nora.patch("/voucher/1", row)).status_code
    assert row == await read(nora, "1")


BAD_PATCHES: list[Any] = [
    ("missing_parameters", {}),
    ("missing_parameters", {"value": 1}),
    ("campaign_mismatch", {"campaign": 99, "value": 1}),
    ("invalid_parameter", {"campaign": 1, "value": -1}),
    ("missing_parameters", {"campaign": 1, "value": None}),
    ("invalid_parameter", {"campaign": 1, "expiresOn": "soon"}),
    ("invalid_parameter", {"campaign": 1, "status": "closed"}),
    ("unknown_field", {"campaign": 1, "worth": 1}),
]


async def test_bad_patch(api: Api) -> None:
    """Refused; the voucher stays."""
    nora = await api.login("nora")
    assert 1 == await create(nora, totalVouchers=1)
    for expected_code, body in BAD_PATCHES:
        answer = await nora.patch("/voucher/1", body)
        assert (400, expected_code) == (answer.status_code, answer.json()["code"]), answer.text
    assert 1 == await api.fetchval("select version from voucher.voucher")


@pytest.mark.operation("VEND-VOUCHER-REPLACE")
async def test_replace(api: Api) -> None:
    """Settings that are left out return to their defaults; identity and counters stay."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=1, expiresOn="2026-12-31")
    before = await read(nora, "1")
    body = {"campaign": campaign, "type": "discount", "value": 70, "text2": "Two"}
    answer = await nora.put(
        "/voucher/1", body | {"validationRules": [{"field": "product", "value": 5}]}
    )
    assert 200 == answer.status_code, answer.text
    changed = {
        "value": 70,
        "redemptionLimit": 0,
        "resetFrequency": "never",
        "expiresOn": None,
        "text2": "Two",
    }
    assert before | changed == await read(nora, "1")
    assert [{"field": "product", "value": "5"}] == msgspec.json.decode(
        await api.fetchval("select rules from voucher.voucher")
    )


async def test_bad_replacement(api: Api) -> None:
    """Required members, types that do not fit, types that were used."""
    nora = await api.login("nora")
    typed = await create(nora, totalVouchers=1)
    dynamic = await create(nora, totalVouchers=1, type="dynamic")
    whole = {"campaign": typed, "type": "discount", "value": 1, "validationRules": []}
    for name in whole:
        body = {key: value for key, value in whole.items() if key != name}
        answer = await nora.put("/voucher/1", body)
        assert (400, [name]) == (answer.status_code, list(answer.json()["fields"]))
    for expected, voucher, members in (
        ("voucher_type_mismatch", 1, {"type": "gift"}),
        ("invalid_parameter", 1, {"type": "inherit"}),
        ("campaign_mismatch", 1, {"campaign": dynamic}),
    ):
        answer = await nora.put(f"/voucher/{voucher}", whole | members)
        assert (400, expected) == (answer.status_code, answer.json()["code"])
    body = whole | {"campaign": dynamic, "type": "gift"}
    assert 200 == (await nora.put("/voucher/2", body)).status_code
    await api.execute("update voucher.voucher set last_redemption_at_ms = 1 where id = 2")
    answer = await nora.put("/voucher/2", body | {"type": "discount"})
    assert (409, "voucher_in_use") == (answer.status_code, answer.json()["code"])
    assert 200 == (await nora.put("/voucher/2", body | {"value": 9})).status_code


async def test_reads_show_the_effective_state(api: Api) -> None:
    """A due reset is seen before it is written, by reads, filters and sorts alike."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0, type="gift")
    daily = await make(nora, campaign, type="gift", value=1000, resetFrequency="day")
    weekly = await make(nora, campaign, type="gift", value=1000, resetFrequency="week")
    never = await make(nora, campaign, type="gift", value=1000)
    await api.execute(
        "update voucher.voucher set count = 2, total = 2, amount = 1000, total_amount = 1000,"
        " hold_device = 'm:80', hold_owner = 'gw-0080', hold_until_ms = $1",
        api.clock() + 1500,
    )
    row = await read(nora, daily["id"])
    assert (0, 2, "gw-0080", "2026-03-10T09:00:02Z", None, "active") == tuple(
        row[name]
        for name in (
            "balance", "redemptionCount", "lockOwner", "lockedTill", "lastResetAt", "status",
        )
    )  # fmt: skip
    assert "redeemed" == (await read(nora, never["id"]))["status"]
    api.clock.set("2026-03-11T09:00:00Z")
    nora = await api.login("nora")
    row = await read(nora, daily["id"])
    assert (1000, 0, 0, 2, 1000, None, None, "2026-03-10T23:00:00Z") == tuple(
        row[name]
        for name in (
            "balance", "redemptionCount", "amountRedeemed", "totalRedemptionCount",
            "totalAmountRedeemed", "lockOwner", "lockedTill", "lastResetAt",
        )
    )  # fmt: skip
    assert [daily["id"]] == await found(nora, "where[balance]=1000")
    assert [weekly["id"], never["id"]] == await found(nora, "where[redemptionCount][>]=0")
    assert [never["id"]] == await found(nora, "where[status]=redeemed")
    assert [] == await found(nora, "where[lockOwner][!]=null")
    assert [daily["id"]] == await found(nora, "where[lastResetAt][!]=null")
    assert [daily["id"]] == await found(nora, "where[lastResetAt]=2026-03-10T23:00:00Z")
    assert daily["id"] == (await found(nora, "sort=lastResetAt"))[0]
    assert [0, 1000, 1000] == [
        await api.fetchval("select amount from voucher.voucher where id = $1", int(key))
        if key != daily["id"]
        else 0
        for key in (daily["id"], weekly["id"], never["id"])
    ]


async def test_derived_status(api: Api) -> None:
    """Inactive before expired before redeemed before active; every one can be asked for."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0)
    names = ("active", "inactive", "expired", "redeemed")
    keys = {
        name: (await make(nora, campaign, redemptionLimit=1, expiresOn="2026-03-10"))["id"]
        for name in names
    }
    await api.execute(
        "update voucher.voucher set count = 1, total = 1 where id = any($1)",
        [int(keys["redeemed"]), int(keys["expired"]), int(keys["inactive"])],
    )
    await api.execute(
        "update voucher.voucher set expires_on = null, expires_before_ms = null where id = any($1)",
        [int(keys["active"]), int(keys["redeemed"])],
    )
    await api.execute(
        "update voucher.voucher set active = false where id = $1", int(keys["inactive"])
    )
    api.clock.set("2026-03-10T23:00:00Z")
    nora = await api.login("nora")
    for name in names:
        assert name == (await read(nora, keys[name]))["status"]
        assert [keys[name]] == await found(nora, f"where[status]={name}")


@pytest.mark.operation("VEND-VOUCHER-LIST")
async def test_lists(api: Api) -> None:
    """Ids are int64 and filter as numbers; columns with JSON text do not filter."""
    nora = await api.login("nora")
    await create(nora, totalVouchers=3)
    await create(nora, totalVouchers=2, voucherText1="Hello")
    assert ["1", "2", "3", "4", "5"] == await found(nora, "")
    assert ["5", "4"] == await found(nora, "sort=id desc&limit=2")
    assert ["2", "4"] == await found(nora, "where[id]=4,2")
    assert ["4", "5"] == await found(nora, "where[campaign]=2")
    assert ["4", "5"] == await found(nora, "where[text1]=Hello")
    assert ["1", "2", "3"] == await found(nora, 'where={"code":{"startsWith":"SPR"},"campaign":1}')
    for query in ("limit=101", "where[colour]=x", "where[style]=x", "sort=pdfUrl", "skip=-1"):
        assert 400 == (await nora.get(f"/voucher?{query}")).status_code
    for text in ("99999999999", "abc", "0", "9223372036854775808", "1.0"):
        assert 404 == (await nora.get(f"/voucher/{text}")).status_code


@pytest.mark.operation("VEND-VOUCHER-LOG")
async def test_log_and_redemptions(api: Api) -> None:
    """Newest first, redemptions and other history as one; tombstones are no log."""
    nora = await api.login("nora")
    await create(nora, totalVouchers=1)
    await api.execute(
        "insert into voucher.redemption (id, code_key, voucher, device, order_id, fingerprint,"
        " amount_off, period_seq, state, requester, location, currency, request, response,"
        " rollback_response, redeemed_at_ms, rolled_back_at_ms)"
        " select n, code_key, 1, 'm:80', 'o' || n, -5, 50, 0, n - 1, 'gw-0080', 2, 'EUR',"
        " '{\"q\":1}', '{\"a\":1}', case when n > 1 then '{}' end,"
        " $1::bigint + n * 1000, case when n > 1 then $1::bigint + n * 1000 + 500 end"
        " from voucher.voucher, generate_series(1, 3) n where voucher.id = 1",
        api.clock(),
    )
    await api.execute(
        "insert into voucher.history (id, voucher, requester, action, success, reason, currency,"
        " request, response, created_at_ms) values"
        " (11, 1, 'user:2', 0, true, '', 'EUR', '{}', '{}', $1::bigint + 1500),"
        " (12, 1, 'd', 1, false, 'voucher_locked', 'EUR', '{}', '{}', $1::bigint + 1500),"
        " (13, 1, 'd', 2, true, '', 'EUR', '{}', '{}', $1::bigint + 9000),"
        " (14, 1, 'd', 3, false, '', 'EUR', '{}', '{}', $1::bigint + 500)",
        api.clock(),
    )
    answer = await nora.get("/voucher/1/log")
    assert "6" == answer.headers["X-Total-Count"]
    assert [
        (13, "rollback", 1),
        (2, "redeem", 1),
        (12, "redeem", 0),
        (11, "validate", 1),
        (1, "redeem", 1),
        (14, "unlock", 0),
    ] == [(entry["id"], entry["action"], entry["success"]) for entry in answer.json()]
    assert {
        "id": 1,
        "voucher": "1",
        "requester": "gw-0080",
        "requesterLocation": "2",
        "action": "redeem",
        "success": 1,
        "request": '{"q":1}',
        "response": '{"a":1}',
        "currency": "EUR",
        "createdAt": "2026-03-10T09:00:01Z",
        "updatedAt": "2026-03-10T09:00:01Z",
    } == answer.json()[4]
    page = await nora.get("/voucher/1/history?limit=2&skip=1")
    assert ([2, 12], "6") == (
        [entry["id"] for entry in page.json()],
        page.headers["X-Total-Count"],
    )
    for query in ("limit=101", "skip=-1", "where[id]=1"):
        assert 400 == (await nora.get(f"/voucher/1/log?{query}")).status_code
    rows = (await nora.get("/voucher/1/redemptions")).json()
    assert [(3, "tombstone"), (2, "rolled_back"), (1, "done")] == [
        (row["id"], row["state"]) for row in rows
    ]
    assert ("o1", 50, "-5", "2026-03-10T09:00:01Z", None, None) == tuple(
        rows[2][name]
        for name in (
            "orderId", "amountOff", "fingerprint", "redeemedAt", "rolledBackAt", "rollbackResponse",
        )
    )  # fmt: skip


@pytest.mark.operation("VEND-VOUCHER-PDF")
async def test_sheet(api: Api) -> None:
    """Asked for, finished, read by token and by link; an edit takes it away."""
    nora, sam = await api.login("nora"), await api.login("sam")
    campaign = await create(nora, totalVouchers=1)
    answer = await nora.get("/voucher/1/pdf")
    assert (409, "pdf_not_ready") == (answer.status_code, answer.json()["code"])
    answer = await nora.post("/voucher/1/pdf")
    assert (200, "1", "ready") == (
        answer.status_code,
        answer.json()["id"],
        answer.json()["pdfStatus"],
    )
    sheet = await nora.get("/voucher/1/pdf")
    assert (200, "application/pdf", b"%PDF-") == (
        sheet.status_code,
        sheet.headers["Content-Type"].partition(";")[0],
        sheet.content[:5],
    )
    link = (await read(nora, "1"))["pdfUrl"]
    assert link.startswith("http://farebox.test/vending/voucher/1/pdf?")
    path = link.removeprefix("http://farebox.test/vending")
    assert sheet.content == (await api.nobody.get(path)).content
    assert 401 == (await api.nobody.get(path[:-2] + "xx")).status_code
    assert 401 == (await api.nobody.get("/voucher/1/pdf")).status_code
    assert 404 == (await sam.get("/voucher/1/pdf")).status_code
    await nora.patch("/voucher/1", {"campaign": campaign, "expiresOn": "2026-12-31"})
    row = await read(nora, "1")
    assert ("empty", None) == (row["pdfStatus"], row["pdfUrl"])
    assert 409 == (await api.nobody.get(path)).status_code


async def test_sheet_of_a_campaign(api: Api) -> None:
    """Made by the worker; new vouchers make it outdated."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=2)
    answer = await nora.post(f"/campaign/{campaign}/pdf")
    assert (200, "creating") == (answer.status_code, answer.json()["vouchersPdfStatus"])
    await api.services.worker.drain()
    row = (await nora.get(f"/campaign/{campaign}")).json()
    assert "ready" == row["vouchersPdfStatus"]
    path = row["vouchersPdfUrl"].removeprefix("http://farebox.test/vending")
    assert b"%PDF-" == (await api.nobody.get(path)).content[:5]
    await make(nora, campaign)
    assert "empty" == (await nora.get(f"/campaign/{campaign}")).json()["vouchersPdfStatus"]


@pytest.mark.operation("VEND-VOUCHER-EXPORT")
async def test_export(api: Api) -> None:
    """Columns as asked for, of vouchers and their campaigns, in every spelling of the path."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0, name="=Spring", type="dynamic")
    await create(nora, totalVouchers=1)
    await make(nora, campaign, code="ONE", type="gift")
    query = f"columns[]=code&columns[]=balance:Balance&where[campaign]={campaign}"
    for path in ("/export/voucher", "/voucher/csv", "/voucher/export"):
        answer = await nora.get(f"{path}?{query}")
        assert (200, "code,Balance\r\nONE,100\r\n") == (answer.status_code, answer.text)
    assert "text/csv; charset=utf-8" == answer.headers["Content-Type"]
    assert 'attachment; filename="voucher.csv"' == answer.headers["Content-Disposition"]
    answer = await nora.get(
        "/export/voucher?columns=campaign.name:Campaign,createdAt,lastResetAt&where[campaign]=1"
        "&timezone=Europe/Amsterdam&filename=my file"
    )
    assert "Campaign,createdAt,lastResetAt\r\n'=Spring,2026-03-10 10:00:00,\r\n" == answer.text
    assert 'attachment; filename="my_file.csv"' == answer.headers["Content-Disposition"]
    answer = await nora.get(f"/export/voucher?{query}", headers={"Accept": "application/json"})
    assert {"message": "code,Balance\r\nONE,100\r\n"} == answer.json()


async def test_export_shows_due_resets(api: Api) -> None:
    """The file agrees with the list."""
    nora = await api.login("nora")
    await create(nora, totalVouchers=1)
    await api.execute("update voucher.voucher set count = 1, total = 1")
    api.clock.set("2026-03-11T09:00:00Z")
    nora = await api.login("nora")
    answer = await nora.get(
        "/export/voucher?columns=redemptionCount,lastResetAt,campaign.lastResetAt"
    )
    assert "0,2026-03-10 23:00:00,2026-03-10 23:00:00" == answer.text.split("\r\n")[1]


BAD_EXPORTS = [
    ("missing_parameters", ""),
    ("invalid_parameter", "columns=colour"),
    ("invalid_parameter", "columns=pdfUrl"),
    ("invalid_parameter", "columns=campaign.colour"),
    ("invalid_filter", "columns=code&colour=1"),
    ("invalid_time_zone", "columns=code&timezone=Mars/Base"),
    ("invalid_sort", "columns=code&sort=colour"),
]


async def test_bad_export(api: Api) -> None:
    """Refused before the first byte."""
    nora = await api.login("nora")
    for expected_code, query in BAD_EXPORTS:
        answer = await nora.get(f"/export/voucher?{query}")
        assert (400, expected_code) == (answer.status_code, answer.json()["code"]), answer.text


async def test_foreign_voucher_is_a_missing_one(api: Api) -> None:
    """Sam's group sees no difference between Nora's voucher and none at all."""
    nora, sam = await api.login("nora"), await api.login("sam")
    campaign = await create(nora, totalVouchers=1)
    replacement = {"campaign": campaign, "validationRules": []} | DISCOUNT
    for method, suffix, body in (
        ("GET", "", None),
        ("PATCH", "", {"campaign": campaign, "value": 1}),
        ("PUT", "", replacement),
        ("GET", "/log", None),
        ("GET", "/redemptions", None),
        ("POST", "/pdf", None),
        ("GET", "/pdf", None),
    ):
        foreign = await sam.send(method, f"/voucher/1{suffix}", body)
        missing = await sam.send(method, f"/voucher/999{suffix}", body)
        assert (404, foreign.text) == (missing.status_code, missing.text), (method, suffix)
        assert foreign.status_code == missing.status_code
    assert [] == await found(sam, "")
    assert "code\r\n" == (await sam.get("/export/voucher?columns=code")).text
    answer = await sam.post("/voucher", {"campaign": campaign} | DISCOUNT)
    assert "campaign_not_found" == answer.json()["code"]


async def test_permissions(api: Api) -> None:
    """A missing permission is told only of what is seen."""
    nora, root = await api.login("nora"), await api.login("root")
    campaign = await create(nora, totalVouchers=1)
    await create(root, totalVouchers=1)
    await api.execute("update vending.usergroup set permissions = '{voucher:read}' where id = 2")
    api.services.access.forget()
    assert 200 == (await nora.get("/voucher/1")).status_code
    for method, path, body in (
        ("POST", "/voucher", {"campaign": campaign} | DISCOUNT),
        ("PATCH", "/voucher/1", {"campaign": campaign, "value": 1}),
        ("POST", "/voucher/1/pdf", None),
        ("GET", "/export/voucher?columns=code", None),
    ):
        assert 403 == (await nora.send(method, path, body)).status_code, path
    assert 404 == (await nora.patch("/voucher/2", {"campaign": 2, "value": 1})).status_code
    assert 403 == (await (await api.device()).get("/voucher")).status_code


async def test_repeated_creation_with_a_key(api: Api) -> None:
    """One Idempotency-Key makes one voucher, and one batch."""
    nora = await api.login("nora")
    campaign = await create(nora, totalVouchers=0)
    for count in (1, 7):
        headers = {"Idempotency-Key": f"k{count}"}
        body = {"campaign": campaign, "count": count} | DISCOUNT
        answers = [await nora.post("/voucher", body, headers=headers) for _ in range(2)]
        assert [(201, answers[0].content)] * 2 == [(a.status_code, a.content) for a in answers]
    assert 8 == await api.fetchval("select count(*) from voucher.voucher")
