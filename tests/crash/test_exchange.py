"""The server is killed while a PBX brings in its configuration and its calls: whole, or nothing."""

import asyncio
import base64
import random
import time
from pathlib import Path
from typing import Any

from farebox.engine.exchange_admin import bootstrap
from farebox.storage.pool import Pool, open_pool
from tests.crash.http import Client, UnknownError
from tests.crash.processes import HOST, Server
from tests.crash.scenario import SECRETS

KILLS = 2
LINES, GROUPS, CALLS = range(200, 500), range(600, 700), 100
PASSWORD = "correct horse"
# Tenants, lines with their accounts, groups, the numbers of both, and routes.
NOTHING, WHOLE = (0, 0, 0, 0, 0, 0), (1, 300, 300, 100, 400, 100)
STORED = """
select (select count(*) from pbx.tenant where id = t.id),
       (select count(*) from pbx.extension where tenant = t.id),
       (select count(*) from pbx.extension e join pbx.sip_peer p on p.extension = e.id
         where e.tenant = t.id),
       (select count(*) from pbx.hunt where tenant = t.id),
       (select count(*) from pbx.number where tenant = t.id),
       (select count(*) from pbx.destination where tenant = t.id)
  from (select (select id from pbx.tenant where code = $1) as id) t
"""
BATCHES = """
select split_part(c.uniqueid, '.', 1)::int as batch, count(*) as calls, count(k) as keys
  from pbx.cdr c left join pbx.cdr_key k on k.id = c.id and k.start_ms = c.start_ms
 group by 1 order by 1
"""


def document(code: str) -> dict[str, Any]:
    """A tenant with its lines and groups, and a route from each group."""
    of = {"te_code": code}
    return {
        "tenants": [{**of, "te_name": code}],
        "extensions": [
            {**of, "ex_number": number, "ex_name": "x", "secret": f"secret{number}"}
            for number in LINES
        ],
        "hunts": [
            {**of, "hu_number": number, "hu_name": "x", "hu_type": "CYCLE"} for number in GROUPS
        ],
        "destinations": [
            {**of, "de_type_src": "HUNTLIST", "src": number, "de_type_dst": "EXT",
             "dst": number - 400}
            for number in GROUPS
        ],
    }  # fmt: skip


def batch(number: int) -> dict[str, Any]:
    """Some calls of one minute."""
    at = f"2026-03-10T{number // 60 % 24:02}:{number % 60:02}:00Z"
    call = {"accountcode": "Old", "start": at, "disposition": "BUSY"}
    return {"cdrs": [{**call, "uniqueid": f"{number}.{leg}"} for leg in range(CALLS)]}


async def report(client: Client, enough: asyncio.Event) -> int:
    """Sends batches of calls, each until it is acknowledged: how many there were."""
    number = 0
    while not enough.is_set():
        try:
            answer = await client.post("/pbx/admin/cdrs", batch(number))
            number += answer.status == 200
        except UnknownError:
            pass
        await asyncio.sleep(0.05)
    return number


async def bring(client: Client, code: str) -> set[str] | None:
    """What became of the rows of a configuration; None if nobody told."""
    try:
        answer = await client.post("/pbx/admin/import", document(code))
    except UnknownError:
        return None
    assert 200 == answer.status, answer.body
    counts = answer.json()["data"]["counts"].values()
    return {end for one in counts for end, count in one.items() if count != "0"}


async def stored(pool: Pool, code: str) -> tuple[int, ...]:
    """How much of a configuration is there."""
    return tuple(await pool.fetchrow(STORED, code))


async def test_a_killed_server_imports_all_or_nothing(
    database: str, tmp_path: Path, seed: int
) -> None:
    """After every SIGKILL a configuration is there whole or not at all, and so is each batch."""
    draw, enough = random.Random(seed), asyncio.Event()
    pool = await open_pool(database, max_size=2)
    await bootstrap(pool, time.time_ns() // 1_000_000, "chief", PASSWORD, 8)
    environment = {
        "FAREBOX_DATABASE_URL": database,
        "FAREBOX_DATA_DIR": str(tmp_path / "data"),
        "FAREBOX_SECRETS": SECRETS,
    }
    server = Server(environment, tmp_path / "server.log")
    pair = base64.b64encode(f"chief:{PASSWORD}".encode()).decode()
    one, other = (Client(HOST, server.port, f"Basic {pair}", patience_s=60) for _ in range(2))
    try:
        await server.start()
        assert (
            201
            == (await one.post("/pbx/admin/tenants", {"te_code": "Old", "te_name": "Old"})).status
        )
        reporting = asyncio.create_task(report(other, enough))
        for code in (f"Acme{number}" for number in range(KILLS)):
            bringing = asyncio.create_task(bring(one, code))
            await asyncio.sleep(draw.uniform(0.1, 0.7))
            server.kill()
            ends = await bringing
            found = await stored(pool, code)
            assert found in ((NOTHING, WHOLE) if ends is None else (WHOLE,))
            await server.start()
            # Who was answered just before the kill still has a connection to the dead server.
            told = await bring(one, code) or await bring(one, code)
            assert told in ({"inserted"}, {"unchanged"})
            assert WHOLE == await stored(pool, code)
        enough.set()
        acknowledged = await reporting
        rows = await pool.fetch(BATCHES)
        assert {(CALLS, CALLS)} == {(row["calls"], row["keys"]) for row in rows}
        assert [*range(acknowledged)] == [row["batch"] for row in rows]
        assert len(rows) * CALLS == await pool.fetchval("select count(*) from pbx.cdr_key")
    finally:
        one.close()
        other.close()
        server.stop()
        await pool.close()
