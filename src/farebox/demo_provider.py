"""The demonstration's internet provider: the fixture of isp.md 5.1, kept as the document has it.

`load_provider` writes `demo_provider.json` into an empty schema and changes nothing where its
accounts already are; it refuses a database that holds anybody else's accounts, because the keys are
public. Naive times of the fixture are wall clocks of Asia/Kolkata.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.domain import thousandths, wall_clocks
from farebox.domain.cycles import end_of_first
from farebox.domain.errors import ConflictError
from farebox.domain.quotas import policy_of
from farebox.engine.attempts import Restraint
from farebox.engine.credentials import FAILURES, Credentials
from farebox.engine.provider import PURPOSE
from farebox.engine.sealing import Sealer, about
from farebox.locks import LocalAttempts
from farebox.outbound.simulators import SECRET
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
FIXTURE: Final[Mapping[str, Any]] = msgspec.json.decode(
    Path(__file__).with_suffix(".json").read_bytes()
)
KEYS: Final = {one["apiToken"]: one["apiKey"] for one in FIXTURE["credentials"]}
_ZONE: Final = "Asia/Kolkata"
_TEXTS: Final = (
    "name", "last_name", "phone", "alt_phone", "email", "address_line1", "address_line2",
    "address_city", "address_pin", "address_state", "comments", "type",
)  # fmt: skip
# Port 0 is the simulator's, whichever it has got.
_GATEWAY: Final = msgspec.json.encode({
    "url": "http://127.0.0.1:0/sms",
    "headers": {"Content-Type": "application/json"},
    "body": '{"to":"{number}","text":"{text}","id":"{messageId}"}',
})  # fmt: skip
_SMTP: Final = b"smtp://127.0.0.1:0?starttls=never"


async def load_provider(pool: Pool, clock: Callable[[], int], by_kid: Mapping[str, str]) -> None:
    """Writes the fixture once; ConflictError where the database holds other accounts."""
    sealer = Sealer(by_kid, PURPOSE)
    restraint = Restraint(LocalAttempts(*FAILURES))
    credentials = Credentials(pool, clock, sealer, restraint)
    async with transaction(pool) as connection:
        known = {row["id"] for row in await connection.fetch(SQL.accounts)}
        if known - {one["accountId"] for one in FIXTURE["accounts"]}:
            raise ConflictError(
                "this database holds accounts of its own; the demonstration has public keys",
                code="not_empty",
            )
        if known:
            return
        writer = _Writer(connection, clock(), sealer)
        await writer.catalogue()
        for one in FIXTURE["credentials"]:
            await credentials.add(
                connection, one["accountId"], one["apiToken"], one["scopes"], one["apiKey"]
            )
        await writer.network()
        for user in FIXTURE["users"]:
            await writer.user(user)
        await writer.history()
        await connection.execute(SQL.move_sequences)


class _Writer:
    """Writes the parts of the fixture in one transaction."""

    def __init__(self, connection: Connection, now_ms: int, sealer: Sealer) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._sealer = sealer

    async def _each(self, statement: str, *rows: Any) -> None:
        await self._connection.executemany(statement, rows)

    async def catalogue(self) -> None:
        """Accounts and what they sell and where."""
        given, now_ms = FIXTURE, self._now_ms
        await self._each(SQL.add_account, *(
            (one["accountId"], one["parent"], one["timezone"], one["currency"],
             one.get("countryCode", ""), now_ms)
            for one in given["accounts"]
        ))  # fmt: skip
        await self._each(SQL.add_template, *(
            (one["id"], one["accountId"], one["name"], one["upKbps"], one["downKbps"])
            for one in given["bandwidthTemplates"]
        ))  # fmt: skip
        await self._each(SQL.add_profile, *(
            (one["id"], one["accountId"], one["name"],
             msgspec.to_builtins(policy_of("bandwidth", one["policy"])), 0)
            for one in given["profiles"]
        ))  # fmt: skip
        await self._each(SQL.add_group, *(
            (one["id"], one["accountId"], one["name"], one["profileId"])
            for one in given["groups"]
        ))  # fmt: skip
        await self._each(
            SQL.add_area, *((one["id"], one["accountId"], one["area"]) for one in given["areas"])
        )
        await self._each(
            SQL.add_street, *((one["id"], one["areaId"], one["street"]) for one in given["streets"])
        )
        await self._each(
            SQL.add_block, *((one["id"], one["streetId"], one["block"]) for one in given["blocks"])
        )
        await self._each(
            SQL.add_admin,
            *((one["id"], one["accountId"], one["username"]) for one in given["admins"]),
        )

    async def network(self) -> None:
        """Devices; what they answer is a simulator's business."""
        for one in FIXTURE["nas"]:
            sealed = self._sealer.seal(SECRET, about(one["accountId"], "nas", one["id"]))
            await self._connection.execute(
                SQL.add_nas, one["id"], one["accountId"], one["ip"], one["vendor"], sealed
            )
        for number, one in enumerate(FIXTURE["radiusServers"], 1):
            sealed = self._sealer.seal(SECRET, about(one["accountId"], "radius", number))
            await self._connection.execute(
                SQL.add_server, number, one["accountId"], one["host"], sealed
            )
        for kind, name, statement, secret in (
            ("sms_gateway", "smsGateway", SQL.add_gateway, _GATEWAY),
            ("smtp_server", "smtp", SQL.add_smtp, _SMTP),
        ):
            account = FIXTURE[name]["accountId"]
            sealed = self._sealer.seal(secret, about(account, kind, 0))
            await self._connection.execute(statement, account, sealed)

    async def user(self, given: Mapping[str, Any]) -> None:
        """A subscriber with everything that belongs to him."""
        created_ms = _ms(given["createdTime"])
        number, account, sealed = given["id"], given["accountId"], None
        if "password" in given:
            about_it = about(account, "password", number)
            sealed = self._sealer.seal(given["password"].encode(), about_it)
        texts = {name: given.get(name, "") for name in _TEXTS}
        await self._connection.execute(
            SQL.add_subscriber, number, account, given["username"], given["groupId"],
            given["status"], texts, given.get("person_title"), given.get("company_name"),
            given.get("billing_id"), sealed, _ms(given.get("activationTime")) or created_ms,
            created_ms, _ms(given["modified"]), _ms(given.get("expirationTime")),
        )  # fmt: skip
        await self._belongings(number, account, given)
        await self._traffic(number, account, given)

    async def _belongings(self, number: int, account: str, given: Mapping[str, Any]) -> None:
        where = given.get("location")
        if where:
            await self._connection.execute(
                SQL.add_location, number, where.get("latitude"), where.get("longitude"),
                where.get("areaId"), where.get("streetId"), where.get("blockId"),
            )  # fmt: skip
        for row in given.get("staticIpMac", ()):
            ip, mac = row["staticIpAddress"], row["staticIpBoundMac"]
            await self._connection.execute(SQL.add_static, account, number, ip, mac)
        if given.get("balance"):
            owed = thousandths.parse(given["balance"])
            await self._connection.execute(SQL.add_charge, number, owed, self._now_ms)
        if "assignedTo" in given:
            await self._connection.execute(SQL.assign, number, given["assignedTo"], self._now_ms)

    async def _traffic(self, number: int, account: str, given: Mapping[str, Any]) -> None:
        used = given.get("usage", {"upload": 0, "download": 0})
        if "day" in used:
            await self._connection.execute(
                SQL.add_usage, number, date.fromisoformat(used["day"]), used["upload"],
                used["download"],
            )  # fmt: skip
        if "billing" in given:
            cycle, start_ms = given["billing"], _ms(given["billing"]["start"])
            end_ms = _cycle_end(cycle["type"], start_ms, _ms(given.get("expirationTime")))
            await self._connection.execute(
                SQL.add_cycle, number, start_ms, end_ms, cycle["type"], used["upload"],
                used["download"],
            )  # fmt: skip
        if "openSession" in given:
            session = given["openSession"]
            await self._connection.execute(
                SQL.add_session, account, session["nas"], session["sessionId"], number,
                _ms(session["start"]), self._now_ms, None, given["applied"],
            )  # fmt: skip
        if "lastSessionStop" in given:
            stop_ms = _ms(given["lastSessionStop"])
            await self._connection.execute(
                SQL.add_session, account, None, "ended", number, stop_ms - 3_600_000, stop_ms,
                stop_ms, 0,
            )  # fmt: skip

    async def history(self) -> None:
        """Collections, renewals, messages and tickets."""
        for one in FIXTURE["paymentCollections"]:
            await self._connection.execute(
                SQL.add_collection, one["id"], one["userId"], one["adminId"],
                thousandths.parse(one["amount"]), one["state"], _ms(one["createDatetime"]),
            )  # fmt: skip
        for one in FIXTURE["renewals"]:
            await self._connection.execute(
                SQL.add_renewal, one["id"], one["user_id"], one["admin_username"],
                one["renewal_days"], thousandths.parse(one["renewal_amount"]), one["type"],
                int(one["previous_group_id"]), int(one["present_group_id"]), one["order_id"],
                _ms(one["order_active_until"]), date.fromisoformat(one["active_since"]),
                date.fromisoformat(one["active_until"]), one["notes"], _ms(one["date_created"]),
            )  # fmt: skip
        for number, one in enumerate(FIXTURE["smsLogs"], 1):
            account = await self._connection.fetchval(SQL.account_of, one["userId"])
            sealed = self._sealer.seal(
                msgspec.json.encode(one["secrets"]), about(account, "notification", number)
            )
            await self._connection.execute(
                SQL.add_message, number, one["userId"], one["number"], one["content"], sealed,
                one["status_code"], one["error_message"], _ms(one["date_created"]),
            )  # fmt: skip
        for one in FIXTURE["tickets"]:
            await self._connection.execute(SQL.add_ticket, one["id"], one["userId"], self._now_ms)


def _ms(wall: str | None) -> Any:
    return None if wall is None else wall_clocks.instant(datetime.fromisoformat(wall), _ZONE)


def _cycle_end(reset_type: str, start_ms: int, expires_ms: int | None) -> int | None:
    return end_of_first(reset_type, start_ms, expires_ms, _ZONE)
