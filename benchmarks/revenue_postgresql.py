"""The revenue question asked of PostgreSQL: the same columns as a table, on a server of our own.

The table is written once, vacuumed and read warm, with as many parallel workers as the others have
threads and without the cost of a log. Time is the wall's, because the server is another process.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import numpy as np

from benchmarks.revenue_peers import DAY_S, Answer, place_columns

# Of a table, at a time.
ROWS = 500_000
_SALES = {"sold": "int4", "place": "int4", "price": "int4", "currency": "int2"}
_QUESTION = f"""
select wall / {DAY_S} as day, currency, count(*) filter (where price >= 0), sum(price)::bigint
from (select sale.*,
             sold + case when sold >= a2 then o2 when sold >= a1 then o1 else o0 end as wall
      from sale join side using (place)) local
group by 1, 2 order by 1, 2
"""


class PostgreSQL:
    """One connection to the server at `dsn`, with the sales in an unlogged table."""

    def __init__(self, dsn: str, sales: Any, threads: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection = self._loop.run_until_complete(_filled(dsn, sales, threads))

    def currency_day(self) -> Answer:
        """Days with sales, by day, then currency."""
        rows = self._loop.run_until_complete(self._connection.fetch(_QUESTION))
        return ([tuple(row) for row in rows],)

    def close(self) -> None:
        """Ends the connection."""
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()


async def _filled(dsn: str, sales: Any, threads: int) -> Any:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        f"set max_parallel_workers_per_gather = {threads}; set work_mem = '256MB'; set jit = off"
    )
    columns = dict(zip(_SALES, (sales.at, sales.place, sales.price, sales.currency), strict=True))
    await _copy(connection, "sale", columns, list(_SALES.values()))
    sides = place_columns(sales)
    await _copy(connection, "side", sides, ["int4"] * len(sides))
    await connection.execute("vacuum (analyze) sale")
    await connection.execute("vacuum (analyze) side")
    return connection


async def _copy(connection: Any, table: str, columns: dict[str, Any], types: list[str]) -> None:
    """Makes a table of whole numbers from COPY BINARY."""
    names = ", ".join(f"{name} {kind}" for name, kind in zip(columns, types, strict=True))
    await connection.execute(f"create unlogged table {table} ({names})")
    await connection.copy_to_table(table, source=_binary(columns, types), format="binary")


async def _binary(columns: dict[str, Any], types: list[str]) -> AsyncIterator[bytes]:
    """The rows as COPY BINARY, some at a time: fifty million at once fill the memory."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in zip(columns, types, strict=True):
        fields += [(f"{name}_bytes", ">i4"), (name, f">i{kind[3:]}")]
    count = len(next(iter(columns.values())))
    yield b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    for at in range(0, count, ROWS):
        rows = np.zeros(min(ROWS, count - at), fields)
        rows["fields"] = len(columns)
        for (name, column), kind in zip(columns.items(), types, strict=True):
            rows[f"{name}_bytes"] = int(kind[3:])
            rows[name] = column[at : at + ROWS]
        yield rows.tobytes()
    yield b"\xff\xff"
