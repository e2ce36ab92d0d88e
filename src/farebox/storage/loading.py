"""Rows of a bulk load: staged by COPY, then added in one statement that skips what exists.

Runs in the transaction of who calls, after the campaigns' locks and the lock on creation.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)


async def take_time(connection: Connection) -> None:
    """Lets the statements of this transaction run for minutes."""
    await connection.execute(SQL.no_hurry)


async def add(connection: Connection, rows: Iterable[Sequence[Any]], now_ms: int) -> dict[int, int]:
    """Adds vouchers, given as columns in the order of the stage; how many were new, by campaign."""
    await connection.execute(SQL.make_stage)
    await connection.copy_records_to_table("voucher_stage", records=rows)
    added = await connection.fetch(SQL.add_stage, now_ms)
    return {row["campaign"]: row["added"] for row in added}


async def find_by_name(
    connection: Connection, names: Collection[str], groups: Collection[int]
) -> list[tuple[int, str]]:
    """(id, name) of the campaigns of these names that these groups own."""
    rows = await connection.fetch(SQL.find_by_name, sorted(names), sorted(groups))
    return [(row["id"], row["name"]) for row in rows]


async def known_currencies(connection: Connection) -> frozenset[str]:
    """The currencies a campaign may have."""
    return frozenset(row["code"] for row in await connection.fetch(SQL.known_currencies))


async def group_below(connection: Connection, group: int) -> frozenset[int]:
    """A group and its descendants; empty when it does not exist."""
    return frozenset(row["id"] for row in await connection.fetch(SQL.group_below, group))
