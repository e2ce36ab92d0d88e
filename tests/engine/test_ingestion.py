"""Reports in any order, grouping and repetition give the same rows (vending-platform.md 4.8)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.domain.errors import UnauthorizedError, UnavailableError
from farebox.domain.records import Event, Log, Payment, Record, Sale, fingerprint
from farebox.engine.access import Principal
from farebox.engine.ingestion import Batch, Ingestion, Result
from farebox.engine.making_way import Readers
from farebox.storage.partitions import make_ahead
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.strategies import PHASES

GATEWAY = Principal(kind="device", id=80, name="gw-0080", group=2, machine=80)
NAMES = {80: None, 82: "behind"}
START_MS = SettableClock()() - 100_000
STREAMS = {Sale: "revenuetransaction", Log: "log", Event: "iotevent"}

Report = tuple[int, Record]


@pytest.fixture
def database(stocked_database: str) -> str:
    """Machines that report."""
    return stocked_database


@pytest.fixture
async def ingestion(pool: Pool, clock: SettableClock) -> Ingestion:
    """The use-case on the fixture, with machine 82 behind gateway 80, both of model 1."""
    await pool.execute(
        "insert into vending.machine (id, name, hostname, location, currency, gateway,"
        " created_at_ms, updated_at_ms) values (82, 'Second', 'behind', 2, 978, 80, 0, 0)"
    )
    await pool.execute(
        "insert into vending.shift (id, location, closed_at_ms, created_at_ms, updated_at_ms)"
        " values (1, 2, $1, $2, 0), (2, 2, null, $1, 0)", START_MS + 5000, START_MS + 2000,
    )  # fmt: skip
    await pool.execute("update vending.location set active_shift = 2 where id = 2")
    return Ingestion(pool, clock)


def batch(reports: Iterable[Report]) -> Batch[Any]:
    """A batch as a gateway would send these: ascending for each machine."""
    ordered = sorted(reports, key=lambda report: (report[0], report[1].remote))
    return Batch(
        [record for _, record in ordered],
        [NAMES[machine] for machine, _ in ordered],
        lambda index: b"%d" % ordered[index][1].remote,
    )


async def send(ingestion: Ingestion, reports: Sequence[Report]) -> Result:
    """Store a batch of one kind."""
    store: Any = {Sale: ingestion.sales, Log: ingestion.logs, Event: ingestion.events}
    result: Result = await store[type(reports[0][1])](GATEWAY, batch(reports))
    return result


def sale(remote: int, after_s: int = 0, **more: Any) -> Report:
    """A coffee of machine 80, so many seconds after the start."""
    return 80, Sale(remote=remote, at_ms=START_MS + 1000 * after_s, price=100, plu=1, **more)


# What a device may have to say: few numbers, few instants, few codes, so that they meet.
TIMES = st.integers(0, 8).map(lambda after_s: START_MS + 1000 * after_s)
PAYMENTS = st.lists(
    st.builds(Payment, st.sampled_from(["cash", "virtual"]), st.integers(-5, 5), st.booleans()),
    max_size=2,
).map(tuple)
CONTENTS = {
    Sale: st.fixed_dictionaries(
        {"at_ms": TIMES, "price": st.integers(-3, 300), "payments": PAYMENTS},
        optional={"plu": st.sampled_from([1, 1001, 7]), "token": st.sampled_from(["^C:R", "x"])},
    ),
    Log: st.fixed_dictionaries(
        {"at_ms": TIMES, "code": st.sampled_from("AB")},
        optional={"is_resolvable": st.just(True)},
    )
    | st.fixed_dictionaries(
        {"at_ms": TIMES, "code": st.sampled_from("AB"), "state": st.just("clear")}
    ),
    Event: st.fixed_dictionaries({"at_ms": TIMES, "name": st.just("t"), "value": st.just("1")}),
}


@st.composite
def reported(draw: st.DrawFn) -> tuple[list[Report], list[list[int]]]:
    """A set of reports of one stream, and batches that hold each of them at least once."""
    kind = draw(st.sampled_from([Sale, Log, Log, Event]))
    reports: list[Report] = []
    for machine in NAMES:
        contents = draw(st.lists(CONTENTS[kind], min_size=int(machine == 80), max_size=10))
        reports += [(machine, kind(remote=n, **one)) for n, one in enumerate(contents, 1)]
    order = draw(st.permutations(range(len(reports))))
    cuts = sorted(draw(st.sets(st.integers(1, len(reports)), max_size=4)))
    parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    again = draw(st.lists(st.sets(st.sampled_from(order)), max_size=2))
    return reports, draw(st.permutations([p for p in [*parts, *map(list, again)] if p]))


def resolved(reports: Sequence[Report]) -> dict[tuple[int, int], int]:
    """When each log is resolved, told slowly: every clearing record looks for the newest log."""
    ends: dict[tuple[int, int], int] = {}
    logs = [(m, r) for m, r in reports if isinstance(r, Log)]
    for machine, clear in sorted(logs, key=lambda one: (one[1].at_ms, one[1].remote)):
        when = (clear.at_ms, clear.remote)
        open_ones = [
            (log.at_ms, log.remote)
            for owner, log in logs
            if owner == machine and log.code == clear.code and log.is_resolvable
            and (log.at_ms, log.remote) < when and (machine, log.remote) not in ends
        ]  # fmt: skip
        if clear.state == "clear" and open_ones:
            ends[machine, max(open_ones)[1]] = clear.at_ms
    return ends


async def check(pool: Pool, reports: Sequence[Report]) -> None:
    """The rows are these reports, once each, and everything else follows from them."""
    kind = type(reports[0][1])
    table = STREAMS[kind]
    rows = await pool.fetch(f"select * from vending.{table}")
    stored = {(row["machine"], row["remote"]): row for row in rows}
    assert len(rows) == len(reports)
    assert {(m, r.remote): r.at_ms for m, r in reports} == {
        key: row["occurred_at_ms"] for key, row in stored.items()
    }
    hashes = await pool.fetch("select machine, remote, hash, row_id from vending.ingest_key")
    assert {(m, r.remote, fingerprint(r), stored[m, r.remote]["id"]) for m, r in reports} == {
        tuple(row) for row in hashes
    }
    for machine in await pool.fetch("select * from vending.machine where id in (80, 82)"):
        own = [r for m, r in reports if m == machine["id"]]
        assert max((r.remote for r in own), default=0) == machine[f"{table}_synced"]
        assert max((r.at_ms for r in own), default=None) == machine[f"last_{table}_at_ms"]
    if kind is Log:
        ends = {key: row["resolved_at_ms"] for key, row in stored.items()}
        assert resolved(reports) == {key: end for key, end in ends.items() if end is not None}
    if kind is Sale:
        await check_sales(pool, reports, stored)


async def check_sales(pool: Pool, reports: Sequence[Report], stored: Any) -> None:
    """Payments, shifts and told prices of sales."""
    paid = await pool.fetch(
        "select s.machine, s.remote, p.method, p.price, p.exclude, p.type"
        " from vending.paymenttransaction p"
        " join vending.revenuetransaction s on s.id = p.revenuetransaction"
    )
    types = {(80, "virtual"): "card"}
    assert sorted(
        (m, r.remote, p.method, p.price, p.exclude, types.get((m, p.method), p.method))
        for m, r in reports
        if isinstance(r, Sale)
        for p in r.payments
    ) == sorted(tuple(row) for row in paid)
    for number, low, high in ((1, 2000, 5000), (2, 5000, 10**12)):
        times = [r.at_ms for _, r in reports if low <= r.at_ms - START_MS < high]
        shift = await pool.fetchrow("select * from vending.shift where id = $1", number)
        bounds = (min(times), max(times)) if times else (None, None)
        assert bounds == (shift["first_at_ms"], shift["last_at_ms"])
        ids = {row["id"]: row["occurred_at_ms"] for row in stored.values()}
        assert bounds == (ids.get(shift["first_transaction"]), ids.get(shift["last_transaction"]))


TABLES = (
    "vending.revenuetransaction, vending.paymenttransaction, vending.log, vending.iotevent,"
    " vending.ingest_key, vending.dead_letter"
)
CURSORS = ", ".join(
    f"{name}_synced = 0, last_{name} = null, last_{name}_at_ms = null" for name in STREAMS.values()
)


@pytest.fixture
def emptied(pool: Pool) -> Callable[[], Awaitable[None]]:
    """Takes every record back, so that the next example starts anew."""

    async def empty() -> None:
        await pool.execute(";".join(f"delete from {table}" for table in TABLES.split(", ")))
        await pool.execute(f"update vending.machine set {CURSORS}")
        await pool.execute(
            "update vending.shift set first_transaction = null, first_at_ms = null,"
            " last_transaction = null, last_at_ms = null"
        )

    return empty


@settings(
    max_examples=120,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=reported(), at_once=st.booleans())
async def test_any_order_and_repetition_gives_the_same_rows(
    ingestion: Ingestion, pool: Pool, emptied: Any, plan: Any, at_once: bool
) -> None:
    """Whatever the split, the order and the repetition, one after the other or all at once."""
    reports, parts = plan
    await emptied()
    batches = [[reports[index] for index in part] for part in parts]
    if at_once:
        results = await asyncio.gather(*(send(ingestion, one) for one in batches))
    else:
        results = [await send(ingestion, one) for one in batches]
    assert len(reports) == sum(result.accepted for result in results)
    assert sum(map(len, batches)) == sum(r.accepted + r.duplicates for r in results)
    await check(pool, reports)


async def test_of_equal_batches_at_once_one_is_stored(ingestion: Ingestion, pool: Pool) -> None:
    """Eight workers have the same batch; its records are accepted once altogether."""
    records = [sale(n, n) for n in range(1, 101)]
    results = await asyncio.gather(*(send(ingestion, records) for _ in range(8)))
    assert [0] * 7 + [100] == sorted(result.accepted for result in results)
    assert {100} == {result.cursor for result in results}
    await check(pool, records)


async def test_a_batch_over_a_months_end(ingestion: Ingestion, pool: Pool) -> None:
    """Each record lies in the month in which it happened, made or not, and is found again."""
    instants = [
        SettableClock(text)()
        for text in ("2025-12-31T23:59:59Z", "2026-03-01T00:00:00Z", "2026-03-11T08:59:59Z")
    ]
    await make_ahead(pool, SettableClock()(), ahead=0)
    paid = (Payment("cash", 1),)
    records = [
        (80, Sale(remote=n, at_ms=at_ms, price=1, payments=paid))
        for n, at_ms in enumerate(instants, 1)
    ]
    for accepted in (3, 0):
        assert accepted == (await send(ingestion, records)).accepted
    for table in ("revenuetransaction", "paymenttransaction"):
        rows = await pool.fetch(
            f"select tableoid::regclass::text as home from vending.{table} order by occurred_at_ms"
        )
        march = f"vending.{table}_2026_03"
        assert [f"vending.{table}_rest", march, march] == [row["home"] for row in rows]
    await check(pool, records)


async def test_a_failed_batch_stores_nothing(ingestion: Ingestion, pool: Pool) -> None:
    """Where the payments cannot be written there is no sale, no key, no letter and no cursor."""
    await pool.execute("alter table vending.paymenttransaction rename column type to kind")
    records = [sale(1), sale(2, payments=(Payment("cash", 100),)), sale(3, 10**6)]
    with pytest.raises(asyncpg.UndefinedColumnError):
        await send(ingestion, records)
    for table in TABLES.split(", "):
        assert 0 == await pool.fetchval(f"select count(*) from {table}"), table
    assert 0 == await pool.fetchval("select revenuetransaction_synced from vending.machine")
    await pool.execute("alter table vending.paymenttransaction rename column kind to type")
    assert (2, 1, 3) == _counts(await send(ingestion, records))


def _counts(result: Result) -> tuple[int, int, int]:
    return result.accepted, len(result.rejected), result.cursor


async def test_a_conflict_is_kept_once(ingestion: Ingestion, pool: Pool) -> None:
    """Different content under a stored number: rejected each time, kept once per content."""
    await send(ingestion, [sale(1)])
    for other in (sale(1, 1), sale(1, 1), sale(1, salestype=9), sale(1)):
        result = await send(ingestion, [other])
        assert int(other != sale(1)) == len(result.rejected)
    assert START_MS == await pool.fetchval("select occurred_at_ms from vending.revenuetransaction")
    # The text of a letter decides what is the same; here it is the number alone.
    assert 1 == await pool.fetchval("select count(*) from vending.dead_letter")


async def test_watchers_are_told_of_new_records_only(pool: Pool, ingestion: Ingestion) -> None:
    """The machines of what was stored, after it was; not of repetitions."""
    told: list[set[int]] = []

    def touched(machines: Iterable[int]) -> None:
        told.append(set(machines))

    ears = Ingestion(pool, SettableClock(), touched=touched)
    both = [sale(1), (82, sale(1)[1])]
    for records in (both, both, [sale(2), both[1]]):
        await send(ears, records)
    assert [{80, 82}, {80}] == told


async def test_too_many_batches_are_told_to_come_again(ingestion: Ingestion, pool: Pool) -> None:
    """One at work and two in the line: of five two are busy, and later as welcome as ever."""
    narrow = Ingestion(pool, SettableClock(), at_once=1, waiting_max=2)
    results = await asyncio.gather(
        *(send(narrow, [sale(n)]) for n in range(1, 6)), return_exceptions=True
    )
    busy = [one for one in results if isinstance(one, UnavailableError) and one.code == "busy"]
    assert (2, 3) == (len(busy), sum(isinstance(one, Result) for one in results))
    for number in range(1, 6):
        await send(narrow, [sale(number)])
    await check(pool, [sale(number) for number in range(1, 6)])


@pytest.mark.parametrize(("is_read", "most"), [(True, 1), (False, 3)])
async def test_batches_make_way_for_readers(pool: Pool, is_read: bool, most: int) -> None:
    """While somebody reads, batches are stored one after the other."""
    readers = Readers()
    ingestion = Ingestion(pool, SettableClock(), readers=readers)
    under_way: list[int] = []
    counts: list[int] = []

    async def stay(number: int) -> None:
        async with ingestion._place():
            under_way.append(number)
            counts.append(len(under_way))
            await asyncio.sleep(0.01)
            under_way.remove(number)

    with readers.reading() if is_read else nullcontext():
        await asyncio.gather(*(stay(number) for number in range(3)))
    assert most == max(counts)


async def test_readers_hold_up_no_batch_for_ever(ingestion: Ingestion, pool: Pool) -> None:
    """A batch waits for readers between its steps and is stored while they still read."""
    readers = Readers()
    polite = Ingestion(pool, SettableClock(), readers=readers)
    assert 1 == (await send(ingestion, [sale(3)])).accepted
    with readers.reading():
        assert 2 == (await send(polite, [sale(1), sale(2)])).accepted
    await check(pool, [sale(1), sale(2), sale(3)])


async def test_a_device_that_was_removed(ingestion: Ingestion, pool: Pool) -> None:
    """Its token is worth nothing, though it was believed a moment ago."""
    await pool.execute("delete from vending.machine where id = 82")
    gone = Principal(kind="device", id=82, name="behind", group=2, machine=82)
    with pytest.raises(UnauthorizedError):
        await ingestion.sales(gone, batch([(82, sale(1)[1])]))
