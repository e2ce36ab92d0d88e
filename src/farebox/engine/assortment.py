"""Changes to what machines sell: convert, override and copy (vending-platform.md 3.9, 4.5).

Everything happens in the transaction of who calls, under the locks of the machines concerned, so
that a number is free or taken for the whole change. A request that changed something raises the
version of the assortment by one; devices compare it.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from farebox.domain.assortment import FIRST_PLU, PLU_MAX, Class
from farebox.domain.errors import ConflictError
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)


class Item(msgspec.Struct, frozen=True):
    """A base product as an override names it."""

    plu: int
    name: str
    price: int
    report_name: str | None
    barcode: str | None


async def claim(connection: Connection, machines: Iterable[int]) -> None:
    """Let nobody else change the assortment of these machines until the transaction ends."""
    await connection.execute(SQL.claim, sorted(set(machines)))


async def mark_changed(connection: Connection, machines: Iterable[int]) -> None:
    """Raise the versions of machines whose assortment was changed."""
    await connection.execute(SQL.mark_changed, sorted(set(machines)))


async def free_plu(connection: Connection, machine: int, kind: Class) -> int:
    """Give the lowest number that a new flavour or extra can have.

    Raises ConflictError when there is none.
    """
    plu: int = await connection.fetchval(SQL.free_plu, machine, FIRST_PLU[kind])
    if plu > PLU_MAX:
        raise ConflictError("No plu is free", "duplicate", {"plu": "none is free"})
    return plu


async def convert(
    connection: Connection, machine: int, moves: Mapping[int, Class], now_ms: int
) -> None:
    """Make base products, by id, flavours or extras with ids of their own."""
    for kind in ("flavour", "extra"):
        moved = [key for key, class_ in moves.items() if class_ == kind]
        await connection.execute(SQL.convert, machine, moved, kind, now_ms)
    if moves:
        await mark_changed(connection, [machine])
    await _manage(connection, [machine], now_ms)


async def override(
    connection: Connection, machine: int, items: Sequence[Item], now_ms: int
) -> None:
    """Make the base products of a machine exactly these; equal numbers keep their rows.

    Raises ConflictError when a flavour or extra has one of the numbers.
    """
    plus = [item.plu for item in items]
    taken = [row["plu"] for row in await connection.fetch(SQL.other_classes, machine, plus)]
    if taken:
        reason = f"belongs to a flavour or an extra: {', '.join(map(str, taken[:20]))}"
        raise ConflictError(f"plu {reason}", "duplicate", {"plu": reason})
    gone = await connection.fetch(SQL.drop_others, machine, plus)
    columns = [[getattr(item, name) for item in items] for name in Item.__struct_fields__]
    put = await connection.fetch(SQL.put_base, machine, now_ms, *columns)
    if gone or put:
        await mark_changed(connection, [machine])
    await _manage(connection, [machine], now_ms)


async def copy(connection: Connection, source: int, targets: Sequence[int], now_ms: int) -> None:
    """Make the assortment of the targets that of the source; equal numbers keep their rows."""
    await connection.execute(SQL.take_time)
    gone = await connection.fetch(SQL.drop_strangers, source, targets)
    put = await connection.fetch(SQL.put_copies, source, targets, now_ms)
    await mark_changed(connection, {row["machine"] for row in [*gone, *put]})
    await _manage(connection, targets, now_ms)


async def _manage(connection: Connection, machines: Sequence[int], now_ms: int) -> None:
    await connection.execute(SQL.manage, machines, now_ms)
