"""The application with the provider's fixture, its clock at the fixture's instant.

Every case plays inside a transaction that is taken back, so all of them share one database and
begin on the fresh fixture.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from farebox.demo_provider import FIXTURE, KEYS, load_provider
from farebox.storage.joining import joined
from tests.api.conftest import Api, opened
from tests.clocks import SettableClock
from tests.servers import Databases

SECRET = "a secret of the tests, long enough to be one"


class Provider:
    """Calls the provider's API."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.clock = api.clock

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Any]:
        """The fixture, whatever happens inside the block."""
        async with self.api.services.pool.acquire() as connection:
            around = connection.transaction()
            await around.start()
            try:
                with joined(connection):
                    yield connection
            finally:
                await around.rollback()

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
    pair = f"{token}:{key or KEYS[token]}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


@pytest.fixture(scope="module")
def provider(
    databases: Databases, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Provider]:
    """The provider's API on a database of the module's own."""
    dsn = databases.create()
    made = opened(dsn, SettableClock(FIXTURE["clock"]), tmp_path_factory.mktemp("isp"))
    api = loop.run(made.__aenter__())
    ring = api.services.access._keys.by_kid
    loop.run(load_provider(api.services.pool, api.clock, ring))
    yield Provider(api)
    loop.run(made.__aexit__(None, None, None))
    databases.drop(dsn)
