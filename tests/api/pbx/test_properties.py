"""What holds of the API for any change and any search: the rules of pbx.md 4.2 to 4.5."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.api.pbx.provisioning import KINDS as PROVISIONED
from farebox.api.pbx.values import values_of
from farebox.domain import wall_clocks
from farebox.domain.call_records import record_of
from farebox.domain.errors import InvalidError
from tests.api.pbx.conftest import Exchange
from tests.api.pbx.test_admin import KINDS, ask

FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))

# Changes

FLAGS = st.sampled_from(("", "yes", "no"))
NAMES = st.text("aé :-_9", min_size=1, max_size=9).map(lambda text: f"x{text}x")
NUMBERS = st.sampled_from(("221", "251", "300", "501", "*7", "#8"))
PHONES = st.sampled_from(("", "+15145550199", "15146001434", "7"))
# What a change may name of a record of the fixture, by its path, id and parameter.
CHANGES: tuple[tuple[str, str, str, dict[str, st.SearchStrategy[str]]], ...] = (
    ("extension", "240", "extensions", {
        "ex_name": NAMES, "ex_number": NUMBERS, "ex_cidnum": PHONES, "ex_cidname": NAMES,
        "ex_callwaiting": FLAGS, "ex_fmfmcallerid": PHONES,
    }),
    ("hunt", "3", "hunts", {
        "hu_number": NUMBERS, "hu_name": NAMES, "hu_type": st.sampled_from(("CYCLE", "A-1")),
        "hu_ringtime": st.sampled_from(("1", "60", "3600")), "hu_checkinuse": FLAGS,
    }),
    ("did", "2", "dids", {
        "di_number": PHONES.filter(bool), "di_didprefix": NAMES, "di_didnameprefix": NAMES,
        "di_country": st.sampled_from(("", "CA")), "di_area": st.sampled_from(("", "514")),
        "di_comment": NAMES, "di_recording": FLAGS, "di_fax": FLAGS,
    }),
)  # fmt: skip


@given(st.data())
@FEW
def test_a_change_is_what_was_asked_and_nothing_else(exchange: Exchange, data: Any) -> None:
    """What is named has its new value, the rest its old one; again, or refused, nothing changes."""
    noun, key, path, fields = data.draw(st.sampled_from(CHANGES))
    names = data.draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
    change = {name: data.draw(fields[name], label=name) for name in sorted(names)}

    async def run() -> None:
        async with exchange.fresh():
            before = await ask(exchange, "GET", f"{path}/{key}")
            body = {f"{noun}_id": key, noun: change}
            for expected in (before | change, before | change):
                answer = await exchange.call("POST", f"/{noun}/updatebyid", json=body)
                assert answer.status_code in (200, 409), answer.text
                after = await ask(exchange, "GET", f"{path}/{key}")
                assert (expected if answer.status_code == 200 else before) == after
            (shown,) = await exchange.data(f"/{noun}/byid", **{f"{noun}_id": key})
            assert shown.items() <= after.items()

    exchange.run(run())


RENAMES = st.lists(
    st.tuples(st.sampled_from(("extensions/11", "extensions/240", "hunts/3")), NUMBERS),
    min_size=4, max_size=8,
)  # fmt: skip


@given(RENAMES)
@FEW
def test_numbers_accounts_and_mailboxes_keep_step(exchange: Exchange, renames: Any) -> None:
    """However lines are renumbered, each has the account and mailbox of its own number."""

    async def run() -> None:
        async with exchange.fresh() as connection:
            await ask(exchange, "POST", "voicemails", {"te_id": "2", "mailbox": "251"}, 201)
            mailboxes = "select mailbox from pbx.voicemail where tenant = 2 order by id"
            for place, number in renames:
                name = "ex_number" if place.startswith("extensions") else "hu_number"
                answer = await exchange.call("PUT", f"/admin/{place}", json={name: number})
                assert answer.status_code in (200, 409), answer.text
                lines = [await ask(exchange, "GET", f"extensions/{key}") for key in (11, 240)]
                hunts = await exchange.data("/hunt/bytenant", tenant_id="2")
                numbers = [line["ex_number"] for line in lines]
                for line in lines:
                    where = {"tenant_id": "2", "extension_id": line["ex_id"]}
                    (peer,) = await exchange.data("/extension/user", **where)
                    assert f"{line['ex_number']}-UniglobeDorval" == peer["name"]
                assert numbers == [row["mailbox"] for row in await connection.fetch(mailboxes)]
                taken = numbers + [hunt["hu_number"] for hunt in hunts]
                kept = await connection.fetch("select number from pbx.number where tenant = 2")
                assert sorted(taken) == sorted({row["number"] for row in kept})

    exchange.run(run())


def test_ids_are_given_once(exchange: Exchange) -> None:
    """The id of a record that is gone is nobody else's."""

    async def run() -> None:
        async with exchange.fresh():
            for path, (new, _, _) in KINDS.items():
                # A tenant's code is not given again either.
                codes = [{"te_code": f"Once{turn}"} if path == "tenants" else {} for turn in (1, 2)]
                keys = []
                for code in codes:
                    made = await ask(exchange, "POST", path, new | code, 201)
                    keys.append(int(next(iter(made.values()))))
                    await ask(exchange, "DELETE", f"{path}/{keys[-1]}")
                assert keys[0] < keys[1], path

    exchange.run(run())


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2**64), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=1), st.sampled_from(("yes", "UTC", "221", "a-b", " X ")),
)  # fmt: skip


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_values_are_read_once_and_for_all(data: Any) -> None:
    """Whatever a member is, it is refused by its name or read as a value that is read as itself."""
    kind = data.draw(st.sampled_from(PROVISIONED))
    names = [field.name for field in kind.resource.fields]
    changes = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=2))
    for creating, usual in ((True, KINDS[kind.path][0]), (False, {})):
        try:
            values = values_of(kind.resource, usual | changes, creating=creating)
        except InvalidError as error:
            assert set(error.fields) <= set(names)  # noqa: PT017
            continue
        assert values == values_of(kind.resource, values, creating=creating)


# Searches

ZONES = {2: "America/Toronto", 80: "UTC"}
CODES = {2: "UniglobeDorval", 80: "AdviceWise"}
# Clocks of Toronto go forward on the third of five days that begin here.
FIRST = datetime.fromisoformat("2025-03-07")
DAYS = [FIRST.date() + timedelta(days=number) for number in range(5)]
COSTS = ("0", "0.000001", "0.05", "0.1", "2")
ENDS = ("ANSWERED", "BUSY", "NO ANSWER")
CALLS = st.lists(
    st.tuples(
        st.sampled_from((2, 80)), st.integers(0, 5 * 24 * 4 - 1), st.sampled_from(COSTS),
        st.sampled_from(ENDS), st.sampled_from(("7", "8")),
    ),
    min_size=5, max_size=30,
)  # fmt: skip
SEARCHES = st.fixed_dictionaries(
    {"first": st.sampled_from(DAYS), "days": st.integers(0, 4)},
    optional={
        "tenant": st.sampled_from((2, 80)), "cost": st.sampled_from(COSTS),
        "ends": st.sets(st.sampled_from(ENDS), min_size=1), "number": st.sampled_from(("7", "8")),
    },
)  # fmt: skip


@given(CALLS, SEARCHES, st.integers(1, 7))
@FEW
def test_a_history_is_what_its_filters_say(
    exchange: Exchange, calls: Any, search: Any, limit: int
) -> None:
    """Filters hold together, pages and split days add up to the whole, and so do their costs."""
    records = [
        (tenant, record_of({
            "uniqueid": f"p{number}", "disposition": ended, "cc_cost": cost, "firstdst": called,
            "start": (FIRST + timedelta(minutes=15 * quarter)).isoformat(),
        }, ZONES[tenant]))
        for number, (tenant, quarter, cost, ended, called) in enumerate(calls)
    ]  # fmt: skip
    last = min(search["first"] + timedelta(days=search["days"]), DAYS[-1])
    found = [
        record
        for tenant, record in records
        if search["first"] <= wall_clocks.day_of(record.start_ms, ZONES[tenant]) <= last
        and tenant == search.get("tenant", tenant)
        and record.cc_cost >= Decimal(search.get("cost", 0))
        and record.disposition in search.get("ends", ENDS)
        and record.firstdst == search.get("number", record.firstdst)
    ]

    async def run() -> None:
        async with exchange.fresh():
            await exchange.api.services.exchange.calls.take(records)
            whole = await walked(exchange, search, search["first"], last, 5000)
            assert {record.uniqueid for record in found} == {row["uniqueid"] for row in whole}
            assert len(found) == len(whole)
            cost = sum(Decimal(row["cc_cost"]) for row in whole)
            assert sum(record.cc_cost for record in found) == cost
            assert whole == await walked(exchange, search, search["first"], last, limit)
            if "tenant" in search and search["first"] < last:
                after = search["first"] + timedelta(days=1)
                parts = [(search["first"], search["first"]), (after, last)]
                split = [await walked(exchange, search, *part, limit) for part in parts]
                assert whole == split[0] + split[1]

    exchange.run(run())


async def walked(
    exchange: Exchange, search: Any, first: date, last: date, limit: int
) -> list[dict[str, str]]:
    """The calls of all pages of a search."""
    form = {
        "start_date_ymd": str(first), "end_date_ymd": str(last), "limit": str(limit),
        "tenant_code": CODES.get(search.get("tenant"), ""), "firstdst": search.get("number", ""),
        "disposition": ",".join(search.get("ends", ())), "cost": f">={search.get('cost', 0)}",
    }  # fmt: skip
    found: list[dict[str, str]] = []
    cursor = ""
    while True:
        told = (await exchange.post("/cdr/getCallHistory", **form, cursor=cursor)).json()
        found += told["data"]
        cursor = told["paging"]["next_cursor"]
        if not cursor:
            return found


def test_a_cursor_cannot_be_made_up(exchange: Exchange) -> None:
    """One letter that is another one, is missing or is too many makes it none."""

    async def run() -> None:
        form = {"start_date_ymd": "2024-03-09", "end_date_ymd": "2024-03-12", "limit": "1"}
        told = (await exchange.post("/cdr/getCallHistory", **form)).json()
        cursor = told["paging"]["next_cursor"]
        other = ["B" if letter == "A" else "A" for letter in cursor]
        forged = [cursor[:at] + other[at] + cursor[at + 1 :] for at in range(0, len(cursor), 5)]
        for text in (*forged, cursor[1:], cursor[:-1], f"{cursor}A", f"{cursor}=", "é" * 44):
            answer = await exchange.post("/cdr/getCallHistory", **form, cursor=text)
            assert "Invalid Parameter cursor." == answer.json()["message"], text

    exchange.run(run())
