"""One sale of PostgreSQL's COPY BINARY, read in place: seven numbers, none of them null.

Every row has the same length, so one that the bytes at hand do not finish is seen at once. Whether
the numbers can be a sale is asked here too; what they refer to is not known here.
"""

from libc.stdint cimport INT32_MAX, int16_t, int32_t, int64_t, uint8_t

from copy_rows cimport MALFORMED, TRAILER, UNFINISHED


cdef extern from "machine.h" nogil:
    unsigned short load_be16(const uint8_t* at)
    unsigned int load_be32(const uint8_t* at)
    unsigned long long load_be64(const uint8_t* at)


cdef enum:
    SALE_COLUMNS = 7
    # The count of columns, a length before each, and the values.
    SALE_BYTES = 58  # 2 + 4 * 7 + 28
    # Machines and products are numbered from 0; more would make masks and groups too long.
    NUMBER_BITS = 28

# at_s, place, machine, product, currency, price, payment
cdef struct sale_t:
    int64_t[SALE_COLUMNS] value
    int column      # the offending one when the row is malformed, -1 = their count


cdef inline int sale_width(int column) noexcept nogil:
    if column == 0:
        return 8
    return 2 if column == 4 or column == 6 else 4


cdef inline int64_t sale_most(int column) noexcept nogil:
    """The greatest value of a column; the least is 0 but for prices."""
    if column == 0:
        return 0xFFFFFFFF
    if column == 2 or column == 3:
        return (1 << NUMBER_BITS) - 1
    return 255 if column == 4 or column == 6 else INT32_MAX


cdef inline int64_t sale_read(const uint8_t* at, int64_t left, sale_t* sale) noexcept nogil:
    """Bytes of the row that starts here, or UNFINISHED, TRAILER or MALFORMED."""
    cdef int64_t value
    cdef int column, width
    sale.column = -1
    if left < 2:
        return UNFINISHED
    if <int16_t>load_be16(at) == -1:
        return TRAILER
    if load_be16(at) != SALE_COLUMNS:
        return MALFORMED
    if left < SALE_BYTES:
        return UNFINISHED
    at += 2
    for column in range(SALE_COLUMNS):
        sale.column = column
        width = sale_width(column)
        if <int32_t>load_be32(at) != width:
            return MALFORMED
        at += 4
        if width == 8:
            value = <int64_t>load_be64(at)
        elif width == 4:
            value = <int32_t>load_be32(at)
        else:
            value = <int16_t>load_be16(at)
        if value > sale_most(column) or (value < 0 and column != 5):
            return MALFORMED
        sale.value[column] = value
        at += width
    return SALE_BYTES
