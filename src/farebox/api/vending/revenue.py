"""Summaries of sales (vending-commerce.md 3.5-3.8, 4.12).

Sales belong to whoever sees the place stored in them, as in lists: `locations` of others match
nothing, and `machines` match what those machines sold at places that the caller sees, wherever they
stand today. Hot and archived sales count alike. A day between two instants is one of the place.
"""

import re
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from farebox.api.operations import documented
from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.dialect import Answer, Call, Fields, principal, reply, require
from farebox.api.vending.revenue_query import arguments, edge
from farebox.api.vending.sites import LOCATION
from farebox.api.vending.wire_revenue import (
    DayRow,
    FiguresRow,
    HourRow,
    PeriodsRow,
    ProductRow,
    SummaryRow,
)
from farebox.domain.periods import Period, period
from farebox.engine.revenue import Converted
from farebox.engine.revenue_figures import Selection, ToDate
from farebox.resource import compile as sql
from farebox.resource.criteria import Criteria
from farebox.resource.definition import ID

_PATH: Final = "/revenuetransaction"
_ARRAYS: Final = ("machines", "locations")
_DATES: Final = ("startDate", "endDate")
_CURRENCY: Final = re.compile("[A-Z]{3}")
_CHOICE: Final = {"machines[]": list[int], "locations[]": list[int]}
_RANGE: Final = {"startDate": str, "endDate": str, **_CHOICE}
_PLACES: Final = replace(LOCATION, fields=(ID,))


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The four answers."""
    revenue = made.services.revenue
    summary_type, periods_type = dict[str, list[SummaryRow]], dict[str, list[PeriodsRow]]

    @get(
        f"{_PATH}/summary",
        **documented("VEND-REVENUE-SUMMARY", None, summary_type, query=_RANGE),
    )
    async def summarise_revenue(request: Call) -> Answer:
        """Revenue of each day, by currency."""
        fields = arguments(request, _DATES, _ARRAYS)
        with revenue.readers.reading():
            asked, chosen = _period(fields), await _selection(made, request, fields)
            told: dict[str, list[SummaryRow]] = {}
            for one in await revenue.summary(chosen, asked):
                told.setdefault(one.daily.currency, []).append(_summary_row(one))
            return reply(told)

    @get(
        f"{_PATH}/bestselling",
        **documented(
            "VEND-REVENUE-BESTSELLING", None, list[ProductRow], query={**_RANGE, "amount": int}
        ),
    )
    async def list_best_sellers(request: Call) -> Answer:
        """The products sold most, with the units of every day."""
        fields = arguments(request, (*_DATES, "amount"), _ARRAYS)
        amount = fields.optional_integer("amount", low=1, high=100)
        with revenue.readers.reading():
            asked, chosen = _period(fields), await _selection(made, request, fields)
            best = await revenue.bestselling(chosen, asked, 10 if amount is None else amount)
        return reply(
            [
                ProductRow(name, [DayRow(_text(day), units) for day, units in days])
                for name, days in best
            ]
        )

    @get(
        f"{_PATH}/periods",
        **documented("VEND-REVENUE-PERIODS", None, periods_type, query=_CHOICE),
    )
    async def tell_revenue_to_date(request: Call) -> Answer:
        """Revenue since the beginning of today, this week, month and year, by currency."""
        with revenue.readers.reading():
            chosen = await _selection(made, request, arguments(request, (), _ARRAYS))
            told = await revenue.periods(chosen)
        return reply({one.currency: [_periods_row(one)] for one in told})

    @get(
        f"{_PATH}/heatmap",
        **documented(
            "VEND-REVENUE-HEATMAP", None, list[HourRow], query={**_CHOICE, "currency": str}
        ),
    )
    async def map_revenue(request: Call) -> Answer:
        """Sales of three months by hour of the week."""
        fields = arguments(request, ("currency",), _ARRAYS)
        with revenue.readers.reading():
            cells = await revenue.heatmap(await _selection(made, request, fields))
        return reply(
            [
                HourRow(hour // 24 + 1, hour % 24, count, total)
                for hour, (count, total) in enumerate(cells)
            ]
        )

    return [summarise_revenue, list_best_sellers, tell_revenue_to_date, map_revenue]


def _period(fields: Fields) -> Period:
    start, end = edge(fields, "startDate"), edge(fields, "endDate", is_end=True)
    fields.finish()
    return period(start, end)


async def _selection(made: Blueprint, request: Call, fields: Fields) -> Selection:
    """The places that the caller sees, of those named; the last argument to be read."""
    # An empty array limits nothing, as in reports.
    machines, locations = fields.ids("machines") or None, fields.ids("locations") or None
    currency = fields.optional_string("currency", pattern=_CURRENCY)
    fields.finish()
    require(principal(request), "revenuetransaction:read")
    view, within = made.view(request), "true"
    if locations is not None:
        view, within = view.having(ids=locations), "t.id = any({ids}::int[])"
    text, args = sql.select(_PLACES, Criteria(), view, limit=None, within=within)
    seen = await made.services.pool.fetch(text, *args)
    return Selection([row["id"] for row in seen], machines, currency)


@lru_cache(maxsize=8192)
def _text(day: int) -> str:
    return date.fromordinal(day).isoformat()


def _summary_row(one: Converted) -> SummaryRow:
    rate = int(one.rate) if one.rate.is_integer() else one.rate
    figures = one.daily
    return SummaryRow(figures.currency, rate, _text(figures.day), figures.total, one.value)


def _periods_row(one: ToDate) -> PeriodsRow:
    def figures(pair: tuple[int, int]) -> FiguresRow:
        return FiguresRow(one.currency, *pair)

    return PeriodsRow(figures(one.day), figures(one.month), figures(one.week), figures(one.year))
