"""The application with the provider's fixture, its clock at the fixture's instant.

Every case plays inside a transaction that is taken back, so all of them share one database and
begin on the fresh fixture.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from farebox.app import assemble, open_services
from farebox.demo_provider import FIXTURE, KEYS, load_provider
from farebox.engine.expiring import Expiries
from farebox.outbound.simulators import BEHAVIOURS, Simulators
from farebox.settings import from_environment
from tests.api.conftest import Api
from tests.api.isp.basic import basic
from tests.api.standing import behind
from tests.clocks import SettableClock
from tests.servers import Databases


class Provider:
    """Calls the provider's API."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.clock = api.clock

    @property
    def simulators(self) -> Simulators:
        """The far sides."""
        found: Simulators = self.api.services.provider.simulators
        return found

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Any]:
        """The fixture, whatever happens inside the block; nothing has been counted before it."""
        for counted in self.api.services.provider.limits._attempts.values():
            counted._made.clear()
        try:
            async with self.api.taken_back() as connection:
                yield connection
        finally:
            self.simulators.behaviour.update(BEHAVIOURS)

    async def call(
        self, method: str, path: str, *, cred: str = "t-test", **more: Any
    ) -> httpx.Response:
        """One request with a credential of the fixture, by its token."""
        headers = {**authorization(cred), **more.pop("headers", {})}
        return await self.api.client.request(method, path, headers=headers, **more)

    async def get(self, name: str, **more: Any) -> Any:
        """The decoded answer of a GET of the documented prefix."""
        return (await self.call("GET", f"/isp/api/v1/{name}", **more)).json()

    async def post(self, name: str, form: Any = None, **more: Any) -> Any:
        """The decoded answer of a POST with a form."""
        return (await self.call("POST", f"/isp/api/v1/{name}", data=form or {}, **more)).json()


def authorization(cred: str) -> dict[str, str]:
    """The header of a token of the fixture, or of `token:key`; none for `none`."""
    if cred == "none":
        return {}
    token, _, key = cred.partition(":")
    return {"Authorization": basic(token, key or KEYS[token])}


@asynccontextmanager
async def opened(database: str, folder: Path) -> AsyncIterator[Provider]:
    """The application as a demonstration has it, with the far sides simulated."""
    clock = SettableClock(FIXTURE["clock"])
    read, _ = from_environment({"FAREBOX_DATABASE_URL": database, "FAREBOX_DATA_DIR": str(folder)})
    settings = msgspec.structs.replace(read, simulates=True)
    async with open_services(settings, clock=clock) as services:
        await load_provider(services.pool, clock, services.access._keys.by_kid)
        # Who has expired by then is written down now, and not in the middle of a test.
        await Expiries(services.pool, clock).sweep()
        # A silence of the simulators is the same however short it is.
        network = services.provider.network
        network.session_wait_s = network.statistics_wait_s = 0.05
        app = assemble(services, settings, behind(services))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://farebox.test") as client:
            yield Provider(Api(app, client, services, clock))


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests of the provider."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def provider(
    databases: Databases, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Provider]:
    """The provider's API on a database that only its tests use."""
    dsn = databases.create()
    made = opened(dsn, tmp_path_factory.mktemp("isp"))
    yield loop.run(made.__aenter__())
    loop.run(made.__aexit__(None, None, None))
    databases.drop(dsn)
