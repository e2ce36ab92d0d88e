"""What reports calculate from records: products, payments, errors, shifts, and the raw sales.

Figures are exact integers, of hot and archived records alike. A caller's reports are of records at
locations that the caller sees, wherever their machines have gone since; machines and locations that
are asked for both limit, and ids that are unknown or not seen match nothing. A period is read on
the wall of each record's own place; in the file of raw sales, which shows one zone, it is read
there. Both periods of a request are seen in one snapshot (vending-commerce.md 3.14-3.21).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from farebox.domain.periods import Period
from farebox.engine import exports
from farebox.engine.access import Principal
from farebox.storage.partitions import hold_records
from farebox.storage.pool import Connection, Pool, Record, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
ROWS_MAX: Final = 10_000
# What can be calculated over a period.
CALCULATIONS: Final = {
    "products": SQL.products,
    "payment_types": SQL.payment_types,
    "errors": SQL.errors,
    "shift_payments": SQL.shift_payments,
    "shift_products": SQL.shift_products,
}
_BY_SHIFT: Final = ("shift_payments", "shift_products")
_DAY_MS: Final = 86_400_000
# Into how many stretches a period is cut for finding shifts: few for a shift that lasts, and each
# with few shifts that do not.
_STRETCHES: Final = 32
# Headers and kinds of the file of raw sales.
COLUMNS: Final = tuple(
    exports.Column(name, kind)
    for kind, names in (
        ("int", "id"), ("instant", "occurredAt"), ("text", "timeZone"), ("int", "machine"),
        ("text", "machineName"), ("int", "location"), ("text", "locationName"), ("int", "product"),
        ("text", "name internalRef barcode"), ("int", "originalPrice price"), ("text", "currency"),
        ("int", "salestype"), ("text", "paymentMethods paymentTypes token"), ("int", "remote"),
    )
    for name in names.split()
)  # fmt: skip


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which machines and locations are meant; nothing on one side means all of that side.

    Machines are those named and the members of machine groups, and of these only machines of the
    models, types and manufacturers. Locations are those named and the members of location groups.
    """

    machines: Sequence[int] = ()
    machine_groups: Sequence[int] = ()
    machine_models: Sequence[int] = ()
    machine_types: Sequence[int] = ()
    manufacturers: Sequence[int] = ()
    locations: Sequence[int] = ()
    location_groups: Sequence[int] = ()


class _Scope(NamedTuple):
    """The locations and machines (None: all) of a report, and the zones of its locations."""

    locations: list[int]
    machines: list[int] | None
    zones: list[str]


async def calculate(
    pool: Pool, name: str, caller: Principal, choice: Choice, periods: Sequence[Period],
    now_ms: int,
) -> list[list[Record]]:  # fmt: skip
    """The rows of one of the calculations for each period, at most ROWS_MAX of each."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        await hold_records(connection)
        await connection.execute(SQL.prepare)
        scope = await _scope(connection, caller, choice)
        return [
            await _calculated(connection, name, scope, one, (now_ms, caller.id)) for one in periods
        ]


async def log_summary(
    pool: Pool, caller: Principal, choice: Choice, since_ms: int, limit: int
) -> list[Record]:
    """Code, what it is called in the caller's language, and how often it was told; most first."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        await hold_records(connection)
        await connection.execute(SQL.prepare)
        scope = await _scope(connection, caller, choice)
        return list(
            await connection.fetch(
                SQL.log_summary, scope.locations, scope.machines, since_ms, limit, caller.id
            )
        )


async def open_transactions(
    pool: Pool, caller: Principal, choice: Choice, period: Period, zone: ZoneInfo
) -> AsyncIterator[bytes]:
    """The parts of a CSV file with every sale of the period, told in this zone.

    Raises InvalidError when there are more than a file may have.
    """
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        await hold_records(connection)
        scope = await _scope(connection, caller, choice)
    # A period can be an hour that clocks jump over.
    since, until = _columns(period.spans(zone.key) or [(0, 0)], 2)
    asked = (scope.locations, scope.machines, since, until, min(since), max(until))
    rows = (SQL.transactions, (*asked, sorted(caller.groups)))
    counted = (SQL.count_transactions, (*asked, exports.ROWS_MAX + 1))
    return await exports.open_csv(pool, rows, counted, COLUMNS, zone)


async def _scope(connection: Connection, caller: Principal, choice: Choice) -> _Scope:
    chosen = await connection.fetchrow(
        SQL.choose, sorted(caller.groups), choice.machines, choice.machine_groups,
        choice.locations, choice.location_groups,
    )  # fmt: skip
    machines = chosen["machines"]
    if choice.machine_models or choice.machine_types or choice.manufacturers:
        machines = await connection.fetchval(
            SQL.narrow, machines, choice.machine_models, choice.machine_types, choice.manufacturers
        )
    return _Scope(chosen["locations"], machines, chosen["zones"])


async def _calculated(
    connection: Connection, name: str, scope: _Scope, period: Period, more: Sequence[object]
) -> list[Record]:
    found = [(zone, *span) for zone in scope.zones for span in period.spans(zone)]
    if not found:
        return []
    zones, since, until = _columns(found, 3)
    first, last = min(since), max(until)
    asked = (scope.locations, scope.machines, zones, since, until, first, last, ROWS_MAX)
    if name in _BY_SHIFT:
        more = (max(_DAY_MS, (last - first) // _STRETCHES),)
    elif name != "errors":
        more = ()
    return list(await connection.fetch(CALCULATIONS[name], *asked, *more))


def _columns(rows: Sequence[Sequence[object]], count: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(count)]
