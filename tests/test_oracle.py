"""The oracle gives the answers of the worked examples; else no comparison with it counts."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pytest

from tests import golden, oracle, oracle_desk
from tests.oracle_desk import Campaign, Card, Desk, Device, Order


@pytest.mark.parametrize(("zone", "frequency", "inside", "start", "end"), golden.BOUNDARIES)
def test_boundaries(zone: str, frequency: str, inside: str, start: str, end: str) -> None:
    """The reference boundaries of 4.2 follow from the definition."""
    local = datetime.fromisoformat(inside).replace(tzinfo=oracle.zone(zone))
    now = int(local.timestamp() * 1000)
    assert (golden.ms(start), golden.ms(end)) == oracle.window(frequency, zone, now)


@pytest.mark.parametrize(("text", "zone", "expires"), golden.EXPIRIES)
def test_expiries(text: str, zone: str, expires: int) -> None:
    """The expiry examples of 4.3, gaps and repeated hours in the customer's favour."""
    assert expires == oracle.expires_before(text, zone)


def play(desk: Desk, card: Card, device: Device, steps: Iterable[golden.Step]) -> None:
    """Makes the calls of a table and compares answer and voucher after each."""
    for step in steps:
        name = step.device.removeprefix("user ")
        asking = replace(device, user=step.device.startswith("user "))
        if device.machine is None:
            asking = replace(asking, name=name, identity=f"d:{name}")
        if step.call == "validate":
            answer = desk.validate(step.at, asking, card.code, lock_ms=step.lock_s * 1000)
        elif step.call == "redeem":
            order = Order(step.order, step.amount)
            answer = desk.redeem(step.at, asking, card.code, order, demand=step.demand)
        else:
            answer = desk.rollback(step.at, asking, card.code, step.order)
        told = {**answer.body, **answer.body.get("discount", {})}
        assert dict(step.answer) == {name: told[name] for name, _ in step.answer}, step
        assert step.replayed == answer.replayed, step
        row = desk.row(step.at, card)
        assert dict(step.row) == {name: row[name] for name, _ in step.row}, step


MACHINE = Device("gw-0080", "m:80", machine=80, hostname="gw-0080", location=2, currency="EUR")


def test_s1_discount_by_day() -> None:
    """Table S1 of 5.4."""
    desk = Desk()
    card = desk.add(
        golden.S1_CREATED, 17, "SPR-1", Campaign(1, value=100, limit=2, frequency="day")
    )
    play(desk, card, MACHINE, golden.S1)


def test_s2_gift_by_week() -> None:
    """Table S2 of 5.4."""
    desk = Desk()
    campaign = Campaign(1, type="gift", value=1000, frequency="week")
    play(desk, desk.add(golden.S2_CREATED, 17, "GFT-1", campaign), MACHINE, golden.S2)


def test_s3_locks() -> None:
    """Table S3 of 5.4."""
    desk = Desk()
    card = desk.add(golden.S3_START, 17, "GFT-2", Campaign(1, type="gift", value=500))
    play(desk, card, Device("A", "d:A", user=True), golden.S3)


def test_place_and_product_rules() -> None:
    """Rules of 4.11: OR among places, AND between levels, intersection of products."""
    here = replace(MACHINE, external_ref="X7", groups=frozenset({6}))
    assert oracle_desk.place_ok((), Device("A", "d:A"))
    assert not oracle_desk.place_ok((("location", "2"),), Device("A", "d:A"))
    assert oracle_desk.place_ok((("location", "10"), ("locationGroup", "6")), here)
    assert not oracle_desk.place_ok((("location", "10"), ("product", "5")), here)
    assert oracle_desk.place_ok((("machine", "gw-0080"),), here)
    assert oracle_desk.products((("product", "5"),), (("product", "7"),)) == set()
    assert oracle_desk.products((), ()) is None
    assert {"products": {"5": True, "7": True}, "productsRegExp": "^(?:5|7)$"} == (
        oracle_desk.valid_for({"7", "5"})
    )
