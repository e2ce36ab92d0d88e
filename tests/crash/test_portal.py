"""The server is killed while it takes an import of the portal, and while boxes fetch events."""

import asyncio
import base64
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

from farebox.engine.portal_users import bootstrap
from farebox.storage.migrate import migrate
from farebox.storage.pool import Pool, open_pool
from tests.crash.http import Client, UnknownError
from tests.crash.processes import HOST, Database, Server

PASSWORD = "the server is killed"
ADMIN = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
ROWS, BOXES, POLLERS = 2000, 60, 6
FILL = """
insert into iptv.account (login, token_hash, token_expires_at_ms, created_at_ms)
select 'box' || i, sha256(('box-' || i)::bytea), 4102444800000, 0 from generate_series(1, $1::int) i
"""
QUEUE = """
insert into iptv.event (account, event, need_confirm, priority, created_at_ms, expires_at_ms)
select a.id, k.event, k.is_kept, k.place, 0, 4102444800000
  from iptv.account a,
       (values ('reload_portal', false, 1), ('reboot', false, 1), ('send_msg', true, 2))
       k (event, is_kept, place)
 where a.token_hash is not null
"""


async def until_writing(pool: Pool) -> None:
    """Returns while the import is between its statements and its end."""
    writing = (
        "select count(*) from pg_stat_activity where xact_start is not null"
        " and query like '%iptv.account%' and pid <> pg_backend_pid()"
    )
    for _ in range(2000):
        if await pool.fetchval(writing):
            return
        await asyncio.sleep(0.002)
    raise AssertionError("the import did not begin")


async def killed_in_an_import(server: Server, pool: Pool) -> None:
    """Afterwards none or all of its rows are there, and once more brings in the rest."""
    rows = [{"login": f"row{at}", "account_number": str(at)} for at in range(ROWS)]
    client = Client(HOST, server.port, ADMIN, patience_s=60)
    importing = asyncio.create_task(client.post("/iptv/admin/import", {"accounts": rows}))
    await until_writing(pool)
    server.kill()
    told = (await asyncio.gather(importing, return_exceptions=True))[0]
    await server.start()
    there = await pool.fetchval("select count(*) from iptv.account where login like 'row%'")
    assert there in (0, ROWS), f"{there} rows of {ROWS}"
    assert there == ROWS or isinstance(told, UnknownError)
    again = (await client.post("/iptv/admin/import", {"accounts": rows})).json()["results"]
    assert {"created": ROWS - there, "updated": 0, "unchanged": there} == again["accounts"]
    client.close()


class Box:
    """Polls, confirms what it has shown, and remembers what it was given."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.given: Counter[str] = Counter()

    async def poll(self, client: Client) -> bool:
        """Whether there was nothing left."""
        client.authorization = f"Bearer box-{self.number}"
        told: Any = (await client.request("GET", "/iptv/device/events")).json()["results"]
        if "id" not in told:
            return True
        self.given[told["event"]] += 1
        if told["need_confirm"]:
            path = f"/iptv/device/events/{told['id']}/confirm"
            answer = await client.request("POST", path)
            assert 200 == answer.status, answer.body
        return False


async def poll_all(port: int, boxes: list[Box], enough: asyncio.Event) -> None:
    """Some boxes in turn until they have everything; `enough` is set half way."""
    client = Client(HOST, port, patience_s=60)
    for at, box in enumerate(boxes):
        if at > len(boxes) // 2:
            enough.set()
        while not await box.poll(client):
            pass
    client.close()


async def killed_in_deliveries(server: Server, pool: Pool) -> None:
    """Commands come at most once, and messages until they are confirmed."""
    await pool.execute(QUEUE)
    boxes = [Box(number) for number in range(1, BOXES + 1)]
    parts = [boxes[at::POLLERS] for at in range(POLLERS)]
    enough = asyncio.Event()
    polling = [asyncio.create_task(poll_all(server.port, part, enough)) for part in parts]
    await enough.wait()
    server.kill()
    for died in await asyncio.gather(*polling, return_exceptions=True):
        assert died is None or isinstance(died, UnknownError)
    await server.start()
    await asyncio.gather(*(poll_all(server.port, part, enough) for part in parts))
    given: Counter[str] = sum((box.given for box in boxes), Counter())
    for box in boxes:
        assert 1 >= max(box.given["reload_portal"], box.given["reboot"]), box.given
        assert 1 <= box.given["send_msg"], box.given
    # Only what was on its way when the server died may be missing: one call of each poller.
    assert 2 * BOXES - POLLERS <= given["reload_portal"] + given["reboot"] <= 2 * BOXES
    rows = await pool.fetch(
        "select event, count(*) as ended from iptv.event where ended_at_ms is not null group by 1"
    )
    assert {"reload_portal": BOXES, "reboot": BOXES, "send_msg": BOXES} == {
        row["event"]: row["ended"] for row in rows
    }


async def test_nothing_is_half_there_or_twice(folder: Path) -> None:
    """Imports are whole or not at all, and no command is delivered twice, whenever it dies."""
    database = Database(folder / "database")
    dsn = database.start()
    await migrate(dsn)
    pool = await open_pool(dsn, max_size=2, statement_timeout_ms=60_000)
    await bootstrap(pool, 0, "admin", PASSWORD, "admin")
    await pool.execute(FILL, BOXES)
    environment = {
        "FAREBOX_DATABASE_URL": dsn,
        "FAREBOX_DATA_DIR": str(folder / "data"),
        "FAREBOX_SECRETS": f"k1:{secrets.token_hex(32)}",
    }
    server = Server(environment, folder / "server.log")
    try:
        await server.start()
        await killed_in_an_import(server, pool)
        await killed_in_deliveries(server, pool)
    finally:
        server.stop()
        await pool.close()
        database.stop()
