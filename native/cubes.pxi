# Part of revenue.pyx: the cells of a grouping and what they are asked for. Sales outside the window
# land behind the last cell, in as many cells as there are keys, which nobody reads.


cdef struct ranked_t:
    int64_t count
    int64_t sum
    uint32_t rank
    int64_t key


cdef int64_t cells_bytes(const cube_t* cube) noexcept nogil:
    return (cube.times + 1) * cube.stride * <int64_t>sizeof(cell_t)


cdef bint cells_overflow(const cell_t* to, const cell_t* more, int64_t count) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        if sum_overflows(to[i].sum, more[i].sum) or sum_overflows(to[i].count, more[i].count):
            return True
    return False


cdef void cells_add(cell_t* to, const cell_t* more, int64_t count) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        to[i].count += more[i].count
        to[i].sum += more[i].sum


cdef int before(const void* a, const void* b) noexcept nogil:
    """By count, sum, rank: greatest first, but the least rank."""
    cdef const ranked_t* x = <const ranked_t*>a
    cdef const ranked_t* y = <const ranked_t*>b
    if x.count != y.count:
        return -1 if x.count > y.count else 1
    if x.sum != y.sum:
        return -1 if x.sum > y.sum else 1
    return (x.rank > y.rank) - (x.rank < y.rank)


cdef int64_t civil_month(int64_t day) noexcept nogil:
    """12 * year + month - 1 of a day since 1970-01-01, by eras of 400 years that begin in March."""
    cdef int64_t shifted = day + 719468
    cdef int64_t era = floored(shifted, 146097)
    cdef int64_t of_era = shifted - era * 146097
    cdef int64_t year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int64_t of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef int64_t month = (5 * of_year + 2) // 153 + 2
    return 12 * (year + 400 * era) + month


cdef int64_t rolled(int64_t time, bint hours, int unit) noexcept nogil:
    """The unit that a day or an hour belongs to."""
    cdef int64_t day = floored(time, 24) if hours else time
    if unit == 2:
        return time
    if unit == 1:
        return day
    if unit == 3:
        return floored(day + 3, 7)
    if unit == 4:
        return civil_month(day)
    if unit == 5:
        return floored(civil_month(day), 12)
    if unit == 6:
        return time + 72 - 168 * floored(time + 72, 168)
    return 0


@cython.final
cdef class Cube:
    """The figures of one grouping."""

    cdef Places places
    cdef cube_t cube
    cdef cell_t* cells
    cdef int64_t count          # cells
    cdef uint32_t* groups
    cdef int64_t group_count
    cdef int time
    cdef int busy

    def __cinit__(
        self, Places places not None, int time, int key, *, int64_t from_s=0,
        int64_t until_s=1 << 32, local_from_s=None, local_until_s=None, int64_t currencies=1,
        int64_t payments=1, int64_t products=1, groups=None,
    ):
        if not 0 <= time <= 2 or not 0 <= key <= BY_PAYMENT_CURRENCY:
            raise ValueError("no such time or key")
        if not (0 < currencies <= 256 and 0 < payments <= 256 and 0 < products <= 1 << NUMBER_BITS):
            raise ValueError("currencies and payments are 1 to 256, products at least 1")
        if time and (local_from_s is None or local_until_s is None):
            raise ValueError("days and hours need the bounds of the wall clock")
        self.places = places
        self.time = time
        self.cube.keys.kind = key
        self.cube.keys.currencies = <uint32_t>currencies
        self.cube.keys.payments = <uint32_t>payments
        self.cube.keys.products = <uint32_t>products + 1
        self.cube.zones = places.zone_count
        self.cube.from_s = max(from_s, 0)
        self.cube.until_s = min(until_s, <int64_t>1 << 32)
        self.cube.unit = (0, 86_400, 3600)[time]
        self._window(local_from_s, local_until_s)
        self._shape()
        if key == BY_PRODUCT or key == BY_CURRENCY_PRODUCT:
            self._group(groups, products)
        self.cells = <cell_t*>take(cells_bytes(&self.cube))

    def __dealloc__(self):
        free(self.cells)
        free(self.groups)
        free(self.cube.local_from)
        free(self.cube.local_until)

    cdef int64_t* _walls(self, given, int64_t unbounded) except NULL:
        """A bound of the wall clock for every zone."""
        cdef int64_t zones = max(self.cube.zones, 1)
        cdef int64_t* walls = <int64_t*>take(zones * sizeof(int64_t))
        cdef const int64_t[::1] each
        cdef int64_t i
        try:
            if given is None or isinstance(given, int):
                for i in range(zones):
                    walls[i] = unbounded if given is None else given
            else:
                each = given
                if each.shape[0] != self.cube.zones:
                    raise ValueError(f"{each.shape[0]} bounds for {self.cube.zones} zones")
                for i in range(self.cube.zones):
                    walls[i] = each[i]
        except BaseException:
            free(walls)
            raise
        for i in range(zones):
            walls[i] = max(-WALL_MAX, min(walls[i], WALL_MAX))
        return walls

    cdef int _window(self, local_from, local_until) except -1:
        """The window, and the instants and units that it can touch."""
        cdef cube_t* cube = &self.cube
        cdef int64_t first = WALL_MAX
        cdef int64_t end = -WALL_MAX
        cdef int64_t i
        cube.local_from = self._walls(local_from, -WALL_MAX)
        cube.local_until = self._walls(local_until, WALL_MAX)
        for i in range(max(cube.zones, 1)):
            # No sale has a local time outside of these.
            cube.local_from[i] = max(cube.local_from[i], -OFFSET_MAX)
            cube.local_until[i] = min(cube.local_until[i], (<int64_t>1 << 32) + OFFSET_MAX)
            if cube.local_from[i] < cube.local_until[i]:
                first = min(first, cube.local_from[i])
                end = max(end, cube.local_until[i])
        cube.times = 1
        cube.earliest_s = max(cube.from_s, first - OFFSET_MAX)
        cube.latest_s = min(cube.until_s, end + OFFSET_MAX)
        if cube.unit and first < end:
            cube.first = floored(first, cube.unit)
            cube.times = floored(end - 1, cube.unit) - cube.first + 1
        return 0

    cdef int _shape(self) except -1:
        """How many keys and cells there are."""
        cdef cube_t* cube = &self.cube
        cdef int64_t currencies = cube.keys.currencies
        cdef int64_t keys = (
            currencies,
            max(cube.zones, 1) * currencies,
            <int64_t>cube.keys.products,
            currencies * cube.keys.products,
            cube.keys.payments * currencies,
        )[cube.keys.kind]
        if keys * cube.times > CELLS_MAX:
            raise ValueError(f"{keys} keys times {cube.times} are more than {CELLS_MAX} cells")
        cube.stride = <uint32_t>keys
        self.count = keys * cube.times
        return 0

    cdef int _group(self, groups, int64_t products) except -1:
        """The group of every product; without a list each is its own."""
        cdef const uint32_t[::1] given = groups
        cdef int64_t i
        self.group_count = products if groups is None else given.shape[0]
        self.groups = <uint32_t*>take(self.group_count * sizeof(uint32_t))
        self.cube.keys.groups = self.groups
        for i in range(self.group_count):
            self.groups[i] = <uint32_t>i if groups is None else given[i]
            if self.groups[i] == <uint32_t>NO_GROUP:
                self.groups[i] = <uint32_t>products
            elif self.groups[i] >= products:
                raise ValueError(f"product {i}: no group {self.groups[i]}")
        return 0

    cdef int fit(self, Snapshot snapshot) except -1:
        """Whether every sale of the snapshot has a cell."""
        cdef keys_t* keys = &self.cube.keys
        if snapshot.places is not self.places or snapshot.zones > self.cube.zones:
            raise ValueError("the cube does not know these places")
        if keys.kind != BY_PRODUCT and snapshot.most.value[4] >= keys.currencies:
            raise ValueError(f"no room for currency {snapshot.most.value[4]}")
        if keys.kind == BY_PAYMENT_CURRENCY and snapshot.most.value[6] >= keys.payments:
            raise ValueError(f"no room for payment {snapshot.most.value[6]}")
        if keys.groups != NULL and snapshot.most.value[3] >= self.group_count:
            raise ValueError(f"no group for product {snapshot.most.value[3]}")
        return 0

    cdef int own(self) except -1:
        if self.busy:
            raise RuntimeError("the cube is in another thread's scan")
        return 0

    cdef int64_t outer(self, int64_t key) noexcept nogil:
        """The number by which a key is known outside; -1 for what is left out."""
        cdef int64_t products = self.cube.keys.products
        if self.cube.keys.kind != BY_PRODUCT and self.cube.keys.kind != BY_CURRENCY_PRODUCT:
            return key
        return -1 if key % products == products - 1 else key - key // products

    cdef int64_t inner(self, int64_t key) except -1:
        """The number by which a key is known here; IndexError if there is none."""
        if key >= 0 and self.cube.keys.groups != NULL:
            key += key // (<int64_t>self.cube.keys.products - 1)
        if not 0 <= key < self.cube.stride:
            raise IndexError("outside the cube")
        return key

    cdef cell_t* roll(self, int unit, int64_t* first, int64_t* units) except NULL:
        """The cells of a coarser unit, in memory of their own."""
        cdef int64_t stride = self.cube.stride
        cdef bint hours = self.time == 2
        cdef int64_t end = self.cube.first + self.cube.times - 1
        cdef int64_t time, i
        cdef cell_t* cells
        cdef const cell_t* more
        first[0] = 0 if unit == 6 else rolled(self.cube.first, hours, unit)
        units[0] = 168 if unit == 6 else rolled(end, hours, unit) - first[0] + 1
        cells = <cell_t*>take(units[0] * stride * sizeof(cell_t))
        for time in range(self.cube.times):
            more = self.cells + time * stride
            i = (rolled(self.cube.first + time, hours, unit) - first[0]) * stride
            if cells_overflow(cells + i, more, stride):
                free(cells)
                raise OverflowError("a sum is beyond 64 bits")
            cells_add(cells + i, more, stride)
        return cells

    cdef int gather(self, const cell_t* cells, int64_t time, int64_t key, int64_t at, list found):
        """Appends a cell with sales; one that does not count has a price below zero."""
        cdef int64_t outer
        if cells[at].count or cells[at].sum:
            outer = self.outer(key)
            if outer >= 0:
                found.append((time, outer, cells[at].count, cells[at].sum))
        return 0

    def rows(self, unit=None, keys=None):
        """(time, key, count, sum) of every cell with sales, ascending by time, then key."""
        cdef int wanted = self.time if unit is None else unit
        cdef int64_t first = self.cube.first
        cdef int64_t units = self.cube.times
        cdef int64_t time, key
        cdef cell_t* cells = self.cells
        cdef list chosen = None if keys is None else sorted({self.inner(each) for each in keys})
        cdef list found = []
        self.own()
        if wanted not in ((0,), (0, 1, 3, 4, 5), (0, 1, 2, 3, 4, 5, 6))[self.time]:
            raise ValueError(f"unit {wanted} cannot be made of {self.time}")
        if wanted != self.time:
            cells = self.roll(wanted, &first, &units)
        try:
            for time in range(units):
                if chosen is None:
                    for key in range(self.cube.stride):
                        self.gather(cells, first + time, key, time * self.cube.stride + key, found)
                else:
                    for key in chosen:
                        self.gather(cells, first + time, key, time * self.cube.stride + key, found)
        finally:
            if cells != self.cells:
                free(cells)
        return found

    def top(self, int64_t k, rank=None):
        """(key, count, sum) over all time: the k greatest with sales, by count, sum, then rank."""
        cdef const uint32_t[::1] ranks = rank
        cdef int64_t first, units, key, outer
        cdef int64_t count = 0
        cdef ranked_t* list_ = NULL
        cdef cell_t* cells
        self.own()
        cells = self.roll(0, &first, &units)
        try:
            list_ = <ranked_t*>take(self.cube.stride * sizeof(ranked_t))
            for key in range(self.cube.stride):
                outer = self.outer(key)
                if outer < 0 or not (cells[key].count or cells[key].sum):
                    continue
                if ranks is not None and outer >= ranks.shape[0]:
                    raise ValueError(f"no rank for key {outer}")
                list_[count] = ranked_t(cells[key].count, cells[key].sum,
                                        <uint32_t>outer if ranks is None else ranks[outer], outer)
                count += 1
            qsort(list_, count, sizeof(ranked_t), before)
            return [
                (list_[i].key, list_[i].count, list_[i].sum) for i in range(max(0, min(k, count)))
            ]
        finally:
            free(cells)
            free(list_)

    def add(self, int64_t time, int64_t key, int64_t count, int64_t total):
        """Adds figures from elsewhere; IndexError outside the cube, OverflowError."""
        cdef cell_t more = cell_t(count, total)
        cdef int64_t at = (time - self.cube.first) * self.cube.stride + self.inner(key)
        self.own()
        if not 0 <= time - self.cube.first < self.cube.times:
            raise IndexError("outside the cube")
        if cells_overflow(self.cells + at, &more, 1):
            raise OverflowError("a sum is beyond 64 bits")
        cells_add(self.cells + at, &more, 1)

    def clear(self):
        """No sales."""
        self.own()
        memset(self.cells, 0, cells_bytes(&self.cube))

    @property
    def nbytes(self):
        """Bytes of the cells; a scan takes as many again for each of its threads."""
        return cells_bytes(&self.cube)
