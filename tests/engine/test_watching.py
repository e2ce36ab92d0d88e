"""Alerts: conditions, edges, mails; a random life against the document in plain Python."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from farebox.domain.opening import SEARCH_MS, Hours, is_open, open_spans
from farebox.engine.watching import Watching
from farebox.jobs import Worker
from farebox.outbound.mail import Mailer
from farebox.storage.pool import Pool
from tests.clocks import SettableClock
from tests.engine.watch import MINUTE_MS, Scene
from tests.outbound.test_mail import Box, PortController

HOUR_MS = 60 * MINUTE_MS
AMSTERDAM = "Europe/Amsterdam"


@pytest.fixture
async def place(stocked_pool: Pool, clock: SettableClock) -> Scene:
    """The fixture's machines."""
    return Scene(stocked_pool, clock)


async def test_no_sales_for_two_hours(place: Scene) -> None:
    """Fires once when two hours are over, mails once, rests with the next sale, fires again."""
    await place.recipient()
    await place.recipient("off@example.test", active=False)
    key = await place.observer()
    steps: tuple[tuple[int, bool, list[tuple[int, int]]], ...] = (
        (0, False, []), (2 * HOUR_MS - 1, False, []), (1, False, [(key, 80)]),
        (HOUR_MS, False, [(key, 80)]), (0, True, []), (2 * HOUR_MS - 1, False, []),
        (1, False, [(key, 80)]),
    )  # fmt: skip
    for advance_ms, is_sold, firing in steps:
        place.clock.advance_ms(advance_ms)
        if is_sold:
            await place.sale()
        await asyncio.gather(*(place.watching.sweep() for _ in range(4)))
        assert firing == await place.firing()
    mails = await place.mails()
    assert ["ops@example.test"] * 2 == [mail["to"] for mail in mails]
    assert "No sales: Platform 2, Central Station" == mails[0]["subject"]
    assert "No sales: no sale for 2 hours.\n\nMachine: Platform 2 (gw-0080)\n" in mails[0]["text"]
    assert "Time: 2026-03-10 12:00\n" in mails[0]["text"]
    sent_ms = await place.pool.fetchval("select sent_at_ms from vending.alertobserver")
    assert place.clock() == sent_ms


async def test_opening_hours_stop_the_clock(place: Scene) -> None:
    """Two hours without a sale, counted while it is open: 10:00-11:00 on two days."""
    await place.hours((2, 36000, 39600), (3, 36000, 39600))
    key = await place.observer(opening_hours=True)
    for advance_ms, firing in (
        (HOUR_MS, []), (12 * HOUR_MS, []), (12 * HOUR_MS - 1, []), (1, [(key, 80)]),
    ):  # fmt: skip
        place.clock.advance_ms(advance_ms)
        await place.watching.sweep()
        assert firing == await place.firing()


async def test_hours_over_the_end_of_summer_time(place: Scene) -> None:
    """From 01:00 to 04:00 on the last Sunday of October it is open for four hours."""
    place.clock.set("2026-10-24T20:00:00Z")
    await place.hours((7, 3600, 14400))
    key = await place.observer(timer=4, opening_hours=True)
    for text, firing in (
        ("2026-10-25T02:59:59+01:00", []), ("2026-10-25T03:59:59+01:00", []),
        ("2026-10-25T04:00:00+01:00", [(key, 80)]),
    ):  # fmt: skip
        place.clock.set(text)
        await place.watching.sweep()
        assert firing == await place.firing()


async def test_hours_over_the_beginning_of_summer_time(place: Scene) -> None:
    """From 01:00 to 04:00 on the last Sunday of March it is open for two hours."""
    place.clock.set("2026-03-28T20:00:00Z")
    await place.hours((7, 3600, 14400))
    key = await place.observer(timer=3, opening_hours=True)
    for text, firing in (
        ("2026-03-29T04:00:00+02:00", []), ("2026-04-05T01:59:59+02:00", []),
        ("2026-04-05T02:00:00+02:00", [(key, 80)]),
    ):  # fmt: skip
        place.clock.set(text)
        await place.watching.sweep()
        assert firing == await place.firing()


async def test_occurrences(place: Scene) -> None:
    """Enough matching logs in the window, those of the future and those that clear left out."""
    water = await place.identity("ED017")
    key = await place.observer(
        type="event", observer="occurrence", timer=10, timer_type=1, error=water, occurs=2
    )
    await place.log(error_identity=water)
    await place.log(error_identity=None)
    await place.log(81, error_identity=water)
    await place.log(error_identity=water, state="clear")
    await place.log(error_identity=water, at_ms=place.clock() + MINUTE_MS)
    assert 0 == await place.watching.sweep()
    place.clock.advance_ms(MINUTE_MS)
    assert 1 == await place.watching.sweep()
    assert [(key, 80)] == await place.firing()
    place.clock.advance_ms(9 * MINUTE_MS)
    await place.watching.sweep()
    assert [] == await place.firing()


async def test_unresolved(place: Scene) -> None:
    """A log that stays open for the window, until it is resolved."""
    key = await place.observer(type="event", observer="non_resolution", timer=30, timer_type=1)
    log = await place.log(is_resolvable=True)
    place.clock.advance_ms(30 * MINUTE_MS - 1)
    assert 0 == await place.watching.sweep()
    place.clock.advance_ms(1)
    assert 1 == await place.watching.sweep()
    assert [(key, 80)] == await place.firing()
    await place.resolve(log)
    await place.watching.sweep()
    assert [] == await place.firing()


async def test_payments(place: Scene) -> None:
    """A payment method narrows what counts as a sale."""
    key = await place.observer(observer="occurrence", timer=1, occurs=2, payment_method="card")
    for method in ("card", "cash", "cash"):
        await place.sale(method=method)
    assert 0 == await place.watching.sweep()
    await place.sale(method="card")
    assert 1 == await place.watching.sweep()
    assert [(key, 80)] == await place.firing()


async def test_silence_is_an_event(place: Scene) -> None:
    """A machine that goes offline fires what watches its events, and its contact ends it."""
    key = await place.observer(type="event", observer="non_resolution", timer=20, timer_type=1)
    place.clock.advance_ms(20 * MINUTE_MS)
    assert 2 == await place.presence.detect()
    assert 1 == await place.watching.settle()
    assert [(key, 80)] == await place.firing()
    await place.presence.contact(80)
    assert 0 == await place.watching.settle()
    assert [] == await place.firing()


async def test_another_rule_starts_anew(place: Scene) -> None:
    """A changed rule rests and waits its whole window; another name changes nothing."""
    key = await place.observer()
    place.clock.advance_ms(2 * HOUR_MS)
    await place.watching.sweep()
    await place.pool.execute("update vending.alertobserver set name = 'x', updated_at_ms = 1")
    assert [(key, 80)] == await place.firing()
    sent = "select sent_at_ms from vending.alertobserver"
    sent_ms = await place.pool.fetchval(sent)
    await place.pool.execute(
        "update vending.alertobserver set timer = 1, updated_at_ms = $1", place.clock()
    )
    assert [] == await place.firing()
    assert 0 == await place.watching.sweep()
    assert sent_ms == await place.pool.fetchval(sent)
    place.clock.advance_ms(HOUR_MS)
    assert 1 == await place.watching.sweep()


async def test_a_machine_attached_later_waits_its_own_window(place: Scene) -> None:
    """Watching begins when the machine is attached; one taken away fires no more."""
    key = await place.observer()
    place.clock.advance_ms(HOUR_MS)
    async with place.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "insert into vending.alertobserver_machine (alertobserver, machine) values ($1, 81)",
            key,
        )
        await connection.execute(
            "update vending.alertobserver set updated_at_ms = $1", place.clock()
        )
    place.clock.advance_ms(HOUR_MS)
    await place.watching.sweep()
    assert [(key, 80)] == await place.firing()
    place.clock.advance_ms(HOUR_MS)
    await place.pool.execute("delete from vending.alertobserver_machine where machine = 80")
    await place.watching.sweep()
    assert [(key, 81)] == await place.firing()


async def test_mails_speak_the_recipients_language(place: Scene) -> None:
    """Words of the recipient's language, translated errors, and a group's own templates."""
    await place.pool.execute(
        "insert into vending.language (id, name, language, locale, created_at_ms, updated_at_ms)"
        " values (20, 'Dutch', 'nl', 'nl-NL', 0, 0), (21, 'Greek', 'el', 'el-GR', 0, 0)"
    )
    await place.pool.execute(
        "insert into vending.translation (owner, language, key, value, created_at_ms,"
        " updated_at_ms) values (1, 20, 'ED017', 'Water op', 0, 0),"
        " (4, 20, 'ED017', 'Nooit', 0, 0), (2, 21, 'alert.subject', '$machine!\n$nothing', 0, 0),"
        " (2, 21, 'alert.text', '$error ${window}', 0, 0)"
    )
    for number, language in enumerate((1, 20, 21)):
        await place.recipient(f"r{number}@example.test", language=language)
    water = await place.identity("ED017")
    await place.observer(
        name="Water", type="event", observer="occurrence", timer=1, timer_type=4, error=water
    )
    await place.log(error_identity=water)
    await place.watching.sweep()
    english, dutch, greek = await place.mails()
    assert "Water: ED017: reported 1 times or more within 1 week." in english["text"]
    assert "Water: Water op: 1 keer of vaker gemeld binnen 1 week." in dutch["text"]
    assert ("Platform 2! $nothing", "ED017 1 week") == (greek["subject"], greek["text"])


async def test_mails_arrive(place: Scene) -> None:
    """Over a real SMTP server every active recipient gets one mail for one edge."""
    box = Box()
    controller = PortController(box, hostname="127.0.0.1", port=0)
    controller.start()
    for name in ("a", "b"):
        await place.recipient(f"{name}@example.test")
    await place.observer((80, 81))
    place.clock.advance_ms(2 * HOUR_MS)
    mailer = Mailer(
        f"smtp://127.0.0.1:{controller.bound_port}", "Farebox <no-reply@vend.example>", place.clock
    )
    await place.watching.sweep()
    await place.watching.sweep()
    worker = Worker(place.pool, place.clock, {"mail": mailer.deliver})
    assert 4 == await worker.drain()
    controller.stop()
    assert {"a@example.test": 2, "b@example.test": 2} == Counter(
        str(message["To"]) for message in box.messages
    )
    assert {"No sales: Platform 2, Central Station", "No sales: Pier head, South Pier"} == {
        str(message["Subject"]) for message in box.messages
    }


@dataclass
class Watched:
    """An observer at a machine as the document sees it."""

    rule: dict[str, Any]
    since_ms: int
    is_firing: bool = False
    fired: int = 0


@dataclass
class World:
    """Everything that happened, kept beside the database."""

    hours: dict[int, Hours] = field(default_factory=dict)
    # Machine, instant, identity, whether it can be resolved, when it was.
    logs: dict[int, list[Any]] = field(default_factory=dict)
    sales: list[tuple[int, int, str]] = field(default_factory=list)
    watched: dict[tuple[int, int], Watched] = field(default_factory=dict)

    def start(self, machine: int, rule: dict[str, Any], now_ms: int) -> int:
        """The latest a with span(a, now) = W, by counting back."""
        window: int = (
            rule["timer"] * {1: MINUTE_MS, 2: HOUR_MS, 3: 24 * HOUR_MS}[rule["timer_type"]]
        )
        hours = self.hours.get(machine, ()) if rule["opening_hours"] else ()
        if not hours:
            return now_ms - window
        earliest = now_ms - SEARCH_MS
        for begin, end in reversed([*open_spans(hours, AMSTERDAM, earliest, now_ms)]):
            if window <= end - begin:
                return end - window
            window -= end - begin
        return earliest

    def holds(self, machine: int, one: Watched, now_ms: int) -> bool:
        """The condition, word by word."""
        rule = one.rule
        start = self.start(machine, rule, now_ms)
        hours = self.hours.get(machine, ()) if rule["opening_hours"] else ()
        logs = [
            log for log in self.logs.values()
            if log[0] == machine and rule["error"] in (None, log[2])
        ]  # fmt: skip
        inside = [log for log in logs if start < log[1] <= now_ms]
        sales = [
            sale for sale in self.sales
            if sale[0] == machine and start < sale[1] <= now_ms
            and rule["payment_method"] in (None, sale[2])
        ]  # fmt: skip
        is_due = one.since_ms <= start
        match rule["type"], rule["observer"]:
            case "event", "occurrence":
                counted = [log for log in inside if is_open(hours, AMSTERDAM, log[1])]
                return len(counted) >= int(rule["occurs"])
            case "event", "non_resolution":
                return any(log[3] and log[4] is None and log[1] <= start for log in logs)
            case "event", "non_occurrence":
                return not inside and is_due
            case "transaction", "occurrence":
                return len(sales) >= int(rule["occurs"])
            case _:
                return not sales and is_due


def any_rule(chance: random.Random, identities: list[int]) -> dict[str, Any]:
    """A rule that the document allows."""
    kind = chance.choice(("event", "event", "transaction"))
    is_event = kind == "event"
    observers = ["occurrence", "non_occurrence"] + ["non_resolution"] * is_event
    return {
        "type": kind, "observer": chance.choice(observers),
        "timer": chance.choice((1, 2, 5, 30)), "timer_type": chance.choice((1, 2, 2, 3)),
        "error": chance.choice([None, *identities]) if is_event else None,
        "occurs": chance.choice((1, 1, 2, 3)), "opening_hours": chance.random() < 0.5,
        "payment_method": None if is_event else chance.choice((None, "cash", "card")),
    }  # fmt: skip


class Life:
    """Plays random steps on the database and on the world beside it."""

    def __init__(self, place: Scene, chance: random.Random) -> None:
        self.place = place
        self.chance = chance
        self.world = World()
        self.identities: list[int] = []
        self.observers: dict[int, dict[str, Any]] = {}

    async def begin(self) -> None:
        """Error identities, one recipient, and observers of every sort."""
        self.identities = [await self.place.identity(name) for name in ("E1", "E2")]
        await self.place.recipient()
        for _ in range(24):
            rule = any_rule(self.chance, self.identities)
            key = await self.place.observer((80, 81), **rule)
            self.observers[key] = rule
            for machine in (80, 81):
                self.world.watched[key, machine] = Watched(rule, self.place.clock())

    async def step(self) -> None:
        """Something happens, or only time passes."""
        place, world, chance = self.place, self.world, self.chance
        place.clock.advance_ms(chance.choice((1, 1, 3, 7, 20, 45, 200, 700)) * MINUTE_MS + 13)
        machine, now_ms = chance.choice((80, 81)), place.clock()
        at_ms = now_ms + chance.choice((-40, -3, 0, 0, 0, 90)) * MINUTE_MS
        match chance.randrange(6):
            case 0:
                identity = chance.choice([None, *self.identities])
                lasts = chance.random() < 0.6
                key = await place.log(machine, at_ms, error_identity=identity, is_resolvable=lasts)
                world.logs[key] = [machine, at_ms, identity, lasts, None]
            case 1:
                method = chance.choice(("cash", "card"))
                await place.sale(machine, at_ms, method)
                world.sales.append((machine, at_ms, method))
            case 2 if world.logs:
                key = chance.choice([*world.logs])
                await place.resolve(key)
                world.logs[key][4] = now_ms
            case 3 if chance.random() < 0.3:
                rows = tuple(
                    (day, start * 3600, start * 3600 + 14400)
                    for day in range(1, 8) for start in chance.sample((1, 8, 17), 2)
                )  # fmt: skip
                await place.hours(*rows, machine=machine)
                world.hours[machine] = rows
            case 4 if chance.random() < 0.3:
                await self.edit(chance.choice([*self.observers]), now_ms)
            case _:
                pass

    async def edit(self, key: int, now_ms: int) -> None:
        """Another rule for an observer."""
        rule = any_rule(self.chance, self.identities)
        names = ", ".join(f"{name} = ${number}" for number, name in enumerate(rule, 3))
        await self.place.pool.execute(
            f"update vending.alertobserver set updated_at_ms = $2, {names} where id = $1",
            key, now_ms, *rule.values(),
        )  # fmt: skip
        if rule != self.observers[key]:
            self.observers[key] = rule
            for machine in (80, 81):
                one = self.world.watched[key, machine]
                one.rule, one.since_ms, one.is_firing = rule, now_ms, False

    def expect(self) -> list[tuple[int, int]]:
        """Move every edge and give what fires."""
        for (_, machine), one in self.world.watched.items():
            holds = self.world.holds(machine, one, self.place.clock())
            one.fired += holds and not one.is_firing
            one.is_firing = holds
        return sorted(key for key, one in self.world.watched.items() if one.is_firing)


@pytest.mark.parametrize("start", ["2026-03-27T09:00:00Z", "2026-10-23T09:00:00Z"])
async def test_a_random_life(place: Scene, start: str, random_source: random.Random) -> None:
    """Over both changes of the clock: what fires, and one mail per edge, whoever looks at once."""
    place.clock.set(start)
    life = Life(place, random_source)
    await life.begin()
    others = Watching(place.pool, place.clock)
    for _ in range(60):
        await life.step()
        await asyncio.gather(place.watching.sweep(), others.sweep())
        assert life.expect() == await place.firing()
        edges = sum(one.fired for one in life.world.watched.values())
        assert edges == len(await place.mails())


def test_spans_are_the_documents() -> None:
    """What the world beside the database counts with is checked against the definition."""
    hours = ((7, 3600, 14400),)
    start, end = 1_792_875_600_000, 1_792_879_200_000
    assert all(
        is_open(hours, AMSTERDAM, one) == any(a <= one < b for a, b in spans)
        for spans in [open_spans(hours, AMSTERDAM, start, end)]
        for one in range(start, end, 60_000)
    )
