"""Runs the measurements and writes them down; behind `farebox bench` and `farebox capacity`."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import (
    baselines,
    bench_engine,
    bench_http,
    bench_ingest,
    bench_list,
    bench_metering,
    bench_sales,
    fleet,
    report,
)
from benchmarks.loop import Measured
from benchmarks.report import Metric, Report

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)

VOUCHERS = 1_000_000
VOUCHERS_QUICK = 50_000
STEP = bench_http.Plan(seconds=4.0, rounds=1, warm_s=0.5)


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def run_all(path: Path | None, *, quick: bool, only: str) -> None:
    """Measures everything whose name begins with `only`, prints a table and writes the JSON."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def say(text: str) -> None:
            progress.update(task, description=text)

        metrics: dict[str, Metric] = {}
        server: dict[str, str] = {}
        if "core".startswith(only.partition(".")[0]) or only.startswith("core"):
            metrics |= _core(quick, only, say)
        if not only.startswith(("core", "sales")):
            server, served = uvloop.run(_served(quick, only, say))
            metrics |= served
        if only.startswith("sales") or not (quick or only):
            plan = bench_sales.QUICK if quick else bench_sales.FULL
            metrics |= uvloop.run(bench_sales.measure(plan, say))
    chosen = {name: metric for name, metric in metrics.items() if name.startswith(only)}
    written = Report(report.machine(server), chosen)
    _print(written)
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n")


# The kernels' modules and the names of their metrics; they need numpy, the rest does not.
CORE = {
    "bench_core": ("core.voucher", "core.calendar"),
    "bench_revenue": ("core.revenue",),
    "bench_quota": ("core.quota",),
}


def _core(quick: bool, only: str, say: Callable[[str], None]) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    for module, names in CORE.items():
        if any(name.startswith(only) or only.startswith(name) for name in names):
            say(names[0])
            measured: Any = importlib.import_module(f"benchmarks.{module}").run(quick)
            for name, metric in measured.items():
                whole = isinstance(metric, Metric)
                metrics[name] = metric if whole else msgspec.convert(metric, Metric)
    return metrics


async def _served(
    quick: bool, only: str, say: Callable[[str], None]
) -> tuple[dict[str, str], dict[str, Metric]]:
    vouchers = VOUCHERS_QUICK if quick else VOUCHERS

    def filled(done: int, of: int) -> None:
        say(f"filling: {done:,} of {of:,} vouchers")

    metrics: dict[str, Metric] = {}
    async with fleet.fleet(vouchers, wall_clock(), filled) as filled_fleet:
        if not only.startswith(("http", "ingest", "list", "usage")):
            plan = bench_engine.QUICK if quick else bench_engine.FULL
            with baselines.redis_server() as redis:
                metrics |= await bench_engine.measure(
                    filled_fleet, redis, plan, wall_clock, lambda text: say(f"engine: {text}")
                )
        if not only.startswith(("engine", "ingest", "list", "usage")):
            async with bench_http.site(filled_fleet, wall_clock) as site:
                http_plan = bench_http.QUICK if quick else bench_http.FULL
                metrics |= bench_http.measure(site, http_plan, lambda text: say(f"HTTP: {text}"))
        if only.startswith("list") or not (quick or only):
            metrics |= await bench_list.measure(filled_fleet, wall_clock, say, quick=quick)
        if only.startswith("usage") or not (quick or only):
            plan_of_usage = bench_metering.QUICK if quick else bench_metering.FULL
            metrics |= await bench_metering.measure(filled_fleet, say, *plan_of_usage)
        if not only.startswith(("engine", "http", "list", "usage")):
            metrics |= await bench_ingest.measure(filled_fleet, wall_clock, say, quick=quick)
        counted, recorded = await fleet.counted(filled_fleet.dsn)
        if counted != recorded:
            raise RuntimeError(f"vouchers count {counted} redemptions, rows are {recorded}")
    return filled_fleet.server, metrics


def _print(written: Report) -> None:
    for name, value in written.machine.items():
        out.print(f"{name}: {value}", markup=False)
    for caveat in report.CAVEATS:
        out.print(f"caveat: {caveat}", markup=False)
    for name, metric in written.metrics.items():
        out.print(f"\n{name}: {metric.value:,.6g} {metric.unit}", markup=False)
        share = "of" if name.startswith("http.") else "times"
        out.print(f"  {metric.ratio:g} {share} {metric.baseline}", markup=False)
        if metric.p50_ms is not None:
            out.print(
                f"  p50 {metric.p50_ms:g} ms, p99 {metric.p99_ms:g} ms,"
                f" {metric.failed} failed, {metric.retried} retried",
                markup=False,
            )
        for beside, value in metric.beside.items():
            out.print(f"  beside it: {beside} {value:,.6g}", markup=False)


def run_capacity(devices: int | None, taps: float | None, p99_ms: float) -> None:
    """Raises the rate until the 99th percentile passes the bound, and says what held."""
    uvloop.run(_capacity(devices, taps, p99_ms))


async def _capacity(devices: int | None, taps: float | None, p99_ms: float) -> None:
    with err.status("filling") as status:
        async with (
            fleet.fleet(
                VOUCHERS_QUICK,
                wall_clock(),
                lambda done, of: status.update(f"filling: {done:,} of {of:,} vouchers"),
            ) as filled,
            bench_http.site(filled, wall_clock) as site,
        ):
            rate, held = _highest_rate(site, p99_ms, status.update)
    for name, value in report.machine(filled.server).items():
        out.print(f"{name}: {value}", markup=False)
    for caveat in report.CAVEATS[:2]:
        out.print(f"caveat: {caveat}", markup=False)
    if held is None:
        out.print(f"no rate kept the 99th percentile below {p99_ms:g} ms here")
        return
    # A tap is a validate and a redeem; a redeem is the dearer of the two.
    taps_per_s = rate / 2
    out.print(
        f"one worker held {rate:,.0f} redeems/s at p99 {held.p99_ms:.1f} ms"
        f" (p50 {held.p50_ms:.1f} ms), so at least {taps_per_s:,.0f} taps/s"
    )
    if taps:
        out.print(f"at {taps:g} taps/h a device: {taps_per_s * 3600 / taps:,.0f} devices")
    if devices:
        out.print(f"with {devices:,} devices: {taps_per_s * 3600 / devices:,.1f} taps/h each")


def _highest_rate(
    site: bench_http.Site, p99_ms: float, say: Callable[[str], None]
) -> tuple[float, Measured | None]:
    """Doubles, then halves the step; the highest rate that held, and what it gave."""
    low, high, held = 0.0, 0.0, None
    rate = 500.0
    while high == 0.0 or high - low > 0.1 * high:
        say(f"{rate:,.0f} requests/s")
        job = msgspec.structs.replace(site.jobs(STEP)["http.redeem"], rate=rate)
        run = bench_http.drive(job)
        kept_up = run.per_second >= 0.98 * rate and not run.failed and not run.retried
        if kept_up and run.p99_ms <= p99_ms:
            low, held = rate, run
            rate = rate * 2 if high == 0.0 else (low + high) / 2
        else:
            high = rate
            rate = (low + high) / 2
        if rate < 20:
            break
    return low, held
