"""Two desks on one real PostgreSQL against the oracle's one desk, step by step.

Several devices, codes with candidates in several campaigns, orders repeated and rolled back, holds,
resets, edits through the use-cases. Every answer must be the oracle's; rows and history too, now
and then and at the end (P1-P12, P15, P19-P21 of vending-commerce.md 4.19, in one thread).
"""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from farebox.api.vending.wire_device import VendingSpelling
from farebox.domain.campaigns import CampaignChange
from farebox.domain.expiry import parse_expiry
from farebox.domain.rules import Rule
from farebox.domain.vouchers import OwnSettings, Printed, VoucherChange, VoucherReplacement
from farebox.engine.campaigns import Campaigns
from farebox.engine.redemption import Desk
from farebox.engine.vouchers import Vouchers
from farebox.storage.pool import Pool, open_pool
from farebox.storage.redemption import Ledger
from farebox.storage.vouchers import SEEN
from tests import oracle, oracle_desk, strategies
from tests.engine import worded
from tests.oracle_desk import Campaign, Card, Device, Order

GROUPS = frozenset({2, 3, 4})
CODES = ("AA", "bb-Two", "CC")
DEVICES = (
    Device("gw-0080", "m:80", machine=80, hostname="gw-0080", location=2, external_ref="X2",
           groups=frozenset({6}), currency="EUR", owners=frozenset({2, 3})),
    Device("gw-0080", "m:80", user=True, machine=80, hostname="gw-0080", location=2,
           external_ref="X2", groups=frozenset({6}), currency="EUR", owners=frozenset({2})),
    Device("gw-0081", "m:81", machine=81, hostname="gw-0081", location=3, currency="USD",
           owners=frozenset({2, 3})),
    Device("gw-0082", "m:82", machine=82, hostname="gw-0082", location=2, active=False,
           owners=frozenset({2, 4})),
    Device("80", "d:80", user=True, owners=frozenset({2, 3, 4})),
)  # fmt: skip
RULES: tuple[oracle_desk.Rules, ...] = (
    *[()] * 6,
    (("location", "2"),),
    (("locationExternalRef", "X2"), ("machine", "81")),
    (("product", "5"), ("product", "7")),
    (("product", "7"), ("locationGroup", "6")),
)
ITEMS = (
    (),
    (("5", 2, 40),),
    (("5", 1, 0), ("9", 3, 10)),
    (("7", 1, None),),
    (("9", 1, 5),),
)
DAYS = (-2, 0, 1, 40)


def expiry_texts(now: int) -> list[str | None]:
    """Dates and moments around now, in every accepted spelling."""
    there = oracle.EPOCH + timedelta(milliseconds=now)
    days = [there + timedelta(days=days) for days in DAYS]
    return [
        *[None] * 6,
        *(day.strftime("%Y-%m-%d") for day in days),
        *(day.strftime("%Y-%m-%dT%H:%M:%S") for day in days[1:3]),
        days[2].strftime("%Y-%m-%dT%H:%M:%SZ"),
    ]


# What works comes more often than what does not: sequences that are refused throughout show little.
devices = st.sampled_from((*DEVICES[:2], *DEVICES[:2], *DEVICES[:1], *DEVICES, *DEVICES[4:]))
codes = st.sampled_from(("AA", "AA", "AA", *CODES[1:], *CODES[1:], "aa ", "BB-TWO", "MISSING"))
settings_of: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "value": st.sampled_from([0, 3, 10, 100]),
        "limit": st.sampled_from([0, 1, 1, 2, 4]),
        "frequency": strategies.frequencies,
        "zone": strategies.zones,
    }
)
asked = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["redeem", "redeem", "redeem", "validate", "rollback", "unlock"]),
        "device": devices,
        "code": codes,
        "order": st.sampled_from(["o1", "o2", "o3", "o4"]),
        "amount": st.sampled_from([0, 0, 2, 50, 1000]),
        "items": st.sampled_from(ITEMS),
        "demand": st.sampled_from([None, 1, 3, 10, 60]),
        "partial": st.booleans(),
        "lock_ms": st.sampled_from([0, 1000, 60_000]),
        "campaign": st.sampled_from([None, None, None, None, 1, 2]),
        "force": st.booleans(),
    }
)


class RedemptionMachine(RuleBasedStateMachine):
    """The oracle in one hand, two desks in the other, one clock for all."""

    dsn: ClassVar[str]
    pool: Pool

    @initialize(data=st.data(), year=st.integers(2024, 2027))
    def open(self, data: st.DataObject, year: int) -> None:
        inside = st.integers(0, 364 * oracle.DAY).map(lambda ms: 1_704_067_200_000 + ms)
        frequency, zone = data.draw(strategies.resets), data.draw(strategies.zones)
        self.now = oracle.window(frequency, zone, data.draw(inside))[1] - 1000
        self.latest = self.now
        self.model = oracle_desk.Desk()
        self.calls = 0
        self.next_id = 1
        self.loop = asyncio.new_event_loop()
        campaigns = [
            Campaign(number, owner=owner, type=type_, **data.draw(settings_of),
                     rules=data.draw(st.sampled_from(RULES)))
            for number, owner, type_ in (
                (1, 2, data.draw(st.sampled_from(["discount", "gift"]))),
                (2, 3, "discount"),
                (3, 2, "dynamic"),
                (4, 4, "gift"),
            )
        ]  # fmt: skip
        self.loop.run_until_complete(self.start())
        for campaign in campaigns:
            self.loop.run_until_complete(
                worded.insert_campaign(self.connection, self.now, campaign)
            )
            self.model.campaigns[campaign.id] = campaign
        for code, number in (("AA", 0), ("AA", 1), ("bb-Two", 0), ("CC", 3)):
            self.create(code, campaigns[number])
        self.create("BB-two", campaigns[2], gift=data.draw(st.booleans()), **data.draw(settings_of))

    async def start(self) -> None:
        self.connection = await asyncpg.connect(self.dsn)
        await self.connection.execute(
            "truncate voucher.campaign, voucher.redemption, voucher.history cascade"
        )
        self.pool = await open_pool(self.dsn, min_size=1, max_size=2)
        self.edits = Campaigns(self.pool, lambda: self.now)
        self.voucher_edits = Vouchers(self.pool, lambda: self.now)
        self.desks = [
            Desk(
                # A slow machine must not turn an answer into a 503.
                Ledger(self.dsn, statement_timeout_ms=60_000, lock_timeout_ms=30_000),
                lambda: self.now,
                VendingSpelling(),
            )
            for _ in range(2)
        ]
        for desk in self.desks:
            await desk.start()

    def create(self, code: str, campaign: Campaign, **own: Any) -> Card:
        card = self.model.add(self.now, self.next_id, code, campaign, **own)
        self.next_id += 1
        self.loop.run_until_complete(worded.insert_voucher(self.connection, card))
        return card

    # Time.

    @rule(pause=strategies.pauses)
    def tick(self, pause: int) -> None:
        self.now += pause
        self.latest = max(self.latest, self.now)

    @rule(days=st.sampled_from([1, 6, 7, 8]))
    def tick_days(self, days: int) -> None:
        """Past the window of a device's rollback, and of a replay."""
        self.now += days * oracle.DAY
        self.latest = max(self.latest, self.now)

    @rule(data=st.data(), near=st.sampled_from([-1, 0, 1]))
    def tick_to_reset(self, data: st.DataObject, near: int) -> None:
        card = data.draw(st.sampled_from(list(self.model.cards.values())))
        if self.now < card.state.period_end + near < oracle.NEVER - 10:
            self.now = card.state.period_end + near
            self.latest = max(self.latest, self.now)

    @rule(back=st.sampled_from([1, 1000]))
    def clock_back(self, back: int) -> None:
        """Not across a reset: the oracle's eager edits would have applied it, a row need not."""
        seen = (oracle.seen(card.state, self.now) for card in self.model.cards.values())
        if all((state.last_reset_at or 0) <= self.now - back for state in seen):
            self.now -= back

    # Calls.

    def question(self, drawn: dict[str, Any]) -> tuple[Any, oracle_desk.Answer]:
        """The call for the desk, and what the oracle answers to it."""
        device, code, order = drawn["device"], drawn["code"], drawn["order"]
        common = {name: drawn[name] for name in ("demand", "partial", "campaign")}
        self.calls += 1
        if drawn["op"] == "redeem":
            whole = Order(order, drawn["amount"], drawn["items"])
            return (
                worded.redeem(device, code, whole, **common),
                self.model.redeem(self.now, device, code, whole, **common),
            )
        if drawn["op"] == "validate":
            common["lock_ms"] = drawn["lock_ms"]
            return (
                worded.validate(device, code, **common),
                self.model.validate(self.now, device, code, **common),
            )
        if drawn["op"] == "rollback":
            return (
                worded.rollback(device, code, order),
                self.model.rollback(self.now, device, code, order),
            )
        force = drawn["force"] and device.user
        return (
            worded.unlock(device, code, force=force),
            self.model.unlock(self.now, device, code, force=force),
        )

    @rule(which=st.integers(0, 1), drawn=asked)
    def call(self, which: int, drawn: dict[str, Any]) -> None:
        self.ask(which, [drawn])

    @rule(which=st.integers(0, 1), drawn=st.lists(asked, min_size=2, max_size=6))
    def burst(self, which: int, drawn: list[dict[str, Any]]) -> None:
        """What waits together is decided as if it had come one by one."""
        self.ask(which, drawn)

    @rule(which=st.integers(0, 1), drawn=asked, times=st.integers(2, 3))
    def again(self, which: int, drawn: dict[str, Any], times: int) -> None:
        """The same call at both desks in turn."""
        for number in range(times):
            self.ask((which + number) % 2, [drawn])

    @rule(which=st.integers(0, 1), drawn=asked, resets=st.booleans(), pause=strategies.pauses)
    def life_of_an_order(self, which: int, drawn: dict[str, Any], resets: bool, pause: int) -> None:
        """P6-P8: redeemed, repeated, reused, given back, given back again, and refused for ever."""
        drawn = {**drawn, "op": "redeem", "order": f"life-{self.calls}", "device": DEVICES[1]}
        back = {**drawn, "op": "rollback"}
        self.ask(which, [drawn])
        self.ask(1 - which, [drawn])
        self.ask(which, [{**drawn, "amount": drawn["amount"] + 1}])
        ends = [card.state.period_end for card in self.model.cards.values()]
        self.now = min(ends) if resets and self.now < min(ends) < oracle.NEVER else self.now + pause
        self.latest = max(self.latest, self.now)
        # Another order of the same period, or of the next, which a rollback must not confuse.
        self.ask(which, [{**drawn, "order": f"next-{self.calls}"}])
        self.ask(1 - which, [back])
        # What was given back is there for others, also at the desk that did not give it.
        self.ask(which, [{**drawn, "order": f"fresh-{self.calls}"}])
        self.ask(which, [back, drawn])
        self.ask(1 - which, [back])
        self.compare_rows()

    @rule(which=st.integers(0, 1), drawn=asked, other=devices)
    def hold_and_unlock(self, which: int, drawn: dict[str, Any], other: Device) -> None:
        """A hold taken at one desk, wanted by another device, let go at the other desk."""
        self.ask(which, [{**drawn, "op": "validate", "lock_ms": 60_000}])
        self.ask(1 - which, [{**drawn, "op": "unlock", "device": other}])
        self.ask(1 - which, [{**drawn, "op": "unlock"}])
        self.ask(which, [{**drawn, "op": "validate", "device": other, "demand": None}])

    @rule(which=st.integers(0, 1), drawn=asked, other=devices)
    def hold_and_redeem(self, which: int, drawn: dict[str, Any], other: Device) -> None:
        """A hold taken at one desk, used at the other; then somebody else wants it."""
        self.ask(which, [{**drawn, "op": "validate", "lock_ms": 60_000}])
        self.ask(1 - which, [{**drawn, "op": "redeem", "order": f"held-{self.calls}"}])
        self.ask(which, [{**drawn, "op": "validate", "device": other, "demand": None}])

    @rule(
        which=st.integers(0, 1),
        drawn=asked,
        again=st.sampled_from(["redeem", "rollback"]),
        later=st.sampled_from([oracle.DAY, 7 * oracle.DAY]),
        near=st.sampled_from([-1, 0, 1]),
    )
    def order_grows_old(
        self, which: int, drawn: dict[str, Any], again: str, later: int, near: int
    ) -> None:
        """An order comes back when a rollback, or a replay, is about to be too late."""
        drawn = {**drawn, "op": "redeem", "order": f"old-{self.calls}"}
        self.ask(which, [drawn])
        self.now += later + near
        self.latest = max(self.latest, self.now)
        self.ask(1 - which, [{**drawn, "op": again}])
        self.ask(which, [drawn])

    @precondition(lambda self: self.now == self.latest)
    @rule(
        number=st.sampled_from([1, 2]),
        frequency=strategies.frequencies,
        zone=strategies.zones,
        drawn=asked,
        near=st.sampled_from([-1, 0, 1]),
    )
    def redeem_across_calendars(
        self, number: int, frequency: str, zone: str, drawn: dict[str, Any], near: int
    ) -> None:
        """P21: a period that a calendar edit has cut short or drawn out ends when it must."""
        campaign = self.model.campaigns[number]
        cards = (c for c in self.model.cards.values() if c.campaign is campaign and c.inherit)
        card = next(cards, None)
        if card is None:
            return
        drawn = {**drawn, "op": "redeem", "code": card.code, "device": DEVICES[0]}
        self.ask(0, [{**drawn, "order": f"before-{self.calls}"}])
        change = CampaignChange(reset_frequency=frequency, time_zone=zone)
        self.loop.run_until_complete(self.edits.update(GROUPS, number, change))
        self.model.edit_campaign(self.now, campaign, frequency=frequency, zone=zone)
        if card.state.period_end < oracle.NEVER:
            self.now = self.latest = card.state.period_end + near
        self.ask(1, [{**drawn, "order": f"after-{self.calls}"}])
        self.compare_rows()

    def ask(self, which: int, drawn: list[dict[str, Any]]) -> None:
        pairs = [self.question(one) for one in drawn]
        said = self.loop.run_until_complete(
            worded.ask(self.desks[which], *(call for call, _ in pairs))
        )
        for one, (_, expected), outcome in zip(drawn, pairs, said, strict=True):
            got = worded.answer_of(outcome)
            assert (expected.status, expected.body) == (got.status, got.body), one
            if one["op"] == "redeem":
                assert expected.replayed == got.replayed, one

    # Edits, by people, through the use-cases.

    def card(self, data: st.DataObject) -> Card:
        return data.draw(st.sampled_from(list(self.model.cards.values())))

    @precondition(lambda self: self.now == self.latest)
    @rule(data=st.data(), number=st.sampled_from([1, 1, 2, 3, 4]))
    def edit_campaign(self, data: st.DataObject, number: int) -> None:
        campaign = self.model.campaigns[number]
        names = ["limit", "frequency", "zone", "expires_on", "status"]
        changes: dict[str, Any] = {}
        for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
            changes[name] = data.draw(
                {
                    "limit": st.sampled_from([0, 1, 2, 4]),
                    "frequency": strategies.frequencies,
                    "zone": strategies.zones,
                    "expires_on": st.sampled_from(expiry_texts(self.now)),
                    "status": st.sampled_from(["active"] * 4 + ["inactive"]),
                }[name]
            )
        named = {"limit": "redemption_limit", "frequency": "reset_frequency", "zone": "time_zone"}
        change = CampaignChange(**{named.get(name, name): v for name, v in changes.items()})
        self.loop.run_until_complete(self.edits.update(GROUPS, number, change))
        self.model.edit_campaign(self.now, campaign, **changes)

    @precondition(lambda self: self.now == self.latest)
    @rule(number=st.sampled_from([1, 2]), rules=st.sampled_from(RULES))
    def edit_rules(self, number: int, rules: oracle_desk.Rules) -> None:
        told = [(None, Rule(*one)) for one in rules]
        self.loop.run_until_complete(self.edits.replace_rules(GROUPS, number, told))
        self.model.campaigns[number].rules = rules

    @precondition(lambda self: self.now == self.latest)
    @rule(data=st.data())
    def edit_voucher(self, data: st.DataObject) -> None:
        card = self.card(data)
        changes: dict[str, Any] = data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "value": st.sampled_from([1, 5, 100]),
                    "active": st.sampled_from([True] * 5 + [False]),
                    "expires_on": st.sampled_from(expiry_texts(self.now)),
                },
            )
        )
        change = VoucherChange(campaign=card.campaign.id, **changes)
        self.loop.run_until_complete(self.voucher_edits.change(GROUPS, card.id, change))
        self.model.edit_voucher(self.now, card, **changes)

    @precondition(lambda self: self.now == self.latest)
    @rule(data=st.data(), own=settings_of, rules=st.sampled_from(RULES))
    def replace_voucher(
        self, data: st.DataObject, own: dict[str, Any], rules: oracle_desk.Rules
    ) -> None:
        card = self.card(data)
        expires_on = data.draw(st.sampled_from(expiry_texts(self.now)))
        text, expires = parse_expiry(expires_on, own["zone"]) if expires_on else (None, None)
        told = OwnSettings(
            type="gift" if card.state.gift else "discount",
            value=own["value"],
            redemption_limit=own["limit"],
            reset_frequency=own["frequency"],
            time_zone=own["zone"],
            expires_on=text,
            expires_before_ms=expires,
        )
        replacement = VoucherReplacement(
            campaign=card.campaign.id,
            settings=told,
            printed=Printed(),
            rules=json.dumps([{"field": f, "value": v} for f, v in rules]) if rules else None,
        )
        self.loop.run_until_complete(self.voucher_edits.replace(GROUPS, card.id, replacement))
        self.model.edit_voucher(
            self.now, card, ends_inheritance=True, expires_on=expires_on, rules=rules, **own
        )

    @precondition(lambda self: len(self.model.cards) < 9)
    @rule(data=st.data(), code=st.sampled_from(CODES), number=st.sampled_from([1, 2, 3]))
    def new_candidate(self, data: st.DataObject, code: str, number: int) -> None:
        """P20: another voucher under a code that both desks may hold."""
        campaign = self.model.campaigns[number]
        taken = {(oracle_desk.canonical(c.code), c.campaign.id) for c in self.model.cards.values()}
        if (oracle_desk.canonical(code), number) in taken:
            return
        own = {} if number != 3 else {"gift": data.draw(st.booleans()), **data.draw(settings_of)}
        self.create(code, campaign, **own)

    # Rows.

    @rule()
    def compare_rows(self) -> None:
        """P1, P2, P11, P21: what reads show is the oracle's, also behind a calendar change."""
        starts = {
            f"{f} {z}": oracle.window(f, z, self.now)[0]
            for f in strategies.RESETS
            for z in strategies.ZONES
        }
        statement = SEEN.replace("{now_ms}", "$1").replace("{starts}", "$2")
        rows = self.loop.run_until_complete(
            self.connection.fetch(statement, self.now, json.dumps(starts))
        )
        for row in rows:
            expected = self.model.row(self.now, self.model.cards[row["id"]])
            till = expected["lockedTill"]
            expected["lockedTill"] = till and -(-till // 1000) * 1000
            assert expected == {
                "status": row["status"],
                "type": row["type"],
                "value": row["value"],
                "balance": row["balance"],
                "redemptionLimit": row["redemption_limit"],
                "redemptionCount": row["count"],
                "amountRedeemed": row["amount"],
                "totalRedemptionCount": row["total"],
                "totalAmountRedeemed": row["total_amount"],
                "resetFrequency": row["frequency"],
                "timeZone": row["zone"],
                "lastResetAt": row["last_reset_at_ms"],
                "lockOwner": row["lock_owner"],
                "lockedTill": row["locked_till_ms"],
                "lastRedemptionAt": row["last_redemption_at_ms"],
                "lastRedemptionLocation": row["last_redemption_location"],
            }

    def teardown(self) -> None:
        if not hasattr(self, "desks"):
            return
        try:
            self.compare_rows()
            for desk in self.desks:
                self.loop.run_until_complete(desk.stop())
            self.loop.run_until_complete(self.compare_history())
        finally:
            self.loop.run_until_complete(self.close())
            self.loop.close()

    async def close(self) -> None:
        for desk in self.desks:
            await desk.stop()
        await self.pool.close()
        await self.connection.close()

    async def compare_history(self) -> None:
        """P15: one row per answer, none for replays; a success of redeem is its redemption."""
        names = ("validate", "redeem", "rollback", "unlock")
        rows = await self.connection.fetch("select * from voucher.history")
        done = await self.connection.fetch("select * from voucher.redemption where state <> 2")
        stored = Counter(
            (
                row["voucher"],
                names[row["action"]],
                row["success"],
                "" if row["success"] else row["reason"],
            )
            for row in rows
            if names[row["action"]] != "unlock"
        ) + Counter((row["voucher"], "redeem", True, "") for row in done)
        assert Counter(told for told in self.model.history if told[1] != "unlock") == stored
        states = ("done", "rolled_back", "tombstone")
        orders = await self.connection.fetch("select * from voucher.redemption where keyed")
        assert Counter(
            (r.card.id, r.device, r.order, r.state, r.amount_off)
            for r in self.model.redemptions
            if r.keyed
        ) == Counter(
            (
                row["voucher"],
                row["device"],
                row["order_id"],
                states[row["state"]],
                row["amount_off"],
            )
            for row in orders
        )


@pytest.mark.parametrize("part", [1])
def test_redemption_machine(database: str, part: int) -> None:
    """Random sequences of calls, edits and clock moves; two desks answer as the oracle does."""

    class OnThisDatabase(RedemptionMachine):
        dsn = database

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=strategies.PHASES,
        ),
    )
