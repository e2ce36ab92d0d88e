"""What the portal offers: channels, packages of services, tariff plans (iptv.md 3.7, 3.9, 3.10)."""

from collections.abc import Sequence
from typing import Any

from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Offers:
    """Reads what is provisioned; ids are texts, and no text is wrong."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def channels(self, ids: Sequence[str] | None = None) -> list[Any]:
        """Enabled channels by number, or some of them in the given order."""
        rows = await self._read(SQL.channels, ids)
        if ids is None:
            return rows
        by_id = {row["id"]: row for row in rows}
        return [by_id[id_] for id_ in ids if id_ in by_id]

    async def packages(self, ids: Sequence[str] | None = None) -> list[Any]:
        """Packages with their services."""
        return await self._read(SQL.packages, ids)

    async def tariffs(self, ids: Sequence[str] | None = None) -> list[Any]:
        """Tariff plans with their packages."""
        return await self._read(SQL.tariffs, ids)

    async def _read(self, statement: str, ids: Sequence[str] | None) -> list[Any]:
        async with storage_errors():
            return list(await self._pool.fetch(statement, None if ids is None else list(ids)))
