"""A FreeRADIUS server and client where they are installed, else where the set-up has put them.

`python -m tests.outbound.freeradius`, which `make test` runs once, downloads the distribution's
packages with apt-get and unpacks them below `build/freeradius`; nothing is installed and no rights
are needed. Where that is not possible the tests against the programs are not there, and the run's
summary says so.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2] / "build" / "freeradius"
PACKAGES = (
    "freeradius", "freeradius-utils", "freeradius-config", "freeradius-common", "libfreeradius3",
    "libtalloc2", "libct4", "libpcap0.8", "libpcre3", "libwbclient0",
)  # fmt: skip
SECRET = "a shared secret"
_CONFIGURATION = """
name = farebox
libdir = {libraries}
run_dir = {folder}
logdir = {folder}
log {{
  destination = stdout
}}
security {{
  allow_vulnerable_openssl = yes
  status_server = yes
}}
client local {{
  ipaddr = 127.0.0.1
  secret = "{secret}"
}}
modules {{
  always ok {{
    rcode = ok
  }}
  always reject {{
    rcode = reject
  }}
}}
server status {{
  listen {{
    type = status
    ipaddr = 127.0.0.1
    port = {status}
  }}
  authorize {{
    ok
  }}
}}
server coa {{
  listen {{
    type = coa
    ipaddr = 127.0.0.1
    port = {coa}
  }}
  recv-coa {{
    if ({condition}) {{
      ok
    }}
    else {{
      reject
    }}
  }}
  send-coa {{
    ok
  }}
}}
"""


def fetch() -> None:
    """Downloads and unpacks the packages, where that is possible and needed."""
    if is_here():
        return
    ROOT.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "-qq", "download", *PACKAGES], cwd=ROOT, check=True, timeout=60,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for package in ROOT.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, ROOT], check=True)
    except (OSError, subprocess.SubprocessError):
        # Whoever asks finds nothing there.
        shutil.rmtree(ROOT)


def program(name: str) -> Path | None:
    """Where one of its programs is; the server has two names."""
    names = ("freeradius", "radiusd") if name == "freeradius" else (name,)
    for each in names:
        found = shutil.which(each) or shutil.which(each, path="/usr/sbin")
        if found:
            return Path(found)
        for folder in ("usr/sbin", "usr/bin"):
            if (ROOT / folder / each).exists():
                return ROOT / folder / each
    return None


def is_here() -> bool:
    """Whether both programs are."""
    return None not in (program("freeradius"), program("radclient"))


def about() -> str:
    """What a summary says of it."""
    server = program("freeradius")
    if server is None or not is_here():
        return "FreeRADIUS is not here: RADIUS was checked by encoders of the tests' own only"
    command = [str(server), "-v"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment())
    version = re.search(r"Version (\S+),", said.stdout)
    return f"FreeRADIUS {version[1] if version else ''} has judged RADIUS packets"


def _place(installed: str) -> Path:
    """A folder of the packages, wherever they were unpacked."""
    return ROOT / installed if (ROOT / installed).exists() else Path("/", installed)


def _libraries() -> str:
    folders = [_place("usr/lib/freeradius"), *ROOT.glob("usr/lib/*-linux-gnu")]
    return ":".join(map(str, [*folders, *ROOT.glob("lib/*-linux-gnu")]))


def _environment() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": _libraries()}


@asynccontextmanager
async def server(folder: Path, status: int, coa: int, condition: str) -> AsyncIterator[None]:
    """One that counts on a port, and on the other takes what meets a condition."""
    text = _CONFIGURATION.format(
        folder=folder, libraries=_place("usr/lib/freeradius"), secret=SECRET, status=status,
        coa=coa, condition=condition,
    )  # fmt: skip
    (folder / "radiusd.conf").write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        str(program("freeradius")), "-f", "-X", "-n", "radiusd", "-d", str(folder),
        "-D", str(_place("usr/share/freeradius")), env=_environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = b""
    try:
        while b"Ready to process requests" not in said:
            assert process.stdout is not None
            line = await process.stdout.readline()
            assert line, said.decode()[-2000:]
            said += line
        yield
    finally:
        process.kill()
        await process.wait()


async def client(port: int, kind: str, attributes: str) -> str:
    """What radclient says after one request to a port of loopback."""
    process = await asyncio.create_subprocess_exec(
        str(program("radclient")), "-D", str(_place("usr/share/freeradius")), "-x", "-r", "1",
        "-t", "5", f"127.0.0.1:{port}", kind, SECRET, env=_environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate(attributes.encode())
    return said.decode()


if __name__ == "__main__":
    fetch()
    sys.stdout.write(about() + "\n")
