"""What devices ask for besides reporting: news, configuration, assortment, commands.

A device token speaks for its gateway and for the machines that report through it; whatever else a
host name says is forbidden. Versions only grow: a device compares them to know what to fetch, and
what it acknowledges counts only while it is still the current version. A command is given out once.
Source: vending-platform.md 3.16, 4.5, 4.6.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from farebox.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from farebox.engine.access import Principal
from farebox.storage.pool import Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
Row = Any


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says about itself; what it leaves out stays as it was."""

    uptime: int | None = None
    firmware: str | None = None
    signal: int | None = None


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a configuration in the machine."""

    version: int
    state: str
    message: str | None = None


class Devices:
    """Answers gateways."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def heartbeat(self, gateway: Principal, hostname: str | None, said: Heartbeat) -> Row:
        """The versions, cursors and commands that wait, once what was said is remembered."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            machine = await self._machine(connection, gateway, hostname)
            if said != Heartbeat():
                await connection.execute(
                    SQL.remember, machine, said.uptime, said.firmware, said.signal, now_ms
                )
            return await connection.fetchrow(SQL.news, machine, gateway.machine, now_ms)

    async def config(self, gateway: Principal, hostname: str | None) -> Row:
        """The configuration of a machine with its version."""
        async with storage_errors():
            machine = await self._machine(self._pool, gateway, hostname)
            return await self._pool.fetchrow(SQL.config, machine)

    async def config_was_read(self, config: Row) -> None:
        """Notes that a device has fetched this configuration, if it is still the current one."""
        async with storage_errors():
            await self._pool.execute(SQL.config_sent, config["machine"], config["version"])

    async def acknowledge(
        self, gateway: Principal, hostname: str | None, told: Acknowledgement
    ) -> None:
        """Notes what became of the current configuration; an older one no longer matters."""
        async with transaction(self._pool) as connection:
            machine = await self._machine(connection, gateway, hostname)
            current = await connection.fetchval(SQL.lock_version, machine)
            if told.version > current:
                reason = f"must be at most {current}"
                raise InvalidError(f"version {reason}", fields={"version": reason})
            if told.version == current:
                await connection.execute(SQL.acknowledge, machine, told.state)
                await connection.execute(SQL.remember_message, machine, told.message, self._clock())

    async def assortment(self, gateway: Principal, hostname: str | None) -> tuple[int, list[Row]]:
        """The version of a machine's assortment and everything in it, by plu."""
        async with storage_errors():
            machine = await self._machine(self._pool, gateway, hostname)
            rows = await self._pool.fetch(SQL.assortment, machine)
        return rows[0]["version"], [row for row in rows if row["id"] is not None]

    async def commands(self, gateway: Principal, limit: int) -> Sequence[Row]:
        """Commands for the gateway and the machines behind it, oldest first, given out now."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.deliver, gateway.machine, limit, self._clock())
        return sorted(rows, key=lambda row: row["id"])

    async def finish(
        self, gateway: Principal, command: int, state: str, result: str | None
    ) -> None:
        """Notes how a command ended. ConflictError when it ended otherwise, or was not given."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            done = await connection.fetchval(
                SQL.finish, gateway.machine, command, state, result, now_ms
            )
            if done is not None:
                return
            known = await connection.fetchval(SQL.command_state, gateway.machine, command)
        if known is None:
            raise NotFoundError("Not found")
        if known != state:
            raise ConflictError(f"The command is {known}")

    @staticmethod
    async def _machine(door: Any, gateway: Principal, hostname: str | None) -> int:
        if hostname is None:
            return gateway.machine
        machine: int | None = await door.fetchval(SQL.find_machine, gateway.machine, hostname)
        if machine is None:
            raise ForbiddenError("hostname is neither this device nor a machine behind it")
        return machine
