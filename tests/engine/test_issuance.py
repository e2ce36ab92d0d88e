"""Creation: all or none, each code once per campaign, jobs that survive being killed."""

import asyncio
import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from farebox.domain import codes
from farebox.domain.campaigns import CampaignDraft
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.domain.vouchers import OwnSettings, Printed, VoucherDraft
from farebox.engine.issuance import ATTEMPTS, GENERATE, CodeSpaceExhaustedError, Issuance
from farebox.jobs import Worker
from farebox.storage import campaigns
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

AMSTERDAM = "Europe/Amsterdam"
GROUPS = frozenset({2, 3})
OWN = OwnSettings(type="discount", value=100, time_zone=AMSTERDAM)


def campaign(**members: Any) -> CampaignDraft:
    """A draft with the least it needs."""
    given: dict[str, Any] = {
        "name": "Spring",
        "total_vouchers": 0,
        "voucher_value": 100,
        "prefix": "SPR",
    }
    return CampaignDraft(**(given | members))


def vouchers(campaign: int, **members: Any) -> VoucherDraft:
    """An order of one own discount voucher, changed as the test wants."""
    given: dict[str, Any] = {"campaign": campaign, "settings": OWN, "prefix": "00000"}
    return VoucherDraft(**(given | members))


@pytest.fixture
def issuance(pool: Pool, clock: SettableClock) -> Issuance:
    """The use-cases under test."""
    return Issuance(pool, clock)


async def rows(pool: Pool, table: str = "voucher") -> list[Any]:
    """All rows of a table of the voucher schema."""
    return list(await pool.fetch(f"select * from voucher.{table} order by 1"))


async def test_a_small_campaign_is_complete_at_once(issuance: Issuance, pool: Pool) -> None:
    """Its vouchers inherit, carry the prefix and are in the campaign's first calendar."""
    drafted = campaign(total_vouchers=3, redemption_limit=2, reset_frequency="day")
    created = await issuance.create_campaign(2, drafted)
    stored = await rows(pool)
    assert [("active", 3)] == [
        (row["status"], row["total_vouchers"]) for row in await rows(pool, "campaign")
    ]
    assert {(created, True, None, 100, 1)} == {
        (row["campaign"], row["inherit"], row["value"], row["initial_value"], row["version"])
        for row in stored
    }
    assert all(re.fullmatch(r"SPR-[2-9A-HJKMNP-TV-Z]{10}", row["code"]) for row in stored)
    assert 3 == len({row["code_key"] for row in stored})
    [calendar] = await rows(pool, "calendar_revision")
    assert {calendar["first_end_ms"]} == {row["period_end_ms"] for row in stored}


async def test_dynamic_campaign_gets_discounts_with_settings_of_their_own(
    issuance: Issuance, pool: Pool
) -> None:
    """They copy what the campaign says at its creation."""
    await issuance.create_campaign(
        2,
        campaign(
            type="dynamic",
            total_vouchers=2,
            redemption_limit=4,
            reset_frequency="week",
            expires_on="2026-12-31",
            expires_before_ms=1798758000000,
        ),
    )
    assert {(False, "discount", 100, 4, "week", AMSTERDAM, "2026-12-31", 1798758000000)} == {
        (
            row["inherit"],
            row["type"],
            row["value"],
            row["redemption_limit"],
            row["reset_frequency"],
            row["time_zone"],
            row["expires_on"],
            row["expires_before_ms"],
        )
        for row in await rows(pool)
    }


async def test_past_expiry(issuance: Issuance, pool: Pool, clock: SettableClock) -> None:
    """Nothing is created that has already ended."""
    over = clock.now_ms
    with pytest.raises(InvalidError) as refusal:
        await issuance.create_campaign(2, campaign(expires_on="x", expires_before_ms=over))
    assert ("expires_in_past", ["expiresOn"]) == (refusal.value.code, list(refusal.value.fields))
    created = await issuance.create_campaign(
        2, campaign(expires_on="x", expires_before_ms=over + 1)
    )
    settings = OwnSettings(
        type="discount", value=1, time_zone=AMSTERDAM, expires_on="x", expires_before_ms=over
    )
    with pytest.raises(InvalidError) as refusal:
        await issuance.create_vouchers(GROUPS, vouchers(created, settings=settings))
    assert "expires_in_past" == refusal.value.code
    assert [] == await rows(pool)


async def test_five_thousand_at_once(issuance: Issuance, pool: Pool) -> None:
    """All of them exist, with distinct codes of the alphabet, and the campaign counts them."""
    created = await issuance.create_campaign(2, campaign())
    done = await issuance.create_vouchers(GROUPS, vouchers(created, count=5000, prefix="MANY"))
    stored = await rows(pool)
    assert (5000, 5000) == (done.count, len({row["code_key"] for row in stored}))
    symbols = set("".join(row["code"][5:] for row in stored))
    assert symbols == set(codes.ALPHABET)
    assert all(row["code_key"] == codes.canonical(row["code"]) for row in stored)
    assert [5000] == [row["total_vouchers"] for row in await rows(pool, "campaign")]


async def test_a_failing_creation_leaves_nothing(
    issuance: Issuance, pool: Pool, clock: SettableClock
) -> None:
    """A fault after half of the rows takes the other half with it (P16)."""
    created = await issuance.create_campaign(2, campaign())
    await pool.execute(
        "create function plant() returns trigger language plpgsql as $$ begin"
        " if (select count(*) from voucher.voucher) > 20 then"
        "  raise unique_violation using message = 'planted'; end if; return null; end $$"
    )
    await pool.execute(
        "create trigger plant after insert on voucher.voucher for each row execute function plant()"
    )
    with pytest.raises(Exception, match="planted"):
        await issuance.create_vouchers(GROUPS, vouchers(created, count=40))
    with pytest.raises(Exception, match="planted"):
        await issuance.create_campaign(2, campaign(total_vouchers=40))
    assert [] == await rows(pool)
    assert [(created, 0)] == [
        (row["id"], row["total_vouchers"]) for row in await rows(pool, "campaign")
    ]


def repeating(first: bytes) -> Callable[[int], bytes]:
    """A random source that gives the same bytes for ever."""
    return lambda n: (first * (n // len(first) + 1))[:n]


async def test_only_missing_codes_are_drawn_again(pool: Pool, clock: SettableClock) -> None:
    """Codes that are taken or drawn twice cost another round, not another voucher."""
    draws: list[int] = []
    sources = [bytes(10), bytes(10) + bytes([1] * 10) + bytes([1] * 10), bytes([2] * 10)]

    def source(n: int) -> bytes:
        draws.append(n)
        return (sources[len(draws) - 1] + bytes([200] * n))[:n]

    issuance = Issuance(pool, clock, random_bytes=source)
    created = await issuance.create_campaign(2, campaign(total_vouchers=1))
    await issuance.create_vouchers(GROUPS, vouchers(created, count=3, prefix="SPR"))
    expected = {f"SPR-{symbol * 10}" for symbol in ("2", "3", "4")}
    stored = {row["code"] for row in await rows(pool)}
    assert expected <= stored
    assert 4 == len(stored)


async def test_exhausted_code_space_stores_nothing(pool: Pool, clock: SettableClock) -> None:
    """After five rounds without new codes the whole creation is given up."""
    issuance = Issuance(pool, clock, random_bytes=repeating(bytes(1)))
    created = await issuance.create_campaign(2, campaign())
    with pytest.raises(CodeSpaceExhaustedError):
        await issuance.create_vouchers(GROUPS, vouchers(created, count=2))
    with pytest.raises(CodeSpaceExhaustedError):
        await issuance.create_campaign(2, campaign(total_vouchers=2))
    assert ([], 1) == (await rows(pool), len(await rows(pool, "campaign")))


async def test_custom_code_once_per_campaign(issuance: Issuance, pool: Pool) -> None:
    """Spelling does not matter, the campaign does; the older voucher learns of the newer one."""
    first = await issuance.create_campaign(2, campaign())
    second = await issuance.create_campaign(2, campaign())
    await issuance.create_vouchers(GROUPS, vouchers(first, code="Summer1"))
    with pytest.raises(ConflictError) as refusal:
        await issuance.create_vouchers(GROUPS, vouchers(first, code="SUMMER1"))
    assert "code_taken" == refusal.value.code
    done = await issuance.create_vouchers(GROUPS, vouchers(second, code="summer1"))
    assert 2 == done.candidates
    assert [("Summer1", 2), ("summer1", 1)] == [
        (row["code"], row["version"]) for row in await rows(pool)
    ]
    assert [1, 1] == [row["total_vouchers"] for row in await rows(pool, "campaign")]


async def test_concurrent_creation_of_one_code(issuance: Issuance, pool: Pool) -> None:
    """In one campaign one of many succeeds; in two campaigns both, and the versions say so."""
    first = await issuance.create_campaign(2, campaign())
    second = await issuance.create_campaign(2, campaign())
    results = await asyncio.gather(
        *(
            issuance.create_vouchers(GROUPS, vouchers(target, code="SAME"))
            for target in (first, second) * 6
        ),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, ConflictError)]
    assert (10, {"code_taken"}) == (len(refused), {refusal.code for refusal in refused})
    stored = await rows(pool)
    assert [1, 2] == sorted(row["version"] for row in stored)
    assert {first, second} == {row["campaign"] for row in stored}


@pytest.mark.parametrize(
    ("expected", "type", "settings"),
    [
        ("voucher_type_mismatch", "discount", OwnSettings(type="gift", value=1, time_zone="UTC")),
        ("voucher_type_mismatch", "gift", OWN),
        ("inherit_needs_typed_campaign", "dynamic", None),
        (None, "dynamic", OwnSettings(type="gift", value=1, time_zone="UTC")),
        (None, "discount", None),
        (None, "gift", None),
    ],
)
async def test_voucher_type_fits_campaign(
    issuance: Issuance,
    pool: Pool,
    expected: str | None,
    type: str,
    settings: OwnSettings | None,
) -> None:
    """A typed campaign holds its own type and heirs, a dynamic one everything but heirs."""
    created = await issuance.create_campaign(2, campaign(type=type))
    if expected is None:
        await issuance.create_vouchers(GROUPS, vouchers(created, settings=settings))
        assert [settings is None] == [row["inherit"] for row in await rows(pool)]
        return
    with pytest.raises(InvalidError) as refusal:
        await issuance.create_vouchers(GROUPS, vouchers(created, settings=settings))
    assert expected == refusal.value.code


async def test_foreign_campaign_reads_like_a_missing_one(issuance: Issuance) -> None:
    """Neither the message nor the code tells whether the campaign exists."""
    foreign = await issuance.create_campaign(4, campaign())
    refusals = []
    for target in (foreign, 999):
        with pytest.raises(InvalidError) as refusal:
            await issuance.create_vouchers(GROUPS, vouchers(target))
        refusals.append((str(refusal.value), refusal.value.code, refusal.value.fields))
    assert refusals[0] == refusals[1]
    assert "campaign_not_found" == refusals[0][1]


async def test_printed_members_and_rules_are_stored(issuance: Issuance, pool: Pool) -> None:
    """What is given for one voucher stands in its row."""
    created = await issuance.create_campaign(2, campaign())
    order = vouchers(
        created,
        code="ONE",
        printed=Printed(text1="Hello", style="{}", comments="for Ann"),
        rules='[{"field":"product","value":"5"}]',
    )
    await issuance.create_vouchers(GROUPS, order)
    [row] = await rows(pool)
    assert ("Hello", None, "{}", "for Ann", order.rules) == (
        row["text1"],
        row["text2"],
        row["style"],
        row["comments"],
        row["rules"],
    )


class Killed(BaseException):
    """Stands for the end of the process."""


async def test_a_big_campaign_is_filled_by_a_job(pool: Pool, clock: SettableClock) -> None:
    """It answers at once as `creating`, and the job opens it when the last voucher exists."""
    issuance = Issuance(pool, clock, batch=50)
    created = await issuance.create_campaign(2, campaign(total_vouchers=120))
    [job] = await pool.fetch("select kind, payload from farebox.outbox")
    assert (GENERATE, {"campaign": created}) == (job["kind"], job["payload"])
    [row] = await rows(pool, "campaign")
    assert ("creating", [], 1) == (row["status"], await rows(pool), row["policy_revision"])
    with pytest.raises(ConflictError) as refusal:
        await issuance.create_vouchers(GROUPS, vouchers(created))
    assert "campaign_not_ready" == refusal.value.code
    await issuance.generate(job["payload"], 1)
    [row] = await rows(pool, "campaign")
    assert ("active", 120, 2) == (row["status"], row["total_vouchers"], row["policy_revision"])
    assert 120 == len({row["code_key"] for row in await rows(pool)})


async def test_wanted_status_is_taken_in_the_end(pool: Pool, clock: SettableClock) -> None:
    """A big campaign that is wanted inactive stays closed."""
    issuance = Issuance(pool, clock, batch=5)
    created = await issuance.create_campaign(2, campaign(total_vouchers=6, status="inactive"))
    await issuance.generate({"campaign": created}, 1)
    assert ["inactive"] == [row["status"] for row in await rows(pool, "campaign")]


async def test_a_killed_job_goes_on_where_it_was(pool: Pool, clock: SettableClock) -> None:
    """Killed in any batch and begun again, it makes exactly the wanted number."""
    issuance = Issuance(pool, clock, batch=50)
    created = await issuance.create_campaign(2, campaign(total_vouchers=120))
    calls = 0

    def dying(n: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return bytes(byte % 240 for byte in os.urandom(n))

    mortal = Issuance(pool, clock, random_bytes=dying, batch=50)
    with pytest.raises(Killed):
        await mortal.generate({"campaign": created}, 1)
    assert 50 == len(await rows(pool))
    await issuance.generate({"campaign": created}, 2)
    await issuance.generate({"campaign": created}, 3)
    assert 120 == len(await rows(pool))
    assert ["active"] == [row["status"] for row in await rows(pool, "campaign")]


async def test_two_workers_fill_one_campaign(pool: Pool, clock: SettableClock) -> None:
    """Each counts what the other has made: the sum is the wanted number."""
    issuance = Issuance(pool, clock, batch=10)
    created = await issuance.create_campaign(2, campaign(total_vouchers=95))
    await asyncio.gather(*(issuance.generate({"campaign": created}, 1) for _ in range(3)))
    assert 95 == len(await rows(pool))
    assert ["active"] == [row["status"] for row in await rows(pool, "campaign")]


async def test_a_hopeless_job_ends_as_failed(pool: Pool, clock: SettableClock) -> None:
    """The campaign says so, cannot be used, and no attempt follows."""
    drafted = campaign(total_vouchers=12)
    exhausted = Issuance(pool, clock, random_bytes=repeating(bytes(1)), batch=5)
    created = await exhausted.create_campaign(2, drafted)
    await exhausted.generate({"campaign": created}, 1)
    assert ["failed"] == [row["status"] for row in await rows(pool, "campaign")]

    def broken(n: int) -> bytes:
        raise RuntimeError(f"no {n} bytes")

    failing = Issuance(pool, clock, random_bytes=broken, batch=5)
    created = await failing.create_campaign(2, drafted)
    for attempt in range(1, ATTEMPTS):
        with pytest.raises(RuntimeError, match="bytes"):
            await failing.generate({"campaign": created}, attempt)
    await failing.generate({"campaign": created}, ATTEMPTS)
    assert ["failed"] * 2 == [row["status"] for row in await rows(pool, "campaign")]
    await failing.generate({"campaign": 999}, 1)


async def test_a_job_killed_in_its_last_attempt_leaves_a_failed_campaign(
    pool: Pool, clock: SettableClock
) -> None:
    """Nobody is left to say that it failed; the next look at such campaigns does."""
    issuance = Issuance(pool, clock, batch=5)
    lost, waiting = [
        await issuance.create_campaign(2, campaign(total_vouchers=12)) for _ in range(2)
    ]
    await pool.execute(
        "update farebox.outbox set attempts = $1 where (payload ->> 'campaign')::int = $2",
        ATTEMPTS, lost,
    )  # fmt: skip
    assert [] == await issuance.give_up_abandoned()
    # The worker finds all attempts used up and buries the job without running it.
    await pool.execute("update farebox.outbox set next_at_ms = $1::bigint + 60000", clock())
    await pool.execute(
        "update farebox.outbox set next_at_ms = $1 where attempts = $2", clock(), ATTEMPTS
    )
    worker = Worker(pool, clock, {"campaign.generate": issuance.generate})
    assert 1 == await worker.drain()

    assert [lost] == await issuance.give_up_abandoned()
    assert [] == await issuance.give_up_abandoned()
    statuses = {row["id"]: row["status"] for row in await rows(pool, "campaign")}
    assert {lost: "failed", waiting: "creating"} == statuses


async def test_missing_campaign_is_not_found(issuance: Issuance, pool: Pool) -> None:
    """A group outside the tree of the owner sees no campaign at all."""
    created = await issuance.create_campaign(4, campaign())
    with pytest.raises(NotFoundError):
        await campaigns.read(pool, created, GROUPS)
