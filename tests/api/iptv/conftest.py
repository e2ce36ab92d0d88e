"""The application with the IPTV portal's fixture.

Tests play inside a transaction that is taken back, so all of a module share one database and begin
on the fresh fixture.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from farebox.app import assemble, open_services
from farebox.demo_portal import PASSWORDS, load_portal
from farebox.settings import from_environment
from tests.api.conftest import Api
from tests.api.standing import behind
from tests.clocks import SettableClock
from tests.contract import Contract
from tests.servers import Databases


class Portal:
    """Calls the API of the IPTV portal."""

    def __init__(self, api: Api, loop: asyncio.Runner) -> None:
        self.api = api
        self.clock = api.clock
        self._loop = loop
        self.document = Contract(self.run(api.client.get("/schema/openapi.json")).json())

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        return self._loop.run(work)

    @asynccontextmanager
    async def fresh(self, **policy: Any) -> AsyncIterator[Any]:
        """The fixture, whatever happens inside the block, under other rules where given."""
        services, kept = self.api.services, self.api.services.portal
        changed = msgspec.structs.replace(kept.policy, **policy)
        services.portal = msgspec.structs.replace(kept, policy=changed)
        try:
            async with self.api.taken_back() as connection:
                yield connection
        finally:
            services.portal = kept

    async def call(
        self, method: str, path: str, body: str | bytes = "", by: str = "billing", **more: Any
    ) -> httpx.Response:
        """One request with a form as a user of the fixture, or nobody for ""."""
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        headers = {**form, **authorization(by), **more.pop("headers", {})}
        if body:
            more["content"] = body
        return await self.api.client.request(method, f"/iptv{path}", headers=headers, **more)

    async def results(self, method: str, path: str, body: str = "") -> Any:
        """The results of a call that succeeds."""
        answer = await self.call(method, path, body)
        assert "OK" == answer.json()["status"], answer.text
        return answer.json()["results"]


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
        await load_portal(services.pool, clock())
        app = assemble(services, settings, behind(services))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://farebox.test") as client:
            yield Api(app, client, services, clock)


@pytest.fixture(scope="module")
def portal(
    databases: Databases, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portal]:
    """The IPTV portal on a database of the module's own."""
    dsn = databases.create()
    made = opened(dsn, tmp_path_factory.mktemp("iptv"), SettableClock())
    yield Portal(loop.run(made.__aenter__()), loop)
    loop.run(made.__aexit__(None, None, None))
    databases.drop(dsn)
