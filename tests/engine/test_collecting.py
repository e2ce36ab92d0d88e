"""Money of the provider under many hands: one approval, one credit."""

import asyncio
from collections import Counter

import msgspec

from farebox.demo_provider import FIXTURE, load_provider
from farebox.domain.errors import ConflictError
from farebox.engine.collecting import NOWHERE, Collecting
from farebox.engine.credentials import Account
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

RING = {"k1": "a secret of the tests, long enough to be one"}


async def test_a_collection_ends_once(pool: Pool) -> None:
    """However many approve and disapprove at once, one does, and the ledger agrees with it."""
    clock = SettableClock(FIXTURE["clock"])
    await load_provider(pool, clock, RING)
    desks = [Collecting(pool, clock), Collecting(pool, clock)]

    async def approve(at: int) -> str:
        try:
            await desks[at % 2].approve("test", 133, 88, 10_000)
        except ConflictError as error:
            return error.code
        return "approved"

    async def disapprove(at: int) -> str:
        try:
            await desks[at % 2].disapprove("test", 133, 88)
        except ConflictError as error:
            return error.code
        return "disapproved"

    told = await asyncio.gather(*(approve(at) if at % 3 else disapprove(at) for at in range(12)))
    ended = [one for one in told if one in ("approved", "disapproved")]
    assert 1 == len(ended), Counter(told)
    credited = await pool.fetchval(
        "select count(*) from isp.ledger_entry where reference = 'collection:88'"
    )
    assert int(ended == ["approved"]) == credited


async def test_the_fixture_is_loaded_once(pool: Pool) -> None:
    """A second start finds everything there, and next numbers are free."""
    clock = SettableClock(FIXTURE["clock"])
    for _ in range(2):
        await load_provider(pool, clock, RING)
    assert 9 == await pool.fetchval("select count(*) from isp.subscriber")
    assert 17767 == await pool.fetchval("select nextval('isp.subscriber_id_seq')")


async def test_lists_by_area_follow_the_home(pool: Pool) -> None:
    """Whoever moves is found in his new area, with what was collected; without a home in none."""
    clock = SettableClock(FIXTURE["clock"])
    await load_provider(pool, clock, RING)
    desk = Collecting(pool, clock)
    account = msgspec.convert(
        dict(await pool.fetchrow("select * from isp.account where id = 'test'")), Account
    )
    moves = (
        ("select 1", 2),
        ("update isp.location set area = 4 where subscriber = 133", 4),
        ("delete from isp.location where subscriber = 133", NOWHERE),
        ("insert into isp.location (subscriber, area) values (133, 2)", 2),
        ("update isp.location set area = null where subscriber = 133", NOWHERE),
    )
    for statement, place in moves:
        await pool.execute(statement)
        for area in (2, 4, NOWHERE):
            assigned = await desk.assigned("test", 7, False, area, 0, 9)
            waiting = await desk.pending(account, (None, None), 7, area, 0, 9)
            found = [133 in [row["id"] for row in rows] for rows in (assigned, waiting)]
            assert [area == place] * 2 == found, (statement, area)
