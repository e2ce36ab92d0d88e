"""Groups, users, places and machines over HTTP: the examples of vending-platform.md 5.

The caller is nora of North unless said; root is above her, sam in another tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from farebox.storage.pool import Pool
from tests.api.conftest import Api, Caller
from tests.clocks import SettableClock


@dataclass
class Site:
    """The API as its clients reach it, and a session for each of them."""

    api: Api
    callers: dict[str, Caller]

    async def __call__(
        self, method: str, path: str, body: Any = None, *, by: str = "nora", **options: Any
    ) -> httpx.Response:
        """Send one request as somebody."""
        if by not in self.callers:
            self.callers[by] = await self.api.login(by)
        return await self.callers[by].send(method, path, body, **options)

    async def ids(self, path: str, *, by: str = "nora") -> list[int]:
        """The ids of a list."""
        answer = await self("GET", path, by=by)
        assert 200 == answer.status_code, answer.text
        return [row["id"] for row in answer.json()]


@pytest.fixture
def site(api: Api) -> Site:
    """The application on the fixture of the document."""
    return Site(api, {})


Row = tuple[str, str, Any, int, Any]
LOCATION = {
    "name": "Pier", "address": "Quay 1", "postcode": "1011", "city": "Amsterdam", "country": "NL",
}  # fmt: skip
MACHINE = {
    "name": "Hall", "hostname": "gw-0090", "location": 2, "currency": 978, "machineModel": 1,
    "machineType": 1, "manufacturer": 1,
}  # fmt: skip

# method, path, body, status, members of the answer (a list: its ids).
GOLDEN: list[Row] = [
    ("GET", "/user", None, 200, [2]),
    ("GET", "/user/2", None, 200, {"username": "nora", "language": 1, "userGroup": 2,
                                   "emailConfirmed": 1, "disabledAt": None}),
    ("POST", "/user", {"username": "kim", "email": "kim@example.test", "userGroup": 3,
                       "language": 1}, 201, {}),
    ("PATCH", "/user/2", {"language": "1"}, 200, {"message": "User updated"}),
    ("GET", "/user/2/userGroup", None, 200, {"id": 2, "name": "North"}),
    ("GET", "/user/2/language", None, 200, {"id": 1, "locale": "en-GB"}),
    ("POST", "/usergroup", {"name": "Kiosk", "parent": 2, "locations": [2]}, 201, {}),
    ("PATCH", "/usergroup/3", {"name": "Cafe 1", "locations": [2], "locationGroups": []}, 200, {}),
    ("GET", "/usergroup/2/children", None, 200, [3]),
    ("GET", "/usergroup/3/parent", None, 200, {"id": 2}),
    ("GET", "/usergroup/2/users", None, 200, [2]),
    ("GET", "/usergroup/2/machine", None, 200, [80]),
    ("GET", "/machine?where[name][contains]=platform&sort=name desc&limit=10", None, 200, [80]),
    ("GET", "/machine?limit=101", None, 400, {"code": "invalid_parameter"}),
    ("POST", "/machine", MACHINE | {"virtualPrices": True}, 201, {}),
    ("POST", "/machine?source=80", {"name": "B", "hostname": "gw-0091"}, 201, {}),
    ("POST", "/machine?source=81", {"name": "B", "hostname": "gw-0091"}, 400,
     {"code": "invalid_reference"}),
    ("GET", "/machine/80", None, 200, {"active": 1, "virtualPrices": 0, "hostname": "gw-0080"}),
    ("PATCH", "/machine/80", {"tag": "lobby"}, 200, {"message": "Machine updated"}),
    ("PUT", "/machine/80", {"tag": "lobby"}, 200, {}),
    ("PATCH", "/machine/80", {"hostname": "gw-0080"}, 200, {}),
    ("PATCH", "/machine/80", {"hostname": "gw-0081"}, 400, {"code": "invalid_parameter"}),
    ("GET", "/machine/80/location", None, 200, {"id": 2, "name": "Central Station"}),
    ("GET", "/machine/80/secret", None, 404, {"code": "not_found"}),
    ("GET", "/machine/gateways", None, 200, [80]),
    ("GET", "/machine/bylocation", None, 200, [2]),
    ("GET", "/location", None, 200, [2]),
    ("POST", "/location", LOCATION | {"latitude": 52.37, "longitude": 4.9}, 201, {}),
    ("PATCH", "/location/2", {"city": "Zaandam", "locationGroups": [6]}, 200, {}),
    ("PATCH", "/location/2", {"latitude": 4}, 400, {"code": "invalid_parameter"}),
    ("PATCH", "/location/2", {"latitude": 91, "longitude": 4}, 400, {}),
    ("PATCH", "/location/2", {"timeZone": "CEST+1"}, 400, {"code": "invalid_time_zone"}),
    ("POST", "/locationgroup", {"name": "Rails", "locations": [2, 2]}, 201, {}),
    ("PATCH", "/locationgroup/6", {"name": "Rail"}, 200, {"message": "Location group updated"}),
    ("GET", "/locationgroup/6/locations", None, 200, [2]),
    ("GET", "/language", None, 200, [1]),
    ("GET", "/currency?code=EUR", None, 200, [978]),
    ("GET", "/currency/978", None, 200, {"code": "EUR", "exponent": 2}),
    # Bad inputs of every route of the kind.
    ("POST", "/user", {}, 400, {"code": "missing_parameters"}),
    ("POST", "/machine", MACHINE | {"nam": "x"}, 400, {"code": "unknown_field"}),
    ("POST", "/machine", MACHINE | {"location": 3}, 400, {"code": "invalid_reference"}),
    ("POST", "/machine", MACHINE | {"hostname": "GW-0080"}, 409, {"code": "duplicate"}),
    ("POST", "/machine", [], 400, {"code": "invalid_parameter"}),
    ("PATCH", "/machine/80", {}, 400, {"code": "missing_parameters"}),
    ("PATCH", "/machine/80", {"name": None}, 400, {}),
    ("PATCH", "/machine/80", {"name": " "}, 400, {}),
    ("PATCH", "/machine/80", {"id": 5, "createdAt": "x", "gateway": 9}, 200, {}),
    ("GET", "/machine/81", None, 404, {"code": "not_found"}),
    ("PATCH", "/machine/81", {"tag": "x"}, 404, {"code": "not_found"}),
    ("DELETE", "/machine/81", None, 404, {"code": "not_found"}),
    ("GET", "/machine/81/location", None, 404, {"code": "not_found"}),
    ("GET", "/machine/abc", None, 404, {"code": "not_found"}),
    ("GET", "/machine/0", None, 404, {"code": "not_found"}),
    ("GET", "/machine/99999999999", None, 404, {"code": "not_found"}),
    ("GET", "/machine?where[secret]=1", None, 400, {"code": "invalid_filter"}),
    ("GET", "/machine?sort=secret", None, 400, {"code": "invalid_sort"}),
    ("GET", "/machine?skip=-1", None, 400, {"code": "invalid_parameter"}),
    ("DELETE", "/location/2", None, 409, {"code": "in_use", "fields": {"machine": "refers to it"}}),
    ("DELETE", "/currency/978", None, 405, {"code": "method_not_allowed"}),
    ("PATCH", "/usergroup/2", {"parent": 3}, 403, {"code": "forbidden"}),
    ("PATCH", "/usergroup/2", {"locations": []}, 403, {"code": "forbidden"}),
    ("PATCH", "/usergroup/1", {"name": "x"}, 404, {"code": "not_found"}),
    ("DELETE", "/usergroup/2", None, 409, {"code": "in_use"}),
    ("DELETE", "/user/2", None, 403, {"code": "forbidden"}),
    ("PUT", "/location/2/locationGroups/6", None, 200, {"id": 2}),
    ("PUT", "/location/2/locationGroups/99", None, 400, {"code": "invalid_reference"}),
    ("PUT", "/location/2/machines/80", None, 404, {"code": "not_found"}),
]  # fmt: skip


def _changes(row: Row) -> bool:
    return row[0] != "GET" and row[3] < 400


async def _check(site: Site, row: Row) -> None:
    method, path, body, status, members = row
    answer = await site(method, path, body)
    assert status == answer.status_code, (row, answer.text)
    if isinstance(members, list):
        assert members == [one["id"] for one in answer.json()], row
    else:
        assert members == {name: answer.json().get(name) for name in members}, row


async def test_examples_that_change_nothing(site: Site) -> None:
    """Reads and refusals are answered as documented, in any order on one database."""
    for row in GOLDEN:
        if not _changes(row):
            await _check(site, row)


@pytest.mark.parametrize("row", [row for row in GOLDEN if _changes(row)])
async def test_examples_that_write(site: Site, row: Row) -> None:
    """Each of them starts from the fresh fixture."""
    await _check(site, row)


async def test_a_location_reads_back_as_documented(site: Site) -> None:
    """Coordinates are normalised strings and the zone follows from the country."""
    key = (
        await site("POST", "/location", LOCATION | {"latitude": "52.370", "longitude": 4.0})
    ).json()
    row = (await site("GET", f"/location/{key['id']}")).json()
    expected = {
        "latitude": "52.37", "longitude": "4", "timeZone": "Europe/Amsterdam",
        "activeShift": None, "placeId": None, "createdAt": "2026-03-10T09:00:00Z",
    }  # fmt: skip
    assert expected == {name: row[name] for name in expected}


async def test_only_changes_move_updated_at(site: Site, clock: SettableClock) -> None:
    """The same value again leaves updatedAt alone; another one, or another set of ids, moves it."""

    async def updated() -> str:
        return str((await site("GET", "/location/2")).json()["updatedAt"])

    before = await updated()
    clock.advance_ms(5000)
    await site("PATCH", "/location/2", {"city": "Amsterdam", "locationGroups": [6]})
    assert before == await updated()
    await site("PATCH", "/location/2", {"locationGroups": []})
    assert "2026-03-10T09:00:05Z" == await updated()
    clock.advance_ms(5000)
    await site("PUT", "/location/2/locationGroups/6")
    assert "2026-03-10T09:00:10Z" == await updated()
    clock.advance_ms(5000)
    await site("PUT", "/location/2/locationGroups/6")
    assert "2026-03-10T09:00:10Z" == await updated()
    await site("DELETE", "/location/2/locationGroups/6")
    assert [] == await site.ids("/location/2/locationGroups")


async def test_a_failed_request_changes_nothing(site: Site) -> None:
    """A bad id among good ones refuses the whole update and is named."""
    answer = await site("PATCH", "/locationgroup/6", {"name": "New", "locations": [2, 3, 77]})
    assert (400, "does not exist: 3, 77") == (
        answer.status_code, answer.json()["fields"]["locations"],
    )  # fmt: skip
    assert "Stations" == (await site("GET", "/locationgroup/6")).json()["name"]


async def test_assigned_places_are_seen_and_taken_away(site: Site) -> None:
    """A place assigned to a group, directly or by a location group, is its users' at once."""
    assert [3] == await site.ids("/location", by="sam")
    assert 200 == (await site("PATCH", "/usergroup/4", {"locations": [2]}, by="root")).status_code
    assert [2, 3] == await site.ids("/location", by="sam")
    assert [80, 81] == await site.ids("/machine", by="sam")
    assert 403 == (await site("DELETE", "/location/2", by="sam")).status_code
    await site("PATCH", "/usergroup/4", {"locations": [], "locationGroups": [6]}, by="root")
    assert [2, 3] == await site.ids("/location", by="sam")
    assert [6] == await site.ids("/locationgroup", by="sam")
    assert 403 == (await site("PATCH", "/locationgroup/6", {"name": "x"}, by="sam")).status_code
    await site("PATCH", "/usergroup/4", {"locationGroups": []}, by="root")
    assert [3] == await site.ids("/location", by="sam")


async def test_groups_form_a_forest(site: Site) -> None:
    """A group cannot be put under itself or a descendant; moving it changes what is seen."""
    deep = (await site("POST", "/usergroup", {"name": "Deep", "parent": 3})).json()["id"]
    answer = await site("PATCH", "/usergroup/3", {"parent": deep})
    assert (400, {"parent": "cycle"}) == (answer.status_code, answer.json()["fields"])
    assert 400 == (await site("PATCH", "/usergroup/3", {"parent": 3})).status_code
    assert 400 == (await site("PATCH", "/usergroup/3", {"parent": 4})).status_code
    assert 200 == (await site("PATCH", "/usergroup/3", {"parent": 4}, by="root")).status_code
    assert [2] == await site.ids("/usergroup")
    assert [3, 4, deep] == await site.ids("/usergroup", by="sam")


async def test_users_are_invited_and_disabled(site: Site, pool: Pool) -> None:
    """A new user and a new address get a mail; a deleted user stays, disabled."""

    async def mails() -> int:
        return int(await pool.fetchval("select count(*) from farebox.outbox where kind = 'mail'"))

    kim = {"username": "kim", "email": "Kim@Example.test", "userGroup": 3, "language": 1}
    key = (await site("POST", "/user", kim)).json()["id"]
    assert 1 == await mails()
    assert 409 == (await site("POST", "/user", kim | {"username": "KIM"})).status_code
    assert 1 == await mails()
    await site("PATCH", f"/user/{key}", {"email": "kim@example.test"})
    assert 1 == await mails()
    await site("PATCH", f"/user/{key}", {"email": "kim@example.com"})
    assert 2 == await mails()
    assert 200 == (await site("DELETE", f"/user/{key}")).status_code
    assert "2026-03-10T09:00:00Z" == (await site("GET", f"/user/{key}")).json()["disabledAt"]
    assert 200 == (await site("DELETE", "/usergroup/3")).status_code
    assert True is (await site("GET", "/usergroup/3")).json()["deleted"]
    assert 404 == (await site("DELETE", "/usergroup/3")).status_code


async def test_places_are_deleted_when_nothing_names_them(site: Site, pool: Pool) -> None:
    """A machine goes with its keys; its location stays while a campaign's rule names it."""
    await pool.execute(
        "with c as (insert into voucher.campaign (owner, name, total_vouchers, type, voucher_value,"
        " created_at_ms, updated_at_ms) values (2, 'c', 0, 'gift', 1, 0, 0) returning id)"
        " insert into voucher.campaign_rule (campaign, field, value)"
        " select id, field, value from c,"
        " (values ('location', '2'), ('location', 'x'), ('machine', '3')) as r (field, value)"
    )
    assert 200 == (await site("DELETE", "/machine/80")).status_code
    assert 404 == (await site("DELETE", "/machine/80")).status_code
    answer = await site("DELETE", "/location/2")
    assert (409, {"campaign": "refers to it"}) == (answer.status_code, answer.json()["fields"])
    await pool.execute("delete from voucher.campaign_rule where value = '2'")
    assert 200 == (await site("DELETE", "/location/2")).status_code
    assert [] == await site.ids("/location")


async def test_list_headers(site: Site) -> None:
    """The total is that of the whole list, whatever part is shown."""
    for query, shown, total in (("", 2, "2"), ("?limit=1", 1, "2"), ("?skip=5", 0, "2"),
                                ("?limit=0", 0, "2"), ("?name=Cafe", 1, "1")):  # fmt: skip
        answer = await site("GET", f"/usergroup{query}")
        assert (shown, total) == (len(answer.json()), answer.headers["X-Total-Count"])
        assert "X-Truncated" not in answer.headers


async def test_permissions_come_after_visibility(site: Site, pool: Pool) -> None:
    """Without the permission a seen row is 403 and an unseen one still 404."""
    await pool.execute("update vending.usergroup set permissions = '{machine:read}' where id = 2")
    site.api.services.access.forget()
    cases: Mapping[tuple[str, str], int] = {
        ("GET", "/machine"): 200,
        ("GET", "/machine/80"): 200,
        ("PATCH", "/machine/80"): 403,
        ("PATCH", "/machine/81"): 404,
        ("DELETE", "/machine/80"): 403,
        ("GET", "/location"): 403,
        ("GET", "/location/2"): 403,
        ("GET", "/location/3"): 404,
        ("GET", "/machine/80/location"): 403,
    }
    for (method, path), status in cases.items():
        body = {"tag": "x"} if method == "PATCH" else None
        assert status == (await site(method, path, body)).status_code, (method, path)
