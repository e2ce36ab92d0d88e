"""Worked examples of the specifications as data, and the form in which golden tests write them.

A golden row is an `Example`: it names the operation that it shows by the id of the document. The
fixture `golden` of tests/api plays rows in order, checks that the operation really answers there,
that the answer is what the row says and what the OpenAPI document promises, and counts it:

    GOLDEN = (
        Example("VEND-USER-LIST", "GET", "/user", answer=[{"id": 2, "username": "nora"}]),
        Example("VEND-MACHINE-GET", "GET", "/machine/81", status=404),
        Example("VEND-USER-CREATE", "POST", "/user", {"username": "kim"}, 201, by="root"),
    )

    @each(GOLDEN)                                    # each row on the fresh fixture
    async def test_examples(golden: Golden, example: Example) -> None:
        await golden(example)

`await golden(*GOLDEN)` plays several rows one after the other on one database. `answer` names the
members that matter, at any depth; `...` is any value, and a number where an object stands is its
id. A golden test that needs more than rows says `@pytest.mark.operation("VEND-AUTH-LOGIN", ...)`.
At its end a run prints how many documented operations the passed tests have shown.

The tables below are of vending-commerce.md 4.2, 4.3 and 5.4: the oracle, the desk and the HTTP API
must all give these answers. Instants are written as local wall clock with offset or as seconds,
exactly as the tables have them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest


@dataclass(frozen=True)
class Example:
    """One call of a golden table and what it must answer."""

    operation: str
    method: str
    # Below /vending, with its query.
    path: str
    body: Any = None
    status: int = 200
    answer: Any = ...
    # A user of the fixture, "device", or "nobody".
    by: str = "nora"
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation} {self.method} {self.path} {self.status}"


def each(rows: Sequence[Example]) -> pytest.MarkDecorator:
    """Run a test once for each row, as its argument `example`."""
    return pytest.mark.parametrize("example", rows, ids=str)


def difference(expected: Any, actual: Any, place: str = "answer") -> str:
    """Where an answer is not what a row says; "" where it is. Further members are free."""
    if expected is ...:
        return ""
    if isinstance(actual, dict) and type(expected) is int:
        return difference(expected, actual.get("id"), f"{place}.id")
    if isinstance(expected, dict) and isinstance(actual, dict):
        absent = [name for name in expected if name not in actual]
        inner = [f"{place} has no {name}" for name in absent] or [
            difference(value, actual[name], f"{place}.{name}") for name, value in expected.items()
        ]
        return next(filter(None, inner), "")
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        inner = [
            difference(value, actual[at], f"{place}[{at}]") for at, value in enumerate(expected)
        ]
        return next(filter(None, inner), "")
    if expected == actual and type(expected) is type(actual):
        return ""
    return f"{place} is {actual!r}, not {expected!r}"


# zone, frequency, an instant inside, the start of its period and of the next (4.2). Written
# before Cuba stayed on summer time in 2026, so Havana's repeated midnight is taken from 2025.
BOUNDARIES = (
    ("Europe/Amsterdam", "day", "2026-03-29 12:00", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
    ("Europe/Amsterdam", "day", "2026-10-25 12:00", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
    ("Europe/Amsterdam", "week", "2026-10-25 12:00", "2026-10-18T22:00Z", "2026-10-25T23:00Z"),
    ("Europe/Amsterdam", "week", "2027-01-01 12:00", "2026-12-27T23:00Z", "2027-01-03T23:00Z"),
    ("Europe/Amsterdam", "month", "2026-10-25 12:00", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),
    ("Africa/Cairo", "day", "2026-04-24 12:00", "2026-04-23T22:00Z", "2026-04-24T21:00Z"),
    ("Asia/Beirut", "day", "2026-03-29 12:00", "2026-03-28T22:00Z", "2026-03-29T21:00Z"),
    ("America/Havana", "day", "2025-11-02 12:00", "2025-11-02T04:00Z", "2025-11-03T05:00Z"),
    ("Pacific/Apia", "day", "2011-12-31 12:00", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
    ("Australia/Lord_Howe", "month", "2026-10-15 12:00", "2026-09-30T13:30Z", "2026-10-31T13:00Z"),
    ("Asia/Kathmandu", "day", "2026-06-15 12:00", "2026-06-14T18:15Z", "2026-06-15T18:15Z"),
)

# expiresOn, zone, expiresBefore (4.3).
EXPIRIES = (
    ("2026-03-29", "Europe/Amsterdam", 1774821600000),
    ("2026-12-31", "Europe/Amsterdam", 1798758000000),
    ("2026-12-31 18:00:00", "Europe/Amsterdam", 1798736401000),
    ("2026-10-25T02:30:00", "Europe/Amsterdam", 1792891801000),
    ("2026-03-29T02:30:00", "Europe/Amsterdam", 1774747801000),
    ("2026-12-31T23:59:59Z", "Asia/Kathmandu", 1798761600000),
    ("2026-04-23", "Africa/Cairo", 1776981600000),
)


def ms(text: str) -> int:
    """The instant of an ISO text with offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@dataclass(frozen=True)
class Step:
    """One row: a call at an instant, members of its answer, members of the voucher then."""

    at: int
    call: str
    order: str = ""
    device: str = "gw-0080"
    amount: int = 0
    demand: int | None = None
    lock_s: int = 0
    answer: tuple[tuple[str, Any], ...] = ()
    row: tuple[tuple[str, Any], ...] = ()
    replayed: bool = False


def _counts(count: int, total: int, amount: int, total_amount: int) -> tuple[tuple[str, Any], ...]:
    return (
        ("redemptionCount", count),
        ("totalRedemptionCount", total),
        ("amountRedeemed", amount),
        ("totalAmountRedeemed", total_amount),
    )


def _s1(
    at: str, order: str, amount: int, off: int, counts: tuple[int, int, int, int], reset: str = ""
) -> Step:
    row = _counts(*counts) + ((("lastResetAt", ms(reset)),) if reset else ())
    reason = "" if off else "redemption_limit_reached"
    answer = (("redeemed", off > 0), ("amountOff", off), ("reason", reason), ("voucherValue", 100))
    return Step(ms(at), "redeem", order, amount=amount, answer=answer, row=row)


# Discount 100, limit 2, day, Europe/Amsterdam, device gw-0080.
S1_CREATED = ms("2026-03-28T09:00+01:00")
S1 = (
    _s1("2026-03-28T22:30+01:00", "o1", 250, 100, (1, 1, 100, 100)),
    _s1("2026-03-28T23:00+01:00", "o2", 80, 80, (2, 2, 180, 180)),
    _s1("2026-03-28T23:59:59+01:00", "o3", 250, 0, (2, 2, 180, 180)),
    _s1("2026-03-29T00:00+01:00", "o4", 250, 100, (1, 3, 100, 280), "2026-03-28T23:00Z"),
    _s1("2026-03-29T23:59:59+02:00", "o5", 0, 100, (2, 4, 200, 380)),
    _s1("2026-03-29T23:59:59+02:00", "o6", 250, 0, (2, 4, 200, 380)),
    _s1("2026-03-30T00:00+02:00", "o7", 30, 30, (1, 5, 30, 410), "2026-03-29T22:00Z"),
)


def _gift(at: str, order: str, demand: int, value: int, row: tuple[int, ...]) -> Step:
    """A redeem that is accepted: the balance after it, count/total and the total amount."""
    answer = (("redeemed", True), ("amountOff", demand), ("reason", ""), ("voucherValue", value))
    return Step(ms(at), "redeem", order, demand=demand, answer=answer, row=_gift_row(*row))


def _gift_row(balance: int, count: int, total: int, total_amount: int) -> tuple[Any, ...]:
    return (
        ("balance", balance),
        ("redemptionCount", count),
        ("totalRedemptionCount", total),
        ("totalAmountRedeemed", total_amount),
    )


def _refused(
    at: str, order: str, demand: int, reason: str, value: int, row: tuple[int, ...]
) -> Step:
    answer = (
        ("redeemed", False), ("amountOff", 0), ("reason", reason), ("voucherValue", value),
    )  # fmt: skip
    return Step(ms(at), "redeem", order, demand=demand, answer=answer, row=_gift_row(*row))


def _back(at: str, order: str, off: int, value: int, row: tuple[int, ...], **rest: Any) -> Step:
    reason = "" if off else "not_redeemed"
    answer = (
        ("rolledBack", off > 0), ("amountReturned", off), ("reason", reason),
        ("voucherValue", value),
    )  # fmt: skip
    return Step(ms(at), "rollback", order, answer=answer, row=_gift_row(*row), **rest)


# Gift 1000, unlimited, week, Europe/Amsterdam, device gw-0080.
S2_CREATED = ms("2026-10-19T00:00+02:00")
S2 = (
    _gift("2026-10-19T10:00+02:00", "a", 350, 650, (650, 1, 1, 350)),
    _refused("2026-10-20T10:00+02:00", "b", 700, "insufficient_balance", 650, (650, 1, 1, 350)),
    _gift("2026-10-20T10:01+02:00", "c", 650, 0, (0, 2, 2, 1000)),
    _refused("2026-10-25T23:59:59+01:00", "e", 1, "balance_empty", 0, (0, 2, 2, 1000)),
    _gift("2026-10-26T00:00+01:00", "f", 1000, 0, (0, 1, 3, 2000)),
    # The device may give back within 24 hours only; this one is a week old, so a user does it.
    _back("2026-10-26T08:00+01:00", "c", 650, 0, (0, 1, 2, 1350), device="user gw-0080"),
    _back("2026-10-26T08:01+01:00", "f", 1000, 1000, (1000, 0, 1, 350)),
    _back("2026-10-26T08:02+01:00", "f", 1000, 1000, (1000, 0, 1, 350), replayed=True),
    _refused("2026-10-26T08:03+01:00", "f", 1000, "order_rolled_back", 1000, (1000, 0, 1, 350)),
    _back("2026-10-26T08:04+01:00", "z", 0, 1000, (1000, 0, 1, 350)),
    _refused("2026-10-26T08:05+01:00", "z", 100, "order_rolled_back", 1000, (1000, 0, 1, 350)),
)

# Gift 500, two devices of a user token that no machine answers to. Seconds from the start.
S3_START = ms("2026-03-10T09:00Z")


def _s3(t: int, device: str, call: str, valid: bool, off: int, **rest: Any) -> Step:
    said = "valid" if call == "validate" else "redeemed"
    reason = rest.pop("reason", "" if valid else "voucher_locked")
    answer: tuple[tuple[str, Any], ...] = (
        (said, valid), ("amountOff", off), ("reason", reason),
    )  # fmt: skip
    if value := rest.pop("value", None):
        answer += (("voucherValue", value),)
    till = rest.pop("till", None)
    lock = None if till is None else S3_START + till * 1000
    row = (("lockedTill", lock), ("lockOwner", rest.pop("owner", device) if lock else None))
    return Step(S3_START + t * 1000, call, device=device, answer=answer, row=row, **rest)


S3 = (
    _s3(0, "A", "validate", True, 500, lock_s=60, till=60),
    _s3(10, "B", "validate", False, 0, till=60, owner="A"),
    _s3(20, "B", "redeem", False, 0, till=60, owner="A", order="8", demand=100),
    _s3(30, "A", "validate", True, 500, lock_s=60, till=90),
    _s3(70, "B", "validate", False, 0, till=90, owner="A"),
    _s3(80, "A", "redeem", True, 120, order="9", demand=120, value=380),
    _s3(81, "B", "validate", True, 380, lock_s=30, till=111),
    _s3(85, "A", "redeem", True, 120, order="9", demand=120, value=380, till=111, owner="B",
        replayed=True),
    _s3(86, "A", "redeem", False, 0, order="9", demand=130, reason="order_id_reused", till=111,
        owner="B"),
    _s3(111, "A", "validate", True, 380),
)  # fmt: skip
