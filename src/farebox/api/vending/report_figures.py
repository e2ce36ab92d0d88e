"""What a saved report's calculations look like on paper: a picture each, and a table of all."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from farebox.api.vending.calculations import ErrorDuration, PaymentTypeSales, ProductSales
from farebox.engine.chart_figure import Column, Figure

_NAME: Final = Column("product", "key")
_CURRENCY: Final = Column("currency", "currency")
_REVENUE: Final = Column("revenue", "measure", "money")
_QUANTITY: Final = Column("quantity", "measure")


class _Layout(NamedTuple):
    """A title, how a picture shows it, and the columns of picture and table with their members."""

    title: str
    view: str
    row: Any
    picture: tuple[tuple[Column, str], ...]
    table: tuple[tuple[Column, str], ...]


CALCULATED: Final = {
    "products": _Layout(
        "Products", "bars", ProductSales,
        ((_NAME, "name"), (_CURRENCY, "currency"), (_REVENUE, "revenue")),
        ((_NAME, "name"), (Column("reference", "key"), "internal_ref"), (_QUANTITY, "quantity"),
         (_REVENUE, "revenue"), (_CURRENCY, "currency")),
    ),
    "payment_types": _Layout(
        "Payment types", "pie", PaymentTypeSales,
        ((Column("type", "key"), "type"), (_CURRENCY, "currency"), (_REVENUE, "revenue")),
        ((Column("type", "key"), "type"), (Column("group", "key"), "report_group"),
         (_QUANTITY, "quantity"), (_REVENUE, "revenue"), (_CURRENCY, "currency")),
    ),
    "errors": _Layout(
        "Errors", "bars", ErrorDuration,
        ((Column("error", "key"), "error"), (_QUANTITY, "quantity")),
        ((Column("code", "key"), "code"), (Column("error", "key"), "error"),
         (_QUANTITY, "quantity"), (Column("duration", "measure", "seconds"), "duration")),
    ),
}  # fmt: skip


def figures(
    name: str, records: Sequence[Any], notes: tuple[str, ...], exponents: Mapping[str, int]
) -> list[Figure]:
    """The picture and the table of a calculation; one table where there is nothing."""
    layout = CALCULATED[name]
    width = len(layout.row.__struct_fields__)
    rows = [layout.row(*record[:width]) for record in records]

    def figure(title: str, view: str, columns: tuple[tuple[Column, str], ...]) -> Figure:
        cells = tuple(tuple(getattr(row, member) for _, member in columns) for row in rows)
        shown = tuple(column for column, _ in columns)
        return Figure(title, view, shown, cells, notes=notes, exponents=dict(exponents))

    table = figure(layout.title if not rows else f"{layout.title}: all rows", "table", layout.table)
    return [figure(layout.title, layout.view, layout.picture), table] if rows else [table]
