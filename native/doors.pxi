# What a book is given: codes, columns, a stream of rows, and the checks of all of it. Textually
# part of voucher.pyx.

@cython.final
@cython.internal
cdef class Columns:
    """The columns of one batch, given back when it ends."""

    cdef Py_buffer[12] views
    cdef int taken

    def __dealloc__(self):
        cdef int i
        for i in range(self.taken):
            PyBuffer_Release(&self.views[i])

    cdef void* take(
        self, object given, str name, bytes kinds, Py_ssize_t width, Py_ssize_t count,
        bint writable,
    ) except? NULL:
        """The start of a column of `count` items (-1 = any); ValueError names what is wrong."""
        cdef int wanted = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT
        cdef Py_buffer* view = &self.views[self.taken]
        cdef char kind
        try:
            PyObject_GetBuffer(given, view, wanted | PyBUF_WRITABLE if writable else wanted)
        except BufferError as error:
            raise ValueError(f"{name}: {error}") from None
        self.taken += 1
        kind = format_kind(view.format)
        # Bytes stand for keys only, which are packed as such.
        if kind not in kinds or (view.itemsize != width and kind != c"B"):
            raise ValueError(f"{name}: items of {width} bytes of kind {kinds.decode()} wanted")
        if count >= 0 and view.len != count * width:
            raise ValueError(f"{name}: {view.len} bytes given for {count} items of {width}")
        if view.len and <uint64_t>view.buf % <uint64_t>view.itemsize:
            raise ValueError(f"{name}: not aligned")
        return view.buf

    cdef int take_keys(self, columns_t* rows, object keys) except -1:
        rows.key = <const uint8_t*>self.take(keys, "keys", b"QLB", 8, -1, False)
        rows.count = self.views[0].len // 16
        if self.views[0].len % 16:
            raise ValueError("keys: not two items of 8 bytes for each row")
        return 0

    cdef int take_arguments(
        self, columns_t* rows, object device, object cap, object demand, object lock_ms,
        object flags,
    ) except -1:
        cdef int64_t n = rows.count
        rows.device = <const int32_t*>self.take(device, "device", b"il", 4, n, False)
        rows.cap = <const int64_t*>self.take(cap, "cap", b"ql", 8, n, False)
        rows.demand = <const int64_t*>self.take(demand, "demand", b"ql", 8, n, False)
        rows.lock_ms = <const int64_t*>self.take(lock_ms, "lock_ms", b"ql", 8, n, False)
        rows.flags = <const uint8_t*>self.take(flags, "flags", b"B", 1, n, False)
        return 0

    cdef int take_answers(
        self, columns_t* rows, object outcome, object amount_off, object balance,
        object hold_until_ms, object changed,
    ) except -1:
        cdef int64_t n = rows.count
        rows.outcome = <int8_t*>self.take(outcome, "outcome", b"b", 1, n, True)
        rows.amount_off = <int64_t*>self.take(amount_off, "amount_off", b"ql", 8, n, True)
        rows.balance = <int64_t*>self.take(balance, "balance", b"ql", 8, n, True)
        rows.hold_until_ms = <int64_t*>self.take(hold_until_ms, "hold_until_ms", b"ql", 8, n, True)
        rows.changed = <uint8_t*>self.take(changed, "changed", b"B?", 1, n, True)
        return 0


cdef char format_kind(const char* text) noexcept:
    """The one letter of a buffer's format in native order; 0 for anything else."""
    if text == NULL:
        return c"B"
    if text[0] in (c"@", c"=", c"<"):
        text += 1
    return text[0] if text[0] != 0 and text[1] == 0 else 0


cdef const char* ascii_text(str code, Py_ssize_t* size) noexcept:
    """The bytes of a code, NULL unless it is 1 to 64 printable ASCII characters."""
    cdef const char* text
    cdef Py_ssize_t i
    if not PyUnicode_IS_COMPACT_ASCII(code):
        return NULL
    size[0] = PyUnicode_GET_LENGTH(code)
    text = <const char*>PyUnicode_1BYTE_DATA(code)
    if size[0] < 1 or size[0] > 64:
        return NULL
    for i in range(size[0]):
        if text[i] < 0x20 or text[i] > 0x7E:
            return NULL
    return text


cdef int check_code(str code) except -1:
    cdef Py_ssize_t size
    if ascii_text(code, &size) == NULL:
        raise ValueError(f"code {code!r} is not 1 to 64 printable ASCII characters")
    return 0


cdef int check_calendar(int zone, int frequency, int lowest) except -1:
    if not (0 <= zone < 65536 and lowest <= frequency <= 3):
        raise ValueError(f"no calendar for zone {zone} and frequency {frequency}")
    return 0


cdef int check_call(int op, int64_t now_ms, int64_t boundary_ms) except -1:
    """Instants that the packed record can tell apart, and a boundary that is one."""
    if not voucher.VALIDATE <= op <= voucher.ROLLBACK:
        raise ValueError(f"no operation {op}")
    if not 0 <= now_ms < <int64_t>NEVER_S * 1000:
        raise ValueError(f"now_ms {now_ms} is not between 1970 and 2106")
    if boundary_ms % 1000 or (boundary_ms and not now_ms < boundary_ms < <int64_t>NEVER_S * 1000):
        raise ValueError(f"boundary_ms {boundary_ms} is not a whole second after now")
    return 0


@cython.final
@cython.internal
cdef class Codes:
    """Codes as keys. A long code is interned: its key is a mark and its number."""

    cdef dict numbers   # code -> [number, records]
    cdef dict names     # number -> code
    cdef uint64_t next

    def __cinit__(self):
        self.numbers = {}
        self.names = {}

    cdef bint key(self, str code, uint64_t* key) except -1:
        """The key to look a code up; False if no record can have it."""
        cdef Py_ssize_t size
        cdef const char* text = ascii_text(code, &size)
        cdef list known
        if text != NULL and size <= 16:
            key[0] = 0
            key[1] = 0
            memcpy(key, text, size)
            return True
        known = self.numbers.get(code)
        key[0] = LONG_CODE
        key[1] = UINT64_MAX if known is None else known[0]
        return known is not None

    cdef int intern(self, str code, uint64_t* key) except -1:
        """The key of a record about to be added. Numbers are never used again."""
        if self.key(code, key):
            if key[0] == LONG_CODE:
                self.numbers[code][1] += 1
            return 0
        key[1] = self.next
        self.numbers[code] = [self.next, 1]
        self.names[self.next] = code
        self.next += 1
        return 0

    cdef int release(self, const record_t* record) except -1:
        """A record is about to go; the last one takes its long code with it."""
        cdef list known
        if record.key[0] == LONG_CODE:
            known = self.numbers[self.names[record.key[1]]]
            known[1] -= 1
            if known[1] == 0:
                del self.numbers[self.names.pop(record.key[1])]
        return 0

    cdef bint agree(self, const book_t* book) except -1:
        """Whether just these numbers are named by the records of a book, just so often."""
        cdef dict counted = {}
        cdef const record_t* record
        cdef uint64_t slot
        for slot in range(book.slots):
            record = record_at(book, slot)
            if record.key[0] == LONG_CODE:
                counted[record.key[1]] = counted.get(record.key[1], 0) + 1
        cdef dict numbers = {number: records for number, records in self.numbers.values()}
        cdef dict names = {known[0]: code for code, known in self.numbers.items()}
        return numbers == counted and names == self.names


cdef tuple STREAM_COLUMNS = (
    "code_key", "id", "active", "expires_before_ms", "count", "amount", "total", "total_amount",
    "period_end_ms", "period_seq", "version",
)


@cython.final
@cython.internal
cdef class Stream:
    """A COPY BINARY stream in chunks that may break anywhere."""

    cdef bytes rest         # what is offered and not yet taken
    cdef Py_ssize_t used    # bytes of it that are
    cdef int64_t row        # rows taken; -1 = before the header

    def __cinit__(self):
        self.rest = b""
        self.row = -1

    cdef int offer(self, object chunk) except -1:
        # What is left of the chunk before is less than a row, so joining costs one copy.
        self.rest = self.rest + bytes(chunk) if self.rest else bytes(chunk)
        self.used = 0
        return 0

    cdef int fail(self, str reason) except -1:
        """The stream is at an end; the next chunk begins another."""
        number, self.row, self.rest = self.row + (self.row < 0), -1, b""
        raise ValueError(f"row {number}: {reason}")

    cdef str take(self, entry_t* entry):
        """The next row and its code; None when the chunk has no further whole row."""
        cdef const uint8_t* at = self.rest
        cdef Py_ssize_t left = len(self.rest) - self.used
        cdef int64_t read
        cdef row_t row
        at += self.used
        if self.row < 0:
            read = header_read(at, left)
            if read == MALFORMED:
                self.fail("not a COPY BINARY stream")
            if read == UNFINISHED:
                self.rest = self.rest[self.used:]
                return None
            self.row = 0
            self.used += read
            at += read
            left -= read
        read = row_read(at, left, &row)
        if read > 0:
            self.row += 1
            self.used += read
            fill_entry(&row, entry)
            return PyBytes_FromStringAndSize(row.code, row.code_size).decode("latin-1")
        if read == UNFINISHED:
            self.rest = self.rest[self.used:]
            return None
        self.row += 1
        if read == MALFORMED:
            name = STREAM_COLUMNS[row.column] if row.column >= 0 else "number of columns"
            self.fail(f"{name} is malformed")
        if left != 2:
            self.fail("bytes after the trailer")
        self.row = -1
        self.rest = b""
        return None


cdef void fill_entry(const row_t* row, entry_t* entry) noexcept:
    entry.voucher_id = row.value[1]
    entry.active = row.value[2]
    entry.expires_before_ms = row.value[3]
    entry.count = row.value[4]
    entry.amount = row.value[5]
    entry.total = row.value[6]
    entry.total_amount = row.value[7]
    entry.period_end_ms = row.value[8]
    entry.period_seq = row.value[9]
    entry.version = row.value[10]
    entry.hold_device = -1
    entry.hold_until_ms = 0
