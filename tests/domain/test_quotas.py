"""Fair use: the vectors of isp.md 5.3 and 5.4, and what must hold for all figures (4.12)."""

import random
from functools import partial
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.domain import wall_clocks
from farebox.domain.cycles import Cycle
from farebox.domain.quotas import Policy, Standing, Usage, Verdict, evaluate, window
from farebox.domain.tallies import Tally
from farebox.domain.windows import NEVER_MS, zone_names
from tests.strategies import FIRST_MS, LAST_MS, ZONES

MIB = 1 << 20
GIB = 1 << 30
ZONE = "Asia/Kolkata"
NOW = 1795321800
NOVEMBER = (1793471400, 1796063400)
DECEMBER, JANUARY = 1796063400, 1799951400
BASE: dict[str, Any] = {
    "policy": {"mode": "data", "limit": 100 * MIB, "every": "monthly", "first": 11, "second": 12},
    "usage": {"start_ms": NOVEMBER[0] * 1000, "end_ms": NOVEMBER[1] * 1000},
    "standing": {"applied": 11},
    "now": NOW,
    "bill": None,
}
CARRY = {"carries": True}
BILLING = {"every": "billing", "carries": True}


def verdict(
    policy: Any = None, usage: Any = None, standing: Any = None, now: int = NOW, bill: Any = None
) -> Verdict:
    """The rule on the base row with something changed."""
    terms = Policy(**BASE["policy"] | (policy or {}))
    used = Usage(**BASE["usage"] | (usage or {}))
    who = Standing(**BASE["standing"] | (standing or {}))
    known = None if bill is None else (bill[0] * 1000, bill[1] * 1000)
    span = partial(window, terms, ZONE) if terms.every == "monthly" else None
    return evaluate(terms, used, who, now * 1000, span, known)


def told(found: Verdict) -> tuple[Any, ...]:
    """What the vectors list of a verdict."""
    flags = {
        "OVER": found.is_over, "ROLLED": found.is_rolled, "SWITCH": found.is_switch,
        "STALE": found.is_stale,
    }  # fmt: skip
    words = [name for name, is_set in flags.items() if is_set]
    words += [[], ["80"], ["100"]][found.level]
    return (
        found.active, found.used, found.effective, found.remaining, " ".join(words),
        found.usage.carried, found.usage.end_ms // 1000,
    )  # fmt: skip


SAME, NEXT = NOVEMBER[1], 1798741800
# Name, what is changed, then: active, used, effective, remaining, flags, carried, end of window.
VECTORS: tuple[tuple[str, dict[str, Any], tuple[Any, ...]], ...] = (
    ("G1", {"usage": {"upload": 40 * MIB, "download": 50 * MIB}},
     (11, 94371840, 104857600, 10485760, "80", 0, SAME)),
    ("G2", {"usage": {"upload": 40 * MIB, "download": 60 * MIB}},
     (11, 104857600, 104857600, 0, "100", 0, SAME)),
    ("G3", {"usage": {"upload": 40 * MIB, "download": 60 * MIB + 1}},
     (12, 104857601, 104857600, 0, "OVER SWITCH 100", 0, SAME)),
    ("G4", {"policy": {"excludes_upload": True},
            "usage": {"upload": 400 * MIB, "download": 60 * MIB}},
     (11, 62914560, 104857600, 41943040, "", 0, SAME)),
    ("G5", {"policy": {"mode": "uploadDownload"},
            "usage": {"upload": 100 * MIB, "download": 100 * MIB}},
     (11, 104857600, 104857600, 0, "100", 0, SAME)),
    ("G6", {"policy": {"mode": "uploadDownload"},
            "usage": {"upload": 100 * MIB + 1, "download": 1}},
     (12, 104857601, 104857600, 0, "OVER SWITCH 100", 0, SAME)),
    ("G7", {"policy": {"mode": "always", "limit": 0, "every": "never"},
            "usage": {"upload": 5 * GIB, "download": 7 * GIB}},
     (11, 12884901888, 0, None, "", 0, SAME)),
    ("G8", {"policy": CARRY, "usage": {"upload": 10 * MIB, "download": 20 * MIB}, "now": DECEMBER},
     (11, 0, 178257920, 178257920, "ROLLED", 73400320, NEXT)),
    ("G9", {"policy": CARRY, "usage": {"upload": 10 * MIB, "download": 20 * MIB}, "now": JANUARY},
     (11, 0, 209715200, 209715200, "ROLLED", 104857600, 1801420200)),
    ("G10", {"policy": CARRY, "usage": {"upload": 100 * MIB, "download": 20 * MIB},
             "standing": {"applied": 12}, "now": DECEMBER},
     (11, 0, 104857600, 104857600, "ROLLED SWITCH", 0, NEXT)),
    ("G11", {"policy": CARRY, "usage": {"carried": 70 * MIB, "download": 50 * MIB},
             "now": DECEMBER},
     (11, 0, 209715200, 209715200, "ROLLED", 104857600, NEXT)),
    ("G12", {"policy": CARRY, "usage": {"upload": 10 * MIB, "download": 20 * MIB},
             "now": DECEMBER - 1},
     (11, 31457280, 104857600, 73400320, "", 0, SAME)),
    ("G13", {"usage": {"topup": 50 * MIB, "download": 140 * MIB}},
     (11, 146800640, 157286400, 10485760, "80", 0, SAME)),
    ("G14", {"policy": CARRY, "usage": {"topup": 50 * MIB, "download": 20 * MIB}, "now": DECEMBER},
     (11, 0, 188743680, 188743680, "ROLLED", 83886080, NEXT)),
    ("G15", {"usage": {"download": 83886080}}, (11, 83886080, 104857600, 20971520, "80", 0, SAME)),
    ("G15", {"usage": {"download": 83886079}}, (11, 83886079, 104857600, 20971521, "", 0, SAME)),
    ("G16", {"policy": CARRY, "usage": {"download": 20 * MIB}, "now": DECEMBER,
             "standing": {"is_active": False, "is_online": False}},
     (11, 0, 104857600, 104857600, "ROLLED", 0, NEXT)),
    ("G17", {"usage": {"download": 101 * MIB}, "standing": {"is_online": False}},
     (12, 105906176, 104857600, 0, "OVER 100", 0, SAME)),
    ("G18", {"usage": {"topup": -200 * MIB}}, (11, 0, 0, 0, "100", 0, SAME)),
    ("G19", {"usage": {"topup": -200 * MIB, "download": 1}},
     (12, 1, 0, 0, "OVER SWITCH 100", 0, SAME)),
    ("G22", {"policy": CARRY, "usage": {"topup": -30 * MIB, "download": 20 * MIB},
             "now": DECEMBER},
     (11, 0, 157286400, 157286400, "ROLLED", 52428800, NEXT)),
    ("G23", {"policy": BILLING, "usage": {"upload": 10 * MIB, "download": 20 * MIB},
             "now": DECEMBER, "bill": (DECEMBER, NEXT)},
     (11, 0, 178257920, 178257920, "ROLLED", 73400320, NEXT)),
    ("G24", {"policy": BILLING, "usage": {"download": 20 * MIB}, "now": DECEMBER,
             "bill": NOVEMBER},
     (11, 20971520, 104857600, 83886080, "STALE", 0, SAME)),
    ("G25", {"policy": BILLING, "usage": {"download": 100 * MIB}, "bill": (NOW, 1797913800)},
     (11, 0, 104857600, 104857600, "ROLLED", 0, 1797913800)),
    ("G26", {"policy": CARRY, "usage": {"download": 20 * MIB}, "now": DECEMBER,
             "standing": {"expires_ms": (DECEMBER - 1) * 1000}},
     (11, 0, 104857600, 104857600, "ROLLED", 0, NEXT)),
    ("G27", {"policy": CARRY, "usage": {"download": 20 * MIB}, "now": 1796200000,
             "standing": {"expires_ms": 1796100000000, "applied": 12}},
     (11, 0, 188743680, 188743680, "ROLLED", 83886080, NEXT)),
    ("G28", {"policy": BILLING, "usage": {"download": 120 * MIB}, "now": 1797000000,
             "bill": (1797000000, 1799592000)},
     (11, 0, 104857600, 104857600, "ROLLED", 0, 1799592000)),
)  # fmt: skip

# Rhythm, its anchor, zone, an instant, and the window around it.
WINDOWS = (
    ("monthly", 31, ZONE, 1740681000 - 1, 1738261800, 1740681000),
    ("monthly", 31, ZONE, 1740681000, 1740681000, 1743359400),
    ("monthly", 31, ZONE, 1709188200, 1709145000, 1711823400),
    ("monthly", 31, ZONE, 1745951400, 1745951400, 1748629800),
    ("monthly", 30, ZONE, 1771130000, 1769711400, 1772217000),
    ("monthly", 1, ZONE, 1767205800, 1767205800, 1769884200),
    ("weekly", 0, ZONE, 1795285799, 1794681000, 1795285800),
    ("weekly", 0, ZONE, 1795285800, 1795285800, 1795890600),
    ("weekly", 1, "America/New_York", 1772985600, 1772427600, 1773028800),
    ("daily", 0, "Europe/Berlin", 1774778400, 1774738800, 1774821600),
    ("daily", 0, "Europe/Berlin", 1792926000, 1792879200, 1792969200),
    ("daily", 0, "Africa/Cairo", 1777021200, 1776981600, 1777064400),
    ("daily", 0, "Asia/Beirut", 1774774800, 1774735200, 1774818000),
    # Cuba stays on summer time in 2026, so its repeated midnight is taken from 2025.
    ("daily", 0, "America/Havana", 1762102800, 1762056000, 1762146000),
    ("daily", 0, "America/Santiago", 1788706800, 1788667200, 1788750000),
    ("daily", 0, "Asia/Kathmandu", 1767204900, 1767204900, 1767291300),
    ("daily", 0, "Pacific/Apia", 1325196000, 1325152800, 1325239200),
    ("daily", 0, "America/St_Johns", 1162132200, 1162089000, 1162179000),
)


def test_the_vectors() -> None:
    """Every row of the document's table."""
    for name, change, expected in VECTORS:
        assert expected == told(verdict(**change)), name


def test_the_windows() -> None:
    """Every row of the document's table of periods."""
    for every, anchor, zone, now, start, end in WINDOWS:
        policy = Policy(mode="data", first=1, every=every, dom=max(anchor, 1), dow=anchor % 7)
        found = window(policy, zone, now * 1000)
        assert (start, end) == (found.start_ms // 1000, found.end_ms // 1000), (every, zone, now)


AMOUNTS = st.integers(0, 300 * MIB)


@settings(max_examples=150, deadline=None)
@given(
    AMOUNTS, AMOUNTS, st.integers(-200 * MIB, 200 * MIB), AMOUNTS, st.integers(0, 5 * MIB),
    st.sampled_from(("upload", "download")), st.sampled_from(("data", "uploadDownload")),
)  # fmt: skip
def test_more_use_never_leaves_more(
    upload: int, download: int, topup: int, carried: int, more: int, way: str, mode: str
) -> None:
    """More bytes never raise what is left, end an excess or lower a level."""
    usage = {"upload": upload, "download": download, "topup": topup, "carried": carried}
    before = verdict({"mode": mode}, usage)
    after = verdict({"mode": mode}, {**usage, way: usage[way] + more})

    assert before.remaining is not None
    assert after.remaining is not None
    assert after.remaining <= before.remaining
    assert (after.is_over, after.level) >= (before.is_over, before.level)
    assert (before.remaining == 0 and not before.is_over) == (before.used == before.effective)
    assert not before.is_over or before.used >= before.effective + 1


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, AMOUNTS, AMOUNTS, st.integers(-200 * MIB, 200 * MIB))
def test_what_is_left_out_does_not_count(
    upload: int, other: int, download: int, topup: int
) -> None:
    """Without uploads both modes are one, whatever was uploaded."""
    found = [
        verdict(
            {"mode": mode, "excludes_upload": True},
            {"upload": sent, "download": download, "topup": topup},
        )
        for mode in ("data", "uploadDownload")
        for sent in (upload, other)
    ]
    assert 1 == len({told(one) for one in found})


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, st.integers(-200 * MIB, 200 * MIB), st.integers(0, 100 * MIB))
def test_what_is_carried(used: int, topup: int, carried: int) -> None:
    """What was carried is used first, a reduction counts as used, and a limit is the most."""
    usage = {"download": used, "topup": topup, "carried": carried}
    limit, now = 100 * MIB, NOVEMBER[1]
    expected = limit - min(limit, max(0, used + max(0, -topup) - carried))
    assert expected == verdict(CARRY, usage, now=now).usage.carried


@settings(max_examples=100, deadline=None)
@given(
    AMOUNTS, st.integers(0, 100 * MIB), st.lists(st.integers(0, 60 * MIB), max_size=4),
    st.sampled_from((0, 30 * MIB, 100 * MIB)),
)  # fmt: skip
def test_late_bytes_only_lower_what_was_carried(
    used: int, carried: int, late: list[int], cleared: int
) -> None:
    """By as much as they are at most, and never below nothing; nothing else is moved."""
    tally = Tally(
        policy=Policy(**BASE["policy"] | CARRY), zone=ZONE, since_ms=0, created_ms=0,
        standing=Standing(), cycle=Cycle(reset_type="never"),
        usage=Usage(**BASE["usage"], download=used, carried=carried),
    )  # fmt: skip
    tally.roll(NOVEMBER[1] * 1000)
    # Something else, such as a smaller limit, may have lowered it since.
    tally.usage = msgspec.structs.replace(
        tally.usage, carried=max(0, tally.usage.carried - cleared)
    )
    for more in late:
        before = tally.usage
        tally.add(NOVEMBER[1] * 1000 - 1, 0, more)
        assert before.carried - more <= tally.usage.carried <= before.carried
        assert tally.usage == msgspec.structs.replace(before, carried=tally.usage.carried)


def test_windows_divide_time() -> None:
    """One after the other, each around the instants in it; a month's day has twelve in a year."""
    source = random.Random(12)
    zones = sorted(zone_names())
    rhythms = [
        *(("monthly", dom) for dom in range(1, 32)), *(("weekly", dow) for dow in range(7)),
        ("daily", 0),
    ]  # fmt: skip
    for every, anchor in rhythms * 3:
        name = source.choice((*ZONES, *source.sample(zones, 3)))
        policy = Policy(mode="data", first=1, every=every, dom=max(anchor, 1), dow=anchor % 7)
        at_ms = source.randrange(FIRST_MS, LAST_MS)
        found = window(policy, name, at_ms)
        assert found.start_ms <= at_ms < found.end_ms, (name, policy, at_ms)
        starts = []
        for _ in range(13):
            following = window(policy, name, found.end_ms)
            assert (found.start_ms, found.end_ms) == (following.before_ms, following.start_ms)
            inside = source.randrange(following.start_ms, following.end_ms)
            assert following == window(policy, name, inside), (name, policy, inside)
            starts.append(wall_clocks.day_of(following.start_ms, name))
            found = following
        if every == "monthly":
            assert 12 == len({(day.year, day.month) for day in starts[:12]}), (name, policy)
            first, last = starts[0], starts[12]
            assert (first.year + 1, first.month) == (last.year, last.month), (name, policy)


@settings(max_examples=100, deadline=None)
@given(AMOUNTS, st.integers(-200 * MIB, 200 * MIB), st.integers(0, 100 * MIB), st.integers(1, 30))
def test_rolling_at_once_is_rolling_step_by_step(
    used: int, topup: int, carried: int, months: int
) -> None:
    """Windows that nobody looked at count as looked at; evaluating again changes nothing."""
    usage = {"download": used, "topup": topup, "carried": carried}
    now = NOW + months * 31 * 86_400
    at_once = verdict(policy=CARRY, usage=usage, now=now)
    step: Usage = Usage(**BASE["usage"] | usage)
    while step.end_ms <= now * 1000:
        step = verdict(
            policy=CARRY, usage=msgspec.structs.asdict(step), now=step.end_ms // 1000
        ).usage

    assert step == at_once.usage
    again = verdict(policy=CARRY, usage=msgspec.structs.asdict(at_once.usage), now=now)
    assert (at_once.usage, False) == (again.usage, again.is_rolled)
    assert 0 <= at_once.usage.carried <= 100 * MIB


def test_a_window_without_end_never_rolls() -> None:
    """`never` has one window."""
    usage = {"start_ms": 0, "end_ms": NEVER_MS, "download": 101 * MIB}
    found = verdict(policy={"every": "never"}, usage=usage, now=4_000_000_000)
    assert (True, False) == (found.is_over, found.is_rolled)
