"""A core of its own for the worker that is measured; everything else shares the others.

Where a database and a load generator share few cores with a worker, the system moves all of them
about, and shares of a no-op tell more of that than of the worker. Linux only: elsewhere, and on one
core, everything stays where it is.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROCESSES = Path("/proc")


@contextlib.contextmanager
def of_its_own(worker: int) -> Iterator[None]:
    """Inside, this worker has the first core; this process has the rest, with all it started."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(cores) < 2:
        yield
        return
    first = {min(cores)}
    _bind(_family(os.getpid()) - {worker}, cores - first)
    _bind([worker], first)
    try:
        yield
    finally:
        _bind(_family(os.getpid()), cores)


def _family(root: int) -> set[int]:
    """A process and all that come from it."""
    children: dict[int, list[int]] = {}
    for folder in _PROCESSES.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found: set[int] = set()
    waiting = [root]
    while waiting:
        process = waiting.pop()
        found.add(process)
        waiting += children.get(process, ())
    return found


def _bind(processes: Iterable[int], cores: set[int]) -> None:
    for process in processes:
        # A process may have ended meanwhile; each of its threads is bound by itself.
        with contextlib.suppress(OSError):
            for thread in (_PROCESSES / str(process) / "task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
