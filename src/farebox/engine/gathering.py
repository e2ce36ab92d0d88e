"""Questions that come one by one and are asked together, many in one statement.

While one batch is under way the next one gathers, and nobody waits for a timer: a lone question is
asked at once. The first who waits asks for all, in a task of its own that other tasks need not
know; if it is cancelled, the next one asks again. A fault of a batch is told to all of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Asked = TypeVar("Asked")
Told = TypeVar("Told")


class _Waiting(Generic[Asked, Told]):
    """A question, and its answer or what was raised, when it is done."""

    __slots__ = ("asked", "error", "is_done", "told")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.is_done = False
        self.told: Any = None
        self.error: Exception | None = None


class Gathering(Generic[Asked, Told]):
    """Answers questions by `work`, which gives as many answers as it is asked questions."""

    def __init__(
        self, work: Callable[[Sequence[Asked]], Awaitable[Sequence[Told]]], most: int = 256
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: list[_Waiting[Asked, Told]] = []
        self._turn = asyncio.Lock()

    async def __call__(self, asked: Asked) -> Told:
        """The answer to one question."""
        own: _Waiting[Asked, Told] = _Waiting(asked)
        self._waiting.append(own)
        try:
            async with self._turn:
                while not own.is_done:
                    await self._ask()
        except asyncio.CancelledError:
            if own in self._waiting:
                self._waiting.remove(own)
            raise
        if own.error is not None:
            raise own.error
        told: Told = own.told
        return told

    async def _ask(self) -> None:
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            told = await self._work([one.asked for one in batch])
        except asyncio.CancelledError:
            self._waiting = batch + self._waiting
            raise
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            for one in batch:
                one.error, one.is_done = error, True
            return
        for one, answer in zip(batch, told, strict=True):
            one.told, one.is_done = answer, True
