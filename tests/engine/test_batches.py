"""How the desk divides calls into batches while one of them commits."""

import asyncio
from collections.abc import Sequence
from typing import Any

from farebox.api.vending.wire_device import VendingSpelling
from farebox.engine.redemption import Desk
from farebox.storage.pool import Pool
from farebox.storage.redemption import Ledger
from tests.clocks import SettableClock
from tests.engine.desks import answer, campaign, redeem, voucher

CLIENTS, EARLY, TURNS = 48, 8, 12
# Where the commit's arguments have the numbers of redemptions, and how many each has.
REDEMPTIONS, NUMBERS = 8, 7


class Held(Ledger):
    """A ledger that notes how many redemptions a commit has, and holds up the first."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, statement_timeout_ms=2000)
        self.sizes: list[int] = []
        self.begun = asyncio.Event()
        self.released = asyncio.Event()

    async def commit_batch(self, columns: Sequence[Any]) -> None:
        """The commit, once the first is let go."""
        self.sizes.append((columns[REDEMPTIONS].count(",") + 1) // NUMBERS)
        self.begun.set()
        await self.released.wait()
        await super().commit_batch(columns)


async def test_a_small_batch_and_a_large_one_do_not_take_turns(
    database: str, pool: Pool, clock: SettableClock
) -> None:
    """Eight calls go alone; forty come meanwhile; from then on halves of forty-eight follow."""
    await voucher(pool, "HALVES", await campaign(pool, clock()), clock())
    ledger = Held(database)
    desk = Desk(ledger, clock, VendingSpelling())
    await desk.start()

    async def client() -> None:
        for _ in range(TURNS):
            assert (await answer(desk, redeem("HALVES")))["redeemed"]

    try:
        early = [asyncio.create_task(client()) for _ in range(EARLY)]
        await ledger.begun.wait()
        later = [asyncio.create_task(client()) for _ in range(CLIENTS - EARLY)]
        await asyncio.sleep(0.01)
        ledger.released.set()
        await asyncio.gather(*early, *later)
    finally:
        await desk.stop()

    assert sum(ledger.sizes) == CLIENTS * TURNS
    assert ledger.sizes[0] == EARLY
    assert ledger.sizes[1:TURNS] == [CLIENTS // 2] * (TURNS - 1)
