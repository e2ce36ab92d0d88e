"""What reports calculate (vending-commerce.md 3.15-3.20): one question, six answers.

A body names machines, locations and one or two periods; each period is answered with its rows. They
are read, nothing is stored, and asking again is harmless. Beyond the document, the machine models,
machine types and manufacturers that saved reports name may be asked for too, and each narrows the
machines. A report has at most 10 000 rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.choices import MEMBERS, NAMES, read_choice
from farebox.api.vending.dialect import Answer, Call, Fields, principal, read_body, reply, require
from farebox.api.vending.periods import PeriodBody, read_period
from farebox.domain.windows import zone
from farebox.engine import reports


class ErrorQuantity(msgspec.Struct):
    """How often a code was told."""

    code: str
    erroridentity: int | None
    error: str
    quantity: int


class ErrorDuration(ErrorQuantity):
    """And for how many seconds."""

    duration: int


class ProductSales(msgspec.Struct, rename="camel"):
    """What a product brought in one currency."""

    product_id: int | None
    name: str
    internal_ref: str | None
    revenue: int
    quantity: int
    currency: str


class PaymentTypeSales(msgspec.Struct, rename="camel"):
    """What was paid in one way."""

    type: str
    quantity: int
    revenue: int
    report_group: str | None
    currency: str


class ShiftPayments(msgspec.Struct, rename="camel"):
    """What was paid in one way during a shift; shift 0 is none."""

    location: str
    payment: str
    quantity: int
    report_group: str | None
    revenue: int
    shift: int
    type: str


class ShiftProducts(msgspec.Struct, rename="camel"):
    """What a product brought during a shift; `sum` is before discounts."""

    shift: int
    product_id: int | None
    name: str
    barcode: str | None
    report_name: str | None
    quantity: int
    revenue: int
    sum: int
    currency: str


class Calculation(NamedTuple):
    """An operation, its path, what the engine calls it, and its rows."""

    operation: str
    path: str
    name: str
    row: Any
    # Whether the second period has its shared codes in the order of the first.
    is_aligned: bool = False


CALCULATIONS: Final = (
    Calculation(
        "VEND-REPORT-ERRORS-DURATION", "/report/errors/duration", "errors", ErrorDuration, True
    ),
    Calculation(
        "VEND-REPORT-ERRORS-QUANTITY", "/report/errors/quantity", "errors", ErrorQuantity, True
    ),
    Calculation("VEND-REPORT-PRODUCTS", "/report/products", "products", ProductSales),
    Calculation("VEND-REPORT-PAYMENTTYPES", "/report/paymenttypes", "payment_types",
                PaymentTypeSales),
    Calculation("VEND-REPORT-SHIFT-PAYMENTS", "/report/shifts/payments", "shift_payments",
                ShiftPayments),
    Calculation("VEND-REPORT-SHIFT-PRODUCTS", "/report/shifts/products", "shift_products",
                ShiftProducts),
)  # fmt: skip
_PERIODS: Final = ("period1", "period2")
QUESTION: Final[Any] = msgspec.defstruct(
    "Question",
    [("period1", PeriodBody), *MEMBERS, ("period2", PeriodBody | None, None)],
    module=__name__,
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """A route for each calculation."""
    return [_route(made, one) for one in CALCULATIONS]


def _route(made: Blueprint, one: Calculation) -> HTTPRouteHandler:
    told, answered = _shapes(one.row)
    width = len(one.row.__struct_fields__)

    @post(one.path, **documented(one.operation, QUESTION, answered))
    async def calculate(request: Call) -> Answer:
        """The rows of each period."""
        services, now_ms = made.services, made.services.clock()
        body = Fields(await read_body(request), known=(*_PERIODS, *NAMES))
        choice = read_choice(body)
        today = datetime.fromtimestamp(now_ms / 1000, zone(services.options.default_time_zone))
        asked = {
            name: read_period(body, name, today.replace(tzinfo=None), required=name == "period1")
            for name in _PERIODS
        }
        body.finish()
        require(principal(request), "report:read")
        periods = {name: period for name, period in asked.items() if period is not None}
        found = await reports.calculate(
            services.pool, one.name, principal(request), choice, [*periods.values()], now_ms
        )
        rows = [[one.row(*record[:width]) for record in records] for records in found]
        if one.is_aligned:
            rows[1:] = [aligned(rows[0], more) for more in rows[1:]]
        return reply(
            {
                name: told(data, period.end.text, period.start.text)
                for (name, period), data in zip(periods.items(), rows, strict=True)
            }
        )

    return calculate


def _shapes(row: Any) -> tuple[Any, Any]:
    """The struct of a period, and that of the answer."""
    told: Any = msgspec.defstruct(
        "Told", [("data", list[row]), ("endDate", str), ("startDate", str)], module=__name__
    )
    periods: list[Any] = [("period1", told), ("period2", told, msgspec.UNSET)]
    return told, msgspec.defstruct("Answered", periods, module=__name__)


def aligned(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """The rows of a second period: codes of the first in its order, then the others."""
    places = {row.code: place for place, row in enumerate(first)}
    return sorted(second, key=lambda row: places.get(row.code, len(places)))
