"""The desk of vending-commerce.md 4.4.3-4.11 in slow plain Python, over the kernel in `oracle`.

Which voucher a code means, recorded orders, rollbacks and tombstones, history, and edits that
rewrite every inherit voucher at once. One thread, one state, each call is one instant. Written from
the text alone; it imports nothing of the package under test.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.oracle import (
    DAY,
    REASONS,
    Call,
    Decision,
    Voucher,
    configured,
    decide,
    expires_before,
    give_back,
    seen,
    window,
)

Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Device:
    """Who asks, and from where. `owners`: the groups whose campaigns apply; None = all."""

    name: str
    identity: str
    user: bool = False
    machine: int | None = None
    hostname: str = ""
    location: int | None = None
    external_ref: str | None = None
    groups: frozenset[int] = frozenset()
    active: bool = True
    currency: str | None = None
    owners: frozenset[int] | None = None


@dataclass(frozen=True)
class Order:
    id: str
    amount: int = 0
    items: tuple[tuple[str, int, int | None], ...] = ()


@dataclass
class Campaign:
    id: int
    owner: int = 2
    type: str = "discount"
    status: str = "active"
    owner_active: bool = True
    value: int = 100
    limit: int = 0
    frequency: str = "never"
    zone: str = "Europe/Amsterdam"
    expires_on: str | None = None
    currency: str = "EUR"
    rules: Rules = ()


@dataclass
class Card:
    """A voucher with its code: what belongs to it beside the state the kernel decides on."""

    id: int
    code: str
    campaign: Campaign
    inherit: bool
    state: Voucher
    created_at: int
    own_value: bool = False
    expires_on: str | None = None
    rules: Rules = ()
    hold_owner: str | None = None
    last_redemption_at: int | None = None
    last_redemption_location: int | None = None


@dataclass
class Redemption:
    id: int
    card: Card
    device: str
    order: str
    fingerprint: object
    amount_off: int
    period_seq: int
    state: str
    body: dict[str, Any]
    redeemed_at: int
    keyed: bool = True
    rollback_body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    replayed: bool = False


def canonical(code: str) -> str:
    return re.sub("[a-z]", lambda letter: letter[0].upper(), code.strip(" \t\n\r\v\f"))


def place_ok(rules: Rules, device: Device) -> bool:
    """OR among all place rules of one level; none = everywhere; unresolved devices fail any."""
    place = [rule for rule in rules if rule[0] != "product"]
    has = {
        ("location", str(device.location)),
        ("locationExternalRef", str(device.external_ref)),
        ("machine", str(device.machine)),
        ("machine", device.hostname),
        *(("locationGroup", str(group)) for group in device.groups),
    }
    return not place or (device.machine is not None and any(rule in has for rule in place))


def products(*levels: Rules) -> set[str] | None:
    """The products all levels allow; None = any."""
    sets = [{v for f, v in rules if f == "product"} for rules in levels]
    given = [allowed for allowed in sets if allowed]
    return set.intersection(*given) if given else None


def valid_for(allowed: set[str] | None) -> dict[str, Any]:
    if allowed is None:
        return {"products": {}, "productsRegExp": ".*"}
    ordered = sorted(allowed, key=lambda v: (not v.isdecimal(), int(v) if v.isdecimal() else 0, v))
    pattern = "^(?:" + "|".join(map(re.escape, ordered)) + ")$"
    return {"products": dict.fromkeys(ordered, True), "productsRegExp": pattern}


class Desk:
    """Every voucher of the world in one thread; each call is one instant."""

    def __init__(self, replay_window: int = 7 * DAY) -> None:
        self.replay_window = replay_window
        self.campaigns: dict[int, Campaign] = {}
        self.cards: dict[int, Card] = {}
        self.redemptions: list[Redemption] = []
        # (voucher id, action, success, reason), oldest first; redeems that succeeded included.
        self.history: list[tuple[int, str, bool, str]] = []

    # Management.

    def add(self, now: int, card_id: int, code: str, campaign: Campaign, **own: Any) -> Card:
        """A voucher of the campaign: inherit without `own`, else with its own settings."""
        inherit = not own
        settings = self._inherited(campaign) if inherit else dict(own)
        expires_on = settings.pop("expires_on", None)
        rules = settings.pop("rules", ())
        state = Voucher(**settings)
        state = replace(state, period_end=window(state.frequency, state.zone, now)[1])
        if not inherit:
            state = replace(state, expires=expires_before(expires_on, state.zone))
        card = Card(
            card_id, code, campaign, inherit, state, now, expires_on=expires_on, rules=rules
        )
        for other in self._named(code):
            other.state = replace(other.state, version=other.state.version + 1)
        self.cards[card_id] = card
        self.campaigns[campaign.id] = campaign
        return card

    def _inherited(self, campaign: Campaign) -> dict[str, Any]:
        return {
            "gift": campaign.type == "gift",
            "value": campaign.value,
            "limit": campaign.limit,
            "frequency": campaign.frequency,
            "zone": campaign.zone,
            "expires": expires_before(campaign.expires_on, campaign.zone),
        }

    def edit_campaign(self, now: int, campaign: Campaign, **changes: Any) -> None:
        """4.10, eagerly: every inherit voucher is rewritten at once."""
        for name, value in changes.items():
            setattr(campaign, name, value)
        for card in self.cards.values():
            if card.campaign is not campaign or not card.inherit:
                continue
            settings = self._inherited(campaign)
            if card.own_value:
                del settings["value"]
            if card.expires_on is not None:
                settings["expires"] = expires_before(card.expires_on, campaign.zone)
            card.state = configured(card.state, now, **settings)

    def edit_voucher(self, now: int, card: Card, **changes: Any) -> None:
        """PATCH (value, expires_on, active) or, with `ends_inheritance`, PUT with own settings."""
        if changes.pop("ends_inheritance", False):
            card.inherit = False
            card.rules = changes.pop("rules", ())
            card.expires_on = changes.pop("expires_on", None)
            changes["expires"] = expires_before(card.expires_on, changes["zone"])
        card.own_value = card.own_value or "value" in changes
        if "expires_on" in changes:
            card.expires_on = changes.pop("expires_on")
            changes["expires"] = expires_before(card.expires_on, card.state.zone)
            if card.inherit and card.expires_on is None:
                changes["expires"] = self._inherited(card.campaign)["expires"]
        card.state = configured(card.state, now, **changes)

    # Reading.

    def row(self, now: int, card: Card) -> dict[str, Any]:
        """The voucher as every read shows it now (2.7, 4.9)."""
        state = seen(card.state, now)
        live, place = now < state.hold_until, card.last_redemption_location
        spent = (state.limit > 0 and state.count >= state.limit) or (
            state.gift and state.balance == 0
        )
        status = "redeemed" if state.frequency == "never" and spent else "active"
        status = "expired" if now >= state.expires else status
        return {
            "status": status if state.active else "inactive",
            "type": "gift" if state.gift else "discount",
            "value": state.value,
            "balance": state.balance,
            "redemptionLimit": state.limit,
            "redemptionCount": state.count,
            "amountRedeemed": state.amount,
            "totalRedemptionCount": state.total,
            "totalAmountRedeemed": state.total_amount,
            "resetFrequency": state.frequency,
            "timeZone": state.zone,
            "lastResetAt": state.last_reset_at,
            "lockOwner": card.hold_owner if live else None,
            "lockedTill": state.hold_until if live else None,
            "lastRedemptionAt": card.last_redemption_at,
            "lastRedemptionLocation": None if place is None else str(place),
        }

    def _named(self, code: str) -> list[Card]:
        cards = [c for c in self.cards.values() if canonical(c.code) == canonical(code)]
        return sorted(cards, key=lambda c: (c.campaign.id, c.id))

    def candidates(
        self, device: Device, code: str, campaign: int | None = None, voucher: int | None = None
    ) -> list[Card]:
        return [
            card
            for card in self._named(code)
            if (device.owners is None or card.campaign.owner in device.owners)
            and campaign in (None, card.campaign.id)
            and voucher in (None, card.id)
        ][:50]

    def _recorded(self, cards: Iterable[Card], device: Device, order: str) -> list[Redemption]:
        """Records of this order, that of the lowest candidate first."""
        rank = {card.id: number for number, card in enumerate(cards)}
        mine = [
            r
            for r in self.redemptions
            if r.keyed and (r.device, r.order) == (device.identity, order) and r.card.id in rank
        ]
        return sorted(mine, key=lambda r: rank[r.card.id])

    # Device calls.

    def _call(self, card: Card, device: Device, order: Order | None, base: Call) -> Call:
        allowed = products(card.campaign.rules, card.rules)
        cap = order.amount if order and order.amount > 0 else None
        product_ok = allowed is None or bool(allowed)
        if order and order.items and allowed is not None:
            eligible = [item for item in order.items if item[0] in allowed]
            product_ok = bool(eligible)
            if eligible and all(price for _, _, price in eligible):
                told = sum(quantity * (price or 0) for _, quantity, price in eligible)
                cap = told if cap is None else min(cap, told)
        campaign = card.campaign
        return replace(
            base,
            cap=cap,
            campaign_active=campaign.status == "active" and campaign.owner_active,
            machine_active=device.active,
            place_ok=place_ok(campaign.rules, device) and place_ok(card.rules, device),
            currency_ok=device.currency in (None, campaign.currency),
            product_ok=product_ok,
        )

    def _choose(
        self, cards: list[Card], device: Device, order: Order | None, base: Call
    ) -> tuple[Card, Decision, Voucher]:
        """4.7, steps 2 to 4."""
        held = [
            c
            for c in cards
            if base.now < c.state.hold_until and c.state.hold_device == device.identity
        ]
        tried = [
            (c, *decide(c.state, self._call(c, device, order, base))) for c in held[:1] or cards
        ]
        accepted = [entry for entry in tried if entry[1].accepted]
        if accepted:
            return min(accepted, key=lambda e: (e[2].expires, e[0].campaign.id, e[0].id))
        return max(tried, key=lambda e: (REASONS.index(e[1].reason), -e[0].campaign.id, -e[0].id))

    def _body(self, card: Card, state: Voucher, said: str, **rest: Any) -> dict[str, Any]:
        return {
            "code": card.code,
            "campaignType": card.campaign.type,
            "voucherId": str(card.id),
            said: rest["reason"] == "",
            "voucherValue": state.balance if state.gift else state.value,
            "discount": {"type": "cents", "amountOff": rest["amount_off"]},
            "reason": rest["reason"],
        }

    def validate(
        self, now: int, device: Device, code: str, *, lock_ms: int = 0, demand: int | None = None,
        partial: bool = False, campaign: int | None = None, voucher: int | None = None,
    ) -> Answer:  # fmt: skip
        cards = self.candidates(device, code, campaign, voucher)
        if not cards:
            return Answer(404, {"code": "voucher_not_found", "valid": False})
        base = Call("validate", now, device.identity, None, demand, partial, lock_ms)
        card, decision, after = self._choose(cards, device, None, base)
        if decision.changed:
            card.state, card.hold_owner = after, device.name
        self.history.append((card.id, "validate", decision.accepted, decision.reason))
        body = self._body(
            card, seen(card.state, now), "valid",
            reason=decision.reason, amount_off=decision.amount_off,
        )  # fmt: skip
        body["validFor"] = valid_for(products(card.campaign.rules, card.rules))
        return Answer(200, body)

    def redeem(
        self, now: int, device: Device, code: str, order: Order, *, demand: int | None = None,
        partial: bool = False, campaign: int | None = None, voucher: int | None = None,
    ) -> Answer:  # fmt: skip
        cards = self.candidates(device, code, campaign, voucher)
        if not cards:
            return Answer(404, {"code": "voucher_not_found", "redeemed": False})
        fingerprint = (order.amount, order.items, demand, partial)
        known = self._recorded(cards, device, order.id)
        binding = [
            r for r in known if r.state == "rolled_back" or now - r.redeemed_at < self.replay_window
        ]
        if binding:
            return self._repeat(now, binding[0], fingerprint)
        base = Call("redeem", now, device.identity, None, demand, partial)
        card, decision, after = self._choose(cards, device, order, base)
        if decision.reason == "demand_required":
            return Answer(400, {"code": "demand_required"})
        self.history.append((card.id, "redeem", decision.accepted, decision.reason))
        amount_off = decision.amount_off if decision.accepted else 0
        body = self._body(
            card, seen(after, now), "redeemed", reason=decision.reason, amount_off=amount_off
        )
        if decision.accepted:
            for older in known:
                older.keyed = False
            card.state, card.hold_owner = after, None
            card.last_redemption_at, card.last_redemption_location = now, device.location
            self._record(card, device, order.id, fingerprint, "done", body, now, amount_off)
        return Answer(200, body)

    def _record(
        self, card: Card, device: Device, order: str, fingerprint: object, state: str,
        body: dict[str, Any], now: int, amount_off: int = 0,
    ) -> None:  # fmt: skip
        self.redemptions.append(
            Redemption(
                len(self.redemptions), card, device.identity, order, fingerprint, amount_off,
                card.state.period_seq, state, body, now,
            )
        )  # fmt: skip

    def _repeat(self, now: int, found: Redemption, fingerprint: object) -> Answer:
        if found.state == "done" and found.fingerprint == fingerprint:
            return Answer(200, found.body, replayed=True)
        reason = "order_id_reused" if found.state == "done" else "order_rolled_back"
        self.history.append((found.card.id, "redeem", False, reason))
        state = seen(found.card.state, now)
        return Answer(200, self._body(found.card, state, "redeemed", reason=reason, amount_off=0))

    def rollback(self, now: int, device: Device, code: str, order: str) -> Answer:
        cards = self.candidates(device, code)
        if not cards:
            return Answer(404, {"code": "voucher_not_found", "rolledBack": False})
        known = [
            r
            for r in self._recorded(cards, device, order)
            if r.state != "tombstone" or now - r.redeemed_at < self.replay_window
        ]
        if not known:
            return self._entomb(now, device, cards, order)
        found = known[0]
        if found.state != "done":
            return Answer(200, found.rollback_body, replayed=True)
        card, closed = found.card, not device.user and now - found.redeemed_at > DAY
        if not closed:
            card.state = give_back(card.state, now, found.amount_off, found.period_seq)
            found.state = "rolled_back"
        reason = "rollback_window_closed" if closed else ""
        body = self._returned(card, now, reason, 0 if closed else found.amount_off)
        self.history.append((card.id, "rollback", not closed, reason))
        if not closed:
            found.rollback_body = body
        return Answer(200, body)

    def _returned(self, card: Card, now: int, reason: str, amount: int) -> dict[str, Any]:
        state = seen(card.state, now)
        return {
            "code": card.code,
            "voucherId": str(card.id),
            "rolledBack": reason == "",
            "reason": reason,
            "amountReturned": amount,
            "voucherValue": state.balance if state.gift else state.value,
        }

    def _entomb(self, now: int, device: Device, cards: list[Card], order: str) -> Answer:
        body = self._returned(cards[0], now, "not_redeemed", 0)
        for card in cards:
            card.state = replace(card.state, version=card.state.version + 1)
            for older in self._recorded([card], device, order):
                older.keyed = False
            self._record(card, device, order, None, "tombstone", {}, now)
            self.redemptions[-1].rollback_body = body
        self.history.append((cards[0].id, "rollback", False, "not_redeemed"))
        return Answer(200, body)

    def unlock(self, now: int, device: Device, code: str, *, force: bool = False) -> Answer:
        cards = self.candidates(device, code)
        if not cards:
            return Answer(404, {"code": "voucher_not_found", "unlocked": False})
        held = (
            c
            for c in cards
            if now < c.state.hold_until and (force or c.state.hold_device == device.identity)
        )
        card = next(held, None)
        if card is not None:
            card.state = replace(
                card.state, hold_device=None, hold_until=0, version=card.state.version + 1
            )
            card.hold_owner = None
        named = card or cards[0]
        self.history.append((named.id, "unlock", card is not None, ""))
        body = {"code": named.code, "voucherId": str(named.id), "unlocked": card is not None}
        return Answer(200, body)
