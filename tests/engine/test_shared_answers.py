"""Who asks the same together is answered together, never with less than was known."""

import asyncio

from farebox.engine.shared_answers import SharedAnswers


class Counted:
    """Answers with what is known when the answer begins, once it is let go."""

    def __init__(self) -> None:
        self.known = 0
        self.answers = 0
        self.let_go = asyncio.Event()

    async def answer(self) -> int:
        """What was known at the beginning."""
        self.answers += 1
        known = self.known
        await self.let_go.wait()
        if known < 0:
            raise ValueError("not known")
        return known


async def test_equal_questions_share_the_next_answer() -> None:
    """Two answers for many: the one that runs, and one for all who came meanwhile."""
    shared, counted = SharedAnswers(), Counted()
    first = asyncio.create_task(shared.ask("a", counted.answer))
    await asyncio.sleep(0.01)
    counted.known = 1
    others = [asyncio.create_task(shared.ask("a", counted.answer)) for _ in range(9)]
    await asyncio.sleep(0.01)
    others.pop().cancel()
    counted.let_go.set()
    assert 0 == await first
    assert [1] * 8 == await asyncio.gather(*others)
    assert 2 == counted.answers
    assert ({}, {}) == (shared._running, shared._next)


async def test_different_questions_do_not_wait_for_each_other() -> None:
    """Each has an answer of its own."""
    shared, slow, quick = SharedAnswers(), Counted(), Counted()
    quick.let_go.set()
    waiting = asyncio.create_task(shared.ask("slow", slow.answer))
    assert 0 == await shared.ask("quick", quick.answer)
    assert not waiting.done()
    slow.let_go.set()
    await waiting


async def test_failures_are_told_to_all_and_not_kept() -> None:
    """Whoever waits for an answer is told that there is none; who comes later asks anew."""
    shared, counted = SharedAnswers(), Counted()
    counted.known = -1
    counted.let_go.set()
    told = await asyncio.gather(
        *(shared.ask("a", counted.answer) for _ in range(3)), return_exceptions=True
    )
    assert [ValueError] * 3 == [type(one) for one in told]
    counted.known = 5
    assert 5 == await shared.ask("a", counted.answer)
