"""Look-ups in boundary tables: which period contains an instant (vending-commerce.md 4.2).

A table is ascending epoch milliseconds; period i is the half-open interval [at[i], at[i + 1]).
Outside the table there is no answer, never a guess. Regular spacing makes the arithmetic guess
right or one off; whatever the spacing, the search that follows a wrong guess is bounded.
"""

from libc.stdint cimport int64_t


cdef struct calendar_t:
    const int64_t* at
    int64_t count
    # Periods per millisecond, on average over the table.
    double pace


cdef inline int64_t calendar_search(const calendar_t* table, int64_t instant_ms) noexcept nogil:
    """The last index with at[index] <= instant, by halving; at[0] <= instant is known."""
    cdef int64_t low = 0
    cdef int64_t left = table.count
    cdef int64_t half
    while left > 1:
        half = left >> 1
        low = low + half if table.at[low + half] <= instant_ms else low
        left -= half
    return low


cdef inline int64_t calendar_find(const calendar_t* table, int64_t instant_ms) noexcept nogil:
    """Index of the period that contains the instant, -1 outside the table."""
    cdef const int64_t* at = table.at
    cdef int64_t last = table.count - 1
    cdef int64_t guess
    if last < 1 or instant_ms < at[0] or instant_ms >= at[last]:
        return -1
    guess = <int64_t>((<double>instant_ms - <double>at[0]) * table.pace)
    guess = guess if guess < last else last - 1
    guess -= at[guess] > instant_ms
    if guess >= 0:
        guess += at[guess + 1] <= instant_ms
        if guess < last and at[guess] <= instant_ms and instant_ms < at[guess + 1]:
            return guess
    return calendar_search(table, instant_ms)


cdef inline bint calendar_ascends(const int64_t* at, int64_t count) noexcept nogil:
    """Strictly ascending whole seconds: what a table must be."""
    cdef int64_t i
    for i in range(count):
        if at[i] % 1000 != 0 or (i > 0 and at[i] <= at[i - 1]):
            return False
    return True


cdef inline double calendar_pace(const int64_t* at, int64_t count) noexcept nogil:
    """The pace of a table, 0 for one without periods."""
    if count < 2:
        return 0.0
    return <double>(count - 1) / (<double>at[count - 1] - <double>at[0])
