"""Records with which open sessions simply go on, counted all at once (isp.md 4.9.1).

Most of what the network reports is the next interim record of an open session: later than the one
before, its counters not lower. All of these are one statement, and no session of them is looked at
here. Nothing is changed by any other record; those are followed one by one (`counting`). The
subscribers must be locked, and each may be named once.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from farebox.engine.concerned import SEPARATOR
from farebox.engine.counting import numbers
from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Place among the records, subscriber, device, name, instant, upload, download, seconds, whether its
# counters have gigawords.
Report = tuple[int, int, int, str, int, int, int, int, bool]


class Gains(NamedTuple):
    """What records add: their subscribers, places, instants, upload and download, as columns."""

    subscribers: list[int]
    places: list[int]
    instants: list[int]
    uploads: list[int]
    downloads: list[int]


NOTHING: Final = Gains([], [], [], [], [])


async def advance(connection: Connection, reports: Sequence[Report]) -> Gains:
    """Goes on with the sessions of reports that allow it; what these reports add."""
    if not reports:
        return NOTHING
    places, subscribers, devices, names, *counts, wide = zip(*reports, strict=True)
    row = await connection.fetchrow(
        SQL.advance, numbers(places), subscribers, numbers(devices),
        SEPARATOR.join(names), *map(numbers, counts), numbers(wide),
    )  # fmt: skip
    return Gains(*row)
