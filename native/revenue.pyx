"""Segments and cubes as Python sees them; the contract is in farebox/core/revenue.pyi.

The kernels are in revenue.pxd (which cell) and sales.h (the loops). Here is what they must not do:
take memory, check what enters, divide a scan among threads and turn figures into Python values.
"""

cimport cython
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memset

from chosen cimport add_chosen, choice_t, chooser_t, pair_slot, want_pairs
from copy_rows cimport MALFORMED, TRAILER, UNFINISHED, header_read
from copy_sales cimport NUMBER_BITS, SALE_COLUMNS, sale_read, sale_t
from revenue cimport (
    BY_CURRENCY_PRODUCT, BY_PAYMENT_CURRENCY, BY_PRODUCT, CHUNK_ROWS, ZONES, add_sales, cell_t,
    cube_t, floored, keys_t, sales_t, touches, zone_change, zone_t,
)


cdef extern from "machine.h" nogil:
    void* region_take(size_t size, bint large)
    void region_give(void* at, size_t size)

cdef extern from "sales.h" nogil:
    bint sum_overflows(int64_t a, int64_t b)

cdef extern from "loops.h" nogil:
    int64_t take_turn(int64_t* turn)
    void run_threads(void* (*work)(void*) noexcept nogil, void** each, int count)

WHOLE, DAY, HOUR, WEEK, MONTH, YEAR, HOUR_OF_WEEK = range(7)
CURRENCY, ZONE_CURRENCY, PRODUCT, CURRENCY_PRODUCT, PAYMENT_CURRENCY = range(5)
NO_GROUP = 0xFFFFFFFF
CELLS_MAX = 1 << 22

cdef enum:
    # No offset is longer, in seconds.
    OFFSET_MAX = 86_400
    THREADS_MAX = 64

cdef int64_t WALL_MAX = <int64_t>1 << 40

include "chunks.pxi"
include "segments.pxi"
include "cubes.pxi"


cdef struct job_t:
    # One scan, shared by its threads.
    const sales_t** parts
    const uint8_t** wanted      # pairs, part by part
    int64_t part_count
    const cube_t** cubes
    int64_t cube_count
    const zone_t* zones
    choice_t choice
    bint chooses
    int64_t turn

cdef struct worker_t:
    # What one thread has for itself: cells per cube, and room for chosen rows.
    job_t* job
    cell_t** cells
    chooser_t* chooser
    void* copies
    int64_t looked


cdef void* work(void* given) noexcept nogil:
    """Takes chunk after chunk until there are none."""
    cdef worker_t* worker = <worker_t*>given
    cdef job_t* job = worker.job
    cdef const sales_t* sales
    cdef int64_t part, i
    cdef bint wanted
    while True:
        part = take_turn(&job.turn)
        if part >= job.part_count:
            return NULL
        sales = job.parts[part]
        wanted = False
        for i in range(job.cube_count):
            wanted = wanted or touches(job.cubes[i], sales)
        if not wanted:
            continue
        worker.looked += sales.rows
        if job.chooses:
            add_chosen(job.cubes, job.cube_count, job.zones, sales, &job.choice, job.wanted[part],
                       worker.chooser, worker.cells)
            continue
        for i in range(job.cube_count):
            add_sales(job.cubes[i], job.zones, sales, worker.cells[i])


cdef uint8_t* masked(const uint8_t[::1] given, uint32_t* count) except NULL:
    """A mask of zeros and ones with one more for numbers beyond: all are wanted where none is."""
    cdef int64_t length = 0 if given is None else min(given.shape[0], UINT32_MAX - 1)
    cdef uint8_t* mask = <uint8_t*>take(length + 1)
    cdef int64_t i
    for i in range(length):
        mask[i] = given[i] != 0
    mask[length] = given is None
    count[0] = <uint32_t>length
    return mask


@cython.final
@cython.internal
cdef class Scan:
    """Memory of one scan, given back whatever happens."""

    cdef job_t job
    cdef worker_t* workers
    cdef int threads
    cdef uint8_t* places
    cdef uint8_t* machines
    cdef uint8_t* wanted        # a byte for each pair of each snapshot
    cdef list snapshots

    def __cinit__(self, list snapshots, list cubes, int threads):
        cdef Snapshot snapshot
        cdef Cube cube
        cdef int64_t parts = sum([(<Snapshot>each).part_count for each in snapshots])
        cdef int64_t i
        memset(&self.job, 0, sizeof(job_t))
        self.threads = max(1, min(threads, <int>min(parts, THREADS_MAX)))
        self.snapshots = list(snapshots)
        self.job.parts = <const sales_t**>take(parts * sizeof(void*))
        self.job.wanted = <const uint8_t**>take(parts * sizeof(void*))
        self.job.cubes = <const cube_t**>take(len(cubes) * sizeof(void*))
        for snapshot in self.snapshots:
            for i in range(snapshot.part_count):
                self.job.parts[self.job.part_count] = &snapshot.parts[i]
                self.job.part_count += 1
        for cube in cubes:
            self.job.cubes[self.job.cube_count] = &cube.cube
            self.job.cube_count += 1
            self.job.choice.product |= cube.groups != NULL
            self.job.choice.payment |= cube.cube.keys.kind == BY_PAYMENT_CURRENCY
        self.workers = <worker_t*>take(self.threads * sizeof(worker_t))
        for i in range(self.threads):
            self.workers[i].job = &self.job
            self.workers[i].cells = <cell_t**>take(len(cubes) * sizeof(void*))
            for number, cube in enumerate(cubes):
                self.workers[i].cells[number] = <cell_t*>take(cells_bytes(&cube.cube))

    def __dealloc__(self):
        cdef int64_t i, number
        if self.workers != NULL:
            for i in range(self.threads):
                if self.workers[i].cells != NULL:
                    for number in range(self.job.cube_count):
                        free(self.workers[i].cells[number])
                free(self.workers[i].cells)
                free(self.workers[i].chooser)
                free(self.workers[i].copies)
        free(self.workers)
        free(self.places)
        free(self.machines)
        free(self.wanted)
        free(<void*>self.job.wanted)
        free(<void*>self.job.parts)
        free(<void*>self.job.cubes)

    cdef int choose(self, const uint8_t[::1] places, const uint8_t[::1] machines) except -1:
        """Only these places and machines."""
        cdef int64_t i
        if places is None and machines is None:
            return 0
        self.wanted = <uint8_t*>take(
            sum([(<Snapshot>each).pair_count for each in self.snapshots])
        )
        self.job.chooses = True
        self.places = masked(places, &self.job.choice.place_count)
        self.job.choice.places = self.places
        self.machines = masked(machines, &self.job.choice.machine_count)
        self.job.choice.machines = self.machines
        for i in range(self.threads):
            # Not zeroed: most of it is not needed in most scans.
            self.workers[i].chooser = <chooser_t*>malloc(sizeof(chooser_t))
            self.workers[i].copies = malloc(CHUNK_ROWS * CHOSEN_BYTES)
            if self.workers[i].chooser == NULL or self.workers[i].copies == NULL:
                raise MemoryError
            memset(&self.workers[i].chooser.copies, 0, sizeof(sales_t))
            columns_lay(&self.workers[i].chooser.copies, self.workers[i].copies)
        return 0

    cdef void want(self) noexcept:
        """Asks once for each pair of a segment whether it is wanted."""
        cdef Snapshot snapshot
        cdef uint8_t* wanted = self.wanted
        cdef int64_t part = 0
        cdef int64_t i
        for snapshot in self.snapshots:
            with nogil:
                want_pairs(&self.job.choice, snapshot.pairs.place, snapshot.pairs.machine,
                           snapshot.pair_count, wanted)
            for i in range(part, part + snapshot.part_count):
                self.job.wanted[i] = wanted
            part += snapshot.part_count
            wanted += snapshot.pair_count

    cdef int64_t run(self) noexcept nogil:
        cdef void* each[THREADS_MAX]
        cdef int64_t looked = 0
        cdef int i
        for i in range(self.threads):
            each[i] = &self.workers[i]
        run_threads(work, each, self.threads)
        for i in range(self.threads):
            looked += self.workers[i].looked
        return looked

    cdef int land(self, list cubes) except -1:
        """Every worker's figures into the cubes, or none where a sum does not fit."""
        cdef Cube cube
        cdef int64_t number
        cdef int i
        for number, cube in enumerate(cubes):
            for i in range(1, self.threads):
                cells_add(self.workers[0].cells[number], self.workers[i].cells[number], cube.count)
            if cells_overflow(cube.cells, self.workers[0].cells[number], cube.count):
                raise OverflowError("a sum is beyond 64 bits")
        for number, cube in enumerate(cubes):
            cells_add(cube.cells, self.workers[0].cells[number], cube.count)
        return 0


def scan(list snapshots not None, list cubes not None, *, places=None, machines=None,
         int threads=1):
    """Adds the sales of all snapshots to all cubes; how many rows had to be looked at."""
    cdef const uint8_t[::1] chosen_places = places
    cdef const uint8_t[::1] chosen_machines = machines
    cdef Snapshot snapshot
    cdef Cube cube
    cdef Scan running
    cdef int64_t looked
    if not 1 <= threads <= THREADS_MAX:
        raise ValueError(f"threads are 1 to {THREADS_MAX}")
    if len(set(cubes)) < len(cubes):
        raise ValueError("a cube is named twice")
    for cube in cubes:
        cube.own()
        if cube.places is not (<Cube>cubes[0]).places:
            raise ValueError("the cubes do not know the same places")
        for snapshot in snapshots:
            cube.fit(snapshot)
    if not cubes:
        return 0
    running = Scan(snapshots, cubes, threads)
    running.choose(chosen_places, chosen_machines)
    for cube in cubes:
        cube.busy = True
    try:
        running.job.zones = (<Cube>cubes[0]).places.tables
        if running.job.chooses:
            running.want()
        with nogil:
            looked = running.run()
        running.land(cubes)
    finally:
        for cube in cubes:
            cube.busy = False
    return looked
