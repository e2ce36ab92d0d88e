"""The voucher book as Python sees it; the contract is in farebox/core/voucher.pyi.

The kernels are in voucher.pxd (record, ladder), index.pxd and batch.pxd. Here is what they must not
do: take memory, check what enters, turn Python values into numbers and back.
"""

import os

cimport cython
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.stdint cimport (
    INT64_MAX, UINT64_MAX, int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t,
)
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

cimport voucher
from audit cimport audit
from batch cimport LOCK_BITS, columns_fit, decide_batch
from calendar cimport calendar_ascends, calendar_pace, calendar_t
from copy_rows cimport MALFORMED, UNFINISHED, header_read, row_read, row_t
from entry cimport (
    IDENTITY_BITS, entry_t, fits, pack_entry, pack_version, unpack_entry, unpack_id, unpack_version,
    version_at,
)
from index cimport index_add, index_drop, index_list, index_lowest
from memory cimport book_bytes, book_close, book_extend, book_open, book_policies, book_resize
from voucher cimport (
    DEVICE_BITS, LONG_CODE, NEVER_S, POLICY_SHIFT, SEGMENT, SHARED, answer_t, book_t, call_t,
    columns_t, decide, policy_t, record_at, record_t, saved_t, side_at, side_t, slot_give,
    slot_take, spendable,
)


cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)

NEVER_MS = INT64_MAX
VALIDATE = voucher.VALIDATE
REDEEM = voucher.REDEEM
ROLLBACK = voucher.ROLLBACK
CAMPAIGN_ACTIVE = voucher.CAMPAIGN_ACTIVE
MACHINE_ACTIVE = voucher.MACHINE_ACTIVE
PLACE_OK = voucher.PLACE_OK
CURRENCY_OK = voucher.CURRENCY_OK
PRODUCT_OK = voucher.PRODUCT_OK
PARTIAL = voucher.PARTIAL
ALL_OK = voucher.ALL_OK

include "answers.pxi"
include "doors.pxi"


@cython.final
cdef class Book:
    """Vouchers by canonical code; one thread's own."""

    cdef book_t book
    cdef bint is_busy
    cdef dict policies          # settings -> policy number
    cdef dict calendar_numbers  # (zone, frequency) -> calendar number
    cdef Codes codes
    cdef Stream stream

    def __cinit__(self, int64_t capacity=1024, *, seed=None):
        cdef bytes secret
        if capacity < 0 or capacity > <int64_t>1 << 32:
            raise ValueError(f"capacity {capacity} is out of range")
        secret = os.urandom(16) if seed is None else (seed % (1 << 128)).to_bytes(16, "little")
        memcpy(self.book.seed, <const char*>secret, 16)
        # A zero half would take a part of every key out of the hash.
        self.book.seed[0] |= 1
        self.book.seed[1] |= 1
        self.policies = {}
        self.calendar_numbers = {}
        self.codes = Codes()
        self.stream = Stream()
        self._calendar(0, 0)
        if not book_open(&self.book) or not book_resize(&self.book, capacity * 2 // 11 + 2):
            raise MemoryError
        while <int64_t>self.book.segments * SEGMENT < capacity:
            if not book_extend(&self.book, capacity >= SEGMENT):
                raise MemoryError

    def __dealloc__(self):
        cdef uint64_t i
        for i in range(self.book.calendar_count):
            free(<void*>self.book.calendars[i].at)
        free(self.book.calendars)
        book_close(&self.book)

    def __len__(self):
        return self.book.live

    @property
    def nbytes(self):
        """Bytes held by records, index and policies."""
        return book_bytes(&self.book)

    @property
    def feeding(self):
        """A COPY stream has begun and its trailer has not come."""
        return self.stream.row >= 0 or len(self.stream.rest) > 0

    cdef int _own(self) except -1:
        if self.is_busy:
            raise RuntimeError("the book is in another thread's batch")
        return 0

    # Settings.

    cdef int64_t _calendar(self, int64_t zone, int64_t frequency) except -1:
        """The number of a calendar; number 0 is the one that never resets."""
        cdef object found = self.calendar_numbers.get((zone, frequency))
        cdef int64_t number = self.book.calendar_count
        cdef void* calendars
        if found is not None:
            return found
        calendars = realloc(self.book.calendars, <size_t>(number + 1) * sizeof(calendar_t))
        if calendars == NULL:
            raise MemoryError
        self.book.calendars = <calendar_t*>calendars
        memset(&self.book.calendars[number], 0, sizeof(calendar_t))
        self.calendar_numbers[(zone, frequency)] = number
        self.book.calendar_count += 1
        return number

    def boundaries(self, int zone, int frequency, table):
        """Registers the ascending period starts of a zone and frequency."""
        cdef const int64_t[::1] given = table
        cdef Py_ssize_t count = given.shape[0]
        cdef calendar_t* calendar
        cdef void* starts
        self._own()
        check_calendar(zone, frequency, 1)
        if count < 2 or not calendar_ascends(&given[0], count):
            raise ValueError("boundaries must be two or more ascending whole seconds")
        if given[0] < 0 or given[count - 1] >= <int64_t>NEVER_S * 1000:
            raise ValueError("boundaries must lie between 1970 and 2106")
        calendar = &self.book.calendars[self._calendar(zone, frequency)]
        starts = realloc(<void*>calendar.at, <size_t>count * sizeof(int64_t))
        if starts == NULL:
            raise MemoryError
        memcpy(starts, &given[0], <size_t>count * sizeof(int64_t))
        calendar.at = <int64_t*>starts
        calendar.count = count
        calendar.pace = calendar_pace(calendar.at, count)

    def policy(self, *, bint gift, int64_t value, int64_t limit, int zone=0, int frequency=0):
        """Interns a policy and returns its number."""
        cdef tuple settings = (gift, value, limit, zone if frequency else 0, frequency)
        cdef object found = self.policies.get(settings)
        cdef uint64_t number = self.book.policy_count
        cdef policy_t* policy
        if found is not None:
            return found
        self._own()
        check_calendar(zone, frequency, 0)
        if not (fits(value, 31) and fits(limit, 32)):
            raise ValueError(f"value {value} or limit {limit} is out of range")
        if number >> (32 - POLICY_SHIFT):
            raise ValueError("too many different policies")
        if number == self.book.policy_room and not book_policies(&self.book, 2 * number + 1):
            raise MemoryError
        policy = &self.book.policies[number]
        policy.value = <uint32_t>value
        policy.limit = <uint32_t>limit
        policy.calendar = <uint32_t>(self._calendar(zone, frequency) if frequency else 0)
        policy.gift = gift
        self.policies[settings] = number
        self.book.policy_count += 1
        return number

    # Records.

    cdef record_t* _record(self, int64_t slot) except NULL:
        cdef record_t* record
        if 0 <= slot < <int64_t>self.book.slots:
            record = record_at(&self.book, slot)
            if record.key[0] != 0:
                return record
        raise IndexError(f"no record in slot {slot}")

    cdef int64_t _insert(self, str code, const entry_t* entry) except -1:
        """Adds a record; ValueError names a field that does not fit."""
        cdef record_t fresh
        cdef side_t side
        cdef const char* misfit = pack_entry(entry, &fresh, &side)
        cdef int64_t slot
        if misfit != NULL:
            raise ValueError(f"{misfit.decode()} does not fit a record")
        if not 0 <= entry.policy < <int64_t>self.book.policy_count:
            raise ValueError(f"no policy {entry.policy}")
        check_code(code)
        if self.book.live == self.book.slots == self.book.segments * SEGMENT:
            if not book_extend(&self.book, self.book.segments > 0):
                raise MemoryError
        # Three quarters full: half as many buckets more.
        if 2 * (self.book.live + 1) > 15 * self.book.bucket_count:
            if not book_resize(&self.book, self.book.bucket_count * 3 // 2 + 1):
                raise MemoryError
        self.codes.intern(code, fresh.key)
        slot = slot_take(&self.book)
        record_at(&self.book, slot)[0] = fresh
        side_at(&self.book, slot)[0] = side
        index_add(&self.book, <uint32_t>slot)
        return slot

    def add(
        self, str code, int64_t voucher_id, int64_t policy, *, bint active=True,
        int64_t expires_before_ms=INT64_MAX, int64_t count=0, int64_t amount=0, int64_t total=0,
        int64_t total_amount=0, int64_t period_end_ms=INT64_MAX, int64_t period_seq=0,
        int64_t hold_device=-1, int64_t hold_until_ms=0, int64_t version=1,
    ):
        """Adds a record under a canonical code and returns its slot."""
        cdef entry_t entry
        self._own()
        entry.voucher_id = voucher_id
        entry.policy = policy
        entry.active = active
        entry.expires_before_ms = expires_before_ms
        entry.count = count
        entry.amount = amount
        entry.total = total
        entry.total_amount = total_amount
        entry.period_end_ms = period_end_ms
        entry.period_seq = period_seq
        entry.hold_device = hold_device
        entry.hold_until_ms = hold_until_ms
        entry.version = version
        return self._insert(code, &entry)

    def remove(self, int64_t slot):
        """Takes a record out; its slot may be used again."""
        self._own()
        self.codes.release(self._record(slot))
        index_drop(&self.book, <uint32_t>slot)
        slot_give(&self.book, slot)

    def read(self, int64_t slot):
        """A copy of a record."""
        cdef const record_t* record = self._record(slot)
        cdef Record copied = Record.__new__(Record)
        unpack_entry(record, side_at(&self.book, slot), &copied.entry)
        copied.balance = spendable(&self.book, record, record.amount)
        return copied

    def voucher_id(self, int64_t slot):
        """The id a record was added with."""
        self._record(slot)
        return unpack_id(side_at(&self.book, slot))

    def version(self, int64_t slot):
        """The present version of a record."""
        return version_at(&self.book, slot, self._record(slot))

    def code(self, int64_t slot):
        """The canonical code of a record."""
        cdef const record_t* record = self._record(slot)
        if record.key[0] == LONG_CODE:
            return self.codes.names[record.key[1]]
        return PyBytes_FromStringAndSize(<const char*>record.key, 16).rstrip(b"\0").decode("ascii")

    def period_seq(self, int64_t slot):
        """How many resets the record has seen; a redemption notes it for its rollback."""
        self._record(slot)
        return side_at(&self.book, slot).period_seq

    def balance(self, int64_t slot, int64_t now_ms):
        """Gift: what is spendable at now, a due reset counted; discount: 0."""
        cdef const record_t* record = self._record(slot)
        cdef bint due = now_ms // 1000 >= <int64_t>record.period_end_s != <int64_t>NEVER_S
        return spendable(&self.book, record, 0 if due else record.amount)

    def save(self, int64_t slot):
        """The record as opaque bytes, for `restore`."""
        cdef saved_t saved
        saved.record = self._record(slot)[0]
        saved.side = side_at(&self.book, slot)[0]
        return PyBytes_FromStringAndSize(<const char*>&saved, sizeof(saved_t))

    def restore(self, int64_t slot, bytes saved, int64_t version):
        """Undo: puts `saved` back if the record's version still is `version`, else False."""
        cdef record_t* record
        cdef side_t* side
        cdef saved_t older
        self._own()
        if len(saved) != sizeof(saved_t):
            raise ValueError("not the bytes of a saved record")
        memcpy(&older, <const char*>saved, sizeof(saved_t))
        if older.record.policy_flags >> POLICY_SHIFT >= self.book.policy_count:
            raise ValueError("not the bytes of a record of this book")
        try:
            record = self._record(slot)
        except IndexError:
            return False
        side = side_at(&self.book, slot)
        # The slot may have gone to another voucher meanwhile.
        if (
            unpack_version(record, side) != version or unpack_id(side) != unpack_id(&older.side)
            or memcmp(record.key, older.record.key, sizeof(record.key)) != 0
        ):
            return False
        # Whether the key is shared is a fact of the index, not of the record's past.
        older.record.policy_flags &= ~<uint32_t>SHARED
        older.record.policy_flags |= record.policy_flags & SHARED
        record[0] = older.record
        side[0] = older.side
        return True

    def invalidate(self, int64_t slot, int64_t version):
        """Sets the version, for a row whose version another writer has raised."""
        cdef record_t* record = self._record(slot)
        self._own()
        if not fits(version, IDENTITY_BITS):
            raise ValueError(f"version {version} does not fit a record")
        pack_version(record, side_at(&self.book, slot), version)

    def release(self, int64_t slot):
        """Ends the hold of a record, whoever has it; the version rises (4.6)."""
        cdef record_t* record = self._record(slot)
        cdef side_t* side = side_at(&self.book, slot)
        self._own()
        record.hold = 0
        pack_version(record, side, unpack_version(record, side) + 1)

    # Codes.

    def pack(self, list codes):
        """uint64[n, 2] look-up keys of canonical codes, for `batch`."""
        cdef bytearray keys = bytearray(16 * len(codes))
        cdef char* at = keys
        cdef uint64_t[2] key
        cdef Py_ssize_t i
        for i in range(len(codes)):
            self.codes.key(codes[i], key)
            memcpy(at + 16 * i, key, 16)
        return keys

    def find(self, str code):
        """Slots of all records with exactly this canonical code, in the order they were added."""
        cdef uint64_t[2] key
        cdef uint32_t[8] few
        cdef uint32_t* many
        cdef int64_t n
        if not self.codes.key(code, key):
            return ()
        n = index_list(&self.book, key[0], key[1], few, 8)
        if n == 1:
            return (few[0],)
        if n <= 8:
            return tuple([few[i] for i in range(n)])
        many = <uint32_t*>malloc(<size_t>n * sizeof(uint32_t))
        if many == NULL:
            raise MemoryError
        index_list(&self.book, key[0], key[1], many, n)
        try:
            return tuple([many[i] for i in range(n)])
        finally:
            free(many)

    # Decisions.

    def decide(
        self, int op, int64_t slot, int64_t now_ms, int64_t device, int64_t cap=-1,
        int64_t demand=-1, int64_t lock_ms=0, uint32_t flags=31, bint dry=False,
        int64_t boundary_ms=0,
    ):
        """One decision, applied unless `dry`."""
        cdef record_t* record = self._record(slot)
        cdef Decision decision = Decision.__new__(Decision)
        cdef call_t call
        cdef answer_t answer
        self._own()
        check_call(op, now_ms, boundary_ms)
        if device < 0 or device >> DEVICE_BITS or lock_ms < 0 or lock_ms >> LOCK_BITS:
            raise ValueError(f"device {device} or lock_ms {lock_ms} is out of range")
        if op == voucher.ROLLBACK and demand < 0:
            raise ValueError("a rollback needs the amount it gives back as demand")
        call.now_ms = now_ms
        call.now_s = <uint32_t>(now_ms // 1000)
        call.device = <uint32_t>device
        call.cap = cap
        call.demand = demand
        call.lock_ms = lock_ms
        call.flags = flags
        call.boundary_s = <uint32_t>(boundary_ms // 1000)
        call.dry = dry
        decide(&self.book, slot, record, &call, op, &answer)
        decision.outcome = answer.outcome
        decision.changed = answer.changed
        decision.amount_off = answer.amount_off
        decision.balance = answer.balance
        decision.hold_until_ms = answer.hold_until_ms
        decision.version = version_at(&self.book, slot, record)
        return decision

    def batch(
        self, int op, keys, int64_t now_ms, device, cap, demand, lock_ms, flags, outcome,
        amount_off, balance, hold_until_ms, changed,
    ):
        """The fold of single calls in order, over columns of equal length."""
        cdef columns_t rows
        cdef Columns given = Columns.__new__(Columns)
        self._own()
        check_call(op, now_ms, 0)
        given.take_keys(&rows, keys)
        given.take_arguments(&rows, device, cap, demand, lock_ms, flags)
        given.take_answers(&rows, outcome, amount_off, balance, hold_until_ms, changed)
        if not columns_fit(&rows, op):
            raise ValueError("a device, a lock_ms or a rollback's demand is out of range")
        self.is_busy = True
        with nogil:
            decide_batch(&self.book, &rows, now_ms, op)
        self.is_busy = False

    # Many at once, and all.

    def feed(self, chunk, int64_t policy):
        """Streams PostgreSQL COPY BINARY into the book; a code that is held keeps its record."""
        cdef list slots = []
        cdef uint64_t[2] key
        cdef int64_t slot
        cdef entry_t entry
        cdef str code
        self._own()
        if not 0 <= policy < <int64_t>self.book.policy_count:
            raise ValueError(f"no policy {policy}")
        self.stream.offer(chunk)
        entry.policy = policy
        while True:
            code = self.stream.take(&entry)
            if code is None:
                return slots
            try:
                slot = -1
                if self.codes.key(code, key):
                    slot = index_lowest(&self.book, key[0], key[1])
                slots.append(slot if slot >= 0 else self._insert(code, &entry))
            except ValueError as error:
                self.stream.fail(str(error))

    def check(self):
        """Verifies all invariants of records and index; AssertionError names a broken one."""
        cdef const char* broken = audit(&self.book)
        if broken != NULL:
            raise AssertionError(broken.decode())
        if not self.codes.agree(&self.book):
            raise AssertionError("long codes and the records that name them disagree")
