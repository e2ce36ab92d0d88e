"""The application with the hosted PBX's fixture.

Tests play inside a transaction that is taken back, so all of a module share one database and begin
on the fresh fixture.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from farebox.app import assemble, open_services
from farebox.demo_exchange import PASSWORDS, load_exchange
from farebox.settings import from_environment
from tests.api.conftest import Api
from tests.api.standing import behind
from tests.clocks import SettableClock
from tests.contract import Contract
from tests.servers import Databases


class Exchange:
    """Calls the API of the hosted PBX."""

    def __init__(self, api: Api, loop: asyncio.Runner) -> None:
        self.api = api
        self.clock = api.clock
        self._loop = loop
        self.document = Contract(self.run(api.client.get("/schema/openapi.json")).json())

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        return self._loop.run(work)

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Any]:
        """The fixture, whatever happens inside the block."""
        async with self.api.taken_back() as connection:
            yield connection

    async def call(self, method: str, path: str, by: str = "admin", **more: Any) -> httpx.Response:
        """One request as a user of the fixture, `name:password`, or nobody for ""."""
        headers = {**authorization(by), **more.pop("headers", {})}
        return await self.api.client.request(method, f"/pbx{path}", headers=headers, **more)

    async def post(self, path: str, by: str = "admin", **form: Any) -> httpx.Response:
        """A POST with a form."""
        return await self.call("POST", path, by, data=form)

    async def data(self, path: str, by: str = "admin", **form: Any) -> Any:
        """The data of a POST that succeeds."""
        answer = await self.post(path, by, **form)
        assert 200 == answer.status_code, answer.text
        return answer.json()["data"]


def authorization(by: str) -> dict[str, str]:
    """The header of a user."""
    if not by:
        return {}
    name, _, password = by.partition(":")
    pair = f"{name}:{password or PASSWORDS[name]}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


@asynccontextmanager
async def opened(
    database: str, folder: Any, clock: SettableClock, **more: str
) -> AsyncIterator[Api]:
    """The application as a demonstration has it."""
    settings, _ = from_environment(
        {"FAREBOX_DATABASE_URL": database, "FAREBOX_DATA_DIR": str(folder), **more}
    )
    async with open_services(settings, clock=clock) as services:
        await load_exchange(services.pool, clock, services.access._keys.by_kid)
        app = assemble(services, settings, behind(services))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://farebox.test") as client:
            yield Api(app, client, services, clock)


@pytest.fixture(scope="module")
def exchange(
    databases: Databases, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exchange]:
    """The hosted PBX on a database of the module's own."""
    dsn = databases.create()
    made = opened(dsn, tmp_path_factory.mktemp("pbx"), SettableClock())
    yield Exchange(loop.run(made.__aenter__()), loop)
    loop.run(made.__aexit__(None, None, None))
    databases.drop(dsn)
