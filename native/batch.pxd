"""Many calls over columns: the fold of single decisions in order (vending-commerce.md 4.18, P14).

A look-up costs two cache misses, and a miss in flight costs almost nothing, so the loop keeps many
in flight: it works in blocks of rows, and asks for the buckets of the block after the next and for
the records of the next one before it decides a block. Short loops keep more misses in flight than
one long one, whose instructions fill the processor's window; so even comparing the keys of a block
is a loop of its own, before the one that decides. Nothing is added or removed while a batch runs,
so the slot guessed from a tag stays right or is seen to be wrong.

Redeems are decided eight at a time where the processor can (redeem_lanes.h); that compares keys as
well, and leaves single rows to the rule in words.
"""

from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t

from index cimport hash_home, index_candidate, index_lowest, key_hash
from ordinary cimport redeem_ordinary, taken_t
from outcome cimport ACCEPTED, VOUCHER_NOT_FOUND
from voucher cimport (
    DEVICE_BITS,
    REDEEM,
    ROLLBACK,
    SHARED,
    VALIDATE,
    answer_t,
    book_t,
    call_t,
    columns_t,
    decide,
    least,
    policy_t,
    record_at,
    record_t,
)


cdef extern from "machine.h" nogil:
    void prefetch(const void* line)
    uint64_t load_u64(const void* at)
    bint is_rare(bint condition)
    int lowest_bit(uint64_t bits)

cdef extern from "redeem_lanes.h" nogil:
    bint eight_at_once()
    uint32_t redeem_eight(
        const policy_t* policies, record_t** records, const columns_t* rows, int64_t first,
        uint64_t now_ms, uint64_t now_s,
    )


cdef enum:
    # A multiple of eight.
    BLOCK = 16
    # Blocks from asking for a record to deciding on it, and as many before that for its bucket.
    LEAD = 2
    # A power of two that holds the rows between two steps, (LEAD + 1) * BLOCK.
    RING = 64

cdef enum:
    # Longest hold, so that its end fits 42 bits whatever the time: 2**36 ms, two years.
    LOCK_BITS = 36


cdef inline bint columns_fit(const columns_t* rows, int op) noexcept nogil:
    """Devices and a validate's holds fit a record, and a rollback names what it gives back."""
    cdef uint32_t devices = 0
    cdef uint64_t locks = 0
    cdef uint64_t demands = 0
    cdef int64_t i
    for i in range(rows.count):
        devices |= <uint32_t>rows.device[i]
    # A column that is not read is not fetched: only a validate holds.
    if op == VALIDATE:
        for i in range(rows.count):
            locks |= <uint64_t>rows.lock_ms[i]
    if op == ROLLBACK:
        for i in range(rows.count):
            demands |= <uint64_t>rows.demand[i]
    return devices >> DEVICE_BITS == 0 and locks >> LOCK_BITS == 0 and demands >> 63 == 0


cdef inline void seek_buckets(
    const book_t* book, const columns_t* rows, int64_t first, int64_t end, uint64_t* hashes
) noexcept nogil:
    """Asks for the index buckets of these rows."""
    cdef int64_t i
    for i in range(first, end):
        hashes[i & (RING - 1)] = key_hash(
            book, load_u64(rows.key + 16 * i), load_u64(rows.key + 16 * i + 8)
        )
        prefetch(&book.buckets[hash_home(book, hashes[i & (RING - 1)])])


cdef inline void seek_records(
    const book_t* book, int64_t first, int64_t end, const uint64_t* hashes, int64_t* slots,
    record_t** records,
) noexcept nogil:
    """Asks for the records that these rows' tags point to; NULL where no tag does."""
    cdef int64_t i, slot
    for i in range(first, end):
        slot = index_candidate(book, hashes[i & (RING - 1)])
        slots[i & (RING - 1)] = slot
        records[i & (RING - 1)] = NULL
        if slot >= 0:
            records[i & (RING - 1)] = record_at(book, slot)
            prefetch(records[i & (RING - 1)])


cdef inline void settle_rows(
    const book_t* book, const columns_t* rows, int64_t first, int64_t end, int64_t* slots,
    record_t** records,
) noexcept nogil:
    """Makes sure of the records of these rows; usually they are those of the tags."""
    cdef const record_t* record
    cdef uint64_t low, high
    cdef int64_t i, slot
    for i in range(first, end):
        record = records[i & (RING - 1)]
        if record == NULL:
            continue
        low = load_u64(rows.key + 16 * i)
        high = load_u64(rows.key + 16 * i + 8)
        if is_rare(
            record.key[0] != low or record.key[1] != high or (record.policy_flags & SHARED) != 0
        ):
            # An equal tag of another key, or a code with several records.
            slot = index_lowest(book, low, high)
            slots[i & (RING - 1)] = slot
            records[i & (RING - 1)] = record_at(book, slot) if slot >= 0 else NULL


cdef inline void decide_row(
    const book_t* book, const columns_t* rows, int64_t i, int64_t slot, record_t* record,
    call_t* call, int op,
) noexcept nogil:
    """Decides and applies one row by the ladder."""
    cdef answer_t answer
    if is_rare(record == NULL):
        rows.outcome[i] = VOUCHER_NOT_FOUND
        rows.amount_off[i] = 0
        rows.balance[i] = 0
        rows.hold_until_ms[i] = 0
        rows.changed[i] = 0
        return
    call.device = <uint32_t>rows.device[i]
    call.cap = rows.cap[i]
    call.demand = rows.demand[i]
    call.lock_ms = rows.lock_ms[i]
    call.flags = rows.flags[i]
    decide(book, slot, record, call, op, &answer)
    rows.outcome[i] = <int8_t>answer.outcome
    rows.amount_off[i] = answer.amount_off
    rows.balance[i] = answer.balance
    rows.hold_until_ms[i] = answer.hold_until_ms
    rows.changed[i] = answer.changed


cdef inline void decide_rows(
    const book_t* book, const columns_t* rows, int64_t first, int64_t end, const int64_t* slots,
    record_t** records, call_t* call, int op,
) noexcept nogil:
    """Decides and applies these rows in order."""
    cdef taken_t taken
    cdef record_t* record
    cdef int64_t i
    for i in range(first, end):
        record = records[i & (RING - 1)]
        if op == REDEEM and record != NULL and redeem_ordinary(
            book, record, <uint64_t>call.now_ms, call.now_s, <uint32_t>rows.device[i], rows.cap[i],
            rows.demand[i], rows.flags[i], &taken,
        ):
            rows.outcome[i] = ACCEPTED
            rows.amount_off[i] = taken.amount_off
            rows.balance[i] = taken.balance
            rows.hold_until_ms[i] = 0
            rows.changed[i] = 1
        else:
            decide_row(book, rows, i, slots[i & (RING - 1)], record, call, op)


cdef inline void redeem_block(
    const book_t* book, const columns_t* rows, int64_t first, int64_t* slots, record_t** records,
    call_t* call,
) noexcept nogil:
    """Redeems a whole block, eight rows at a time; what is special among them follows in order."""
    cdef int64_t eight, i
    cdef uint64_t rest
    for eight in range(first, first + BLOCK, 8):
        rest = 0xFF ^ redeem_eight(
            book.policies, &records[eight & (RING - 1)], rows, eight, <uint64_t>call.now_ms,
            call.now_s,
        )
        while is_rare(rest != 0):
            i = eight + lowest_bit(rest)
            settle_rows(book, rows, i, i + 1, slots, records)
            decide_rows(book, rows, i, i + 1, slots, records, call, REDEEM)
            rest &= rest - 1


cdef inline void decide_column(
    const book_t* shared_book, const columns_t* shared_rows, int64_t now_ms, int op
) noexcept nogil:
    """All rows: buckets are asked for two blocks ahead of the decision, records one."""
    # Copies of our own: what the loops write could otherwise be any of their fields.
    cdef book_t book = shared_book[0]
    cdef columns_t rows = shared_rows[0]
    cdef call_t call
    cdef uint64_t[RING] hashes
    cdef int64_t[RING] slots
    cdef record_t* found[RING]
    cdef int64_t at = -2 * <int64_t>LEAD * BLOCK
    cdef int64_t buckets, records, end
    cdef bint by_eight = op == REDEEM and eight_at_once()
    call.now_ms = now_ms
    call.now_s = <uint32_t>(now_ms // 1000)
    call.boundary_s = 0
    call.dry = False
    while at < rows.count:
        buckets = at + 2 * LEAD * BLOCK
        records = at + LEAD * BLOCK
        if buckets < rows.count:
            seek_buckets(&book, &rows, buckets, least(buckets + BLOCK, rows.count), hashes)
        if 0 <= records < rows.count:
            seek_records(
                &book, records, least(records + BLOCK, rows.count), hashes, slots, found
            )
        if at >= 0:
            end = least(at + BLOCK, rows.count)
            if op == REDEEM and by_eight and end - at == BLOCK:
                redeem_block(&book, &rows, at, slots, found, &call)
            else:
                settle_rows(&book, &rows, at, end, slots, found)
                decide_rows(&book, &rows, at, end, slots, found, &call, op)
        at += BLOCK


cdef inline void decide_batch(
    const book_t* book, const columns_t* rows, int64_t now_ms, int op
) noexcept nogil:
    """One loop per operation, so that each is compiled for its own rungs."""
    if op == REDEEM:
        decide_column(book, rows, now_ms, REDEEM)
    elif op == VALIDATE:
        decide_column(book, rows, now_ms, VALIDATE)
    else:
        decide_column(book, rows, now_ms, ROLLBACK)
