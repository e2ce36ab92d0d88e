"""Billing cycles of subscribers (isp.md 4.5): they begin at any instant and keep its wall time.

Monthly, weekly and daily cycles follow from the anchor, the instant at which the first of them
began: no drift over short months. Pay as you go lasts thirty days or until the expiry; `never` has
no end.
"""

from typing import Final

import msgspec

from farebox.domain import wall_clocks
from farebox.domain.windows import NEVER_MS

RESET_TYPES: Final = ("payAsYouGo", "monthly", "weekly", "daily", "never")
# These go on by themselves.
RECURRING: Final = ("monthly", "weekly", "daily")
_DAYS: Final = {"weekly": 7, "daily": 1}
# No month is longer, no day shorter.
_LONGEST_MS: Final = {"monthly": 32 * 86_400_000, "weekly": 8 * 86_400_000, "daily": 90_000_000}


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """A billing cycle and what was used in it; without a beginning, none has begun."""

    reset_type: str
    start_ms: int | None = None
    end_ms: int | None = None
    # Where the first of the cycles that follow from each other began.
    anchor_ms: int = 0
    upload: int = 0
    download: int = 0

    @property
    def bill(self) -> tuple[int, int] | None:
        """Its span as windows follow it."""
        return None if self.start_ms is None else (self.start_ms, self.end_ms or NEVER_MS)


def boundary(reset_type: str, anchor_ms: int, number: int, zone_name: str) -> int:
    """The instant at which the recurring cycle of this number begins."""
    if reset_type == "monthly":
        return wall_clocks.plus_months(anchor_ms, number, zone_name)
    return wall_clocks.plus_days(anchor_ms, number * _DAYS[reset_type], zone_name)


def end_of_first(
    reset_type: str, start_ms: int, expires_ms: int | None, zone_name: str
) -> int | None:
    """The end of a cycle that begins now; None for never."""
    if reset_type == "never":
        return None
    if reset_type in RECURRING:
        return boundary(reset_type, start_ms, 1, zone_name)
    end_ms = wall_clocks.plus_days(start_ms, 30, zone_name)
    return min(end_ms, expires_ms) if expires_ms and expires_ms > start_ms else end_ms


def containing(reset_type: str, anchor_ms: int, now_ms: int, zone_name: str) -> tuple[int, int]:
    """The recurring cycle that contains an instant at or after the anchor."""
    number = max(0, (now_ms - anchor_ms) // _LONGEST_MS[reset_type])
    start_ms = boundary(reset_type, anchor_ms, number, zone_name)
    while (end_ms := boundary(reset_type, anchor_ms, number + 1, zone_name)) <= now_ms:
        number, start_ms = number + 1, end_ms
    return start_ms, end_ms


def followed(cycle: Cycle, until_ms: int, zone_name: str) -> list[Cycle]:
    """A cycle and those that have begun after it until an instant, the last one last.

    Of those between the second and the last nothing would come that does not come of the second.
    """
    if cycle.reset_type not in RECURRING or cycle.end_ms is None or until_ms < cycle.end_ms:
        return [cycle]
    found = [cycle]
    for instant_ms in (cycle.end_ms, until_ms):
        span = containing(cycle.reset_type, cycle.anchor_ms, instant_ms, zone_name)
        if span[0] != found[-1].start_ms:
            found.append(
                Cycle(reset_type=cycle.reset_type, start_ms=span[0], end_ms=span[1],
                      anchor_ms=cycle.anchor_ms)
            )  # fmt: skip
    return found
