"""Rules of the IPTV portal as properties: names, forms, queues, choices, expiries (iptv.md 1, 4).

What is pure is asked directly. What stands in the database is played as a story of calls, between
which time passes, beside a model of a few lines; after every call both say the same.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.api.forms import urlencoded
from farebox.api.iptv import arguments
from farebox.domain.errors import InvalidError
from farebox.engine.boxes import Rules, mac_of
from tests.api.iptv.cases import M1, M2
from tests.api.iptv.conftest import Portal
from tests.api.iptv.test_devices import ONE, TWO, ask, signed_in
from tests.strategies import PHASES

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
STORIES = settings(
    max_examples=8, deadline=None, phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0�"), max_size=6)
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)

# Names


@given(st.lists(words, max_size=8))
def test_identifiers_are_a_list_without_repeats(elements: list[str]) -> None:
    """Blanks and repeats count nothing, the first of equals keeps its place, again is the same."""
    named = [part.strip() for part in ",".join(elements).split(",")]
    found = arguments.identifiers_of(",".join(elements))
    assert [one for at, one in enumerate(named) if one and one not in named[:at]] == list(found)
    assert found == arguments.identifiers_of(" ,".join((*found, *found)))


def test_identifiers_have_a_bound() -> None:
    """Five hundred different ones are read however often they come, one more is too many."""
    most = [str(number) for number in range(500)]
    assert tuple(most) == arguments.identifiers_of(",".join(most * 3))
    with pytest.raises(InvalidError, match="Too many identifiers"):
        arguments.identifiers_of(",".join([*most, "500"]))


@given(st.binary(min_size=6, max_size=6), st.sampled_from((":", "-", "")), st.randoms())
def test_an_address_has_one_form(octets: bytes, between: str, rng: random.Random) -> None:
    """Whatever its separators, case and look-alikes, an address reads as its normal form."""
    normal = octets.hex(":").upper()
    alike = str.maketrans("ABCE", "АВСЕ")
    written = "".join(
        rng.choice((sign, sign.lower(), sign.translate(alike), sign.translate(alike).lower()))
        for sign in normal.replace(":", between)
    )
    assert normal == mac_of(f" {written}\t") == mac_of(normal)
    assert mac_of(normal[:-1]) is mac_of(f"{normal}0") is mac_of(f"{normal[:-1]}G") is None


# Forms

fields = st.dictionaries(
    words.filter(lambda name: not {*name} & {*"[]"}),
    st.one_of(values, st.lists(values, min_size=1, max_size=4)), max_size=4,
)  # fmt: skip


@given(fields, st.randoms(), st.sampled_from((quote, quote_plus)))
def test_forms_say_what_they_were_given(
    form: dict[str, Any], rng: random.Random, quoted: Callable[[str], str]
) -> None:
    """Scalars and lists come back byte for byte, lists by their places or in the order sent."""
    pairs = []
    for name, value in form.items():
        if isinstance(value, str):
            # The last of a repeated scalar is it.
            pairs += [(name, text) for text in (*rng.choice(([], ["before"])), value)]
        elif rng.random() < 0.5:
            pairs += [(f"{name}[]", text) for text in value]
        else:
            places = sorted(rng.sample(range(10_000), len(value)))
            placed = [(f"{name}[{place}]", text) for place, text in zip(places, value, strict=True)]
            pairs += rng.sample(placed, len(placed))
    body = "&".join(f"{quoted(name)}={quoted(text)}" for name, text in pairs).encode()
    assert form == arguments._listed(urlencoded(body, arguments.FIELDS_MAX))


@given(st.one_of(st.integers(10_000, 10**6).map(str), words.filter(lambda w: not w.isdecimal())))
def test_places_are_small_numbers(place: str) -> None:
    """Names with another place than a number up to 9999 are refused, as are places in places."""
    for name in (f"a[{place}]", f"a[1][{place}]") if place else ("a[1][]",):
        with pytest.raises(ValueError, match="a"):
            arguments._listed([(name, "x")])


# Stories


@asynccontextmanager
async def played(portal: Portal) -> AsyncIterator[Any]:
    """The fresh fixture; the time that passes is taken back."""
    now_ms = portal.clock()
    try:
        async with portal.fresh(is_compatible=False) as connection:
            yield connection
    finally:
        portal.clock.advance_ms(now_ms - portal.clock())


async def refusal(portal: Portal, method: str, path: str, body: str) -> str:
    """What a call is refused for, "" for nothing."""
    answer = await portal.call(method, path, body)
    told = answer.json()
    return str(told["error"]) if answer.status_code >= 400 else ""


queue_steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from((0, 1, None)), st.sampled_from(("msg", "reboot",
                  "restart")), st.sampled_from((1, 60, 300))),
        st.tuples(st.just("poll"), st.sampled_from((0, 1)), st.booleans()),
        st.tuples(st.just("confirm"), st.sampled_from((0, 1))),
        st.tuples(st.just("wait"), st.sampled_from((1, 999, 1000, 60_000))),
    ),
    min_size=6, max_size=14,
)  # fmt: skip
TOLD = {
    "msg": "event=send_msg&msg=", "reboot": "event=reboot&msg=",
    "restart": "event=send_msg&need_reboot=1&msg=",
}  # fmt: skip


class Queue:
    """The model of 4.2 for one box: what is live, in the order of its delivery."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.shown = 0

    def tell(self, kind: str, ends_ms: int, now_ms: int) -> None:
        """Queues an event; a restart replaces those that wait."""
        if kind == "restart":
            self.events = [
                one for one in self.live(now_ms) if one["kind"] != "restart" or one["sent"]
            ]
        self.events.append({"kind": kind, "ends_ms": ends_ms, "sent": False})

    def live(self, now_ms: int) -> list[dict[str, Any]]:
        """What may be delivered: commands first, each kind in its order."""
        self.events = [one for one in self.events if now_ms < one["ends_ms"]]
        return sorted(self.events, key=lambda one: one["kind"] != "reboot")


@given(queue_steps)
@STORIES
def test_queues_are_kept(portal: Portal, steps: list[tuple[Any, ...]]) -> None:
    """Events come to their box alone, in order, never late, commands once, messages until said."""

    async def run() -> None:
        async with played(portal) as connection:
            tokens = [await signed_in(portal, M1, ONE), await signed_in(portal, M2, TWO)]
            queues = [Queue(), Queue()]
            for kind, *what in steps:
                now_ms = portal.clock()
                if kind == "wait":
                    portal.clock.advance_ms(what[0])
                elif kind == "tell":
                    box, event, ttl_s = what
                    path = "/send_event" if box is None else f"/send_event/{(M1, M2)[box]}"
                    before = await connection.fetchval("select count(*) from iptv.event")
                    await portal.results("POST", path, f"{TOLD[event]}{ttl_s}&ttl={ttl_s}")
                    for queue in queues if box is None else [queues[box]]:
                        queue.tell(event, now_ms + ttl_s * 1000, now_ms)
                    if event != "restart":
                        after = await connection.fetchval("select count(*) from iptv.event")
                        assert (2 if box is None else 1) == after - before
                elif kind == "poll":
                    await polled(portal, tokens[what[0]], queues[what[0]], is_showing=what[1])
                else:
                    await confirmed(portal, tokens, queues, what[0])

    portal.run(run())


async def polled(portal: Portal, token: str, queue: Queue, *, is_showing: bool) -> None:
    """A poll answers the head of the queue, unless the box shows it."""
    live = queue.live(portal.clock())
    shown = queue.shown if is_showing else 0
    told = await ask(portal, token, f"?event_active_id={shown}" if shown else "")
    assert len(live) == told["msgs"]
    head = live[0] if live else None
    if head is None or (shown and head.get("id") == shown):
        assert "id" not in told
        return
    assert {"reboot": "reboot"}.get(head["kind"], "send_msg") == told["event"]
    assert head.setdefault("id", int(told["id"])) == int(told["id"])
    head["sent"] = True
    if told["need_confirm"]:
        queue.shown = head["id"]
    else:
        queue.events.remove(head)


async def confirmed(portal: Portal, tokens: list[str], queues: list[Queue], box: int) -> None:
    """What a box shows ends by its word, and by nobody else's; a second word changes nothing."""
    shown = queues[box].shown
    live = [one for one in queues[box].live(portal.clock()) if one.get("id") == shown]
    path = f"/device/events/{shown or 1}/confirm"
    for by, expected in ((1 - box, 404), (box, 200), (box, 200)):
        headers = {"Authorization": f"Bearer {tokens[by]}"}
        answer = await portal.call("POST", path, by="", headers=headers)
        if live:
            assert expected == answer.status_code
    queues[box].events = [one for one in queues[box].events if one not in live]


choice_steps = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(("PUT", "POST", "DELETE")),
            st.sets(st.sampled_from((1, 2, 3, 9))), st.sets(st.sampled_from((1, 2, 3))),
        ),
        st.tuples(st.just("wait"), st.sampled_from((1, HOUR_MS - 1, HOUR_MS))),
        st.tuples(st.just("sweep")),
    ),
    min_size=5, max_size=12,
)  # fmt: skip


@given(choice_steps)
@STORIES
def test_choices_are_sets(portal: Portal, steps: list[tuple[Any, ...]]) -> None:
    """PUT adds and then takes away, POST replaces, DELETE empties; what is rented ends, or renews.

    A call that is refused changes nothing, and one that is repeated no more than the first.
    """
    path = "/account_subscription/1553"

    async def run() -> None:
        async with played(portal) as connection:
            await connection.execute(
                "update iptv.package set service_type = 'single', rent_duration_h = 1 where id = 1"
            )
            chosen: dict[int, float] = {}
            for method, *what in steps:
                now_ms = portal.clock()
                if method == "wait":
                    portal.clock.advance_ms(what[0])
                elif method == "sweep":
                    await portal.api.services.portal.boxes.sweep()
                else:
                    body, wanted, unwanted = form_of(method, *what)
                    kept = {} if method != "PUT" else chosen
                    ends_ms = {one: now_ms + HOUR_MS if one == 1 else 9e15 for one in wanted}
                    had = {one: at for one, at in kept.items() if now_ms < at}
                    after = {
                        one: at for one, at in {**had, **ends_ms}.items() if one not in unwanted
                    }
                    for _ in range(2):
                        told = await refusal(portal, method, path, body)
                        is_wrong = method != "DELETE" and 9 in wanted
                        wrong = "One or more packages are incorrect: 9" if is_wrong else ""
                        assert wrong == told
                    chosen = chosen if wrong else after
                (shown,) = await portal.results("GET", path)
                live = sorted(one for one, at in chosen.items() if portal.clock() < at)
                assert [str(one) for one in live] == shown["subscribed_id"]

    portal.run(run())


def form_of(method: str, wanted: set[int], unwanted: set[int]) -> tuple[str, set[int], set[int]]:
    """The body of a choice, and what it means."""
    if method == "DELETE":
        return "", set(), set()
    body = "subscribed_id[]=" + "".join(f"&subscribed_id[]={one}" for one in sorted(wanted))
    if method == "POST":
        return body, wanted, set()
    return body + "".join(f"&unsubscribed_id[]={one}" for one in unwanted), wanted, unwanted


plans = st.sampled_from(("", "FULL", "STANDART"))
plan_steps = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), plans, plans, st.sampled_from((None, 0, 1, 3))),
        st.tuples(st.just("wait"), st.sampled_from((1, DAY_MS - 1, DAY_MS))),
        st.tuples(st.just("sweep")),
        st.tuples(st.just("touch")),
    ),
    # Nothing is forgotten in so many days.
    min_size=4, max_size=7,
)  # fmt: skip


@given(plan_steps)
@STORIES
def test_plans_end_by_the_clock(portal: Portal, steps: list[tuple[Any, ...]]) -> None:
    """A plan lasts its days or until a given day; what is read needs no sweep, and is told once."""

    async def run() -> None:
        async with played(portal) as connection:
            await connection.execute("update iptv.tariff set days_to_expires = 2 where id = 2")
            plan, ends_ms, afterwards, ended = "FULL", None, "", 0
            for kind, *what in steps:
                if kind == "assign":
                    name, then, days = what
                    body = f"tariff_plan={name}&tariff_instead_expired={then}"
                    if name != plan:
                        is_timed = name == "STANDART"
                        ends_ms = portal.clock() + 2 * DAY_MS if is_timed else None
                    if days is not None:
                        at_ms = portal.clock() // DAY_MS * DAY_MS + days * DAY_MS
                        text = (await connection.fetchval(DATE, at_ms)) if days else ""
                        body += f"&tariff_expired_date={text}"
                        ends_ms = at_ms if days else None
                    plan, afterwards = name, then
                    await portal.results("PUT", "/users/1553", body)
                elif kind == "wait":
                    portal.clock.advance_ms(what[0])
                elif kind == "sweep":
                    await portal.api.services.portal.boxes.sweep()
                else:
                    await portal.results("PUT", "/users/1553", f"comment={kind}")
                if ends_ms is not None and ends_ms <= portal.clock():
                    plan, ends_ms, afterwards, ended = afterwards, None, "", ended + 1
                shown = await portal.results("GET", "/users/1553")
                expected = (plan or "FULL", afterwards, ends_ms is not None)
                assert expected == (
                    shown["tariff_plan"], shown["tariff_instead_expired"],
                    shown["tariff_expired_date"] != "",
                )  # fmt: skip
            for _ in range(2):
                await portal.api.services.portal.boxes.sweep()
            assert ended == await connection.fetchval("select count(*) from iptv.event")

    portal.run(run())


DATE = "select to_char(to_timestamp($1::bigint / 1000) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')"


def test_accounts_end_once(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its end an account is off for every reader; one that is switched on again stays on."""
    boxes = portal.api.services.portal.boxes
    monkeypatch.setattr(boxes, "_rules", Rules(is_billing=True))

    async def run() -> None:
        async with played(portal) as connection:

            async def status() -> Any:
                return (await portal.results("GET", "/users/1553"))["status"]

            async def swept() -> Any:
                for _ in range(2):
                    await boxes.sweep()
                return await connection.fetchval("select string_agg(event, ' ') from iptv.event")

            await portal.results("PUT", "/users/1553", "end_date=2026-03-11")
            portal.clock.advance_ms(15 * HOUR_MS - 1)
            assert (1, None) == (await status(), await swept())
            portal.clock.advance_ms(1)
            assert (0, "cut_off", 0) == (await status(), await swept(), await status())
            await portal.results("PUT", "/users/1553", "status=1")
            assert (1, "cut_off cut_on", 1) == (await status(), await swept(), await status())
            await portal.results("PUT", "/users/1553", "end_date=2026-03-11")
            assert 1 == await status()
            await portal.results("PUT", "/users/1553", "end_date=2026-03-10")
            assert (0, "cut_off cut_on cut_off") == (await status(), await swept())

    portal.run(run())


member_steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 3), st.sampled_from((0, 1, 2))),
        st.tuples(st.just("bound"), st.sampled_from((1, 2)), st.integers(0, 3)),
        st.tuples(st.just("make"), st.sampled_from((1, 2))),
    ),
    min_size=6, max_size=14,
)  # fmt: skip


@given(member_steps)
@STORIES
def test_resellers_have_as_many_as_they_may(portal: Portal, steps: list[tuple[Any, ...]]) -> None:
    """Who would be one too many stays where he is; a lower bound drives out nobody."""

    async def run() -> None:
        async with played(portal) as connection:
            names = [await made(connection, name) for name in ("North", "South")]
            await portal.results("POST", "/users", "login=u0")
            await portal.results("POST", "/users", "login=u1")
            logins, new = ["1553", "3", "u0", "u1"], count(2)
            bounds: dict[int, int] = {1: 0, 2: 0}
            members: dict[str, int] = dict.fromkeys(logins, 0)

            async def assign(method: str, path: str, body: str, login: str, to: int) -> None:
                others = sum(of == to and one != login for one, of in members.items())
                is_full = bool(to) and bool(bounds[to]) and others >= bounds[to]
                told = await refusal(portal, method, path, f"{body}reseller_id={names[to - 1]}"
                                     if to else f"{body}reseller_id=")  # fmt: skip
                assert ("Reseller users limit exceeded" if is_full else "") == told
                if not is_full:
                    members[login] = to

            for kind, *what in steps:
                if kind == "join":
                    login = logins[what[0]]
                    await assign("PUT", f"/users/{login}", "", login, what[1])
                elif kind == "make":
                    login = f"u{next(new)}"
                    await assign("POST", "/users", f"login={login}&", login, what[0])
                else:
                    bounds[what[0]] = what[1]
                    path = f"/reseller/{names[what[0] - 1]}"
                    await portal.results("PUT", path, f"max_users={what[1]}")
            shown = await portal.results("GET", "/accounts")
            wanted = {one: str(names[of - 1]) if of else "" for one, of in members.items()}
            assert wanted == {one["login"]: one["reseller_id"] for one in shown}

    portal.run(run())


async def made(connection: Any, name: str) -> int:
    """The id of a new reseller without a bound."""
    statement = "insert into iptv.reseller values (default, $1, 0, false, 0, 0) returning id"
    id_: Awaitable[int] = connection.fetchval(statement, name)
    return await id_
