"""What a voucher sheet is told: its heading, the logos, and the cards in order; or a whole report.

These are the messages between the process that reads the database and the one that draws. It knows
neither, so that a service which never prints does not load the drawing.
"""

from collections.abc import Iterator
from typing import BinaryIO, Literal

import msgspec

from farebox.engine.chart_figure import Report

_LENGTH_BYTES = 4


class Heading(msgspec.Struct, frozen=True, tag=True):
    """The first message: one voucher's page or a campaign's cards, and the document's title."""

    kind: Literal["single", "batch"]
    title: str


class Logo(msgspec.Struct, frozen=True, tag=True):
    """A stored image, sent once before the first card that shows it."""

    image: int
    data_uri: str


class Card(msgspec.Struct, frozen=True, tag=True):
    """What one voucher shows: its effective texts, style (JSON text) and logo (an image's id)."""

    code: str
    texts: tuple[str | None, str | None, str | None, str | None] = (None, None, None, None)
    style: str | None = None
    logo: int | None = None
    expires_on: str | None = None


Message = Heading | Logo | Card | Report

_decoder = msgspec.msgpack.Decoder(Message)


def frame(message: Message) -> bytes:
    """A message with its length in front, as it goes through a pipe."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def messages(source: BinaryIO) -> Iterator[Message]:
    """The messages of a pipe up to its end; EOFError when it ends inside one."""
    while head := source.read(_LENGTH_BYTES):
        size = int.from_bytes(head, "big")
        body = source.read(size)
        if len(head) < _LENGTH_BYTES or len(body) < size:
            raise EOFError("the sheet's messages end in the middle of one")
        yield _decoder.decode(body)
