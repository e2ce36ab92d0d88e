"""Sales into cells: which cell a sale belongs to by its wall clock (vending-commerce.md 4.12).

Between two instants at which any zone's clock passes a midnight (or an hour), a change of offset or
an edge of the window, the cell of a sale depends on its zone and key alone. So ascending rows are
cut into runs at those instants, and within a run no row's time is looked at. Rows in any other
order have the base of their cell worked out one by one, in blocks. Both give the same figures.
"""

from libc.stdint cimport (
    INT64_MAX, UINT32_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)


cdef extern from "sales.h" nogil:
    enum:
        CHUNK_ROWS
        PACKED_CELLS
        PACKED_ROWS
        BLOCK_ROWS
        BY_CURRENCY
        BY_ZONE_CURRENCY
        BY_PRODUCT
        BY_CURRENCY_PRODUCT
        BY_PAYMENT_CURRENCY
    ctypedef struct cell_t:
        int64_t count
        int64_t sum
    ctypedef struct sales_t:
        uint32_t* at
        uint32_t* place
        uint32_t* machine
        uint32_t* starts
        uint32_t* number
        uint16_t* by_pair
        uint8_t* pair_zone
        int64_t pairs
        uint32_t* product
        int32_t* price
        uint8_t* zone
        uint8_t* currency
        uint8_t* payment
        int64_t rows
        uint32_t first
        uint32_t last
        int32_t ascending
    ctypedef struct keys_t:
        int32_t kind
        uint32_t currencies
        uint32_t products
        uint32_t payments
        const uint32_t* groups
    ctypedef struct wall_t:
        # `from` and `until` of the header; the first name is a word of this language.
        int64_t since "from"
        int64_t until
        int32_t offset
        int32_t[2] step
        uint32_t[2] change
    ctypedef struct frame_t:
        int64_t origin
        uint32_t stride
        uint32_t outside
        int64_t since "from"
        int64_t until
    void add_by_zone(cell_t*, const sales_t*, const keys_t*, const uint32_t*, int64_t, int64_t)
    void add_by_row(cell_t*, const sales_t*, const keys_t*, const uint32_t*, int64_t, int64_t)
    ctypedef struct packed_t:
        pass
    void clear_packed(packed_t*, uint32_t)
    void add_packed(packed_t*, const sales_t*, const keys_t*, int64_t, int64_t)
    void land_packed(packed_t*, const keys_t*, int64_t, uint32_t, cell_t*)
    void base_rows(
        uint32_t*, const uint32_t*, const uint8_t*, int64_t, const wall_t*, const frame_t*, int64_t
    )
    void base_span(
        uint32_t*, const uint32_t*, const uint8_t*, int64_t, const uint32_t*, uint32_t, int64_t
    )
    int64_t first_row(const sales_t*, int64_t, int64_t)


cdef enum:
    ZONES = 256
    # Shorter runs than this on average cost more than working out every row.
    RUN_ROWS = 24

# A zone's offsets; offset[0] is before the first change.
cdef struct zone_t:
    const int64_t* change
    const int32_t* offset
    int64_t count

# What is counted: the window, the unit of time (0 = none) and the shape of the cells.
cdef struct cube_t:
    keys_t keys
    int64_t unit
    int64_t first           # the unit of the first cells, since 1970 on the wall
    int64_t times
    uint32_t stride         # keys
    int64_t from_s
    int64_t until_s
    # Instants that no sale inside lies outside of, whatever its zone.
    int64_t earliest_s
    int64_t latest_s
    int64_t zones
    int64_t* local_from
    int64_t* local_until


cdef inline int64_t zone_change(const zone_t* zone, int64_t instant) noexcept nogil:
    """How many changes there were up to and with the instant."""
    cdef int64_t low = 0
    cdef int64_t high = zone.count
    cdef int64_t middle
    while low < high:
        middle = (low + high) >> 1
        if zone.change[middle] <= instant:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline int64_t floored(int64_t a, int64_t b) noexcept nogil:
    """a / b, rounded down; b is positive."""
    return a // b - (1 if a % b < 0 else 0)


cdef inline uint32_t outside(const cube_t* cube) noexcept nogil:
    """The base of sales that do not count."""
    return <uint32_t>(cube.times * cube.stride)


cdef inline int64_t next_strike(
    const cube_t* cube, const zone_t* zone, int64_t number, int64_t instant, uint32_t* base
) noexcept nogil:
    """The base of a zone's sales from the instant on, and the instant until which it holds."""
    cdef int64_t change = zone_change(zone, instant)
    cdef int64_t offset = zone.offset[change]
    cdef int64_t until = zone.change[change] if change < zone.count else INT64_MAX
    cdef int64_t local = instant + offset
    cdef int64_t unit
    base[0] = outside(cube)
    if local < cube.local_from[number]:
        return min(until, cube.local_from[number] - offset)
    if local >= cube.local_until[number]:
        return until
    until = min(until, cube.local_until[number] - offset)
    if cube.unit == 0:
        base[0] = 0
        return until
    unit = floored(local, cube.unit)
    base[0] = <uint32_t>(unit - cube.first) * cube.stride
    return min(until, (unit + 1) * cube.unit - offset)


cdef inline bint packs(const cube_t* cube) noexcept nogil:
    """Whether zones times currencies are few, and nothing else makes a key."""
    return cube.keys.kind <= BY_ZONE_CURRENCY and cube.zones * cube.keys.currencies <= PACKED_CELLS


cdef inline void add_ascending(
    const cube_t* cube, const zone_t* zones, const sales_t* sales, cell_t* cells
) noexcept nogil:
    """Run by run. A zone's packed figures land in their cells when its base changes."""
    cdef packed_t packed
    cdef uint32_t[ZONES] bases
    cdef int64_t[ZONES] until
    cdef int64_t row = first_row(sales, 0, cube.earliest_s)
    cdef int64_t end = first_row(sales, row, cube.latest_s)
    cdef bint packing = packs(cube)
    cdef int64_t zone, instant, strike, following
    for zone in range(cube.zones):
        until[zone] = -1
    if packing:
        clear_packed(&packed, <uint32_t>(cube.zones * cube.keys.currencies))
    while row < end:
        instant = sales.at[row]
        strike = cube.latest_s
        for zone in range(cube.zones):
            if until[zone] <= instant:
                if packing and until[zone] >= 0:
                    land_packed(&packed, &cube.keys, zone, bases[zone], cells)
                until[zone] = next_strike(cube, &zones[zone], zone, instant, &bases[zone])
            strike = min(strike, until[zone])
        following = min(first_row(sales, row, strike), end)
        if packing and following - row >= PACKED_ROWS:
            add_packed(&packed, sales, &cube.keys, row, following)
        else:
            add_by_zone(cells, sales, &cube.keys, bases, row, following)
        row = following
    if packing:
        for zone in range(cube.zones):
            if until[zone] >= 0:
                land_packed(&packed, &cube.keys, zone, bases[zone], cells)


cdef inline bint narrow(const cube_t* cube) noexcept nogil:
    """Whether 32 bits hold the seconds since the first cell."""
    return cube.times * cube.unit <= <int64_t>UINT32_MAX


cdef inline bint wall_fit(
    const cube_t* cube, const zone_t* zone, int64_t number, const sales_t* sales, wall_t* wall
) noexcept nogil:
    """A zone's clock over the span of the rows; False if it changes more than twice."""
    cdef int64_t change = zone_change(zone, sales.first)
    cdef int i
    wall.since = cube.local_from[number]
    wall.until = cube.local_until[number]
    wall.offset = zone.offset[change]
    for i in range(2):
        wall.change[i] = 0xFFFFFFFF
        wall.step[i] = 0
        if change < zone.count and zone.change[change] <= sales.last:
            wall.change[i] = <uint32_t>zone.change[change]
            wall.step[i] = zone.offset[change + 1] - zone.offset[change]
            change += 1
    return change == zone.count or zone.change[change] > sales.last


cdef inline void add_unordered(
    const cube_t* cube, const zone_t* zones, const sales_t* sales, cell_t* cells
) noexcept nogil:
    """Row by row, a block at a time."""
    cdef wall_t[ZONES] walls
    cdef uint32_t[BLOCK_ROWS] bases
    cdef frame_t frame
    cdef int64_t zone, row, rows, i
    cdef bint fits = narrow(cube)
    frame.origin = cube.first * cube.unit
    frame.stride = cube.stride
    frame.outside = outside(cube)
    frame.since = cube.from_s
    frame.until = cube.until_s
    for zone in range(cube.zones):
        fits = wall_fit(cube, &zones[zone], zone, sales, &walls[zone]) and fits
    row = 0
    while row < sales.rows:
        rows = min(BLOCK_ROWS, sales.rows - row)
        if fits:
            base_rows(bases, sales.at + row, sales.zone + row, rows, walls, &frame, cube.unit)
        else:
            # Rows or windows that span many years, which is never in a hurry.
            for i in range(rows):
                zone = sales.zone[row + i]
                bases[i] = outside(cube)
                if cube.from_s <= sales.at[row + i] < cube.until_s:
                    next_strike(cube, &zones[zone], zone, sales.at[row + i], &bases[i])
        add_by_row(cells, sales, &cube.keys, bases, row, row + rows)
        row += rows


cdef inline void add_sparse(
    const cube_t* cube, const zone_t* zones, const sales_t* sales, cell_t* cells
) noexcept nogil:
    """Ascending rows of days or hours that have few rows each: cut where an offset changes only."""
    cdef cube_t plain = cube[0]
    cdef sales_t part = sales[0]
    cdef uint32_t[ZONES] shift
    cdef uint32_t[BLOCK_ROWS] bases
    cdef int64_t row = first_row(sales, 0, cube.earliest_s)
    cdef int64_t end = first_row(sales, row, cube.latest_s)
    cdef int64_t zone, instant, strike, rows, offset
    cdef uint32_t base
    cdef bint within
    plain.unit = 0
    while row < end:
        instant = sales.at[row]
        strike = cube.latest_s
        within = narrow(cube)
        for zone in range(cube.zones):
            strike = min(strike, next_strike(&plain, &zones[zone], zone, instant, &base))
            within = within and base == 0
            offset = zones[zone].offset[zone_change(&zones[zone], instant)]
            shift[zone] = <uint32_t>(offset - cube.first * cube.unit)
        rows = min(first_row(sales, row, strike), end) - row
        if within:
            rows = min(rows, BLOCK_ROWS)
            base_span(bases, sales.at + row, sales.zone + row, rows, shift, cube.stride, cube.unit)
            add_by_row(cells, sales, &cube.keys, bases, row, row + rows)
        else:
            cut(sales, &part, row, rows)
            add_unordered(cube, zones, &part, cells)
        row += rows


cdef inline void cut(const sales_t* sales, sales_t* part, int64_t row, int64_t rows) noexcept nogil:
    """Some of the rows of an ascending chunk."""
    part.at = sales.at + row
    part.product = sales.product + row
    part.price = sales.price + row
    part.zone = sales.zone + row
    part.currency = sales.currency + row
    part.payment = sales.payment + row
    part.rows = rows
    part.first = sales.at[row]
    part.last = sales.at[row + rows - 1]


cdef inline bint runs_long(const cube_t* cube, const sales_t* sales) noexcept nogil:
    """Whether runs are worth it: clocks strike together but for their offsets."""
    cdef int64_t strikes
    if cube.unit == 0:
        return True
    strikes = (<int64_t>sales.last - sales.first) // cube.unit + 1
    return sales.rows >= RUN_ROWS * strikes * min(cube.zones, 3 if cube.unit == 3600 else 30)


cdef inline bint touches(const cube_t* cube, const sales_t* sales) noexcept nogil:
    """Whether any of the rows may lie inside the window."""
    return sales.rows > 0 and sales.last >= cube.earliest_s and sales.first < cube.latest_s


cdef inline void add_sales(
    const cube_t* cube, const zone_t* zones, const sales_t* sales, cell_t* cells
) noexcept nogil:
    """Adds the rows of a chunk to the cells of a cube."""
    if touches(cube, sales):
        if not sales.ascending:
            add_unordered(cube, zones, sales, cells)
        elif runs_long(cube, sales):
            add_ascending(cube, zones, sales, cells)
        else:
            add_sparse(cube, zones, sales, cells)
