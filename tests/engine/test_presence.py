"""Presence: who is offline, the log of it, and that every machine has exactly one status."""

import asyncio
import random

import pytest

from farebox.engine.presence import STATUSES, condition
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.watch import MINUTE_MS, Scene


@pytest.fixture
async def place(stocked_pool: Pool, clock: SettableClock) -> Scene:
    """The fixture's machines."""
    return Scene(stocked_pool, clock)


async def statuses(place: Scene) -> dict[int, list[str]]:
    """All statuses that hold for each machine."""
    found: dict[int, list[str]] = {80: [], 81: []}
    for status in STATUSES:
        text = f"select t.id from vending.machine t where {condition(status)}"
        text = text.replace("{now_ms}", "$1").replace("{offline_after_ms}", "$2")
        for row in await place.pool.fetch(text, place.clock(), 900_000):
            found[row["id"]].append(status)
    return found


async def logs(place: Scene) -> list[tuple[int, str, int, int | None]]:
    """Every log: machine, code, minutes since the fixture, duration."""
    rows = await place.pool.fetch(
        "select machine, code, (occurred_at_ms - $1::bigint) / 60000 as minute, duration"
        " from vending.log order by id", SettableClock()(),
    )  # fmt: skip
    return [tuple(row) for row in rows]


async def test_silence_is_logged_once_and_ends_with_contact(place: Scene) -> None:
    """After 15 minutes of silence one log stands open since the last contact, until the next."""
    assert 0 == await place.presence.detect()
    place.clock.advance_ms(5 * MINUTE_MS)
    await place.presence.contact(80)
    await place.presence.contact(81)
    place.clock.advance_ms(15 * MINUTE_MS)
    assert 0 == await place.presence.detect()
    place.clock.advance_ms(1)
    found = await asyncio.gather(*(place.presence.detect() for _ in range(6)))
    assert 2 == sum(found)
    assert [(80, "CM_OFFLINE", 5, None), (81, "CM_OFFLINE", 5, None)] == sorted(await logs(place))
    assert {80: ["offline"], 81: ["offline"]} == await statuses(place)
    place.clock.advance_ms(10 * MINUTE_MS)
    await place.presence.contact(80)
    assert (80, "CM_OFFLINE", 5, 1500) in await logs(place)
    assert {80: ["ok"], 81: ["offline"]} == await statuses(place)
    assert 0 == await place.presence.detect()
    assert 2 == await place.pool.fetchval(
        "select count(*) from vending.machine where last_log is not null"
    )


async def test_machines_behind_a_gateway_share_its_contact(place: Scene) -> None:
    """They fall silent and come back with it."""
    await place.set_machine(81, gateway=80)
    place.clock.advance_ms(16 * MINUTE_MS)
    await place.presence.contact(80)
    assert 0 == await place.presence.detect()
    assert {80: ["ok"], 81: ["ok"]} == await statuses(place)
    place.clock.advance_ms(16 * MINUTE_MS)
    assert 2 == await place.presence.detect()
    await place.presence.contact(80)
    assert [960, 960] == [duration for _, _, _, duration in await logs(place)]
    assert 0 == await place.pool.fetchval("select count(offline_log) from vending.machine")


@pytest.mark.parametrize("members", [{"active": False}, {"has_subscription": False}])
async def test_machines_out_of_service_are_not_offline(
    place: Scene, members: dict[str, bool]
) -> None:
    """Inactive machines and those without subscription may be silent."""
    place.clock.advance_ms(60 * MINUTE_MS)
    await place.set_machine(80, **members)
    assert 1 == await place.presence.detect()
    assert {80: ["ok"], 81: ["offline"]} == await statuses(place)


async def test_contact_is_written_every_half_minute(place: Scene) -> None:
    """Calls within 30 s of a written one write nothing; noted ones are written together."""
    start = place.clock()
    await place.presence.contact(80)
    for advance_ms, written_ms in ((29_999, 0), (1, 30_000), (29_999, 30_000), (1, 60_000)):
        place.clock.advance_ms(advance_ms)
        await place.presence.contact(80)
        assert start + written_ms == await place.pool.fetchval(
            "select last_seen_ms from vending.machine where id = 80"
        )
    place.clock.advance_ms(MINUTE_MS)
    place.presence.note(80)
    place.presence.note(81)
    await place.presence.flush()
    rows = await place.pool.fetch("select last_seen_ms from vending.machine")
    assert {place.clock()} == {row["last_seen_ms"] for row in rows}


async def test_every_machine_has_one_status(place: Scene, random_source: random.Random) -> None:
    """Whatever is open, firing or silent: exactly one, and the first that holds."""
    clean = await place.identity("CLEANING")
    observer = await place.observer((80, 81))
    for _ in range(40):
        place.clock.advance_ms(random_source.choice((1, 5, 20)) * MINUTE_MS)
        machine = random_source.choice((80, 81))
        match random_source.randrange(7):
            case 0:
                await place.presence.contact(machine)
            case 1:
                await place.log(machine, code="E1", is_resolvable=True)
            case 2:
                await place.log(machine, code="autoClean", is_resolvable=True)
            case 3:
                await place.log(machine, code="C", is_resolvable=True, error_identity=clean)
            case 4:
                await place.pool.execute(
                    "update vending.log set resolved_at_ms = $2, duration = 0"
                    " where machine = $1 and is_resolvable", machine, place.clock(),
                )  # fmt: skip
            case 5:
                await place.pool.execute(
                    "update vending.alertobserver_machine set fired_at_ms ="
                    " case when fired_at_ms is null then 1::bigint end where machine = $1", machine,
                )  # fmt: skip
            case _:
                await place.presence.detect()
        for key, held in (await statuses(place)).items():
            assert [await expected(place, key)] == held
    assert observer


async def expected(place: Scene, machine: int) -> str:
    """The status by the words of the document."""
    row = await place.pool.fetchrow(
        "select greatest(last_seen_ms, created_at_ms) as base, exists (select from"
        " vending.alertobserver_machine where machine = $1 and fired_at_ms is not null) as alarm"
        " from vending.machine where id = $1", machine,
    )  # fmt: skip
    opened = await place.pool.fetch(
        "select g.code, e.error from vending.log g left join vending.erroridentity e"
        " on e.id = g.error_identity where g.machine = $1 and is_resolvable"
        " and resolved_at_ms is null and g.code <> 'CM_OFFLINE'", machine,
    )  # fmt: skip
    if place.clock() - row["base"] > 900_000:
        return "offline"
    if row["alarm"]:
        return "alarm"
    cleaning = ["clean" in f"{one['code']} {one['error']}".lower() for one in opened]
    if not all(cleaning):
        return "issue"
    return "cleaning" if cleaning else "ok"
