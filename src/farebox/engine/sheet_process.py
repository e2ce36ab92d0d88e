"""Draws a sheet or a report in a process of its own: messages on standard input, the PDF on output.

A long sheet is seconds of pure computing; beside the service, at a lower priority, it delays no
redemption, and whatever a stored image does to the decoder happens here. Standard input ends early
when the service dies; then this process ends with an error and its output is thrown away.
"""

import os
import sys
from collections.abc import Callable, Iterable

from farebox.engine.chart_figure import Report
from farebox.engine.report_pages import ReportPages
from farebox.engine.sheet_cards import Card, Heading, Logo, Message, messages
from farebox.engine.sheet_pages import Pages

_NICENESS = 10


def draw_sheet(content: Iterable[Message], write: Callable[[bytes], object]) -> None:
    """Draw a whole sheet from its messages, the heading first; a report is one message."""
    pages: Pages | ReportPages | None = None
    for message in content:
        match message:
            case Heading():
                pages = Pages(message.kind, message.title, write)
            case Report() if pages is None:
                pages = ReportPages(message, write)
            case Logo() if isinstance(pages, Pages):
                pages.add_logo(message.image, message.data_uri)
            case Card() if isinstance(pages, Pages):
                pages.add(message)
            case _:
                raise ValueError("a sheet begins with its heading, a report stands alone")
    if pages is None:
        raise ValueError("a sheet without a heading")
    pages.close()


def main() -> None:
    """Draw what standard input tells."""
    os.nice(_NICENESS)
    output = sys.stdout.buffer
    draw_sheet(messages(sys.stdin.buffer), output.write)
    output.flush()


if __name__ == "__main__":
    main()
