"""The redemption desk: every validate, redeem, rollback and unlock of a process passes here.

One task takes all waiting calls at once, decides them in order of arrival with the native core and
commits them in one round trip; an answer leaves only after that commit. While a batch commits, the
next one gathers and is decided, ready to follow. Promises are those of vending-commerce.md 4.14:
linearizable per voucher over any number of processes, durable before acknowledged, never above a
limit or below zero. The desk knows no HTTP, and it trusts nothing it holds: what a decision relied
on is compared in the commit.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from farebox.domain.errors import DomainError, RateLimitedError, UnavailableError
from farebox.engine.batch import Batch
from farebox.engine.calls import REDEEM, REFUND, ROLLBACK, UNLOCK, VALIDATE, Answer, Call, Spelling
from farebox.engine.careful import Careful
from farebox.engine.contention import Contention
from farebox.engine.deciding import Decider
from farebox.engine.events import EventIds, QuietHistory
from farebox.engine.guessing import BLOCK_S, Guard
from farebox.engine.notes import Notes, Orders
from farebox.engine.reading import Reader
from farebox.engine.recent import RecentOrders
from farebox.engine.returning import Returns
from farebox.engine.shelf import Shelf
from farebox.engine.warming import Warming
from farebox.locks import Leases
from farebox.storage.redemption import (
    ComparisonLostError,
    Ledger,
    NotWrittenError,
    OutcomeUnknownError,
)

CALLS_MAX = 1024
# So many calls under way are divided: what the database does for one half and the decisions on the
# other run side by side.
HALVES_MIN = 32
# Calls are decided ahead of their commit by so many at least.
AHEAD_MIN = 16
WAITING_MAX = 20_000
# A batch needs at most one id a call; this many more are kept for the next.
IDS_AHEAD = 2 * CALLS_MAX

log = structlog.get_logger()


class Flight:
    """A batch whose commit is under way."""

    __slots__ = ("batch", "calls", "commit")

    def __init__(self, batch: Batch, calls: list[Call], commit: "asyncio.Task[None]") -> None:
        self.batch = batch
        self.calls = calls
        self.commit = commit


class Desk:
    """One per process. `submit` hands over a call; its future ends with the answer or an error."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], int],
        spelling: Spelling,
        *,
        leases: Leases | None = None,
        memory_bytes: int = 512 << 20,
        replay_window_ms: int = 7 * 86_400_000,
        warm_s: float = 0.0,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._spelling = spelling
        self._waiting: list[Call] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._warm_s = warm_s
        self._recent = RecentOrders()
        self._new_future: Callable[[], asyncio.Future[Answer]]
        self._flight: Flight | None = None
        # What has been decided while a commit was under way, to follow it.
        self._next: Batch | None = None
        self._next_calls: list[Call] = []
        self._next_columns: list[Any] | None = None
        # How many calls were last taken for a batch that was not decided ahead.
        self._taken = 0
        # Whether calls wait that cannot be decided before the commit in flight has landed.
        self._is_stuck = False
        self._history = QuietHistory(ledger)
        self.ids = EventIds(ledger)
        self.shelf = Shelf(memory_bytes)
        self.warming = Warming(ledger, self.shelf)
        self.reader = Reader(ledger, self.shelf)
        self.guard = Guard()
        notes = Notes(self.shelf, spelling, self.ids.take, replay_window_ms)
        self._decider = Decider(notes)
        self._returns = Returns(notes, self.guard)
        self.careful = Careful(ledger, self, clock)
        self.contention = Contention(leases, self._resubmit, self._is_busy)
        # Versions that a batch relied on when it lost; the careful path finds the losers.
        self.relied_on: dict[int, int] = {}
        # Counted for the metrics: batches, calls, lost comparisons, unknown outcomes.
        self.batches = self.calls = self.lost = self.settled = 0

    async def start(self) -> None:
        """Connects, fills the shelf for as long as is given, and begins to work beside that."""
        await self._ledger.open()
        if self._warm_s:
            await self.warming.start(self._warm_s)
        # A call's future is made without asking which loop runs: there is only this one.
        self._new_future = asyncio.get_running_loop().create_future
        self._task = asyncio.create_task(self._run(), name="redemption desk")

    async def stop(self) -> None:
        """Finishes what was handed over, writes the history that waits, and disconnects."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self.warming.stop()
        await self._history.close()
        await self.contention.close()
        await self._ledger.close()

    @property
    def running(self) -> bool:
        """Whether calls are being worked on."""
        return self._task is not None and not self._task.done()

    def submit(self, call: Call) -> "asyncio.Future[Answer]":
        """Hands a call over. UnavailableError when too many wait already or the desk is closing."""
        if self._stopping or len(self._waiting) >= WAITING_MAX:
            raise UnavailableError("The service is busy", "busy")
        call.future = self._new_future()
        self._waiting.append(call)
        if self._is_ready:
            self._wake.set()
        return call.future

    def _resubmit(self, calls: list[Call]) -> None:
        """Calls that waited for a lease, or whose batch was undone, go before newer ones."""
        self._waiting[:0] = calls
        self._wake.set()

    async def _run(self) -> None:
        while (
            self._waiting or self._flight or self._next or self.contention.parked
            or not self._stopping
        ):  # fmt: skip
            if not self._is_ready:
                await self._wake.wait()
            self._wake.clear()
            calls: list[Call] = []
            try:
                self._decide_ahead()
                if self._flight is not None and not self._flight.commit.done():
                    continue
                if self._next is not None:
                    batch, calls, columns = self._next, self._next_calls, self._next_columns
                    self._next, self._next_calls, self._next_columns = None, [], None
                    # What had no room in this batch has room in the next.
                    self._is_stuck = False
                    if not await self._send(batch, calls, columns):
                        self._resubmit(calls)
                else:
                    calls = self._take()
                    await self._work(calls)
            except (NotWrittenError, OutcomeUnknownError) as error:
                log.warning("desk.unavailable", error=str(error))
                self.fail(calls, UnavailableError("The database cannot be reached"))
                await asyncio.sleep(0.02)
            except Exception:
                log.exception("desk.defect")
                unavailable = UnavailableError("The service is unavailable")
                self._drop_next(unavailable)
                self._evict(calls)
                self.fail(calls, unavailable)

    @property
    def _is_ready(self) -> bool:
        """Whether there is something to do: a commit has landed, or calls can be decided."""
        flight = self._flight
        if flight is None:
            return bool(self._waiting or self._next)
        return flight.commit.done() or (not self._is_stuck and len(self._waiting) >= AHEAD_MIN)

    def _decide_ahead(self) -> None:
        """Decides waiting redemptions, in order, up to the first call that needs a look elsewhere.

        They join the batch that follows the one in flight, so that it grows until it can be sent,
        and little is left to do then.
        """
        count = self._room()
        decided = 0
        if count and not self._must_look(count):
            batch = self._next = self._next or Batch(self._clock())
            batch.now_ms = self._clock()
            in_scope = self.shelf.in_scope
            try:
                for call in itertools.islice(self._waiting, count):
                    if not self._is_plain(call):
                        break
                    call.slots = in_scope(call)
                    if not call.slots:
                        break
                    decided += 1
                    self.decide_one(call, batch, None)
            finally:
                self._next_calls += self._waiting[:decided]
                del self._waiting[:decided]
                self.calls += decided
                if not self._next_calls:
                    self._next = None
        if decided:
            self._next_columns = None
            is_full = self._flight and len(self._next_calls) >= len(self._flight.calls)
            if is_full and batch.writes:
                # So many that hardly more will come before the commit in flight has landed.
                self._next_columns = batch.columns(self.shelf)
        self._is_stuck = bool(self._waiting)

    def _room(self) -> int:
        """How many of the waiting calls may be decided for the next batch."""
        decided = len(self._next_calls)
        in_flight = len(self._flight.calls) if self._flight is not None else 0
        most = _share(len(self._waiting) + decided + in_flight)
        return max(0, min(len(self._waiting), most - decided))

    def _take(self) -> list[Call]:
        """The calls of a batch that may need reading. Those of the last one come back soon."""
        most = _share(len(self._waiting) + self._taken)
        calls, self._waiting = self._waiting[:most], self._waiting[most:]
        self._taken = len(calls)
        return calls

    def _must_look(self, count: int) -> bool:
        """Whether something has to be done before anything more is decided."""
        return self._ledger.broken or self.shelf.is_over or self.ids.left < 2 * count

    def _is_plain(self, call: Call) -> bool:
        """Whether a call is a redemption that the shelf alone may decide, if it holds the code."""
        return (
            call.op == REDEEM
            and not call.future.done()
            and call.order not in self._recent
            and not self.guard.blocked(call.guard)
            and not (self.contention.hot and self.contention.holds_up(call))
        )

    def _is_busy(self, code_key: str) -> bool:
        """Whether decisions on a code are on their way to the database."""
        in_flight = self._flight.calls if self._flight else ()
        return any(
            call.code_key == code_key for call in itertools.chain(in_flight, self._next_calls)
        )

    def _drop_next(self, error: DomainError) -> None:
        """Forgets what was decided ahead."""
        batch, calls = self._next, self._next_calls
        self._next, self._next_calls, self._next_columns = None, [], None
        if batch is not None:
            batch.undo(self.shelf)
        self._evict(calls)
        self.fail(calls, error)

    async def _work(self, calls: list[Call]) -> None:
        await self._land()
        if self._ledger.broken:
            await self._settle()
        if calls:
            await self._process(calls)

    async def _process(self, calls: list[Call]) -> None:
        """Decides a batch that may need reading, and sends its commit off; nothing is in flight.

        While a commit is in flight its connection is taken and the records it changed must stay, so
        whatever reads, evicts or locks waits for it to land.
        """
        self.calls += len(calls)
        self.shelf.make_room()
        if self.ids.left < IDS_AHEAD:
            await self.ids.ensure(IDS_AHEAD)
        plain, careful = self._sort(calls)
        missing, looked_at = self.reader.wanted(plain)
        if missing or looked_at:
            await self.reader.hold(plain, missing, looked_at)
        batch = Batch(self._clock())
        for call in plain:
            self.decide_one(call, batch, None)
        await self._send(batch, plain)
        if careful:
            await self._land()
            await self._carefully(careful)

    async def _send(
        self, batch: Batch, calls: list[Call], columns: list[Any] | None = None
    ) -> bool:
        """Sends a commit off, or answers at once where there is none.

        False if the commit before it failed: this batch was decided on what never came to be. The
        answers of the one before leave after this one has been sent, so that the database works
        while they are written.
        """
        self.batches += 1
        if columns is None and batch.writes:
            columns = batch.columns(self.shelf)
        before = self._flight
        if not await self._has_committed(batch):
            return False
        if columns is not None:
            self._recent.add(batch.orders)
            commit = asyncio.create_task(self._ledger.commit_batch(columns))
            commit.add_done_callback(lambda _: self._wake.set())
            self._flight = Flight(batch, calls, commit)
        if before is not None:
            self.finish(before.batch)
        if columns is None:
            self.finish(batch)
        return True

    async def _land(self) -> None:
        """Waits for the commit in flight and answers its calls."""
        flight = self._flight
        if await self._has_committed() and flight is not None:
            self.finish(flight.batch)

    async def _has_committed(self, after: Batch | None = None) -> bool:
        """Waits for the commit in flight. False if it failed, and then `after` is undone.

        Calls of a failed batch go the careful way before anything newer is decided.
        """
        flight, self._flight = self._flight, None
        if flight is None:
            return True
        try:
            await flight.commit
        except (ComparisonLostError, NotWrittenError, OutcomeUnknownError) as error:
            if after is not None:
                after.undo(self.shelf)
            await self._crash(flight, error)
            return False
        except Exception:
            self._evict(flight.calls)
            self.fail(flight.calls, UnavailableError("The service is unavailable"))
            raise
        return True

    async def _crash(self, flight: Flight, error: Exception) -> None:
        """A commit failed: nothing of it is kept, and its calls are decided anew under locks."""
        calls = [call for call in flight.calls if not call.future.done()]
        try:
            if isinstance(error, ComparisonLostError):
                self.lost += 1
                self.relied_on = flight.batch.versions(self.shelf)
            else:
                log.warning("desk.not_committed", error=str(error))
            self._evict(calls)
            if isinstance(error, OutcomeUnknownError):
                await self._settle()
            await self._carefully(calls)
        except Exception:
            self._evict(calls)
            self.fail(calls, UnavailableError("The database cannot be reached"))
            raise
        finally:
            self.relied_on = {}

    def _sort(self, calls: list[Call]) -> tuple[list[Call], list[Call]]:
        """Calls for the usual path and for the careful one; a code's calls keep their order."""
        plain: list[Call] = []
        careful: list[Call] = []
        codes: set[str] = set()
        for call in calls:
            if call.future.done():
                continue
            if self.contention.hot:
                if self.contention.park(call):
                    continue
                if self.contention.begins(call.code_key):
                    self.shelf.evict(call.code_key)
            if call.op != ROLLBACK and call.op != REFUND and self.guard.blocked(call.guard):
                call.blocked = True
                if call.op != REDEEM:
                    call.future.set_exception(RateLimitedError("Too many unknown codes", BLOCK_S))
                    continue
            op = call.op
            if (
                call.blocked
                or op >= ROLLBACK
                or call.code_key in codes
                or (op == REDEEM and call.order in self._recent)
            ):
                codes.add(call.code_key)
                careful.append(call)
            else:
                plain.append(call)
        return plain, careful

    def decide_one(self, call: Call, batch: Batch, orders: Orders | None) -> None:
        """One decision; what it refuses with an error becomes its answer."""
        try:
            if not call.slots:
                batch.answers.append((call, self.unknown(call.op, call.guard)))
            elif call.op == REDEEM:
                self._decider.redeem(call, batch, orders)
            elif call.op == VALIDATE:
                self._decider.validate(call, batch)
            elif call.op == UNLOCK:
                self._returns.unlock(call, batch)
            else:
                self._returns.roll_back(call, batch, {} if orders is None else orders)
        except DomainError as error:
            batch.answers.append((call, error))

    def unknown(self, op: int, guard: str) -> Answer:
        """The answer for a code that means nothing here; RateLimitedError after too many."""
        if op in (REDEEM, VALIDATE, UNLOCK):
            if self.guard.blocked(guard):
                raise RateLimitedError("Too many unknown codes", BLOCK_S)
            self.guard.miss(guard)
        return Answer(404, self._spelling.unknown(op))

    def finish(self, batch: Batch) -> None:
        """After the commit: answers leave, quiet history waits its turn."""
        batch.keep(self.shelf)
        self._history.add(batch.quiet)
        for call, answer in batch.answers:
            if call.future.done():
                continue
            if isinstance(answer, DomainError):
                call.future.set_exception(answer)
            else:
                call.future.set_result(answer)

    def _evict(self, calls: Iterable[Call]) -> None:
        for key in {call.code_key for call in calls}:
            self.shelf.evict(key)

    async def _carefully(self, calls: Sequence[Call]) -> None:
        try:
            await self.careful.serve(calls)
        except OutcomeUnknownError:
            self._evict(calls)
            await self._settle()
            await self.careful.serve([call for call in calls if not call.future.done()])

    async def _settle(self) -> None:
        """After a lost connection: decide nothing before the old backend is known to be gone."""
        self.settled += 1
        if not await self._ledger.settle():
            raise OutcomeUnknownError("the old connection may still commit")

    @staticmethod
    def fail(calls: Iterable[Call], error: DomainError) -> None:
        """Ends the calls that have no answer yet."""
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error)


def _share(under_way: int) -> int:
    """How many of all calls under way one batch takes: half of them, unless they are few.

    Whoever is answered together comes back together. Without this a large batch and a small one
    would take turns for ever.
    """
    return min(under_way if under_way < HALVES_MIN else (under_way + 1) // 2, CALLS_MAX)
