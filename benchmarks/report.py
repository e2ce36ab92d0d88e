"""What a run is written down as: the machine first, then one metric per name.

`{"machine": {…}, "metrics": {"<name>": {"value", "unit", "baseline", "ratio", …}}}`; `ratio` is how
many times better than the named baseline, for `http.*` the share of a no-op on the same lane.
"""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from farebox import __version__


class Metric(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One measured figure beside what it is compared with."""

    value: float
    unit: str
    baseline: str
    ratio: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    failed: int | None = None
    retried: int | None = None
    # Further figures of the same run, by name.
    beside: dict[str, float] = {}


class Report(msgspec.Struct):
    """A whole run."""

    machine: dict[str, Any]
    metrics: dict[str, Metric]


CAVEATS = (
    "Load generator, server and PostgreSQL share the cores; in http.* the worker has its own.",
    "Figures of separate runs differ by tens of percent; ratios within one run mean something.",
    "Baselines check less than Farebox: no device, place, product or campaign rules, no calendar.",
)


def machine(server: Mapping[str, str]) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "farebox": __version__,
        "native_debug": os.environ.get("FAREBOX_DEBUG") == "1",
        "postgresql": dict(server),
        "load_average": round(os.getloadavg()[0], 2),
        "command": " ".join(["farebox", *sys.argv[1:]]),
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
