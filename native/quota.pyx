"""Quotas over columns as Python sees them; the contract is in farebox/core/quota.pyi.

The rule is in quota.pxd and quota.h. Here is what they must not do: take memory, check what enters,
divide the rows among threads.
"""

cimport cython
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport calloc, free

from calendar cimport calendar_search, calendar_t
from quota cimport (
    ACTIVE_BIT, ALWAYS_MODE, BILLING_BIT, BLOCK, CAL_RANGE_BIT, CARRY_BIT, DATA_MODE, EITHER_MODE,
    EXCLUDE_UPLOAD_BIT, INVALID_BIT, LEVEL_HIGH_BIT, LEVEL_LOW_BIT, ONLINE_BIT, OVER_BIT, PIECE,
    ROLLED_BIT, STALE_CYCLE_BIT, STREAM_ROWS, SWITCH_BIT, UNLIMITED_BIT, all_carried, call_t,
    decide_block, lanes_most, rows_before, rows_t, stand_t,
)


cdef extern from "loops.h" nogil:
    int64_t take_turn(int64_t* turn)
    void run_threads(void* (*work)(void*) noexcept nogil, void** each, int count)

NEVER_MS = INT64_MAX
QUANTITY_MAX = (1 << 60) - 1
DATA, UPLOAD_DOWNLOAD, ALWAYS = DATA_MODE, EITHER_MODE, ALWAYS_MODE
EXCLUDE_UPLOAD, CARRY, ACTIVE = EXCLUDE_UPLOAD_BIT, CARRY_BIT, ACTIVE_BIT
ONLINE, BILLING = ONLINE_BIT, BILLING_BIT
OVER, ROLLED, SWITCH, LEVEL_LOW = OVER_BIT, ROLLED_BIT, SWITCH_BIT, LEVEL_LOW_BIT
LEVEL_HIGH, UNLIMITED, STALE_CYCLE = LEVEL_HIGH_BIT, UNLIMITED_BIT, STALE_CYCLE_BIT
CAL_RANGE, INVALID = CAL_RANGE_BIT, INVALID_BIT
LANES = tuple([each for each in (2, 4, 8) if each <= lanes_most()])

cdef enum:
    THREADS_MAX = 64


@cython.final
cdef class Calendars:
    """Boundary tables behind each other."""

    cdef int64_t* offsets
    cdef int64_t* boundaries
    cdef int64_t count

    def __cinit__(self, offsets, boundaries):
        cdef const int64_t[::1] given = offsets
        cdef const int64_t[::1] at = boundaries
        cdef int64_t number, i
        self.count = given.shape[0] - 1
        if not 0 <= self.count < 1 << 31 or given[0] != 0 or given[self.count] != at.shape[0]:
            raise ValueError("offsets must divide the boundaries")
        self.offsets = <int64_t*>calloc(self.count + 1, sizeof(int64_t))
        self.boundaries = <int64_t*>calloc(at.shape[0] + 1, sizeof(int64_t))
        if self.offsets == NULL or self.boundaries == NULL:
            raise MemoryError
        for number in range(self.count):
            if not given[number] <= given[number + 1] <= at.shape[0]:
                raise ValueError("offsets must ascend")
            for i in range(given[number] + 1, given[number + 1]):
                if at[i] <= at[i - 1]:
                    raise ValueError(f"table {number} must ascend")
        for i in range(self.count + 1):
            self.offsets[i] = given[i]
        for i in range(at.shape[0]):
            self.boundaries[i] = at[i]

    def __dealloc__(self):
        free(self.offsets)
        free(self.boundaries)

    def __len__(self):
        return self.count

    cdef bint stand(self, int64_t number, int64_t now, stand_t* stand) noexcept nogil:
        """Where a table stands at an instant; whether it contains it."""
        cdef calendar_t table
        cdef int64_t i
        table.at = self.boundaries + self.offsets[number]
        table.count = self.offsets[number + 1] - self.offsets[number]
        stand.known = (
            table.count > 1 and table.at[0] <= now and now < table.at[table.count - 1]
        )
        if stand.known:
            i = calendar_search(&table, now)
            stand.start = table.at[i]
            stand.end = table.at[i + 1]
            stand.before = table.at[i - 1] if i else INT64_MIN
        return stand.known


cdef struct job_t:
    # One call, shared by its threads.
    const call_t* call
    const rows_t* rows
    int64_t count
    int64_t before      # rows that the first block lacks
    int64_t turn

cdef struct worker_t:
    job_t* job
    int64_t[4] counts


cdef void* work(void* given) noexcept nogil:
    """Takes piece after piece until there are none."""
    cdef worker_t* worker = <worker_t*>given
    cdef job_t* job = worker.job
    cdef int64_t row, rows, end
    while True:
        row = take_turn(&job.turn) * PIECE - job.before
        end = min(row + PIECE, job.count)
        if row >= job.count:
            all_carried()
            return NULL
        row = max(row, 0)
        while row < end:
            rows = min(BLOCK - (row + job.before) % BLOCK, end - row)
            decide_block(job.call, job.rows, row, rows, worker.counts)
            row += rows


cdef const int64_t* wide(given, int64_t n, str name) except? NULL:
    """A column of int64 that goes in."""
    cdef const int64_t[::1] column = given
    return <const int64_t*>fits(column.shape[0], n, name, &column[0] if column.shape[0] else NULL)


cdef const int32_t* narrow(given, int64_t n, str name) except? NULL:
    cdef const int32_t[::1] column = given
    return <const int32_t*>fits(column.shape[0], n, name, &column[0] if column.shape[0] else NULL)


cdef const uint8_t* bits(given, int64_t n, str name) except? NULL:
    cdef const uint8_t[::1] column = given
    return <const uint8_t*>fits(column.shape[0], n, name, &column[0] if column.shape[0] else NULL)


cdef int64_t* wide_out(given, int64_t n, str name) except? NULL:
    cdef int64_t[::1] column = given
    return <int64_t*>fits(column.shape[0], n, name, &column[0] if column.shape[0] else NULL)


cdef const void* fits(int64_t length, int64_t n, str name, const void* at) except? NULL:
    if length != n:
        raise ValueError(f"{name} has {length} rows, mode {n}")
    return at


cdef tuple run(const call_t* call, const rows_t* rows, int64_t n, int threads):
    """All rows on so many threads."""
    cdef worker_t[THREADS_MAX] workers
    cdef void* each[THREADS_MAX]
    cdef job_t job
    cdef int64_t[4] counts
    cdef int i, k
    job.call = call
    job.rows = rows
    job.count = n
    job.before = rows_before(rows)
    job.turn = 0
    threads = max(1, min(threads, <int>min(n // PIECE, THREADS_MAX)))
    for i in range(threads):
        workers[i].job = &job
        workers[i].counts = [0, 0, 0, 0]
        each[i] = &workers[i]
    with nogil:
        run_threads(work, each, threads)
    counts = [0, 0, 0, 0]
    for i in range(threads):
        for k in range(4):
            counts[k] += workers[i].counts[k]
    return counts[0], counts[1], counts[2], counts[3]


def evaluate(
    int64_t now_ms, Calendars calendars not None, *, mode, flags, limit, topup, carried, up, down,
    period_start, period_end, cal, t1, t2, applied, bill_start=None, bill_end=None, expires=None,
    int low=80, int high=100, out_active, out_used, out_effective, out_remaining, out_period_start,
    out_period_end, out_carried, out_flags, int threads=1, int lanes=0,
):
    """Every row by the rule; how many rolled, are over, are to be switched and are invalid."""
    cdef const uint8_t[::1] first = mode
    cdef int32_t[::1] active = out_active
    cdef uint16_t[::1] found = out_flags
    cdef int64_t n = first.shape[0]
    cdef int64_t i
    cdef rows_t r
    cdef call_t call
    cdef stand_t* stands
    # None of them may move while there is no interpreter lock.
    held = [memoryview(each) for each in (
        mode, flags, limit, topup, carried, up, down, period_start, period_end, cal, t1, t2,
        applied, bill_start, bill_end, expires, out_used, out_effective, out_remaining,
        out_period_start, out_period_end, out_carried,
    ) if each is not None]
    if not 0 <= low <= high <= 100:
        raise ValueError("thresholds are 0 <= low <= high <= 100")
    if not 1 <= threads <= THREADS_MAX:
        raise ValueError(f"threads are 1 to {THREADS_MAX}")
    if lanes and lanes not in LANES:
        raise ValueError(f"lanes are one of {LANES}")
    if (bill_start is None) != (bill_end is None):
        raise ValueError("a cycle has a start and an end")
    r.mode, r.flags = bits(mode, n, "mode"), bits(flags, n, "flags")
    r.limit, r.topup = wide(limit, n, "limit"), wide(topup, n, "topup")
    r.carried = wide(carried, n, "carried")
    r.up, r.down = wide(up, n, "up"), wide(down, n, "down")
    r.period_start = wide(period_start, n, "period_start")
    r.period_end = wide(period_end, n, "period_end")
    r.cal, r.applied = narrow(cal, n, "cal"), narrow(applied, n, "applied")
    r.t1, r.t2 = narrow(t1, n, "t1"), narrow(t2, n, "t2")
    r.bill_start = r.bill_end = r.expires = NULL
    if bill_start is not None:
        r.bill_start = wide(bill_start, n, "bill_start")
        r.bill_end = wide(bill_end, n, "bill_end")
    if expires is not None:
        r.expires = wide(expires, n, "expires")
    r.out_active = <int32_t*>fits(
        active.shape[0], n, "out_active", &active[0] if active.shape[0] else NULL
    )
    r.out_flags = <uint16_t*>fits(
        found.shape[0], n, "out_flags", &found[0] if found.shape[0] else NULL
    )
    r.out_used = wide_out(out_used, n, "out_used")
    r.out_effective = wide_out(out_effective, n, "out_effective")
    r.out_remaining = wide_out(out_remaining, n, "out_remaining")
    r.out_period_start = wide_out(out_period_start, n, "out_period_start")
    r.out_period_end = wide_out(out_period_end, n, "out_period_end")
    r.out_carried = wide_out(out_carried, n, "out_carried")
    call.now, call.low, call.high = now_ms, low, high
    call.cals, call.known = <int32_t>calendars.count, True
    call.lanes, call.streams = lanes or lanes_most(), n >= STREAM_ROWS
    stands = <stand_t*>calloc(calendars.count + 1, sizeof(stand_t))
    if stands == NULL:
        raise MemoryError
    try:
        for i in range(calendars.count):
            if not calendars.stand(i, now_ms, &stands[i]):
                call.known = False
        call.stands = stands
        return run(&call, &r, n, threads)
    finally:
        free(stands)
        del held


def evaluate_one(
    int64_t now_ms, span, *, uint8_t mode, uint8_t flags, int64_t limit, int64_t topup,
    int64_t carried, int64_t up, int64_t down, int64_t period_start, int64_t period_end,
    int32_t t1, int32_t t2, int32_t applied, int64_t bill_start, int64_t bill_end,
    int64_t expires, int low=80, int high=100,
):
    """One row by the rule; its answers in the order of the columns that go out."""
    cdef int32_t cal = -1
    cdef int32_t active
    cdef int64_t used, effective, remaining, start, end, left
    cdef uint16_t found
    cdef int64_t[4] counts
    cdef stand_t stand
    cdef rows_t r
    cdef call_t call
    if not 0 <= low <= high <= 100:
        raise ValueError("thresholds are 0 <= low <= high <= 100")
    stand.known = True
    if span is not None:
        cal = 0
        stand.before, stand.start, stand.end = span
        if not stand.before < stand.start < stand.end:
            raise ValueError("a span ascends")
        stand.known = stand.before <= now_ms < stand.end
        if now_ms < stand.start:
            # The window before it is the one around now; what came before that, nobody has said.
            stand.before, stand.start, stand.end = INT64_MIN, stand.before, stand.start
    r.mode, r.flags, r.limit, r.topup, r.carried = &mode, &flags, &limit, &topup, &carried
    r.up, r.down, r.period_start, r.period_end = &up, &down, &period_start, &period_end
    r.cal, r.t1, r.t2, r.applied = &cal, &t1, &t2, &applied
    r.bill_start, r.bill_end, r.expires = &bill_start, &bill_end, &expires
    r.out_active, r.out_used, r.out_effective = &active, &used, &effective
    r.out_remaining, r.out_period_start, r.out_period_end = &remaining, &start, &end
    r.out_carried, r.out_flags = &left, &found
    call.now, call.low, call.high = now_ms, low, high
    call.stands, call.cals, call.known = &stand, cal + 1, stand.known
    call.lanes, call.streams = lanes_most(), False
    counts = [0, 0, 0, 0]
    decide_block(&call, &r, 0, 1, counts)
    return active, used, effective, remaining, start, end, left, found
