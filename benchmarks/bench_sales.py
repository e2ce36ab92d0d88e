"""Summaries of millions of sales over HTTP, from columns and from rows, and beside ingestion.

One worker of the product serves; whoever asks is another process. Every question has another span
and other machines, so nothing can have been answered before. A second worker that may hold nothing
in memory answers the same questions from the rows, and every answer is compared. Then readers open
dashboards while gateways report as fast as they are answered: all the same one, or each one of some
machines that nobody has asked about, or one reader after nobody read for a while. Somebody checks
that summaries show what was acknowledged. `python -m benchmarks.bench_sales 50000000
/var/tmp/sales` takes so many sales and keeps them in a folder, which takes minutes to fill.
"""

import contextlib
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks import sales_client
from benchmarks.report import Metric
from benchmarks.sales import GATEWAYS, MACHINES, PLACES, Site, site
from benchmarks.sales_rows import by_currency_and_day
from farebox.engine.making_way import RECENT_S

ROOT = Path(__file__).parent.parent
REVENUE = "/vending/revenuetransaction"
READERS = 10
# Too little for the months of a question.
LITTLE = "1MiB"
# What readers may have to wait beside gateways.
WAIT_MS = 250
Say = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is asked."""

    sales: int
    questions: int = 200
    compared: int = 4
    # Every growth is timed so often; 0: none is.
    repeats: int = 0
    seconds: float = 5.0
    memory: str = "2GiB"
    # Whether readers with dashboards of their own, and readers who come after nobody read, are
    # measured beside gateways, too.
    manners: bool = False


FULL = Plan(sales=2_000_000)
QUICK = Plan(sales=300_000, questions=60, compared=2, seconds=3.0)


class Served:
    """A worker of the product that can be asked."""

    def __init__(self, port: int, pid: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pid = pid
        self._connection = HTTPConnection("127.0.0.1", port, timeout=600)
        self.authorization = ""

    def ask(self, path: str, body: Any = None) -> bytes:
        """The body of an answer."""
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        method, sent = ("GET", None) if body is None else ("POST", msgspec.json.encode(body))
        # The worker closes a connection that was not used for some seconds.
        self._connection.close()
        self._connection.request(method, path, sent, headers)
        with self._connection.getresponse() as answer:
            told = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{answer.status}: {told[:200]!r}")
        return told

    def sign_in(self) -> None:
        """As somebody who sees all places."""
        body = {"username": "nora", "password": "correct horse 9"}
        told = msgspec.json.decode(self.ask("/vending/auth/login", body))
        self.authorization = f"Bearer {told['access_token']}"

    def number(self, name: str) -> float:
        """What the worker says of itself."""
        found = re.search(rf"^{name} (\S+)$", self.ask("/metrics").decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    @property
    def resident(self) -> int:
        """Bytes of memory that are the process's own."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024

    @property
    def cpu_s(self) -> float:
        """Processor time of the process."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(filled: Site, memory: str) -> Iterator[Served]:
    """`farebox serve` with so much memory for sales."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="farebox-bench-"))
        log = stack.enter_context(Path(folder, "log").open("wb"))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        given = {
            "FAREBOX_DATABASE_URL": filled.dsn,
            "FAREBOX_DATA_DIR": folder,
            "FAREBOX_STATEMENT_TIMEOUT_MS": "60000",
            "FAREBOX_REVENUE_MEMORY": memory,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        }
        command = [sys.executable, "-m", "farebox", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env={**os.environ, **given}, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        made = Served(port, process.pid)
        for _ in range(600):
            try:
                made.sign_in()
                break
            except (OSError, HTTPException):
                time.sleep(0.1)
        yield made


class Questions:
    """Summaries of a site, no two alike."""

    def __init__(self, filled: Site) -> None:
        self._source = random.Random(1)
        self.today: date = datetime.fromtimestamp(filled.until_ms / 1000, UTC).date()

    def summary(self, begin: int, end: int, machines: int = 0) -> str:
        """From so many days ago to so many; of so many machines, all where none are named."""
        days = [self.today - timedelta(days=ago) for ago in (begin, end)]
        chosen = ",".join(map(str, self._source.sample(MACHINES, machines)))
        path = f"{REVENUE}/summary?startDate={days[0]}&endDate={days[1]}"
        return path + (f"&machines={chosen}" if chosen else "")

    def nearly_all(self, begin: int, left_out: int | None = None) -> str:
        """Of all places but one."""
        left_out = left_out or self._source.choice(PLACES)
        places = ",".join(str(place) for place in PLACES if place != left_out)
        return f"{self.summary(begin, 0)}&locations={places}"

    def cold(self) -> str:
        """Most of a year, of a thousand of the machines or of a fifth of the places."""
        begin, end = self._source.randrange(300, 360), self._source.randrange(1, 30)
        if self._source.random() < 0.5:
            return self.summary(begin, end, 1000)
        places = ",".join(map(str, self._source.sample(PLACES, len(PLACES) // 5)))
        return f"{self.summary(begin, end)}&locations={places}"

    def dashboard(self, machines: int = 0) -> list[str]:
        """What is looked at all the while: of all machines, or of so many of somebody's own."""
        week = f"startDate={self.today - timedelta(days=6)}&endDate={self.today}"
        chosen = ",".join(map(str, self._source.sample(MACHINES, machines)))
        targets = [self.summary(30, 0), f"{REVENUE}/periods?", f"{REVENUE}/bestselling?{week}"]
        targets.append(f"{REVENUE}/heatmap?")
        return [target + (f"&machines={chosen}" if chosen else "") for target in targets]


def _warm(worker: Served, filled: Site, asked: Questions) -> float:
    """Have the columns read; how long that took."""
    started = time.perf_counter()
    while worker.number("farebox_sales_rows") < filled.sales:
        # Of a place that has next to none: until they are read, the rows answer. Reading may take
        # longer than a token is valid.
        worker.sign_in()
        worker.ask(asked.summary(364, 0) + "&locations=2")
        while worker.number("farebox_sales_missing"):
            time.sleep(0.2)
    return time.perf_counter() - started


def _timed(worker: Served, question: str) -> tuple[float, bytes]:
    started = time.perf_counter()
    told = worker.ask(question)
    return time.perf_counter() - started, told


def _compare(worker: Served, other: Served, asked: Questions, count: int, say: Say) -> list[float]:
    """How many times longer the rows took, question by question; the answers are equal."""
    ratios = []
    worker.sign_in()
    for _ in range(count):
        question = asked.cold()
        ours, told = _timed(worker, question)
        started = time.perf_counter()
        try:
            if told != other.ask(question):
                raise ValueError(f"the answers differ for {question[:80]}")
        except RuntimeError:
            # The rows have given up, after a minute: as many times longer at least.
            say("sales: the rows gave up")
        theirs = time.perf_counter() - started
        say(f"{ours * 1e3:.1f} ms, from the rows {theirs * 1e3:.0f} ms")
        ratios.append(theirs / ours)
    return ratios


def _strongest(worker: Served, filled: Site, asked: Questions, say: Say) -> float:
    """How many times longer PostgreSQL takes at its best for a year of all places but one."""
    ours, told = _timed(worker, asked.nearly_all(364, PLACES[7]))
    begin, end = asked.today - timedelta(days=364), asked.today
    # This thread runs a loop already.
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(uvloop.run, by_currency_and_day(filled, begin, end, PLACES[7]))
        theirs, totals = asking.result()
    days = msgspec.json.decode(told)
    if totals != {(name, day["date"]): day["orginalValue"] for name in days for day in days[name]}:
        raise ValueError("PostgreSQL answers differently")
    say(f"{ours * 1e3:.1f} ms, PostgreSQL at its best {theirs * 1e3:.0f} ms")
    return theirs / ours


def _latencies(worker: Served, asked: Questions, count: int, say: Say) -> tuple[list[float], float]:
    """Milliseconds of cold questions, ascending, and the worker's processor time for each."""
    say("sales: summaries")
    worker.sign_in()
    worker.ask(asked.cold())
    before = worker.cpu_s
    times = sorted(_timed(worker, asked.cold())[0] * 1e3 for _ in range(count))
    return times, (worker.cpu_s - before) / count * 1e3


def _grown(worker: Served, asked: Questions, repeats: int, say: Say) -> dict[str, float]:
    """Milliseconds by the share of the sales that lie in the days, and by how many machines.

    Nothing was asked before: of all machines there are always some others left out.
    """
    shapes = {
        **{f"percent_{share}": (364 * share // 100, 1000) for share in (2, 20, 100)},
        **{f"machines_{count}": (364, count) for count in (10, 100, 1000, 5000)},
    }
    questions = {
        name: [asked.summary(days, 0, machines) for _ in range(repeats)]
        for name, (days, machines) in shapes.items()
    }
    questions["machines_9995"] = [asked.nearly_all(364) for _ in range(repeats)]
    grown = {}
    for name, some in questions.items():
        worker.ask(some[0])
        runs = [_timed(worker, question)[0] for question in some[1:]]
        grown[f"{name}_ms"] = round(statistics.median(runs) * 1e3, 1)
    say(str(grown))
    return grown


class Beside(msgspec.Struct):
    """What readers and gateways saw of each other."""

    readers: sales_client.Seen
    gateways: sales_client.Seen


def _beside(worker: Served, asked: Questions, seconds: float, say: Say) -> Beside:
    """Ten readers of one dashboard beside gateways, and somebody who looks for what was told."""
    # The gateways sell at place 2, where nobody else does.
    days = f"startDate={asked.today - timedelta(days=3)}&endDate={date.today()}"  # noqa: DTZ011
    shows = f"{REVENUE}/summary?{days}&locations=2"
    return _together(worker, seconds, say, dashboards=[asked.dashboard()], shows=shows)


def _manners(worker: Served, asked: Questions, seconds: float, say: Say) -> dict[str, float]:
    """The longest wait of readers who share no answer, and of one who comes after nobody read."""
    own = [asked.dashboard(1000) for _ in range(READERS)]
    seen = {
        "own": _together(worker, seconds, say, dashboards=own),
        # Twice as long as a process takes for being without readers.
        "first": _together(
            worker, 4 * seconds, say, dashboards=[asked.dashboard()], count=1, every_s=2 * RECENT_S
        ),
    }
    return {
        f"longest_{name}_ms": round(max(beside.readers.waits_s) * 1e3, 1)
        for name, beside in seen.items()
    }


def _together(
    worker: Served, seconds: float, say: Say, *, dashboards: list[list[str]], count: int = READERS,
    every_s: float = 1.0, shows: str = "",
) -> Beside:  # fmt: skip
    """Readers of dashboards beside gateways at full rate, each kind in a process of its own."""
    say("sales: readers beside gateways")
    worker.sign_in()
    readers = sales_client.Job(
        url=worker.url,
        authorization=worker.authorization,
        seconds=seconds,
        count=count,
        dashboards=dashboards,
        every_s=every_s,
    )
    gateways = msgspec.structs.replace(
        readers,
        count=GATEWAYS,
        dashboards=[],
        first=time.time_ns() // 1000,
        now_s=int(time.time()),
        shows=shows,
    )
    processes = [_start(job) for job in (readers, gateways)]
    told = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError("a client has failed")
    return Beside(*(msgspec.json.decode(text, type=sales_client.Seen) for text in told))


def _start(job: sales_client.Job) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sales_client"], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    if process.stdin is not None:
        process.stdin.write(msgspec.json.encode(job))
        process.stdin.close()
        process.stdin = None
    return process


def measured(filled: Site, plan: Plan, say: Say) -> dict[str, Metric]:
    """`sales.summary` and `sales.dashboards`."""
    asked = Questions(filled)
    with served(filled, plan.memory) as worker:
        empty = worker.resident
        say("sales: reading")
        warm_s = _warm(worker, filled, asked)
        rows, taken = worker.number("farebox_sales_rows"), worker.number("farebox_sales_bytes")
        resident = worker.resident - empty
        each = f"{taken / rows:.2f} bytes each, {resident / rows:.2f} of the process"
        say(f"{rows:,.0f} in {warm_s:.0f} s, {each}")
        times, cpu_ms = _latencies(worker, asked, plan.questions, say)
        say(", ".join(f"{times[len(times) * share // 100]:.1f} ms" for share in (50, 90, 95, 99)))
        grown = _grown(worker, asked, plan.repeats, say) if plan.repeats else {}
        beside = _beside(worker, asked, plan.seconds, say)
        manners = _manners(worker, asked, plan.seconds, say) if plan.manners else {}
        strongest = _strongest(worker, filled, asked, say)
        say("sales: the same from the rows")
        with served(filled, LITTLE) as other:
            ratios = _compare(worker, other, asked, plan.compared, say)
    cut = statistics.quantiles(times, n=100)
    waits = sorted(beside.readers.waits_s)
    return {
        "sales.summary": Metric(
            value=round(cut[49], 1), unit="ms", baseline="the same summary from the rows",
            ratio=round(statistics.median(ratios), 1),
            p50_ms=round(cut[49], 1), p99_ms=round(cut[98], 1), failed=0, retried=0,
            beside={
                "sales": rows,
                "cpu_ms": round(cpu_ms, 1),
                "read_s": round(warm_s, 1),
                "bytes_a_sale": round(taken / rows, 2),
                "resident_bytes_a_sale": round(resident / rows, 2),
                "ratio_to_postgresql_at_its_best": round(strongest, 1),
                **grown,
            },
        ),
        "sales.dashboards": Metric(
            value=round(waits[-1] * 1e3, 1), unit="ms at the longest",
            baseline=f"a wait of {WAIT_MS} ms", ratio=round(WAIT_MS / (waits[-1] * 1e3), 2),
            p50_ms=round(statistics.median(waits) * 1e3, 1),
            p99_ms=round(statistics.quantiles(waits, n=100)[98] * 1e3, 1), failed=0, retried=0,
            beside={
                "records_a_second": round(beside.gateways.stored / plan.seconds),
                "answers_a_second": round(len(waits) / plan.seconds),
                "longest_acknowledgement_ms": round(max(beside.gateways.waits_s) * 1e3, 1),
                "looked_for_late_ones": beside.gateways.checks,
                "latest_record_s": round(beside.gateways.late_s, 3),
                **manners,
            },
        ),
    }  # fmt: skip


async def measure(plan: Plan, say: Say, folder: Path | None = None) -> dict[str, Metric]:
    """The metrics of a site that is made for them, or kept."""
    async with site(plan.sales, time.time_ns() // 1_000_000, say, folder=folder) as filled:
        return measured(filled, plan, say)


def main() -> None:
    """Prints the figures."""
    sales = int(sys.argv[1]) if len(sys.argv) > 1 else FULL.sales
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    plan = msgspec.structs.replace(FULL, sales=sales, repeats=9, compared=2, manners=True)
    for name, metric in uvloop.run(
        measure(plan, lambda text: print(text, flush=True), folder)
    ).items():
        print(name)
        for field, value in msgspec.to_builtins(metric).items():
            print(f"  {field}: {value}")


if __name__ == "__main__":
    main()
