"""Rows of quotas from PostgreSQL to the kernel, without an object per row (isp.md 4.11).

A COPY in binary form brings rows of one length. They are taken apart into columns by strides, a
block at a time, so that memory does not grow with the rows; what a row has of its policy and zone
follows from one number. Nothing is decided here, and nothing is written.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import compress
from operator import or_
from typing import Any, Final

import msgspec

from farebox.core import quota
from farebox.domain.quotas import Policy, window
from farebox.domain.windows import zone_names
from farebox.engine.quota_columns import Answers, Terms, evaluate, spread, terms_of

ZONES: Final = sorted(zone_names())
ZONE_PLACES: Final = 1024
# Of the COPY: what stands before the rows, then in each row the number of its fields, a small one
# and eight-byte ones, each after its length.
HEADER: Final = 19
FIELDS: Final = (
    "id", "plan", "topup", "carried", "up", "down", "period_start", "period_end", "applied",
    "bill_start", "bill_end", "expires",
)  # fmt: skip
ROW: Final = 2 + (4 + 2) + (4 + 8) * len(FIELDS)
BLOCK_ROWS: Final = 16_384
_SETTLED: Final = 1
_STANDING: Final = quota.ACTIVE | quota.ONLINE | quota.BILLING


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Settled rows and the kernel's answers to them; the ids of the other rows."""

    ids: Any
    columns: dict[str, Any]
    answers: Answers
    others: list[int]


class Rows:
    """Takes the bytes of a COPY and gives blocks."""

    def __init__(
        self, now_ms: int, policies: Sequence[Policy], thresholds: Sequence[int], *,
        block_rows: int = BLOCK_ROWS,
    ) -> None:  # fmt: skip
        self._now_ms = now_ms
        self._policies = policies
        self._thresholds = thresholds
        self._bytes = block_rows * ROW
        self._plans: dict[int, Terms] = {}
        self._offsets, self._boundaries = array("q", [0]), array("q")
        self._waiting = bytearray()
        self._has_begun = False

    def feed(self, chunk: bytes) -> Iterator[Block]:
        """The next bytes; the blocks that are whole with them."""
        self._waiting += chunk
        if not self._has_begun and len(self._waiting) >= HEADER:
            del self._waiting[:HEADER]
            self._has_begun = True
        while len(self._waiting) >= self._bytes:
            yield self._block(bytes(self._waiting[: self._bytes]))
            del self._waiting[: self._bytes]

    def rest(self) -> Iterator[Block]:
        """What has not filled a block, after the last bytes."""
        rows = len(self._waiting) // ROW
        if rows:
            yield self._block(bytes(self._waiting[: rows * ROW]))

    def _block(self, whole: bytes) -> Block:
        marks = whole[7::ROW]
        words = array("i")
        words.frombytes(whole)
        columns = {
            name: _column(words, 3 + 3 * place, len(marks)) for place, name in enumerate(FIELDS)
        }
        others: list[int] = []
        if any(not mark & _SETTLED for mark in set(marks)):
            settled = [mark & _SETTLED for mark in marks]
            others = list(compress(columns["id"], (not one for one in settled)))
            columns = {name: array("q", compress(one, settled)) for name, one in columns.items()}
            marks = bytes(compress(marks, settled))
        ids = columns.pop("id")
        given = {**self._terms(columns.pop("plan"), marks), **columns}
        given["applied"] = array("i", given["applied"])
        calendars = quota.Calendars(self._offsets, self._boundaries)
        answers = evaluate(self._now_ms, calendars, given, thresholds=self._thresholds)
        return Block(ids=ids, columns=given, answers=answers, others=others)

    def _terms(self, plans: "array[int]", marks: bytes) -> dict[str, Any]:
        """The columns that follow from policies and zones."""
        for number in set(plans):
            if number not in self._plans:
                self._plans[number] = self._plan(number)
        standing = marks.translate(bytes(mark & _STANDING for mark in range(256)))
        columns = spread({number: self._plans[number] for number in set(plans)}, plans)
        columns["flags"] = array("B", map(or_, standing, columns.pop("marks")))
        return columns

    def _plan(self, number: int) -> Terms:
        """A policy in a zone; its windows around the instant become a table of the kernel's."""
        at, zone = divmod(number, ZONE_PLACES)
        policy, cal = self._policies[at - 1], -1
        if policy.rhythm[0] in ("daily", "weekly", "monthly"):
            span = window(policy, ZONES[zone - 1], self._now_ms)
            cal = len(self._offsets) - 1
            self._boundaries.extend((span.before_ms, span.start_ms, span.end_ms))
            self._offsets.append(len(self._boundaries))
        return terms_of(policy, cal)


def _column(words: "array[int]", first: int, rows: int) -> "array[int]":
    """Every row's eight bytes at a place, as numbers."""
    halves = array("i", bytes(8 * rows))
    halves[0::2] = words[first :: ROW // 4]
    halves[1::2] = words[first + 1 :: ROW // 4]
    numbers = array("q")
    numbers.frombytes(memoryview(halves).cast("B"))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
