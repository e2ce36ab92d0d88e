"""What a start waits for, how long, and what it says meanwhile."""

from itertools import count

import asyncpg
import pytest

from farebox.domain.errors import ConflictError, UnavailableError
from farebox.storage.patience import patiently
from farebox.storage.redemption import OutcomeUnknownError

AWAY = [
    UnavailableError("The database cannot be reached"),
    OutcomeUnknownError("connection was closed"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    ConnectionRefusedError("nobody listens"),
    TimeoutError(),
]
MISTAKES = [
    PermissionError("the key ring"),
    asyncpg.InvalidPasswordError("wrong"),
    ConflictError("taken"),
    ValueError("x"),
]


class Work:
    """Fails in turn with each of these errors, then ends well."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_a_database_that_is_away_is_waited_for(error: Exception) -> None:
    """The work is begun anew, and the reason is told once."""
    work, said = Work(error, error, error), list[str]()

    assert "done" == await patiently(work, said.append, pause_s=0)
    assert (4, 1) == (work.calls, len(said))
    assert (str(error) or "TimeoutError") in said[0]


@pytest.mark.parametrize("error", MISTAKES, ids=lambda error: type(error).__name__)
async def test_mistakes_are_not_waited_for(error: Exception) -> None:
    """What time does not mend fails at once and is not spoken of."""
    work, said = Work(error), list[str]()

    with pytest.raises(type(error)):
        await patiently(work, said.append, pause_s=0)
    assert (1, []) == (work.calls, said)


@pytest.mark.parametrize(("step", "last"), [(1, 20), (100, 5)])
async def test_patience_ends(step: int, last: int) -> None:
    """After its time, and some tries, the last error leaves as it is."""
    clock = count(0, step).__next__
    work = Work(*(UnavailableError(f"no {n}") for n in range(1, 100)))

    with pytest.raises(UnavailableError, match=f"no {last}$"):
        await patiently(work, lambda _: None, within_s=20, pause_s=0, monotonic=clock)
    assert last == work.calls
