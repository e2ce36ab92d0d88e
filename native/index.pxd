"""From a key to the slots of its records: buckets of ten tags in one cache line.

An entry lives in its home bucket or, when that is full, in the first later one with room. Every
bucket counts the entries whose search passed it, so a removal leaves look-ups right and no marks
behind. Records with equal keys stand in the order they were added. Tags only narrow; the whole key
decides.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from voucher cimport SHARED, book_t, bucket_t, record_at, record_t


cdef extern from "machine.h" nogil:
    uint32_t match_tags(const uint16_t* tags, uint16_t tag)
    uint64_t multiply_fold(uint64_t a, uint64_t b)
    uint64_t multiply_high(uint64_t a, uint64_t b)
    int lowest_bit(uint64_t bits)
    void prefetch(const void* line)


cdef struct place_t:
    bucket_t* bucket
    int position


cdef inline uint64_t key_hash(const book_t* book, uint64_t low, uint64_t high) noexcept nogil:
    """Keyed by the seed of the process, so that nobody outside can make codes collide."""
    cdef uint64_t mixed = multiply_fold(low ^ book.seed[0], high ^ book.seed[1])
    return multiply_fold(mixed ^ book.seed[1], <uint64_t>0x9E3779B97F4A7C15)


cdef inline uint16_t hash_tag(uint64_t hashed) noexcept nogil:
    """The low bits, never 0, because 0 marks an empty place."""
    cdef uint16_t tag = <uint16_t>hashed
    return tag if tag else 1


cdef inline uint64_t hash_home(const book_t* book, uint64_t hashed) noexcept nogil:
    """The high bits spread over any number of buckets."""
    return multiply_high(hashed, book.bucket_count)


cdef inline uint64_t next_bucket(const book_t* book, uint64_t bucket) noexcept nogil:
    return bucket + 1 if bucket + 1 < book.bucket_count else 0


cdef inline int64_t index_candidate(const book_t* book, uint64_t hashed) noexcept nogil:
    """Slot of the first entry with this tag, -1 if there is none; its key is not compared."""
    cdef uint64_t at = hash_home(book, hashed)
    cdef uint16_t tag = hash_tag(hashed)
    cdef const bucket_t* bucket
    cdef uint32_t matches
    for _ in range(book.bucket_count):
        bucket = &book.buckets[at]
        matches = match_tags(bucket.tag, tag)
        if matches:
            return bucket.slot[lowest_bit(matches)]
        if bucket.passed == 0:
            break
        at = next_bucket(book, at)
    return -1


cdef inline int64_t index_list(
    const book_t* book, uint64_t low, uint64_t high, uint32_t* slots, int64_t room
) noexcept nogil:
    """Writes up to `room` slots with this key, oldest first; returns how many there are."""
    cdef uint64_t hashed = key_hash(book, low, high)
    cdef uint64_t at = hash_home(book, hashed)
    cdef uint16_t tag = hash_tag(hashed)
    cdef const bucket_t* bucket
    cdef const record_t* record
    cdef uint32_t matches, slot
    cdef int64_t found = 0
    for _ in range(book.bucket_count):
        bucket = &book.buckets[at]
        matches = match_tags(bucket.tag, tag)
        while matches:
            slot = bucket.slot[lowest_bit(matches)]
            record = record_at(book, slot)
            if record.key[0] == low and record.key[1] == high:
                if found < room:
                    slots[found] = slot
                found += 1
                if not record.policy_flags & SHARED:
                    return found
            matches &= matches - 1
        if bucket.passed == 0:
            break
        at = next_bucket(book, at)
    return found


cdef inline int64_t index_lowest(
    const book_t* book, uint64_t low, uint64_t high
) noexcept nogil:
    """The lowest slot with this key, -1 if there is none."""
    cdef uint64_t hashed = key_hash(book, low, high)
    cdef uint64_t at = hash_home(book, hashed)
    cdef uint16_t tag = hash_tag(hashed)
    cdef const bucket_t* bucket
    cdef const record_t* record
    cdef uint32_t matches, slot
    cdef int64_t lowest = -1
    for _ in range(book.bucket_count):
        bucket = &book.buckets[at]
        matches = match_tags(bucket.tag, tag)
        while matches:
            slot = bucket.slot[lowest_bit(matches)]
            record = record_at(book, slot)
            if record.key[0] == low and record.key[1] == high:
                if not record.policy_flags & SHARED:
                    return slot
                if lowest < 0 or slot < lowest:
                    lowest = slot
            matches &= matches - 1
        if bucket.passed == 0:
            break
        at = next_bucket(book, at)
    return lowest


cdef inline void index_place(book_t* book, uint64_t hashed, uint32_t slot) noexcept nogil:
    """Puts an entry into the first bucket with room; the index is never full."""
    cdef uint64_t at = hash_home(book, hashed)
    cdef uint32_t empty = match_tags(book.buckets[at].tag, 0)
    cdef int position
    while empty == 0:
        book.buckets[at].passed += 1
        at = next_bucket(book, at)
        empty = match_tags(book.buckets[at].tag, 0)
    position = lowest_bit(empty)
    book.buckets[at].tag[position] = hash_tag(hashed)
    book.buckets[at].slot[position] = slot


cdef inline void index_order(book_t* book, uint64_t hashed, uint32_t slot) noexcept nogil:
    """Moves a just placed slot behind all others with its key, which may sit in later places."""
    cdef const record_t* added = record_at(book, slot)
    cdef const record_t* record
    cdef uint64_t at = hash_home(book, hashed)
    cdef bucket_t* bucket
    cdef uint32_t* behind = NULL
    cdef uint32_t matches
    cdef int position
    for _ in range(book.bucket_count):
        bucket = &book.buckets[at]
        matches = match_tags(bucket.tag, hash_tag(hashed))
        while matches:
            position = lowest_bit(matches)
            record = record_at(book, bucket.slot[position])
            if record.key[0] == added.key[0] and record.key[1] == added.key[1]:
                if behind != NULL:
                    behind[0] = bucket.slot[position]
                if behind != NULL or bucket.slot[position] == slot:
                    behind = &bucket.slot[position]
            matches &= matches - 1
        if bucket.passed == 0:
            break
        at = next_bucket(book, at)
    behind[0] = slot


cdef inline bint index_remove(book_t* book, uint64_t hashed, uint32_t slot) noexcept nogil:
    """Takes the entry of a slot out; False if it is not there."""
    cdef uint64_t home = hash_home(book, hashed)
    cdef uint64_t at = home
    cdef uint16_t tag = hash_tag(hashed)
    cdef bucket_t* bucket
    cdef uint32_t matches
    cdef int position
    for _ in range(book.bucket_count):
        bucket = &book.buckets[at]
        matches = match_tags(bucket.tag, tag)
        while matches:
            position = lowest_bit(matches)
            if bucket.slot[position] == slot:
                bucket.tag[position] = 0
                bucket.slot[position] = 0
                while home != at:
                    book.buckets[home].passed -= 1
                    home = next_bucket(book, home)
                return True
            matches &= matches - 1
        if bucket.passed == 0:
            break
        at = next_bucket(book, at)
    return False


cdef inline void index_refill(book_t* book, const book_t* older) noexcept nogil:
    """Places every entry of an older index anew, keeping the order of equal keys."""
    cdef const bucket_t* bucket
    cdef const record_t* record
    cdef uint64_t home, at, hashed, ahead
    cdef int i
    for home in range(older.bucket_count):
        ahead = home + 4
        if ahead < older.bucket_count:
            for i in range(10):
                if older.buckets[ahead].tag[i]:
                    prefetch(record_at(book, older.buckets[ahead].slot[i]))
        at = home
        for _ in range(older.bucket_count):
            bucket = &older.buckets[at]
            for i in range(10):
                if bucket.tag[i] == 0:
                    continue
                record = record_at(book, bucket.slot[i])
                hashed = key_hash(book, record.key[0], record.key[1])
                if hash_home(older, hashed) == home:
                    index_place(book, hashed, bucket.slot[i])
            if bucket.passed == 0:
                break
            at = next_bucket(older, at)


cdef inline void index_add(book_t* book, uint32_t slot) noexcept nogil:
    """The entry of a new record; the records it shares its key with learn of it."""
    cdef record_t* record = record_at(book, slot)
    cdef uint64_t hashed = key_hash(book, record.key[0], record.key[1])
    cdef uint32_t first
    if index_list(book, record.key[0], record.key[1], &first, 1) > 0:
        record.policy_flags |= SHARED
        record_at(book, first).policy_flags |= SHARED
        index_place(book, hashed, slot)
        index_order(book, hashed, slot)
    else:
        index_place(book, hashed, slot)


cdef inline void index_drop(book_t* book, uint32_t slot) noexcept nogil:
    """Takes the entry of a record out; a single record that is left no longer shares its key."""
    cdef const record_t* record = record_at(book, slot)
    cdef uint32_t first
    index_remove(book, key_hash(book, record.key[0], record.key[1]), slot)
    if record.policy_flags & SHARED:
        if index_list(book, record.key[0], record.key[1], &first, 1) == 1:
            record_at(book, first).policy_flags &= ~<uint32_t>SHARED
