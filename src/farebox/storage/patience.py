"""Waits for a database that is away for a moment while something is started.

A restart, a cut connection or a container that comes up late must not end a process that has just
begun. It waits a bounded time, says why, and repeats the work from its beginning; whatever is not
about reaching the database fails at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from farebox.domain.errors import UnavailableError
from farebox.storage.pool import as_unavailable
from farebox.storage.redemption import NotWrittenError, OutcomeUnknownError

Result = TypeVar("Result")

WITHIN_S: Final = 30.0
PAUSE_S: Final = 0.5
# A process that was paused itself has not tried for long.
TRIES_MIN: Final = 5


async def patiently(
    work: Callable[[], Awaitable[Result]],
    say: Callable[[str], None],
    *,
    within_s: float = WITHIN_S,
    pause_s: float = PAUSE_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> Result:
    """The result of `work`, begun anew while the database is away; then its last error.

    `say` is told once per reason.
    """
    deadline = monotonic() + within_s
    told, tries = "", 0
    while True:
        tries += 1
        try:
            return await work()
        except Exception as error:
            reason = _why_away(error)
            if reason is None or (monotonic() >= deadline and tries >= TRIES_MIN):
                raise
            if reason != told:
                told = reason
                say(f"The database cannot be reached ({reason}); trying for {within_s:g} s")
        await asyncio.sleep(pause_s)


def _why_away(error: Exception) -> str | None:
    """What keeps the database away, None for every other error."""
    if isinstance(error, UnavailableError | NotWrittenError | OutcomeUnknownError):
        cause = error.__cause__ or error
    elif isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        # A file of ours that cannot be read, say.
        return None
    elif as_unavailable(error) is not None:
        cause = error
    else:
        return None
    return str(cause) or type(cause).__name__
