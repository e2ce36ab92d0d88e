"""Work that comes in batches waits for readers, and no longer than its patience."""

import asyncio

from farebox.engine.making_way import Readers


async def test_readers_are_here_while_they_are_answered_and_a_while_after() -> None:
    """Who opens a dashboard comes back; before anybody came nobody is here."""
    readers = Readers()
    assert not readers.are_here()
    with readers.reading():
        assert readers.are_here()
    assert readers.are_here()


async def test_a_batch_waits_until_all_are_answered() -> None:
    """It goes on when the last reader has gone, and at once where there is none."""
    readers = Readers()
    patience = readers.patience(60)
    await patience.make_way()
    with readers.reading():
        with readers.reading():
            waiting = asyncio.create_task(patience.make_way())
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        assert not waiting.done()
    async with asyncio.timeout(1):
        await waiting


async def test_patience_ends() -> None:
    """A batch waits so long in all its steps together, however many read."""
    readers, loop = Readers(), asyncio.get_running_loop()
    patience = readers.patience(0.05)
    with readers.reading():
        started = loop.time()
        for _ in range(20):
            await patience.make_way()
        assert 0.04 < loop.time() - started < 0.5


async def test_who_waits_long_is_made_way_for_no_longer() -> None:
    """A question that takes long does not hold up what devices report."""
    readers = Readers(helped_s=0.02)
    with readers.reading():
        async with asyncio.timeout(1):
            await readers.patience(60).make_way()
    assert readers.are_here()
