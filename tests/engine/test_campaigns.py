"""Edits of campaigns: what follows them, and that no older decision can commit after them."""

import asyncio
from typing import Any

import pytest

from farebox.domain.campaigns import CampaignChange, CampaignDraft
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from farebox.domain.instants import parse, to_ms
from farebox.domain.rules import Rule
from farebox.engine import campaigns as engine
from farebox.engine.campaigns import Campaigns
from farebox.engine.issuance import Issuance
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

GROUPS = frozenset({2})


@pytest.fixture
async def campaign(pool: Pool, clock: SettableClock) -> int:
    """A campaign with two vouchers."""
    draft = CampaignDraft(
        name="Spring",
        total_vouchers=2,
        voucher_value=100,
        redemption_limit=2,
        reset_frequency="day",
        prefix="SPR",
        expires_on="2026-12-31",
        expires_before_ms=1798758000000,
    )
    return await Issuance(pool, clock).create_campaign(2, draft)


@pytest.fixture
def campaigns(pool: Pool, clock: SettableClock) -> Campaigns:
    """The use-cases under test."""
    return Campaigns(pool, clock)


async def row(pool: Pool) -> Any:
    """The campaign as it is stored."""
    return await pool.fetchrow("select * from voucher.campaign")


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        (0, CampaignChange(name="Summer")),
        (0, CampaignChange(voucher_text1="Hello")),
        (0, CampaignChange(redemption_limit=2, currency="EUR", status="active")),
        (1, CampaignChange(redemption_limit=3)),
        (1, CampaignChange(reset_frequency="week")),
        (1, CampaignChange(time_zone="UTC")),
        (1, CampaignChange(expires_on=None)),
        (1, CampaignChange(currency="USD")),
        (1, CampaignChange(status="inactive")),
        (0, CampaignChange(expires_on="2026-12-31")),
    ],
)
async def test_policy_revision(
    campaigns: Campaigns, campaign: int, pool: Pool, expected: int, change: CampaignChange
) -> None:
    """It rises by one with every change that can alter a decision, and with no other."""
    await campaigns.update(GROUPS, campaign, change)
    assert 1 + expected == (await row(pool))["policy_revision"]


async def test_calendar_revisions(
    campaigns: Campaigns, campaign: int, pool: Pool, clock: SettableClock
) -> None:
    """A change of frequency or zone adds a row; the vouchers stay as they are."""
    before = [tuple(r) for r in await pool.fetch("select * from voucher.voucher order by id")]
    clock.set("2026-03-10T12:00:00Z")
    await campaigns.update(GROUPS, campaign, CampaignChange(reset_frequency="week"))
    clock.set("2026-03-20T12:00:00Z")
    await campaigns.update(GROUPS, campaign, CampaignChange(time_zone="UTC", name="x"))
    await campaigns.update(GROUPS, campaign, CampaignChange(redemption_limit=9))
    rows = await pool.fetch("select * from voucher.calendar_revision order by revision")
    week = ms("2026-03-15T23:00:00Z")
    assert [
        (1, "day", "Europe/Amsterdam", ms("2026-03-10T12:00:00Z"), week, week),
        (
            2,
            "week",
            "Europe/Amsterdam",
            ms("2026-03-20T12:00:00Z"),
            ms("2026-03-23T00:00:00Z"),
            None,
        ),
        (3, "week", "UTC", None, None, None),
    ] == [
        (
            r["revision"],
            r["frequency"],
            r["zone"],
            r["superseded_at_ms"],
            r["next_end_ms"],
            None if r["later_start_ms"] is None else week,
        )
        for r in rows
    ]
    assert 3 == (await row(pool))["calendar_revision"]
    assert before == [
        tuple(r) for r in await pool.fetch("select * from voucher.voucher order by id")
    ]


async def test_zone_moves_the_expiry(campaigns: Campaigns, campaign: int, pool: Pool) -> None:
    """A local expiry is read anew in the new zone; a past one is allowed."""
    await campaigns.update(GROUPS, campaign, CampaignChange(time_zone="UTC"))
    assert ms("2027-01-01T00:00:00Z") == (await row(pool))["expires_before_ms"]
    await campaigns.update(GROUPS, campaign, CampaignChange(expires_on="2020-01-01"))
    stored = await row(pool)
    assert ("2020-01-01", ms("2020-01-02T00:00:00Z")) == (
        stored["expires_on"],
        stored["expires_before_ms"],
    )


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("ready", CampaignChange(name="Summer", redemption_limit=5)),
        ("empty", CampaignChange(voucher_text3="x")),
        ("empty", CampaignChange(voucher_style="{}")),
        ("empty", CampaignChange(expires_on="2026-11-30")),
        ("empty", CampaignChange(status="inactive")),
    ],
)
async def test_printed_sheets(
    campaigns: Campaigns, campaign: int, pool: Pool, expected: str, change: CampaignChange
) -> None:
    """What is printed or closed makes the sheets of campaign and vouchers outdated."""
    for table in ("campaign", "voucher"):
        await pool.execute(f"update voucher.{table} set pdf_status = 'ready'")
    await campaigns.update(GROUPS, campaign, change)
    vouchers = await pool.fetch("select distinct pdf_status from voucher.voucher")
    assert [expected] == [r["pdf_status"] for r in vouchers]
    assert expected == (await row(pool))["pdf_status"]


@pytest.mark.parametrize("status", ["creating", "failed"])
async def test_unfinished_campaign(
    campaigns: Campaigns, campaign: int, pool: Pool, status: str
) -> None:
    """Its status is not to be set; everything else is."""
    await pool.execute("update voucher.campaign set status = $1", status)
    for attempt in (
        campaigns.update(GROUPS, campaign, CampaignChange(status="active")),
        campaigns.set_status(GROUPS, campaign, "inactive"),
    ):
        with pytest.raises(ConflictError) as refusal:
            await attempt
        assert "campaign_not_ready" == refusal.value.code
    await campaigns.update(GROUPS, campaign, CampaignChange(name="Summer"))
    assert ("Summer", status) == ((await row(pool))["name"], (await row(pool))["status"])


async def test_foreign_campaign(campaigns: Campaigns, campaign: int) -> None:
    """Whoever may not see it gets nothing from any use-case."""
    foreign = frozenset({4})
    for attempt in (
        campaigns.update(foreign, campaign, CampaignChange(name="x")),
        campaigns.set_status(foreign, campaign, "inactive"),
        campaigns.replace_rules(foreign, campaign, []),
        campaigns.read_rules(foreign, campaign),
        campaigns.stats(foreign, campaign),
    ):
        with pytest.raises(NotFoundError):
            await attempt


async def test_rule_ids(campaigns: Campaigns, campaign: int, pool: Pool) -> None:
    """Named rows stay and may swap their values; foreign and doubled ids are refused."""
    one, two = Rule("product", "1"), Rule("product", "2")
    await campaigns.replace_rules(GROUPS, campaign, [(None, one), (None, two)])
    first, second = [r["id"] for r in await campaigns.read_rules(GROUPS, campaign)]
    await campaigns.replace_rules(GROUPS, campaign, [(first, two), (second, one)])
    rules = await campaigns.read_rules(GROUPS, campaign)
    assert [(first, "2"), (second, "1")] == [(r["id"], r["value"]) for r in rules]
    for bad in ([(99, one)], [(first, one), (first, two)]):
        with pytest.raises(InvalidError):
            await campaigns.replace_rules(GROUPS, campaign, bad)
    await campaigns.replace_rules(GROUPS, campaign, [(None, two), (None, Rule("product", "3"))])
    rules = await campaigns.read_rules(GROUPS, campaign)
    assert [("2", True), ("3", False)] == [(r["value"], r["id"] == first) for r in rules]


async def test_an_edit_waits_for_running_decisions(
    campaigns: Campaigns, campaign: int, pool: Pool
) -> None:
    """It cannot be acknowledged while a batch that relied on the old terms may still commit."""
    async with pool.acquire() as connection:
        batch = connection.transaction()
        await batch.start()
        await connection.execute("select pg_advisory_xact_lock_shared(77, $1)", campaign)
        edit = asyncio.create_task(
            campaigns.update(GROUPS, campaign, CampaignChange(redemption_limit=1))
        )
        # Longer than one wait for the lock: the edit tries again.
        await asyncio.sleep(engine.WAIT_MS / 1000 + 0.2)
        assert not edit.done()
        await batch.commit()
    await edit
    assert 1 == (await row(pool))["redemption_limit"]


async def test_an_edit_gives_up_in_the_end(
    campaigns: Campaigns, campaign: int, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that never comes free is answered, and nothing has changed."""
    monkeypatch.setattr(engine, "WAIT_MS", 20)
    monkeypatch.setattr(engine, "TRIES", 3)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock_shared(77, $1)", campaign)
        with pytest.raises(UnavailableError) as refusal:
            await campaigns.update(GROUPS, campaign, CampaignChange(redemption_limit=1))
    assert ("busy", 2) == (refusal.value.code, (await row(pool))["redemption_limit"])


def ms(text: str) -> int:
    """Epoch milliseconds of an instant."""
    instant = parse(text).instant
    assert instant is not None
    return to_ms(instant)
