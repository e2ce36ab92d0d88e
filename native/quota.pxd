"""The rule of quotas for one row, in words (isp.md 4.3), and the loop over many (4.11).

The time of a call is one for all rows, so every calendar is asked once where it stands: when the
window that contains now began and ended, and when the one before began. A row is then rolled by
comparing, however many windows it slept through.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint16_t


cdef extern from "quota.h" nogil:
    enum:
        EXCLUDE_UPLOAD_BIT
        CARRY_BIT
        ACTIVE_BIT
        ONLINE_BIT
        BILLING_BIT
        OVER_BIT
        ROLLED_BIT
        SWITCH_BIT
        LEVEL_LOW_BIT
        LEVEL_HIGH_BIT
        UNLIMITED_BIT
        STALE_CYCLE_BIT
        CAL_RANGE_BIT
        INVALID_BIT
        BLOCK
        PIECE
        STREAM_ROWS
    const int64_t QUANTITY_MOST
    ctypedef struct rows_t:
        const uint8_t* mode
        const uint8_t* flags
        const int64_t* limit
        const int64_t* topup
        const int64_t* carried
        const int64_t* up
        const int64_t* down
        const int64_t* period_start
        const int64_t* period_end
        const int32_t* cal
        const int32_t* t1
        const int32_t* t2
        const int32_t* applied
        const int64_t* bill_start
        const int64_t* bill_end
        const int64_t* expires
        int32_t* out_active
        int64_t* out_used
        int64_t* out_effective
        int64_t* out_remaining
        int64_t* out_period_start
        int64_t* out_period_end
        int64_t* out_carried
        uint16_t* out_flags
    ctypedef struct room_t:
        pass
    int lanes_most()
    int64_t rows_before(const rows_t*)
    void block_at(const rows_t*, int64_t, room_t*, rows_t*)
    void plain_rows(
        int, const rows_t*, int64_t, int64_t, int64_t, int64_t, int32_t, uint8_t*
    )
    int64_t next_special(const uint8_t*, int64_t, int64_t)
    void carry_out(int, const rows_t*, int64_t, int64_t, const room_t*)
    void all_carried()
    void count_flags(const uint16_t*, int64_t, int64_t*)


cdef enum:
    DATA_MODE = 0
    EITHER_MODE = 1
    ALWAYS_MODE = 2

# Where a calendar stands at the time of the call.
cdef struct stand_t:
    bint known      # now lies in the table
    int64_t start   # of the window that contains now
    int64_t end
    int64_t before  # start of the window before; INT64_MIN where the table begins

cdef struct call_t:
    int64_t now
    int64_t low
    int64_t high
    const stand_t* stands
    int32_t cals
    bint known      # by every calendar
    bint streams    # answers go past the caches
    int lanes       # rows at a time


cdef inline int64_t held(int64_t value, int64_t least, int64_t most) noexcept nogil:
    return least if value < least else most if value > most else value


cdef inline int64_t metric_of(uint8_t mode, uint8_t flags, int64_t up, int64_t down) noexcept nogil:
    """Step 2."""
    if flags & EXCLUDE_UPLOAD_BIT:
        return down
    return max(up, down) if mode == EITHER_MODE else up + down


cdef inline int64_t share(int64_t effective, int64_t percent) noexcept nogil:
    """Step 7: the least whole number of bytes that is so many percent; nothing overflows."""
    return effective // 100 * percent + (effective % 100 * percent + 99) // 100


cdef inline bint row_valid(const call_t* call, const rows_t* r, int64_t i) noexcept nogil:
    cdef int64_t topup = r.topup[i]
    return (
        r.mode[i] <= ALWAYS_MODE
        and 0 <= r.limit[i] <= QUANTITY_MOST
        and 0 <= r.carried[i] <= QUANTITY_MOST
        and 0 <= r.up[i] <= QUANTITY_MOST
        and 0 <= r.down[i] <= QUANTITY_MOST
        and -QUANTITY_MOST <= topup <= QUANTITY_MOST
        and r.period_start[i] < r.period_end[i]
        and -1 <= r.cal[i] < call.cals
    )


cdef inline void row_leave(
    const rows_t* r, int64_t i, int32_t active, uint16_t flag
) noexcept nogil:
    """The row is not evaluated; its period and what it carries stay."""
    r.out_active[i] = active
    r.out_used[i] = 0
    r.out_effective[i] = 0
    r.out_remaining[i] = 0
    r.out_period_start[i] = r.period_start[i]
    r.out_period_end[i] = r.period_end[i]
    r.out_carried[i] = r.carried[i]
    r.out_flags[i] = flag


cdef inline int row_roll(
    const call_t* call, const rows_t* r, int64_t i, int64_t* start, int64_t* end
) noexcept nogil:
    """Step 1: how many windows were passed, 2 for more; the period that now holds."""
    cdef const stand_t* stand
    start[0] = r.period_start[i]
    end[0] = r.period_end[i]
    if r.flags[i] & BILLING_BIT:
        if r.bill_start == NULL:
            return 0
        if start[0] < r.bill_start[i] <= call.now:
            start[0] = r.bill_start[i]
            end[0] = r.bill_end[i]
            return 1
        if r.bill_start[i] == start[0]:
            end[0] = r.bill_end[i]
        return 0
    if r.cal[i] < 0 or call.now < end[0]:
        return 0
    stand = &call.stands[r.cal[i]]
    if stand.start <= start[0]:
        # The row knows of a boundary that its table lacks: nothing has begun since.
        return 0
    start[0] = stand.start
    end[0] = stand.end
    return 1 if stand.before <= r.period_start[i] else 2


cdef inline int64_t row_carry(
    const rows_t* r, int64_t i, int windows, int64_t start
) noexcept nogil:
    """What a roll leaves of the quota, judged at the boundary and not at the call."""
    cdef int64_t rest
    if not r.flags[i] & CARRY_BIT or not r.flags[i] & ACTIVE_BIT or r.mode[i] == ALWAYS_MODE:
        return 0
    if r.expires != NULL and start >= r.expires[i]:
        return 0
    if windows > 1:
        return r.limit[i]
    rest = r.limit[i] + r.carried[i] + min(0, r.topup[i])
    return held(rest - metric_of(r.mode[i], r.flags[i], r.up[i], r.down[i]), 0, r.limit[i])


cdef inline void row_decide(const call_t* call, const rows_t* r, int64_t i) noexcept nogil:
    """One row by all the steps."""
    cdef uint8_t flags = r.flags[i]
    cdef int64_t carried = r.carried[i]
    cdef int64_t topup = r.topup[i]
    cdef int64_t start, end, used, effective
    cdef uint16_t found = 0
    cdef int windows
    if not row_valid(call, r, i):
        row_leave(r, i, r.t1[i], INVALID_BIT)
        return
    if r.cal[i] >= 0 and not flags & BILLING_BIT and not call.stands[r.cal[i]].known:
        row_leave(r, i, r.applied[i] if r.applied[i] else r.t1[i], CAL_RANGE_BIT)
        return
    windows = row_roll(call, r, i, &start, &end)
    if start >= end:
        row_leave(r, i, r.t1[i], INVALID_BIT)
        return
    used = metric_of(r.mode[i], flags, r.up[i], r.down[i])
    if windows:
        carried = row_carry(r, i, windows, start)
        used = topup = 0
        found |= ROLLED_BIT
    if flags & BILLING_BIT and call.now >= end:
        found |= STALE_CYCLE_BIT
    effective = 0 if r.mode[i] == ALWAYS_MODE else max(0, r.limit[i] + carried + topup)
    r.out_active[i] = r.t1[i]
    r.out_remaining[i] = max(0, effective - used)
    if r.mode[i] == ALWAYS_MODE:
        found |= UNLIMITED_BIT
        r.out_remaining[i] = -1
    else:
        if used > effective:
            found |= OVER_BIT
            r.out_active[i] = r.t2[i]
        if used >= share(effective, call.low):
            found |= LEVEL_LOW_BIT
        if used >= share(effective, call.high):
            found |= LEVEL_HIGH_BIT
    if flags & ONLINE_BIT and flags & ACTIVE_BIT and r.out_active[i] != r.applied[i]:
        if r.expires == NULL or call.now < r.expires[i]:
            found |= SWITCH_BIT
    r.out_used[i] = used
    r.out_effective[i] = effective
    r.out_period_start[i] = start
    r.out_period_end[i] = end
    r.out_carried[i] = carried
    r.out_flags[i] = found


cdef inline void decide_block(
    const call_t* call, const rows_t* r, int64_t from_row, int64_t n, int64_t* counts
) noexcept nogil:
    """So many rows, BLOCK at most."""
    cdef room_t room
    cdef rows_t here
    cdef uint8_t[BLOCK] special
    cdef int64_t i = 0
    block_at(r, from_row, &room if call.streams else NULL, &here)
    plain_rows(call.lanes, &here, n, call.now, call.low, call.high, call.cals, special)
    while True:
        if call.known:
            i = next_special(special, i, n)
        if i >= n:
            break
        row_decide(call, &here, i)
        i += 1
    count_flags(here.out_flags, n, counts)
    if call.streams:
        carry_out(call.lanes, r, from_row, n, &room)
