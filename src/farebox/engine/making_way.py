"""Who reads sales, so that work that can wait makes way.

A reader's question takes several steps, and in each of them it waits for whatever else the process
has to do. So work that comes in batches asks between its steps whether somebody is being answered,
and then waits a little, each batch for no longer in all than its patience. A question that takes
long, because the database has to answer it, is made way for at its beginning only. Nothing here is
shared with other processes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Readers of dashboards come back within this; who does not reads no more. And who has waited for so
# long is made way for no longer.
RECENT_S: Final = 2.0
# How long a batch waits for readers where it is the only one.
PATIENCE_S: Final = 0.15


class Readers:
    """Those who are being answered."""

    def __init__(self, *, helped_s: float = RECENT_S) -> None:
        """Each is made way for so long at most."""
        self._helped_s = helped_s
        self._here: set[object] = set()
        self._gone = asyncio.Event()
        self._gone.set()
        self._last_s = -RECENT_S

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Somebody asks, until the answer is there."""
        who = object()
        self._here.add(who)
        self._gone.clear()
        leaving = asyncio.get_running_loop().call_later(self._helped_s, self._leave, who)
        try:
            yield
        finally:
            leaving.cancel()
            self._leave(who)

    def _leave(self, who: object) -> None:
        self._here.discard(who)
        self._last_s = asyncio.get_running_loop().time()
        if not self._here:
            self._gone.set()

    def are_here(self) -> bool:
        """Whether somebody is being answered or was of late."""
        if self._here:
            return True
        return asyncio.get_running_loop().time() < self._last_s + RECENT_S

    def patience(self, patience_s: float) -> "Patience":
        """That of one batch, for all its steps."""
        return Patience(self._gone, patience_s)


class Patience:
    """How long a batch still waits for readers."""

    def __init__(self, gone: asyncio.Event, patience_s: float) -> None:
        self._gone = gone
        self._left_s = patience_s

    async def make_way(self) -> None:
        """Waits until nobody is being answered, or until there is no patience left."""
        if self._gone.is_set() or self._left_s <= 0:
            return
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                await self._gone.wait()
        except TimeoutError:
            pass
        self._left_s -= loop.time() - started
