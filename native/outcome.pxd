"""Every outcome of a decision, by descending precedence (vending-commerce.md 4.5).

The numbers are those of the specification and of farebox.core.Outcome. The ladder in voucher.pxd
sets one bit per refusal that applies, at the outcome's own number, so the lowest bit is the
reason: the order of this enum *is* the order of precedence.
"""


cdef enum:
    NEEDS_BOUNDARY = -1
    ACCEPTED = 0
    ORDER_ID_REUSED = 1
    ORDER_ROLLED_BACK = 2
    VOUCHER_NOT_FOUND = 3
    CAMPAIGN_NOT_ACTIVE = 4
    VOUCHER_INACTIVE = 5
    VOUCHER_EXPIRED = 6
    MACHINE_INACTIVE = 7
    LOCATION_NOT_ALLOWED = 8
    CURRENCY_MISMATCH = 9
    PRODUCT_NOT_ALLOWED = 10
    VOUCHER_LOCKED = 11
    REDEMPTION_LIMIT_REACHED = 12
    BALANCE_EMPTY = 13
    DEMAND_EXCEEDS_ORDER = 14
    INSUFFICIENT_BALANCE = 15
    DEMAND_REQUIRED = 16
    NOT_REDEEMED = 17
    ROLLBACK_WINDOW_CLOSED = 18
