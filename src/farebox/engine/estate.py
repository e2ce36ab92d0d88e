"""What operators write down for a subscriber: home, addresses, ledger, renewals (isp.md 4.9).

A renewal lasts as long as the package says, from the expiry or from now if that is past; it begins
a billing cycle where cycles do not follow by themselves, charges the package's price and tax, and
leaves a line in the book. Money is only ever added to the ledger.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from farebox.domain import cycles, wall_clocks
from farebox.domain.errors import ConflictError, NotFoundError
from farebox.engine.areas import AREA, BLOCK, STREET, require
from farebox.engine.holding import hold
from farebox.engine.metering import BANDWIDTH, settle
from farebox.engine.moving import SQL as MOVING
from farebox.engine.renewals import RENEWAL
from farebox.engine.renewals import SQL as RENEWALS
from farebox.engine.subscribers import Subscribers
from farebox.storage.pool import Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_LEVELS: Final = {"areaId": AREA, "streetId": STREET, "blockId": BLOCK}


class Estate:
    """Writes it down."""

    def __init__(self, pool: Pool, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._clock = clock

    async def settle_in(self, account: str, number: int, home: Mapping[str, Any]) -> None:
        """Where he lives, in place of what was known."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            for name, level in _LEVELS.items():
                if home[name] is not None:
                    await require(connection, account, level, home[name])
            await connection.execute(
                SQL.settle_in, number, home["latitude"], home["longitude"],
                *(home[name] for name in _LEVELS),
            )  # fmt: skip
            await connection.execute(SQL.touch, number, now_ms)

    async def assign(self, account: str, number: int, ip: str | None, mac: str | None) -> int:
        """A fixed address of his; its id."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            made: int | None = await connection.fetchval(SQL.assign, account, number, ip, mac)
            if made is None:
                raise ConflictError(f"{ip} belongs to somebody", "duplicate_name")
            await connection.execute(SQL.touch, number, now_ms)
        return made

    async def addresses(self, account: str, number: int) -> list[Any]:
        """His fixed addresses, by id."""
        await Subscribers(self._pool, self._clock).get(account, number)
        async with storage_errors():
            return list(await self._pool.fetch(SQL.addresses, number))

    async def resign(self, account: str, number: int, address: int) -> None:
        """The end of a fixed address of his."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            if not await connection.fetchval(SQL.resign, number, address):
                raise NotFoundError(f"Row {address} not found", "row_not_found")
            await connection.execute(SQL.touch, number, now_ms)

    async def enter(self, account: str, number: int, kind: str, amount: int, reference: str) -> Any:
        """A line in the ledger: what he owes is positive."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            await hold(connection, account, number, now_ms)
            return await connection.fetchrow(SQL.enter, number, kind, amount, reference, now_ms)

    async def ledger(self, account: str, number: int, after: int, most: int) -> list[Any]:
        """Lines of the ledger after an id."""
        await Subscribers(self._pool, self._clock).get(account, number)
        async with storage_errors():
            return list(await self._pool.fetch(SQL.ledger, number, after, most))

    async def renew(self, account: str, number: int, by: str) -> int:
        """The package's validity once more; the new expiry."""
        now_ms = self._clock()
        async with transaction(self._pool) as connection:
            row = await hold(connection, account, number, now_ms)
            zone = row["zone"]
            cycle = (await settle(connection, number, now_ms))[BANDWIDTH].cycle
            sold = await connection.fetchrow(SQL.package, row["user_group"])
            days, reset_type = sold["validity_days"], sold["billing_reset_type"]
            start_ms = max(now_ms, row["expires_at_ms"] or now_ms)
            end_ms = wall_clocks.plus_days(start_ms, days, zone)
            await connection.execute(RENEWALS.extend, number, end_ms, now_ms)
            if cycle.start_ms is None or reset_type not in cycles.RECURRING:
                cycle_end_ms = cycles.end_of_first(reset_type, now_ms, end_ms, zone)
                await connection.execute(MOVING.end_cycle, number, now_ms)
                await connection.execute(
                    MOVING.begin_cycle, number, now_ms, cycle_end_ms, reset_type
                )
            if price := sold["price_thousandths"] + sold["tax_thousandths"]:
                await connection.execute(SQL.enter, number, "charge", price, "renewal", now_ms)
            await connection.execute(
                RENEWALS.add, account, number, by, f"{days} days", RENEWAL, row["user_group"],
                row["user_group"], wall_clocks.day_of(start_ms, zone),
                wall_clocks.day_of(end_ms, zone), "renewal", now_ms,
            )  # fmt: skip
            await settle(connection, number, now_ms)
        return end_ms
