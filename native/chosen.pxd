"""Chosen sales into cells: listed rows of a chunk, added up where they lie (4.12).

Between two strikes of its clock a zone's rows have one base, so in an ascending chunk a row's cell
follows from its number, its zone and its key. Where clocks strike too often for that, or rows are
not in order, the listed rows are copied and added up like any others. Where most rows are chosen,
all are added up and the others taken away again, which integers do not mind.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t

from revenue cimport (
    CHUNK_ROWS, add_sales, cell_t, cube_t, first_row, keys_t, next_strike, outside, sales_t,
    touches, zone_t,
)


cdef extern from "listed.h" nogil:
    enum:
        CUTS_MAX
    ctypedef struct cuts_t:
        uint32_t* row
        uint32_t* base
    ctypedef struct listed_t:
        int64_t count
        bint takes
    void add_listed(
        cell_t*, const sales_t*, const keys_t*, const cuts_t*, const listed_t*, bint
    )


cdef extern from "choice.h" nogil:
    ctypedef struct choice_t:
        const uint8_t* places
        const uint8_t* machines
        uint32_t place_count
        uint32_t machine_count
        int32_t product
        int32_t payment
    ctypedef struct chooser_t:
        cuts_t* cuts
        listed_t listed
        sales_t copies
    uint32_t pair_slot(uint32_t, uint32_t, int)
    void want_pairs(const choice_t*, const uint32_t*, const uint32_t*, int64_t, uint8_t*)
    void choose_rows(const sales_t*, const choice_t*, const uint8_t*, bint, chooser_t*)
    const sales_t* copy_rows(const sales_t*, const choice_t*, chooser_t*)


cdef inline int64_t zone_cuts(
    const cube_t* cube, const zone_t* zone, int64_t number, const sales_t* sales, cuts_t* cuts
) noexcept nogil:
    """Cuts ascending rows where a zone's cell changes; how often, beyond CUTS_MAX one more."""
    cdef int64_t row = first_row(sales, 0, cube.earliest_s)
    cdef int64_t count = 0
    cdef int64_t strike, i
    cdef uint32_t base
    for i in range(CUTS_MAX + 1):
        cuts.row[i] = CHUNK_ROWS
    cuts.base[0] = outside(cube)
    while True:
        base = outside(cube)
        strike = INT64_MAX
        if sales.at[row] < cube.latest_s:
            strike = min(cube.latest_s, next_strike(cube, zone, number, sales.at[row], &base))
        if row:
            if count == CUTS_MAX:
                return CUTS_MAX + 1
            cuts.row[count] = <uint32_t>row
            count += 1
        cuts.base[count] = base
        if strike > sales.last:
            return count
        row = first_row(sales, row, strike)


cdef inline int64_t find_cuts(
    const cube_t* cube, const zone_t* zones, const sales_t* sales, cuts_t* cuts
) noexcept nogil:
    """Cuts ascending rows for every zone; the most cuts of one, beyond CUTS_MAX one more."""
    cdef int64_t most = 0
    cdef int64_t zone
    for zone in range(cube.zones):
        if most <= CUTS_MAX:
            most = max(most, zone_cuts(cube, &zones[zone], zone, sales, &cuts[zone]))
    return most


cdef inline void add_chosen(
    const cube_t** cubes, int64_t count, const zone_t* zones, const sales_t* sales,
    const choice_t* choice, const uint8_t* wanted, chooser_t* chooser, cell_t** cells,
) noexcept nogil:
    """Adds the wanted rows of a chunk, where they lie unless clocks strike too often meanwhile."""
    cdef const sales_t* copies = NULL
    cdef int64_t most, i
    choose_rows(sales, choice, wanted, sales.ascending, chooser)
    for i in range(count):
        if not touches(cubes[i], sales):
            continue
        most = CUTS_MAX + 1
        if sales.ascending:
            most = find_cuts(cubes[i], zones, sales, chooser.cuts)
        if most <= CUTS_MAX:
            if chooser.listed.takes:
                add_sales(cubes[i], zones, sales, cells[i])
            add_listed(
                cells[i], sales, &cubes[i].keys, chooser.cuts, &chooser.listed, most > 1
            )
        else:
            if chooser.listed.takes:
                choose_rows(sales, choice, wanted, False, chooser)
            if copies == NULL:
                copies = copy_rows(sales, choice, chooser)
            add_sales(cubes[i], zones, copies, cells[i])
