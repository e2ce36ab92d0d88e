# What a book answers, and the checks of what it is given. Textually part of voucher.pyx, because a class
# of Cython cannot be shared between modules without their importing each other.

@cython.final
@cython.freelist(256)
cdef class Decision:
    """Answer of one call; a plain value, valid for ever."""

    cdef readonly int outcome
    cdef readonly bint changed
    cdef readonly int64_t amount_off
    cdef readonly int64_t balance
    cdef readonly int64_t hold_until_ms
    cdef readonly int64_t version

    def __repr__(self):
        return (
            f"Decision(outcome={self.outcome}, amount_off={self.amount_off}, "
            f"balance={self.balance}, hold_until_ms={self.hold_until_ms}, "
            f"changed={self.changed}, version={self.version})"
        )


@cython.final
cdef class Record:
    """A copy of one record, all fields by name."""

    cdef entry_t entry
    cdef readonly int64_t balance

    @property
    def voucher_id(self): return self.entry.voucher_id
    @property
    def policy(self): return self.entry.policy
    @property
    def active(self): return self.entry.active != 0
    @property
    def count(self): return self.entry.count
    @property
    def amount(self): return self.entry.amount
    @property
    def total(self): return self.entry.total
    @property
    def total_amount(self): return self.entry.total_amount
    @property
    def period_end_ms(self): return self.entry.period_end_ms
    @property
    def period_start_ms(self): return self.entry.period_start_ms
    @property
    def period_seq(self): return self.entry.period_seq
    @property
    def expires_before_ms(self): return self.entry.expires_before_ms
    @property
    def hold_device(self): return self.entry.hold_device
    @property
    def hold_until_ms(self): return self.entry.hold_until_ms
    @property
    def version(self): return self.entry.version

    def __repr__(self):
        return f"Record({self.entry}, balance={self.balance})"


@cython.final
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
    if boundary_ms and not (now_ms < boundary_ms < <int64_t>NEVER_S * 1000 and boundary_ms % 1000 == 0):
        raise ValueError(f"boundary_ms {boundary_ms} is not a whole second after now")
    return 0
