"""One crash run: a real server, devices that insist, and everything that can go wrong around them.

The run prepares its world through the HTTP API, lets clients work while the server is killed, the
database restarted and connections cut, then waits for quiet and has the checker count.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farebox.demo import load_fixture
from farebox.storage.migrate import migrate
from farebox.storage.pool import open_pool
from tests.crash import checker
from tests.crash.http import Client, UnknownError
from tests.crash.ledger import Ledger
from tests.crash.load import DeviceLoop, World, edit_for_ever
from tests.crash.processes import HOST, Database, Server
from tests.crash.proxy import Proxy

SECRETS = "crash:" + "0123456789abcdef" * 4
RESTARTS = ("fast", "immediate", "crash")
LOGIN = {"username": "nora", "password": "correct horse 9"}
DEVICE = {"hostname": "gw-0080", "key": "demo-device-key"}


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    kills: int
    restarts: int
    seed: int
    clients: int = 10
    pause_s: tuple[float, float] = (0.2, 1.2)


@dataclass
class Report:
    plan: Plan
    seconds: float = 0.0
    kills: int = 0
    cuts: int = 0
    restarts: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    # Tracebacks in the server's log, which must have none.
    tracebacks: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The run as two columns."""
        return checker.table(
            {
                "seed": self.plan.seed,
                "seconds": round(self.seconds, 1),
                "server killed": self.kills,
                **{f"PostgreSQL restarted ({how})": n for how, n in self.restarts.items()},
                "connections cut after sending": self.cuts,
                **self.counts,
                "broken promises": len(self.broken),
            }
        )


async def sign_in(client: Client, path: str, body: dict[str, str]) -> str:
    """A token, as the value of the Authorization header."""
    response = await client.post(path, body)
    assert response.status == 201, response.body
    return f"Bearer {response.json()['access_token']}"


class Pass:
    """One token for many clients, got anew when it has grown old; the server may be down then."""

    def __init__(self, port: int, path: str, body: dict[str, str]) -> None:
        self._client = Client(HOST, port)
        self._path, self._body = path, body
        self._turn = asyncio.Lock()
        self._token = ""

    async def renew(self, old: str = "") -> str:
        """A token other than this one; asked for once, whoever needs it."""
        async with self._turn:
            while self._token == old:
                try:
                    self._token = await sign_in(self._client, self._path, self._body)
                except (UnknownError, AssertionError):
                    await asyncio.sleep(0.1)
        self._client.close()
        return self._token


async def build_world(client: Client, *, codes: int = 12, limit: int = 40) -> World:
    """Campaigns and vouchers through the API, two candidates for each of the twins."""
    world = World(limit=limit)

    async def create(path: str, body: dict[str, Any]) -> Any:
        response = await client.post(path, body)
        assert response.status == 201, response.body
        return response.json()

    async def campaign(name: str, **rest: Any) -> int:
        body = {"name": name, "totalVouchers": 0, "voucherValue": 100, **rest}
        return int((await create("/vending/campaign", body))["id"])

    async def vouchers(number: int, prefix: str) -> list[str]:
        made = [f"{prefix}-{n}" for n in range(codes)]
        for code in made:
            body = {"campaign": number, "type": "inherit", "code": code}
            await create("/vending/voucher", body)
        return made

    world.plain = await vouchers(await campaign("plain"), "PLAIN")
    world.limited = await vouchers(await campaign("limited", redemptionLimit=limit), "LIMITED")
    gift = await campaign("gift", type="gift", voucherValue=world.gift_value)
    world.gifts = await vouchers(gift, "GIFT")
    world.edited_campaign = await campaign("edited")
    world.edited = await vouchers(world.edited_campaign, "EDITED")
    # The first of two is preferred while it is usable: it expires, and it is switched off and on.
    world.twin_campaign = await campaign(
        "twin 1", redemptionLimit=limit, resetFrequency="day", expiresOn="2039-12-31"
    )
    world.twins = await vouchers(world.twin_campaign, "TWIN")
    await vouchers(await campaign("twin 2"), "TWIN")
    return world


async def prepare(dsn: str) -> None:
    """The schema and the fixture of the examples."""
    await migrate(dsn)
    pool = await open_pool(dsn, min_size=1, max_size=2)
    await load_fixture(pool, time.time_ns() // 1_000_000)
    await pool.close()


class Run:
    """Everything that belongs to one run."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self._random = random.Random(plan.seed)
        self._plan = plan
        self._say = say
        self._folder = folder
        self._database = Database(folder / "data")
        self._ledger = Ledger()
        self._stopping = False
        self._starting = False

    async def execute(self) -> Report:
        """Prepares, storms, waits for quiet, counts."""
        await asyncio.to_thread(self._database.start)
        proxy = Proxy(self._database.socket_path, self._plan.seed)
        server: Server | None = None
        try:
            await prepare(self._database.dsn)
            await proxy.start()
            environment = {
                "FAREBOX_DATABASE_URL": f"postgresql://farebox@{HOST}:{proxy.port}/farebox",
                "FAREBOX_DATA_DIR": str(self._folder / "own"),
                "FAREBOX_SECRETS": SECRETS,
            }
            server = Server(environment, self._folder / "server.log")
            await server.start()
            return await self._storm(server, proxy)
        finally:
            if server is not None:
                await asyncio.to_thread(server.stop)
            await proxy.stop()
            await asyncio.to_thread(self._database.stop)

    async def _storm(self, server: Server, proxy: Proxy) -> Report:
        begun = time.monotonic()
        # An edit that is given up leaves a doubt, and what follows it goes unjudged.
        admin = Client(HOST, server.port, patience_s=90)
        user = Pass(server.port, "/vending/auth/login", LOGIN)
        device = Pass(server.port, "/vending/device/token", DEVICE)
        admin.authorization, admin.renew = await user.renew(), user.renew
        world = await build_world(admin)
        loops = []
        for number in range(self._plan.clients):
            mine = number % 3 == 0
            client = Client(HOST, server.port)
            own = device if mine else user
            client.authorization, client.renew = await own.renew(), own.renew
            name = "gw-0080" if mine else f"D{number}"
            seed = self._plan.seed * 1000 + number
            loop = DeviceLoop(client, name, f"c{number}", world, self._ledger, seed)
            loops.append(asyncio.create_task(loop.run(lambda: self._stopping)))
        editing = edit_for_ever(admin, world, self._ledger, self._plan.seed, lambda: self._stopping)
        loops.append(asyncio.create_task(editing))
        cutter = asyncio.create_task(self._cut(proxy))
        await self._disturb(server, proxy)
        cutter.cancel()
        self._stopping = True
        await asyncio.wait_for(asyncio.gather(*loops), 120)
        admin.close()
        await asyncio.to_thread(server.stop)
        broken = await checker.check(self._database.dsn, world, self._ledger)
        return Report(
            self._plan,
            time.monotonic() - begun,
            server.kills,
            proxy.cuts,
            self._database.restarts,
            broken,
            self._ledger.summary(),
            self._tracebacks(),
        )

    def _tracebacks(self) -> list[str]:
        """The ends of all tracebacks in the server's log."""
        text = (self._folder / "server.log").read_text(errors="replace")
        raised = [part[:4000] for part in text.split("Exception in ASGI application")[1:]]
        for line in text.splitlines():
            if line.startswith("{") and '"level": "error"' in line:
                told = json.loads(line)
                raised.append(
                    f"{told['event']}: {told.get('exception', repr(told.get('error')))[-800:]}"
                )
        return raised

    async def _cut(self, proxy: Proxy) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.1, 1.0))
            if not self._starting:
                proxy.cut(self._random.randint(1, 2))

    async def _kill(self, server: Server, proxy: Proxy) -> None:
        server.kill()
        self._ledger.kills.append(time.monotonic())
        # A start has only a few messages to lose, so its cuts are counted out.
        self._starting = True
        proxy.cut(self._random.randint(0, 2))
        await server.start()
        self._starting = False

    async def _disturb(self, server: Server, proxy: Proxy) -> None:
        """Kills and restarts in random order; now and then both at once."""
        events = ["kill"] * self._plan.kills + [
            RESTARTS[n % len(RESTARTS)] for n in range(self._plan.restarts)
        ]
        self._random.shuffle(events)
        for number, event in enumerate(events, start=1):
            await asyncio.sleep(self._random.uniform(*self._plan.pause_s))
            if event == "kill":
                await self._kill(server, proxy)
            else:
                await self._database.restart(event)
            if number % 10 == 0:
                self._say(f"{number} of {len(events)} disturbances, {self._ledger.calls} calls")
        await asyncio.sleep(self._plan.pause_s[1])


async def run(plan: Plan, folder: Path, say: Callable[[str], None] = lambda _: None) -> Report:
    """One crash run in `folder`, which must be empty."""
    return await Run(plan, folder, say).execute()
