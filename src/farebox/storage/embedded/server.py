"""The supervisor of an embedded PostgreSQL.

A thread of its own starts `postgres` as a direct child in its own session (a terminal's Ctrl-C
does not reach it before us), starts it again when it dies unasked, and stops it fast on `stop()`.
On Linux the kernel stops it when we are killed; what still runs is stopped by the next start. A
lock on the data directory keeps a second owner out. Durability is PostgreSQL's own: fsync is on.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import structlog

from farebox.storage.embedded import account as accounts
from farebox.storage.embedded import cluster, homes, installation, leftover, sockets
from farebox.storage.embedded.errors import EmbeddedServerError, log_tail

_POLL_S = 0.01
_STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
# A server that dies this often in this time is broken, not unlucky.
_DEATHS, _DEATHS_WITHIN_S = 5, 60.0
_LOG_LIMIT_BYTES = 10_000_000


_log = structlog.get_logger("farebox.embedded")


class EmbeddedServer:
    """PostgreSQL in a data directory: `start()` gives the dsn, `stop()` ends it; a context too."""

    def __init__(
        self,
        data_dir: Path,
        *,
        user: str = "nobody",
        installed: installation.Installation | None = None,
        settings: Mapping[str, str] | None = None,
        durable: bool = True,
        start_timeout_s: float = 300.0,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.log_path = self.data_dir / "postgres.log"
        self._user = user
        self._installed = installed
        self._settings = dict(settings or {})
        self._durable = durable
        self._start_timeout_s = start_timeout_s
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._failure: str | None = None
        self._sockets = Path()
        self._cluster = Path()
        self._command: list[str] = []
        self.version: tuple[int, int] = (0, 0)

    @property
    def dsn(self) -> str:
        """Where to connect; valid while the server runs."""
        host = quote(str(self._sockets), safe="")
        where = f"host={host}&port={sockets.PORT}"
        return f"postgresql://{cluster.USER}@/{cluster.DATABASE}?{where}"

    @property
    def pid(self) -> int:
        """The process id of the server; 0 when it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    @property
    def failure(self) -> str | None:
        """Why the server is not running although it was started and not stopped."""
        return self._failure

    def start(self) -> str:
        """Make the data if needed, start the server, wait until it answers and return the dsn."""
        if self._thread is not None:
            raise EmbeddedServerError(f"the server in {self.data_dir} was already started")
        homes.make_data_dir(self.data_dir)
        self._take_lock()
        try:
            self._prepare()
            self._stopping.clear()
            self._settled.clear()
            self._failure = None
            self._thread = threading.Thread(target=self._supervise, name="farebox-pg", daemon=True)
            self._thread.start()
            self._settled.wait()
        except BaseException:
            self.stop()
            raise
        if (failure := self.failure) is not None:
            self.stop()
            raise EmbeddedServerError(failure + log_tail(self.log_path))
        return self.dsn

    def stop(self) -> None:
        """Stop the server and give the data directory free; harmless when it does not run."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._sockets.name.startswith("farebox-"):
            shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        path = self.data_dir / "farebox.lock"
        try:
            lock = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise EmbeddedServerError(
                f"the data directory {self.data_dir} is not writable: {error.strerror}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            lock.close()
            raise EmbeddedServerError(
                f"the data directory {self.data_dir} is in use by process {owner};"
                " stop it, or choose another directory with FAREBOX_DATA_DIR"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _prepare(self) -> None:
        found = [self._installed] if self._installed else installation.installations()
        named = self.data_dir / homes.NAME
        installed = installation.select(found, named)
        major = str(installed.version[0])
        account = accounts.choose(self._user, named / major)
        home = homes.settle(self.data_dir, account)
        installed = installation.reachable(installed, account, home / "runtime")
        self._rotate_log()
        folder = home / major
        if folder.exists():
            leftover.clear(folder)
            account.adopt(folder)
        else:
            cluster.make(folder, installed, account, self.log_path, durable=self._durable)
        cluster.configure(folder, account, self._settings)
        self._sockets = sockets.place(home / "run", account)
        self._cluster = folder
        self.version = installed.version
        forced = {"listen_addresses": "", "unix_socket_directories": str(self._sockets)}
        options = [f"--{name}={value}" for name, value in forced.items()]
        program = installed.program("postgres")
        self._command = account.command(
            program, "-D", folder, *options, f"--port={sockets.PORT}", "--logging_collector=off"
        )

    def _rotate_log(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_path.rename(self.log_path.with_suffix(".log.1"))

    def _supervise(self) -> None:
        deaths: list[float] = []
        try:
            while not self._stopping.is_set():
                self._run_once()
                if self._stopping.is_set():
                    break
                now = time.monotonic()
                deaths = [at for at in deaths if now - at < _DEATHS_WITHIN_S] + [now]
                code = self._process.returncode if self._process is not None else None
                _log.error("embedded.died", data=str(self._cluster), exit_code=code)
                if not self._settled.is_set() and self._failure is not None:
                    break
                if len(deaths) >= _DEATHS:
                    self._failure = f"PostgreSQL in {self._cluster} ended {len(deaths)} times"
                    break
                # Children of a killed server need a moment to notice, and hold its memory so long.
                leftover.clear(self._cluster)
        except (OSError, EmbeddedServerError) as error:
            self._failure = str(error)
        finally:
            self._settled.set()

    def _run_once(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + self._start_timeout_s
        while not self._settled.is_set() and self._process.poll() is None:
            if self._is_ready(self._process.pid):
                self._settled.set()
            elif time.monotonic() > deadline or self._stopping.is_set():
                self._failure = f"PostgreSQL in {self._cluster} did not become ready"
                self._end(self._process)
                return
            time.sleep(_POLL_S)
        if not self._settled.is_set():
            code = self._process.returncode
            self._failure = f"PostgreSQL in {self._cluster} did not start (exit code {code})"
            return
        while self._process.poll() is None and not self._stopping.wait(_POLL_S * 5):
            pass
        self._end(self._process)

    def _is_ready(self, pid: int) -> bool:
        # The eighth line of the pid file says when connections are taken.
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        for number, patience_s in _STOP_STEPS:
            if process.poll() is not None:
                return
            process.send_signal(number)
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
