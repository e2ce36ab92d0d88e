"""The server is killed while devices report: a batch is stored whole or not at all."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

from farebox.storage.pool import Pool, open_pool
from tests.crash.http import Client, UnknownError
from tests.crash.processes import HOST, Database, Server
from tests.crash.scenario import DEVICE, SECRETS, Pass, prepare

MACHINES = range(90, 94)
SIZE = 200
KILLS = 4


class Machine:
    """A machine that reports sale after sale, and each batch until it is told that it is kept."""

    def __init__(self, number: int, port: int, authorization: str) -> None:
        self.number = number
        self.kept = 0
        self.accepted = 0
        self.client = Client(HOST, port, authorization)
        # Yesterday and later, the same in every repetition.
        self._begins_s = int(time.time()) - 86_400

    def batch(self, last: int) -> dict[str, Any]:
        """The sales up to and including number `last`, each with one payment."""
        return {
            "transactions": [
                {
                    "remote": remote,
                    "timestamp": self._begins_s + remote,
                    "price": remote % 300,
                    "plu": 1,
                    "payments": [{"method": "cash", "price": remote % 300}],
                    "hostname": f"behind-{self.number}",
                }
                for remote in range(last - SIZE + 1, last + 1)
            ]
        }

    async def work(self, enough: asyncio.Event) -> None:
        """Report until it is enough."""
        while not enough.is_set():
            await self.report(self.kept + SIZE)

    async def report(self, last: int) -> None:
        """One batch, however often it takes."""
        body = self.batch(last)
        while True:
            try:
                answer = await self.client.post("/vending/device/transactions", body)
            except UnknownError:
                await asyncio.sleep(0.05)
                continue
            if answer.status == 503:
                await asyncio.sleep(0.05)
                continue
            assert 200 == answer.status, answer.body
            told = answer.json()
            assert (SIZE, []) == (told["accepted"] + told["duplicates"], told["rejected"])
            assert told["accepted"] in (0, SIZE)
            self.accepted += told["accepted"]
            self.kept = max(self.kept, last)
            assert self.kept == told["cursor"]
            return


async def stored(pool: Pool) -> dict[int, tuple[int, int]]:
    """By machine the highest number and the cursor; every machine's sales are whole batches."""
    rows = await pool.fetch(
        "select m.id, m.revenuetransaction_synced as cursor, count(s.id) as sales,"
        " coalesce(max(s.remote), 0) as last, count(distinct s.remote) as numbers,"
        " (select count(*) from vending.paymenttransaction p where p.machine = m.id) as payments,"
        " (select count(*) from vending.ingest_key k where k.machine = m.id) as keys"
        " from vending.machine m left join vending.revenuetransaction s on s.machine = m.id"
        " where m.id = any($1::int[]) group by m.id", [*MACHINES],
    )  # fmt: skip
    for row in rows:
        assert 0 == row["sales"] % SIZE
        counts = {row[name] for name in ("cursor", "sales", "last", "numbers", "payments", "keys")}
        assert 1 == len(counts), dict(row)
    return {row["id"]: (row["last"], row["cursor"]) for row in rows}


async def test_a_killed_server_leaves_whole_batches(folder: Path, seed: int) -> None:
    """After every SIGKILL all that was acknowledged is there, and nothing is there by halves."""
    draw = random.Random(seed)
    database = Database(folder / "database")
    await prepare(await asyncio.to_thread(database.start))
    pool = await open_pool(database.dsn, max_size=2, statement_timeout_ms=30_000)
    await pool.executemany(
        "insert into vending.machine (id, name, hostname, location, currency, gateway,"
        " created_at_ms, updated_at_ms) values ($1, $2, $2, 2, 978, 80, 0, 0)",
        [(number, f"behind-{number}") for number in MACHINES],
    )
    environment = {
        "FAREBOX_DATABASE_URL": database.dsn,
        "FAREBOX_DATA_DIR": str(folder / "data"),
        "FAREBOX_SECRETS": SECRETS,
    }
    server = Server(environment, folder / "server.log")
    try:
        await server.start()
        authorization = await Pass(server.port, "/vending/device/token", DEVICE).renew()
        machines = [Machine(number, server.port, authorization) for number in MACHINES]
        enough = asyncio.Event()
        tasks = [asyncio.create_task(machine.work(enough)) for machine in machines]
        for _ in range(KILLS):
            await asyncio.sleep(draw.uniform(0.2, 0.8))
            server.kill()
            kept = {machine.number: machine.kept for machine in machines}
            found = await stored(pool)
            assert all(kept[number] <= last for number, (last, _) in found.items())
            await server.start()
        enough.set()
        await asyncio.gather(*tasks)
        found = await stored(pool)
        assert {m.number: (m.kept, m.kept) for m in machines} == found
        assert sum(last for last, _ in found.values()) >= KILLS * SIZE
        for machine in machines:
            accepted = machine.accepted
            for last in range(SIZE, machine.kept + 1, SIZE):
                await machine.report(last)
            assert accepted == machine.accepted
            machine.client.close()
        assert found == await stored(pool)
    finally:
        server.stop()
        await pool.close()
        await asyncio.to_thread(database.stop)
