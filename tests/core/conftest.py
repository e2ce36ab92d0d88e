"""A book and the two kinds of voucher that most tests need."""

from collections.abc import Callable

import pytest

from farebox.core.voucher import Book

Adder = Callable[..., int]


@pytest.fixture
def book() -> Book:
    """An empty book with a fixed seed."""
    return Book(64, seed=1)


@pytest.fixture
def discount(book: Book) -> Adder:
    """Adds a discount of 100 under a code; limit and record fields by name."""

    def add(code: str = "D", *, value: int = 100, limit: int = 0, **fields: int | bool) -> int:
        return _add(book, code, False, value, limit, **fields)

    return add


@pytest.fixture
def gift(book: Book) -> Adder:
    """Adds a gift of 1000 under a code; limit and record fields by name."""

    def add(code: str = "G", *, value: int = 1000, limit: int = 0, **fields: int | bool) -> int:
        return _add(book, code, True, value, limit, **fields)

    return add


def _add(book: Book, code: str, is_gift: bool, value: int, limit: int, **fields: int | bool) -> int:
    zone, frequency = int(fields.pop("zone", 0)), int(fields.pop("frequency", 0))
    policy = book.policy(gift=is_gift, value=value, limit=limit, zone=zone, frequency=frequency)
    voucher_id = int(fields.pop("voucher_id", 7))
    return book.add(code, voucher_id, policy, **fields)  # type: ignore[arg-type]
