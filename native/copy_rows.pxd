"""One row of PostgreSQL's COPY BINARY, read in place.

A row is read completely or not at all: a row that the bytes at hand do not finish is left for the
next chunk. What the values mean is not decided here.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t


cdef extern from "machine.h" nogil:
    unsigned short load_be16(const uint8_t* at)
    unsigned int load_be32(const uint8_t* at)
    unsigned long long load_be64(const uint8_t* at)


cdef enum:
    COLUMNS = 11
    CODE_BYTES = 64

cdef enum:
    # What reading a row can end with, besides the number of bytes it took.
    UNFINISHED = 0
    TRAILER = -1
    MALFORMED = -2

# Columns in the order of the stream; the first, the code, is not a number.
cdef struct row_t:
    const char* code
    int32_t code_size
    int64_t[COLUMNS] value
    int column      # the offending one when the row is malformed, -1 = their count


cdef inline int column_width(int column) noexcept nogil:
    """Bytes of a column's value; the code's is not fixed."""
    if column == 2:
        return 1
    return 4 if column == 9 else 8


cdef inline int64_t row_read(const uint8_t* at, int64_t left, row_t* row) noexcept nogil:
    """Bytes of the row that starts here, or one of the three other ends."""
    cdef int64_t used = 2
    cdef int32_t size
    cdef int column
    row.column = -1
    if left < 2:
        return UNFINISHED
    if <int16_t>load_be16(at) == -1:
        return TRAILER
    if load_be16(at) != COLUMNS:
        return MALFORMED
    for column in range(COLUMNS):
        if left < used + 4:
            return UNFINISHED
        size = <int32_t>load_be32(at + used)
        used += 4
        row.column = column
        if column == 0:
            if size < 1 or size > CODE_BYTES:
                return MALFORMED
        elif size != column_width(column):
            return MALFORMED
        if left < used + size:
            return UNFINISHED
        if column == 0:
            row.code = <const char*>(at + used)
            row.code_size = size
        elif size == 8:
            row.value[column] = <int64_t>load_be64(at + used)
        elif size == 4:
            row.value[column] = <int32_t>load_be32(at + used)
        else:
            row.value[column] = at[used]
        used += size
    return used


cdef inline int64_t header_read(const uint8_t* at, int64_t left) noexcept nogil:
    """Bytes of the header: signature, flags and an extension of any length to step over."""
    cdef const char* signature = b"PGCOPY\n\xff\r\n\x00"
    cdef int64_t extension
    cdef int i
    for i in range(11):
        if i < left and at[i] != <uint8_t>signature[i]:
            return MALFORMED
    if left < 19:
        return UNFINISHED
    extension = <int64_t><int32_t>load_be32(at + 15)
    # Bit 16 announces object ids in every row; other critical bits are unknown here.
    if extension < 0 or load_be32(at + 11) & <unsigned int>0xFFFF0000:
        return MALFORMED
    return 19 + extension if left >= 19 + extension else UNFINISHED
