"""Who was heard of, who is offline, and the status of a machine (vending-platform.md 4.4).

Every authenticated call of a device is contact of its gateway; it is written at most every 30 s,
beside the call's own transaction. Machines that fall silent get a log `CM_OFFLINE`, once over any
number of servers, which ends with the next contact. A machine has exactly one status: the first
whose condition holds.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import structlog

from farebox.domain.errors import UnavailableError
from farebox.engine.ingestion_rows import make_log_jobs
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
STATUSES: Final = ("offline", "alarm", "issue", "cleaning", "ok")
DETECT_S: Final = 30.0
# Of an observer `t`, with `{machine}`: whether it fires there.
FIRES_AT: Final = SQL.fires_at
_WRITE_MS: Final = 30_000
_FLUSH_S: Final = 1.0
_FOUND_MAX: Final = 1000
_REMEMBERED_MAX: Final = 100_000
_log = structlog.get_logger("farebox.presence")

Touched = Callable[[Collection[int]], None]


def condition(status: str) -> str:
    """The condition on a machine `t` for a status, with `{now_ms}` and `{offline_after_ms}`."""
    before = {"offline": SQL.offline, "alarm": SQL.alarm, "issue": SQL.issue, "cleaning": SQL.open}
    refused: list[str] = []
    for name, holds in before.items():
        if name == status:
            return " and ".join([*refused, holds])
        refused.append(f"not {holds}")
    return " and ".join(refused)


class Presence:
    """Remembers contacts, finds machines that fell silent, tells `touched` whose logs changed."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        *,
        offline_after_ms: int = 900_000,
        touched: Touched = lambda _: None,
    ) -> None:
        self.offline_after_ms = offline_after_ms
        self._pool = pool
        self._clock = clock
        self._touched = touched
        # When each gateway was last sent to the database, and those that wait to be.
        self._written: dict[int, int] = {}
        self._heard: dict[int, int] = {}

    def note(self, gateway: int) -> None:
        """A device called: cheap, written a moment later by `run`."""
        now_ms = self._clock()
        if now_ms - self._written.get(gateway, -_WRITE_MS) >= _WRITE_MS:
            self._heard[gateway] = now_ms

    async def contact(self, gateway: int) -> None:
        """A device called: written when this returns, unless it was a moment ago."""
        self.note(gateway)
        await self.flush()

    async def flush(self) -> None:
        """Write what was noted."""
        heard, self._heard = self._heard, {}
        if not heard:
            return
        try:
            async with transaction(self._pool) as connection:
                rows = await connection.fetch(SQL.contact, [*heard], [*heard.values()], _WRITE_MS)
        except Exception:
            self._heard = heard | self._heard
            raise
        if len(self._written) > _REMEMBERED_MAX:
            self._written.clear()
        self._written |= heard
        self._touched([row["machine"] for row in rows])

    async def run(self) -> None:
        """Write what is noted, every second, for ever."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            try:
                await self.flush()
            except UnavailableError as error:
                _log.warning("presence.unwritten", error=error.message)

    async def detect(self) -> int:
        """Open a log for every machine newly offline; returns how many there were."""
        count = 0
        while True:
            async with transaction(self._pool) as connection:
                now_ms = self._clock()
                rows = await connection.fetch(SQL.detect, now_ms, self.offline_after_ms, _FOUND_MAX)
                told = [(row["log"], row["id"], row["location"], row["base_ms"]) for row in rows]
                if told:
                    await make_log_jobs(connection, told, now_ms)
            count += len(rows)
            self._touched([row["id"] for row in rows])
            if len(rows) < _FOUND_MAX:
                return count
