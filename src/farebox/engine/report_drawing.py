"""Has reports drawn off the event loop, by the process that draws long sheets.

So many at a time as there are turns; who comes later waits, and gives up after a while. Nothing
here reads the database.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import structlog

from farebox.domain.errors import UnavailableError
from farebox.engine.chart_figure import Report
from farebox.engine.sheet_cards import Message
from farebox.engine.sheet_drawing import DrawingError, draw_apart

AT_ONCE: Final = 2
_SECONDS_MAX: Final = 60
_log = structlog.get_logger(__name__)


class ReportDrawing:
    """One per service process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def draw(self, report: Report) -> bytes:
        """The PDF. Raises UnavailableError when it could not be drawn in time."""
        try:
            async with asyncio.timeout(_SECONDS_MAX), self._turns:
                return b"".join([chunk async for chunk in draw_apart(_only(report))])
        except (DrawingError, TimeoutError, OSError) as error:
            _log.exception("report_not_drawn", title=report.title)
            raise UnavailableError("The PDF could not be drawn; try again") from error


async def _only(report: Report) -> AsyncIterator[Message]:
    yield report
