"""The processes of a crash run: PostgreSQL that can die three ways, and the real server.

The server is started through the command line, as an operator would. Signals go to the process
group that was started here and to nothing else.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from farebox.storage.embedded import EmbeddedServer
from tests.crash.http import Client, UnknownError

HOST = "127.0.0.1"
# A minute at least. Tries instead of a clock: on a busy machine we may have stood still ourselves.
START_TRIES = 1200


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Database:
    """A durable PostgreSQL of our own, on a Unix socket below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedServer(folder, settings={"max_connections": "60"})
        self.restarts: dict[str, int] = {}

    def start(self) -> str:
        return self._server.start()

    def stop(self) -> None:
        self._server.stop()

    @property
    def dsn(self) -> str:
        return self._server.dsn

    @property
    def socket_path(self) -> str:
        """The socket's file, for a proxy in front of it."""
        host = self.dsn.split("host=")[1].split("&")[0]
        port = self.dsn.split("port=")[1].split("&")[0]
        return str(Path(host.replace("%2F", "/")) / f".s.PGSQL.{port}")

    async def restart(self, how: str) -> None:
        """`fast`: clean shutdown. `immediate`: SIGQUIT. `crash`: SIGKILL. Then up again."""
        self.restarts[how] = self.restarts.get(how, 0) + 1
        number = {"immediate": signal.SIGQUIT, "crash": signal.SIGKILL}.get(how)
        if number is not None:
            os.kill(self._server.pid, number)
        await asyncio.to_thread(self._again)

    def _again(self) -> None:
        self._server.stop()
        self._server.start()


class Server:
    """`farebox serve` in a process group of its own."""

    def __init__(self, environment: Mapping[str, str], log: Path, *, workers: int = 1) -> None:
        self.port = free_port()
        self._log = log
        self._arguments = ["serve", "--workers", str(workers)]
        kept = {n: os.environ[n] for n in ("PATH", "HOME", "LANG", "PYTHONPATH") if n in os.environ}
        self._environment = {
            **kept,
            "FAREBOX_HOST": HOST,
            "FAREBOX_PORT": str(self.port),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    async def start(self) -> None:
        """Starts and waits until it takes calls."""
        self.launch()
        await self.ready()

    def launch(self) -> None:
        """Starts without waiting."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "farebox", *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self) -> None:
        """Returns when the server answers; RuntimeError with its last words when it does not."""
        client = Client(HOST, self.port, patience_s=2)
        try:
            for _ in range(START_TRIES):
                try:
                    if (await client.request("GET", "/health/ready")).status == 200:
                        return
                except UnknownError:
                    pass
                if not self.alive:
                    break
                await asyncio.sleep(0.05)
            tail = self._log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the server did not start:\n{tail}")
        finally:
            client.close()

    def kill(self) -> None:
        """SIGKILL for the whole group, at once."""
        if self._process is not None:
            self.kills += 1
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """A polite end; SIGKILL when it takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None
