"""Reads who a device is and which groups see its place; writes nothing.

UnavailableError where PostgreSQL cannot answer now.
"""

from typing import Any

from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)

INT_MAX = 2147483647


async def find_machine(pool: Pool, device_id: str) -> Any:
    """The row of the machine this id names, or None."""
    number = int(device_id) if device_id.isascii() and device_id.isdigit() else 0
    async with storage_errors():
        return await pool.fetchrow(SQL.find_machine, device_id, min(number, INT_MAX))


async def close_groups(pool: Pool, groups: list[int]) -> list[Any]:
    """(id, disabled) of these groups and all their ancestors."""
    async with storage_errors():
        return list(await pool.fetch(SQL.close_groups, groups))


async def disabled_groups(pool: Pool, groups: list[int]) -> frozenset[int]:
    """Which of these groups are disabled or deleted."""
    async with storage_errors():
        return frozenset(row["id"] for row in await pool.fetch(SQL.disabled_groups, groups))


async def code_of(pool: Pool, voucher_id: int) -> str | None:
    """The canonical code of a voucher."""
    async with storage_errors():
        code: str | None = await pool.fetchval(SQL.code_of, voucher_id)
        return code
