"""QR symbols of level Q for voucher codes, in about a millisecond each.

Encoding and error correction are reportlab's. It spends four fifths of its time on scoring eight
masks module by module; here a symbol is one integer, a bit per module, and a rule of the score is a
few shifts. The mask is still the one with the lowest penalty.
"""

import re
from functools import lru_cache
from itertools import product

import msgspec
from reportlab.graphics.barcode.qrencoder import (
    QR8bitByte,
    QRAlphaNum,
    QRCode,
    QRErrorCorrectLevel,
    QRNumber,
)

QUIET_MODULES = 4
_LEVEL = QRErrorCorrectLevel.Q
_MASKS = 8
_FINDERS = tuple(
    tuple(char == "1" for char in pattern) for pattern in ("10111010000", "00001011101")
)


class Symbol(msgspec.Struct, frozen=True):
    """A QR symbol without its quiet zone: bit `row * side + column`, rows from the top."""

    side: int
    board: int

    def path(self) -> str:
        """All dark modules as one PDF path of unit squares, so that no seam shows between them."""
        rects = []
        for row in range(self.side):
            bits = self.board >> (row * self.side) & ((1 << self.side) - 1)
            line = f"{bits:0{self.side}b}"[::-1]
            for run in re.finditer("1+", line):
                width = run.end() - run.start()
                rects.append(f"{run.start()} {self.side - 1 - row} {width} 1 re")
        return "\n".join([*rects, "f"])


class _Frame(msgspec.Struct, frozen=True):
    """What all symbols of one version share."""

    side: int
    # Where the bits of the data go, in order.
    places: tuple[int, ...]
    # The symbol of no data under each mask: everything but the data.
    empty: tuple[int, ...]


def symbol(code: str) -> Symbol:
    """The smallest symbol of level Q that holds exactly this code."""
    encoder = QRCode(None, _LEVEL)
    # Digits pack tightest, then the alphanumeric mode, then bytes; each refuses what it lacks.
    for mode in (QRNumber, QRAlphaNum, QR8bitByte):
        try:
            encoder.addData(mode(code))
            break
        except ValueError:
            continue
    version = encoder.calculate_version()
    frame = _frame(version)
    words = QRCode.createData(version, _LEVEL, encoder.dataList)
    bits = "".join(f"{word:08b}" for word in words)
    data = 0
    for place, bit in zip(frame.places, bits, strict=False):
        if bit == "1":
            data |= 1 << place
    boards = [empty ^ data for empty in frame.empty]
    return Symbol(frame.side, min(boards, key=lambda board: _penalty(board, frame.side)))


@lru_cache(maxsize=16)
def _frame(version: int) -> _Frame:
    """Draw the symbol of no data once under every mask."""
    empty = []
    encoder = QRCode(version, _LEVEL)
    for mask in range(_MASKS):
        encoder.dataCache = [0]
        encoder.makeImpl(False, mask)
        dark = (bit for row in encoder.modules for bit in row)
        empty.append(sum(1 << place for place, bit in enumerate(dark) if bit))
    side: int = encoder.moduleCount
    places = tuple(row * side + column for column, row in encoder.dataPosIterator())
    return _Frame(side, places, tuple(empty))


def _penalty(board: int, side: int) -> int:
    """The four rules of the standard; the lower, the easier to scan."""
    blank = board ^ _window(side, 1, 1)
    score = 0
    for colour in (board, blank):
        for step, starts in ((1, _window(side, 5, 1)), (side, _window(side, 1, 5))):
            # A run of five or more modules: 3 for the first five and 1 for each further one.
            windows = starts
            for distance in range(5):
                windows &= colour >> (distance * step)
            runs = windows & ~(windows << step)
            score += windows.bit_count() + 2 * runs.bit_count()
        blocks = colour & colour >> 1 & colour >> side & colour >> (side + 1)
        score += 3 * (blocks & _window(side, 2, 2)).bit_count()
    for finder in _FINDERS:
        for step, starts in ((1, _window(side, 11, 1)), (side, _window(side, 1, 11))):
            found = starts
            for distance, dark in enumerate(finder):
                found &= (board if dark else blank) >> (distance * step)
            score += 40 * found.bit_count()
    off_half = abs(20 * board.bit_count() - 10 * side * side)
    return score + 10 * (off_half // (side * side))


@lru_cache(maxsize=64)
def _window(side: int, width: int, height: int) -> int:
    """The modules from which a rectangle of this size stays inside the symbol."""
    places = product(range(side - height + 1), range(side - width + 1))
    return sum(1 << (row * side + column) for row, column in places)
