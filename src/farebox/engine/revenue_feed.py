"""What was committed to the sales since one last looked (vending-commerce.md 4.12).

Every transaction that writes sales leaves a row in the feed, with its number. A look tells what is
visible now and was not at the look before: commits in any order, of any server, are told once and
none is missed. Where more may have changed than was told, the look says that everything did.
"""

from collections import defaultdict
from typing import Any, Final, NamedTuple

from farebox.storage.pool import Pool, storage_errors
from farebox.storage.sqlfile import load

SQL = load(__file__)
# How long the feed keeps what it told; whoever looks less often reads everything anew.
KEPT_S: Final = 900.0


class Seen(NamedTuple):
    """What a snapshot of the database shows: transactions that had ended when it was taken."""

    first: int
    end: int
    running: frozenset[int]

    @classmethod
    def of(cls, text: str) -> "Seen":
        """From PostgreSQL's `xmin:xmax:xip,...`."""
        first, end, running = text.split(":")
        return cls(int(first), int(end), frozenset(map(int, filter(None, running.split(",")))))

    def shows(self, txid: int) -> bool:
        """Whether what the transaction wrote is visible, given that it was committed."""
        return txid < self.first or (txid < self.end and txid not in self.running)


class Sold(NamedTuple):
    """What counts of a sale."""

    at_ms: int
    location: int
    time_zone: str
    machine: int
    name: str
    currency: str
    price: int


class News(NamedTuple):
    """New sales of each transaction; `unknown` are those that may have changed anything."""

    sales: dict[int, list[Sold]]
    unknown: list[int]
    # Nothing that was known before can be relied on.
    is_lost: bool = False


class Feed:
    """Looks, one after the other."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seen: str | None = None
        self._parts: frozenset[int] = frozenset()

    def forget(self) -> None:
        """Begin anew: the next look tells nothing, those after it what came since."""
        self._seen = None

    async def look(self) -> News:
        """What is new."""
        async with storage_errors():
            rows = await self._pool.fetch(SQL.news, self._seen)
        seen, parts = rows[0]["seen"], frozenset(rows[0]["parts"])
        before = Seen.of(self._seen or seen)
        # A partition that went took its rows along; a server that forgot is another one.
        is_lost = not self._parts <= parts or Seen.of(seen).end < before.end
        self._seen, self._parts = seen, parts
        return News(*_told(rows), is_lost)

    async def clear(self) -> None:
        """Remove what everybody has been told."""
        async with storage_errors():
            await self._pool.execute(SQL.clear, KEPT_S)


def _told(rows: list[Any]) -> tuple[dict[int, list[Sold]], list[int]]:
    sales: dict[int, list[Sold]] = defaultdict(list)
    unknown = []
    for row in rows:
        if row["txid"] is None:
            continue
        if row["is_unknown"]:
            unknown.append(int(row["txid"]))
        elif row["counts"]:
            sales[int(row["txid"])].append(Sold(*row[5:]))
    return sales, unknown
