"""The voucher record and the one decision rule over it (vending-commerce.md 4.1-4.6).

Pure: numbers and a time in, an outcome and new numbers out; no clock, no allocation, no Python
object. What a record cannot hold is refused where it enters (voucher.pyx), so nothing here can
overflow:

- `count <= total < 2**32 - 1` and `total_amount < 2**62` before every redeem, else it is refused as
  REDEMPTION_LIMIT_REACHED; one redeem adds at most 2**31 - 1;
- a rollback stops at zero and never leaves a count above its total;
- `version` has 48 bits, the upper 16 beside the record: one mutation a microsecond, for nine years;
- instants are at most 2**32 - 2 seconds (the year 2106), and a hold's end fits 42 bits of
  milliseconds.

A window's end and an expiry are whole seconds, so that u32 holds them exactly; 2**32 - 1 is never.
"""

from libc.stdint cimport INT64_MAX, int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from calendar cimport calendar_find, calendar_t
from outcome cimport *


cdef extern from "machine.h" nogil:
    bint is_rare(bint condition)
    int lowest_bit(uint64_t bits)


cdef enum:
    VALIDATE = 0
    REDEEM = 1
    ROLLBACK = 2

cdef extern from "record.h" nogil:
    enum:
        CAMPAIGN_ACTIVE
        MACHINE_ACTIVE
        PLACE_OK
        CURRENCY_OK
        PRODUCT_OK
        ALL_OK
        PARTIAL
        ACTIVE
        SHARED
        WIDE
        POLICY_SHIFT
        DEVICE_BITS

    ctypedef struct record_t:
        uint64_t[2] key
        int64_t amount
        int64_t total_amount
        uint64_t hold
        uint32_t period_end_s
        uint32_t expires_before_s
        uint32_t count
        uint32_t total
        uint32_t policy_flags
        uint32_t version

    ctypedef struct policy_t:
        uint32_t value
        uint32_t limit
        uint32_t calendar
        uint32_t gift

    ctypedef struct columns_t:
        int64_t count
        const uint8_t* key
        const int32_t* device
        const int64_t* cap
        const int64_t* demand
        const int64_t* lock_ms
        const uint8_t* flags
        int8_t* outcome
        int64_t* amount_off
        int64_t* balance
        int64_t* hold_until_ms
        uint8_t* changed

cdef enum:
    NEVER_S = 0xFFFFFFFF
    # What the key of a long code starts with, and no printable code does.
    LONG_CODE = 1

cdef enum:
    # Slots in a segment, and segments in a book of 2**32 slots; spelled out, because checked builds
    # cannot compute in an enum.
    SEGMENT_BITS = 15
    SEGMENT = 32768
    SEGMENTS = 131072

# What only resets, rollbacks and reads need.
cdef struct side_t:
    uint64_t identity   # voucher id above, upper 16 bits of the version below
    uint32_t period_seq
    uint32_t period_start_s

cdef struct saved_t:
    record_t record
    side_t side

cdef struct bucket_t:
    uint16_t[10] tag    # 0 = empty
    uint32_t[10] slot
    uint32_t passed     # entries whose search goes on to the next bucket

cdef struct book_t:
    record_t** records
    side_t** sides
    uint64_t segments
    policy_t* policies
    uint64_t policy_count
    uint64_t policy_room
    calendar_t* calendars
    uint64_t calendar_count
    bucket_t* buckets
    uint64_t bucket_count
    uint64_t[2] seed
    uint64_t slots      # ever used; below it a slot is live or free
    uint64_t live
    uint64_t free_slot  # first free slot + 1, 0 = none; the next is in key[1]

cdef struct call_t:
    int64_t now_ms
    uint32_t now_s
    uint32_t device
    int64_t cap
    int64_t demand
    int64_t lock_ms
    uint32_t flags
    uint32_t boundary_s
    bint dry

cdef struct answer_t:
    int outcome
    bint changed
    int64_t amount_off
    int64_t balance
    int64_t hold_until_ms

cdef struct window_t:
    uint32_t start_s
    uint32_t end_s


cdef inline record_t* record_at(const book_t* book, uint64_t slot) noexcept nogil:
    return &book.records[slot >> SEGMENT_BITS][slot & ((1 << SEGMENT_BITS) - 1)]


cdef inline side_t* side_at(const book_t* book, uint64_t slot) noexcept nogil:
    return &book.sides[slot >> SEGMENT_BITS][slot & ((1 << SEGMENT_BITS) - 1)]


cdef inline int64_t slot_take(book_t* book) noexcept nogil:
    """A free slot, or the next one; there is room for it."""
    cdef int64_t slot
    book.live += 1
    if book.free_slot:
        slot = <int64_t>book.free_slot - 1
        book.free_slot = record_at(book, slot).key[1]
        return slot
    book.slots += 1
    return <int64_t>book.slots - 1


cdef inline void slot_give(book_t* book, uint64_t slot) noexcept nogil:
    """The slot of a removed record, first to be taken again."""
    cdef record_t* record = record_at(book, slot)
    record.key[0] = 0
    record.key[1] = book.free_slot
    book.free_slot = slot + 1
    book.live -= 1


cdef inline int64_t spendable(
    const book_t* book, const record_t* record, int64_t amount
) noexcept nogil:
    """A gift's balance when so much has been taken in this window (2.7); a discount has none."""
    cdef const policy_t* policy = &book.policies[record.policy_flags >> POLICY_SHIFT]
    cdef int64_t balance = <int64_t>policy.value - amount
    return balance if policy.gift and balance > 0 else 0


cdef inline int64_t least(int64_t a, int64_t b) noexcept nogil:
    return a if a < b else b


cdef inline int64_t choose(bint condition, int64_t a, int64_t b) noexcept nogil:
    """`a if condition else b` without a jump: which voucher comes next cannot be predicted."""
    cdef int64_t mask = -<int64_t>condition
    return (a & mask) | (b & ~mask)


cdef inline bint find_window(
    const book_t* book, uint32_t calendar, int64_t now_ms, uint32_t boundary_s, window_t* window
) noexcept nogil:
    """The window that contains now, False where neither table nor caller knows it (4.2)."""
    cdef const calendar_t* table = &book.calendars[calendar]
    cdef int64_t i
    if calendar == 0:
        window.start_s = 0
        window.end_s = 0xFFFFFFFF
        return True
    i = calendar_find(table, now_ms)
    if i >= 0:
        window.start_s = <uint32_t>(table.at[i] // 1000)
        window.end_s = <uint32_t>(table.at[i + 1] // 1000)
        return True
    window.start_s = 0
    window.end_s = boundary_s
    return boundary_s != 0


cdef inline void touch(
    const book_t* book, uint64_t slot, record_t* record, bint due, const window_t* window
) noexcept nogil:
    """What every write does: a due reset is written with it (4.2), and the version rises."""
    cdef side_t* side
    record.version = <uint32_t>(<uint64_t>record.version + 1)
    if is_rare(due or record.version == 0):
        side = side_at(book, slot)
        if record.version == 0:
            side.identity += 1
            record.policy_flags |= WIDE
        if due:
            record.period_end_s = window.end_s
            side.period_seq += 1
            side.period_start_s = window.start_s


cdef inline uint32_t refusals(
    const policy_t* policy, const record_t* record, const call_t* call, int op, int64_t count,
    int64_t balance, int64_t amount_off,
) noexcept nogil:
    """One bit per refusal that applies, at the number of its outcome; the lowest is the reason."""
    cdef uint32_t missing = ~call.flags & <uint32_t>ALL_OK
    cdef bint gift = policy.gift != 0
    cdef bint asked = gift & (call.demand >= 0)
    cdef bint whole = (call.flags & <uint32_t>PARTIAL) == 0
    cdef bint is_held = <int64_t>(record.hold >> DEVICE_BITS) > call.now_ms
    cdef bint is_worn = (
        (record.total == <uint32_t>0xFFFFFFFF) | (record.total_amount >> 62 != 0)
    )
    # 4.5 rows 4 and 7 to 10: facts outside the voucher, resolved by the caller.
    cdef uint32_t bits = (missing & 1) << CAMPAIGN_NOT_ACTIVE | (missing & 30) << 6
    # Row 5.
    bits |= <uint32_t>((record.policy_flags & ACTIVE) == 0) << VOUCHER_INACTIVE
    # Row 6, half-open (4.1).
    bits |= <uint32_t>(call.now_s >= record.expires_before_s) << VOUCHER_EXPIRED
    # Row 11: a live hold of another device (4.6).
    bits |= <uint32_t>(
        is_held & ((record.hold & ((1 << DEVICE_BITS) - 1)) != call.device)
    ) << VOUCHER_LOCKED
    # Row 12 (4.4.1), or no room to count one more.
    bits |= <uint32_t>(
        ((policy.limit != 0) & (count >= <int64_t>policy.limit)) | is_worn
    ) << REDEMPTION_LIMIT_REACHED
    # Row 13.
    bits |= <uint32_t>(gift & (balance == 0)) << BALANCE_EMPTY
    if op == REDEEM:
        # Row 14: the whole is more than the order, or a part of nothing is left (4.4.2).
        bits |= <uint32_t>(
            asked & (
                (whole & (call.cap >= 0) & (call.demand > call.cap))
                | ((not whole) & (amount_off == 0))
            )
        ) << DEMAND_EXCEEDS_ORDER
        # Row 16.
        bits |= <uint32_t>(gift & (call.demand < 0)) << DEMAND_REQUIRED
    # Row 15.
    bits |= <uint32_t>(asked & whole & (call.demand > balance)) << INSUFFICIENT_BALANCE
    return bits


cdef inline int64_t worth(
    const policy_t* policy, const call_t* call, int op, int64_t balance
) noexcept nogil:
    """What an accepted call takes off (4.4.2), or would if it were redeemed."""
    cdef int64_t cap = INT64_MAX
    cdef int64_t part
    cdef int64_t taken
    if op == REDEEM:
        cap = choose(call.cap < 0, INT64_MAX, call.cap)
    part = least(least(call.demand, balance), cap)
    taken = choose((call.flags & <uint32_t>PARTIAL) != 0, part, call.demand)
    if op == VALIDATE:
        taken = choose(call.demand < 0, balance, taken)
    return choose(policy.gift != 0, taken, least(policy.value, cap))


cdef inline void give_back(
    record_t* record, const call_t* call, int64_t count, int64_t amount, bint is_current
) noexcept nogil:
    """One redemption undone (4.4.4): totals always, the window's counters in the same window."""
    cdef int64_t spent = least(call.demand, record.total_amount)
    record.total -= record.total != 0
    record.total_amount -= spent
    count -= is_current and count > 0
    amount -= least(amount, call.demand) if is_current else 0
    record.count = <uint32_t>least(count, record.total)
    record.amount = least(amount, record.total_amount)


cdef inline void decide(
    const book_t* book, uint64_t slot, record_t* record, const call_t* call, int op,
    answer_t* answer,
) noexcept nogil:
    """One call on one voucher: decided completely, then applied."""
    cdef const policy_t* policy = &book.policies[record.policy_flags >> POLICY_SHIFT]
    cdef bint due = call.now_s >= record.period_end_s
    cdef int64_t count = record.count
    cdef int64_t amount = record.amount
    cdef int64_t held_until_ms = <int64_t>(record.hold >> DEVICE_BITS)
    cdef int64_t balance
    cdef int64_t amount_off
    cdef uint32_t refused
    cdef bint is_current
    cdef window_t window
    window.start_s = 0
    window.end_s = 0
    answer.changed = False
    answer.amount_off = 0
    answer.balance = 0
    answer.hold_until_ms = choose(held_until_ms > call.now_ms, held_until_ms, 0)
    if is_rare(due):
        if not find_window(book, policy.calendar, call.now_ms, call.boundary_s, &window):
            answer.outcome = NEEDS_BOUNDARY
            return
        count = 0
        amount = 0
    balance = <int64_t>policy.value - amount
    balance = choose((policy.gift != 0) & (balance > 0), balance, 0)

    if op == ROLLBACK:
        answer.outcome = ACCEPTED
        answer.amount_off = call.demand
        is_current = <int64_t>side_at(book, slot).period_seq + due == call.cap
        if is_current and policy.gift:
            answer.balance = <int64_t>policy.value - (amount - least(amount, call.demand))
            answer.balance = answer.balance if answer.balance > 0 else 0
        else:
            answer.balance = balance
        if call.dry:
            return
        # ---- decided: nothing above wrote, nothing below can fail ----
        answer.changed = True
        give_back(record, call, count, amount, is_current)
        touch(book, slot, record, due, &window)
        return

    amount_off = worth(policy, call, op, balance)
    refused = refusals(policy, record, call, op, count, balance, amount_off)
    # The bit above all reasons makes the absence of one read as 0, ACCEPTED.
    answer.outcome = lowest_bit(<uint64_t>refused | <uint64_t>1 << 32) & 31
    answer.balance = balance
    if refused:
        answer.amount_off = balance if answer.outcome == INSUFFICIENT_BALANCE else 0
        return
    answer.amount_off = amount_off
    if op == REDEEM:
        answer.hold_until_ms = 0
        answer.balance = choose(policy.gift != 0, balance - amount_off, 0)
    elif call.lock_ms > 0 and (policy.limit or policy.gift):
        # A hold is for limited vouchers only (4.6).
        answer.hold_until_ms = call.now_ms + call.lock_ms
    else:
        return
    if call.dry:
        return
    # ---- decided: nothing above wrote, nothing below can fail ----
    answer.changed = True
    if op == VALIDATE:
        record.hold = <uint64_t>answer.hold_until_ms << DEVICE_BITS | call.device
        record.count = <uint32_t>count
        record.amount = amount
    else:
        record.count = <uint32_t>count + 1
        record.amount = amount + amount_off
        record.total += 1
        record.total_amount += amount_off
        record.hold = 0
    touch(book, slot, record, due, &window)
