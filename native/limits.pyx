"""What this machine's memory allows: independent random cache lines, as many in flight as it takes.

The yardstick of the benchmarks: a decision that needs two lines cannot be faster than two lines.
The loops do nothing else; positions come from a counter, so no access waits for another.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t


cdef extern from "machine.h" nogil:
    void* region_take(size_t size, bint large)
    void region_give(void* at, size_t size)
    void prefetch(const void* line)
    uint64_t multiply_fold(uint64_t a, uint64_t b)
    uint64_t multiply_high(uint64_t a, uint64_t b)


cdef enum:
    AHEAD = 32
    RING = 64

cdef struct line_t:
    uint64_t[8] word


cdef inline uint64_t position(uint64_t seed, int64_t i) noexcept nogil:
    return multiply_fold(seed + <uint64_t>i, <uint64_t>0x9E3779B97F4A7C15)


@cython.final
cdef class Lines:
    """Two regions of cache lines: one that is looked up, one that is read or changed."""

    cdef line_t* first
    cdef line_t* second
    cdef uint64_t first_count
    cdef uint64_t second_count

    def __cinit__(self, int64_t first, int64_t second):
        cdef uint64_t i
        if first < 1 or second < 1:
            raise ValueError("a region has at least one line")
        self.first_count = <uint64_t>first
        self.second_count = <uint64_t>second
        self.first = <line_t*>region_take(self.first_count * sizeof(line_t), True)
        self.second = <line_t*>region_take(self.second_count * sizeof(line_t), True)
        if self.first == NULL or self.second == NULL:
            raise MemoryError
        # Untouched pages are all the same page of zeros, and no memory at all.
        for i in range(self.first_count):
            self.first[i].word[0] = i
        for i in range(self.second_count):
            self.second[i].word[0] = i

    def __dealloc__(self):
        region_give(self.first, self.first_count * sizeof(line_t))
        region_give(self.second, self.second_count * sizeof(line_t))

    def visit(self, int64_t operations, uint64_t seed, bint write):
        """One random line of each region per operation, the second one changed if `write`."""
        cdef uint64_t total = 0
        with nogil:
            if write:
                total = change(self.first, self.second, self.first_count, self.second_count,
                               operations, seed)
            else:
                total = look(self.first, self.second, self.first_count, self.second_count,
                             operations, seed)
        return total


cdef uint64_t look(
    const line_t* first, const line_t* second, uint64_t first_count, uint64_t second_count,
    int64_t operations, uint64_t seed,
) noexcept nogil:
    cdef uint64_t[RING] ring
    cdef uint64_t total = 0
    cdef uint64_t mixed
    cdef int64_t i, far
    for i in range(-AHEAD, operations):
        far = i + AHEAD
        mixed = position(seed, far)
        ring[far & (RING - 1)] = mixed
        prefetch(&first[multiply_high(mixed, first_count)])
        prefetch(&second[multiply_high(mixed << 13, second_count)])
        if i >= 0:
            mixed = ring[i & (RING - 1)]
            total += first[multiply_high(mixed, first_count)].word[0]
            total += second[multiply_high(mixed << 13, second_count)].word[0]
    return total


cdef uint64_t change(
    const line_t* first, line_t* second, uint64_t first_count, uint64_t second_count,
    int64_t operations, uint64_t seed,
) noexcept nogil:
    cdef uint64_t[RING] ring
    cdef uint64_t total = 0
    cdef uint64_t mixed
    cdef int64_t i, far
    for i in range(-AHEAD, operations):
        far = i + AHEAD
        mixed = position(seed, far)
        ring[far & (RING - 1)] = mixed
        prefetch(&first[multiply_high(mixed, first_count)])
        prefetch(&second[multiply_high(mixed << 13, second_count)])
        if i >= 0:
            mixed = ring[i & (RING - 1)]
            total += first[multiply_high(mixed, first_count)].word[0]
            second[multiply_high(mixed << 13, second_count)].word[0] += 1
    return total
