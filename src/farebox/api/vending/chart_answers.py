"""What a chart shows: its question put to the rows that the caller sees (4.15).

Rows have the columns of the question, and before them the `date` (an hour, day, ISO week, month or
year of the clock on the wall; null in a frame without them) and, where there are several time
frames, the number of theirs as `timeFrame`. At most 10 000 rows; `X-Truncated: 1` says that there
are more. Reading a chart's data needs the right to read what it is of, too. A client that accepts
image/svg+xml gets the picture, in which machines and places have their names.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Response

from farebox.api.vending.blueprint import Blueprint
from farebox.api.vending.chart_figures import figure_of
from farebox.api.vending.criteria import Question, stored
from farebox.api.vending.dialect import Answer, Call, principal, reply, require
from farebox.engine.chart_drawing import draw
from farebox.engine.chart_figure import Figure
from farebox.engine.chart_svg import render
from farebox.storage.pool import Connection, transaction
from farebox.summary.figures import Figures, summarise

SVG: Final = "image/svg+xml"
# Nothing in a picture is fetched or run, wherever it is opened.
_STANDALONE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


async def data(made: Blueprint, request: Call, chart: Any) -> Answer:
    """The answer of `GET /chart/{id}/data`."""
    if SVG not in request.headers.get("accept", ""):
        question = _question(request, chart)
        async with _reading(made) as connection:
            figures = await _answer(made, request, connection, question)
        return reply({"id": chart.id, "data": figures.rows}, headers=_headers(figures))
    figures, figure = await _figure(made, request, chart)
    content = await asyncio.to_thread(_picture, figure)
    headers = _headers(figures) | _STANDALONE
    return Response(content, headers=headers, media_type=f"{SVG}; charset=utf-8")


async def figure_of_chart(made: Blueprint, request: Call, chart: Any) -> Figure:
    """What the picture of a chart shows. Raises ForbiddenError without the right to read it."""
    return (await _figure(made, request, chart))[1]


async def _figure(made: Blueprint, request: Call, chart: Any) -> tuple[Figures, Figure]:
    question = _question(request, chart)
    async with _reading(made) as connection:
        figures = await _answer(made, request, connection, question)
        return figures, await figure_of(made, request, connection, chart, question, figures)


def _question(request: Call, chart: Any) -> Question:
    question = stored(chart.criteria)
    require(principal(request), f"{question.source.resource.name}:read")
    return question


@asynccontextmanager
async def _reading(made: Blueprint) -> AsyncIterator[Connection]:
    # Every statement with a snapshot of its own: an older one loses rows that a month's partition
    # takes over from the default one.
    async with transaction(made.services.pool, readonly=True) as connection:
        yield connection


def _headers(figures: Figures) -> dict[str, str]:
    return {"Vary": "Accept"} | ({"X-Truncated": "1"} if figures.truncated else {})


def _picture(figure: Figure) -> bytes:
    return render(draw(figure)).encode()


async def _answer(
    made: Blueprint, request: Call, connection: Connection, question: Question
) -> Figures:
    """The figures that answer a question, over what the caller sees."""
    resource, _, within = question.source
    return await summarise(
        connection, resource, question.asked, question.frames, made.view(request), within=within
    )
