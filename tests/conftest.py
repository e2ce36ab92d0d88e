"""Fixtures that everything shares: PostgreSQL, Redis, a clock; and a header that names them.

The process that starts the run owns the PostgreSQL server and hands its address to the workers of
pytest -n. Every process starts its own Redis when a test first asks for it.
"""

import importlib.util
import platform
import random
import re
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from farebox.storage.embedded import installations
from farebox.storage.pool import Pool, open_pool
from tests.clocks import SettableClock
from tests.documented import DOCUMENTED
from tests.outbound import freeradius
from tests.servers import STOCKED, Databases, PostgreSQL, Redis, redis_program

# How fast examples are made up is the machine's affair: the first text on a fresh one waits for the
# tables of all characters.
settings.register_profile("suite", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

_POSTGRESQL = pytest.StashKey[PostgreSQL]()
_SEED = pytest.StashKey[int]()
_LONG = (
    "tests/crash/",
    "tests/test_tidy.py::test_types",
    "tests/test_cli.py",
    "tests/test_readme.py",
    "tests/resource/test_plans.py",
    "tests/engine/test_redemption_machine.py",
    "tests/domain/test_windows.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--seed N` repeats the random choices of a run."""
    parser.addoption("--seed", type=int, default=None, help="seed of the random choices in tests")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed and make sure that the server ends with the run."""
    given: int | None = _worker_input(config).get("farebox_seed", config.getoption("--seed"))
    config.addinivalue_line("markers", "operation(*ids): the documented operations a test shows")
    config.stash[_SEED] = secrets.randbelow(1 << 32) if given is None else given
    config.stash[_POSTGRESQL] = PostgreSQL()
    config.add_cleanup(config.stash[_POSTGRESQL].stop)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker of pytest -n is left with it in the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the one server of the run and tell a worker of pytest -n where it is."""
    node.workerinput["farebox_dsn"] = node.config.stash[_POSTGRESQL].start()
    node.workerinput["farebox_seed"] = node.config.stash[_SEED]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What is under test."""
    wheel = ".".join(str(part) for part in installations()[0].version)
    command = [redis_program(), "--version"]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    redis = re.search(r"v=(\S+)", asked.stdout)
    native = importlib.util.find_spec("farebox.core.voucher")
    versions = f"Python {platform.python_version()}, PostgreSQL {wheel}"
    versions += f", Redis {redis[1] if redis else 'unknown'}"
    return [
        f"farebox: {versions}, seed {config.stash[_SEED]}",
        f"native build: {native.origin if native else 'missing'}",
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note which documented operations a marked test shows."""
    for mark in item.iter_markers("operation"):
        shows(item, *mark.args)


def shows(item: Any, *operations: str) -> None:
    """Count documented operations as shown by a test, if it passes."""
    for operation in operations:
        if operation in DOCUMENTED:
            item.user_properties.append(("operation", operation))


def says(item: Any, text: str) -> None:
    """Tell in the summary of a run what a test, if it passes, has found on this machine."""
    item.user_properties.append(("said", text))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests have said, and how many documented operations the passed golden ones show."""
    passed = terminalreporter.stats.get("passed", ())
    told = {text for one in passed for kind, text in one.user_properties if kind == "said"}
    for text in sorted(told):
        terminalreporter.write_line(text)
    reports = {
        outcome: {
            name
            for report in terminalreporter.stats.get(outcome, ())
            for kind, name in getattr(report, "user_properties", ())
            if kind == "operation"
        }
        for outcome in ("passed", "failed", "error")
    }
    covered = reports["passed"] - reports["failed"] - reports["error"]
    if terminalreporter.config.option.verbose > 0:
        missing = " ".join(sorted(DOCUMENTED - covered))
        terminalreporter.write_line(f"documented operations not covered: {missing}")
    if covered:
        count = f"{len(covered)} of {len(DOCUMENTED)}"
        terminalreporter.write_line(f"documented operations covered: {count}")
    asked = any(
        "freeradius" in report.nodeid for report in terminalreporter.stats.get("passed", ())
    )
    if asked or (covered and not freeradius.is_here()):
        terminalreporter.write_line(freeradius.about())


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """The seed that the header names."""
    return request.config.stash[_SEED]


@pytest.fixture
def random_source(seed: int) -> random.Random:
    """Random choices that `--seed` repeats."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """The server of the run, as a maker of databases."""
    given = _worker_input(request.config)
    dsn = given.get("farebox_dsn") or request.config.stash[_POSTGRESQL].start()
    made = Databases(dsn, given.get("workerid", "main"))
    yield made
    made.close()


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """The dsn of a migrated database that nobody else uses."""
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def stocked_database(databases: Databases) -> Iterator[str]:
    """The dsn of a database with the demonstration's fixture, made at 09:00 on 2026-03-10."""
    dsn = databases.create(STOCKED)
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """The dsn of a database without any table."""
    dsn = databases.create("template0")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database of this test's own."""
    opened = await open_pool(database, min_size=1, max_size=10)
    yield opened
    opened.terminate()


@pytest.fixture
async def stocked_pool(stocked_database: str) -> AsyncIterator[Pool]:
    """A pool on a database with the demonstration's fixture."""
    opened = await open_pool(stocked_database, min_size=1, max_size=10)
    yield opened
    opened.terminate()


@pytest.fixture
def clock() -> SettableClock:
    """A clock that stands at 2026-03-10T09:00:00Z until the test moves it."""
    return SettableClock()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """The Redis of this process."""
    server = Redis()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """Where an empty Redis listens."""
    redis_server.flush()
    return redis_server.url


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    return dict(getattr(config, "workerinput", {}))
