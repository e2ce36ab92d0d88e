"""What devices report: sales, logs and events as they were told, and what follows from them.

A record has one canonical form, so that the same report is recognised however it was spelled
(vending-platform.md 4.8). The rules here look at records alone: no row, no clock.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from farebox.domain import instants
from farebox.domain.windows import zone

PAYMENT_METHODS: Final = ("cash", "card", "code", "virtual", "token")
# How far ahead of ours a device's clock may be.
AHEAD_MS_MAX: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION_S_MAX: Final = 2**31 - 1


class Record(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What all records have: a number that is unique in the machine, and a time.

    A time without offset is a wall clock at the machine's place: `at_ms` then counts as if that
    clock were UTC.
    """

    remote: int
    at_ms: int
    is_local: bool = False


class Payment(msgspec.Struct, frozen=True, array_like=True):
    """One payment of a sale; an excluded one is left out of every report."""

    method: str
    price: int
    exclude: bool = False


class Sale(Record, frozen=True, array_like=True, kw_only=True):
    """A revenue transaction. A negative price is a refund, an original price of 0 unknown."""

    price: int
    plu: int | None = None
    name: str | None = None
    internal_ref: str | None = None
    original_price: int = 0
    barcode: str | None = None
    token: str | None = None
    salestype: int = 0
    pricelist: int = 0
    usergroup: int = 0
    payments: tuple[Payment, ...] = ()

    @property
    def is_excluded(self) -> bool:
        """Whether it has payments, all of them left out of reports."""
        return bool(self.payments) and all(payment.exclude for payment in self.payments)


class Log(Record, frozen=True, array_like=True, kw_only=True):
    """Something noticed; a resolvable one stays open until a later record clears its code."""

    code: str
    type: int = 1
    is_resolvable: bool = False
    state: str | None = None
    extra_data: str | None = None


class Event(Record, frozen=True, array_like=True, kw_only=True):
    """A named value; the value is JSON text with sorted keys."""

    name: str
    value: str


_encode = msgspec.json.Encoder().encode


def fingerprint(record: Record) -> int:
    """The hash of the canonical form, as a signed 64-bit number."""
    return hash_of(_encode(record))


def hash_of(canonical: bytes) -> int:
    """A signed 64-bit hash that is the same in every process and release."""
    return int.from_bytes(hashlib.blake2b(canonical, digest_size=8).digest(), signed=True)


def instant_ms(record: Record, zone_name: str) -> int:
    """When it happened, for a machine in this zone; of a repeated hour the later one."""
    if not record.is_local:
        return record.at_ms
    wall = (_EPOCH + timedelta(milliseconds=record.at_ms)).replace(tzinfo=None)
    return instants.later_ms(wall, zone(zone_name))


def payment_type(method: str, types: Mapping[str, str]) -> str:
    """The type under which a transaction profile reports a method; by default its own name."""
    return types.get(method, method)


def report_group(token: str | None, rule: str | None) -> str | None:
    """What a transaction profile groups payments by: a part of the machine's payment token."""
    bare = (token or "").lstrip("^")
    if rule is None or not bare:
        return None
    return bare[0] if rule == "first_letter" else bare.partition(":")[0] or None


class Entry(msgspec.Struct, frozen=True):
    """A stored log as resolving sees it: one that may be open, or one that clears."""

    id: int
    at_ms: int
    remote: int
    is_clearing: bool
    resolved_at_ms: int | None = None


def resolutions(entries: Iterable[Entry]) -> dict[int, int | None]:
    """When each log of one machine and code was resolved, where that differs from what is stored.

    A clearing record resolves the newest log that is open at its time. Reports come in any order,
    so this is worked out from their own times, and from their numbers where times are equal.
    """
    open_ones: list[Entry] = []
    resolved: dict[int, int | None] = {}
    stored: dict[int, int | None] = {}
    for entry in sorted(entries, key=lambda entry: (entry.at_ms, entry.remote)):
        if not entry.is_clearing:
            open_ones.append(entry)
            stored[entry.id], resolved[entry.id] = entry.resolved_at_ms, None
        elif open_ones:
            resolved[open_ones.pop().id] = entry.at_ms
    return {key: at_ms for key, at_ms in resolved.items() if at_ms != stored[key]}


def duration_s(from_ms: int, to_ms: int) -> int:
    """Whole seconds between two instants."""
    return min((to_ms - from_ms) // 1000, _DURATION_S_MAX)
