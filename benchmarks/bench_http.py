"""The product over HTTP beside a no-op on the same lane: one worker, 64 keep-alive connections.

Ratios are shares: what is left of the lane's throughput once the desk decides, commits and answers.
Server, load generator and PostgreSQL are processes of their own; the worker has a core to itself
and the two others share the rest, for the no-op as for the product. Every fourth round is measured
once more with nobody bound to a core. Many short turns instead of a few long ones: the machine's
own pace changes within seconds, and a turn is compared with the no-op's beside it.
"""

import contextlib
import os
import secrets
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec

from benchmarks import cores
from benchmarks.fleet import Fleet
from benchmarks.http_client import Job
from benchmarks.loop import Measured
from benchmarks.report import Metric
from farebox.demo import DEVICE, DEVICE_KEY
from farebox.engine.access import Access
from farebox.engine.people import People, Policy
from farebox.engine.tokens import KeyRing
from farebox.storage.pool import open_pool

ROOT = Path(__file__).parents[1]
HOT = 5
# Every so many rounds one is repeated with nobody bound to a core.
UNBOUND = 4
PATH = "/vending/voucher/{code}/"
REDEEM = '{"deviceId":"gw-0080","order":{"id":"{order}","amount":250}}'
VALIDATE = '{"deviceId":"gw-0080"}'


class Plan(msgspec.Struct, frozen=True):
    """How long and how often."""

    seconds: float
    rounds: int
    warm_s: float


FULL = Plan(seconds=0.5, rounds=36, warm_s=0.15)
QUICK = Plan(seconds=1.0, rounds=1, warm_s=0.5)


class Worker(msgspec.Struct, frozen=True):
    """A running worker: where it listens and which process it is."""

    port: int
    process: int


class Site(msgspec.Struct, frozen=True):
    """Two running workers and who may call them."""

    product: Worker
    noop: Worker
    authorization: str
    vouchers: int

    def worker(self, job: Job) -> int:
        """The process that a job measures."""
        return (self.product if job.port == self.product.port else self.noop).process

    def jobs(self, plan: Plan) -> dict[str, Job]:
        """What is measured, by name; beside each share stands the no-op of its kind."""

        def job(port: int, verb: str, body: str, expect: str, hot: int = -1) -> Job:
            return Job(
                port=port, path=PATH + verb, body=body, authorization=self.authorization,
                expect=expect, vouchers=self.vouchers, hot=hot, seconds=plan.seconds,
                warm_s=plan.warm_s,
            )  # fmt: skip

        redeemed, valid = '"redeemed":true', '"valid":true'
        typed = job(self.noop.port, "redeem", REDEEM, redeemed)
        return {
            "http.redeem": job(self.product.port, "redeem", REDEEM, redeemed),
            "noop": job(self.noop.port, "redeem", REDEEM, redeemed),
            "http.redeem_hot": job(self.product.port, "redeem", REDEEM, redeemed, HOT),
            "noop_validate": job(self.noop.port, "validate", VALIDATE, redeemed),
            "http.validate": job(self.product.port, "validate", VALIDATE, valid),
            "typed": msgspec.structs.replace(typed, path="/typed/{code}/redeem"),
        }


@contextlib.asynccontextmanager
async def site(fleet: Fleet, clock: Callable[[], int]) -> AsyncIterator["Site"]:
    """Both workers on this fleet's database, and a device's token for them."""
    secret = secrets.token_hex(32)
    token = await _token(fleet.dsn, secret, clock)
    with _worker(fleet, secret, "product") as product, _worker(fleet, secret, "noop") as noop:
        yield Site(product, noop, f"Bearer {token}", fleet.vouchers)


async def _token(dsn: str, secret: str, clock: Callable[[], int]) -> str:
    pool = await open_pool(dsn, max_size=1)
    keys = KeyRing({"bench": secret})
    people = People(pool, clock, keys, Access(pool, clock, keys), policy=Policy())
    try:
        return await people.device_token(DEVICE, DEVICE_KEY, "127.0.0.1")
    finally:
        people.close()
        await pool.close()


@contextlib.contextmanager
def _worker(fleet: Fleet, secret: str, kind: str) -> Iterator[Worker]:
    command = [sys.executable, "-m", "benchmarks.http_server"]
    command += [fleet.dsn, str(fleet.data_dir.parent), secret, kind]
    said = fleet.data_dir.parent / f"{kind}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            # The service may say things before its port.
            if line.strip().isdigit():
                break
        else:
            raise RuntimeError(f"the {kind} worker did not start: {said.read_text()[-2000:]}")
        yield Worker(int(line), process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _environment() -> dict[str, str]:
    """The same packages for every process, also when the package is not installed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return {**os.environ, "PYTHONPATH": path}


def drive(job: Job) -> Measured:
    """Runs the load generator once."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_client"],
        input=msgspec.json.encode(job),
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        check=False,
        timeout=job.seconds + job.warm_s + 60,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    measured = msgspec.json.decode(done.stdout, type=Measured)
    if not measured.done:
        raise RuntimeError(f"no good answer on {job.path}: {measured}")
    return measured


def measure(site: Site, plan: Plan, progress: Callable[[str], None]) -> dict[str, Metric]:
    """`http.redeem`, `http.redeem_hot` and `http.validate`."""
    jobs = site.jobs(plan)
    bound: dict[str, list[Measured]] = {name: [] for name in jobs}
    unbound: dict[str, list[Measured]] = {name: [] for name in jobs}
    for number in range(plan.rounds):
        # Every other round backwards, so that nobody always follows the same neighbour.
        for name in list(jobs) if number % 2 == 0 else reversed(list(jobs)):
            progress(name)
            with cores.of_its_own(site.worker(jobs[name])):
                bound[name].append(drive(jobs[name]))
            if number % UNBOUND == 0:
                unbound[name].append(drive(jobs[name]))
    pairs = {"http.redeem": "noop", "http.redeem_hot": "noop", "http.validate": "noop_validate"}
    typed = statistics.median(run.per_second for run in bound["typed"])
    return {
        name: _metric(bound[name], bound[noop], typed, _share(unbound[name], unbound[noop]))
        for name, noop in pairs.items()
    }


def _share(runs: list[Measured], noops: list[Measured]) -> float:
    """The middle one of the turns' shares of the no-op's turn beside each."""
    pairs = zip(runs, noops, strict=True)
    return round(statistics.median(a.per_second / b.per_second for a, b in pairs), 2)


def _metric(runs: list[Measured], noops: list[Measured], typed: float, unbound: float) -> Metric:
    middle = statistics.median
    return Metric(
        value=round(middle(run.per_second for run in runs)),
        unit="requests/s",
        baseline="a desk that does nothing behind the same lane",
        ratio=_share(runs, noops),
        p50_ms=round(middle(run.p50_ms for run in runs), 2),
        p99_ms=round(middle(run.p99_ms for run in runs), 2),
        failed=sum(run.failed for run in runs),
        retried=sum(run.retried for run in runs),
        beside={
            "noop": round(middle(run.per_second for run in noops)),
            "typed_noop": round(typed),
            "share_with_nobody_bound_to_a_core": unbound,
        },
    )
