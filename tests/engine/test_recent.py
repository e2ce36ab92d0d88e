"""What the desk remembers of orders: the newest, never more than twice as many as it must."""

from farebox.engine.recent import RecentOrders


def order(number: int) -> tuple[str, str, str]:
    """An order's name."""
    return ("CODE", "m:1", f"o-{number}")


def test_the_newest_orders_are_known_and_the_oldest_forgotten() -> None:
    """After any number of orders the last four are there, and at most eight."""
    recent = RecentOrders(orders_max=4)
    for sent in range(1, 40):
        recent.add([order(sent)])
        known = [number for number in range(sent + 1) if order(number) in recent]
        assert known == list(range(max(1, sent - len(known) + 1), sent + 1))
        assert min(sent, 4) <= len(known) <= 8


def test_an_order_that_is_sent_again_is_known_once_more() -> None:
    """It counts among the newest again."""
    recent = RecentOrders(orders_max=2)
    recent.add([order(1), order(2)])
    recent.add([order(1)])
    recent.add([order(3)])
    assert order(1) in recent
    assert order(3) in recent
