"""The real application on a database of the test's own, with the people of the specification.

`golden` plays the rows of golden tables; `tests/golden.py` says how they are written.
`api` answers through the whole stack (front, lane, framework) without a socket; `server` is the
same application behind uvicorn on loopback, for what only bytes on a wire can show.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from farebox.api.services import Services
from farebox.app import assemble, open_services
from farebox.demo import DEVICE, DEVICE_KEY, PASSWORDS
from farebox.settings import from_environment
from farebox.storage.joining import joined
from farebox.web import ASGI
from tests.api.standing import behind
from tests.clocks import SettableClock
from tests.conftest import shows
from tests.contract import Contract
from tests.golden import Example, difference
from tests.servers import STOCKED, Databases


class Caller:
    """Sends requests under /vending with a caller's credentials."""

    def __init__(self, client: httpx.AsyncClient, **headers: str) -> None:
        self._client = client
        self.headers = headers

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One request; a body is sent as JSON."""
        headers = {**self.headers, **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self._client.request(method, f"/vending{path}", headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """POST."""
        return await self.send("POST", path, body, **more)

    async def patch(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """PATCH."""
        return await self.send("PATCH", path, body, **more)

    async def put(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """PUT."""
        return await self.send("PUT", path, body, **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        """DELETE."""
        return await self.send("DELETE", path, **more)


@dataclass
class Api:
    """The application under test and what a test needs to reach behind it."""

    app: ASGI
    client: httpx.AsyncClient
    services: Services
    clock: SettableClock

    @asynccontextmanager
    async def taken_back(self) -> AsyncIterator[Any]:
        """One transaction around all calls inside the block, undone at its end."""
        async with self.services.pool.acquire() as connection:
            around = connection.transaction()
            await around.start()
            try:
                with joined(connection):
                    yield connection
            finally:
                await around.rollback()

    @property
    def nobody(self) -> Caller:
        """A caller without credentials."""
        return Caller(self.client)

    async def tokens(self, name: str, password: str | None = None) -> dict[str, str]:
        """The token pair of a fresh sign-in."""
        body = {"username": name, "password": password or PASSWORDS[name]}
        answer = await self.nobody.post("/auth/login", body)
        assert 201 == answer.status_code, answer.text
        pair: dict[str, str] = answer.json()
        return pair

    async def login(self, name: str) -> Caller:
        """A caller with a session of one of the fixture's users, without asking the password."""
        pool, people = self.services.pool, self.services.people
        user = await pool.fetchval("select id from vending.users where username = $1", name)
        return self.bearer((await people._open_session(pool, user)).access_token)

    async def device(self, hostname: str = DEVICE, key: str = DEVICE_KEY) -> Caller:
        """A caller with a device token."""
        body = {"hostname": hostname, "key": key}
        answer = await self.nobody.post("/device/token", body)
        assert 201 == answer.status_code, answer.text
        return self.bearer(answer.json()["access_token"])

    def bearer(self, token: str) -> Caller:
        """A caller with this token."""
        return Caller(self.client, Authorization=f"Bearer {token}")

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """One value from the database."""
        return await self.services.pool.fetchval(statement, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Changes the database behind the application's back."""
        await self.services.pool.execute(statement, *arguments)

    async def mails(self) -> list[dict[str, Any]]:
        """The mails that wait in the outbox, oldest first."""
        rows = await self.services.pool.fetch(
            "select payload from farebox.outbox where kind = 'mail' order by id"
        )
        return [row["payload"] for row in rows]


@asynccontextmanager
async def running(
    database: str, clock: SettableClock, folder: Path, **more: str
) -> AsyncIterator[tuple[Services, ASGI]]:
    """The services and application of one process, on a database with the fixture."""
    settings, _ = from_environment(
        {"FAREBOX_DATABASE_URL": database, "FAREBOX_DATA_DIR": str(folder), **more}
    )
    async with open_services(settings, clock=clock) as services:
        yield services, assemble(services, settings, behind(services))


@asynccontextmanager
async def opened(database: str, clock: SettableClock, folder: Path) -> AsyncIterator[Api]:
    """The application, called directly."""
    async with running(database, clock, folder) as (services, app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://farebox.test") as client:
            yield Api(app, client, services, clock)


@pytest.fixture
def database(stocked_database: str) -> str:
    """Here every database has the fixture."""
    return stocked_database


@pytest.fixture
async def api(database: str, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Api]:
    """The application on a database of the test's own."""
    async with opened(database, clock, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all examples of a property."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared_api(
    databases: Databases, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """The application on a database that all tests of a module change."""
    dsn = databases.create(STOCKED)
    made = opened(dsn, SettableClock(), tmp_path_factory.mktemp("shared"))
    yield loop.run(made.__aenter__())
    loop.run(made.__aexit__(None, None, None))
    databases.drop(dsn)


class Golden:
    """Plays golden rows against the application and counts the operations they show."""

    _contract: Contract | None = None

    def __init__(self, api: Api, test: pytest.Item) -> None:
        self.api = api
        self._test = test
        self._callers: dict[str, Caller] = {"nobody": api.nobody}

    async def __call__(self, *examples: Example) -> Any:
        """Play rows in their order and give the last answer, decoded if it is JSON."""
        told: Any = None
        for example in examples:
            told = await self._play(example)
        return told

    async def _play(self, example: Example) -> Any:
        contract, path = await self._document(), example.path.partition("?")[0]
        described = contract.operations(example.method, f"/vending{path}")
        operation = described.get(example.operation)
        assert operation, f"{example} is not answered by this operation"
        caller = await self._caller(example.by)
        answer = await caller.send(
            example.method, example.path, example.body, headers=example.headers
        )
        assert example.status == answer.status_code, f"{example}: {answer.text}"
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        told = answer.json() if is_json else answer.text
        assert "" == difference(example.answer, told), f"{example}: {answer.text}"
        assert "" == contract.fault(operation, answer.status_code, told)
        shows(self._test, example.operation)
        return told

    async def _caller(self, name: str) -> Caller:
        if name not in self._callers:
            device = name == "device"
            self._callers[name] = await (self.api.device() if device else self.api.login(name))
        return self._callers[name]

    async def _document(self) -> Contract:
        # The same for every application of a run, and slow to make.
        if Golden._contract is None:
            document = (await self.api.client.get("/schema/openapi.json")).json()
            Golden._contract = Contract(document)
        return Golden._contract


@pytest.fixture
def golden(api: Api, request: pytest.FixtureRequest) -> Golden:
    """The player of golden rows, on the fresh fixture."""
    return Golden(api, request.node)


@asynccontextmanager
async def listening(app: ASGI) -> AsyncIterator[str]:
    """The address at which uvicorn serves an application in this event loop."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        http="httptools",
        interface="asgi3",
        proxy_headers=False,
        log_config=None,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    for _ in range(1000):
        if server.started or task.done():
            break
        await asyncio.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    await task


@pytest.fixture
async def server(api: Api) -> AsyncIterator[str]:
    """The address of a real server of the same application."""
    async with listening(api.app) as address:
        yield address
