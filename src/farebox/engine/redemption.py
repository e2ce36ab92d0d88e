"""The redemption desk: every validate, redeem, rollback and unlock of a process passes here.

One task takes all waiting calls at once, decides them in order of arrival with the native core and
commits them in one round trip; an answer leaves only after that commit. While a batch commits, the
next one gathers. Promises are those of vending-commerce.md 4.14: linearizable per voucher over any
number of processes, durable before acknowledged, never above a limit or below zero. The desk knows
no HTTP, and it trusts nothing it holds: what a decision relied on is compared in the commit.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from farebox.domain.errors import DomainError, RateLimitedError, UnavailableError
from farebox.engine.batch import Batch
from farebox.engine.calls import REDEEM, REFUND, ROLLBACK, UNLOCK, VALIDATE, Answer, Call, Spelling
from farebox.engine.careful import Careful
from farebox.engine.contention import Contention
from farebox.engine.deciding import Decider
from farebox.engine.guessing import BLOCK_S, Guard
from farebox.engine.notes import Notes, Orders
from farebox.engine.returning import Returns
from farebox.engine.shelf import Shelf, by_code, in_order
from farebox.engine.terms import Campaign
from farebox.engine.warming import warm
from farebox.locks import Leases
from farebox.storage.redemption import (
    ComparisonLostError,
    Ledger,
    NotWrittenError,
    OutcomeUnknownError,
)

CALLS_MAX = 1024
WAITING_MAX = 20_000
RECENT_MAX = 65_536
HISTORY_MAX = 8192
HISTORY_DELAY_S = 0.5
ROUNDS_MAX = 5

log = structlog.get_logger()


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
        self._ids: list[tuple[int, int]] = []
        self._quiet: list[tuple[Any, ...]] = []
        self._quiet_since = 0.0
        # Orders answered lately: a retry goes straight to the careful path instead of losing a
        # batch.
        self._recent: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self.shelf = Shelf(memory_bytes)
        self.guard = Guard()
        notes = Notes(self.shelf, spelling, self._take_id, replay_window_ms)
        self._decider = Decider(notes)
        self._returns = Returns(notes, self.guard)
        self.careful = Careful(ledger, self, clock)
        self.contention = Contention(leases, self._resubmit)
        # Versions that a batch relied on when it lost its comparison; the careful path finds the
        # losers.
        self.relied_on: dict[int, int] = {}
        # Counted for the metrics: batches, calls, lost comparisons, unknown outcomes.
        self.batches = self.calls = self.lost = self.settled = 0

    async def start(self) -> None:
        """Connects, fills the shelf as far as its time allows, and begins to work."""
        await self._ledger.open()
        if self._warm_s:
            held = await warm(self._ledger, self.shelf, self._warm_s)
            log.info("desk.warm", vouchers=held)
        self._task = asyncio.create_task(self._run(), name="redemption desk")

    async def stop(self) -> None:
        """Finishes what was handed over, writes the history that waits, and disconnects."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
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
        call.future = asyncio.get_running_loop().create_future()
        self._waiting.append(call)
        self._wake.set()
        return call.future

    def _resubmit(self, calls: list[Call]) -> None:
        """Calls that waited for a lease go before newer ones."""
        self._waiting[:0] = calls
        self._wake.set()

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._stopping and not self.contention.parked:
                    break
                timeout_s = HISTORY_DELAY_S if self._quiet else None
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), timeout_s)
            self._wake.clear()
            calls, self._waiting = self._waiting[:CALLS_MAX], self._waiting[CALLS_MAX:]
            try:
                if self._ledger.broken:
                    await self._settle()
                if calls:
                    self.batches += 1
                    self.calls += len(calls)
                    await self._process(calls)
                await self._write_quiet()
            except (NotWrittenError, OutcomeUnknownError) as error:
                log.warning("desk.unavailable", error=str(error))
                self.fail(calls, UnavailableError("The database cannot be reached"))
                await asyncio.sleep(0.02)
            except Exception:
                log.exception("desk.defect")
                self._evict(calls)
                self.fail(calls, UnavailableError("The service is unavailable"))
        with contextlib.suppress(NotWrittenError, OutcomeUnknownError):
            await self._write_quiet(now=True)

    async def _process(self, calls: list[Call]) -> None:
        self.shelf.make_room()
        plain, careful = self._sort(calls)
        if plain:
            await self.take_ids(len(plain))
            await self._hold(plain)
            batch = self._decide(plain)
            if batch.writes:
                try:
                    await self._ledger.commit_batch(batch.columns(self.shelf))
                except ComparisonLostError:
                    self.lost += 1
                    self.relied_on = batch.versions(self.shelf)
                    self._evict(plain)
                    careful = self._again(plain, careful)
                except NotWrittenError as error:
                    log.warning("desk.not_written", error=str(error))
                    batch.undo(self.shelf)
                    careful = self._again(plain, careful)
                except OutcomeUnknownError:
                    self._evict(plain)
                    careful = self._again(plain, careful)
                    await self._settle()
                else:
                    self.finish(batch)
            else:
                self.finish(batch)
        if careful:
            await self._carefully(careful)
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
                or call.rounds
                or op >= ROLLBACK
                or call.code_key in codes
                or (op == REDEEM and (call.code_key, call.device, call.order_id) in self._recent)
            ):
                codes.add(call.code_key)
                careful.append(call)
            else:
                plain.append(call)
        return plain, careful

    def _again(self, plain: list[Call], careful: list[Call]) -> list[Call]:
        """All calls of a batch that failed, in order of arrival, for the careful path."""
        for call in plain:
            call.rounds += 1
        return [call for call in plain if not call.future.done()] + careful

    async def _hold(self, calls: Sequence[Call]) -> None:
        """Reads every code that is not held, and checks held ones that are only looked at.

        A redeem's copy is compared in its commit; a validation has none: its copy is compared here.
        """
        missing: set[str] = set()
        looked_at: set[str] = set()
        in_scope = self.shelf.in_scope
        for call in calls:
            call.slots = in_scope(call)
            if not call.slots:
                # An unknown code is always asked of the database, never answered from memory.
                missing.add(call.code_key)
            elif call.op == VALIDATE:
                looked_at.add(call.code_key)
        looked_at -= missing
        if looked_at:
            missing |= await self._moved_on(sorted(looked_at))
        if missing:
            await self.read(sorted(missing))
            for call in calls:
                if call.code_key in missing:
                    call.slots = in_scope(call)

    async def _moved_on(self, code_keys: list[str]) -> set[str]:
        """Those held codes whose candidates, versions or policies are no longer what we hold."""
        now = {
            key: {tuple(row) for row in in_order(rows)}
            for key, rows in by_code(await self._ledger.read_versions(code_keys))
        }
        return {key for key in code_keys if self.shelf.versions(key) != now.get(key)}

    async def read(self, code_keys: list[str]) -> None:
        """Holds all candidates of these codes as they are in the database now."""
        for _ in range(ROUNDS_MAX):
            rows = await self._ledger.read_codes(code_keys)
            if await self.put(code_keys, rows):
                return
        raise NotWrittenError("campaigns keep changing")

    async def put(self, code_keys: Iterable[str], rows: Sequence[Any]) -> bool:
        """Holds these rows. False if a campaign is newer than its vouchers' rows: read again."""
        campaigns = self.shelf.campaigns
        wanted = {
            row["campaign"]
            for row in rows
            if (known := campaigns.get(row["campaign"])) is None
            or known.revision != row["policy_revision"]
        }
        if wanted:
            for row in await self._ledger.read_campaigns(sorted(wanted)):
                self.shelf.adopt(Campaign(row))
        rows_of = dict(by_code(rows))
        fresh = True
        for key in code_keys:
            held = rows_of.get(key, [])
            if all(campaigns[row["campaign"]].revision == row["policy_revision"] for row in held):
                self.shelf.put(key, held)
            else:
                self.shelf.evict(key)
                fresh = False
        return fresh

    def _decide(self, calls: list[Call]) -> Batch:
        batch = Batch(self._clock())
        for call in calls:
            self.decide_one(call, batch, None)
        return batch

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
        """After the commit: answers leave, orders are remembered, quiet history waits its turn."""
        batch.keep(self.shelf)
        recent = self._recent
        for row in batch.redemptions:
            recent[row[1], row[3], row[4]] = None
        while len(recent) > RECENT_MAX:
            recent.popitem(last=False)
        if batch.quiet:
            if not self._quiet:
                self._quiet_since = time.monotonic()
            self._quiet += batch.quiet
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

    async def _carefully(self, calls: list[Call]) -> None:
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

    def _take_id(self) -> int:
        first, end = self._ids[0]
        if first + 1 == end:
            self._ids.pop(0)
        else:
            self._ids[0] = (first + 1, end)
        return first

    async def take_ids(self, wanted: int) -> None:
        """Enough ids for what is about to be decided; decisions themselves never wait."""
        while sum(end - first for first, end in self._ids) < wanted + 64:
            self._ids.append(await self._ledger.take_event_ids())

    async def _write_quiet(self, now: bool = False) -> None:
        """Writes the history of plain validations: twice a second, sooner when much has come."""
        if not self._quiet:
            return
        due = time.monotonic() - self._quiet_since >= HISTORY_DELAY_S
        if now or due or len(self._quiet) >= HISTORY_MAX:
            rows, self._quiet = self._quiet, []
            try:
                await self._ledger.add_history(rows)
            except NotWrittenError as error:
                log.warning("desk.history_lost", rows=len(rows), error=str(error))

    @staticmethod
    def fail(calls: Iterable[Call], error: DomainError) -> None:
        """Ends the calls that have no answer yet."""
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error)
