"""The fixture's machines with records put behind the application's back, for what watches them."""

from dataclasses import dataclass, field
from typing import Any

from farebox.engine.presence import Presence
from farebox.engine.watching import Watching
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

MINUTE_MS = 60_000


@dataclass
class Scene:
    """Machines 80 and 81, what watches them, and shortcuts to what they leave behind."""

    pool: Pool
    clock: SettableClock
    watching: Watching = field(init=False)
    presence: Presence = field(init=False)

    def __post_init__(self) -> None:
        self.watching = Watching(self.pool, self.clock)
        self.presence = Presence(self.pool, self.clock, touched=self.watching.touch)

    async def observer(self, machines: tuple[int, ...] = (80,), **members: Any) -> int:
        """An observer of alert group 7, attached now."""
        values = {
            "name": "No sales", "type": "transaction", "observer": "non_occurrence",
            "timer": 2, "timer_type": 2, "alert_group": 7, "owner": 2,
        } | members  # fmt: skip
        names = ", ".join([*values, "created_at_ms", "updated_at_ms"])
        places = ", ".join(f"${number + 1}" for number in range(len(values) + 2))
        now_ms = self.clock()
        key: int = await self.pool.fetchval(
            f"insert into vending.alertobserver ({names}) values ({places}) returning id",
            *values.values(), now_ms, now_ms,
        )  # fmt: skip
        await self.pool.execute(
            "insert into vending.alertobserver_machine (alertobserver, machine)"
            " select $1, unnest($2::int[])", key, list(machines),
        )  # fmt: skip
        return key

    async def recipient(self, email: str = "ops@example.test", **members: Any) -> None:
        """Somebody in alert group 7."""
        values = {"name": "Ops", "language": 1, "active": True} | members
        await self.pool.execute(
            "insert into vending.alertrecipient (owner, alert_group, email, name, language, active,"
            " created_at_ms, updated_at_ms) values (2, 7, $1, $2, $3, $4, 0, 0)",
            email, values["name"], values["language"], values["active"],
        )  # fmt: skip

    async def identity(self, error: str) -> int:
        """An error identity of machine type 1."""
        key: int = await self.pool.fetchval(
            "insert into vending.erroridentity (owner, machine_type, error, created_at_ms,"
            " updated_at_ms) values (2, 1, $1, 0, 0) returning id", error,
        )  # fmt: skip
        return key

    async def log(self, machine: int = 80, at_ms: int | None = None, **members: Any) -> int:
        """A log, of now if no time is told."""
        values = {"code": "17", "error_identity": None, "is_resolvable": False, "state": None}
        values |= members
        at = self.clock() if at_ms is None else at_ms
        key: int = await self.pool.fetchval(
            "insert into vending.log (machine, location, time_zone, occurred_at_ms, code,"
            " error_identity, is_resolvable, state, created_at_ms)"
            " values ($1, 2, 'Europe/Amsterdam', $2, $3, $4, $5, $6, $2) returning id",
            machine, at, values["code"], values["error_identity"], values["is_resolvable"],
            values["state"],
        )  # fmt: skip
        return key

    async def resolve(self, log: int) -> None:
        """A log ends now."""
        await self.pool.execute(
            "update vending.log set resolved_at_ms = $2, duration = ($2 - occurred_at_ms) / 1000"
            " where id = $1", log, self.clock(),
        )  # fmt: skip

    async def sale(
        self, machine: int = 80, at_ms: int | None = None, method: str = "cash", location: int = 2
    ) -> int:
        """A sale with one payment."""
        at = self.clock() if at_ms is None else at_ms
        key: int = await self.pool.fetchval(
            "insert into vending.revenuetransaction (remote, machine, location, time_zone,"
            " occurred_at_ms, name, price, currency, token, created_at_ms, updated_at_ms)"
            " values (5001, $1, $3, 'Europe/Amsterdam', $2, 'Coffee', 100, 'EUR', '^^C:R/-0', $4,"
            " $4) returning id", machine, at, location, self.clock(),
        )  # fmt: skip
        await self.pool.execute(
            "insert into vending.paymenttransaction (revenuetransaction, machine, location,"
            " time_zone, occurred_at_ms, method, type, price, currency, created_at_ms,"
            " updated_at_ms) values ($1, $2, 2, 'Europe/Amsterdam', $3, $4, $4, 100, 'EUR', $3,"
            " $3)", key, machine, at, method,
        )  # fmt: skip
        return key

    async def hours(self, *rows: tuple[int, int, int], machine: int = 80) -> None:
        """The machine's opening hours, instead of those before."""
        await self.pool.execute("delete from vending.openinghours where machine = $1", machine)
        await self.pool.executemany(
            "insert into vending.openinghours (machine, day, start_s, end_s)"
            " values ($1, $2, $3, $4)", [(machine, *row) for row in rows],
        )  # fmt: skip

    async def firing(self) -> list[tuple[int, int]]:
        """Which observers fire at which machines."""
        rows = await self.pool.fetch(
            "select alertobserver, machine from vending.alertobserver_machine"
            " where fired_at_ms is not null order by 1, 2"
        )
        return [tuple(row) for row in rows]

    async def mails(self) -> list[dict[str, str]]:
        """The mails written so far."""
        rows = await self.pool.fetch("select payload from farebox.outbox order by id")
        return [row["payload"] for row in rows]

    async def set_machine(self, machine: int = 80, **columns: Any) -> None:
        """Change a machine's row."""
        names = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        await self.pool.execute(
            f"update vending.machine set {names} where id = $1", machine, *columns.values()
        )
