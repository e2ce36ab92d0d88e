"""A pool whose users join the transaction that surrounds them, where there is one.

Use-cases open transactions of their own on the pool they were given. Inside `joined` the same task
gets the surrounding connection instead, so that its transactions become savepoints and everything
commits together. Other tasks, those started inside included, are not affected.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

from farebox.storage.pool import Connection, Pool

_surrounding: ContextVar[tuple[Connection, Any] | None] = ContextVar("surrounding", default=None)


class JoiningPool:
    """The pool's own methods, on the surrounding connection where the task has joined one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def acquire(self, **options: Any) -> AbstractAsyncContextManager[Connection]:
        """A connection for the length of a block."""
        connection = _joined()
        if connection is None:
            given: AbstractAsyncContextManager[Connection] = self._pool.acquire(**options)
            return given
        return _lent(connection)

    def __getattr__(self, name: str) -> Any:
        # fetch, fetchrow, fetchval, execute, executemany and what closes the pool.
        connection = _joined() if name in _STATEMENTS else None
        return getattr(self._pool if connection is None else connection, name)


_STATEMENTS = frozenset(("fetch", "fetchrow", "fetchval", "execute", "executemany"))


@contextmanager
def joined(connection: Connection) -> Iterator[None]:
    """Lets everything this task does on a joining pool happen on one connection."""
    mark = _surrounding.set((connection, asyncio.current_task()))
    try:
        yield
    finally:
        _surrounding.reset(mark)


def _joined() -> Connection | None:
    surrounding = _surrounding.get()
    if surrounding is None or surrounding[1] is not asyncio.current_task():
        return None
    return surrounding[0]


@asynccontextmanager
async def _lent(connection: Connection) -> AsyncIterator[Connection]:
    yield connection
