"""The orders that a desk has sent to their commit lately.

A retry that meets one goes to the careful path at once, instead of losing its batch to the unique
index over orders. Remembering saves work and decides nothing: what is forgotten, or was sent by
another process, loses its comparison and gets the same answer.
"""

from collections.abc import Iterable

ORDERS_MAX = 65_536

Order = tuple[str, str, str]


class RecentOrders:
    """The newest `orders_max` orders at least, and at most twice as many."""

    def __init__(self, orders_max: int = ORDERS_MAX) -> None:
        self._orders_max = orders_max
        self._newer: set[Order] = set()
        self._older: set[Order] = set()

    def __contains__(self, order: Order) -> bool:
        return order in self._newer or order in self._older

    def add(self, orders: Iterable[Order]) -> None:
        """These have been sent; the oldest are forgotten all together."""
        self._newer.update(orders)
        if len(self._newer) >= self._orders_max:
            self._older, self._newer = self._newer, set()
