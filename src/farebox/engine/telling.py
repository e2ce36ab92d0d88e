"""Tells the network what has changed, thousands of sessions at a time (isp.md 4.7, 4.10).

Of all processes one does this: the one whose connection holds a lock, so that the bound of requests
to a device holds for all of them, and a process that dies makes room by dying. Jobs are claimed in
lots, and in lots what became of them is written down, but each is on its way alone: a device that
is silent, or slow, or has thousands of sessions, keeps nobody waiting but its own. What applies is
worked out anew when a job is claimed. After a crash what was under way is told again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from farebox.domain.errors import DomainError, UnavailableError
from farebox.domain.radius_packets import COA, DISCONNECT, Content
from farebox.engine import spelling
from farebox.engine.metering import BANDWIDTH, Meter, read
from farebox.engine.network import Network, Told
from farebox.engine.switching import END, SWITCH
from farebox.engine.told import COLUMNS, Errand, sessions_of, sets_of, write
from farebox.storage.outbox import Job
from farebox.storage.pool import Connection, Pool, as_unavailable, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
KINDS: Final = (SWITCH, END)
DELAYS_MS: Final = (30_000, 120_000, 600_000, 1_800_000, 7_200_000)
# So many jobs are under way, are claimed or written down together, and wait for one device.
ROOM: Final = 4096
LOT: Final = 128
DEVICE_ROOM: Final = 128
_POLL_S: Final = 0.5
# What ends within so long is written down together.
_GATHER_S: Final = 0.01
_log = structlog.get_logger("farebox.telling")


class Telling:
    """Works on the jobs."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], moving: Callable[[], int], network: Network,
        delays_ms: Sequence[int] = DELAYS_MS,
    ) -> None:  # fmt: skip
        """`moving` is the clock of jobs, which goes on where `clock` stands still."""
        self._pool = pool
        self.clock = clock
        self.moving = moving
        self.network = network
        self.delays_ms = delays_ms
        # Requests by the job's kind and the answer, since the process began.
        self.counted: Counter[tuple[str, ...]] = Counter()

    async def run(self) -> None:
        """Tells whatever is due, for ever, whenever this process is the one to do it."""
        while True:
            try:
                async with storage_errors(), self._pool.acquire() as connection:
                    if await connection.fetchval(SQL.lead):
                        await _Shift(self, connection).work()
            except UnavailableError as error:
                _log.warning("telling.database_away", error=error.message)
            except Exception as error:  # noqa: BLE001 - one defect must not end it for all
                _log.error("telling.failed", exc_info=error)
            await asyncio.sleep(_POLL_S)

    async def drain(self) -> int:
        """Tells what is due now, and returns how many jobs that were; for tests and tools."""
        async with storage_errors(), self._pool.acquire() as connection:
            return await _Shift(self, connection).drain()


class _Shift:
    """The time for which a connection is the one that tells the network."""

    def __init__(self, telling: Telling, connection: Connection) -> None:
        self._telling = telling
        self._connection = connection
        self._running: dict[int, asyncio.Task[None]] = {}
        self._ended: list[Errand] = []
        # How many jobs wait for a device.
        self._waiting: Counter[int] = Counter()
        self._awake = asyncio.Event()

    async def drain(self) -> int:
        """Everything that is due now and what follows at once."""
        told = 0
        while begun := await self._begin():
            told += begun
            await asyncio.gather(*self._running.values())
            while self._ended:
                await self._settle()
        return told

    async def work(self) -> None:
        """Goes on until the connection is lost."""
        try:
            while True:
                self._awake.clear()
                while self._ended:
                    await self._settle()
                if await self._begin() < LOT and not self._ended:
                    await self._rest()
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._awake.wait(), _POLL_S)
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_S)

    async def _begin(self) -> int:
        """Begins what is due and has room; how many jobs."""
        room = min(LOT, ROOM - len(self._running))
        if room <= 0:
            return 0
        full = [device for device, jobs in self._waiting.items() if jobs >= DEVICE_ROOM]
        rows = await self._connection.fetch(
            SQL.claim, self._telling.moving(), KINDS, list(self._running), full, room
        )
        jobs = [Job(row["id"], row["kind"], row["payload"], row["attempts"]) for row in rows]
        for errand in await self._errands(jobs):
            errand.devices = frozenset(row["device"] for row in errand.sessions if row["device"])
            self._waiting.update(errand.devices)
            self._running[errand.job.id] = asyncio.create_task(
                self._go(errand), name=f"telling-{errand.job.id}"
            )
        return len(jobs)

    async def _errands(self, jobs: Sequence[Job]) -> list[Errand]:
        """What each job tells whom."""
        now_ms = self._telling.clock()
        errands = [
            Errand(
                job=job, code=COA if job.kind == SWITCH else DISCONNECT, sessions=[], contents=[]
            )
            for job in jobs
        ]
        numbers = sorted({errand.subscriber for errand in errands})
        sessions = await sessions_of(self._connection, numbers, now_ms)
        for errand in errands:
            if errand.job.kind == END:
                wanted = set(errand.job.payload["sessions"])
                online = sessions[errand.subscriber]
                errand.sessions = [session for session in online if session["id"] in wanted]
                errand.contents = [[]] * len(errand.sessions)
        for kind in COLUMNS:
            concerned = [errand for errand in errands if errand.kind == kind]
            if concerned:
                numbers = sorted({errand.subscriber for errand in concerned})
                meters = await read(self._connection, numbers, now_ms, kind)
                await self._spell(concerned, meters, sessions)
        return errands

    async def _spell(
        self, errands: Sequence[Errand], meters: dict[int, Meter],
        sessions: dict[int, list[Any]],
    ) -> None:  # fmt: skip
        """Switches of one kind: who holds something else than what applies, and what it is."""
        sets = await sets_of(self._connection, errands)
        actives = {meter.verdict.active for meter in meters.values()}
        rows = await self._connection.fetch(SQL.templates, sorted(actives))
        templates = {row["id"]: row for row in rows}
        for errand in errands:
            meter = meters.get(errand.subscriber)
            if meter is None or not meter.verdict.is_switch:
                continue
            errand.target, errand.sets = meter.verdict.active, sets.get(errand.subscriber, ())
            errand.sessions = [
                row for row in sessions[errand.subscriber]
                if row[COLUMNS[errand.kind]] != errand.target
            ]  # fmt: skip
            try:
                errand.contents = [
                    self._contents(errand, templates, row) for row in errand.sessions
                ]
            except (ValueError, LookupError) as error:
                errand.fault = f"it cannot be said: {error}"
                errand.sessions = []

    def _contents(self, errand: Errand, templates: dict[int, Any], session: Any) -> list[Content]:
        if errand.kind == BANDWIDTH:
            return spelling.speed(templates[errand.target], session["vendor"])
        return spelling.replies(errand.sets[errand.target - 1])

    async def _go(self, errand: Errand) -> None:
        """Asks the devices of all sessions at once."""
        try:
            pairs = list(zip(errand.sessions, errand.contents, strict=True))
            # Hardly anybody is online twice, and a task more for everybody is dear.
            if len(pairs) == 1:
                errand.told = [await self._one(errand, *pairs[0])]
            else:
                asked = (self._one(errand, *pair) for pair in pairs)
                errand.told = list(await asyncio.gather(*asked))
        except Exception as error:  # noqa: BLE001 - the job ends visibly, the others go on
            errand.fault, errand.sessions = f"{type(error).__name__}: {error}", []
            _log.error("telling.failed", job=errand.job.id, error=errand.fault)
        self._ended.append(errand)
        self._awake.set()

    async def _one(self, errand: Errand, session: Any, contents: Sequence[Content]) -> Told:
        try:
            told = await self._telling.network.ask(session, errand.code, contents)
        except DomainError as error:
            errand.fault, told = error.message, Told("unasked")
        self._telling.counted[errand.job.kind, told.word] += 1
        return told

    async def _settle(self) -> None:
        """Writes down what has ended, a lot at a time; it is kept while something is in the way."""
        lot, telling = self._ended[:LOT], self._telling
        try:
            async with self._connection.transaction():
                await write(
                    self._connection, lot, telling.clock(), telling.moving(), telling.delays_ms
                )
        except Exception as error:
            if as_unavailable(error) is None or self._connection.is_closed():
                raise
            await asyncio.sleep(_POLL_S)
            return
        del self._ended[: len(lot)]
        for errand in lot:
            del self._running[errand.job.id]
            self._waiting.subtract(errand.devices)
        self._waiting = +self._waiting
