"""What a product of a machine is by its number: a base product, a flavour or an extra.

Machines report flavours and extras as products with high numbers. Two thresholds tell them apart
(vending-platform.md 4.5).
"""

from typing import Final, Literal

Class = Literal["base", "flavour", "extra"]

PLU_MAX: Final = 999_999
PRICE_MAX: Final = 100_000_000
# Where the numbers of flavours and extras begin that come without one.
FIRST_PLU: Final = {"flavour": 1000, "extra": 2000}


def class_of(plu: int, flavour_from: int | None, extra_from: int | None) -> Class:
    """The class whose threshold is the greatest one that the plu reaches.

    The thresholds must differ; an absent one is never reached.
    """
    reached: list[tuple[int, Class]] = []
    if flavour_from is not None and plu >= flavour_from:
        reached.append((flavour_from, "flavour"))
    if extra_from is not None and plu >= extra_from:
        reached.append((extra_from, "extra"))
    return max(reached)[1] if reached else "base"
