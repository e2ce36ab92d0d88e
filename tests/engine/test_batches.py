"""How the desk divides calls into batches while the database is busy with one of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from farebox.api.vending.wire_device import VendingSpelling
from farebox.engine.redemption import Desk
from farebox.storage.pool import Pool
from farebox.storage.redemption import Ledger
from tests.clocks import SettableClock
from tests.engine.desks import answer, campaign, redeem, validate, voucher

CLIENTS, EARLY, TURNS = 48, 8, 12
# Where the commit's arguments have the numbers of redemptions, and how many each has.
REDEMPTIONS, NUMBERS = 8, 7


class Held(Ledger):
    """A ledger that notes how large batches are, and holds up the first of those it notes."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, statement_timeout_ms=2000)
        self.notes = False
        self.sizes: list[int] = []
        self.begun = asyncio.Event()
        self.released = asyncio.Event()

    async def _note(self, size: int) -> None:
        if self.notes:
            self.sizes.append(size)
            self.begun.set()
            await self.released.wait()

    async def commit_batch(self, columns: Sequence[Any]) -> None:
        """A commit of redemptions."""
        await self._note((columns[REDEMPTIONS].count(",") + 1) // NUMBERS)
        await super().commit_batch(columns)

    async def moved_on(
        self, vouchers: Mapping[int, int], campaigns: Mapping[int, int]
    ) -> tuple[set[int], set[int]]:
        """A look before validations."""
        await self._note(len(vouchers))
        return await super().moved_on(vouchers, campaigns)


async def ask_early_and_late(ledger: Held, ask: Callable[[int], Awaitable[bool]]) -> list[int]:
    """Sizes of batches: eight callers are under way alone when forty more come."""

    async def client(number: int) -> None:
        for _ in range(TURNS):
            assert await ask(number)

    ledger.notes = True
    early = [asyncio.create_task(client(number)) for number in range(EARLY)]
    await ledger.begun.wait()
    later = [asyncio.create_task(client(number)) for number in range(EARLY, CLIENTS)]
    await asyncio.sleep(0.01)
    ledger.released.set()
    await asyncio.gather(*early, *later)
    assert sum(ledger.sizes) == CLIENTS * TURNS
    return ledger.sizes[:TURNS]


HALVES = [EARLY, *[CLIENTS // 2] * (TURNS - 1)]


async def test_redemptions_go_in_halves(database: str, pool: Pool, clock: SettableClock) -> None:
    """A small batch and a large one would take turns for ever; halves follow the first."""
    await voucher(pool, "HALVES", await campaign(pool, clock()), clock())
    ledger = Held(database)
    desk = Desk(ledger, clock, VendingSpelling())

    async def ask(_number: int) -> bool:
        return bool((await answer(desk, redeem("HALVES")))["redeemed"])

    await desk.start()
    try:
        assert await ask_early_and_late(ledger, ask) == HALVES
    finally:
        await desk.stop()


async def test_validations_go_in_halves(database: str, pool: Pool, clock: SettableClock) -> None:
    """The same for looks at vouchers that are held."""
    number = await campaign(pool, clock())
    for client in range(CLIENTS):
        await voucher(pool, f"HALVES-{client}", number, clock())
    ledger = Held(database)
    desk = Desk(ledger, clock, VendingSpelling())

    async def ask(number: int) -> bool:
        return bool((await answer(desk, validate(f"HALVES-{number}")))["valid"])

    await desk.start()
    try:
        for client in range(CLIENTS):
            assert await ask(client)
        assert await ask_early_and_late(ledger, ask) == HALVES
    finally:
        await desk.stop()
