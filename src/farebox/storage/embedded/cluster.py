"""The data folder of an embedded server: made once, configured anew on every start.

A new one is made beside its final place and renamed when complete, so an interrupted start leaves
nothing half-made. Our defaults lie in farebox.conf, which postgresql.conf includes first: what an
operator adds below the include, or with ALTER SYSTEM, wins.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from farebox.storage.embedded.account import Account
from farebox.storage.embedded.errors import EmbeddedServerError, log_tail
from farebox.storage.embedded.installation import Installation
from farebox.storage.sqlfile import load

SQL = load(__file__)
USER = "farebox"
DATABASE = "farebox"

_MIB = 1 << 20
_POSTGRESQL_CONF = """\
# The defaults are rewritten on every start; settings below the next line win over them.
include 'farebox.conf'
"""


def environment() -> dict[str, str]:
    """What PostgreSQL's programs may see of our environment: nothing that could redirect them."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **kept}


def make(
    folder: Path, installed: Installation, account: Account, log: Path, *, durable: bool
) -> None:
    """Make the data folder with the database in it; EmbeddedServerError if PostgreSQL refuses."""
    for leftover in folder.parent.glob("*.new"):
        shutil.rmtree(leftover)
    partial = folder.with_name(f"{folder.name}.new")
    # The builtin provider sorts and folds the same everywhere; older versions borrow the system's.
    provider = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    if installed.version[0] < 17:
        provider = ["--locale=C.UTF-8"]
    options = [*provider, "--encoding=UTF8", "--auth=trust", "--data-checksums"]
    # Synced once by us, after everything is there.
    options += ["--no-sync", "--no-instructions", f"--username={USER}", f"--pgdata={partial}"]
    _run(account.command(installed.program("initdb"), *options), log, "initdb")
    (partial / "postgresql.conf").write_text(_POSTGRESQL_CONF, encoding="utf-8")
    (partial / "farebox.conf").write_text("", encoding="utf-8")
    account.own(partial)
    single = ["--single", "-F", "-D", str(partial), "template1"]
    command = account.command(installed.program("postgres"), *single)
    _run(command, log, "postgres", SQL.create_database)
    if durable:
        command = account.command(installed.program("initdb"), "--sync-only", "-D", partial)
        _run(command, log, "initdb")
    partial.rename(folder)
    _sync(folder.parent)


def configure(folder: Path, account: Account, extra: Mapping[str, str]) -> None:
    """Write our defaults for this machine's memory; `extra` adds to them or replaces some."""
    memory = _memory_bytes()
    shared = min(1024 * _MIB, max(32 * _MIB, memory // 8))
    settings = {
        "shared_buffers": f"{shared // _MIB}MB",
        "effective_cache_size": f"{max(64, memory // 2 // _MIB)}MB",
        "max_connections": "100",
        "max_wal_size": "4GB",
        "min_wal_size": "128MB",
        "checkpoint_timeout": "10min",
        "wal_compression": "pglz",
        "random_page_cost": "1.1",
        "jit": "off",
        "autovacuum_naptime": "10s",
        "autovacuum_vacuum_scale_factor": "0.05",
        # A forgotten transaction must not hold an advisory lock for ever.
        "idle_in_transaction_session_timeout": "60s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        # Refused statements are the application's to report, and would fill the disk under load.
        "log_min_messages": "log",
        "log_checkpoints": "off",
        **extra,
    }
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    path = folder / "farebox.conf"
    path.write_text("".join(lines), encoding="utf-8")
    account.own(path)


def _run(command: list[str], log: Path, name: str, text: str = "") -> None:
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run(  # noqa: S603
            command,
            input=text,
            stdout=output,
            stderr=output,
            text=True,
            check=False,
            env=environment(),
            cwd="/",
        )
    if done.returncode != 0:
        raise EmbeddedServerError(
            f"{name} could not make the database (exit code {done.returncode}){log_tail(log)}"
        )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _memory_bytes() -> int:
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    # A container may be given far less than the machine has.
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return min(limits)
