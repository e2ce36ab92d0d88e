"""Sends sales and logs to the connectors of integrations, one after the other.

An integration sends one kind of record, as its type says (vending-platform.md 4.10): sales, or
logs, also those of machines that fell silent. A log is sent as it stands then; what ends it is a
log of its own. Jobs of one integration go in the order of their ids: one that waits for its next
attempt holds up those behind it, so that the other side sees records in order. One worker at a time
works on an integration: a lease keeps others away, and the number of its turn in the database makes
a worker that lost the lease harmless. Delivery is at least once: what a dying worker had begun is
sent again under the same Idempotency-Key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from farebox.domain.errors import InvalidError, UnavailableError
from farebox.domain.instants import utc_text, wall_text
from farebox.domain.windows import zone
from farebox.engine.ingestion_rows import OF_LOGS, OF_SALES
from farebox.engine.sealing import Sealer, UnsealableError
from farebox.locks import Leases, LeaseUnavailableError, Token
from farebox.outbound.webhook import Reply
from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
PURPOSE: Final = "connector"
DETAILS_CHARS: Final = 2000
RETRIED: Final = frozenset((408, 429))
_TURN_MS: Final = 30_000
_POLL_S: Final = 1.0
# A worker waits so long for the next request; for longer it comes back.
_LINGER_MS: Final = 5_000
_AT_ONCE: Final = 8
# How long a job that succeeded is shown.
_KEPT_MS: Final = 90 * 86_400_000
FORGET_S: Final = 600.0
_log = structlog.get_logger("farebox.integrations")
_encode = msgspec.json.Encoder().encode

Post = Callable[[str, bytes, Mapping[str, str], bytes | None], Awaitable[Reply]]


class Secrets(msgspec.Struct):
    """What a connector keeps sealed: what signs its bodies, and further headers."""

    secret: str | None = None
    headers: dict[str, str] = {}


class Outcome(NamedTuple):
    """What an attempt came to: `again` says whether another one may help."""

    is_success: bool
    again: bool
    message: str
    details: str


class _Work(msgspec.Struct, frozen=True):
    """One worker's turn at an integration, with the rules that held when it began."""

    type: str
    integration: int
    turn: int
    max_retries: int
    retry_throttle_ms: int
    stop_on_failure: bool
    url: str
    secrets: Secrets


def sale_object(row: Any) -> dict[str, Any]:
    """A sale as it is sent, and as it is shown among the failed ones."""
    return {
        "id": row["id"], "remote": row["remote"], "price": row["price"],
        "occurredAt": wall_text(row["occurred_at_ms"], zone(row["time_zone"])),
        "machine": row["machine"], "location": row["location"],
        "timestamp": row["occurred_at_ms"] // 1000, "currency": row["currency"],
        "timezone": row["time_zone"], "name": row["name"], "token": row["token"],
        "salestype": row["salestype"], "createdAt": utc_text(row["created_at_ms"]),
        "updatedAt": utc_text(row["updated_at_ms"]),
    }  # fmt: skip


def log_object(row: Any) -> dict[str, Any]:
    """A log as it is sent."""
    ended_ms = row["resolved_at_ms"]
    return {
        "id": row["id"], "remote": row["remote"], "machine": row["machine"],
        "location": row["location"], "code": row["code"], "errorIdentity": row["error_identity"],
        "type": row["type"], "isResolvable": row["is_resolvable"], "state": row["state"],
        "occurredAt": wall_text(row["occurred_at_ms"], zone(row["time_zone"])),
        "timestamp": row["occurred_at_ms"] // 1000, "timezone": row["time_zone"],
        "duration": row["duration"], "extraData": row["extra_data"],
        "resolvedAt": None if ended_ms is None else utc_text(ended_ms),
        "createdAt": utc_text(row["created_at_ms"]),
    }  # fmt: skip


# By an integration's type: how its records are read and shown.
_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    OF_SALES: (SQL.sale, sale_object),
    OF_LOGS: (SQL.log, log_object),
}


def judge(reply: Reply) -> Outcome:
    """What an answer means: 2xx is success; 408, 429 and 5xx may be tried again."""
    is_success = 200 <= reply.status < 300
    again = reply.status in RETRIED or 500 <= reply.status < 600
    details = f"HTTP {reply.status}\n{reply.text}"[:DETAILS_CHARS].replace("\0", "")
    return Outcome(is_success, again, f"HTTP {reply.status}", details)


class Deliveries:
    """Works on the jobs of all integrations."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        leases: Leases,
        sealer: Sealer,
        post: Post,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._leases = leases
        self._sealer = sealer
        self._post = post
        self._sleep = sleep
        self._running: dict[int, asyncio.Task[None]] = {}

    # Secrets of connectors

    def seal(self, secrets: Secrets) -> bytes:
        """The secrets of a connector as they are stored."""
        return self._sealer.seal(_encode(secrets))

    def unseal(self, sealed: bytes | None) -> Secrets:
        """The secrets of a connector. Raises UnsealableError."""
        if sealed is None:
            return Secrets()
        return msgspec.json.decode(self._sealer.open(sealed), type=Secrets)

    # Work

    async def run(self) -> None:
        """Begin what is due, every second, for ever."""
        try:
            while True:
                try:
                    await self.begin_due()
                except UnavailableError as error:
                    _log.warning("integrations.database_away", error=error.message)
                await asyncio.sleep(_POLL_S)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def forget(self) -> str:
        """Remove jobs that succeeded long ago."""
        async with storage_errors():
            done: str = await self._pool.execute(SQL.forget, self._clock() - _KEPT_MS)
        return done

    async def settle(self) -> None:
        """Work on what is due until it is done; for tests and tools."""
        while await self.begin_due():
            await asyncio.gather(*self._running.values())

    async def begin_due(self) -> int:
        """Begin to work on integrations that have something due; returns how many."""
        free = _AT_ONCE - len(self._running)
        if free <= 0:
            return 0
        async with storage_errors():
            rows = await self._pool.fetch(SQL.due, self._clock(), [*self._running], free)
        for row in rows:
            task = asyncio.create_task(self._work(row["id"]), name=f"integration-{row['id']}")
            self._running[row["id"]] = task
            task.add_done_callback(partial(self._ended, row["id"]))
        return len(rows)

    def _ended(self, integration: int, _: object) -> None:
        del self._running[integration]

    async def _work(self, integration: int) -> None:
        name = f"integration:{integration}"
        try:
            token = await self._leases.acquire(name, _TURN_MS)
            if token is None:
                return
            try:
                async with storage_errors():
                    await self._take_turn(integration, token)
            finally:
                await self._leases.release(token)
        except LeaseUnavailableError:
            # Without anybody to say who works, nobody does; jobs wait.
            return
        except Exception as error:  # noqa: BLE001 - the jobs stay, another turn follows
            text = f"{type(error).__name__}: {error}"
            _log.error("integrations.failed", integration=integration, error=text)

    async def _take_turn(self, integration: int, token: Token) -> None:
        row = await self._pool.fetchrow(SQL.begin, integration)
        if row is None:
            return
        try:
            secrets = self.unseal(row["sealed"])
        except UnsealableError as error:
            _log.error("integrations.unsealable", integration=integration, error=str(error))
            secrets = None
        if secrets is None:
            await self._stop(integration, row["turn"], "failed")
            return
        work = _Work(
            row["type"], integration, row["turn"], row["max_retries"], row["retry_throttle_ms"],
            row["stop_on_failure"], row["url"], secrets,
        )  # fmt: skip
        while await self._is_next(work) and await self._leases.renew(token, _TURN_MS):
            if not await self._attempt(work):
                await self._stop(integration, work.turn, "failed")
                return
        await self._stop(integration, work.turn, "idle")

    async def _is_next(self, work: _Work) -> bool:
        """Wait a little for the next request; False when there is none soon."""
        wait_ms = await self._pool.fetchval(SQL.wait_ms, work.integration, work.turn, self._clock())
        if wait_ms is None or wait_ms > _LINGER_MS:
            return False
        if wait_ms > 0:
            await self._sleep(wait_ms / 1000)
        return True

    async def _attempt(self, work: _Work) -> bool:
        """Send one job; False when its failure stops the integration."""
        row = await self._pool.fetchrow(SQL.claim, work.integration, work.turn, self._clock())
        if row is None:
            return True
        outcome = await self._send(work, row)
        again = outcome.again and row["attempts"] <= work.max_retries
        state = "success" if outcome.is_success else "pending" if again else "failed"
        now_ms = self._clock()
        await self._pool.execute(
            SQL.settle, work.integration, work.turn, row["job"], state, outcome.message, now_ms,
            now_ms + work.retry_throttle_ms, outcome.details,
        )  # fmt: skip
        return not (state == "failed" and work.stop_on_failure)

    async def _send(self, work: _Work, row: Any) -> Outcome:
        statement, shown = _KINDS[work.type]
        record = await self._pool.fetchrow(statement, row["record"], row["occurred_at_ms"])
        if record is None:
            return Outcome(False, False, "the record is no longer stored", "")
        headers = {**work.secrets.headers, "Idempotency-Key": str(row["job"])}
        secret = work.secrets.secret
        try:
            reply = await self._post(
                work.url, _encode(shown(record)), headers, secret.encode() if secret else None
            )
        except InvalidError as error:
            return Outcome(False, False, error.message[:255], "")
        except UnavailableError as error:
            return Outcome(False, True, error.message[:255], "")
        return judge(reply)

    async def _stop(self, integration: int, turn: int, state: str) -> None:
        await self._pool.execute(SQL.stop, integration, turn, state, self._clock())
