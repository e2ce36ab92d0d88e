"""The native core's names: decisions over numbers and a time, without I/O, clock or randomness.

`farebox.core.voucher` holds the voucher book, `farebox.core.calendar` the boundary tables. The
order of `Outcome` is the order in which refusals are reported (vending-commerce.md 4.5).
"""

from enum import IntEnum


class Outcome(IntEnum):
    """What the core or the engine answers, in descending precedence after ACCEPTED."""

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
