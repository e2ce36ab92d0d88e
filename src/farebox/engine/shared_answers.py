"""One answer for all who ask the same while it is being worked out.

A question that comes while an equal one is answered waits for the next answer, which begins after
it was asked and so knows whatever was known then; all who come meanwhile wait for that one
together. So however many ask, an equal question is answered by one at a time. Nothing is kept once
nobody waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedAnswers:
    """Questions by what makes them equal."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def ask(self, key: Hashable, answer: Callable[[], Awaitable[T]]) -> T:
        """An answer that began after this call; whoever is cancelled leaves it to the others."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._after(self._running.get(key), key, answer))
            self._next[key] = task
        told: T = await asyncio.shield(task)
        return told

    async def _after(
        self, before: "asyncio.Task[Any] | None", key: Hashable, answer: Callable[[], Awaitable[T]]
    ) -> T:
        if before is not None:
            await asyncio.wait([before])
        mine = self._running[key] = self._next.pop(key)
        try:
            return await answer()
        finally:
            if self._running.get(key) is mine:
                del self._running[key]
