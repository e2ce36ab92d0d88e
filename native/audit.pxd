"""Every invariant of a book, checked the slow way.

The index is checked by taking it apart: each live record finds its own entry and takes back what
the entry added to the counts of the buckets it passed; at the end nothing may be left. Then all is
put back, so a book is the same after an audit, also after one that found something.
"""

from libc.stdint cimport int64_t, uint64_t

from index cimport hash_home, hash_tag, index_list, key_hash, match_tags, next_bucket
from voucher cimport POLICY_SHIFT, SHARED, WIDE, book_t, bucket_t, record_at, record_t, side_at


cdef inline int64_t entry_bucket(const book_t* book, uint64_t hashed, uint64_t slot) noexcept nogil:
    """The bucket that holds a slot's entry, -1 if the search from its home does not meet it."""
    cdef uint64_t at = hash_home(book, hashed)
    cdef const bucket_t* bucket
    cdef int i
    for _ in range(book.bucket_count):
        bucket = &book.buckets[at]
        for i in range(10):
            if bucket.tag[i] == hash_tag(hashed) and bucket.slot[i] == slot:
                return <int64_t>at
        if bucket.passed == 0:
            return -1
        at = next_bucket(book, at)
    return -1


cdef inline bint holds(const bucket_t* bucket, uint64_t slot) noexcept nogil:
    cdef int i
    for i in range(10):
        if bucket.tag[i] != 0 and bucket.slot[i] == slot:
            return True
    return False


cdef inline void count_passes(book_t* book, bint back) noexcept nogil:
    """Adds or takes back every live record's passes; all entries are known to be found."""
    cdef const record_t* record
    cdef uint64_t slot, hashed, at
    for slot in range(book.slots):
        record = record_at(book, slot)
        if record.key[0] == 0:
            continue
        hashed = key_hash(book, record.key[0], record.key[1])
        at = hash_home(book, hashed)
        while not holds(&book.buckets[at], slot):
            if back:
                book.buckets[at].passed -= 1
            else:
                book.buckets[at].passed += 1
            at = next_bucket(book, at)


cdef inline const char* audit_record(const book_t* book, const record_t* record) noexcept nogil:
    """The first broken invariant of one live record, NULL if there is none."""
    cdef int64_t twins = index_list(book, record.key[0], record.key[1], NULL, 0)
    if record.policy_flags >> POLICY_SHIFT >= book.policy_count:
        return b"a record names an unknown policy"
    if record.count > record.total:
        return b"a count is above its total"
    if not 0 <= record.amount <= record.total_amount:
        return b"an amount is negative or above its total"
    if (record.policy_flags & SHARED != 0) != (twins > 1):
        return b"a record does not know whether its key is shared"
    return NULL


cdef inline const char* audit_index(book_t* book, uint64_t* entries) noexcept nogil:
    """The first broken invariant of the index; counts its entries."""
    cdef const bucket_t* bucket
    cdef uint64_t at
    cdef const char* broken = NULL
    cdef int i
    entries[0] = 0
    for at in range(book.bucket_count):
        bucket = &book.buckets[at]
        for i in range(10):
            entries[0] += bucket.tag[i] != 0
            if bucket.tag[i] == 0 and bucket.slot[i] != 0:
                return b"an empty place names a slot"
    if entries[0] != book.live:
        return b"the index has more or fewer entries than there are records"
    count_passes(book, True)
    for at in range(book.bucket_count):
        if book.buckets[at].passed != 0:
            broken = b"a bucket counts passes that no entry made"
    count_passes(book, False)
    return broken


cdef inline const char* audit(book_t* book) noexcept nogil:
    """The first broken invariant of the whole book, NULL if there is none."""
    cdef const record_t* record
    cdef const char* broken
    cdef uint64_t slot, hashed
    cdef uint64_t live = 0
    cdef uint64_t free_slots = 0
    cdef uint64_t entries
    for slot in range(book.slots):
        record = record_at(book, slot)
        if record.key[0] == 0:
            continue
        live += 1
        hashed = key_hash(book, record.key[0], record.key[1])
        if entry_bucket(book, hashed, slot) < 0:
            return b"a record is not found under its key"
        broken = audit_record(book, record)
        if broken != NULL:
            return broken
        if (record.policy_flags & WIDE != 0) != (side_at(book, slot).identity & 0xFFFF != 0):
            return b"a record does not know whether its version is wide"
    if live != book.live:
        return b"the number of live records is wrong"
    slot = book.free_slot
    while slot != 0 and free_slots <= book.slots:
        if slot > book.slots or record_at(book, slot - 1).key[0] != 0:
            return b"the free list names a live record"
        slot = record_at(book, slot - 1).key[1]
        free_slots += 1
    if free_slots != book.slots - book.live:
        return b"the free list is not complete"
    return audit_index(book, &entries)
