"""Storms: several processes and many clients on one code; the counts must be exact.

Every process has its own desk; they share PostgreSQL and, in half of the runs, a Redis for leases.
Edits come over another connection without any notification: a desk that trusts what it holds fails.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from farebox.domain.campaigns import CampaignChange
from farebox.domain.rules import Rule
from farebox.engine.campaigns import Campaigns
from farebox.engine.redemption import Desk
from farebox.storage.pool import Pool
from tests import golden
from tests.engine import worded
from tests.engine.crew import Ask, Crew, Told, insist
from tests.engine.desks import open_desk
from tests.oracle_desk import Campaign, Card, Device, Order
from tests.oracle_desk import Desk as Model

PROCESSES = 3
GROUPS = frozenset({2})


def now() -> int:
    return time.time_ns() // 1_000_000


def device(number: int) -> Device:
    return Device(f"D{number}", f"d:D{number}", user=True, owners=GROUPS)


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Three processes for all storms of this module."""
    made = Crew(PROCESSES)
    yield made
    made.stop()


@pytest.fixture(params=["without leases", "with leases"])
def leases(request: pytest.FixtureRequest) -> str | None:
    """The Redis for the leases, or none."""
    return request.getfixturevalue("redis_url") if request.param == "with leases" else None


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


async def stock(connection: asyncpg.Connection, *cards: tuple[str, Campaign]) -> list[Card]:
    """Inherit vouchers under these codes, with their campaigns."""
    model = Model()
    made = [
        model.add(now(), number, code, campaign)
        for number, (code, campaign) in enumerate(cards, start=1)
    ]
    await worded.insert(connection, now(), made)
    return made


def redeem(who: int, code: str, order: str, demand: int | None = None) -> Ask:
    arguments = {"device": device(who), "code": code, "order": Order(order), "demand": demand}
    return "redeem", arguments


def reasons(told: list[Told]) -> Counter[str]:
    return Counter(one.answer.body["reason"] for one in told)


async def row(connection: asyncpg.Connection, voucher: int = 1) -> tuple[int, int, int, int]:
    found = await connection.fetchrow(
        "select count, amount, total, total_amount from voucher.voucher where id = $1", voucher
    )
    return tuple(found)


async def test_limit(
    database: str, connection: asyncpg.Connection, crew: Crew, leases: str | None
) -> None:
    """P13: 96 orders from three processes on a limit of 37: 37 redeemed, 59 refused."""
    await stock(connection, ("HOT", Campaign(1, limit=37)))
    clients = [
        [[redeem(c, "HOT", f"{p}-{c}-{n}") for n in range(2)] for c in range(16)]
        for p in range(PROCESSES)
    ]
    told = await crew.storm(database, leases, clients)
    assert reasons(told) == {"": 37, "redemption_limit_reached": 59}
    assert await row(connection) == (37, 3700, 37, 3700)
    assert await connection.fetchval("select count(*) from voucher.redemption") == 37
    refused = "select count(*) from voucher.history where action = 1 and not success"
    assert await connection.fetchval(refused) == 59


async def test_balance(
    database: str, connection: asyncpg.Connection, crew: Crew, leases: str | None
) -> None:
    """P13: demands of 1 to 12 on a balance of 500; nothing refused that the rest would cover."""
    await stock(connection, ("GIFT", Campaign(1, type="gift", value=500)))
    clients = [
        [[redeem(c, "GIFT", f"{p}-{c}-{n}", 1 + (c + n) % 12) for n in range(4)] for c in range(16)]
        for p in range(PROCESSES)
    ]
    told = await crew.storm(database, leases, clients)
    accepted = [one for one in told if one.answer.body["redeemed"]]
    taken = sum(one.answer.body["discount"]["amountOff"] for one in accepted)
    assert taken <= 500
    for one in told:
        if not one.answer.body["redeemed"]:
            left = one.answer.body["voucherValue"]
            assert one.answer.body["reason"] in ("insufficient_balance", "balance_empty")
            assert left < one.arguments["demand"]
            assert left >= 500 - taken
    assert await row(connection) == (len(accepted), taken, len(accepted), taken)
    # The balances told are those of one serial order: each is the one before it less its amount.
    steps = sorted((-b["voucherValue"], b["discount"]["amountOff"]) for b in bodies(accepted))
    balance = 500
    for value, amount in steps:
        balance -= amount
        assert balance == -value


def bodies(told: list[Told]) -> list[dict]:  # type: ignore[type-arg]
    return [one.answer.body for one in told]


async def test_one_order_from_everywhere(
    database: str, connection: asyncpg.Connection, crew: Crew, leases: str | None
) -> None:
    """One order sent by 63 clients of three processes: 63 equal answers, one redemption."""
    await stock(connection, ("HOT", Campaign(1)), ("HOT", Campaign(2, expires_on="2039-12-31")))
    clients = [[[redeem(1, "HOT", "one")] for _ in range(21)] for _ in range(PROCESSES)]
    told = await crew.storm(database, leases, clients)
    assert len({one.raw for one in told}) == 1
    assert [one.answer.replayed for one in told].count(False) == 1
    counts = await connection.fetch("select total from voucher.voucher order by id")
    assert [r["total"] for r in counts] == [0, 1]
    assert await connection.fetchval("select count(*) from voucher.redemption") == 1


async def test_holds_are_exclusive(
    database: str, connection: asyncpg.Connection, crew: Crew, leases: str | None
) -> None:
    """48 devices want to hold each of 20 vouchers: one gets it, 47 are told that it is locked."""
    await stock(connection, *((f"V{n}", Campaign(n, limit=1)) for n in range(1, 21)))
    clients = [
        [
            [
                ("validate", {"device": device(100 * p + c), "code": f"V{n}", "lock_ms": 60_000})
                for n in range(1, 21)
            ]
            for c in range(16)
        ]
        for p in range(PROCESSES)
    ]
    told = await crew.storm(database, leases, clients)
    winners = Counter(one.arguments["code"] for one in told if one.answer.body["valid"])
    assert winners == {f"V{n}": 1 for n in range(1, 21)}
    assert reasons(told) == {"": 20, "voucher_locked": 47 * 20}
    owners = await connection.fetch("select code, hold_owner from voucher.voucher")
    assert {r["code"]: r["hold_owner"] for r in owners} == {
        one.arguments["code"]: one.arguments["device"].name
        for one in told
        if one.answer.body["valid"]
    }


async def test_rollback_overtakes_redeem(
    database: str, connection: asyncpg.Connection, crew: Crew, leases: str | None
) -> None:
    """A redeem and its rollback at one moment from two processes: no order keeps value."""
    await stock(connection, ("HOT", Campaign(1)), ("HOT", Campaign(2, limit=3)))
    orders = [f"o{n}" for n in range(45)]

    def back(order: str) -> Ask:
        return "rollback", {"device": device(1), "code": "HOT", "order": order}

    clients = [
        [[redeem(1, "HOT", order)] for order in orders],
        [[back(order)] for order in orders],
        [[back(order), redeem(1, "HOT", order)] for order in orders],
    ]
    told = await crew.storm(database, leases, clients)
    for one in told:
        if one.name == "redeem":
            assert one.answer.body["reason"] in ("", "order_rolled_back")
    states = await connection.fetch("select state, count(*) from voucher.redemption group by 1")
    assert 0 not in {r["state"] for r in states}
    for voucher in (1, 2):
        assert await row(connection, voucher) == (0, 0, 0, 0)
    taken = {
        one.arguments["order"].id
        for one in told
        if one.name == "redeem" and one.answer.body["redeemed"]
    }
    given = {
        one.arguments["order"]
        for one in told
        if one.name == "rollback" and one.answer.body["rolledBack"]
    }
    assert taken == given


async def test_choice_between_two_candidates(
    database: str, connection: asyncpg.Connection, pool: Pool, crew: Crew, leases: str | None
) -> None:
    """P19: every order once, though the preferred candidate comes and goes between two reads."""
    await stock(connection, ("TWO", Campaign(1, expires_on="2039-12-31")), ("TWO", Campaign(2)))
    edits = Campaigns(pool, now)
    done = asyncio.Event()

    async def switch() -> int:
        count = 0
        while not done.is_set():
            status = ("inactive", "active")[count % 2]
            await edits.update(GROUPS, 1, CampaignChange(status=status))
            count += 1
        return count

    switching = asyncio.create_task(switch())
    clients = [
        [[redeem(c, "TWO", f"{c}-{n}") for n in range(20)] for c in range(6)]
        for _ in range(PROCESSES)
    ]
    told = await crew.storm(database, leases, clients)
    done.set()
    assert await switching > 0
    answers: dict[tuple[str, str], set[bytes]] = {}
    for one in told:
        key = (one.arguments["device"].identity, one.arguments["order"].id)
        answers.setdefault(key, set()).add(one.raw)
    assert {len(raw) for raw in answers.values()} == {1}
    assert reasons(told) == {"": len(told)}
    effects = await connection.fetch(
        "select device, order_id, count(*) from voucher.redemption group by 1, 2"
    )
    assert {(r["device"], r["order_id"]): r["count"] for r in effects} == dict.fromkeys(answers, 1)
    totals = await connection.fetchval("select sum(total) from voucher.voucher")
    assert totals == len(answers)


async def test_clocks_that_disagree_choose_once(
    database: str, connection: asyncpg.Connection
) -> None:
    """P19: two servers whose clocks lie on either side of an expiry choose differently, once."""
    expiry = golden.ms("2039-01-01T00:00:00Z")
    first = Campaign(1, expires_on="2038-12-31T23:59:59Z")
    await stock(connection, ("TWO", first), ("TWO", Campaign(2)))
    orders = [f"o{n}" for n in range(200)]
    before = open_desk(database, lambda: expiry - 500)
    after = open_desk(database, lambda: expiry + 500)
    async with before as one, after as two:
        for order in orders:
            ask = redeem(1, "TWO", order)
            told = await asyncio.gather(insist(one, ask), insist(two, ask))
            assert 1 == len({each.raw for each in told})
    effects = await connection.fetch("select voucher from voucher.redemption")
    assert len(orders) == len(effects)
    # Both were chosen, or the clocks have not disagreed and nothing was shown.
    assert {1, 2} == {row["voucher"] for row in effects}


EDITS = (
    (CampaignChange(status="inactive"), "campaign_not_active"),
    (CampaignChange(status="active", redemption_limit=1), "redemption_limit_reached"),
    (CampaignChange(redemption_limit=0, expires_on="2020-01-01"), "voucher_expired"),
    (CampaignChange(expires_on=None), ""),
)


async def test_edits_decide_what_comes_after(
    database: str, connection: asyncpg.Connection, pool: Pool
) -> None:
    """P20: an acknowledged edit decides the next redeem at every desk, with no notification."""
    await stock(connection, ("HOT", Campaign(1)))
    edits = Campaigns(pool, now)
    done = asyncio.Event()
    async with open_desk(database, now) as one, open_desk(database, now) as two:

        async def noise(desk: Desk, who: int) -> None:
            number = 0
            while not done.is_set():
                number += 1
                await insist(desk, redeem(who, "HOT", f"noise-{number}"))

        noises = [asyncio.create_task(noise(desk, 10 + n)) for n, desk in enumerate((one, two))]
        await insist(one, redeem(1, "HOT", "first"))
        for turn in range(12):
            for change, reason in EDITS:
                await edits.update(GROUPS, 1, change)
                for desk in (one, two):
                    told = await insist(desk, redeem(1, "HOT", f"{turn}-{reason}-{desk is one}"))
                    assert told.answer.body["reason"] == reason
            await edits.replace_rules(GROUPS, 1, [(None, Rule("location", "2"))])
            for desk in (two, one):
                told = await insist(desk, redeem(1, "HOT", f"{turn}-rule-{desk is one}"))
                assert told.answer.body["reason"] == "location_not_allowed"
            await edits.replace_rules(GROUPS, 1, [])
        done.set()
        await asyncio.gather(*noises)


async def test_new_candidate_decides_what_comes_after(
    database: str, connection: asyncpg.Connection
) -> None:
    """P20: a voucher created under a held code is chosen by the next redeem if it is preferred."""
    await stock(connection, ("HOT", Campaign(90)))
    model = Model()
    async with open_desk(database, now) as one, open_desk(database, now) as two:
        for number in range(2, 40):
            for desk in (one, two):
                await insist(desk, redeem(1, "HOT", f"before-{number}-{desk is one}"))
            # Each new one expires earlier than those before it, so it is preferred.
            campaign = Campaign(number, expires_on=f"{2080 - number}-12-31")
            card = model.add(now(), number, "HOT", campaign)
            async with connection.transaction():
                await connection.execute("select pg_advisory_xact_lock(78, 0)")
                await worded.insert(connection, now(), [card])
            for desk in (two, one):
                told = await insist(desk, redeem(1, "HOT", f"after-{number}-{desk is one}"))
                assert told.answer.body["voucherId"] == str(number)


async def test_edit_between_two_codes_of_one_batch(
    database: str, connection: asyncpg.Connection, pool: Pool
) -> None:
    """A held code stays known when another of its batch shows that their campaign was edited."""
    campaign = Campaign(1)
    await stock(connection, ("HELD", campaign), *((f"NEW{n}", campaign) for n in range(10)))
    edits = Campaigns(pool, now)
    async with open_desk(database, now) as desk:
        await insist(desk, redeem(1, "HELD", "first"))
        for number in range(10):
            await edits.update(GROUPS, 1, CampaignChange(redemption_limit=100 + number))
            held, new = await worded.ask(
                desk,
                worded.redeem(device(1), "HELD", Order(f"h{number}")),
                worded.redeem(device(1), f"NEW{number}", Order(f"n{number}")),
            )
            for outcome in (held, new):
                answer = worded.answer_of(outcome)
                assert (answer.status, answer.body.get("reason")) == (200, "")
