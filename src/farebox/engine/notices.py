"""Messages to subscribers: written down, sent at once, sent again (isp.md 4.8, E32, E33, E38, E40).

A message and the job that sends it are written in one transaction. The caller's process tries at
once, for five seconds at most; the job is due a little later and finds the message sent, or tries
again with growing delays until it gives up. So nothing is sent twice at the same time and nothing
is lost with a process; a gateway may see a message twice after a crash. Secrets are sealed apart
from the text.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from farebox.domain import notices
from farebox.domain.errors import InvalidError, UnavailableError
from farebox.engine.credentials import Account
from farebox.engine.passwords_kept import unseal
from farebox.engine.sealing import Sealer, about
from farebox.outbound.mail import Mailer
from farebox.outbound.reach import Reach, RefusedError
from farebox.outbound.sms import Gateway, Sms
from farebox.storage import outbox
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
JOB: Final = "isp.notice"
TRY_S: Final = 5.0
# After the first attempt has surely ended.
FIRST_JOB_MS: Final = 10_000
DELAYS_MS: Final = (30_000, 120_000, 600_000, 3_600_000)
PENDING, SENT, WAITING, ABORTED, FAILED = "201", "202", "502", "505", "400"
_TEST: Final = "This is a test."
_TOLD: Final = {"sms": "Sms is dispatched successfully", "email": "Email is sent successfully"}

# Written in the transaction of messages; told whom they go to, or how many they are.
Beside = Callable[[Connection, object], Awaitable[None]]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A message to somebody; `secrets` are the values of its open places."""

    subscriber: int
    recipient: str
    content: str
    subject: str = ""
    secrets: Mapping[str, str] = {}


class Notices:
    """Writes, sends and shows messages."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], moving: Callable[[], int], sealer: Sealer,
        sms: Sms, simulators: Mapping[str, int], reach: Reach,
    ) -> None:  # fmt: skip
        """`moving` is the clock of jobs, which goes on where `clock` stands still.

        Mail servers are where connections may go by `reach`.
        """
        self._pool = pool
        self._clock = clock
        self._moving = moving
        self._sealer = sealer
        self._sms = sms
        self._simulators = simulators
        self._reach = reach

    async def require(self, account: str, channel: str) -> None:
        """UnavailableError unless the account, or one above it, can send."""
        async with storage_errors():
            found = await self._pool.fetchrow(SQL.sender, account, channel)
        if found is None:
            raise UnavailableError(f"There is no {channel} server", f"{channel}_not_configured")

    async def text(self, account: str, channel: str, name: str) -> tuple[str, str]:
        """Subject and text of a template: the nearest account's, else the built-in one."""
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.template, account, channel, name)
        if row is not None:
            return row["subject"], row["body"]
        return ("", notices.SMS[name]) if channel == "sms" else notices.EMAIL[name]

    async def put(self, connection: Connection, account: str, channel: str, notice: Notice) -> int:
        """Writes a message and its job in the caller's transaction."""
        number: int = await connection.fetchval(
            SQL.add, account, notice.subscriber, channel, notice.recipient, notice.subject,
            notice.content, self._clock(),
        )  # fmt: skip
        if notice.secrets:
            plain = msgspec.json.encode(dict(notice.secrets))
            sealed = self._sealer.seal(plain, about(account, "notification", number))
            await connection.execute(SQL.keep_secrets, number, sealed)
        now_ms = self._moving()
        await outbox.put(connection, JOB, {"notice": number}, now_ms, at_ms=now_ms + FIRST_JOB_MS)
        return number

    async def send(
        self, account: Account, channel: str, notice: Notice, beside: Beside | None = None
    ) -> str:
        """Writes a message, and what is beside it, and tries at once: what became of it.

        InvalidError when it was refused.
        """
        async with transaction(self._pool) as connection:
            number = await self.put(connection, account.id, channel, notice)
            if beside is not None:
                await beside(connection, notice.recipient)
        code, reason = await self._attempt(number)
        if code not in (PENDING, SENT, WAITING):
            raise InvalidError(reason, "gateway_rejected")
        return code

    async def test(self, account: str, channel: str, recipient: str) -> tuple[str, str]:
        """Sends something to somebody without a trace: what became of it."""
        await self.require(account, channel)
        row = {
            "id": 0, "account": account, "channel": channel, "recipient": recipient,
            "subject": _TEST, "content": _TEST, "secrets_sealed": None,
        }  # fmt: skip
        return await self._outcome(row)

    async def run(self, payload: dict[str, Any], attempt: int) -> None:
        """The job of a message that the first attempt has not settled."""
        del attempt
        await self._attempt(payload["notice"])

    async def _attempt(self, number: int) -> tuple[str, str]:
        """Tries to send; the state that follows and its reason."""
        async with storage_errors():
            row = await self._pool.fetchrow(SQL.open, number)
        if row is None:
            return SENT, ""
        code, reason = await self._outcome(row)
        attempts = row["attempts"] + 1
        if code == WAITING and attempts > len(DELAYS_MS):
            code = ABORTED
        async with transaction(self._pool) as connection:
            is_new = await connection.fetchval(
                SQL.settle, number, code, reason[:500], row["attempts"]
            )
            if is_new and code == WAITING:
                now_ms = self._moving()
                due_ms = now_ms + DELAYS_MS[attempts - 1]
                await outbox.put(connection, JOB, {"notice": number}, now_ms, at_ms=due_ms)
        return code, reason

    async def _outcome(self, row: Any) -> tuple[str, str]:
        try:
            async with asyncio.timeout(TRY_S):
                await self._hand_over(row)
        except RefusedError as refused:
            return _code(refused.status), refused.message
        except InvalidError as refused:
            return FAILED, refused.message
        except (UnavailableError, TimeoutError) as failed:
            return WAITING, str(failed) or "no answer in time"
        return SENT, _TOLD[row["channel"]]

    async def _hand_over(self, row: Any) -> None:
        async with storage_errors():
            sender = await self._pool.fetchrow(SQL.sender, row["account"], row["channel"])
        if sender is None:
            raise UnavailableError("There is no server to send through")
        kind = "sms_gateway" if row["channel"] == "sms" else "smtp_server"
        secret = unseal(self._sealer, sender["account"], kind, 0, sender["sealed"])
        text = notices.fill(row["content"], self._secrets(row))
        if row["channel"] == "email":
            url = secret.replace(":0?", f":{self._simulators.get('smtp', 0)}?")
            mailer = Mailer(
                url, sender["settings"]["from"], self._clock, timeout_s=TRY_S, reach=self._reach
            )
            name = f"farebox-isp-{row['id']}"
            await mailer.send(row["recipient"], row["subject"], text, name=name)
            return
        given = msgspec.json.decode(secret)
        given["url"] = given["url"].replace(":0/", f":{self._simulators.get('sms', 0)}/")
        values = {
            "number": row["recipient"], "text": text, "messageId": str(row["id"]),
            "sender": sender["settings"].get("sender", ""),
        }  # fmt: skip
        await self._sms.send(msgspec.convert(given, Gateway), values)

    def _secrets(self, row: Any) -> dict[str, str]:
        sealed = row["secrets_sealed"]
        if sealed is None:
            return {}
        plain = unseal(self._sealer, row["account"], "notification", row["id"], sealed)
        found: dict[str, str] = msgspec.json.decode(plain, type=dict[str, str])
        return found

    async def log(self, number: int, channel: str, *, shows_secrets: bool) -> list[Any]:
        """The newest messages to somebody, oldest first, each with its text filled or masked."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.log, number, channel)
        spelled = notices.fill if shows_secrets else notices.mask
        return [(row, spelled(row["content"], self._secrets(row))) for row in rows]


def _code(status: int | None) -> str:
    """The code of a refusal: the far side's own, unless it means something else here."""
    own = "" if status is None else str(status)
    return own if own and own not in (PENDING, SENT, WAITING, ABORTED) else FAILED
