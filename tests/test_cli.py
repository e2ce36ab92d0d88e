"""The command line: help everywhere, clear refusals, clean starts and stops."""

import json
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.commands import Serving, farebox, serving
from tests.servers import quick_folder

COMMANDS = [
    [],
    ["serve"],
    ["migrate"],
    ["load"],
    ["user"],
    ["user", "create"],
    ["isp"],
    ["isp", "bootstrap"],
    ["isp", "evaluate"],
    ["isp", "rotate"],
    ["pbx"],
    ["pbx", "bootstrap"],
    ["pbx", "export-asterisk"],
    ["iptv"],
    ["iptv", "bootstrap"],
    ["openapi"],
    ["bench"],
    ["capacity"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_everywhere(command: list[str]) -> None:
    """Every command explains itself and ends well."""
    done = farebox(*command, "--help")

    assert 0 == done.returncode
    assert "Usage:" in done.stdout


REFUSALS = [
    (["serve", "--workers", "2"], {}, "FAREBOX_REDIS_URL: expected the address of a Redis"),
    (["serve"], {"FAREBOX_TEST_NOW": "2026-03-10T09:00:00Z"}, "FAREBOX_TEST_NOW"),
    (["serve"], {"FAREBOX_PORT": "many"}, "FAREBOX_PORT: expected a whole number"),
    (["migrate"], {"FAREBOX_DATABASE_URL": "mysql://x"}, "FAREBOX_DATABASE_URL: expected"),
    (["load", "missing.csv", "--group", "1"], {}, "does not exist"),
    (["load", __file__], {}, "Missing option '--group'"),
    (["user", "create", "x", "--email", "y", "--password-stdin"], {}, "must be an e-mail address"),
]


@pytest.mark.parametrize(("command", "settings", "reason"), REFUSALS)
def test_refusals_are_sentences(
    command: list[str], settings: dict[str, str], reason: str, database: str
) -> None:
    """What cannot work is refused with its reason, without a traceback, and exit code 1 or 2."""
    done = farebox(*command, stdin="short\n", **{"FAREBOX_DATABASE_URL": database, **settings})

    assert done.returncode in (1, 2)
    assert reason in re.sub(r"[\s│]+", " ", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_at_once(database: str) -> None:
    """Nothing is started when the port is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = farebox("serve", "--port", port, FAREBOX_DATABASE_URL=database)

    assert 1 == done.returncode
    assert "cannot listen on" in done.stderr


def test_unknown_settings_are_warned_about(database: str) -> None:
    """A misspelt setting is named with the one that was meant."""
    done = farebox("migrate", FAREBOX_DATABASE_URL=database, FAREBOX_REDISURL="x")

    assert 0 == done.returncode
    assert "did you mean FAREBOX_REDIS_URL" in done.stderr


def test_migrate_says_what_it_did(empty_database: str) -> None:
    """The first run names every migration, the second has nothing to apply."""
    first = farebox("migrate", FAREBOX_DATABASE_URL=empty_database)
    second = farebox("migrate", FAREBOX_DATABASE_URL=empty_database)

    assert "applied 0001_common" in first.stdout
    assert "nothing to apply" == second.stdout.strip()


def test_the_document_is_printed_without_a_database() -> None:
    """`openapi` needs no server and names operations by their documented ids."""
    document = json.loads(farebox("openapi").stdout)

    operations = [
        operation.get("operationId")
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    assert {"VEND-VOUCHER-VALIDATE", "VEND-VOUCHER-REDEEM"} <= set(operations)
    assert len(operations) == len(set(operations))


def test_a_user_made_here_may_sign_in(database: str, tmp_path: Path) -> None:
    """`user create` in an empty database gives somebody who can sign in over HTTP."""
    settings = {"FAREBOX_DATABASE_URL": database, "FAREBOX_DATA_DIR": str(tmp_path)}
    create = ["user", "create", "admin", "--email", "a@example.test", "--password-stdin"]

    made = farebox(*create, stdin="a long pass phrase\n", **settings)
    again = farebox(*create, stdin="a long pass phrase\n", **settings)

    assert "user 1 may sign in as admin" == made.stdout.strip()
    assert (1, True) == (again.returncode, "is taken" in again.stderr)
    with serving(settings=settings) as server:
        body = msgspec.json.encode({"username": "admin", "password": "a long pass phrase"})
        request = urllib.request.Request(
            f"{server.url}/vending/auth/login", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            assert 201 == answer.status


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_embedded_server_starts_and_stops_with_us(how: signal.Signals) -> None:
    """A server with its own PostgreSQL ends cleanly, and a second start finds the data again."""
    with quick_folder() as folder:
        settings = {"FAREBOX_DATA_DIR": str(folder / "data")}
        for _ in range(2):
            with serving("--demo", settings=settings) as server:
                assert 0 == server.stop(how)
                assert "Stopping" in server.said
        assert not list((folder / "data").glob("postgres/postgres/*/postmaster.pid"))


def test_workers_share_a_port_and_come_back(database: str, redis_url: str, tmp_path: Path) -> None:
    """Two workers answer behind one port, and one that is killed is started again."""
    settings = {
        "FAREBOX_DATABASE_URL": database,
        "FAREBOX_REDIS_URL": redis_url,
        "FAREBOX_DATA_DIR": str(tmp_path),
    }
    with serving("--workers", "2", settings=settings) as server:
        # One of them answers before the other has begun.
        _wait_for(lambda: "serves http" in server.said, server)
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        first = {int(pid) for pid in children.read_text().split()}
        workers = [pid for pid in first if "spawn_main" in _command(pid)]
        assert 2 == len(workers)
        os.kill(workers[0], signal.SIGKILL)
        _wait_for(lambda: "worker.ended" in server.said, server)
        _wait_for(server.is_ready, server)
        assert 0 == server.stop()


def test_a_frozen_clock_decides(tmp_path: Path, database: str) -> None:
    """FAREBOX_TEST_NOW is the instant of every answer of a demonstration."""
    settings = {
        "FAREBOX_DATABASE_URL": database,
        "FAREBOX_DATA_DIR": str(tmp_path),
        "FAREBOX_TEST_NOW": "2026-03-10T09:00:00Z",
    }
    with serving("--demo", settings=settings) as server:
        body = msgspec.json.encode({"username": "nora", "password": "correct horse 9"})
        kind = {"Content-Type": "application/json"}
        url = f"{server.url}/vending/auth/login"
        with urllib.request.urlopen(urllib.request.Request(url, body, kind)) as answer:
            token = msgspec.json.decode(answer.read())["access_token"]
        url = f"{server.url}/vending/campaign"
        bearer = {"Authorization": f"Bearer {token}"}
        with urllib.request.urlopen(urllib.request.Request(url, None, bearer)) as answer:
            campaigns = msgspec.json.decode(answer.read())

    assert {"2026-03-10T09:00:00Z"} == {campaign["createdAt"] for campaign in campaigns}


def test_a_wrong_argument_starts_nothing() -> None:
    """A measurement refuses what it cannot use before it fills a database."""
    assert 2 == farebox("capacity", "--devices", "0").returncode


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def _wait_for(holds: Callable[[], bool], server: Serving) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, server.said
        time.sleep(0.05)
