"""Boundary tables as Python sees them; the contract is in farebox/core/calendar.pyi."""

cimport cython
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from calendar cimport (
    calendar_ascends,
    calendar_find,
    calendar_pace,
    calendar_t,
)


@cython.final
cdef class Table:
    """Ascending period starts of one zone and frequency."""

    cdef calendar_t table
    cdef int64_t* starts

    def __cinit__(self, boundaries):
        cdef const int64_t[::1] given = boundaries
        cdef Py_ssize_t count = given.shape[0]
        self.starts = <int64_t*>malloc((count + 1) * sizeof(int64_t))
        if self.starts == NULL:
            raise MemoryError
        if count:
            memcpy(self.starts, &given[0], count * sizeof(int64_t))
        if not calendar_ascends(self.starts, count):
            raise ValueError("boundaries must be ascending whole seconds")
        self.table.at = self.starts
        self.table.count = count
        self.table.pace = calendar_pace(self.starts, count)

    def __dealloc__(self):
        free(self.starts)

    def __len__(self):
        return self.table.count

    def find(self, int64_t instant_ms):
        """Index i with boundaries[i] <= instant < boundaries[i + 1]; -1 outside the table."""
        return calendar_find(&self.table, instant_ms)

    def span(self, int64_t instant_ms):
        """(start, end) of the period; LookupError outside the table."""
        cdef int64_t i = calendar_find(&self.table, instant_ms)
        if i < 0:
            raise LookupError(f"instant {instant_ms} is outside the table")
        return self.table.at[i], self.table.at[i + 1]

    def find_many(self, instants_ms, index):
        """The same over int64[n] into int32[n], without the interpreter lock."""
        cdef const int64_t[::1] instants = instants_ms
        cdef int32_t[::1] found = index
        cdef Py_ssize_t n = instants.shape[0]
        cdef Py_ssize_t i
        if found.shape[0] != n:
            raise ValueError(f"index has {found.shape[0]} places for {n} instants")
        with nogil:
            for i in range(n):
                found[i] = <int32_t>calendar_find(&self.table, instants[i])
