# Part of revenue.pyx: where sales lie. Chunks never move and rows are only ever added behind those
# that a snapshot has seen, so scans read while rows are added. A full chunk is replaced by a sealed
# one; snapshots keep the chunk that they have seen.

cdef tuple SALE_NAMES = ("at_s", "place", "machine", "product", "currency", "price", "payment")


@cython.final
cdef class Places:
    """Zones, and the zone of every place."""

    cdef zone_t[ZONES] tables
    cdef int64_t zone_count
    cdef uint8_t* zone_of
    cdef int64_t count

    def __cinit__(self):
        self.zone_of = <uint8_t*>take(1)

    def __dealloc__(self):
        cdef int64_t i
        for i in range(self.zone_count):
            free(<void*>self.tables[i].change)
            free(<void*>self.tables[i].offset)
        free(self.zone_of)

    def zone(self, transitions_s, offsets_s):
        """A zone from its changes and offsets; its number."""
        cdef const int64_t[::1] changes = transitions_s
        cdef const int32_t[::1] offsets = offsets_s
        cdef int64_t count = changes.shape[0]
        cdef int64_t i
        cdef zone_t* table = &self.tables[self.zone_count]
        if self.zone_count == ZONES:
            raise ValueError(f"more than {ZONES} zones")
        if offsets.shape[0] != count + 1:
            raise ValueError("a zone has one offset more than changes")
        for i in range(count + 1):
            if not -OFFSET_MAX < offsets[i] < OFFSET_MAX:
                raise ValueError("an offset is shorter than a day")
            if 0 < i < count and changes[i] <= changes[i - 1]:
                raise ValueError("changes must ascend")
        table.change = <const int64_t*>take(count * sizeof(int64_t))
        table.offset = <const int32_t*>take((count + 1) * sizeof(int32_t))
        for i in range(count + 1):
            (<int32_t*>table.offset)[i] = offsets[i]
            if i < count:
                (<int64_t*>table.change)[i] = changes[i]
        table.count = count
        self.zone_count += 1
        return self.zone_count - 1

    def add(self, int64_t zone):
        """A place in this zone; its number."""
        cdef void* grown
        self._zone(zone)
        # Room is doubled whenever the count reaches a power of two.
        if self.count & (self.count - 1) == 0:
            grown = realloc(self.zone_of, max(16, 2 * self.count))
            if grown == NULL:
                raise MemoryError
            self.zone_of = <uint8_t*>grown
        self.zone_of[self.count] = <uint8_t>zone
        self.count += 1
        return self.count - 1

    cdef int _zone(self, int64_t zone) except -1:
        if not 0 <= zone < self.zone_count:
            raise ValueError(f"no zone {zone}")
        return 0

    def __len__(self):
        return self.count

    @property
    def zones(self):
        """How many zones there are."""
        return self.zone_count

    def local(self, int64_t zone, int64_t at_s):
        """Wall-clock seconds of a zone at an instant."""
        self._zone(zone)
        return at_s + self.tables[zone].offset[zone_change(&self.tables[zone], at_s)]


@cython.final
cdef class Segment:
    """Columns of sales."""

    cdef Places places
    cdef list chunks
    cdef Pairs pairs            # of the sealed chunks
    cdef int64_t count
    cdef int64_t full           # bytes of the full chunks
    cdef sale_t most            # the greatest values so far
    cdef bytes rest             # of a COPY stream: bytes of an unfinished row
    cdef int64_t fed            # rows of it; -1 = before the header

    def __cinit__(self, Places places not None):
        self.places = places
        self.chunks = []
        self.pairs = Pairs(PAIR_BITS)
        self.rest = b""
        self.fed = -1
        memset(&self.most, 0, sizeof(sale_t))

    def __len__(self):
        return self.count

    @property
    def nbytes(self):
        """Memory in use; of the last chunk, the pages that were written to."""
        cdef int64_t last = self.count % CHUNK_ROWS
        return self.full + self.pairs.nbytes() + (last * OPEN_BYTES + 8 * PAGE_BYTES if last else 0)

    cdef int reserve(self, int64_t rows) except -1:
        """Chunks for so many more rows."""
        cdef int64_t room = len(self.chunks) * CHUNK_ROWS - self.count
        while room < rows:
            self.chunks.append(Chunk())
            room += CHUNK_ROWS
        return 0

    cdef int put(self, const sale_t* sale) except -1:
        """One checked row, for which there is room."""
        cdef int64_t number = self.count // CHUNK_ROWS
        cdef Chunk chunk = self.chunks[number]
        cdef int i
        chunk.put(sale, self.places.zone_of[sale.value[1]])
        for i in range(SALE_COLUMNS):
            self.most.value[i] = max(self.most.value[i], sale.value[i])
        self.count += 1
        if chunk.sales.rows == CHUNK_ROWS:
            # Without memory it stays as it is.
            try:
                chunk = self._sealed(&chunk.sales)
            except MemoryError:
                pass
            self.chunks[number] = chunk
            self.full += chunk.size
        return 0

    cdef Chunk _sealed(self, const sales_t* sales):
        cdef sealing_t* sealing = <sealing_t*>take(sizeof(sealing_t))
        cdef int64_t pairs = pairs_number(sales, sealing)
        cdef Chunk chunk
        try:
            chunk = Chunk(pairs)
            self.pairs = self.pairs.roomier(max(pairs, 0))
            chunk.fill(sales, sealing, self.pairs)
        finally:
            free(sealing)
        return chunk

    def append(self, at_s, place, machine, product, currency, price, payment):
        """Columns of n rows, all of them or none."""
        cdef const uint32_t[::1] at = at_s
        cdef const uint32_t[::1] places = place
        cdef const uint32_t[::1] machines = machine
        cdef const uint32_t[::1] products = product
        cdef const uint8_t[::1] currencies = currency
        cdef const int32_t[::1] prices = price
        cdef const uint8_t[::1] payments = payment
        cdef int64_t n = at.shape[0]
        cdef sale_t sale
        cdef int64_t i
        if not (places.shape[0] == machines.shape[0] == products.shape[0] == n
                and currencies.shape[0] == prices.shape[0] == payments.shape[0] == n):
            raise ValueError("columns differ in length")
        for i in range(n):
            if places[i] >= self.places.count:
                raise ValueError(f"row {i}: no place {places[i]}")
            if (machines[i] | products[i]) >> NUMBER_BITS:
                raise ValueError(f"row {i}: machine or product is not below 2**{NUMBER_BITS}")
        self.reserve(n)
        for i in range(n):
            sale.value = [
                at[i], places[i], machines[i], products[i], currencies[i], prices[i], payments[i],
            ]
            self.put(&sale)

    @property
    def feeding(self):
        """A COPY stream has begun and its trailer has not come."""
        return self.fed >= 0 or len(self.rest) > 0

    def feed(self, chunk):
        """Streams PostgreSQL COPY BINARY into the segment; how many rows this chunk completed."""
        cdef bytes given = self.rest + bytes(chunk)
        cdef const uint8_t* at = given
        cdef int64_t left = len(given)
        cdef int64_t before = self.count
        cdef int64_t read
        cdef sale_t sale
        if self.fed < 0:
            read = header_read(at, left)
            if read == MALFORMED:
                self._fail("not a COPY BINARY stream")
            if read == UNFINISHED:
                self.rest = given
                return 0
            self.fed = 0
            at += read
            left -= read
        while True:
            read = sale_read(at, left, &sale)
            if read == UNFINISHED:
                self.rest = given[len(given) - left:]
                return self.count - before
            if read == TRAILER:
                if left != 2:
                    self._fail("bytes after the trailer")
                self.fed = -1
                self.rest = b""
                return self.count - before
            if read == MALFORMED:
                name = SALE_NAMES[sale.column] if sale.column >= 0 else "number of columns"
                self._fail(f"{name} is malformed")
            if sale.value[1] >= self.places.count:
                self._fail(f"no place {sale.value[1]}")
            self.reserve(1)
            self.put(&sale)
            self.fed += 1
            at += read
            left -= read

    cdef int _fail(self, str reason) except -1:
        """The stream is at an end; the next chunk begins another."""
        cdef int64_t row = self.fed + 1
        self.fed = -1
        self.rest = b""
        raise ValueError(f"row {row}: {reason}")

    def snapshot(self):
        """The rows that are there now, for scans."""
        return Snapshot(self)


@cython.final
cdef class Snapshot:
    """Rows of a segment as they were; keeps their chunks alive."""

    cdef Places places
    cdef tuple chunks
    cdef Pairs pairs
    cdef int64_t pair_count
    cdef sales_t* parts
    cdef int64_t part_count
    cdef int64_t count
    cdef int64_t zones
    cdef sale_t most

    def __cinit__(self, Segment segment not None):
        cdef Chunk chunk
        self.places = segment.places
        self.chunks = tuple(segment.chunks)
        self.pairs = segment.pairs
        self.pair_count = segment.pairs.count
        self.count = segment.count
        self.zones = segment.places.zone_count
        self.most = segment.most
        self.parts = <sales_t*>take(len(self.chunks) * sizeof(sales_t))
        for chunk in self.chunks:
            self.parts[self.part_count] = chunk.sales
            self.part_count += 1

    def __dealloc__(self):
        free(self.parts)

    def __len__(self):
        return self.count

    def span(self):
        """(first, last) at_s of the rows; LookupError without rows."""
        if self.count == 0:
            raise LookupError("no rows")
        return (
            min([self.parts[i].first for i in range(self.part_count) if self.parts[i].rows]),
            max([self.parts[i].last for i in range(self.part_count) if self.parts[i].rows]),
        )
