"""What devices report and ask for over HTTP (vending-platform.md 3.16, 4.8, 5)."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api, Caller

# 09:00:00Z of the fixture's day, as an epoch and as the station's wall clock.
NOW_S = 1773133200
SOLD = {"timestamp": NOW_S - 120, "price": 100, "plu": 1}


def sale(remote: int, **members: Any) -> dict[str, Any]:
    """A coffee sold two minutes ago."""
    return SOLD | {"remote": remote} | members


def log(remote: int, **members: Any) -> dict[str, Any]:
    """A log of two minutes ago."""
    return {"remote": remote, "code": "ED017", "timestamp": NOW_S - 120} | members


@pytest.fixture
async def gateway(api: Api) -> Caller:
    """Machine 80, with machine 82 (`behind`) behind it; machine 81 is a stranger's."""
    await api.execute(
        "insert into vending.machine (id, name, hostname, location, currency, gateway,"
        " created_at_ms, updated_at_ms) values (82, 'Second', 'behind', 2, 978, 80, 0, 0)"
    )
    return await api.device()


async def rows(api: Api, table: str, columns: str) -> list[tuple[Any, ...]]:
    """All rows of a table of ours, in the order of remote numbers."""
    order = "remote" if table != "paymenttransaction" else "id"
    found = await api.services.pool.fetch(f"select {columns} from vending.{table} order by {order}")
    return [tuple(row) for row in found]


def told(
    accepted: int, duplicates: int, cursor: int, *rejected: tuple[int, int | None, str]
) -> Any:
    """The answer of a batch."""
    return {
        "accepted": accepted,
        "duplicates": duplicates,
        "rejected": [{"index": i, "remote": r, "reason": why} for i, r, why in rejected],
        "cursor": cursor,
    }


async def test_a_repeated_batch_changes_nothing(api: Api, gateway: Caller) -> None:
    """The documented example: two sales, twice; what a telephone pays counts as card."""
    paid = [{"method": "virtual", "price": 100}]
    batch = {"transactions": [sale(5001, token="^^C:R/-0", payments=paid), sale(5002)]}
    first = await gateway.post("/device/transactions", batch)
    again = await gateway.post("/device/transactions", batch)
    assert (200, told(2, 0, 5002)) == (first.status_code, first.json())
    assert (200, told(0, 2, 5002)) == (again.status_code, again.json())
    payments = await rows(api, "paymenttransaction", "method, type, report_group, price, exclude")
    assert [("virtual", "card", "C", 100, False)] == payments


async def test_a_sale_takes_what_it_lacks_from_the_product(api: Api, gateway: Caller) -> None:
    """Name, reference and barcode of the record win; place, zone and currency are the machine's."""
    await api.execute("update vending.product set internal_ref = 'KAF', barcode = '400' where id=1")
    batch = [
        sale(1),
        sale(2, name="Latte", internalRef="LAT", barcode="500", originalPrice=120, salestype=2),
        sale(3, plu=77, price="-5"),
        sale(4, plu=None, hostname="behind"),
    ]
    answer = await gateway.post("/device/transactions", {"transactions": batch})
    # The cursor is that of the machine that is least far: machine 80.
    assert told(4, 0, 3) == answer.json()
    stored = await rows(
        api, "revenuetransaction", "remote, machine, product, name, internal_ref, barcode, price"
    )
    assert [
        (1, 80, 1, "Coffee", "KAF", "400", 100),
        (2, 80, 1, "Latte", "LAT", "500", 100),
        (3, 80, None, "PLU 77", None, None, -5),
        (4, 82, None, "PLU ?", None, None, 100),
    ] == stored
    assert {("Europe/Amsterdam", "EUR", 2, (NOW_S - 120) * 1000)} == set(
        await rows(api, "revenuetransaction", "time_zone, currency, location, occurred_at_ms")
    )


async def test_the_machine_remembers_what_is_newest(api: Api, gateway: Caller) -> None:
    """The newest sale by time, not by arrival; its product; the price that the machine asked."""
    for batch in ([sale(7, timestamp=NOW_S, plu=2, price=80)], [sale(3), sale(9, plu=1)]):
        await gateway.post("/device/transactions", {"transactions": batch})
    newest = await api.fetchval("select id from vending.revenuetransaction where remote = 7")
    machine = await api.services.pool.fetchrow(
        "select revenuetransaction_synced, last_revenuetransaction, last_sold_id"
        " from vending.machine where id = 80"
    )
    assert (9, newest, 2) == tuple(machine)
    prices = await api.services.pool.fetch("select id, remote_price from vending.product")
    assert {1: 100, 2: 80, 3: None, 4: None} == dict(prices)


# What is wrong with a record, and the reason; the good record beside it is stored.
FAULTY: tuple[tuple[Any, str], ...] = (
    ({"remote": 2, "price": 1}, "missing_field"),
    ({"remote": 2, "timestamp": NOW_S}, "missing_field"),
    ({"timestamp": NOW_S, "price": 1}, "missing_field"),
    (sale(2, price=1.5), "invalid_value"),
    (sale(2, price=2**40), "invalid_value"),
    (sale(2, timestamp="yesterday"), "invalid_value"),
    ({"remote": 2, "price": 1, "occurredAt": "2026-03-10"}, "invalid_value"),
    (sale(2, token="x" * 129), "invalid_value"),
    (sale(2, name="a\x00b"), "invalid_value"),
    (sale(2, payments=[{"method": "gold", "price": 1}]), "invalid_value"),
    (sale(2, payments=[{"method": "cash"}]), "missing_field"),
    (sale(2, payments=[{"method": "cash", "price": 1}] * 17), "invalid_value"),
    (sale(0), "invalid_value"),
    (sale(2, timestamp=NOW_S + 86_401), "occurred_in_future"),
    (sale(2, hostname="gw-0081"), "unknown_machine"),
    (sale(2, hostname=5), "unknown_machine"),
    (sale(2, hostname="\0"), "unknown_machine"),
    (17, "missing_field"),
)


async def test_a_faulty_record_stands_alone(api: Api, gateway: Caller) -> None:
    """It is told and kept once, and the record beside it is stored."""
    for number, (record, reason) in enumerate(FAULTY, 1):
        batch = {"transactions": [record, sale(10 * number)]}
        remote = record.get("remote") if isinstance(record, dict) else None
        for accepted in (1, 0):
            answer = await gateway.post("/device/transactions", batch)
            assert (
                told(accepted, 1 - accepted, 10 * number, (0, remote or None, reason))
                == answer.json()
            ), record
        letter = await api.services.pool.fetchrow(
            "select reason, machine, count(*) over () from vending.dead_letter order by id desc"
        )
        machine = None if reason == "unknown_machine" else 80
        assert (reason, machine, number) == tuple(letter), record


async def test_lenient_spellings_are_the_same_record(api: Api, gateway: Caller) -> None:
    """Text for numbers, a wall clock for an instant: every spelling is a duplicate of the first."""
    spellings = [
        {"remote": 1, "timestamp": NOW_S, "price": 100, "plu": 1, "name": "Coffee"},
        {"remote": "1", "timestamp": float(NOW_S), "price": "100", "plu": 1.0, "name": " Coffee "},
        {"remote": 1, "occurredAt": "2026-03-10T09:00:00Z", "price": 100, "plu": 1,
         "name": "Coffee", "barcode": "", "more": {"firmware": 7}},
        {"remote": 1, "occurredAt": "2026-03-10T10:00:00+01:00", "price": 100, "plu": 1,
         "name": "Coffee", "payments": [], "hostname": "GW-0080"},
    ]  # fmt: skip
    for number, record in enumerate(spellings):
        answer = await gateway.post("/device/transactions", {"transactions": [record]})
        assert told(int(not number), int(bool(number)), 1) == answer.json(), record


async def test_a_wall_clock_is_the_stations(api: Api, gateway: Caller) -> None:
    """Without an offset the time is local; of a repeated hour the later one is meant."""
    times = {"2025-10-26T01:30:00": "2025-10-25T23:30:00Z",
             "2025-10-26T02:30:00": "2025-10-26T01:30:00Z"}  # fmt: skip
    batch = [{"remote": n, "price": 1, "occurredAt": text} for n, text in enumerate(times, 1)]
    assert (
        told(2, 0, 2)
        == (await gateway.post("/device/transactions", {"transactions": batch})).json()
    )
    found = await api.services.pool.fetch(
        'select to_char(to_timestamp(occurred_at_ms / 1000), \'YYYY-MM-DD"T"HH24:MI:SS"Z"\')'
        " from vending.revenuetransaction order by remote"
    )
    assert [*times.values()] == [row[0] for row in found]


async def test_another_content_under_a_stored_number_is_a_conflict(
    api: Api, gateway: Caller
) -> None:
    """The stored row stays, the other is kept as a dead letter, and the rest goes on."""
    await gateway.post("/device/transactions", {"transactions": [sale(1)]})
    other = {"transactions": [sale(1, price=90), sale(2)]}
    assert (
        told(1, 0, 2, (0, 1, "conflict"))
        == (await gateway.post("/device/transactions", other)).json()
    )
    assert [(1, 100), (2, 100)] == await rows(api, "revenuetransaction", "remote, price")
    record = await api.fetchval("select record from vending.dead_letter")
    assert f'{{"plu":1,"price":90,"remote":1,"timestamp":{NOW_S - 120}}}' == record


# A body that is no batch, and the code of its refusal.
REFUSED: tuple[tuple[Any, str], ...] = (
    (b"{", "invalid_json"),
    (b"", "missing_parameters"),
    (b"[]", "invalid_parameter"),
    (b"{}", "missing_parameters"),
    (b'{"transactions": 5}', "invalid_parameter"),
    (b'{"transactions": []}', "invalid_parameter"),
    ({"transactions": [sale(n) for n in range(1, 502)]}, "invalid_parameter"),
    ({"transactions": [sale(2), sale(1)]}, "not_ascending"),
    ({"transactions": [sale(2), sale(2)]}, "not_ascending"),
    ({"transactions": [sale(2), sale(2, hostname="GW-0080")]}, "not_ascending"),
)


async def test_what_is_no_batch_is_refused_whole(api: Api, gateway: Caller) -> None:
    """400, and nothing is stored or kept."""
    for body, code in REFUSED:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        answer = await gateway.send(
            "POST", "/device/transactions", content=content, headers=headers
        )
        assert (400, code) == (answer.status_code, answer.json()["code"]), content[:80]
    assert 0 == await api.fetchval(
        "select (select count(*) from vending.ingest_key) + count(*) from vending.dead_letter"
    )


async def test_numbers_of_two_machines_do_not_meet(api: Api, gateway: Caller) -> None:
    """Each machine counts for itself, within a batch and over batches."""
    batch = [sale(5), sale(1, hostname="behind"), sale(6), sale(5, hostname="Behind")]
    answer = await gateway.post("/device/transactions", {"transactions": batch})
    assert told(4, 0, 5) == answer.json()
    synced = await api.services.pool.fetch(
        "select id, revenuetransaction_synced from vending.machine where id <> 81"
    )
    assert {80: 6, 82: 5} == dict(synced)


async def test_a_full_batch_fits(api: Api, gateway: Caller) -> None:
    """500 sales of more than a mebibyte together; beyond two the body is too large."""
    batch = {"transactions": [sale(n, name="é" * 255, token="t" * 128) for n in range(1, 501)]}
    padding = "x" * 2000
    for record in batch["transactions"]:
        record["padding"] = padding
    answer = await gateway.post("/device/transactions", batch)
    assert told(500, 0, 500) == answer.json()
    batch["transactions"][0]["padding"] = "x" * (2 << 20)
    assert 413 == (await gateway.post("/device/transactions", batch)).status_code


async def test_a_place_at_the_time_of_the_report(api: Api, gateway: Caller) -> None:
    """A machine that moves takes along what comes later, and nothing that came before."""
    await gateway.post("/device/transactions", {"transactions": [sale(1)]})
    await api.execute("update vending.machine set location = 3 where id = 80")
    await gateway.post("/device/transactions", {"transactions": [sale(1), sale(2)]})
    assert [(1, 2), (2, 3)] == await rows(api, "revenuetransaction", "remote, location")


# Logs


async def test_logs_know_their_errors(api: Api, gateway: Caller) -> None:
    """The code means what the model's error profile says; extra data may be an object or text."""
    await api.execute(
        "insert into vending.erroridentity (id, machine_type, error, created_at_ms, updated_at_ms)"
        " values (34, 1, 'ED017', 0, 0)"
    )
    await api.execute(
        "insert into vending.errorcode (error_identity, error_profile, code, created_at_ms,"
        " updated_at_ms) values (34, 1, '17', 0, 0)"
    )
    batch = [
        log(1, code="17", extraData={"b": 1, "a": [2]}),
        log(2, code="18", extraData='{"uptime": 67}', type=3),
        log(3, code="17", hostname="behind", extraData="two\nlines"),
    ]
    assert told(3, 0, 2) == (await gateway.post("/device/logs", {"logs": batch})).json()
    assert [
        (1, "17", 34, 1, '{"a":[2],"b":1}', False, None),
        (2, "18", None, 3, '{"uptime": 67}', False, None),
        (3, "17", None, 1, "two\nlines", False, None),
    ] == await rows(
        api, "log", "remote, code, error_identity, type, extra_data, is_resolvable, state"
    )


async def test_a_clearing_log_resolves_the_newest_open_one(api: Api, gateway: Caller) -> None:
    """Of the same code, at or before its time; it is never open itself, whatever it says."""
    at = NOW_S - 1000
    batch = [
        log(1, isResolvable=True, state="set", timestamp=at),
        log(2, isResolvable=True, state="set", timestamp=at + 10),
        log(3, isResolvable=1, code="OTHER", timestamp=at + 11),
        log(4, isResolvable=True, state="clear", timestamp=at + 25),
        log(5, state="clear", code="NEVER", timestamp=at + 26),
    ]
    assert told(5, 0, 5) == (await gateway.post("/device/logs", {"logs": batch})).json()
    assert [
        (1, True, None, None), (2, True, (at + 25) * 1000, 15), (3, True, None, None),
        (4, False, None, None), (5, False, None, None),
    ] == await rows(api, "log", "remote, is_resolvable, resolved_at_ms, duration")  # fmt: skip
    # A report that comes late: log 6 was open when 4 came, so 2 was not the newest.
    late = [log(6, isResolvable=True, timestamp=at + 20)]
    await gateway.post("/device/logs", {"logs": late})
    assert [(1, None), (2, None), (3, None), (4, None), (5, None), (6, 5)] == await rows(
        api, "log", "remote, duration"
    )


# Events


async def test_events_hold_any_value(api: Api, gateway: Caller) -> None:
    """Every JSON value up to 4096 bytes; keys are sorted."""
    values: list[Any] = [
        None,
        False,
        0,
        1.5,
        "x",
        [],
        {"b": {"d": 1, "c": 2}, "a": "\x00"},
        "x" * 4094,
    ]
    batch = [
        {"remote": n, "name": "door", "timestamp": NOW_S, "value": value}
        for n, value in enumerate([*values, "x" * 4095], 1)
    ]
    answer = await gateway.post("/device/iotevents", {"iotevents": batch})
    assert told(8, 0, 9, (8, 9, "invalid_value")) == answer.json()
    stored = [value for (value,) in await rows(api, "iotevent", "value")]
    assert ["null", "false", "0", "1.5", '"x"', "[]"] == stored[:6]
    assert '{"a":"\\u0000","b":{"c":2,"d":1}}' == stored[6]
    absent = {"iotevents": [{"remote": 20, "name": "door", "timestamp": NOW_S}]}
    answer = await gateway.post("/device/iotevents", absent)
    assert told(0, 0, 20, (0, 20, "missing_field")) == answer.json()


async def test_streams_count_apart(api: Api, gateway: Caller) -> None:
    """Sales, logs and events of a machine may have the same numbers."""
    assert (
        told(1, 0, 4)
        == (await gateway.post("/device/transactions", {"transactions": [sale(4)]})).json()
    )
    assert told(1, 0, 4) == (await gateway.post("/device/logs", {"logs": [log(4)]})).json()
    event = {"remote": 4, "name": "door", "value": 1, "timestamp": NOW_S}
    assert told(1, 0, 4) == (await gateway.post("/device/iotevents", {"iotevents": [event]})).json()
    news = (await gateway.post("/device/heartbeat", {})).json()
    assert {"log": 4, "revenuetransaction": 4, "iotevent": 4} == news["cursors"]


# Shifts and integrations


async def test_sales_find_their_shifts(api: Api, gateway: Caller) -> None:
    """First and last sale of a shift by time, also of a closed one; none before the first."""
    at = NOW_S - 600
    await api.execute(
        "insert into vending.shift (id, location, closed_at_ms, created_at_ms, updated_at_ms)"
        " values (1, 2, $1, $2, 0), (2, 2, null, $1, 0)", (at + 100) * 1000, at * 1000,
    )  # fmt: skip
    await api.execute("update vending.location set active_shift = 2 where id = 2")
    for batch in (
        [(10, 50), (11, 99), (12, 100)],
        [(5, -1), (6, 0)],
        [(13, 300)],
    ):
        records = [sale(remote, timestamp=at + after) for remote, after in batch]
        await gateway.post("/device/transactions", {"transactions": records})
    found = await api.services.pool.fetch(
        "select h.id, f.remote, l.remote as last from vending.shift h"
        " join vending.revenuetransaction f on f.id = h.first_transaction"
        " join vending.revenuetransaction l on l.id = h.last_transaction order by 1"
    )
    assert [(1, 6, 11), (2, 12, 13)] == [tuple(row) for row in found]


async def test_sales_make_jobs_for_those_who_see_them(api: Api, gateway: Caller) -> None:
    """One per active integration of a group that sees the place, once however often reported."""
    await api.execute(
        "insert into vending.connector (id, name, url, sealed, created_at_ms, updated_at_ms)"
        " values (12, 'ERP', 'https://example.test', '', 0, 0) on conflict do nothing"
    )
    await api.execute("insert into vending.usergroup_location values (3, 2)")
    for number, (owner, active) in enumerate(
        [(1, True), (2, True), (2, False), (3, True), (4, True)], 1
    ):
        await api.execute(
            "insert into vending.integration (id, owner, connector, name, active, created_at_ms,"
            " updated_at_ms) values ($1, $2, 12, $3, $4, 0, 0)",
            number, owner, f"I{number}", active,
        )  # fmt: skip
    for _ in range(2):
        await gateway.post("/device/transactions", {"transactions": [sale(1), sale(2)]})
    found = await api.services.pool.fetch(
        "select j.integration, s.remote from vending.integrationjob j"
        " join vending.revenuetransaction s on s.id = j.revenuetransaction order by 1, 2"
    )
    assert [(i, r) for i in (1, 2, 4) for r in (1, 2)] == [tuple(row) for row in found]


# Who may call


async def test_who_may_report(api: Api, gateway: Caller) -> None:
    """Devices, by token or by Basic; nobody else, and no device anywhere else."""
    basic = base64.b64encode(b"gw-0080:demo-device-key").decode()
    nora = await api.login("nora")
    for caller, status in (
        (gateway, 200),
        (Caller(api.client, Authorization=f"Basic {basic}"), 200),
        (nora, 403),
        (api.nobody, 401),
        (api.bearer("x.y.z"), 401),
    ):
        assert status == (await caller.post("/device/heartbeat", {})).status_code
        answer = await caller.post("/device/logs", {"logs": [log(1)]})
        assert status == answer.status_code
    for path in ("/user/me", "/machine", "/machine/80"):
        assert 403 == (await gateway.get(path)).status_code
    text = {"Content-Type": "text/plain"}
    answer = await gateway.send("POST", "/device/logs", content=b"x", headers=text)
    assert 415 == answer.status_code
    assert 405 == (await gateway.get("/device/logs")).status_code


# Heartbeat, configuration, assortment


async def test_every_call_of_a_device_is_contact(api: Api, gateway: Caller) -> None:
    """Of the gateway, whatever is called: its own routes and those of vouchers, not a user's."""
    spent = {"deviceId": "gw-0080", "order": {"id": "o1"}}
    calls: tuple[tuple[str, str, Any], ...] = (
        ("POST", "/device/heartbeat", {"hostname": "behind"}),
        ("GET", "/device/config", None),
        ("POST", "/voucher/NONE/redeem", spent),
        ("POST", "/device/logs", {"logs": []}),
    )
    for number, (method, path, body) in enumerate(calls, 1):
        api.clock.advance_ms(31_000)
        await gateway.send(method, path, body)
        await api.services.presence.flush()
        seen = await api.services.pool.fetch("select id, last_seen_ms from vending.machine")
        assert {80: NOW_S * 1000 + number * 31_000, 81: None, 82: None} == dict(seen), path
    api.clock.advance_ms(31_000)
    await (await api.login("nora")).post("/voucher/NONE/redeem", spent)
    await api.services.presence.flush()
    assert api.clock() - 31_000 == await api.fetchval(
        "select max(last_seen_ms) from vending.machine"
    )


async def test_a_heartbeat_tells_the_news(api: Api, gateway: Caller) -> None:
    """Time, versions, cursors and waiting commands; what was said is remembered."""
    assert {
        "time": NOW_S, "commands": 0, "config": 0, "houdini": 0, "assortment": 0,
        "cursors": {"log": 0, "revenuetransaction": 0, "iotevent": 0},
    } == (await gateway.post("/device/heartbeat", {})).json()  # fmt: skip
    await api.execute("update vending.machine set assortment_version = 3 where id = 82")
    await command(api, 82)
    body = {"uptime": 5, "firmware": "1.2", "signal": -70, "hostname": "behind"}
    news = (await gateway.post("/device/heartbeat", body)).json()
    assert (1, 3) == (news["commands"], news["assortment"])
    await gateway.post("/device/heartbeat", {"uptime": 6, "hostname": "behind"})
    said = await api.services.pool.fetch(
        "select machine, uptime, firmware, signal from vending.device_report"
    )
    assert [(82, 6, "1.2", -70)] == [tuple(row) for row in said]


# A body, and how it is refused.
BAD_HEARTBEATS: tuple[tuple[Any, int, str], ...] = (
    ({"hostname": "gw-0081"}, 403, "forbidden"),
    ({"hostname": "nobody"}, 403, "forbidden"),
    ({"uptime": "long"}, 400, "invalid_parameter"),
    ({"nam": 1}, 400, "unknown_field"),
    ([], 400, "invalid_parameter"),
)


async def test_bad_heartbeats(gateway: Caller) -> None:
    """Somebody else's machine is forbidden, existing or not; unknown members are refused."""
    for body, status, code in BAD_HEARTBEATS:
        answer = await gateway.post("/device/heartbeat", body)
        assert (status, code) == (answer.status_code, answer.json()["code"]), body


async def configure(api: Api, text: str) -> None:
    """What a change of a configuration does to the rows."""
    await api.execute(
        "insert into vending.machineconfig (machine, config, apn, created_at_ms, updated_at_ms)"
        " values (80, $1, 'm2m', 0, 0) on conflict (machine) do update set config = $1", text
    )  # fmt: skip
    await api.execute(
        "update vending.machine set config_version = config_version + 1,"
        " config_state = 'scheduled' where id = 80"
    )


async def state(api: Api) -> Any:
    """The state of the configuration of machine 80."""
    return await api.fetchval("select config_state from vending.machine where id = 80")


async def test_a_configuration_is_read_and_acknowledged(api: Api, gateway: Caller) -> None:
    """scheduled, sent, then what the device says about this version; older words do not count."""
    await configure(api, "poll=30")
    read = await gateway.get("/device/config")
    assert (200, '"1"', "sent") == (read.status_code, read.headers["etag"], await state(api))
    assert {
        "version": 1, "config": "poll=30", "houdini": None, "mode": None, "ssid": None,
        "encryption": None, "encryptionKey": None, "apn": "m2m", "sharing": None,
    } == read.json()  # fmt: skip
    same = await gateway.get("/device/config", headers={"If-None-Match": '"7", W/"1"'})
    assert (304, b"") == (same.status_code, same.content)
    await configure(api, "poll=60")
    for told_, answer, after in (
        ({"version": 1, "state": "applied"}, 200, "scheduled"),
        ({"version": 3, "state": "applied"}, 400, "scheduled"),
        ({"version": 2, "state": "broken"}, 400, "scheduled"),
        ({"version": 2, "state": "failed", "message": "no disk"}, 200, "failed"),
        ({"version": 2, "state": "applied"}, 200, "applied"),
        ({"version": 1, "state": "failed"}, 200, "applied"),
    ):
        found = await gateway.post("/device/config/ack", told_)
        assert (answer, after) == (found.status_code, await state(api)), told_
    assert 403 == (await gateway.get("/device/config?hostname=gw-0081")).status_code
    assert 0 == (await gateway.get("/device/config?hostname=behind")).json()["version"]


async def test_an_assortment_is_read_by_version(api: Api, gateway: Caller) -> None:
    """Base products, flavours and extras, until the version changes again."""
    await api.execute("update vending.product set class = 'flavour' where plu = 1001")
    await api.execute("update vending.product set class = 'extra' where plu = 2001")
    read = await gateway.get("/device/assortment")
    found = read.json()
    assert (0, [1, 2], [("Milk", "20")], [2001]) == (
        found["version"],
        [one["plu"] for one in found["baseProducts"]],
        [(one["name"], one["price"]) for one in found["productFlavours"]],
        [one["plu"] for one in found["extraProducts"]],
    )
    assert "base" == found["baseProducts"][0]["type"]
    known = {"If-None-Match": read.headers["etag"]}
    assert 304 == (await gateway.get("/device/assortment", headers=known)).status_code
    await api.execute("update vending.machine set assortment_version = 1 where id = 80")
    assert 200 == (await gateway.get("/device/assortment", headers=known)).status_code
    empty = (await gateway.get("/device/assortment?hostname=behind")).json()
    assert {"version": 0, "baseProducts": [], "productFlavours": [], "extraProducts": []} == empty
    assert 400 == (await gateway.get("/device/assortment?host=behind")).status_code


# Commands


async def command(api: Api, machine: int, expires_s: int = NOW_S + 86_400) -> int:
    """A queued command for a machine."""
    number: int = await api.fetchval(
        "insert into vending.devicecommand (machine, command, params, expires_at_ms, created_at_ms,"
        " updated_at_ms) values ($1, 'reboot', '[5]', $2, 0, 0) returning id",
        machine, expires_s * 1000,
    )  # fmt: skip
    return number


async def test_commands_are_given_once(api: Api, gateway: Caller) -> None:
    """Those of the gateway and of machines behind it, oldest first; no stranger's, none expired."""
    one, other, _, _ = [
        await command(api, 82), await command(api, 80), await command(api, 81),
        await command(api, 80, NOW_S),
    ]  # fmt: skip
    first = await gateway.get("/device/commands?max=1")
    assert [
        {"id": one, "hostname": "behind", "command": "reboot", "params": [5],
         "expiresAt": "2026-03-11T09:00:00Z"}
    ] == first.json()  # fmt: skip
    assert [other] == [told_["id"] for told_ in (await gateway.get("/device/commands")).json()]
    assert [] == (await gateway.get("/device/commands")).json()
    for bad in ("max=0", "max=101", "max=x", "limit=1"):
        assert 400 == (await gateway.get(f"/device/commands?{bad}")).status_code


async def test_a_command_ends_once(api: Api, gateway: Caller) -> None:
    """The same end again is the same answer, another one a conflict."""
    number, strange = await command(api, 80), await command(api, 81)

    async def end(of: Any, body: Any) -> httpx.Response:
        return await gateway.post(f"/device/commands/{of}/result", body)

    done = {"state": "succeeded", "result": "ok"}
    assert 409 == (await end(number, done)).status_code
    await gateway.get("/device/commands")
    for of, body, status in (
        (number, {"state": "delivered"}, 400),
        (number, {}, 400),
        (number, done, 200),
        (number, done, 200),
        (number, {"state": "failed"}, 409),
        (strange, done, 404),
        (999, done, 404),
        ("abc", done, 404),
    ):
        assert status == (await end(of, body)).status_code, (of, body)
    row = await api.services.pool.fetchrow(
        "select state, result, finished_at_ms from vending.devicecommand where id = $1", number
    )
    assert ("succeeded", "ok", NOW_S * 1000) == tuple(row)
