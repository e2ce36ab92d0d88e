"""The product over HTTP beside a no-op on the same lane: one worker, 64 keep-alive connections.

Ratios are shares: what is left of the lane's throughput once the desk decides, commits and answers.
Server, load generator and PostgreSQL are processes of their own on the same cores. Many short turns
instead of a few long ones: the machine's own pace changes within seconds, and a turn is compared
with the no-op's beside it.
"""

import contextlib
import itertools
import os
import secrets
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec

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
PATH = "/vending/voucher/{code}/"
REDEEM = '{"deviceId":"gw-0080","order":{"id":"{order}","amount":250}}'
VALIDATE = '{"deviceId":"gw-0080"}'


class Plan(msgspec.Struct, frozen=True):
    """How long and how often."""

    seconds: float
    rounds: int
    warm_s: float


FULL = Plan(seconds=1.0, rounds=15, warm_s=0.25)
QUICK = Plan(seconds=1.0, rounds=1, warm_s=0.5)


class Site(msgspec.Struct, frozen=True):
    """Two running workers and who may call them."""

    product: int
    noop: int
    authorization: str
    vouchers: int

    def jobs(self, plan: Plan) -> dict[str, Job]:
        """What is measured, by name; beside each share stands the no-op of its kind."""

        def job(port: int, verb: str, body: str, expect: str, hot: int = -1) -> Job:
            return Job(
                port=port, path=PATH + verb, body=body, authorization=self.authorization,
                expect=expect, vouchers=self.vouchers, hot=hot, seconds=plan.seconds,
                warm_s=plan.warm_s,
            )  # fmt: skip

        redeemed, valid = '"redeemed":true', '"valid":true'
        typed = job(self.noop, "redeem", REDEEM, redeemed)
        return {
            "http.redeem": job(self.product, "redeem", REDEEM, redeemed),
            "noop": job(self.noop, "redeem", REDEEM, redeemed),
            "http.redeem_hot": job(self.product, "redeem", REDEEM, redeemed, HOT),
            "noop_validate": job(self.noop, "validate", VALIDATE, redeemed),
            "http.validate": job(self.product, "validate", VALIDATE, valid),
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
def _worker(fleet: Fleet, secret: str, kind: str) -> Iterator[int]:
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
        yield int(line)
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
    runs: dict[str, list[Measured]] = {name: [] for name in jobs}
    for number in range(plan.rounds):
        # Every other round backwards, so that nobody always follows the same neighbour.
        for name in list(jobs) if number % 2 == 0 else reversed(list(jobs)):
            progress(name)
            runs[name].append(drive(jobs[name]))
    typed = statistics.median(run.per_second for run in runs["typed"])
    pairs = {"http.redeem": "noop", "http.redeem_hot": "noop", "http.validate": "noop_validate"}
    return {name: _metric(runs[name], runs[noop], typed) for name, noop in pairs.items()}


def _metric(runs: list[Measured], noops: list[Measured], typed: float) -> Metric:
    shares = [a.per_second / b.per_second for a, b in itertools.zip_longest(runs, noops)]
    middle = statistics.median
    return Metric(
        value=round(middle(run.per_second for run in runs)),
        unit="requests/s",
        baseline="a desk that does nothing behind the same lane",
        ratio=round(middle(shares), 2),
        p50_ms=round(middle(run.p50_ms for run in runs), 2),
        p99_ms=round(middle(run.p99_ms for run in runs), 2),
        failed=sum(run.failed for run in runs),
        retried=sum(run.retried for run in runs),
        beside={
            "noop": round(middle(run.per_second for run in noops)),
            "typed_noop": round(typed),
        },
    )
