"""Resellers, each with a name and perhaps a bound on its accounts (iptv.md 3.12)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farebox.domain.errors import ConflictError, NotFoundError
from farebox.storage.pool import Connection, Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Resellers:
    """Use-cases of resellers."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def read(self, ids: Sequence[str] | None) -> list[Any]:
        """Resellers by the texts of their ids, or all with None, by id."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.read, None if ids is None else list(ids)))

    async def create(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Makes one. ConflictError for a name that another has."""
        await self._hold_name(connection, values["name"], 0)
        given = (values["name"], values.get("max_users", 0), values.get("use_ip_ranges", False))
        await connection.execute(SQL.add, *given, self._clock())

    async def change(
        self, connection: Connection, reseller: str, values: Mapping[str, Any]
    ) -> None:
        """Gives one other values. NotFoundError, ConflictError."""
        id_ = await connection.fetchval(SQL.hold, reseller)
        if id_ is None:
            raise NotFoundError("Reseller not found")
        if "name" in values:
            await self._hold_name(connection, values["name"], id_)
        given = (values.get(name) for name in ("name", "max_users", "use_ip_ranges"))
        await connection.execute(SQL.change, id_, *given, self._clock())

    async def delete(self, connection: Connection, reseller: str) -> None:
        """Removes one; its accounts stay. NotFoundError."""
        if await connection.fetchval(SQL.remove, reseller) is None:
            raise NotFoundError("Reseller not found")

    async def _hold_name(self, connection: Connection, name: str, reseller: int) -> None:
        await connection.execute(SQL.hold_name, name)
        if await connection.fetchval(SQL.is_taken, name, reseller):
            raise ConflictError("Reseller with this name already exists")
