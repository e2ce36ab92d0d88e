"""Contended codes: one desk at a time works on a code that keeps losing comparisons.

A code that lost two comparisons within a second is taken under an advisory lease; meanwhile the
other desks park their calls for it, at most a quarter of a second. The lease saves wasted work and
decides nothing: without it, with a lost or a flushed Redis, answers are the same. A process alone,
or a code without contention, never comes here.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from farebox.engine.calls import Call
from farebox.locks import Leases, LeaseUnavailableError, Token

LEASE_MS = 150
PATIENCE_S = 0.25
LOSS_WINDOW_S = 1.0
# A desk passes a contended code on after this long, so that no other starves: three desks stay
# within each other's patience. The lease outlives the turn by the time that the last commits of the
# turn may take.
TURN_S = 0.12
DRAINS_MAX = 32
DRAIN_S = 0.0005
# Whoever has had a turn lets the others try first.
REST_S = 0.004
POLL_S = 0.002
COOL_S = 2.0
CODES_MAX = 4096


class _Hot:
    """One contended code: when another desk was last noticed, who has the lease, who waits."""

    __slots__ = ("begins", "noticed", "parked", "rests_until", "task", "token", "turn_ends")

    def __init__(self, now: float) -> None:
        self.noticed = now
        self.parked: list[Call] = []
        self.task: asyncio.Task[None] | None = None
        self.token: Token | None = None
        self.turn_ends = 0.0
        self.rests_until = 0.0
        # Whether a turn has begun and what we hold of the code is from before it.
        self.begins = False


class Contention:
    """Parks calls of contended codes until this process may work on them."""

    def __init__(
        self,
        leases: Leases | None,
        resubmit: Callable[[list[Call]], None],
        is_busy: Callable[[str], bool],
    ) -> None:
        self._leases = leases
        self._resubmit = resubmit
        # Whether decisions on a code are on their way to the database.
        self._is_busy = is_busy
        self._losses: dict[str, float] = {}
        self.hot: dict[str, _Hot] = {}

    @property
    def parked(self) -> bool:
        """Whether calls wait for a lease."""
        return any(hot.parked for hot in self.hot.values())

    def holds_up(self, call: Call) -> bool:
        """Whether the call has to wait for a lease, or for its code to be read anew."""
        hot = self.hot.get(call.code_key)
        return hot is not None and (hot.begins or hot.turn_ends <= time.monotonic())

    def lost(self, code_keys: Iterable[str]) -> None:
        """Notes lost comparisons; the second within a second makes a code hot."""
        if self._leases is None:
            return
        now = time.monotonic()
        for key in code_keys:
            hot = self.hot.get(key)
            if hot is not None:
                hot.noticed = now
            elif now - self._losses.get(key, -LOSS_WINDOW_S) < LOSS_WINDOW_S:
                if len(self.hot) < CODES_MAX:
                    self.hot[key] = _Hot(now)
            else:
                if len(self._losses) >= CODES_MAX:
                    self._losses.clear()
                self._losses[key] = now

    def park(self, call: Call) -> bool:
        """Whether the call must wait for the lease of its code; it is resubmitted by itself."""
        hot = self.hot.get(call.code_key)
        if hot is None:
            return False
        now = time.monotonic()
        if hot.task is None:
            if now - hot.noticed > COOL_S:
                del self.hot[call.code_key]
                return False
            hot.task = asyncio.create_task(self._turn(call.code_key, hot))
        if hot.turn_ends > now:
            return False
        hot.parked.append(call)
        return True

    def begins(self, code_key: str) -> bool:
        """True once per turn: others have worked on this code, so it had better be read anew."""
        hot = self.hot.get(code_key)
        if hot is None or not hot.begins:
            return False
        hot.begins = False
        return True

    async def close(self) -> None:
        """Ends all turns; parked calls have been served before."""
        for hot in list(self.hot.values()):
            if hot.task is not None:
                hot.task.cancel()
                await asyncio.gather(hot.task, return_exceptions=True)

    async def _turn(self, key: str, hot: _Hot) -> None:
        """Takes the lease, lets this process work for a turn, passes it on."""
        leases = self._leases
        if leases is None:
            return
        try:
            await asyncio.sleep(max(0.0, hot.rests_until - time.monotonic()))
            hot.token = await self._acquire(leases, key, hot)
            hot.turn_ends = time.monotonic() + TURN_S
            hot.begins = True
            self._release_parked(hot)
            await asyncio.sleep(TURN_S)
            hot.turn_ends = 0.0
            for _ in range(DRAINS_MAX):
                if not self._is_busy(key):
                    break
                await asyncio.sleep(DRAIN_S)
        finally:
            hot.turn_ends = 0.0
            hot.rests_until = time.monotonic() + REST_S
            token, hot.token, hot.task = hot.token, None, None
            if token is not None:
                try:
                    await leases.release(token)
                except LeaseUnavailableError:
                    pass
            self._release_parked(hot)

    async def _acquire(self, leases: Leases, key: str, hot: _Hot) -> Token | None:
        """The lease within the patience, else None: then we go on without it."""
        deadline = time.monotonic() + PATIENCE_S
        # Whoever has the lease has most of a turn before it.
        wait_s = 0.8 * TURN_S
        while True:
            try:
                token = await leases.acquire(f"code:{key}", LEASE_MS)
            except LeaseUnavailableError:
                return None
            if token is not None or time.monotonic() > deadline:
                return token
            # Nobody loses while turns are kept, so whoever holds the lease is a sign of contention.
            hot.noticed = time.monotonic()
            await asyncio.sleep(wait_s)
            wait_s = POLL_S

    def _release_parked(self, hot: _Hot) -> None:
        parked, hot.parked = hot.parked, []
        if parked:
            self._resubmit(parked)
