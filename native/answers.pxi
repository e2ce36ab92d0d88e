# What a book answers. Textually part of voucher.pyx: a class of Cython cannot be shared between
# modules without their importing each other.

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
