# Part of revenue.pyx: a block of rows. An open one takes rows, each with place and machine. When
# it is full it is sealed: put in the order of time, with each pair of them once, by its number in
# the segment.

cdef enum:
    OPEN_BYTES = 23
    # A row without place and machine, as it is copied when it is chosen.
    CHOSEN_BYTES = 15
    SEALED_BYTES = 17
    PAIR_BYTES = 9
    # Chunks of more pairs than this have place and machine in every row.
    PAIRS_MAX = 32768
    SLOT_BITS = 17
    # Of the slots that a segment begins with.
    PAIR_BITS = 8
    PAGE_BYTES = 4096


cdef void* take(int64_t size) except NULL:
    """Zeroed memory."""
    cdef void* at = calloc(max(size, 1), 1)
    if at == NULL:
        raise MemoryError
    return at


cdef void columns_lay(sales_t* sales, void* memory) noexcept nogil:
    """The columns of what is added up behind each other, the widest first."""
    cdef uint8_t* at = <uint8_t*>memory
    cdef int64_t wide = CHUNK_ROWS * sizeof(uint32_t)
    sales.at = <uint32_t*>at
    sales.product = <uint32_t*>(at + wide)
    sales.price = <int32_t*>(at + 2 * wide)
    sales.zone = at + 3 * wide
    sales.currency = sales.zone + CHUNK_ROWS
    sales.payment = sales.currency + CHUNK_ROWS


cdef int earlier(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<const uint64_t*>a)[0]
    cdef uint64_t y = (<const uint64_t*>b)[0]
    return (x > y) - (x < y)


@cython.final
@cython.internal
cdef class Pairs:
    """Numbers of pairs of place and machine, in order from 0; those that are there stay."""

    # So whoever knows how many there were may read those in any thread. Where there is no room for
    # more, another object takes over, and this one stays with whoever has it.

    cdef uint32_t* place
    cdef uint32_t* machine
    cdef uint32_t* slots        # one more than a number, 0 = free
    cdef int64_t count
    cdef int bits               # of the slots; half of them may be taken

    def __cinit__(self, int bits):
        self.bits = bits
        self.place = <uint32_t*>take(sizeof(uint32_t) << (bits - 1))
        self.machine = <uint32_t*>take(sizeof(uint32_t) << (bits - 1))
        self.slots = <uint32_t*>take(sizeof(uint32_t) << bits)

    def __dealloc__(self):
        free(self.place)
        free(self.machine)
        free(self.slots)

    cdef int64_t nbytes(self) noexcept:
        return (2 * <int64_t>sizeof(uint32_t)) << self.bits

    cdef int64_t room(self) noexcept:
        return ((<int64_t>1) << (self.bits - 1)) - self.count

    cdef uint32_t number(self, uint32_t place, uint32_t machine) noexcept nogil:
        """That of a pair, which gets one if it has none; there must be room."""
        cdef uint32_t slot = pair_slot(place, machine, self.bits)
        cdef uint32_t found
        while self.slots[slot]:
            found = self.slots[slot] - 1
            if self.place[found] == place and self.machine[found] == machine:
                return found
            slot = (slot + 1) & (((<uint32_t>1) << self.bits) - 1)
        self.place[self.count] = place
        self.machine[self.count] = machine
        self.count += 1
        self.slots[slot] = <uint32_t>self.count
        return <uint32_t>self.count - 1

    cdef Pairs roomier(self, int64_t more):
        """The same numbers with room for so many more."""
        cdef Pairs other
        cdef int64_t i
        cdef int bits = self.bits
        if self.room() >= more:
            return self
        while (<int64_t>1) << (bits - 1) < self.count + more:
            bits += 1
        other = Pairs(bits)
        for i in range(self.count):
            other.number(self.place[i], self.machine[i])
        return other


# What sealing needs for a moment.
cdef struct sealing_t:
    uint64_t[CHUNK_ROWS] order              # instant and row
    uint32_t[1 << SLOT_BITS] slots          # one more than the number of a pair, 0 = free
    uint32_t[PAIRS_MAX] first               # the first row of a pair
    uint16_t[CHUNK_ROWS] who


cdef int64_t pairs_number(const sales_t* sales, sealing_t* sealing) noexcept nogil:
    """Numbers the pairs of place and machine; how many, or -1 if they are too many."""
    cdef int64_t pairs = 0
    cdef int64_t row
    cdef uint32_t slot, one
    for row in range(sales.rows):
        slot = pair_slot(sales.place[row], sales.machine[row], SLOT_BITS)
        while sealing.slots[slot]:
            one = sealing.first[sealing.slots[slot] - 1]
            if sales.place[one] == sales.place[row] and sales.machine[one] == sales.machine[row]:
                break
            slot = (slot + 1) & ((1 << SLOT_BITS) - 1)
        if sealing.slots[slot] == 0:
            if pairs == PAIRS_MAX:
                return -1
            sealing.first[pairs] = <uint32_t>row
            pairs += 1
            sealing.slots[slot] = <uint32_t>pairs
        sealing.who[row] = <uint16_t>(sealing.slots[slot] - 1)
    return pairs


cdef void row_copy(sales_t* to, int64_t i, const sales_t* old, int64_t row) noexcept nogil:
    to.at[i] = old.at[row]
    to.product[i] = old.product[row]
    to.price[i] = old.price[row]
    to.zone[i] = old.zone[row]
    to.currency[i] = old.currency[row]
    to.payment[i] = old.payment[row]


@cython.final
@cython.internal
cdef class Chunk:
    """Room for so many rows; untouched pages cost nothing."""

    cdef sales_t sales
    cdef void* memory
    cdef int64_t size

    def __cinit__(self, int64_t pairs=-1):
        """Open, or to be filled with sealed rows of so many pairs."""
        cdef uint32_t* more
        self.size = CHUNK_ROWS * OPEN_BYTES
        if pairs >= 0:
            self.size = CHUNK_ROWS * SEALED_BYTES + PAIR_BYTES * pairs + 4
        self.memory = region_take(self.size, False)
        if self.memory == NULL:
            raise MemoryError
        columns_lay(&self.sales, self.memory)
        more = <uint32_t*>(<uint8_t*>self.memory + CHUNK_ROWS * CHOSEN_BYTES)
        if pairs >= 0:
            self.sales.pairs = pairs
            self.sales.by_pair = <uint16_t*>more
            self.sales.starts = more + CHUNK_ROWS // 2
            self.sales.number = self.sales.starts + pairs + 1
            self.sales.pair_zone = <uint8_t*>(self.sales.number + pairs)
        else:
            self.sales.place = more
            self.sales.machine = more + CHUNK_ROWS
        self.sales.first = 0xFFFFFFFF
        self.sales.ascending = True

    def __dealloc__(self):
        region_give(self.memory, self.size)

    cdef void put(self, const sale_t* sale, uint8_t zone) noexcept nogil:
        """One row behind the others."""
        cdef sales_t* to = &self.sales
        cdef int64_t row = to.rows
        cdef uint32_t at = <uint32_t>sale.value[0]
        to.at[row] = at
        to.place[row] = <uint32_t>sale.value[1]
        to.machine[row] = <uint32_t>sale.value[2]
        to.product[row] = <uint32_t>sale.value[3]
        to.currency[row] = <uint8_t>sale.value[4]
        to.price[row] = <int32_t>sale.value[5]
        to.payment[row] = <uint8_t>sale.value[6]
        to.zone[row] = zone
        to.ascending = to.ascending and at >= to.last
        to.first = min(to.first, at)
        to.last = max(to.last, at)
        to.rows = row + 1

    cdef void fill(self, const sales_t* old, sealing_t* sealing, Pairs pairs) noexcept:
        """The same rows in the order of time; their pairs are numbered in the segment, too."""
        cdef sales_t* to = &self.sales
        cdef int64_t i, row
        cdef uint32_t pair
        for row in range(old.rows):
            sealing.order[row] = <uint64_t>old.at[row] << 16 | <uint64_t>row
        if not old.ascending:
            qsort(sealing.order, old.rows, sizeof(uint64_t), earlier)
        for i in range(old.rows):
            row = sealing.order[i] & 0xFFFF
            row_copy(to, i, old, row)
            if to.by_pair == NULL:
                to.place[i] = old.place[row]
                to.machine[i] = old.machine[row]
            else:
                # How many rows each pair has, for now.
                to.starts[sealing.who[row]] += 1
        for i in range(to.pairs):
            row = sealing.first[i]
            to.number[i] = pairs.number(old.place[row], old.machine[row])
            to.pair_zone[i] = old.zone[row]
            # Where its rows end.
            to.starts[i] += to.starts[i - 1] if i else 0
        to.rows = old.rows
        to.first = old.first
        to.last = old.last
        if to.by_pair != NULL:
            to.starts[to.pairs] = <uint32_t>old.rows
            for i in range(old.rows - 1, -1, -1):
                pair = sealing.who[sealing.order[i] & 0xFFFF]
                to.starts[pair] -= 1
                to.by_pair[to.starts[pair]] = <uint16_t>i
