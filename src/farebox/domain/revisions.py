"""How a change of a campaign's calendar reaches its vouchers without rewriting them.

An inherit voucher names the calendar revision under which its period end was computed. The
functions here give the state that the voucher would have if every change had been applied to it at
once (vending-commerce.md 4.2 "config change" and 4.10); the cost is a few rows per campaign. They
see only numbers: who stores the result, and when, is for the caller.
"""

from collections.abc import Iterable, Mapping

import msgspec

from farebox.domain import windows


class CalendarRevision(msgspec.Struct, frozen=True):
    """One calendar of a campaign and what became of vouchers that were left at it."""

    revision: int
    frequency: str
    zone: str
    changed_at_ms: int
    superseded_at_ms: int | None
    first_end_ms: int
    next_end_ms: int | None
    last_start_ms: int | None
    later_start_ms: int | None


class PeriodState(msgspec.Struct, frozen=True):
    """The counters of a voucher's current period."""

    count: int
    amount: int
    period_end_ms: int
    period_seq: int
    last_reset_at_ms: int | None
    calendar_revision: int


def first(frequency: str, zone: str, now_ms: int) -> CalendarRevision:
    """The calendar a campaign is born with."""
    return _current(1, frequency, zone, now_ms)


def move_up(
    state: PeriodState, revisions: Mapping[int, CalendarRevision], current: int
) -> PeriodState:
    """The state under the current calendar; a reset of that calendar itself may still be due.

    Several resets on the way are one: what counts is that the period changed, not how often.
    """
    if state.calendar_revision == current:
        return state
    left, arrived = revisions[state.calendar_revision], revisions[current]
    was_due = left.superseded_at_ms is not None and state.period_end_ms <= left.superseded_at_ms
    if not was_due and left.later_start_ms is None:
        return msgspec.structs.replace(
            state, period_end_ms=arrived.first_end_ms, calendar_revision=current
        )
    start_ms = left.last_start_ms if left.later_start_ms is None else left.later_start_ms
    return PeriodState(
        count=0,
        amount=0,
        period_end_ms=arrived.first_end_ms,
        period_seq=state.period_seq + 1,
        last_reset_at_ms=start_ms,
        calendar_revision=current,
    )


def apply_due_reset(state: PeriodState, frequency: str, zone_name: str, now_ms: int) -> PeriodState:
    """The state at `now_ms` if its period has ended by then, else the state itself."""
    if now_ms < state.period_end_ms:
        return state
    return PeriodState(
        count=0,
        amount=0,
        period_end_ms=windows.window_end(frequency, zone_name, now_ms),
        period_seq=state.period_seq + 1,
        last_reset_at_ms=windows.window_start(frequency, zone_name, now_ms),
        calendar_revision=state.calendar_revision,
    )


def supersede(
    revisions: Iterable[CalendarRevision], frequency: str, zone: str, now_ms: int
) -> list[CalendarRevision]:
    """All rows of the campaign after a change at `now_ms`: older ones retold, then the new one."""
    older = sorted(revisions, key=lambda row: row.revision)
    last = older[-1]
    # Changes keep their order even where the clocks of two servers do not.
    changed_at_ms = max(now_ms, last.changed_at_ms)
    arrived = _current(last.revision + 1, frequency, zone, changed_at_ms)
    left = msgspec.structs.replace(
        last,
        superseded_at_ms=changed_at_ms,
        last_start_ms=windows.window_start(last.frequency, last.zone, changed_at_ms),
    )
    return [*_retold([*older[:-1], left], arrived), arrived]


def _current(revision: int, frequency: str, zone: str, changed_at_ms: int) -> CalendarRevision:
    return CalendarRevision(
        revision=revision,
        frequency=frequency,
        zone=zone,
        changed_at_ms=changed_at_ms,
        superseded_at_ms=None,
        first_end_ms=windows.window_end(frequency, zone, changed_at_ms),
        next_end_ms=None,
        last_start_ms=None,
        later_start_ms=None,
    )


def _retold(
    superseded: list[CalendarRevision], arrived: CalendarRevision
) -> list[CalendarRevision]:
    """What each left calendar's vouchers meet afterwards, told from the newest backwards.

    A voucher re-keyed under a calendar is reset there only if that calendar's first period ended
    while it was in force; the earliest such end is the next one, the latest such start the last.
    """
    told: list[CalendarRevision] = []
    next_end_ms = arrived.first_end_ms
    later_start_ms: int | None = None
    for row in reversed(superseded):
        told.append(
            msgspec.structs.replace(row, next_end_ms=next_end_ms, later_start_ms=later_start_ms)
        )
        if row.superseded_at_ms is not None and row.first_end_ms <= row.superseded_at_ms:
            next_end_ms = row.first_end_ms
            if later_start_ms is None:
                later_start_ms = row.last_start_ms
    told.reverse()
    return told
