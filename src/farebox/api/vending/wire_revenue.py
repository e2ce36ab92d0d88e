"""What crosses the wire about revenue, with the documented names, misspelt ones included."""

import msgspec


class SummaryRow(msgspec.Struct):
    """A day in one currency; `value` is in the reporting currency."""

    currency: str
    currencyRate: int | float  # noqa: N815 - the document's name, as below
    date: str
    orginalValue: int  # noqa: N815
    value: int


class DayRow(msgspec.Struct):
    """Units of one day."""

    date: str
    value: int


class ProductRow(msgspec.Struct):
    """A product that was sold most, day by day."""

    name: str
    values: list[DayRow]


class FiguresRow(msgspec.Struct):
    """Figures since a beginning."""

    currency: str
    products: int
    revenue: int


class PeriodsRow(msgspec.Struct):
    """Figures to date in one currency."""

    day: FiguresRow
    month: FiguresRow
    week: FiguresRow
    year: FiguresRow


class HourRow(msgspec.Struct):
    """An hour of the week; day 1 is Monday."""

    day: int
    hour: int
    count: int
    total: int


class RateBody(msgspec.Struct):
    """Body of PUT /currencyrate."""

    currency: str
    date: str
    rate: float
