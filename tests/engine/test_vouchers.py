"""Edits of vouchers, and that SQL sees them exactly as the rules in Python do."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from farebox.domain import vouchers as domain
from farebox.domain import windows
from farebox.domain.campaigns import CampaignChange, CampaignDraft
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.domain.instants import parse, to_ms
from farebox.domain.vouchers import (
    OwnSettings,
    Printed,
    VoucherChange,
    VoucherDraft,
    VoucherReplacement,
)
from farebox.engine.campaigns import Campaigns
from farebox.engine.issuance import Issuance
from farebox.engine.vouchers import Vouchers
from farebox.storage import campaigns as campaign_store
from farebox.storage import vouchers as store
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

AMSTERDAM = "Europe/Amsterdam"
GROUPS = frozenset({2})
HOUR_MS = 3_600_000


class Desk:
    """The use-cases on one database."""

    def __init__(self, pool: Pool, clock: SettableClock) -> None:
        self.pool, self.clock = pool, clock
        self.issuance = Issuance(pool, clock)
        self.campaigns = Campaigns(pool, clock)
        self.vouchers = Vouchers(pool, clock)

    async def campaign(self, **members: Any) -> int:
        """A campaign with one inherit voucher, changed as the test wants."""
        given: dict[str, Any] = {
            "name": "Spring",
            "total_vouchers": 1,
            "voucher_value": 100,
            "redemption_limit": 2,
            "reset_frequency": "day",
            "prefix": "SPR",
        }
        return await self.issuance.create_campaign(2, CampaignDraft(**(given | members)))

    async def own(self, campaign: int, **members: Any) -> int:
        """A voucher with settings of its own."""
        given: dict[str, Any] = {"type": "discount", "value": 100, "time_zone": AMSTERDAM}
        draft = VoucherDraft(
            campaign=campaign, settings=OwnSettings(**(given | members)), prefix="00000"
        )
        return (await self.issuance.create_vouchers(GROUPS, draft)).first_id

    async def use(self, voucher: int, count: int = 1, amount: int = 10) -> None:
        """Counters as redemptions in the current period leave them, whatever the rules say."""
        row = await self.row(voucher)
        await self.pool.execute(
            "update voucher.voucher set count = $2, total = total + $2, amount = $3,"
            " total_amount = total_amount + $3, last_redemption_at_ms = 1 where id = $1",
            voucher,
            count,
            amount,
        )
        assert row is not None

    async def row(self, voucher: int) -> Any:
        """The stored row."""
        return await self.pool.fetchrow("select * from voucher.voucher where id = $1", voucher)


@pytest.fixture
def desk(pool: Pool, clock: SettableClock) -> Desk:
    """The use-cases under test."""
    return Desk(pool, clock)


def ms(text: str) -> int:
    """Epoch milliseconds of an instant."""
    instant = parse(text).instant
    assert instant is not None
    return to_ms(instant)


async def test_an_edit_applies_the_due_reset_first(desk: Desk) -> None:
    """Counters of the ended period are gone, the reset is recorded, the version rises by one."""
    campaign = await desk.campaign()
    await desk.use(1, 2, 150)
    desk.clock.set("2026-03-11T12:00:00Z")
    await desk.vouchers.change(GROUPS, 1, VoucherChange(campaign=campaign, value=70))
    row = await desk.row(1)
    assert (70, True, 0, 0, 2, 150, 1, 2) == (
        row["value"],
        row["inherit"],
        row["count"],
        row["amount"],
        row["total"],
        row["total_amount"],
        row["period_seq"],
        row["version"],
    )
    assert (ms("2026-03-10T23:00:00Z"), ms("2026-03-11T23:00:00Z")) == (
        row["last_reset_at_ms"],
        row["period_end_ms"],
    )


async def test_an_edit_without_a_due_reset_keeps_the_counters(desk: Desk) -> None:
    """Only what was named changes."""
    campaign = await desk.campaign()
    await desk.use(1, 2, 150)
    await desk.vouchers.change(GROUPS, 1, VoucherChange(campaign=campaign, active=False))
    row = await desk.row(1)
    assert (False, 2, 150, 0, None, 2) == (
        row["active"],
        row["count"],
        row["amount"],
        row["period_seq"],
        row["last_reset_at_ms"],
        row["version"],
    )


async def test_nothing_changes_nothing(desk: Desk) -> None:
    """An edit that repeats what is there raises no version."""
    campaign = await desk.campaign()
    for change in (
        VoucherChange(campaign=campaign),
        VoucherChange(campaign=campaign, value=100, active=True, expires_on=None, comments=None),
    ):
        await desk.vouchers.change(GROUPS, 1, change)
    row = await desk.row(1)
    assert (1, None) == (row["version"], row["value"])


async def test_replacing_keeps_counters_and_starts_the_new_calendar(desk: Desk) -> None:
    """A due reset first, then the counters stay and the next boundary is the new one's."""
    campaign = await desk.campaign()
    await desk.use(1, 2, 150)
    weekly = OwnSettings(type="discount", value=50, reset_frequency="week", time_zone="Asia/Tokyo")
    replacement = VoucherReplacement(
        campaign=campaign, settings=weekly, printed=Printed(), rules=None
    )
    await desk.vouchers.replace(GROUPS, 1, replacement)
    row = await desk.row(1)
    assert (False, 2, 0, ms("2026-03-15T15:00:00Z")) == (
        row["inherit"],
        row["count"],
        row["period_seq"],
        row["period_end_ms"],
    )
    desk.clock.set("2026-03-16T12:00:00Z")
    never = msgspec.structs.replace(weekly, reset_frequency="never")
    await desk.vouchers.replace(GROUPS, 1, msgspec.structs.replace(replacement, settings=never))
    row = await desk.row(1)
    assert (0, 1, windows.NEVER_MS, ms("2026-03-15T15:00:00Z")) == (
        row["count"],
        row["period_seq"],
        row["period_end_ms"],
        row["last_reset_at_ms"],
    )


async def test_type_is_fixed_by_the_first_redemption(desk: Desk) -> None:
    """Rolled back or not; other settings may still change."""
    campaign = await desk.campaign(type="dynamic", total_vouchers=0)
    voucher = await desk.own(campaign)
    await desk.use(voucher, 0, 0)
    gift = OwnSettings(type="gift", value=1, time_zone=AMSTERDAM)
    replacement = VoucherReplacement(
        campaign=campaign, settings=gift, printed=Printed(), rules=None
    )
    with pytest.raises(ConflictError) as refusal:
        await desk.vouchers.replace(GROUPS, voucher, replacement)
    assert "voucher_in_use" == refusal.value.code


async def test_whose_voucher_it_is(desk: Desk) -> None:
    """Foreign and missing alike; the named campaign must be the voucher's."""
    campaign = await desk.campaign()
    for groups, voucher in ((frozenset({4}), 1), (GROUPS, 99)):
        with pytest.raises(NotFoundError, match="Voucher not found"):
            await desk.vouchers.change(groups, voucher, VoucherChange(campaign=campaign))
        with pytest.raises(NotFoundError, match="Voucher not found"):
            await desk.vouchers.log(groups, voucher, 1, 0)
        with pytest.raises(NotFoundError, match="Voucher not found"):
            await desk.vouchers.redemptions(groups, voucher, 1, 0)
    with pytest.raises(InvalidError) as refusal:
        await desk.vouchers.change(GROUPS, 1, VoucherChange(campaign=campaign + 1))
    assert "campaign_mismatch" == refusal.value.code


async def test_own_expiry_is_read_in_the_zone_in_force(desk: Desk) -> None:
    """The campaign's for an heir, its own for any other; a change of zone moves local texts."""
    campaign = await desk.campaign(total_vouchers=3)
    own = await desk.own(campaign, time_zone="Asia/Tokyo")
    for voucher, text in ((1, "2026-12-31"), (2, "2026-12-31T23:59:59Z"), (own, "2026-12-31")):
        change = VoucherChange(campaign=campaign, expires_on=text)
        await desk.vouchers.change(GROUPS, voucher, change)
    versions = [(await desk.row(voucher))["version"] for voucher in (1, 2, 3, own)]
    await desk.campaigns.update(GROUPS, campaign, CampaignChange(time_zone="America/New_York"))
    expected = [
        (ms("2027-01-01T05:00:00Z"), versions[0] + 1),
        (ms("2027-01-01T00:00:00Z"), versions[1]),
        (None, versions[2]),
        (ms("2026-12-31T15:00:00Z"), versions[3]),
    ]
    rows = [await desk.row(voucher) for voucher in (1, 2, 3, own)]
    assert expected == [(row["expires_before_ms"], row["version"]) for row in rows]


async def seen_by_sql(desk: Desk, now_ms: int, *, starts: bool) -> dict[int, tuple[Any, ...]]:
    """What lists are filtered and sorted by, from the statement that they read."""
    pairs = await store.calendars(desk.pool, GROUPS) if starts else []
    known = {f"{f} {z}": windows.window_start(f, z, now_ms) for f, z in pairs}
    source = store.SEEN.replace("{now_ms}", "$1").replace("{starts}", "$2")
    rows = await desk.pool.fetch(
        "select id, type, value, redemption_limit, frequency, zone, count, amount, balance, status,"
        f" last_reset_at_ms from {source} as t",
        now_ms,
        known,
    )
    return {row["id"]: tuple(row)[1:] for row in rows}


async def seen_by_rules(desk: Desk, now_ms: int) -> dict[int, tuple[Any, ...]]:
    """The same from the rules in Python."""
    seen = {}
    async with desk.pool.acquire() as connection, connection.transaction():
        ids = [row["id"] for row in await connection.fetch("select id from voucher.voucher")]
        for voucher_id in ids:
            voucher = await store.lock(connection, voucher_id)
            campaign = await campaign_store.read(connection, voucher.campaign, None)
            calendar = await campaign_store.read_calendar(connection, voucher.campaign)
            state = domain.seen(voucher, campaign, calendar, now_ms)
            seen[voucher_id] = (
                state.type,
                state.value,
                state.redemption_limit,
                state.reset_frequency,
                state.time_zone,
                state.period.count,
                state.period.amount,
                state.balance,
                state.status,
                state.period.last_reset_at_ms,
            )
    return seen


async def interesting(desk: Desk) -> set[int]:
    """Now, soon and late, and every instant at which a voucher ends or starts anew."""
    rows = await desk.pool.fetch(
        "select distinct unnest(array[expires_before_ms, period_end_ms]) as at_ms"
        " from voucher.voucher"
    )
    ends = {row["at_ms"] for row in rows} - {None, windows.NEVER_MS}
    now_ms = desk.clock()
    return {now_ms, now_ms + 30 * HOUR_MS, now_ms + 900 * HOUR_MS, *ends}


FREQUENCIES = st.sampled_from(windows.FREQUENCIES)
ZONES = st.sampled_from([AMSTERDAM, "Africa/Cairo", "Pacific/Apia", "America/Havana", "UTC"])
Step = tuple[str, int, str, str, int]
USED: Step = ("touch", 0, "never", "UTC", 2)


def edit(frequency: str, after_hours: int, zone: str = AMSTERDAM) -> Step:
    """A change of the campaign's calendar so many hours after the step before."""
    return "calendar", after_hours * HOUR_MS, frequency, zone, 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["calendar", "calendar", "limit", "own", "use", "touch", "expiry"]),
        st.integers(0, 40 * HOUR_MS),
        FREQUENCIES,
        ZONES,
        st.integers(0, 3),
    ),
    max_size=10,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(["discount", "gift"]), steps=STEPS)
# Left behind by calendars of which one, two or none reset it meanwhile.
@example(kind="gift", steps=[USED, edit("week", 1), edit("month", 1), edit("week", 300)])
@example(kind="gift", steps=[USED, edit("month", 1), edit("day", 1), edit("month", 30)])
@example(
    kind="gift",
    steps=[
        USED,
        edit("month", 1),
        edit("day", 1),
        edit("day", 30, "UTC"),
        edit("month", 40),
        edit("never", 1),
    ],
)
@example(kind="gift", steps=[USED, ("expiry", 0, "never", "UTC", 2)])
@example(kind="discount", steps=[USED, edit("never", 30), edit("day", 1), edit("never", 1)])
async def test_sql_sees_what_the_rules_say(desk: Desk, kind: str, steps: list[Step]) -> None:
    """Random vouchers after random edits: same state in filters as in reads (P11, P21)."""
    await desk.pool.execute("truncate voucher.campaign cascade")
    desk.clock.set("2026-03-27T09:00:00Z")
    campaign = await desk.campaign(type=kind, total_vouchers=3)
    [first, second, _] = [r[0] for r in await desk.pool.fetch("select id from voucher.voucher")]
    for step, elapsed_ms, frequency, zone, number in steps:
        desk.clock.advance_ms(elapsed_ms)
        if step == "calendar":
            calendar = CampaignChange(reset_frequency=frequency, time_zone=zone)
            await desk.campaigns.update(GROUPS, campaign, calendar)
        elif step == "limit":
            await desk.campaigns.update(GROUPS, campaign, CampaignChange(redemption_limit=number))
        elif step == "own":
            own = await desk.own(
                campaign, type=kind, value=20, reset_frequency=frequency, time_zone=zone
            )
            await desk.use(own, number, 10 * number)
        elif step == "use":
            await desk.vouchers.change(
                GROUPS, first, VoucherChange(campaign=campaign, value=10 * number + 1)
            )
            await desk.use(first, number, 10 * number)
        elif step == "touch":
            await desk.use(second, number, 7 * number)
        else:
            text = f"2026-03-{27 + number}"
            change = VoucherChange(
                campaign=campaign, value=5 * number, expires_on=text, active=number != 3
            )
            await desk.vouchers.change(GROUPS, second, change)
        for later_ms in await interesting(desk):
            expected = await seen_by_rules(desk, later_ms)
            assert expected == await seen_by_sql(desk, later_ms, starts=True)
    # Without the calendar's help the start that only the reader can tell is 0, and nothing else.
    now_ms = desk.clock() + 900 * HOUR_MS
    told = await seen_by_sql(desk, now_ms, starts=True)
    for voucher, values in (await seen_by_sql(desk, now_ms, starts=False)).items():
        assert told[voucher][:-1] == values[:-1]
        assert values[-1] in (0, told[voucher][-1])


async def test_concurrent_edits_end(desk: Desk) -> None:
    """Edits of a campaign, of its vouchers and creations in it all succeed: nothing deadlocks."""
    campaign = await desk.campaign(total_vouchers=20)
    other = await desk.campaign(total_vouchers=0)

    async def one(number: int) -> None:
        if number % 3 == 0:
            change = CampaignChange(
                redemption_limit=number, time_zone=("UTC", AMSTERDAM)[number % 2]
            )
            await desk.campaigns.update(GROUPS, campaign, change)
        elif number % 3 == 1:
            edit = VoucherChange(
                campaign=campaign, value=number, expires_on="2026-12-31", active=number % 2 == 0
            )
            await desk.vouchers.change(GROUPS, number % 20 + 1, edit)
        else:
            for target in (campaign, other):
                draft = VoucherDraft(
                    campaign=target, settings=None, prefix="X", code=f"CODE{number % 7}"
                )
                with contextlib.suppress(ConflictError):
                    await desk.issuance.create_vouchers(GROUPS, draft)

    await asyncio.gather(*(one(number) for number in range(60)))
    codes = await desk.pool.fetch(
        "select code, campaign from voucher.voucher where code like 'CODE%' order by 1, 2"
    )
    expected = [(f"CODE{n}", target) for n in range(7) for target in (campaign, other)]
    assert expected == [tuple(row) for row in codes]
