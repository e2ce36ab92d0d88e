"""A voucher that is never rewritten reads like one that is rewritten at every edit."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.domain import windows
from farebox.domain.instants import parse, to_ms
from farebox.domain.revisions import (
    CalendarRevision,
    PeriodState,
    apply_due_reset,
    first,
    move_up,
    supersede,
)

ZONES = (
    "Europe/Amsterdam", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia",
    "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC",
)  # fmt: skip
START_MS = 1_774_000_000_000
HOUR_MS = 3_600_000


class Eager:
    """The plain reading of the rules: every edit is applied to the voucher when it happens."""

    def __init__(self, frequency: str, zone: str, now_ms: int) -> None:
        self.frequency, self.zone = frequency, zone
        self.count = self.amount = 0
        self.end_ms = windows.window_end(frequency, zone, now_ms)
        self.last_reset_at_ms: int | None = None

    def touch(self, now_ms: int) -> None:
        if now_ms >= self.end_ms:
            self.count = self.amount = 0
            self.last_reset_at_ms = windows.window_start(self.frequency, self.zone, now_ms)
            self.end_ms = windows.window_end(self.frequency, self.zone, now_ms)

    def edit(self, frequency: str, zone: str, now_ms: int) -> None:
        self.touch(now_ms)
        self.frequency, self.zone = frequency, zone
        self.end_ms = windows.window_end(frequency, zone, now_ms)

    def read(self, now_ms: int) -> tuple[int, int, int, int | None]:
        self.touch(now_ms)
        return self.count, self.amount, self.end_ms, self.last_reset_at_ms


class Lazy:
    """The same through calendar revisions; the voucher is written only when it is used."""

    def __init__(self, frequency: str, zone: str, now_ms: int) -> None:
        revision = first(frequency, zone, now_ms)
        self.revisions: dict[int, CalendarRevision] = {1: revision}
        self.state = PeriodState(0, 0, revision.first_end_ms, 0, None, 1)

    def seen(self, now_ms: int) -> PeriodState:
        current = max(self.revisions)
        calendar = self.revisions[current]
        moved = move_up(self.state, self.revisions, current)
        return apply_due_reset(moved, calendar.frequency, calendar.zone, now_ms)

    def edit(self, frequency: str, zone: str, now_ms: int) -> None:
        rows = supersede(self.revisions.values(), frequency, zone, now_ms)
        self.revisions = {row.revision: row for row in rows}

    def read(self, now_ms: int) -> tuple[int, int, int, int | None]:
        state = self.seen(now_ms)
        return state.count, state.amount, state.period_end_ms, state.last_reset_at_ms


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "edit", "use", "read"]),
        st.sampled_from(windows.FREQUENCIES),
        st.sampled_from(ZONES),
        st.one_of(st.integers(0, 30 * HOUR_MS), st.integers(0, 900 * HOUR_MS)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(windows.FREQUENCIES),
    st.sampled_from(ZONES),
    STEPS,
)
def test_lazy_reading_equals_eager_rewriting(
    frequency: str, zone: str, steps: list[tuple[str, str, str, int]]
) -> None:
    """Same count, amount, period end and last reset at every read, whatever the edits (P21)."""
    now_ms = START_MS
    eager, lazy = Eager(frequency, zone, now_ms), Lazy(frequency, zone, now_ms)
    for kind, next_frequency, next_zone, elapsed_ms in steps:
        now_ms += elapsed_ms
        if kind == "edit":
            eager.edit(next_frequency, next_zone, now_ms)
            lazy.edit(next_frequency, next_zone, now_ms)
        if kind == "use":
            eager.touch(now_ms)
            eager.count, eager.amount = eager.count + 1, eager.amount + 10
            seen = lazy.seen(now_ms)
            lazy.state = msgspec.structs.replace(
                seen, count=seen.count + 1, amount=seen.amount + 10
            )
        assert eager.read(now_ms) == lazy.read(now_ms)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(windows.FREQUENCIES), st.sampled_from(ZONES), STEPS)
def test_next_end_is_when_an_older_voucher_is_reset(
    frequency: str, zone: str, steps: list[tuple[str, str, str, int]]
) -> None:
    """The stored next end gives the same answer as moving up: the form that a filter may use."""
    now_ms = START_MS
    lazy = Lazy(frequency, zone, now_ms)
    for _, next_frequency, next_zone, elapsed_ms in steps:
        now_ms += elapsed_ms
        lazy.edit(next_frequency, next_zone, now_ms)
    state = msgspec.structs.replace(lazy.state, count=1, amount=10)
    left = lazy.revisions[1]
    was_due = state.period_end_ms <= (left.superseded_at_ms or 0)
    reset_at_ms = state.period_end_ms if was_due else left.next_end_ms
    for later_ms in (now_ms, now_ms + 20 * HOUR_MS, now_ms + 2000 * HOUR_MS):
        lazy.state = state
        assert (reset_at_ms is not None and later_ms >= reset_at_ms) is (
            lazy.seen(later_ms).count == 0
        )


def test_clock_behind_the_latest_edit_keeps_its_order() -> None:
    """An edit from a server whose clock is behind counts from the latest edit on."""
    lazy = Lazy("day", "UTC", START_MS)
    lazy.edit("week", "UTC", START_MS + HOUR_MS)
    lazy.edit("month", "UTC", START_MS)
    assert START_MS + HOUR_MS == lazy.revisions[3].changed_at_ms
    assert START_MS + HOUR_MS == lazy.revisions[2].superseded_at_ms


@pytest.mark.parametrize(
    ("expected_count", "expected_last_reset", "now"),
    [
        (2, None, "2026-03-28T22:59:59Z"),
        (0, "2026-03-28T23:00:00Z", "2026-03-28T23:00:00Z"),
        (0, "2026-03-29T22:00:00Z", "2026-03-30T12:00:00Z"),
    ],
)
def test_due_reset(expected_count: int, expected_last_reset: str | None, now: str) -> None:
    """A period ends exactly at its boundary, and several missed ones are one reset."""
    created_ms = _ms("2026-03-28T08:00:00Z")
    end_ms = windows.window_end("day", "Europe/Amsterdam", created_ms)
    state = PeriodState(2, 180, end_ms, 0, None, 1)
    seen = apply_due_reset(state, "day", "Europe/Amsterdam", _ms(now))
    expected_reset = None if expected_last_reset is None else _ms(expected_last_reset)
    expected_seq = 0 if expected_last_reset is None else 1
    assert (expected_count, expected_reset, expected_seq) == (
        seen.count,
        seen.last_reset_at_ms,
        seen.period_seq,
    )


def _ms(text: str) -> int:
    instant = parse(text).instant
    assert instant is not None
    return to_ms(instant)
