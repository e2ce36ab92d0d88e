"""Makes the monthly partitions of growing tables ahead of time, by UTC month.

A default partition catches rows of months that nobody made, so a missing month never refuses an
insert; when the month is made, its rows move over. Making is idempotent and safe from many
processes. Old months are never touched here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from farebox.domain.errors import UnavailableError
from farebox.storage.pool import Connection, Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)

# Moving this many rows takes well under a second, which an insert can wait.
MOVE_LIMIT = 100_000
_LOCK_TIMEOUT_MS = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Monthly(msgspec.Struct, frozen=True):
    """A table partitioned by month over one column of instants, and its default partition."""

    table: str
    rest: str


class Month(msgspec.Struct, frozen=True):
    """A UTC month as text (2026_03) and as instants: start_ms <= t < end_ms."""

    name: str
    start_ms: int
    end_ms: int


MONTHLY = (
    Monthly("voucher.history", "voucher.history_rest"),
    Monthly("pbx.cdr", "pbx.cdr_rest"),
    *(
        Monthly(f"vending.{name}", f"vending.{name}_rest")
        for name in ("revenuetransaction", "paymenttransaction", "log", "iotevent")
    ),
)


def months(now_ms: int, ahead: int) -> list[Month]:
    """The month of `now_ms` and so many after it."""
    now = _EPOCH + timedelta(milliseconds=now_ms)
    first = now.year * 12 + now.month - 1
    return [_month(first + offset) for offset in range(ahead + 1)]


async def make_ahead(
    pool: Pool,
    now_ms: int,
    *,
    ahead: int = 3,
    tables: Sequence[Monthly] = MONTHLY,
    move_limit: int = MOVE_LIMIT,
) -> list[str]:
    """Make what is missing; returns the partitions made now, then those left for the next call.

    The names of the latter end in ` (busy)` or ` (crowded)`: their rows stay in the default
    partition, where everything finds them.
    """
    made: list[str] = []
    left: list[str] = []
    for monthly in tables:
        for month in months(now_ms, ahead):
            name = f"{monthly.table}_{month.name}"
            try:
                answer = await _make(pool, monthly, month, move_limit)
            except UnavailableError as error:
                if error.code != "busy":
                    raise
                answer = "busy"
            if answer == "made":
                made.append(name)
            elif answer != "there":
                left.append(f"{name} ({answer})")
    return made + left


async def hold_records(connection: Connection) -> None:
    """Keep what devices reported in its partitions until the transaction ends.

    First of all in a transaction of one snapshot: a row that moves to a new partition after the
    snapshot was taken is found in neither.
    """
    await connection.execute(SQL.hold_records)


async def hold_history(connection: Connection) -> None:
    """The same for the history of vouchers."""
    await connection.execute(SQL.hold_history)


async def _make(pool: Pool, monthly: Monthly, month: Month, move_limit: int) -> str:
    part = f"{monthly.table.rpartition('.')[2]}_{month.name}"
    # A transaction for each month: the locks of one are gone before the next one asks.
    async with transaction(pool) as connection:
        await connection.execute(SQL.patience, str(_LOCK_TIMEOUT_MS))
        await connection.execute(SQL.lock)
        answer: str = await connection.fetchval(
            SQL.make_month,
            monthly.table,
            monthly.rest,
            part,
            month.start_ms,
            month.end_ms,
            move_limit,
        )
    return answer


def _month(number: int) -> Month:
    year, month = divmod(number, 12)
    return Month(f"{year:04d}_{month + 1:02d}", _start_ms(number), _start_ms(number + 1))


def _start_ms(number: int) -> int:
    year, month = divmod(number, 12)
    return (datetime(year, month + 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
