"""Turns of contended codes between two desks of one lease."""

import asyncio

import pytest

from farebox.engine import contention
from farebox.engine.calls import Call
from farebox.engine.contention import Contention
from farebox.locks import LocalLease
from tests.engine.desks import redeem


class Till:
    """One desk's contention and the calls it has been given back."""

    def __init__(self, leases: LocalLease) -> None:
        self.served = 0
        self.parked = 0
        self.contention = Contention(leases, self._take, lambda _: False)
        self.contention.lost(["HOT"])
        self.contention.lost(["HOT"])

    def _take(self, calls: list[Call]) -> None:
        for call in calls:
            self.call(call)

    def call(self, call: Call) -> None:
        """A call comes: it is parked, or served."""
        if self.contention.park(call):
            self.parked += 1
        else:
            self.contention.begins(call.code_key)
            self.served += 1


async def visit(tills: list[Till], seconds: float) -> None:
    """Every till is called every millisecond."""
    ends = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < ends:
        for till in tills:
            till.call(redeem("HOT"))
        await asyncio.sleep(0.001)


async def test_turns_go_on_although_nobody_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept turns prevent losses, so a lease in other hands is what keeps a code contended."""
    monkeypatch.setattr(contention, "TURN_S", 0.03)
    monkeypatch.setattr(contention, "COOL_S", 0.15)
    leases = LocalLease()
    tills = [Till(leases), Till(leases)]
    await visit(tills, 0.5)
    contended = ["HOT" in till.contention.hot for till in tills]
    served = [till.served for till in tills]
    await visit(tills[:1], 0.4)
    alone = "HOT" in tills[0].contention.hot
    for till in tills:
        await till.contention.close()

    assert [True, True] == contended
    assert min(served) > 50
    assert not alone
