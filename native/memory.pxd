"""Memory of a book: segments of records that never move, and an index that is rebuilt to grow.

Everything comes from the system in zeroed pages, large ones where a book is large, and untouched
pages cost nothing. A function that could not get memory answers False and has changed nothing.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from index cimport index_refill
from voucher cimport SEGMENT, SEGMENTS, book_t, bucket_t, policy_t, record_t, side_t


cdef extern from "machine.h" nogil:
    void* region_take(size_t size, bint large)
    void region_give(void* at, size_t size)
    size_t region_bytes(size_t size)


cdef inline bint book_open(book_t* book) noexcept nogil:
    """The directories of segments."""
    book.records = <record_t**>region_take(SEGMENTS * sizeof(void*), False)
    book.sides = <side_t**>region_take(SEGMENTS * sizeof(void*), False)
    return book.records != NULL and book.sides != NULL


cdef inline bint book_extend(book_t* book, bint large) noexcept nogil:
    """One more segment."""
    cdef void* records
    cdef void* sides
    if book.segments == SEGMENTS:
        return False
    records = region_take(SEGMENT * sizeof(record_t), large)
    sides = region_take(SEGMENT * sizeof(side_t), large)
    if records == NULL or sides == NULL:
        region_give(records, SEGMENT * sizeof(record_t))
        region_give(sides, SEGMENT * sizeof(side_t))
        return False
    book.records[book.segments] = <record_t*>records
    book.sides[book.segments] = <side_t*>sides
    book.segments += 1
    return True


cdef inline bint book_resize(book_t* book, uint64_t buckets) noexcept nogil:
    """An index of so many buckets, with every entry in it."""
    cdef book_t older = book[0]
    cdef size_t size = <size_t>buckets * sizeof(bucket_t)
    cdef void* at = region_take(size, size >= <size_t>4 << 20)
    if at == NULL:
        return False
    book.buckets = <bucket_t*>at
    book.bucket_count = buckets
    index_refill(book, &older)
    region_give(older.buckets, older.bucket_count * sizeof(bucket_t))
    return True


cdef inline bint book_policies(book_t* book, uint64_t room) noexcept nogil:
    """Room for so many policies."""
    cdef size_t size = book.policy_room * sizeof(policy_t)
    cdef void* at
    if room <= book.policy_room:
        return True
    room = region_bytes(room * sizeof(policy_t)) // sizeof(policy_t)
    at = region_take(room * sizeof(policy_t), False)
    if at == NULL:
        return False
    if size:
        memcpy(at, book.policies, size)
    region_give(book.policies, size)
    book.policies = <policy_t*>at
    book.policy_room = room
    return True


cdef inline int64_t book_bytes(const book_t* book) noexcept nogil:
    """Bytes of segments, index and policies."""
    return (
        <int64_t>region_bytes(book.bucket_count * sizeof(bucket_t))
        + <int64_t>book.segments * SEGMENT * <int64_t>(sizeof(record_t) + sizeof(side_t))
        + <int64_t>(book.policy_room * sizeof(policy_t))
    )


cdef inline void book_close(book_t* book) noexcept nogil:
    """Gives everything back."""
    cdef uint64_t i
    for i in range(book.segments):
        region_give(book.records[i], SEGMENT * sizeof(record_t))
        region_give(book.sides[i], SEGMENT * sizeof(side_t))
    region_give(book.records, SEGMENTS * sizeof(void*))
    region_give(book.sides, SEGMENTS * sizeof(void*))
    region_give(book.policies, book.policy_room * sizeof(policy_t))
    region_give(book.buckets, book.bucket_count * sizeof(bucket_t))
