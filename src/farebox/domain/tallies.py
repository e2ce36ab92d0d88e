"""The figures of a subscriber as time passes (isp.md 4.2 to 4.5, 4.9.1): pure, one kind at a time.

Windows roll, terms turn, bytes come in, each at its own instant and in this order. Whoever moves a
tally now and then gets what somebody gets who moves it at once over all of it.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import msgspec

from farebox.domain import wall_clocks
from farebox.domain.cycles import Cycle, followed
from farebox.domain.quotas import (
    Policy,
    Span,
    Standing,
    Usage,
    Verdict,
    changed,
    evaluate,
    left_over,
    starting,
    window,
)

# What was used since a day, upload and download.
Sums = Callable[[date], tuple[int, int]]
_CALENDAR = ("daily", "weekly", "monthly")


class Past(msgspec.Struct, frozen=True):
    """The window before the present one, for records of it that come late."""

    policy: Policy
    usage: Usage


class Tally(msgspec.Struct, kw_only=True):
    """A window and the terms it is under; `since_ms` is when they came into force."""

    policy: Policy
    zone: str
    since_ms: int
    created_ms: int
    standing: Standing
    cycle: Cycle
    usage: Usage
    previous: Past | None = None

    def cycles(self, at_ms: int) -> list[Cycle]:
        """The cycle as written down and those that have followed; a leaver's end with him."""
        if not self.standing.is_active or self.cycle.end_ms is None:
            return [self.cycle]
        expires_ms = self.standing.expires_ms
        until_ms = at_ms if expires_ms is None else min(at_ms, expires_ms - 1)
        return followed(self.cycle, until_ms, self.zone)

    def roll(self, at_ms: int) -> Verdict:
        """Moves on to an instant; what the rule says there."""
        is_rolled = False
        for bill in self._bills(at_ms):
            verdict = evaluate(self.policy, self.usage, self.standing, at_ms, self._span(), bill)
            if verdict.before is not None:
                is_rolled = True
                self.previous = Past(self.policy, verdict.before)
            self.usage = verdict.usage
        return msgspec.structs.replace(verdict, is_rolled=is_rolled)

    def turn(self, policy: Policy, zone: str, at_ms: int, sums: Sums) -> None:
        """Other terms at an instant to which the tally was moved (isp.md 4.4)."""
        old, self.policy = self.policy, policy
        is_moved = self.zone != zone and policy.rhythm[0] in _CALENDAR
        self.zone = zone
        if old.rhythm == policy.rhythm and not is_moved:
            self.usage = changed(old, policy, self.usage)
            return
        self.since_ms = at_ms
        self.previous = None
        self.begin(at_ms, sums)

    def begin(self, at_ms: int, sums: Sums) -> None:
        """The window of an instant for whoever has none, with what was used in it already."""
        policy, cycle = self.policy, self.cycles(at_ms)[-1]
        is_free, is_billed = policy.mode == "always", policy.every == "billing"
        if is_billed and not is_free and cycle.bill is None:
            self.since_ms = self.created_ms
        start_ms, end_ms = starting(policy, self.zone, at_ms, self.since_ms, cycle.bill)
        upload = download = 0
        if is_billed and not is_free and cycle.bill is not None:
            upload, download = cycle.upload, cycle.download
        elif is_free or policy.every != "never":
            upload, download = sums(wall_clocks.day_of(start_ms, self.zone))
        self.usage = Usage(start_ms=start_ms, end_ms=end_ms, upload=upload, download=download)

    def add(self, at_ms: int, upload: int, download: int) -> None:
        """Bytes of an event, in the present window or late, in the one before it."""
        if at_ms >= self.usage.start_ms:
            self.usage = _more(self.usage, upload, download)
        elif self.previous is not None and at_ms >= self.previous.usage.start_ms:
            past = self.previous
            self.previous = Past(past.policy, _more(past.usage, upload, download))
            carried = min(self.usage.carried, left_over(past.policy, self.previous.usage))
            self.usage = msgspec.structs.replace(self.usage, carried=carried)

    def _bills(self, at_ms: int) -> Sequence[tuple[int, int] | None]:
        if self.policy.mode == "always" or self.policy.every != "billing":
            return (None,)
        return [cycle.bill for cycle in self.cycles(at_ms)]

    def _span(self) -> Callable[[int], Span] | None:
        if self.policy.mode == "always" or self.policy.every not in _CALENDAR:
            return None
        return partial(window, self.policy, self.zone)


def _more(usage: Usage, upload: int, download: int) -> Usage:
    return msgspec.structs.replace(
        usage, upload=usage.upload + upload, download=usage.download + download
    )
