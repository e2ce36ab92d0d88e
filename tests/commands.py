"""Runs the `farebox` command as an operator would, and reads command blocks out of documents."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
FAREBOX = PROGRAMS / "farebox"


class Block(NamedTuple):
    """A fenced block of a document."""

    line: int
    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    """All fenced blocks in their order."""
    text = document.read_text(encoding="utf-8")
    found = re.finditer(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    return [Block(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in found]


def environment(**settings: str) -> dict[str, str]:
    """An environment without anybody's settings but these."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("FAREBOX_") and n != "PORT"}
    path = os.pathsep.join([str(PROGRAMS), kept.get("PATH", "")])
    return {**kept, "PATH": path, "COLUMNS": "200", "NO_COLOR": "1", **settings}


def farebox(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        [FAREBOX, *arguments],
        input=stdin,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Serving:
    """A running `farebox serve`."""

    def __init__(self, port: int, process: subprocess.Popen[str], said: Path) -> None:
        self.port = port
        self.process = process
        self._said = said

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What it has written so far."""
        return self._said.read_text(encoding="utf-8")

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2) as answer:
                return int(answer.status) == 200
        except (URLError, OSError):
            return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Asks it to end and gives its exit code."""
        self.process.send_signal(how)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(*arguments: str, settings: Mapping[str, str]) -> Iterator[Serving]:
    """`farebox serve` with these arguments, ready; ended when the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        with said.open("w") as log:
            process = subprocess.Popen(
                [FAREBOX, "serve", *arguments],
                env=environment(PORT=str(port), **settings),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        running = Serving(port, process, said)
        try:
            deadline = time.monotonic() + 90
            while not running.is_ready():
                assert process.poll() is None, running.said
                assert time.monotonic() < deadline, running.said
                time.sleep(0.05)
            yield running
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)
