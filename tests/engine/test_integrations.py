"""Integrations: sales sent to a real server on the loopback address, in order and at least once."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from farebox.engine.integrations import PURPOSE, Deliveries, Secrets, judge
from farebox.engine.sealing import Sealer, UnsealableError
from farebox.locks import LeaseUnavailableError, LocalLease
from farebox.outbound.webhook import Reply, Webhook
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.watch import MINUTE_MS, Scene
from tests.outbound.test_webhook import LOOPBACK, Receiver, receiving, reply


def test_seals() -> None:
    """Every secret of the ring opens what it sealed; others, and changed bytes, do not."""
    old, new = {"a": "x" * 32}, {"b": "y" * 32, "a": "x" * 32}
    sealed = Sealer(old, PURPOSE).seal(b"word")
    assert b"word" == Sealer(new, PURPOSE).open(sealed)
    assert sealed != Sealer(old, PURPOSE).seal(b"word")
    for sealer, text in (
        (Sealer({"b": "y" * 32}, PURPOSE), sealed),
        (Sealer({"a": "z" * 32}, PURPOSE), sealed),
        (Sealer(old, "other"), sealed),
        (Sealer(old, PURPOSE), sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(UnsealableError):
            sealer.open(text)


@dataclass
class Line:
    """Integration 1, which sends to a receiver, with sales on demand."""

    pool: Pool
    clock: SettableClock
    scene: Scene
    receiver: Receiver
    deliveries: Deliveries

    async def sell(self, number: int = 1) -> list[int]:
        """Sales with their jobs."""
        sold = []
        for _ in range(number):
            sale = await self.scene.sale()
            await self.pool.execute(
                "insert into vending.integrationjob (integration, machine, revenuetransaction,"
                " occurred_at_ms, next_at_ms, created_at_ms, updated_at_ms)"
                " values (1, 80, $1, $2, $2, $2, $2)", sale, self.clock(),
            )  # fmt: skip
            sold.append(sale)
        return sold

    async def set(self, **columns: Any) -> None:
        """Change the integration."""
        names = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 1))
        await self.pool.execute(f"update vending.integration set {names}", *columns.values())

    async def states(self) -> list[tuple[str, int, str | None]]:
        """State, attempts and message of every job."""
        rows = await self.pool.fetch(
            "select state, attempts, message from vending.integrationjob order by id"
        )
        return [tuple(row) for row in rows]

    async def state(self) -> str:
        """The integration's state."""
        return str(await self.pool.fetchval("select state from vending.integration"))


@pytest.fixture
async def line(stocked_pool: Pool, clock: SettableClock) -> AsyncIterator[Line]:
    """A signed connector to a receiver, an integration, and its deliveries."""
    pool = stocked_pool
    place = Scene(pool, clock)
    async with receiving() as receiver:
        webhook = Webhook(LOOPBACK, timeout_s=2)
        sealer = Sealer({"a": "x" * 32}, PURPOSE)
        deliveries = Deliveries(pool, clock, LocalLease(), sealer, webhook.post)
        sealed = deliveries.seal(Secrets("shared secret", {"X-Key": "k"}))
        await pool.execute(
            "update vending.connector set url = $1, sealed = $2", receiver.url, sealed
        )
        await pool.execute(
            "insert into vending.integration (owner, connector, name, created_at_ms, updated_at_ms)"
            " values (2, 12, 'ERP', 0, 0)"
        )
        yield Line(pool, clock, place, receiver, deliveries)
        await webhook.close()


async def test_a_log_is_sent_as_it_stands(line: Line) -> None:
    """An integration of logs sends the log that its job names, with the wall clock of its place."""
    await line.set(type="httplogs")
    log = await line.scene.log(is_resolvable=True)
    await line.pool.execute(
        "insert into vending.integrationjob (integration, machine, revenuetransaction,"
        " occurred_at_ms, next_at_ms, created_at_ms, updated_at_ms)"
        " values (1, 80, $1, $2, $2, $2, $2)", log, line.clock(),
    )  # fmt: skip
    await line.deliveries.settle()
    assert [("success", 1, "HTTP 200")] == await line.states()
    told = json.loads(line.receiver.requests[0][2])
    assert (log, "17", 80, None) == (told["id"], told["code"], told["machine"], told["resolvedAt"])
    assert "2026-03-10T10:00:00+01:00" == told["occurredAt"]


async def test_a_sale_is_sent_signed(line: Line) -> None:
    """The body is what the list of failed sales shows; key, signature and header are there."""
    [sale] = await line.sell()
    await line.deliveries.settle()
    assert [("success", 1, "HTTP 200")] == await line.states()
    assert "idle" == await line.state()
    _, headers, body = line.receiver.requests[0]
    assert ("1", "k") == (headers["idempotency-key"], headers["x-key"])
    expected = hmac.new(b"shared secret", body, hashlib.sha256).hexdigest()
    assert f"sha256={expected}" == headers["x-signature"]
    told = json.loads(body)
    assert {
        "id": sale, "remote": 5001, "price": 100, "occurredAt": "2026-03-10T10:00:00+01:00",
        "machine": 80, "location": 2, "timestamp": 1773133200, "currency": "EUR",
        "timezone": "Europe/Amsterdam", "name": "Coffee", "token": "^^C:R/-0", "salestype": 0,
        "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z",
    } == told  # fmt: skip


async def test_retries_keep_their_distance_and_order(line: Line) -> None:
    """503 is tried again after the throttle, first in line; after the last retry it has failed."""
    await line.set(max_retries=2, retry_throttle_ms=60_000)
    await line.sell(2)
    line.receiver.answer = lambda count: reply(503 if count <= 3 else 200)
    for attempt in (1, 2):
        await line.deliveries.settle()
        assert ("pending", attempt, "HTTP 503") == (await line.states())[0]
        assert ("pending", 0, None) == (await line.states())[1]
        line.clock.advance_ms(59_999)
        await line.deliveries.settle()
        assert attempt == len(line.receiver.requests)
        line.clock.advance_ms(1)
    await line.deliveries.settle()
    assert [("failed", 3, "HTTP 503"), ("success", 1, "HTTP 200")] == await line.states()
    keys = [headers["idempotency-key"] for _, headers, _ in line.receiver.requests]
    assert ["1", "1", "1", "2"] == keys


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "success"), (204, "success"), (408, "pending"), (429, "pending"), (500, "pending"),
     (599, "pending"), (301, "failed"), (400, "failed"), (404, "failed"), (422, "failed")],
)  # fmt: skip
def test_what_statuses_mean(status: int, state: str) -> None:
    """Success, another attempt, or failure at once."""
    outcome = judge(Reply(status, ""))
    told = "success" if outcome.is_success else "pending" if outcome.again else "failed"
    assert state == told


async def test_a_failure_goes_on_or_stops_the_queue(line: Line) -> None:
    """The next job follows a failed one, unless the integration stops on failure."""
    line.receiver.answer = lambda count: reply(400 if count in (1, 3) else 200, b"no \0 thanks")
    await line.sell(2)
    await line.deliveries.settle()
    assert [("failed", 1, "HTTP 400"), ("success", 1, "HTTP 200")] == await line.states()
    assert "HTTP 400\nno  thanks" == await line.pool.fetchval(
        "select details from vending.integrationjob where id = 1"
    )
    await line.set(stop_on_failure=True)
    await line.sell(2)
    await line.deliveries.settle()
    assert [("failed", 1, "HTTP 400"), ("pending", 0, None)] == (await line.states())[2:]
    assert ("failed", 3) == (await line.state(), len(line.receiver.requests))
    await line.set(state="idle")
    await line.deliveries.settle()
    assert ("idle", 4) == (await line.state(), len(line.receiver.requests))


async def test_an_inactive_integration_rests(line: Line) -> None:
    """Jobs of an integration that is not active wait."""
    await line.set(active=False)
    await line.sell()
    await line.deliveries.settle()
    assert [] == line.receiver.requests
    await line.set(active=True)
    await line.deliveries.settle()
    assert 1 == len(line.receiver.requests)


async def test_throttle(line: Line) -> None:
    """Requests of one integration keep their distance; other ones are not held up."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        line.clock.advance_ms(round(seconds * 1000))

    line.deliveries._sleep = sleep
    await line.set(throttle_ms=1500)
    await line.sell(3)
    await line.deliveries.settle()
    assert [1.5, 1.5] == slept
    await line.set(throttle_ms=MINUTE_MS)
    await line.sell(2)
    line.clock.advance_ms(1500)
    await line.deliveries.settle()
    assert 4 == len(line.receiver.requests)
    line.clock.advance_ms(MINUTE_MS)
    await line.deliveries.settle()
    assert 5 == len(line.receiver.requests)


async def test_one_worker_at_a_time(line: Line) -> None:
    """Two processes send every sale once and in order, one worker at a time."""
    others = Deliveries(
        line.pool, line.clock, line.deliveries._leases,
        line.deliveries._sealer, line.deliveries._post,
    )  # fmt: skip
    await line.sell(10)
    await asyncio.gather(line.deliveries.settle(), others.settle())
    keys = [int(headers["idempotency-key"]) for _, headers, _ in line.receiver.requests]
    assert list(range(1, 11)) == keys


async def test_a_worker_that_lost_its_turn_changes_nothing(line: Line) -> None:
    """Without a shared lease the turn decides whose word counts; the job is sent again."""
    late = Deliveries(
        line.pool, line.clock, LocalLease(), line.deliveries._sealer,
        line.deliveries._post,
    )  # fmt: skip
    await line.sell(1)
    line.receiver.delay_s = 0.5
    line.receiver.answer = lambda count: reply(400 if count == 1 else 200)
    await line.deliveries.begin_due()
    await asyncio.sleep(0.2)
    await late.settle()
    await line.deliveries.settle()
    await asyncio.gather(*line.deliveries._running.values())
    assert [("success", 2, "HTTP 200")] == await line.states()
    assert ["1", "1"] == [headers["idempotency-key"] for _, headers, _ in line.receiver.requests]


async def test_what_cannot_be_sent(line: Line) -> None:
    """A refused address and a sale that is gone fail at once, silence is tried again."""
    await line.pool.execute("update vending.connector set url = 'https://10.0.0.1/' where id = 12")
    await line.sell()
    await line.deliveries.settle()
    assert [("failed", 1, "the address is not a public one")] == await line.states()
    await line.pool.execute("delete from vending.revenuetransaction")
    await line.pool.execute("update vending.integrationjob set state = 'pending', next_at_ms = 0")
    await line.deliveries.settle()
    assert [("failed", 2, "the record is no longer stored")] == await line.states()
    await line.pool.execute("delete from vending.integrationjob")
    await line.pool.execute(
        "update vending.connector set url = 'http://127.0.0.1:1/' where id = 12"
    )
    await line.sell()
    await line.deliveries.settle()
    [(state, attempts, text)] = await line.states()
    assert ("pending", 1) == (state, attempts)
    assert str(text).startswith("not reached")


async def test_done_jobs_are_forgotten(line: Line) -> None:
    """A job that succeeded is shown for 90 days, a failed one as long as its integration."""
    await line.sell(2)
    line.receiver.answer = lambda count: reply(400 if count == 1 else 200)
    await line.deliveries.settle()
    for days, left in ((90, 2), (1, 1)):
        line.clock.advance_ms(days * 86_400_000)
        await line.deliveries.forget()
        assert left == len(await line.states())


async def test_nobody_works_without_leases(line: Line) -> None:
    """While nobody can say who works, jobs wait."""

    class Away(LocalLease):
        async def acquire(self, name: str, ttl_ms: int) -> Any:
            raise LeaseUnavailableError("away")

    line.deliveries._leases = Away()
    await line.sell()
    await line.deliveries.begin_due()
    await asyncio.gather(*line.deliveries._running.values())
    assert ([("pending", 0, None)], []) == (await line.states(), line.receiver.requests)
