"""The book as a container: codes and slots, growth, undo, columns, COPY streams."""

import random
import struct
import threading
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.core import Outcome
from farebox.core.voucher import ALL_OK, NEVER_MS, REDEEM, ROLLBACK, VALIDATE, Book
from tests.core.conftest import Adder

NOW = 1_773_133_200_000
LONG = "SUMMER-CAMPAIGN-2026-AMSTERDAM"


@pytest.mark.parametrize("code", ["A", "00000-7KQ3M9TXWA", "00000-7KQ3M9TXWAB", LONG, "~" * 64])
def test_codes_are_compared_whole(book: Book, discount: Adder, code: str) -> None:
    """A code is found under exactly itself, whatever its length."""
    slot = discount(code)
    assert (slot,) == book.find(code)
    assert code == book.code(slot)
    for other in (code + "A", code[:-1], "B" + code[1:], code[:-1] + "!"):
        assert () == book.find(other)
    book.remove(slot)
    assert () == book.find(code)
    book.check()


@pytest.mark.parametrize("code", ["", "A" * 65, "Ä", "A\n", "A\x00", "\x01", "\u20ac"])
def test_codes_that_cannot_be(book: Book, discount: Adder, code: str) -> None:
    """They are not added, and looking them up finds nothing."""
    with pytest.raises(ValueError, match="printable ASCII"):
        discount(code)
    assert () == book.find(code)
    book.check()


@pytest.mark.parametrize("code", ["SUMMER", LONG])
def test_equal_codes_stay_in_order(book: Book, discount: Adder, code: str) -> None:
    """Candidates of one code come in the order they were added, through removals and growth."""
    source = random.Random(7)
    expected = [discount(code) for _ in range(40)]
    for step in range(300):
        if source.random() < 0.5 and len(expected) > 1:
            slot = expected.pop(source.randrange(len(expected)))
            book.remove(slot)
        else:
            expected.append(discount(code))
        discount(f"OTHER-{step}")
        assert expected == list(book.find(code))
    book.check()
    for slot in expected[:-1]:
        book.remove(slot)
    book.check()
    assert tuple(expected[-1:]) == book.find(code)


def test_growth_and_churn() -> None:
    """A book grows from nothing, shrinks and is refilled without losing or inventing anyone."""
    source = random.Random(11)
    book = Book(0, seed=5)
    policy = book.policy(gift=False, value=1, limit=0)
    codes: dict[str, int] = {}
    for number in range(30_000):
        code = f"{source.randrange(10**9):09d}" + ("-LONG-ENOUGH" if number % 50 == 0 else "")
        codes[code] = book.add(code, number, policy)
        if number % 3 == 0:
            book.remove(codes.pop(source.choice(list(codes)[:50])))
    assert len(codes) == len(book)
    book.check()
    assert all((slot,) == book.find(code) for code, slot in codes.items())
    for slot in codes.values():
        book.remove(slot)
    assert len(book) == 0
    book.check()


def test_segments_do_not_move() -> None:
    """Records keep slot and contents while the book grows past several segments."""
    book = Book(1, seed=5)
    policy = book.policy(gift=False, value=1, limit=0)
    first = book.add("FIRST", 1, policy, version=9)
    saved = book.save(first)
    for number in range(150_000):
        book.add(f"N{number}", number, policy)
    assert saved == book.save(first)
    assert (149_999, 150_000) == (book.voucher_id(book.find("N149999")[0]), len(book) - 1)


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**200])
def test_any_seed_finds(seed: int) -> None:
    """Degenerate hash seeds make nothing wrong."""
    book = Book(16, seed=seed)
    policy = book.policy(gift=False, value=1, limit=0)
    slots = {f"{n:016d}": book.add(f"{n:016d}", n, policy) for n in range(2000)}
    book.check()
    assert all((slot,) == book.find(code) for code, slot in slots.items())


def test_undo_is_exact(book: Book, gift: Adder) -> None:
    """A decision is undone bit by bit while its version stands, else left alone."""
    slot = gift()
    saved = book.save(slot)
    got = book.decide(REDEEM, slot, NOW, 1, demand=10)
    assert book.restore(slot, saved, got.version - 1) is False
    assert book.restore(slot, saved, got.version) is True
    assert saved == book.save(slot)


def test_undo_does_not_reach_a_later_tenant(book: Book, gift: Adder) -> None:
    """A slot that was emptied or went to another voucher is not restored into."""
    slot = gift("OLD", voucher_id=1)
    saved = book.save(slot)
    book.remove(slot)
    assert book.restore(slot, saved, 1) is False
    assert slot == gift("NEW", voucher_id=2)
    assert book.restore(slot, saved, 1) is False
    assert 2 == book.voucher_id(slot)


def test_undo_keeps_what_the_index_knows(book: Book, gift: Adder) -> None:
    """A candidate added since the copy was made is still found."""
    slot = gift("SAME")
    saved = book.save(slot)
    other = gift("SAME")
    assert book.restore(slot, saved, 1) is True
    assert (slot, other) == book.find("SAME")
    book.check()


@pytest.mark.parametrize("saved", [b"", b"x" * 79, b"\xff" * 80])
def test_undo_takes_only_saved_bytes(book: Book, gift: Adder, saved: bytes) -> None:
    """Bytes that no save made are refused."""
    with pytest.raises(ValueError, match=r"saved record|record of this book"):
        book.restore(gift(), saved, 1)


# Columns.

Make = Callable[[int], Any]
COLUMNS: dict[str, Make] = {
    "device": lambda n: np.full(n, 5, np.int32),
    "cap": lambda n: np.full(n, -1, np.int64),
    "demand": lambda n: np.full(n, 1, np.int64),
    "lock_ms": lambda n: np.zeros(n, np.int64),
    "flags": lambda n: np.full(n, ALL_OK, np.uint8),
    "outcome": lambda n: np.full(n, 99, np.int8),
    "amount_off": lambda n: np.full(n, 99, np.int64),
    "balance": lambda n: np.full(n, 99, np.int64),
    "hold_until_ms": lambda n: np.full(n, 99, np.int64),
    "changed": lambda n: np.full(n, 99, np.uint8),
}


def columns(n: int, **given: Any) -> dict[str, Any]:
    """Columns of n rows, some of them as given."""
    return {name: given.get(name, make(n)) for name, make in COLUMNS.items()}


# Columns that must be refused before any work.
WRONG: list[tuple[str, Any]] = [
    ("device", np.zeros(3, np.int64)),
    ("device", np.zeros(3, np.float32)),
    ("device", np.zeros(2, np.int32)),
    ("device", np.full(3, 2**22, np.int32)),
    ("device", np.full(3, -1, np.int32)),
    ("device", np.zeros(6, np.int32)[::2]),
    ("device", memoryview(array("i", [0] * 6))[::2]),
    ("cap", np.zeros(3, np.uint64)),
    ("cap", np.zeros(3, ">i8")),
    ("demand", np.zeros(4, np.int64)),
    ("lock_ms", np.full(3, 2**36, np.int64)),
    ("lock_ms", np.full(3, -1, np.int64)),
    ("flags", np.zeros(3, np.int8)),
    ("outcome", np.zeros(3, np.uint8)),
    ("outcome", bytes(3)),
    ("amount_off", memoryview(bytes(24)).cast("q")),
    ("balance", np.frombuffer(bytearray(25), np.uint8)[1:].view(np.int64)),
    ("hold_until_ms", np.zeros(3, np.int32)),
    ("changed", np.zeros(4, np.uint8)),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_wrong_columns(book: Book, gift: Adder, name: str, wrong: Any) -> None:
    """Wrong type, length, contiguity or range: a ValueError, and no row was decided."""
    slot = gift("A")
    rows = columns(3, **{name: wrong})
    # Only a validate reads how long it would hold.
    op = VALIDATE if name == "lock_ms" else REDEEM
    with pytest.raises(ValueError, match=r"."):
        book.batch(op, book.pack(["A"] * 3), NOW, **rows)
    assert 1 == book.version(slot)


@pytest.mark.parametrize("keys", [bytes(47), np.zeros(5, np.uint64), np.zeros(6, np.int64)])
def test_wrong_keys(book: Book, keys: Any) -> None:
    """Keys are whole pairs of 64 bits."""
    with pytest.raises(ValueError, match="keys"):
        book.batch(REDEEM, keys, NOW, **columns(3))


def test_wrong_rollback_column(book: Book) -> None:
    """A rollback without the amount it gives back is refused as a whole."""
    with pytest.raises(ValueError, match="demand"):
        book.batch(ROLLBACK, book.pack(["A"]), NOW, **columns(1, demand=np.array([-1])))


def test_keys_of_either_kind(book: Book, gift: Adder) -> None:
    """Packed bytes and pairs of uint64 are the same keys; no rows are no work."""
    gift("A")
    gift(LONG)
    packed = book.pack(["A", LONG, "MISSING", LONG + "-MISSING"])
    pairs: Any = np.frombuffer(packed, np.uint64).reshape(4, 2)
    for keys in (packed, bytes(packed), pairs):
        rows = columns(4)
        book.batch(VALIDATE, keys, NOW, **rows)
        assert [0, 0, 3, 3] == rows["outcome"].tolist()
        assert [0, 0] == rows["amount_off"].tolist()[2:]
    book.batch(VALIDATE, b"", NOW, **columns(0))


@pytest.mark.parametrize("count", [1, 16])
def test_batch_takes_the_lowest_slot(book: Book, discount: Adder, count: int) -> None:
    """Of several records under a key a batch decides the one of the lowest slot."""
    low = discount("X")
    older = discount("S")
    book.remove(low)
    newer = discount("S")
    assert newer < older
    book.batch(REDEEM, book.pack(["S"] * count), NOW, **columns(count))
    assert (1 + count, 1) == (book.version(newer), book.version(older))
    assert (older, newer) == book.find("S")


CODES = [f"CODE-{n}" for n in range(6)] + [LONG, LONG + "-2"] + [f"MANY-{n}" for n in range(40)]
ROW = st.tuples(
    st.sampled_from([*CODES, "MISSING"]),
    st.integers(0, 3),
    st.sampled_from([-1, 0, 3, 50, 2**31]),
    st.sampled_from([0, 1, 5, 60, 2**40]),
    st.sampled_from([0, 0, 1, 5000]),
    st.sampled_from([ALL_OK, ALL_OK, ALL_OK | 32, 30, 23, 15]),
)
BATCH = st.tuples(
    st.sampled_from([VALIDATE, REDEEM, ROLLBACK]),
    st.sampled_from([0, 1, 999, 1000, 5000, 90_000_000]),
    st.lists(ROW, max_size=120),
)


def twin() -> Book:
    """One of two equal books: gifts and discounts, limited and not, one that resets."""
    book = Book(4, seed=3)
    book.boundaries(0, 1, array("q", [NOW - 5000 + 86_400_000 * day for day in range(30)]))
    for n, code in enumerate(CODES):
        policy = book.policy(
            gift=n % 2 == 0, value=60, limit=0 if n < 3 else 2 + n % 2, frequency=int(4 < n < 9)
        )
        ends = NOW if 4 < n < 9 else NEVER_MS
        book.add(code, n, policy, period_end_ms=ends, active=n != 3)
        if n == 2:
            book.add(code, 100 + n, policy)
    return book


def ask_both(one: Book, many: Book, op: int, now: int, asked: list[Any]) -> None:
    """The calls one by one of one book, as a batch of the other; the answers are the same."""
    rows = columns(len(asked))
    for i, row in enumerate(asked):
        for name, value in zip(list(COLUMNS)[:5], row[1:], strict=True):
            rows[name][i] = value
    many.batch(op, many.pack([row[0] for row in asked]), now, **rows)
    for i, (code, device, cap, demand, lock_ms, flags) in enumerate(asked):
        slots = one.find(code)
        if not slots:
            assert Outcome.VOUCHER_NOT_FOUND == rows["outcome"][i]
            continue
        got = one.decide(op, min(slots), now, device, cap, demand, lock_ms, flags)
        for name in list(COLUMNS)[5:]:
            assert getattr(got, name) == rows[name][i], (i, name)


def check_equal(one: Book, many: Book) -> None:
    """Both books hold the same records."""
    for code in CODES:
        assert [one.save(slot) for slot in one.find(code)] == [
            many.save(slot) for slot in many.find(code)
        ]
    many.check()


@settings(max_examples=150, deadline=None)
@given(batches=st.lists(BATCH, min_size=1, max_size=4))
def test_batch_is_the_fold_of_singles(batches: list[tuple[int, int, list[Any]]]) -> None:
    """P14: a batch answers and leaves behind what the single calls in order do."""
    one, many = twin(), twin()
    now = NOW
    for op, pause, asked in batches:
        now += pause
        ask_both(one, many, op, now, asked)
    check_equal(one, many)


@pytest.mark.parametrize("seed", range(4))
def test_long_batch_is_the_fold_of_singles(seed: int) -> None:
    """P14 for hundreds of rows of which most are accepted, many of them on the same vouchers."""
    one, many, pick = twin(), twin(), random.Random(seed)
    asked = [
        (pick.choice(CODES), 5, pick.choice([-1, 500]), 1, 0, pick.choice([ALL_OK] * 9 + [15]))
        for _ in range(600)
    ]
    ask_both(one, many, REDEEM, NOW, asked)
    check_equal(one, many)


# Records and calls at the edges of each rung; the rest is as a fresh voucher has it.
RECORD_EDGES: list[dict[str, int]] = [
    {},
    *({"count": n, "total": n} for n in (1, 2, 3, 2**32 - 2, 2**32 - 1)),
    *({"total_amount": n} for n in (2**62 - 61, 2**62 - 60, 2**62 - 1)),
    *({"total_amount": 90, "amount": n} for n in (1, 59, 60, 61, 90)),
    *({"expires_before_ms": NOW + n} for n in (-1000, 0, 1000)),
    *({"period_end_ms": NOW + n} for n in (-1000, 0, 1000)),
    *({"hold_device": 5, "hold_until_ms": NOW + n} for n in (-1, 0, 1)),
    *({"hold_device": 6, "hold_until_ms": NOW + n} for n in (-1, 0, 1)),
    *({"version": n} for n in (2**32 - 2, 2**32 - 1, 2**32, 2**48 - 2)),
    {"active": 0},
]
DEMANDS = [-(2**63), -1, 0, 1, 59, 60, 61, 2**63 - 1]
CAPS = [-(2**63), -1, 0, 1, 59, 60, 61, 2**63 - 1]
FLAGS = [ALL_OK, ALL_OK | 32, *(ALL_OK ^ 1 << bit for bit in range(5))]


def counters(book: Book, slot: int) -> tuple[int, ...]:
    """What a redeem changes in a record."""
    record = book.read(slot)
    return record.count, record.amount, record.total, record.total_amount, record.version


@pytest.mark.parametrize("record", RECORD_EDGES, ids=str)
@pytest.mark.parametrize(("gift", "limit"), [(True, 0), (True, 2), (False, 0), (False, 2)])
def test_batch_is_the_single_at_every_edge(record: dict[str, int], gift: bool, limit: int) -> None:
    """Where a rung begins and ends, a batch takes it as the single call does, to the byte.

    A row alone goes another way through a batch than one of sixteen, and stands in both here.
    """
    one, many = Book(4, seed=3), Book(32, seed=3)
    codes = ["A", *(f"OTHER-{n}" for n in range(15))]
    for book in (one, many):
        book.boundaries(0, 1, array("q", [NOW - 5000 + 86_400_000 * day for day in range(9)]))
        frequency = int("period_end_ms" in record)
        policy = book.policy(gift=gift, value=60, limit=limit, frequency=frequency)
        fields: dict[str, Any] = record
        for n, code in enumerate(codes if book is many else codes[:1]):
            book.add(code, 1 + n, policy, **fields)
    fresh = [many.save(slot) for slot in range(len(codes))]
    keys = {count: many.pack(codes[:count]) for count in (1, len(codes))}
    calls = [(c, d, ALL_OK) for c in CAPS for d in DEMANDS] + [(-1, 9, flags) for flags in FLAGS]
    for cap, demand, flags in calls:
        one.restore(0, fresh[0], one.version(0))
        got = one.decide(REDEEM, 0, NOW, 5, cap, demand, flags=flags)
        expected = [getattr(got, name) for name in list(COLUMNS)[5:]]
        for count in keys:
            for slot, saved in enumerate(fresh):
                many.restore(slot, saved, many.version(slot))
            rows = columns(count)
            for name, value in (("cap", cap), ("demand", demand), ("flags", flags)):
                rows[name][:] = value
            many.batch(REDEEM, keys[count], NOW, **rows)
            answers = {tuple(rows[name][i] for name in list(COLUMNS)[5:]) for i in range(count)}
            assert {tuple(expected)} == answers, (cap, demand, flags, count)
            assert {counters(one, 0)} == {counters(many, slot) for slot in range(count)}
            assert one.save(0) == many.save(0), (cap, demand, flags, count)


def test_batch_holds_the_book(book: Book, discount: Adder) -> None:
    """Whoever touches the book of a running batch is told so; nothing is corrupted."""
    slot = discount("A")
    n = 400_000
    keys, rows = book.pack(["A"] * n), columns(n)
    runner = threading.Thread(target=lambda: book.batch(REDEEM, keys, NOW, **rows))
    runner.start()
    refused = 0
    while runner.is_alive():
        try:
            discount("B")
        except RuntimeError:
            refused += 1
    runner.join()
    book.check()
    assert n + 1 == book.version(slot)
    assert refused >= 0


# COPY BINARY.

HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)


def copied(code: bytes, *values: int, count: int = 11) -> bytes:
    """One row; values from `id` on, missing ones as a fresh voucher has them."""
    defaults = (1, 1, NEVER_MS, 0, 0, 0, 0, NEVER_MS, 0, 1)
    row = struct.pack(">hi", count, len(code)) + code
    forms = ("q", "?", "q", "q", "q", "q", "q", "q", "i", "q")
    for form, value in zip(forms, values + defaults[len(values) :], strict=True):
        packed = struct.pack(">" + form, value)
        row += struct.pack(">i", len(packed)) + packed
    return row


@pytest.mark.parametrize("seed", range(20))
def test_feed_in_any_pieces(seed: int) -> None:
    """Wherever the stream breaks, the same records come of it."""
    source = random.Random(seed)
    book = Book(8)
    policy = book.policy(gift=True, value=500, limit=0)
    codes = [f"{n:04d}" + "X" * source.randrange(61) for n in range(60)]
    stream = HEADER + b"".join(
        copied(code.encode(), n, n % 2, 1000 * n, n, 2 * n, n + 1, 3 * n, 2000 * n, n, n + 5)
        for n, code in enumerate(codes)
    )
    stream += TRAILER
    slots: list[int] = []
    while stream:
        size = source.choice([1, 2, 7, 50, 400, 5000])
        slots += book.feed(stream[:size], policy)
        stream = stream[size:]
        assert book.feeding == bool(stream)
    assert slots == [slot for code in codes for slot in book.find(code)]
    book.check()
    for n, slot in enumerate(slots):
        got = book.read(slot)
        assert (n, n % 2 == 1, 1000 * n, n, 2 * n, n + 1, 3 * n, 2000 * n, n, n + 5) == (
            got.voucher_id, got.active, got.expires_before_ms, got.count, got.amount, got.total,
            got.total_amount, got.period_end_ms, got.period_seq, got.version,
        )  # fmt: skip


def test_feed_steps_over_a_header_extension(book: Book) -> None:
    """A header may carry more than this reader knows, as long as it is not critical."""
    policy = book.policy(gift=False, value=1, limit=0)
    header = HEADER[:-4] + struct.pack(">i", 5) + b"extra"
    assert [0] == book.feed(header + copied(b"A") + TRAILER, policy)
    assert [] == book.feed(HEADER + TRAILER, policy)


NULL = struct.pack(">i", -1)
# Streams that must be refused: bytes, what the message names.
MALFORMED = [
    (b"PGCOPX", "row 0: not a COPY"),
    (HEADER[:11] + struct.pack(">ii", 1 << 16, 0), "row 0: not a COPY"),
    (HEADER[:11] + struct.pack(">ii", 0, -1), "row 0: not a COPY"),
    (HEADER + copied(b"A", count=12), "row 1: number of columns"),
    (HEADER + copied(b"A") + copied(b""), "row 2: code_key is malformed"),
    (HEADER + copied(b"A" * 65), "row 1: code_key is malformed"),
    (HEADER + copied("Ä".encode()), "row 1: code .* printable"),
    (HEADER + struct.pack(">h", 11) + NULL, "row 1: code_key is malformed"),
    (HEADER + copied(b"A")[:7] + NULL, "row 1: id is malformed"),
    (HEADER + copied(b"A", 1, 1, NEVER_MS, 2, 0, 1), "row 1: count does not fit"),
    (HEADER + copied(b"A") + copied(b"B", 2**48), "row 2: id does not fit"),
    (HEADER + TRAILER + b"x", "row 1: bytes after"),
]


@pytest.mark.parametrize(("stream", "reason"), MALFORMED)
def test_feed_names_what_is_malformed(book: Book, stream: bytes, reason: str) -> None:
    """Row and column are named, nothing of that row stays, and a new stream may begin."""
    policy = book.policy(gift=False, value=1, limit=0)
    with pytest.raises(ValueError, match=f"^{reason}"):
        book.feed(stream, policy)
    assert len(book) == (1 if reason.startswith("row 2") else 0)
    assert not book.feeding
    book.check()
    assert 1 == len(book.feed(HEADER + copied(b"Z") + TRAILER, policy))


@pytest.mark.parametrize("count", [1_000_000, 10_000_000])
def test_memory_stays_within_the_bound(count: int) -> None:
    """96 bytes a voucher, everything included, for a book that knows its size."""
    assert Book(count).nbytes / count <= 96
