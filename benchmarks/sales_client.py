"""Readers of dashboards or gateways that report, in a process of their own, as in life.

`python -m benchmarks.sales_client` reads a `Job` as JSON from standard input and writes what it
saw. Readers open their dashboard at fixed intervals, whatever the answers do. Gateways report as
fast as they are answered; beside them somebody adds up what has been acknowledged and asks how much
of it summaries show.
"""

import asyncio
import base64
import sys
import time
from collections.abc import Awaitable, Iterable

import aiohttp
import msgspec
import uvloop

RECORDS = 500
RECORD = (
    '{"remote":%d,"timestamp":%d,"price":100,"plu":1,"token":"^^C:R/-0","payments":'
    '[{"method":"card","price":100}]}'
)
_DAY_S = 86_400


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask, as whom, and what: dashboards where there are some, else reports."""

    url: str
    authorization: str
    seconds: float
    # How many readers or gateways there are.
    count: int
    # What the dashboards of readers consist of, in turn, and how often each opens its own.
    dashboards: list[list[str]] = []
    every_s: float = 1.0
    # The first number of every gateway, when its sales are, and what shows them all, if anything.
    first: int = 0
    now_s: int = 0
    shows: str = ""


class Seen(msgspec.Struct, kw_only=True):
    """What came of it."""

    # Of each answer, or of each acknowledgement.
    waits_s: list[float] = []
    # How many sales were stored, how often that was checked, and the longest time that one which
    # was acknowledged was missing.
    stored: int = 0
    checks: int = 0
    late_s: float = 0.0


class _Client:
    def __init__(self, job: Job, session: aiohttp.ClientSession) -> None:
        self.job = job
        self.seen = Seen()
        self.ends = time.perf_counter() + job.seconds
        self._session = session

    async def get(self, target: str) -> bytes:
        """The body of an answer."""
        headers = {"Authorization": self.job.authorization}
        async with self._session.get(self.job.url + target, headers=headers) as answer:
            body = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:200]!r}")
        return body

    async def read(self, number: int) -> None:
        """Opens a dashboard again and again."""
        due = time.perf_counter() + self.job.every_s * number / self.job.count
        while due < self.ends:
            await asyncio.sleep(due - time.perf_counter())
            await asyncio.gather(
                *map(self._wait, self.job.dashboards[number % len(self.job.dashboards)])
            )
            due = max(due + self.job.every_s, time.perf_counter())

    async def _wait(self, target: str) -> None:
        started = time.perf_counter()
        await self.get(target)
        self.seen.waits_s.append(time.perf_counter() - started)

    async def report(self, number: int) -> None:
        """Reports one batch after the other."""
        gateway, next_remote = 1001 + number, self.job.first
        proof = base64.b64encode(f"bench-{number + 1}:key of {gateway}".encode()).decode()
        headers = {"Authorization": f"Basic {proof}", "Content-Type": "application/json"}
        while (started := time.perf_counter()) < self.ends:
            body = _batch(range(next_remote, next_remote + RECORDS), self.job.now_s)
            where = f"{self.job.url}/vending/device/transactions"
            async with self._session.post(where, data=body, headers=headers) as answer:
                told = await answer.json()
            if told.get("accepted") != RECORDS:
                raise RuntimeError(f"{answer.status}: {told}")
            self.seen.waits_s.append(time.perf_counter() - started)
            self.seen.stored += RECORDS
            next_remote += RECORDS

    async def check(self, before: int) -> None:
        """Looks for what was acknowledged, beyond what there was before."""
        while time.perf_counter() < self.ends:
            known, started = self.seen.stored, time.perf_counter()
            while await self.shown() - before < known:
                self.seen.late_s = max(self.seen.late_s, time.perf_counter() - started)
            self.seen.checks += 1
            await asyncio.sleep(0.1)

    async def shown(self) -> int:
        """How many sales the summary shows; each is of one euro."""
        days = msgspec.json.decode(await self.get(self.job.shows)).get("EUR", ())
        total: int = sum(day["orginalValue"] for day in days)
        return total // 100


def _batch(numbers: Iterable[int], now_s: int) -> bytes:
    """Sales of the last day."""
    records = (RECORD % (n, now_s - _DAY_S + n % _DAY_S) for n in numbers)
    return f'{{"transactions":[{",".join(records)}]}}'.encode()


async def _main(job: Job) -> Seen:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = _Client(job, session)
        tasks: list[Awaitable[None]]
        if job.dashboards:
            tasks = [client.read(number) for number in range(job.count)]
        else:
            tasks = [client.report(number) for number in range(job.count)]
            if job.shows:
                tasks.append(client.check(await client.shown()))
        await asyncio.gather(*tasks)
    return client.seen


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_main(asked))))
