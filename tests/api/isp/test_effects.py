"""What the provider's operations leave behind: the notes of the golden cases, and more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from farebox.domain.attributes import MIKROTIK
from farebox.engine.telling import DELAYS_MS
from farebox.storage.joining import joined
from tests.api.isp.conftest import Provider

Play = Callable[..., Awaitable[None]]
OVERRIDE = {
    "userId": "1", "bandwidthRestriction": "on", "bandwidthReset": "data",
    "bandwidthResetLimit": "50", "bandwidthResetUnitData": "mb", "bandwidthReset2": "always",
    "bandwidthTemplate": "11", "bandwidthTemplate2": "12", "carryForwardPreviousData": "yes",
}  # fmt: skip
WEEKLY = {**OVERRIDE, "bandwidthResetEvery": "weekly", "bandwidthResetEveryValueDay": "0"}
MONTHLY = {**OVERRIDE, "bandwidthResetEvery": "monthly", "bandwidthResetEveryValue": "31"}
MOVE = {
    "userId": "1", "groupId": "6", "type": "moveImmediately", "clearUserDataUsage": "no",
    "clearUserPolicies": "no", "moveBilling": "no",
}  # fmt: skip


@pytest.fixture
def fresh(provider: Provider, loop: asyncio.Runner) -> Iterator[Callable[[Play], None]]:
    """Runs a test's body on the fresh fixture, and sets the clock back behind it."""

    def run(body: Play) -> None:
        async def around() -> None:
            async with provider.fresh() as connection:
                await body(provider, connection)

        loop.run(around())

    now_ms = provider.clock.now_ms
    yield run
    provider.clock.now_ms = now_ms


async def details(provider: Provider, number: int) -> tuple[Any, Any, Any]:
    """User, usage and fixed addresses of E1."""
    user, used, static, _ = (await provider.get(f"get_details/{number}"))["data"]
    return user["User"], used["currentBillingCycleUsage"], static["staticIpMac"]


async def usage(connection: Any, number: int) -> tuple[int, int, int]:
    """Window and use as they are written down."""
    row = await connection.fetchrow(
        "select window_start_ms / 1000, window_end_ms / 1000, upload + download"
        "  from isp.quota_state where subscriber = $1 and kind = 'bandwidth'",
        number,
    )
    return row[0], row[1], row[2]


def test_a_weekly_override_begins_its_own_window(fresh: Any) -> None:
    """What lies before the week's first day is outside."""

    async def body(provider: Provider, connection: Any) -> None:
        await provider.post("override_user_bandwidth", WEEKLY)
        _, used, _ = await details(provider, 1)
        assert ("11", "52428800") == (used["bandwidthTemplateId"], used["dataLimit"])
        assert (1795285800, 1795890600, 0) == await usage(connection, 1)

    fresh(body)


def test_a_monthly_override_counts_what_was_used_before(fresh: Any) -> None:
    """The usage of the new window is added up, and the second speed applies at once."""

    async def body(provider: Provider, connection: Any) -> None:
        await provider.post("override_user_bandwidth", MONTHLY)
        _, used, _ = await details(provider, 1)
        assert "12" == used["bandwidthTemplateId"]
        assert (1793385000, 1795977000, 94371840) == await usage(connection, 1)
        await provider.post("override_user_bandwidth", {"userId": "1"})
        _, used, _ = await details(provider, 1)
        assert ("11", "104857600") == (used["bandwidthTemplateId"], used["dataLimit"])

    fresh(body)


def test_the_same_override_again_changes_nothing(fresh: Any) -> None:
    """Neither figures nor the time of the last change move."""

    async def body(provider: Provider, connection: Any) -> None:
        await provider.post("override_user_bandwidth", WEEKLY)
        before = await connection.fetchrow("select * from isp.quota_state where subscriber = 1")
        provider.clock.advance_ms(60_000)
        await provider.post("override_user_bandwidth", WEEKLY)
        assert before == await connection.fetchrow(
            "select * from isp.quota_state where subscriber = 1"
        )

    fresh(body)


def test_a_move_with_a_clear_forgets_for_good(fresh: Any) -> None:
    """Cleared usage does not come back with another window."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        await provider.post("move_group", {**MOVE, "clearUserDataUsage": "yes"})
        user, used, _ = await details(provider, 1)
        assert ("6", "100", 0) == (
            user["groupId"], used["bandwidthTemplateId"], used["totalDataUsage"],
        )  # fmt: skip
        await provider.post("override_user_bandwidth", MONTHLY)
        _, used, _ = await details(provider, 1)
        assert ("11", 0) == (used["bandwidthTemplateId"], used["totalDataUsage"])
        told = await provider.post("get_renewal_details", {"userId": "1"})
        line = told["message"][0]["RenewalDetails"]
        assert ("3", "5", "6") == (
            line["type"], line["previous_group_id"], line["present_group_id"],
        )  # fmt: skip

    fresh(body)


def test_a_later_move_is_seen_when_its_day_has_come(fresh: Any) -> None:
    """Scheduled, repeated without effect, applied as at its own instant by whoever calls next."""

    async def body(provider: Provider, connection: Any) -> None:
        later = {**MOVE, "type": "customDate", "customDateTo": "2026-11-24"}
        for _ in range(2):
            told = await provider.post("move_group", later)
            assert "The User testuser Moved" == told["message"]
        assert 1 == await connection.fetchval("select count(*) from isp.scheduled_move")
        assert "5" == (await details(provider, 1))[0]["groupId"]
        provider.clock.set("2026-11-24T09:00:00+05:30")
        assert "6" == (await details(provider, 1))[0]["groupId"]
        since = await connection.fetchval("select group_since_ms from isp.subscriber where id = 1")
        assert 1795458600000 == since

    fresh(body)


def test_moved_billing_begins_a_cycle(fresh: Any) -> None:
    """Now, or at the start of the present cycle."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        back = {**MOVE, "type": "previousBillingCycle", "moveBilling": "yes"}
        await provider.post("move_group", back)
        _, used, _ = await details(provider, 1)
        assert ("2026-11-04 00:00:00", "2026-12-04 00:00:00") == (
            used["billingStartDate"], used["billingEndDate"],
        )  # fmt: skip
        await provider.post("move_group", {**MOVE, "groupId": "5", "moveBilling": "yes"})
        _, used, _ = await details(provider, 1)
        assert ("2026-11-22 10:00:00", "2026-12-22 10:00:00", 0) == (
            used["billingStartDate"], used["billingEndDate"], used["totalDataUsage"],
        )  # fmt: skip

    fresh(body)


GRACE = (
    ({"days": "1"}, "2026-11-23 10:00:00"),
    ({"days": "3", "expiryDate": "25-11-2026"}, "2026-11-28 00:00:00"),
)


@pytest.mark.parametrize(("form", "expires"), GRACE)
def test_days_of_grace(fresh: Any, form: dict[str, str], expires: str) -> None:
    """Counted from now for who has expired, from a given date at the expiry's wall time."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        await provider.post("add_grace_period", {"userId": "199", **form})
        user, _, _ = await details(provider, 199)
        assert (expires, "active") == (user["expirationTime"], user["status"])

    fresh(body)


RELEASED = (
    ({"whichIpMacRow": "0", "toRemove": "ip"}, [(None, "64:27:37:AF:E3:4D"), ("10.0.0.12", None)]),
    ({"whichIpMacRow": "1"}, [("10.0.0.10", "64:27:37:AF:E3:4D")]),
    ({"whichIpMacRow": "1", "toRemove": "mac"},
     [("10.0.0.10", "64:27:37:AF:E3:4D"), ("10.0.0.12", None)]),
)  # fmt: skip


@pytest.mark.parametrize(("form", "left"), RELEASED)
def test_released_addresses(fresh: Any, form: dict[str, str], left: list[Any]) -> None:
    """A row of nothing is gone; releasing nothing changes nothing."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        await provider.post("release_ip_mac", {"userId": "1", **form})
        _, _, static = await details(provider, 1)
        assert left == [(row["staticIpAddress"], row["staticIpBoundMac"]) for row in static]

    fresh(body)


def test_a_deleted_subscriber_is_nowhere(fresh: Any) -> None:
    """Not found by any call; his name and number are free; his history stays."""

    async def body(provider: Provider, connection: Any) -> None:
        await provider.get("delete_user/133/yes")
        assert "user_not_found" == (await provider.get("get_details/133"))["error"]
        found = await provider.post("get_users_by_phone", {"phone": "9999999999"})
        assert "344,361,17766" == found["success"]
        gone = {"phone": "9999999999", "status": "deleted"}
        assert "133" == (await provider.post("get_users_by_phone", gone))["success"]
        owed = await connection.fetchval(
            "select sum(amount_thousandths) from isp.ledger_entry where subscriber = 133"
        )
        assert 0 == owed
        state = await connection.fetchval("select state from isp.payment_collection where id = 88")
        assert "disapproved" == state

    fresh(body)


def test_a_collection_is_credited_once(fresh: Any) -> None:
    """A visit changes no balance, an approval does; a repeated key answers and does not act."""

    async def body(provider: Provider, connection: Any) -> None:
        async def owed() -> int:
            found: int = await connection.fetchval(
                "select sum(amount_thousandths)::bigint from isp.ledger_entry"
                " where subscriber = 133"
            )
            return found

        visit = {
            "userId": "133", "amount": "250.5", "statusOfCollection": "cashCollected",
            "method": "cash",
        }  # fmt: skip
        repeat = {"Idempotency-Key": "one"}
        for _ in range(2):
            told = await provider.post("collect_user_payment", visit, headers=repeat)
            assert "Payment Collected Successfully" == told["message"]
        other = await provider.post(
            "collect_user_payment", {**visit, "amount": "1"}, headers=repeat
        )
        assert "idempotency_mismatch" == other["error"]
        assert 3_789_004 == await owed()
        waiting = (await provider.post("get_collection_approval_users"))["data"][0]
        amounts = [row["PaymentCollectionMode"]["amount"] for row in waiting]
        assert ["10", "10", "250.5"] == amounts
        approval = {"userId": "133", "amount": "10", "modelId": "88"}
        await provider.post("collection_approval", approval)
        await provider.post("collection_approval", approval)
        assert 3_779_004 == await owed()

    fresh(body)


CHEQUE = {
    "userId": "133", "amount": "5", "statusOfCollection": "cashCollected", "method": "cheque",
    "bank": "First", "chequeNumber": "0042", "chequeDate": "2026-11-20",
}  # fmt: skip
CARD = {
    "userId": "133", "amount": "5", "statusOfCollection": "cashCollected", "method": "creditCard",
    "cardNumber": "4111 1111 1111 1111", "cardExpiration": "12/27",
}  # fmt: skip
VISITS = (
    (CHEQUE, None),
    ({**CARD, "cardNumber": "4111111111111112"}, "invalid_argument"),
    ({**CARD, "cardExpiration": "10/26"}, "invalid_argument"),
    ({**CARD, "cardExpiration": "13/27"}, "invalid_argument"),
    ({**CARD, "adminId": "8"}, "admin_not_found"),
    (CARD, None),
)


def test_visits_are_checked(fresh: Any) -> None:
    """A cheque comes once; of a card four digits stay."""

    async def body(provider: Provider, connection: Any) -> None:
        for form, reason in VISITS:
            told = await provider.post("collect_user_payment", form)
            assert reason == told.get("error"), told
        again = await provider.post("collect_user_payment", CHEQUE)
        assert "duplicate_cheque" == again["error"]
        rows = await connection.fetch(
            "select card_last4, card_expiration from isp.payment_collection where card_last4 <> ''"
        )
        assert [("1111", "12/2027")] == [tuple(row) for row in rows]

    fresh(body)


async def work(provider: Provider) -> int:
    """Has the network told what is due; how many jobs that were."""
    provider.simulators.seen["nas"].clear()
    told: int = await provider.api.services.provider.telling.drain()
    return told


def test_the_network_learns_another_speed(fresh: Any) -> None:
    """One request with the speed in the vendor's words; none for the same again."""

    async def body(provider: Provider, connection: Any) -> None:
        for _ in range(2):
            await provider.post("override_user_bandwidth", MONTHLY)
        assert 1 == await work(provider)
        [(code, contents)] = provider.simulators.seen["nas"]
        assert 43 == code
        limit = b"512000/512000 0 0 0 0 512000/512000"
        assert (MIKROTIK, 8, limit) in contents
        assert 12 == await connection.fetchval("select max(applied_template) from isp.session")
        await provider.post("override_user_bandwidth", {"userId": "1"})
        assert 1 == await work(provider)
        assert 11 == await connection.fetchval("select max(applied_template) from isp.session")
        assert 0 == await connection.fetchval("select count(*) from isp.switch")

    fresh(body)


def test_a_switch_that_is_no_longer_needed_is_not_sent(fresh: Any) -> None:
    """The job works out anew what applies."""

    async def body(provider: Provider, connection: Any) -> None:
        await provider.post("override_user_bandwidth", MONTHLY)
        await provider.post("override_user_bandwidth", {"userId": "1"})
        assert 1 == await work(provider)
        assert 0 == len(provider.simulators.seen["nas"])

    fresh(body)


async def jobs(connection: Any) -> list[tuple[str, str | None]]:
    """State and fault of the jobs about the network, oldest first."""
    rows = await connection.fetch(
        "select state, error from farebox.outbox where kind like 'isp.%' and kind <> 'isp.notice'"
        " order by id"
    )
    return [tuple(row) for row in rows]


async def outcomes(connection: Any) -> list[tuple[str, str]]:
    """What the audit log says of requests to devices."""
    rows = await connection.fetch(
        "select operation, outcome from isp.audit where credential = '' order by id"
    )
    return [tuple(row) for row in rows]


def test_a_silent_device_is_asked_again(fresh: Any) -> None:
    """With growing delays; after the last the job ends visibly, and the switch may open anew."""

    async def body(provider: Provider, connection: Any) -> None:
        provider.simulators.behaviour["nas"] = "silent"
        await provider.post("override_user_bandwidth", MONTHLY)
        for delay_ms in DELAYS_MS:
            assert (1, 0) == (await work(provider), await work(provider))
            provider.clock.advance_ms(delay_ms + 60_000)
            # It is heard of all the while, as accounting goes another way.
            await connection.execute(
                "update isp.session set updated_at_ms = $1", provider.clock.now_ms
            )
        assert 1 == await connection.fetchval("select count(*) from isp.switch")
        assert 1 == await work(provider)
        assert 0 == await connection.fetchval("select count(*) from isp.switch")
        assert [("dead", "the device did not answer in any of the attempts")] == await jobs(
            connection
        )
        assert [("isp.switch", "timeout")] * 6 == await outcomes(connection)
        provider.simulators.behaviour["nas"] = "ack"
        await provider.call("POST", "/isp/admin/fup/evaluate", cred="t-root", json={})
        assert 1 == await work(provider)
        assert 12 == await connection.fetchval("select max(applied_template) from isp.session")

    fresh(body)


REFUSALS = (
    # What the account wants, the cause, then the kinds of jobs that end and what is noted.
    (False, 401, [("done", "nak 401")], [("isp.switch", "nak 401")]),
    (True, 401, [("done", "nak 401"), ("done", "nak 401")],
     [("isp.switch", "nak 401"), ("isp.disconnect", "nak 401")]),
    (True, 404, [("done", "nak 404")], [("isp.switch", "nak 404")]),
    (True, 503, [("done", "nak 503")], [("isp.switch", "nak 503")]),
)  # fmt: skip


@pytest.mark.parametrize(("falls_back", "cause", "ends", "noted"), REFUSALS)
def test_a_refusal_is_not_tried_again(
    fresh: Any, falls_back: bool, cause: int, ends: list[Any], noted: list[Any]
) -> None:
    """What is unsupported ends the session where the account wants it; the switch closes."""

    async def body(provider: Provider, connection: Any) -> None:
        await connection.execute("update isp.account set coa_fallback_disconnect = $1", falls_back)
        provider.simulators.behaviour["nas"] = f"nak {cause}"
        await provider.post("override_user_bandwidth", MONTHLY)
        assert len(ends) == await work(provider)
        assert (ends, noted) == (await jobs(connection), await outcomes(connection))
        assert 0 == await connection.fetchval("select count(*) from isp.switch")
        row = await connection.fetchrow(
            "select applied_template, stopped_at_ms is null from isp.session where acct_session_id"
            " = '8ab937'"
        )
        assert (11, cause != 503) == tuple(row)

    fresh(body)


def test_what_changes_meanwhile_is_told_too(fresh: Any) -> None:
    """A change while the device is asked finds the switch open; the same job tells it, too."""

    async def body(provider: Provider, connection: Any) -> None:
        network = provider.api.services.provider.network
        ask, told = network.ask, []

        async def slowly(session: Any, code: int, contents: Any) -> Any:
            told.append(contents)
            if len(told) == 1:
                with joined(connection):
                    await provider.post("override_user_bandwidth", {"userId": "1"})
            return await ask(session, code, contents)

        network.ask = slowly
        try:
            await provider.post("override_user_bandwidth", MONTHLY)
            assert 2 == await work(provider)
        finally:
            network.ask = ask
        slow, fast = (contents[0][2] for contents in told)
        assert (b"512000/512000", b"4048000/4048000") == (slow[:13], fast[:15])
        assert 11 == await connection.fetchval("select max(applied_template) from isp.session")
        assert [("done", None)] == await jobs(connection)

    fresh(body)


def test_attributes_of_one_subscriber_are_sent(fresh: Any) -> None:
    """Those that are replies, and not what is only checked."""

    async def body(provider: Provider, connection: Any) -> None:
        attribute = {"vendor": "Mikrotik", "attribute": "Mikrotik-Address-List", "equals": ":="}
        data = [
            {**attribute, "type": "reply", "value": "slow"},
            {**attribute, "type": "check", "value": "never"},
        ]
        call = {"userId": 1, "vendorRestriction": "on", "vendorReset": "always"}
        await provider.post("override_user_vendor_attributes", json={**call, "vendorData": data})
        assert 1 == await work(provider)
        [(_, contents)] = provider.simulators.seen["nas"]
        assert [b"slow"] == [value for vendor, _, value in contents if vendor == MIKROTIK]

    fresh(body)


def test_a_deleted_subscriber_is_disconnected(fresh: Any) -> None:
    """His open session is ended by its device, after the fact."""

    async def body(provider: Provider, connection: Any) -> None:
        await provider.get("delete_user/1")
        assert 1 == await work(provider)
        [(code, contents)] = provider.simulators.seen["nas"]
        assert (40, True) == (code, (0, 44, b"8ab937") in contents)
        open_ = "select count(*) from isp.session where stopped_at_ms is null"
        assert 0 == await connection.fetchval(open_)

    fresh(body)


def test_a_session_is_asked_to_change(fresh: Any) -> None:
    """The device hears who, which session and what, signed."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        provider.simulators.seen["nas"].clear()
        form = {"userId": "1", "vendorData[0][attribute]": "Mikrotik-Rate-Limit",
                "vendorData[0][value]": "1M/1M"}  # fmt: skip
        assert ["TRUE"] == (await provider.post("coa_request", form))["message"]
        [(code, contents)] = provider.simulators.seen["nas"]
        assert 43 == code
        assert {(0, 1, b"testuser"), (0, 44, b"8ab937"), (MIKROTIK, 8, b"1M/1M")} < set(contents)

    fresh(body)


def test_a_session_its_device_forgot_is_closed(fresh: Any) -> None:
    """NAK with Error-Cause 503 ends our record of the session."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        provider.simulators.behaviour["nas"] = "nak 503"
        data = [{"attribute": "Mikrotik-Rate-Limit", "value": "1M/1M"}]
        call = {"userId": 1, "vendorData": data}
        for expected in ("coa_rejected", "user_offline"):
            assert expected == (await provider.post("coa_request", json=call))["error"]

    fresh(body)


def test_messages_say_what_the_document_says(fresh: Any) -> None:
    """The text that the gateway gets, and what the log shows of it."""

    async def body(provider: Provider, connection: Any) -> None:
        del connection
        texts = provider.simulators.seen["sms"]
        texts.clear()
        await provider.post("send_sms_to_user", {"userId": "471", "templateName": "validityExpire"})
        assert "Your validity expires in 27 days." in texts[-1]
        grant = {"userId": "471", "templateName": "grantAccess", "grantAccessType": "PPPoE"}
        await provider.post("send_sms_to_user", grant)
        assert "Password: testpay" in texts[-1]
        for cred, shown in (("t-test", "Password: ********"), ("t-root", "Password: testpay")):
            log = (await provider.get("get_user_logs/471", cred=cred))["message"]
            assert 3 == len(log)
            assert shown in log[-1]["content"]
            assert "202" == log[-1]["status_code"]

    fresh(body)


def test_a_gateway_that_refuses_or_is_silent(fresh: Any) -> None:
    """A refusal is told; what may pass by itself counts as queued and is tried again."""

    async def body(provider: Provider, connection: Any) -> None:
        form = {"userId": "471", "templateName": "userBalance"}
        provider.simulators.behaviour["sms"] = "reject 422"
        assert "gateway_rejected" == (await provider.post("send_sms_to_user", form))["error"]
        provider.simulators.behaviour["sms"] = "reject 503"
        assert "success" == (await provider.post("send_sms_to_user", form))["status"]
        codes = await connection.fetch(
            "select status_code from isp.notification where id > 1 order by id"
        )
        assert ["422", "502"] == [row[0] for row in codes]
        jobs = "select count(*) from farebox.outbox where kind = 'isp.notice'"
        assert 3 == await connection.fetchval(jobs)

    fresh(body)


def test_recovered_credentials_go_to_the_stored_contact(fresh: Any) -> None:
    """By mail, with the password; and three times in an hour at most."""

    async def body(provider: Provider, connection: Any) -> None:
        await connection.execute("update isp.subscriber set email = 'Me@x.test' where id = 471")
        for status in (200, 200, 200, 429):
            told = await provider.call(
                "POST", "/isp/api/v1/recover_password", data={"email": "me@X.test"}
            )
            assert status == told.status_code
        assert "Password: testpay" in provider.simulators.seen["smtp"][-1]
        assert "To: Me@x.test" in provider.simulators.seen["smtp"][-1]

    fresh(body)


def test_changes_leave_an_entry(fresh: Any) -> None:
    """Success and refusal are in the audit log, readings are not."""

    async def body(provider: Provider, connection: Any) -> None:
        last = await connection.fetchval("select coalesce(max(id), 0) from isp.audit")
        await provider.get("get_all_user_ids")
        await provider.get("get_user_password/1", cred="t-root")
        await provider.post("add_area", {"areaName": "ptc"})
        rows = await connection.fetch(
            "select credential, operation, target, outcome from isp.audit where id > $1"
            " order by id",
            last,
        )
        assert [
            ("t-root", "ISP-E11", "1", "success"),
            ("t-test", "ISP-E15-ADD", "", "duplicate_name"),
        ] == [tuple(row) for row in rows]

    fresh(body)
