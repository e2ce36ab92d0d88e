"""The rows that new records become, and what else changes with them (vending-platform.md 4.8).

Everything here runs in the transaction of a batch, after its machines were locked and its keys
stored, so a record is written once and nobody else writes for these machines.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from farebox.domain.records import (
    Entry,
    Event,
    Log,
    Record,
    Sale,
    duration_s,
    payment_type,
    report_group,
    resolutions,
)
from farebox.engine.making_way import Patience
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)

_SALE_COLUMNS: Final = (
    "id", "remote", "machine", "location", "time_zone", "occurred_at_ms", "product", "plu", "name",
    "internal_ref", "barcode", "price", "original_price", "currency", "token", "salestype",
    "pricelist", "usergroup", "num_paymenttransactions", "excluded", "created_at_ms",
    "updated_at_ms",
)  # fmt: skip
_PAYMENT_COLUMNS: Final = (
    "revenuetransaction", "machine", "location", "time_zone", "occurred_at_ms", "method", "type",
    "price", "currency", "exclude", "report_group", "created_at_ms", "updated_at_ms",
)  # fmt: skip
_LOG_COLUMNS: Final = (
    "id", "remote", "machine", "location", "time_zone", "occurred_at_ms", "code", "error_identity",
    "type", "is_resolvable", "state", "extra_data", "created_at_ms",
)  # fmt: skip
_EVENT_COLUMNS: Final = (
    "id", "remote", "machine", "location", "time_zone", "occurred_at_ms", "name", "value",
    "created_at_ms",
)  # fmt: skip

# Types of integrations, by what they send.
OF_SALES: Final = "httptransactions"
OF_LOGS: Final = "httplogs"
R = TypeVar("R", bound=Record)
Row = Any


class Reported(msgspec.Struct, Generic[R]):
    """A record with its machine, when it happened there, and the id of its row once it has one."""

    index: int
    record: R
    machine: Row
    at_ms: int
    hash: int
    id: int = 0
    # Of a sale, once it was looked up.
    product: int | None = None


async def write_sales(
    connection: Connection, fresh: Sequence[Reported[Sale]], now_ms: int, patience: Patience
) -> None:
    """Sales with their payments, told prices, shifts and jobs of integrations."""
    products = await _products(connection, fresh)
    await patience.make_way()
    sales = []
    payments: list[tuple[Any, ...]] = []
    for one in fresh:
        product = products.get((one.machine["id"], one.record.plu))
        one.product = product and product["id"]
        sales.append(_sale_row(one, product, now_ms))
        if one.record.payments:
            payments += _payment_rows(one, now_ms)
    await connection.execute(
        SQL.tell_sales, [one.id for one in fresh], [one.at_ms for one in fresh]
    )
    await patience.make_way()
    await _copy(connection, "revenuetransaction", _SALE_COLUMNS, sales)
    await patience.make_way()
    if payments:
        await _copy(connection, "paymenttransaction", _PAYMENT_COLUMNS, payments)
    await patience.make_way()
    await _tell_prices(connection, fresh)
    ids, machines = [one.id for one in fresh], [one.machine["id"] for one in fresh]
    locations, times = [one.machine["location"] for one in fresh], [one.at_ms for one in fresh]
    if any(one.machine["active_shift"] is not None for one in fresh):
        await connection.execute(SQL.extend_shifts, ids, locations, times, now_ms)
    if fresh[0].machine["is_integrated"]:
        await connection.execute(SQL.make_jobs, ids, machines, locations, times, now_ms, OF_SALES)


async def _copy(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(
        table, schema_name="vending", columns=columns, records=rows
    )


async def _products(
    connection: Connection, fresh: Sequence[Reported[Sale]]
) -> Mapping[tuple[int, int | None], Row]:
    """What the machines sell under the numbers of the sales."""
    asked = {(one.machine["id"], one.record.plu) for one in fresh if one.record.plu is not None}
    if not asked:
        return {}
    rows = await connection.fetch(
        SQL.find_products, [machine for machine, _ in asked], [plu for _, plu in asked]
    )
    return {(row["machine"], row["plu"]): row for row in rows}


def _sale_row(one: Reported[Sale], product: Row, now_ms: int) -> tuple[Any, ...]:
    sale, machine = one.record, one.machine
    name, internal_ref, barcode = sale.name, sale.internal_ref, sale.barcode
    if product is not None:
        name = name or product["name"]
        internal_ref = internal_ref or product["internal_ref"]
        barcode = barcode or product["barcode"]
    if name is None:
        # A sale without a number has no name that anybody knows either.
        name = "PLU ?" if sale.plu is None else f"PLU {sale.plu}"
    return (
        one.id, sale.remote, machine["id"], machine["location"], machine["time_zone"], one.at_ms,
        one.product, sale.plu, name, internal_ref, barcode, sale.price, sale.original_price,
        machine["currency"], sale.token, sale.salestype, sale.pricelist, sale.usergroup,
        len(sale.payments), sale.is_excluded, now_ms, now_ms,
    )  # fmt: skip


def _payment_rows(one: Reported[Sale], now_ms: int) -> list[tuple[Any, ...]]:
    sale, machine = one.record, one.machine
    types = machine["payment_types_map"] or {}
    group = report_group(sale.token, machine["report_rule"])
    return [
        (
            one.id, machine["id"], machine["location"], machine["time_zone"], one.at_ms,
            payment.method, payment_type(payment.method, types), payment.price,
            machine["currency"], payment.exclude, group, now_ms, now_ms,
        )
        for payment in sale.payments
    ]  # fmt: skip


async def _tell_prices(connection: Connection, fresh: Sequence[Reported[Sale]]) -> None:
    """Remember what the machine asked for its products, before any discount."""
    newest: dict[int, Reported[Sale]] = {}
    for one in fresh:
        known = newest.get(one.product or 0)
        if known is None or (one.at_ms, one.record.remote) > (known.at_ms, known.record.remote):
            newest[one.product or 0] = one
    newest.pop(0, None)
    if newest:
        await connection.execute(
            SQL.tell_prices,
            list(newest),
            [one.record.original_price or one.record.price for one in newest.values()],
            [one.at_ms for one in newest.values()],
        )


async def write_logs(
    connection: Connection, fresh: Sequence[Reported[Log]], now_ms: int, patience: Patience
) -> None:
    """Logs with what their codes mean at the machine, and those they resolve."""
    asked = {
        (one.machine["id"], one.record.code)
        for one in fresh
        if one.machine["machine_model"] is not None
    }
    identities: dict[tuple[int, str], int] = {}
    if asked:
        rows = await connection.fetch(
            SQL.find_identities, [machine for machine, _ in asked], [code for _, code in asked]
        )
        identities = {(row["machine"], row["code"]): row["error_identity"] for row in rows}
    rows = [
        (
            one.id, one.record.remote, one.machine["id"], one.machine["location"],
            one.machine["time_zone"], one.at_ms, one.record.code,
            identities.get((one.machine["id"], one.record.code)), one.record.type,
            one.record.is_resolvable, one.record.state, one.record.extra_data, now_ms,
        )
        for one in fresh
    ]  # fmt: skip
    await patience.make_way()
    await _copy(connection, "log", _LOG_COLUMNS, rows)
    await _resolve(connection, fresh)
    if fresh[0].machine["is_integrated"]:
        told = [(one.id, one.machine["id"], one.machine["location"], one.at_ms) for one in fresh]
        await make_log_jobs(connection, told, now_ms)


async def make_log_jobs(
    connection: Connection, told: Sequence[tuple[int, int, int, int]], now_ms: int
) -> None:
    """Jobs for logs: of each its id, machine, location and time."""
    columns = [list(column) for column in zip(*told, strict=True)]
    await connection.execute(SQL.make_jobs, *columns, now_ms, OF_LOGS)


async def _resolve(connection: Connection, fresh: Sequence[Reported[Log]]) -> None:
    """Works out anew what is open, from the earliest new record of each machine and code on."""
    since: dict[tuple[int, str], int] = {}
    for one in fresh:
        if one.record.is_resolvable or one.record.state == "clear":
            key = (one.machine["id"], one.record.code)
            since[key] = min(one.at_ms, since.get(key, one.at_ms))
    if not since:
        return
    rows = await connection.fetch(
        SQL.find_entries,
        [machine for machine, _ in since],
        [code for _, code in since],
        list(since.values()),
    )
    entries: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for row in rows:
        entries[row["machine"], row["code"]].append(
            Entry(
                row["id"], row["occurred_at_ms"], row["remote"], row["is_clearing"],
                row["resolved_at_ms"],
            )
        )  # fmt: skip
    changed = [
        (entry.id, entry.at_ms, resolved[entry.id])
        for group in entries.values()
        if (resolved := resolutions(group))
        for entry in group
        if entry.id in resolved
    ]
    if changed:
        await connection.execute(
            SQL.resolve,
            [key for key, _, _ in changed],
            [at_ms for _, at_ms, _ in changed],
            [resolved_ms for _, _, resolved_ms in changed],
            [end_ms and duration_s(at_ms, end_ms) for _, at_ms, end_ms in changed],
        )


async def write_events(
    connection: Connection, fresh: Sequence[Reported[Event]], now_ms: int, patience: Patience
) -> None:
    """Events."""
    rows = [
        (
            one.id, one.record.remote, one.machine["id"], one.machine["location"],
            one.machine["time_zone"], one.at_ms, one.record.name, one.record.value, now_ms,
        )
        for one in fresh
    ]  # fmt: skip
    await patience.make_way()
    await _copy(connection, "iotevent", _EVENT_COLUMNS, rows)
