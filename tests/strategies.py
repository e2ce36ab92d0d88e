"""Strategies in the words of the domain: zones, instants near boundaries, settings, orders.

Values are drawn from small sets on purpose: only sequences that meet again (the same device, the
same order, the instant just before a reset) find anything.
"""

import os

from hypothesis import Phase
from hypothesis import strategies as st

from tests import oracle

# Shrinking a failure of a state machine replays it for minutes: FAREBOX_SHRINK=1 asks for it.
PHASES = tuple(Phase) if os.environ.get("FAREBOX_SHRINK") else (Phase.explicit, Phase.generate)

# Skipped and repeated midnights, a skipped day, half-hour and odd offsets, and two ordinary zones.
ZONES = (
    "Europe/Amsterdam",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "America/Sao_Paulo",
)
RESETS = ("day", "week", "month")
FREQUENCIES = ("never", *RESETS)
DEVICES = (1, 2, 3)

# 2011-01-01 to 2039-12-01: inside the tables, after the last zone that fell back across midnight.
FIRST_MS = 1_293_840_000_000
LAST_MS = 2_206_310_400_000

zones = st.sampled_from(ZONES)
frequencies = st.sampled_from(FREQUENCIES)
resets = st.sampled_from(RESETS)
instants = st.integers(FIRST_MS, LAST_MS)
values = st.one_of(st.integers(0, 12), st.sampled_from([100, 250, 1000, 2**31 - 1]))
limits = st.sampled_from([0, 0, 1, 2, 3, 2**31 - 1])
caps = st.one_of(st.none(), st.integers(0, 12), st.sampled_from([80, 100, 250, 2**31 - 1]))
demands = st.one_of(st.none(), st.integers(1, 12), st.sampled_from([100, 999, 1001, 2**31 - 1]))
hold_lengths = st.sampled_from([0, 0, 1, 999, 1000, 60_000, 3_600_000])

# Distances between two calls: simultaneous, around a hold's end, hours, and several periods.
pauses = st.one_of(
    st.sampled_from([0, 1, 999, 1000, 59_999, 60_000, oracle.HOUR, oracle.DAY, 40 * oracle.DAY]),
    st.integers(0, 3 * oracle.DAY),
)


@st.composite
def boundaries(draw: st.DrawFn, zone: str | None = None, frequency: str | None = None) -> int:
    """The start of some period, where the mistakes are."""
    zone = zone or draw(zones)
    frequency = frequency or draw(resets)
    return oracle.window(frequency, zone, draw(instants))[0]


@st.composite
def moments(draw: st.DrawFn) -> int:
    """Instants at, just before and just after a boundary, or anywhere."""
    if draw(st.booleans()):
        return draw(instants)
    return draw(boundaries()) + draw(st.sampled_from([-1000, -1, 0, 1, 1000]))


@st.composite
def vouchers(draw: st.DrawFn, now: int) -> oracle.Voucher:
    """A voucher created now, unused."""
    frequency, zone = draw(frequencies), draw(zones)
    expires = draw(
        st.one_of(
            st.just(oracle.NEVER),
            st.sampled_from([0, 1, 2, 86_400, 40 * 86_400]).map(lambda s: (now // 1000 + s) * 1000),
        )
    )
    return oracle.Voucher(
        gift=draw(st.booleans()),
        value=draw(values),
        limit=draw(limits),
        frequency=frequency,
        zone=zone,
        active=draw(st.integers(0, 9)) > 0,
        expires=expires,
        period_end=oracle.window(frequency, zone, now)[1],
    )


# Facts that the caller resolves: mostly all right, sometimes one of them is not.
FACTS = ("campaign_active", "machine_active", "place_ok", "currency_ok", "product_ok")
NONE: dict[str, bool] = {}
facts = st.one_of(
    st.just(NONE),
    st.just(NONE),
    st.just(NONE),
    st.sampled_from(FACTS).map(lambda name: {name: False}),
    st.fixed_dictionaries({name: st.booleans() for name in FACTS}),
)
