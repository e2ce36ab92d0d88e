"""The ordinary redeem: all rungs of the ladder in one step, for batches (vending-commerce.md 4.5).

Almost every redeem of a batch is accepted, with the whole demand, every fact right and no reset
due. Whether a call is such a one is a handful of subtractions whose signs are put together; only
what is not goes down the ladder of voucher.pxd, which then finds the reason, the reset or, in rare
corners, that nothing is the matter. What this accepts the ladder accepts with the same numbers,
and so do the lanes of redeem_lanes.h; tests compare them on every kind of record.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from voucher cimport ACTIVE, ALL_OK, DEVICE_BITS, POLICY_SHIFT, book_t, least, policy_t, record_t


cdef extern from "machine.h" nogil:
    bint is_rare(bint condition)


cdef struct taken_t:
    int64_t amount_off
    int64_t balance


# Differences are meant to wrap, which checked builds would otherwise report.
@cython.overflowcheck(False)
cdef inline bint redeem_ordinary(
    const book_t* book, record_t* record, uint64_t now_ms, uint64_t now_s, uint32_t device,
    int64_t cap, int64_t demand, uint32_t flags, taken_t* taken,
) noexcept nogil:
    """True: accepted and applied. False: nothing was written, the ladder must decide."""
    cdef const policy_t* policy = &book.policies[record.policy_flags >> POLICY_SHIFT]
    # All bits for a gift, none for a discount.
    cdef uint64_t gift = -<uint64_t>policy.gift
    cdef uint64_t value = policy.value
    cdef uint64_t hold = record.hold
    cdef uint64_t count = record.count
    cdef uint64_t total = record.total
    cdef uint64_t version = record.version
    # What a record cannot hold never enters it, so a difference of two instants, counters or
    # amounts is negative exactly when its top bit is set.
    cdef uint64_t left = value - <uint64_t>record.amount
    cdef uint64_t asked = <uint64_t>demand
    cdef uint64_t room = <uint64_t>(INT64_MAX if cap < 0 else cap)
    cdef uint64_t signs
    # Rows 4 and 7 to 10, and a demand of which a part would do.
    signs = -<uint64_t>(flags ^ <uint32_t>ALL_OK)
    # Row 5.
    signs |= <uint64_t>(record.policy_flags & ACTIVE) - 1
    # Row 6, or a reset that is due.
    signs |= <uint64_t>least(record.expires_before_s, record.period_end_s) - 1 - now_s
    # Row 11: a hold that lives, and is another's.
    signs |= (now_ms - (hold >> DEVICE_BITS)) & -<uint64_t>(
        (<uint32_t>hold ^ device) & ((1 << DEVICE_BITS) - 1)
    )
    # Row 12; the limit 0 becomes the greatest there is.
    signs |= <uint64_t>(<uint32_t>(policy.limit - 1)) - count
    # No room to count one more, and a version whose upper bits would change.
    signs |= <uint64_t>0xFFFFFFFE - total
    signs |= <uint64_t>0xFFFFFFFE - version
    signs |= ((<uint64_t>1 << 62) - 1) - <uint64_t>record.total_amount
    # Rows 13, 16, 15 and 14, of gifts alone.
    signs |= gift & ((left - 1) | asked | (left - asked) | (room - asked))
    if is_rare(signs >> 63):
        return False
    taken.amount_off = <int64_t>((least(value, room) & ~gift) | (asked & gift))
    taken.balance = <int64_t>((left - asked) & gift)
    record.count = <uint32_t>(count + 1)
    record.total = <uint32_t>(total + 1)
    record.amount += taken.amount_off
    record.total_amount += taken.amount_off
    record.hold = 0
    record.version = <uint32_t>(version + 1)
    return True
