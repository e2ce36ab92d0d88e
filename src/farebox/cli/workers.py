"""Worker processes behind one socket, kept at their number until they are asked to end.

The kernel spreads connections over the processes that accept on the socket. A worker that dies is
started again after a pause that grows; a worker whose parent is gone ends by itself.
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

import structlog

Work = Callable[[socket.socket, Callable[[], None]], None]

_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0)
_STEADY_S: Final = 30.0
_PATIENCE_S: Final = 30.0
_log = structlog.get_logger("farebox.workers")


class WorkersFailedError(Exception):
    """A worker ended before it had served anything."""


def keep_running(
    count: int, listening: socket.socket, work: Work, announce: Callable[[], None]
) -> None:
    """Runs `work` in processes until KeyboardInterrupt; `announce` when all of them serve."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Semaphore(0)

    def begin() -> SpawnProcess:
        process = spawn.Process(target=_begin, args=(work, listening, ready))
        process.start()
        return process

    running = [begin() for _ in range(count)]
    try:
        for _ in range(count):
            while not ready.acquire(timeout=0.2):
                if any(process.exitcode is not None for process in running):
                    raise WorkersFailedError("a worker did not start; the reason is above")
        announce()
        _watch(running, begin)
    finally:
        _end(running)


def _begin(work: Work, listening: socket.socket, ready: Any) -> None:
    """The whole life of a worker process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent.sentinel,), daemon=True).start()
    try:
        work(listening, ready.release)
    except KeyboardInterrupt:
        pass


def _outlive(parent: int) -> None:
    """Ends this process like Ctrl-C would once its parent is gone."""
    connection.wait([parent])
    os.kill(os.getpid(), signal.SIGINT)


def _watch(running: list[SpawnProcess], begin: Callable[[], SpawnProcess]) -> None:
    deaths, last = 0, time.monotonic()
    while True:
        connection.wait([process.sentinel for process in running])
        for index, process in enumerate(running):
            if process.exitcode is None:
                continue
            now = time.monotonic()
            deaths = 0 if now - last > _STEADY_S else deaths + 1
            last = now
            _log.error("worker.ended", pid=process.pid, exit_code=process.exitcode)
            time.sleep(_PAUSES_S[min(deaths, len(_PAUSES_S) - 1)])
            running[index] = begin()


def _end(running: list[SpawnProcess]) -> None:
    for process in running:
        process.terminate()
    deadline = time.monotonic() + _PATIENCE_S
    for process in running:
        process.join(max(0.1, deadline - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()
