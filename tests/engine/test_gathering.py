"""Questions that are asked together."""

import asyncio
from collections.abc import Sequence

import pytest

from farebox.domain.errors import UnavailableError
from farebox.engine.gathering import Gathering


class Doubling:
    """Doubles numbers; holds batches back, and refuses those with a zero."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append([*numbers])
        self.begun.set()
        await self.open.wait()
        if 0 in numbers:
            raise UnavailableError("busy")
        return [2 * number for number in numbers]


async def test_while_one_batch_is_under_way_the_next_one_gathers() -> None:
    """A lone question goes at once; those that come meanwhile go together, in bounded batches."""
    work = Doubling()
    gathering = Gathering(work, most=3)
    asked = [asyncio.create_task(gathering(number)) for number in range(1, 7)]
    await work.begun.wait()
    later = [asyncio.create_task(gathering(number)) for number in range(7, 9)]
    await asyncio.sleep(0)
    work.open.set()
    assert [2 * number for number in range(1, 9)] == await asyncio.gather(*asked, *later)
    # The first one found nobody beside it.
    assert [[1], [2, 3, 4], [5, 6, 7], [8]] == work.batches


async def test_a_fault_is_told_to_its_batch_alone() -> None:
    """Whoever is in a batch that fails hears of it, and nobody else does."""
    work = Doubling()
    gathering = Gathering(work, most=2)
    asked = [asyncio.create_task(gathering(number)) for number in (5, 0, 6, 7, 8)]
    await work.begun.wait()
    work.open.set()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [[5], [0, 6], [7, 8]] == work.batches
    assert (10, 14, 16) == (told[0], told[3], told[4])
    for number in (1, 2):
        with pytest.raises(UnavailableError):
            await asked[number]


async def test_who_is_cancelled_takes_nobody_along() -> None:
    """If the one that asks for others is cancelled, one of them asks again."""
    work = Doubling()
    gathering = Gathering(work)
    first = asyncio.create_task(gathering(1))
    await work.begun.wait()
    others = [asyncio.create_task(gathering(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    others[2].cancel()
    first.cancel()
    work.open.set()
    told = await asyncio.gather(first, *others, return_exceptions=True)
    assert [4, 6] == told[1:3]
    assert all(isinstance(told[at], asyncio.CancelledError) for at in (0, 3))
    assert 10 == await gathering(5)
