"""A server that starts while its database is away or loses connections: it waits and says why."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.crash.processes import HOST, Server
from tests.crash.proxy import Proxy
from tests.crash.scenario import SECRETS


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[Proxy]:
    """In front of the database."""
    told = parse_qs(urlsplit(database).query)
    made = Proxy(f"{told['host'][0]}/.s.PGSQL.{told.get('port', ['5432'])[0]}", seed=1)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def server(database: str, proxy: Proxy, tmp_path: Path) -> AsyncIterator[Server]:
    """Not started; its way to the database leads through the proxy."""
    parts = urlsplit(database)
    environment = {
        "FAREBOX_DATABASE_URL": f"postgresql://{parts.username}@{HOST}:{proxy.port}{parts.path}",
        "FAREBOX_DATA_DIR": str(tmp_path),
        "FAREBOX_SECRETS": SECRETS,
    }
    made = Server(environment, tmp_path / "server.log")
    yield made
    # The proxy, through which it takes its leave of the database, lives in this loop.
    await asyncio.to_thread(made.stop)


async def test_a_start_survives_lost_connections(
    server: Server, proxy: Proxy, tmp_path: Path
) -> None:
    """Connections cut while it migrates, connects and warms up cost a moment, not the process."""
    proxy.cut(3, longer_than=0)
    await server.start()

    assert 3 == proxy.cuts
    assert "The database cannot be reached" in (tmp_path / "server.log").read_text()


async def test_a_start_waits_for_a_database_that_comes_late(
    server: Server, proxy: Proxy, tmp_path: Path
) -> None:
    """Nobody listens yet: it says so, once, and serves when there is a database."""
    await proxy.stop()
    server.launch()
    log = tmp_path / "server.log"
    while "The database cannot be reached" not in log.read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    await proxy.start()
    await server.ready()

    assert 1 == log.read_text().count("The database cannot be reached")
