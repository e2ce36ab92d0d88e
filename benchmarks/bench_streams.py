"""Long lists of the provider, read to their end over HTTP: first byte, rate, the worker's memory.

`python -m benchmarks.bench_streams prepare FOLDER SUBSCRIBERS` makes a database with a crowd in one
account: each with a quota, a billing cycle and a home, assigned to one collector, with a debt, a
collection that waits for approval and a line in the book of renewals. `python -m
benchmarks.bench_streams read FOLDER [PATH]` reads the lists, each for three quarters of a minute at
most: what it has read by then, and how much the worker has grown, is what it says. Worker,
PostgreSQL and client share the machine's cores.
"""

import asyncio
import base64
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.bench_portal import database, memory_mib, worker
from farebox.domain.quotas import Policy
from farebox.engine.credentials import bootstrap
from farebox.engine.sealing import Sealer
from farebox.storage.sqlfile import load

SQL = load(__file__)
SECONDS_MAX = 45.0
TOKEN = "t-streams"
# A row of each has this text once.
LISTS = {
    "GET get_all": b'"User":',
    "GET get_all_user_ids": b",",
    "GET get_basic_user_details": b'"username":',
    "POST get_collection_users_areawise?adminId=1": b'"Contact":',
    "POST get_collection_approval_users": b'"Contact":',
    "POST get_renewal_details": b'"RenewalDetails":',
}


async def prepare(folder: Path, subscribers: int) -> None:
    """Fills a new database."""
    async with database(folder) as (_, pool):
        sealer = Sealer({"0": "00" * 32}, "isp")
        made = await bootstrap(
            pool, lambda: 1, sealer, "crowd", TOKEN, "Asia/Kolkata", "INR", ["read", "collect"]
        )
        if made is None:
            raise RuntimeError("this folder has a database already")
        (folder / "key").write_text(made[1])
        policy = Policy(mode="data", first=1, second=2, limit=1 << 30, every="monthly")
        now_ms = time.time_ns() // 1_000_000
        await pool.execute(SQL.sells, msgspec.to_builtins(policy), now_ms)
        async with pool.acquire() as connection:
            await connection.execute(SQL.unwatched)
            await connection.execute(SQL.crowd, subscribers, now_ms)
            await connection.execute(SQL.states, now_ms, msgspec.to_builtins(policy))
            for belonging in (SQL.cycles, SQL.assigned, SQL.taken, SQL.owed, SQL.renewed):
                await connection.execute(belonging, now_ms)
            for belonging in (SQL.addresses, SQL.homes):
                await connection.execute(belonging)
        await pool.execute(SQL.settle)


async def read(folder: Path, only: str) -> list[dict[str, Any]]:
    """What each list costs."""
    pair = f"{TOKEN}:{(folder / 'key').read_text()}".encode()
    basic = base64.b64encode(pair).decode()
    told = []
    async with database(folder) as (dsn, _):
        with worker(folder, dsn) as (port, pid):
            for name, mark in LISTS.items():
                if only not in name:
                    continue
                method, _, path = name.partition(" ")
                # A first call pays for what every process pays for once.
                short = f"{path}{'&' if '?' in path else '?'}limit=10"
                await _read(port, method, short, basic, mark)
                rested = memory_mib(pid, "VmRSS")
                told.append({"list": name, **await _read(port, method, path, basic, mark)})
                told[-1]["grown_mib"] = round(memory_mib(pid, "VmHWM") - rested)
    return told


async def _read(port: int, method: str, path: str, basic: str, mark: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    request = (
        f"{method} /isp/api/v1/{path} HTTP/1.1\r\nHost: farebox.test\r\nConnection: close\r\n"
        f"Authorization: Basic {basic}\r\nContent-Length: 0\r\n\r\n"
    )
    began = time.perf_counter()
    writer.write(request.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    first, rows, length = 0.0, 0, 0
    tail = b""
    while part := await reader.read(1 << 20):
        first = first or time.perf_counter() - began
        # A mark may lie across two parts.
        rows += (tail + part).count(mark) - tail.count(mark)
        tail, length = part[-len(mark) + 1 :] if len(mark) > 1 else b"", length + len(part)
        if time.perf_counter() - began > SECONDS_MAX:
            break
    seconds = time.perf_counter() - began
    writer.close()
    return {
        "first_byte_s": round(first, 3), "seconds": round(seconds, 1), "rows": rows,
        "rows_per_s": round(rows / seconds), "mib": round(length / 2**20, 1),
        "is_whole": not part,
    }  # fmt: skip


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "prepare":
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        uvloop.run(prepare(folder, int(sys.argv[3])))
    else:
        for line in uvloop.run(read(folder, "".join(sys.argv[3:4]))):
            sys.stdout.write(f"{msgspec.json.encode(line).decode()}\n")
