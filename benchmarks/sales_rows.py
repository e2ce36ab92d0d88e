"""PostgreSQL asked for sums by currency and local day, in the strongest form that we know for it.

Not the statement of the product, which any span, places and machines must fit: this one knows that
no clock changes more than twice in the span and leaves one place out. As many workers scan the
months as the machine has cores.
"""

import os
import time
from datetime import UTC, date, datetime

from benchmarks.sales import PLACES, Site
from farebox.domain import offsets
from farebox.storage.pool import open_pool
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Of a zone: its offset, and two changes with the offsets after them.
_SIDES = 5
_NEVER_S = 2**40

# By currency and day, what the sales amount to.
Totals = dict[tuple[str, str], int]


def sides(zone: str, from_s: int, until_s: int) -> list[int]:
    """The offsets of a zone in a span. Raises ValueError where more than three follow another."""
    told = []
    for begin_s, _, offset_s in offsets.stretches(zone, from_s, until_s):
        told += [begin_s, offset_s]
    told = told[1:] + [_NEVER_S, 0] * 2
    if any(at < _NEVER_S for at in told[_SIDES::2]):
        raise ValueError(f"{zone} changes its clock too often")
    return told[:_SIDES]


async def by_currency_and_day(
    filled: Site, begin: date, end: date, left_out: int
) -> tuple[float, Totals]:
    """Seconds, and the totals of all places but one from a local day to another, both included."""
    low_s, high_s = (int(datetime(*day.timetuple()[:3], tzinfo=UTC).timestamp())
                     for day in (begin, end))  # fmt: skip
    pool = await open_pool(filled.dsn, max_size=1, statement_timeout_ms=600_000)
    try:
        await pool.execute(SQL.patience, str(os.cpu_count() or 1))
        names = [row["name"] for row in await pool.fetch(SQL.zones)]
        given = [sides(name, low_s - 86_400, high_s + 2 * 86_400) for name in names]
        columns = [[*column] for column in zip(*given, strict=True)]
        started = time.perf_counter()
        rows = await pool.fetch(
            SQL.by_currency_and_day, names, *columns, low_s, high_s + 86_400, PLACES[0], left_out
        )
        spent_s = time.perf_counter() - started
    finally:
        await pool.close()
    epoch = date(1970, 1, 1).toordinal()
    return spent_s, {
        (row["currency"], date.fromordinal(epoch + row["day"]).isoformat()): row["total"]
        for row in rows
    }
