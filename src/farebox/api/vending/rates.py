"""Currency rates, provided by operators (vending-commerce.md 4.12, VEND-X-CURRENCYRATE).

`{"currency": "USD", "date": "2026-03-01", "rate": 0.92}`: a sum in USD of that day or later, until
the next rate, times 0.92 is the sum in the reporting currency. Rates are the same for everybody;
whoever may read them may list them as any resource, members of admin groups write them.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from litestar import put
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations
from farebox.api.vending.bodies import Created
from farebox.api.vending.dialect import Answer, Call, Fields, principal, read_body, reply, require
from farebox.api.vending.revenue_query import moment
from farebox.api.vending.wire_revenue import RateBody
from farebox.domain.errors import ForbiddenError
from farebox.engine.rates import write_rate
from farebox.resource.definition import CREATED, ID, UPDATED, Field, Resource
from farebox.storage.pool import transaction

_CODE: Final = re.compile("[A-Z]{3}")
_RATE_MIN, _RATE_MAX = 1e-9, 1e9

CURRENCYRATE = Resource(
    name="currencyrate",
    title="Currency rate",
    table="vending.currencyrate",
    scope=tenancy.everyone(),
    owner=None,
    fields=(
        ID,
        Field("currency"),
        Field("date", column="to_char(t.day, 'YYYY-MM-DD')"),
        Field("rate", "number"),
        CREATED,
        UPDATED,
    ),
)
EXPOSED = (Exposed(resource=CURRENCYRATE, operations=operations("VEND-X-CURRENCYRATE", "list")),)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The route that stores a rate."""
    services = made.services

    @put("/currencyrate", **documented("VEND-X-CURRENCYRATE-SET", RateBody, Created))
    async def set_rate(request: Call) -> Answer:
        """Stores the rate of a currency from a day on, in place of that day's former one."""
        currency, day, rate = _rate(await read_body(request), services.options.reporting_currency)
        require(principal(request), "currencyrate:write")
        if not principal(request).admin:
            raise ForbiddenError("This is for operators' groups only")
        async with transaction(services.pool) as connection:
            key = await write_rate(connection, currency, day, rate, services.clock())
        return reply({"id": key})

    return [set_rate]


def _rate(body: dict[str, object], reporting: str) -> tuple[str, date, Decimal]:
    fields = Fields(body, known=("currency", "date", "rate"), ignored=CURRENCYRATE.by_name)
    currency = fields.string("currency", pattern=_CODE)
    when = moment(fields, "date")
    rate = fields.number("rate", low=_RATE_MIN, high=_RATE_MAX, required=True)
    if when.day is None:
        fields.wrong("date", "must be YYYY-MM-DD")
    if currency == reporting:
        fields.wrong("currency", "is the reporting currency, whose rate is 1")
    fields.finish()
    return currency, when.day or date.min, Decimal(repr(rate))
