"""What a history may be asked and what a record is, for any value (pbx.md 3.10, 4.3, 4.4, 4.5)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.domain import call_records, wall_clocks
from farebox.domain.call_records import FaultyFieldError, cost_range, day, disposition, record_of

ZONES = st.sampled_from(
    ("UTC", "America/Toronto", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata",
     "America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia", "Asia/Beirut"),
)  # fmt: skip
DAYS = st.dates(date(1975, 1, 1), date(2037, 12, 31))
AMOUNTS = st.decimals(0, 10**9, places=6)
HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CALL = {"uniqueid": "1.1", "start": "2024-03-10T12:00:00Z", "disposition": "BUSY"}


@given(DAYS)
def test_a_day_has_three_spellings(at: date) -> None:
    """With hyphens, with slashes and with nothing between its parts it is the same day."""
    assert [at] * 3 == [day(at.strftime(form)) for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d")]


@given(st.text("0123456789-/", max_size=11))
def test_other_texts_are_no_days(text: str) -> None:
    """What is no date of the calendar in one of the spellings is refused, never guessed."""
    try:
        found = day(text)
    except ValueError:
        return
    assert text in [found.strftime(form) for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d")]


@given(DAYS, st.integers(0, 91), st.integers(0, 91), ZONES)
def test_spans_tile(first: date, one: int, two: int, zone: str) -> None:
    """Split days have a common instant as bound: nothing is lost between them or found twice."""
    middle, last = first + timedelta(days=one), first + timedelta(days=one + 1 + two)
    begin, until = call_records.span(first, last, zone)
    earlier = call_records.span(first, middle, zone)
    later = call_records.span(middle + timedelta(days=1), last, zone)
    assert [begin, later[0], until] == [earlier[0], earlier[1], later[1]]


@given(DAYS, ZONES, st.integers(-1, 1))
def test_a_span_has_the_instants_of_its_days(at: date, zone: str, off_ms: int) -> None:
    """An instant is within a day's span exactly if clocks of the zone show that day."""
    begin, until = call_records.span(at, at, zone)
    for instant_ms in (begin + off_ms, until + off_ms, (begin + until) // 2):
        is_within = begin <= instant_ms < until
        assert is_within == (at == wall_clocks.day_of(instant_ms, zone))


@pytest.mark.parametrize(
    ("at", "zone", "hours"),
    [
        ("2024-03-09", "America/Toronto", 24),
        ("2024-03-10", "America/Toronto", 23),
        ("2024-11-03", "America/Toronto", 25),
        ("2024-04-07", "Australia/Lord_Howe", 24.5),
        ("2011-12-30", "Pacific/Apia", 0),
        # Clocks went forward at midnight, so the day began at one.
        ("2018-11-04", "America/Sao_Paulo", 23),
    ],
)
def test_days_have_their_own_length(at: str, zone: str, hours: float) -> None:
    """A day on which clocks change is shorter or longer, one that a place left out is empty."""
    begin, until = call_records.span(day(at), day(at), zone)
    assert hours == (until - begin) / HOUR_MS


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_costs_are_compared_as_numbers(cost: Decimal, one: Decimal, two: Decimal) -> None:
    """Each form of the filter lets through exactly the costs that its signs mean."""
    plain = one.normalize()
    for text, expected in (
        (f"{one}", cost == one), (f"={one}", cost == one), (f"{plain:f}", cost == one),
        (f">{one}", cost > one), (f">={one}", cost >= one), (f"<{one}", cost < one),
        (f"<={one}", cost <= one), (f"{one}-{two}", one <= cost <= two), ("yes", cost > 0),
        ("no", cost == 0),
    ):  # fmt: skip
        least, greatest = cost_range(text)
        is_let = (least is None or cost >= least) and (greatest is None or cost <= greatest)
        assert expected == is_let, text


@given(AMOUNTS)
def test_costs_are_exact(cost: Decimal) -> None:
    """A cost is kept to its six places, however many of them it is written with."""
    for text in (str(cost), f"{cost.normalize():f}"):
        assert cost == record_of({**CALL, "cc_cost": text}, "UTC").cc_cost
    with pytest.raises(FaultyFieldError, match="cc_cost"):
        record_of({**CALL, "cc_cost": f"{cost}1"}, "UTC")


@given(st.sampled_from(call_records.DISPOSITIONS), st.data())
def test_ends_of_calls_have_one_spelling(ended: str, data: Any) -> None:
    """Letters of both cases and an underscore are the same; what is read is read as itself."""
    shouted = (data.draw(st.booleans()) for _ in ended)
    mixed = "".join(one if up else one.lower() for one, up in zip(ended, shouted, strict=True))
    spelled = (mixed, mixed.replace(" ", "_"), mixed.replace("O A", "OA"), f" {mixed} ")
    assert {ended} == {disposition(text) for text in spelled}


@given(st.integers(100_000, 2_000_000_000), ZONES, st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_one_whoever_writes_it(at_s: int, zone: str, offset_min: int) -> None:
    """With an offset an instant is what it says; as a wall clock it shows what was written."""
    moment = EPOCH + timedelta(seconds=at_s)
    sign, (hours, minutes) = "-" if offset_min < 0 else "+", divmod(abs(offset_min), 60)
    told = (moment + timedelta(minutes=offset_min)).replace(tzinfo=None).isoformat()
    start = f"{told}{sign}{hours:02}:{minutes:02}"
    record = record_of({**CALL, "start": start}, zone)
    assert at_s * 1000 == record.start_ms
    wall = wall_clocks.text(record.start_ms, zone)
    again = record_of({**CALL, "start": wall}, zone).start_ms
    assert wall == wall_clocks.text(again, zone)
    # Of two instants with one wall clock it is the first.
    assert again <= record.start_ms


FIELDS = [name.removesuffix("_ms") for name in call_records.CallRecord.__struct_fields__]
WIRE = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**11), st.floats(), st.text(max_size=8),
    st.lists(st.integers(), max_size=1), st.sampled_from(("BUSY", "answered", "0.5", "12")),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), WIRE), ZONES)
def test_a_record_is_right_or_its_field_is_named(changes: dict[str, Any], zone: str) -> None:
    """Whatever comes is a record that keeps the rules, or a refusal that names a field of it."""
    record, named = None, ""
    try:
        record = record_of({**CALL, **changes}, zone)
    except FaultyFieldError as error:
        named = str(error)
    if record is None:
        assert named in FIELDS
        return
    assert 0 <= record.billsec <= record.duration
    assert record.disposition == "ANSWERED" or not record.billsec
    assert 0 <= record.cc_cost == round(record.cc_cost, 6)
    assert 1 <= len(record.uniqueid) <= 64
    assert record.linkedid in (record.uniqueid, str(changes.get("linkedid")))
