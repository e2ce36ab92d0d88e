"""A voucher's fields by name, and their way into and out of the packed record.

Packing tells the first field that does not fit, so that nothing enters which the ladder's
arithmetic was not made for. Fields are int64 as callers and columns have them.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from voucher cimport (
    ACTIVE,
    DEVICE_BITS,
    POLICY_SHIFT,
    WIDE,
    book_t,
    record_t,
    side_at,
    side_t,
)


cdef enum:
    IDENTITY_BITS = 48
    HOLD_BITS = 42
    VERSION_LOW_BITS = 32

cdef struct entry_t:
    int64_t voucher_id
    int64_t policy
    int64_t active
    int64_t count
    int64_t amount
    int64_t total
    int64_t total_amount
    int64_t period_end_ms
    int64_t period_start_ms
    int64_t period_seq
    int64_t expires_before_ms
    int64_t hold_device
    int64_t hold_until_ms
    int64_t version


cdef inline bint fits(int64_t value, int bits) noexcept nogil:
    return value >= 0 and value >> bits == 0


cdef inline int64_t pack_seconds(int64_t instant_ms) noexcept nogil:
    """Whole seconds; from 2106 on never, before 1970 the beginning; -1 for a broken second."""
    if instant_ms >= <int64_t>0xFFFFFFFF * 1000:
        return 0xFFFFFFFF
    if instant_ms < 0:
        return 0
    return instant_ms // 1000 if instant_ms % 1000 == 0 else -1


cdef inline int64_t unpack_seconds(uint32_t instant_s) noexcept nogil:
    return INT64_MAX if instant_s == <uint32_t>0xFFFFFFFF else <int64_t>instant_s * 1000


cdef inline uint64_t pack_hold(int64_t device, int64_t until_ms) noexcept nogil:
    """0 unless there are both a device and an end."""
    if device < 0 or until_ms <= 0:
        return 0
    return <uint64_t>until_ms << DEVICE_BITS | <uint64_t>device


cdef inline void pack_version(record_t* record, side_t* side, int64_t version) noexcept nogil:
    record.version = <uint32_t>(version & <int64_t>0xFFFFFFFF)
    side.identity = (side.identity & ~<uint64_t>0xFFFF) | <uint64_t>(version >> VERSION_LOW_BITS)
    record.policy_flags &= ~<uint32_t>WIDE
    if version >> VERSION_LOW_BITS:
        record.policy_flags |= WIDE


cdef inline int64_t unpack_version(const record_t* record, const side_t* side) noexcept nogil:
    return <int64_t>(side.identity & <uint64_t>0xFFFF) << VERSION_LOW_BITS | record.version


cdef inline int64_t version_at(
    const book_t* book, uint64_t slot, const record_t* record
) noexcept nogil:
    """The version, without a look at the side of a record that has none of its upper bits."""
    if record.policy_flags & WIDE:
        return unpack_version(record, side_at(book, slot))
    return record.version


cdef inline int64_t unpack_id(const side_t* side) noexcept nogil:
    return <int64_t>(side.identity >> (64 - IDENTITY_BITS))


cdef inline const char* pack_entry(
    const entry_t* entry, record_t* record, side_t* side
) noexcept nogil:
    """Fills all but the key; the name of the first field that does not fit, NULL if all do."""
    cdef int64_t expires_before_s = pack_seconds(entry.expires_before_ms)
    cdef int64_t period_end_s = pack_seconds(entry.period_end_ms)
    if not fits(entry.voucher_id, IDENTITY_BITS):
        return b"id"
    if expires_before_s < 0:
        return b"expires_before_ms"
    if not fits(entry.total, 32):
        return b"total"
    if entry.count < 0 or entry.count > entry.total:
        return b"count"
    if not fits(entry.total_amount, 62):
        return b"total_amount"
    if entry.amount < 0 or entry.amount > entry.total_amount:
        return b"amount"
    if period_end_s < 0:
        return b"period_end_ms"
    if not fits(entry.period_seq, 31):
        return b"period_seq"
    if entry.hold_device < -1 or entry.hold_device >> DEVICE_BITS > 0:
        return b"hold_device"
    if not fits(entry.hold_until_ms, HOLD_BITS):
        return b"hold_until_ms"
    if not fits(entry.version, IDENTITY_BITS):
        return b"version"
    record.amount = entry.amount
    record.total_amount = entry.total_amount
    record.hold = pack_hold(entry.hold_device, entry.hold_until_ms)
    record.period_end_s = <uint32_t>period_end_s
    record.expires_before_s = <uint32_t>expires_before_s
    record.count = <uint32_t>entry.count
    record.total = <uint32_t>entry.total
    record.policy_flags = <uint32_t>entry.policy << POLICY_SHIFT | (ACTIVE if entry.active else 0)
    side.identity = <uint64_t>entry.voucher_id << (64 - IDENTITY_BITS)
    pack_version(record, side, entry.version)
    side.period_seq = <uint32_t>entry.period_seq
    side.period_start_s = 0
    return NULL


cdef inline void unpack_entry(
    const record_t* record, const side_t* side, entry_t* entry
) noexcept nogil:
    """The same fields back; a period start of 0 means that this book has begun none."""
    entry.voucher_id = unpack_id(side)
    entry.policy = record.policy_flags >> POLICY_SHIFT
    entry.active = record.policy_flags & ACTIVE
    entry.count = record.count
    entry.amount = record.amount
    entry.total = record.total
    entry.total_amount = record.total_amount
    entry.period_end_ms = unpack_seconds(record.period_end_s)
    entry.period_start_ms = <int64_t>side.period_start_s * 1000
    entry.period_seq = side.period_seq
    entry.expires_before_ms = unpack_seconds(record.expires_before_s)
    entry.hold_device = -1
    entry.hold_until_ms = <int64_t>(record.hold >> DEVICE_BITS)
    if record.hold:
        entry.hold_device = <int64_t>(record.hold & ((1 << DEVICE_BITS) - 1))
    entry.version = unpack_version(record, side)
