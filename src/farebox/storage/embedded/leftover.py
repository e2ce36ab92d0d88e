"""What a killed server leaves behind: processes that still hold its data, and a stale pid file.

Only processes that work in the given data folder are touched. The caller holds the lock on the data
directory, so any of them belongs to an owner that is gone.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from farebox.storage.embedded.errors import EmbeddedServerError

_POLL_S = 0.02
# How long each step may take: a fast stop, one without a checkpoint, and the end of the processes.
_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def clear(cluster: Path) -> None:
    """Stop what still runs in the data folder and remove a pid file that names a stranger."""
    for number, patience_s in _STEPS:
        running = _processes(cluster)
        if not running:
            break
        main = recorded_pid(cluster)
        # A postmaster stops its own children; without one they end by themselves or are told to.
        for pid in [main] if main in running else running:
            _signal(pid, number)
        _wait_until_gone(cluster, patience_s)
    if running := _processes(cluster):
        raise EmbeddedServerError(
            f"PostgreSQL processes of a former run still work in {cluster} and do not stop:"
            f" {', '.join(str(pid) for pid in running)}"
        )
    # PostgreSQL believes any living process of that number to be its predecessor.
    if recorded_pid(cluster):
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def recorded_pid(cluster: Path) -> int:
    """The process id in postmaster.pid; 0 when there is none."""
    try:
        first = (cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
        return int(first)
    except (OSError, ValueError):
        return 0


def _processes(cluster: Path) -> list[int]:
    if sys.platform != "linux":
        # Without /proc only the recorded process can be asked for.
        pid = recorded_pid(cluster)
        return [pid] if pid and _is_postgres(pid) else []
    place = str(cluster.resolve())
    found = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in found if _works_in(entry, place)]


def _works_in(process: Path, place: str) -> bool:
    try:
        if str((process / "cwd").readlink()) != place:
            return False
        stat = (process / "stat").read_text(encoding="utf-8")
    except OSError:
        return False
    # "17 (postgres) S 1 ...": an operator's shell in that folder is none of ours, a zombie is gone.
    name, _, rest = stat.partition(" (")[2].rpartition(") ")
    return name.startswith("postgres") and rest[0] not in "ZX"


def _is_postgres(pid: int) -> bool:
    ask = ["ps", "-o", "comm=", "-p", str(pid)]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)  # noqa: S603
    return "postgres" in done.stdout


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _wait_until_gone(cluster: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while _processes(cluster) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
