"""Accounts, each with the box it watches on: finding, making, changing, removing (iptv.md 2.1, 4).

What was due before a change (the end of a tariff, of an account, of a rented package) is applied
before it, in the same transaction; readers see it from its moment on. Rows are locked in the order
of their ids. A login or an address is given once, also when two ask for it at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from farebox.domain.errors import ConflictError, ForbiddenError, NotFoundError
from farebox.engine.box_events import Event, Events
from farebox.engine.passwords import Passwords
from farebox.storage.pool import Connection, Pool, storage_errors, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
SWEEP_S: Final = 60.0
DAY_MS: Final = 86_400_000
_SWEPT_MAX: Final = 1000
_MAC: Final = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}")
_BARE_MAC: Final = re.compile(r"[0-9A-F]{12}")
_LOOK_ALIKE: Final = str.maketrans("АВСЕ", "ABCE")

Other = Literal["number", "login"]


def mac_of(text: str) -> str | None:
    """An address in its normal form, or nothing where there is none."""
    plain = text.strip().upper().translate(_LOOK_ALIKE).replace("-", ":")
    if _BARE_MAC.fullmatch(plain):
        plain = ":".join(plain[at : at + 2] for at in range(0, 12, 2))
    return plain if _MAC.fullmatch(plain) else None


class Found(msgspec.Struct, frozen=True):
    """The accounts behind identifiers, in their order, and whether each one has some."""

    ids: list[int]
    is_whole: bool


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how accounts read."""

    is_billing: bool = False
    watchdog_s: int = 120


class Boxes:
    """Use-cases of accounts."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], events: Events, passwords: Passwords,
        rules: Rules,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._clock = clock
        self._events = events
        self._passwords = passwords
        self._rules = rules

    # Reading

    async def find(self, connection: Connection, identifiers: Sequence[str], other: Other) -> Found:
        """The accounts with an address, or else with an account number or a login."""
        macs, others = [], []
        for identifier in identifiers:
            mac = mac_of(identifier)
            is_bare = mac is not None and ":" not in identifier and "-" not in identifier
            is_other = is_bare if mac else ":" not in identifier or other == "login"
            macs.append(mac or "")
            others.append(identifier if is_other else "")
        statement = SQL.find_numbers if other == "number" else SQL.find_logins
        rows = await connection.fetch(statement, macs, others)
        ids = list(dict.fromkeys(row["id"] for row in rows))
        return Found(ids, len({row["place"] for row in rows}) == len(macs))

    async def read(self, connection: Connection, ids: Sequence[int]) -> list[Any]:
        """Accounts as they are now, in the given order."""
        rows = await connection.fetch(SQL.read, *self._seen, list(ids))
        by_id = {row["id"]: row for row in rows}
        return [by_id[id_] for id_ in ids if id_ in by_id]

    async def page(self, after: int, offset: int, limit: int) -> list[Any]:
        """Accounts after an id, as they are now."""
        async with storage_errors():
            return list(await self._pool.fetch(SQL.page, *self._seen, after, offset, limit))

    async def count(self) -> int:
        """How many accounts there are."""
        async with storage_errors():
            total: int = await self._pool.fetchval(SQL.count)
        return total

    @property
    def _seen(self) -> tuple[int, bool, int]:
        return self._clock(), self._rules.is_billing, self._rules.watchdog_s * 1000

    async def everyone(self, connection: Connection) -> list[int]:
        """All accounts, locked."""
        return [row["id"] for row in await connection.fetch(SQL.hold_all)]

    # Writing

    async def create(
        self, connection: Connection, values: Mapping[str, Any], mac_taken: str
    ) -> int:
        """The id of a new account."""
        ids = [await connection.fetchval(SQL.add, self._clock())]
        await self._write(connection, ids, values, mac_taken)
        await connection.execute(SQL.set_status, ids, values.get("status", True))
        return int(ids[0])

    async def change(
        self, connection: Connection, ids: Sequence[int], values: Mapping[str, Any]
    ) -> None:
        """Gives accounts other values; a box hears that it is switched off or on."""
        await self.hold(connection, ids)
        if len(ids) > 1 and values.get("login"):
            raise ConflictError("Login already in use")
        if len(ids) > 1 and values.get("mac"):
            raise ConflictError("MAC address already in use")
        if "mac" in values:
            await connection.execute(SQL.unbind_others, ids, values["mac"])
        await self._write(connection, ids, values, "MAC address already in use")
        if "status" in values:
            changed = await connection.fetch(SQL.set_status, ids, values["status"])
            told = Event(name="cut_on" if values["status"] else "cut_off")
            await self._events.queue(connection, [row["id"] for row in changed], told)

    async def unbind(self, connection: Connection, name: str) -> None:
        """Forgets which box an account has; the next one that signs in is it. NotFoundError."""
        found = await self.find(connection, [name], "login")
        if not found.ids:
            raise NotFoundError("STB not found")
        await connection.execute(SQL.unbind, found.ids)

    async def delete(self, connection: Connection, ids: Sequence[int]) -> bool:
        """Removes accounts with everything of theirs; whether any was still there."""
        return bool(await connection.fetch(SQL.remove, list(ids)))

    async def hold(self, connection: Connection, ids: Sequence[int]) -> None:
        """Locks accounts until the transaction ends, and applies what is due."""
        held = await connection.fetch(SQL.hold, list(ids))
        await self._settle(connection, [row["id"] for row in held])

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        return await self._passwords.hash(password)

    async def _write(
        self, connection: Connection, ids: Sequence[int], values: Mapping[str, Any],
        mac_taken: str,
    ) -> None:  # fmt: skip
        """Writes all but the status."""
        # The order of these locks is one for all, so that none waits for another in a circle.
        for name, taken in (("login", "Login already in use"), ("mac", mac_taken)):
            if values.get(name):
                await connection.execute(SQL.hold_name, name, values[name])
                if await connection.fetchval(SQL.is_taken, values[name], name, ids):
                    raise ConflictError(taken)
        if values.get("reseller"):
            await self._join_reseller(connection, ids, values["reseller"])
        plain = {name: value for name, value in values.items() if name not in ("status", "tariff")}
        if "tariff" in values:
            await self._assign(connection, ids, values["tariff"])
        await connection.execute(SQL.write, list(ids), plain)

    async def _assign(self, connection: Connection, ids: Sequence[int], tariff: int | None) -> None:
        days = await connection.fetchval(SQL.days, tariff) or 0
        expires_ms = self._clock() + days * DAY_MS if days else None
        await connection.execute(SQL.assign, list(ids), tariff, expires_ms)

    async def _join_reseller(
        self, connection: Connection, ids: Sequence[int], reseller: int
    ) -> None:
        most = await connection.fetchval(SQL.hold_reseller, reseller)
        if most is None:
            raise NotFoundError("Reseller does not exist")
        others = await connection.fetchval(SQL.count_others, reseller, list(ids))
        if most and others + len(ids) > most:
            raise ForbiddenError("Reseller users limit exceeded")

    async def tariff_of(self, connection: Connection, name: str) -> int | None:
        """The tariff plan with an external id, else with an id; none for the empty text."""
        if not name:
            return None
        found: int | None = await connection.fetchval(SQL.tariff_of, name)
        if found is None:
            raise NotFoundError("Tariff plan not found")
        return found

    # What is due

    async def _settle(self, connection: Connection, ids: Sequence[int]) -> None:
        """Applies what is due to accounts that are locked; doing it again changes nothing."""
        now_ms = self._clock()
        moved = await connection.fetch(SQL.end_tariffs, ids, now_ms)
        moved_ids = [row["id"] for row in moved]
        await connection.execute(SQL.remove_unfit, moved_ids)
        rented = await connection.fetch(SQL.end_rents, ids, now_ms)
        told = sorted({*moved_ids, *(row["account"] for row in rented)})
        await self._events.queue(connection, told, Event(name="update_subscription"))
        if self._rules.is_billing:
            ended = await connection.fetch(SQL.end_accounts, ids, now_ms)
            was_on = [row["id"] for row in ended if row["was_on"]]
            await self._events.queue(connection, was_on, Event(name="cut_off"))

    async def sweep(self) -> None:
        """Applies what is due to accounts that nobody writes to."""
        async with transaction(self._pool) as connection:
            due = await connection.fetch(SQL.due, self._clock(), self._rules.is_billing, _SWEPT_MAX)
            await self._settle(connection, [row["id"] for row in due])
        await self._events.tidy()
