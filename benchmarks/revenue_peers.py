"""What the revenue kernel is measured against: numpy, polars and duckdb, as strong as we know them.

Each has the columns in memory in the narrowest types it is quick with, and the offsets of a place
beside them. Two changes of offset are enough for the year in question; the kernel knows them all.
"""

import importlib
import importlib.util
from typing import Any

import numpy as np

DAY_S = 86_400
# What figures are, in the words of SQL and of a column of 64 bits.
FIGURES = "count(*) filter (price >= 0) as n, sum(price)::bigint as s"

Answer = tuple[Any, ...]


def present() -> dict[str, Any]:
    """The contenders that are installed."""
    found = {"numpy": Numpy, "polars": Polars, "duckdb": Duckdb}
    return {name: each for name, each in found.items() if importlib.util.find_spec(name)}


class Numpy:
    """Offsets gathered, one bincount per figure; one thread, as numpy is."""

    def __init__(self, sales: Any, _threads: int) -> None:
        self.sales = sales
        self.sides = [column.astype(np.int64) for column in sales.offsets]
        self.at = sales.at.astype(np.int64)

    def currency_day(self) -> Answer:
        sales, at, place = self.sales, self.at, self.sales.place
        first, change, later, second, last = self.sides
        offset = np.where(at >= change[place], later[place], first[place])
        offset = np.where(at >= second[place], last[place], offset)
        day = (at + offset) // DAY_S
        begin = int(day.min())
        cell = (day - begin) * 8 + sales.currency
        sums = np.bincount(cell, weights=sales.price)
        counts = np.bincount(cell, weights=sales.price >= 0)
        return (
            [
                (one // 8 + begin, one % 8, int(counts[one]), int(sums[one]))
                for one in np.flatnonzero((counts != 0) | (sums != 0)).tolist()
            ],
        )


class Polars:
    """Lazy frames; offsets of a place joined, all reports of the dashboard collected together."""

    def __init__(self, sales: Any, _threads: int) -> None:
        self.pl = pl = importlib.import_module("polars")
        self.heat_s, self.best = sales.heat_s, sales.best
        self.frame = pl.DataFrame(
            {
                "at": sales.at.astype(np.int32),
                "place": sales.place,
                "price": sales.price,
                "product": sales.product.astype(np.uint16),
                "currency": sales.currency,
            }
        )
        self.places = pl.DataFrame(place_columns(sales))

    def local(self) -> Any:
        """Sales with their wall clock."""
        col = self.pl.col
        late = self.pl.when(col("at") >= col("a2")).then(col("o2"))
        offset = late.when(col("at") >= col("a1")).then(col("o1")).otherwise(col("o0"))
        joined = self.frame.lazy().join(self.places.lazy(), on="place")
        return joined.with_columns(local=col("at") + offset)

    def figures(self, name: str = "", chosen: Any = True) -> list[Any]:
        """A count and a sum."""
        price = self.pl.col("price")
        return [
            ((price >= 0) & chosen).sum().cast(self.pl.Int64).alias("n" + name),
            price.cast(self.pl.Int64).filter(chosen).sum().alias("s" + name),
        ]

    def days(self, base: Any, key: str) -> Any:
        """By day and key."""
        day = self.pl.col("local") // DAY_S
        found = base.group_by(key, day=day).agg(n=self.figures()[0], s=self.figures()[1])
        return found.select("day", key, "n", "s")

    def currency_day(self) -> Answer:
        found = self.days(self.local(), "currency").sort("day", "currency")
        return (found.collect().rows(),)

    def dashboard(self) -> Answer:
        col, base = self.pl.col, self.local()
        hours = base.filter(col("local") >= self.heat_s).group_by(
            "currency", hour=(col("local") // 3600 + 72) % 168
        )
        starts = [self.figures(str(i), col("local") >= col(f"t{i}")) for i in range(4)]
        days, products, week, to_date = self.pl.collect_all(
            [
                self.days(base, "currency").sort("day", "currency"),
                self.days(base, "product"),
                hours.agg(*self.figures()).select("hour", "currency", "n", "s"),
                base.group_by("currency").agg(*(one for pair in starts for one in pair)),
            ]
        )
        totals = products.group_by("product").agg(col("n").sum(), col("s").sum())
        ranked = totals.sort("n", "s", "product", descending=[True, True, False]).head(self.best)
        chosen = products.filter(col("product").is_in(ranked["product"].implode()))
        return (
            days.rows(),
            ranked.rows(),
            chosen.sort("day", "product").rows(),
            week.sort("hour", "currency").rows(),
            *to_date_rows(to_date.sort("currency").rows()),
        )


class Duckdb:
    """Tables in memory; the wall clock worked out once for the dashboard, in a temporary table."""

    def __init__(self, sales: Any, threads: int) -> None:
        self.heat_s, self.best = sales.heat_s, sales.best
        self.db = importlib.import_module("duckdb").connect()
        self.db.execute(f"set threads = {threads}")
        columns = {
            "sold": sales.at.astype(np.int32),
            "place": sales.place,
            "price": sales.price,
            "product": sales.product.astype(np.uint16),
            "currency": sales.currency,
        }
        sides = place_columns(sales)
        for name, given in (("sale", columns), ("side", sides)):
            self.db.register("given", given)
            self.db.execute(f"create table {name} as select * from given")
            self.db.unregister("given")

    LOCAL = (
        "(select *, sold + case when sold >= a2 then o2 when sold >= a1 then o1 else o0 end as wall"
        " from sale join side using (place))"
    )

    def rows(self, text: str) -> list[Any]:
        found: list[Any] = self.db.execute(text).fetchall()
        return found

    def currency_day(self) -> Answer:
        return (
            self.rows(
                f"select wall // {DAY_S} as day, currency, {FIGURES} from {self.LOCAL}"
                " group by all order by day, currency"
            ),
        )

    def dashboard(self) -> Answer:
        starts = ", ".join(
            f"count(*) filter (price >= 0 and wall >= t{i}),"
            f" coalesce(sum(price) filter (wall >= t{i}), 0)::bigint"
            for i in range(4)
        )
        self.rows(
            "create or replace temp table base as select wall, currency, product, price,"
            f" t0, t1, t2, t3 from {self.LOCAL}"
        )
        self.rows(
            f"create or replace temp table by_product as select wall // {DAY_S} as day, product,"
            f" {FIGURES} from base group by all"
        )
        ranked = self.rows(
            "select product, sum(n)::bigint as n, sum(s)::bigint as s from by_product"
            f" group by product order by n desc, s desc, product limit {self.best}"
        )
        chosen = ", ".join(str(product) for product, _, _ in ranked)
        days = self.rows(
            f"select wall // {DAY_S} as day, currency, {FIGURES} from base"
            " group by all order by day, currency"
        )
        week = self.rows(
            f"select (wall // 3600 + 72) % 168 as hour, currency, {FIGURES} from base"
            f" where wall >= {self.heat_s} group by all order by hour, currency"
        )
        by_day = self.rows(
            f"select * from by_product where product in ({chosen}) order by day, product"
        )
        to_date = self.rows(f"select currency, {starts} from base group by 1 order by 1")
        return days, ranked, by_day, week, *to_date_rows(to_date)


def place_columns(sales: Any) -> dict[str, Any]:
    """Per place: offsets, their changes, and the starts of what is counted to date."""
    names = ("o0", "a1", "o1", "a2", "o2")
    sides = dict(zip(names, sales.offsets, strict=True))
    sides |= {f"t{i}": starts[sales.zone_of] for i, starts in enumerate(sales.starts)}
    places = {"place": np.arange(len(sales.zone_of), dtype=np.uint32)}
    return places | {name: column.astype(np.int32) for name, column in sides.items()}


def to_date_rows(rows: list[Any]) -> list[list[Any]]:
    """(currency, n0, s0, n1, …) as the four lists that the kernel gives."""
    return [
        [(0, row[0], row[2 * i + 1], row[2 * i + 2]) for row in rows if row[2 * i + 1]]
        for i in range(4)
    ]
