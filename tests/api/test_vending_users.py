"""Users, groups, permissions and their provisioning: vending-platform.md 2.1, 2.2, 3.1, 4.2, 5."""

from typing import Any

import msgspec
import pytest

from farebox.api.vending.permissions import PERMISSIONS
from farebox.api.vending.resources import CATALOGUE
from tests.api.conftest import Api, Golden
from tests.golden import Example, each

KIM = {"username": "kim", "email": "kim@example.test", "userGroup": 3, "language": 1}
KIOSK = {"name": "Kiosk", "parent": 2, "locations": [2]}
NORTH = {
    "id": 2, "name": "North", "parent": 1, "admin": 0, "disabledAt": None, "deleted": False,
    "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z",
}  # fmt: skip
NORA = {
    "id": 2, "username": "nora", "email": "nora@example.test", "language": 1, "userGroup": 2,
    "emailConfirmed": 1, "disabledAt": None, "password_expires": None,
    "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z",
}  # fmt: skip


def refused(code: str, **fields: Any) -> dict[str, Any]:
    """The answer of a refusal."""
    return {"code": code, "message": ..., **({"fields": fields} if fields else {})}


CREATE, LIST, UPDATE = "VEND-USER-CREATE", "VEND-USER-LIST", "VEND-USER-UPDATE"
GROUP_CREATE, GROUP_UPDATE = "VEND-USERGROUP-CREATE", "VEND-USERGROUP-UPDATE"
CHILDREN, POPULATE = "VEND-USERGROUP-CHILDREN", "VEND-USERGROUP-POPULATE"
PERMIT = "VEND-X-USERGROUP-PERMIT"

# Each starts from the fresh fixture.
WRITES = (
    Example(CREATE, "POST", "/user", KIM, 201, {"id": 5}),
    Example(CREATE, "POST", "/user", KIM | {"userGroup": "3", "language": 1.0}, 201),
    Example(CREATE, "POST", "/user", KIM | {"userGroup": 1}, 201, by="root"),
    Example(UPDATE, "PATCH", "/user/2", {"language": "1"}, 200, {"message": "User updated"}),
    Example(UPDATE, "PUT", "/user/2", {"userGroup": 3}),
    Example(UPDATE, "PATCH", "/user/2", NORA | {"username": "nora2"}),
    Example("VEND-USER-DELETE", "DELETE", "/user/2", by="root", answer={"message": ...}),
    Example(GROUP_CREATE, "POST", "/usergroup", KIOSK, 201, {"id": 8}),
    Example(GROUP_CREATE, "POST", "/usergroup", {"name": "North", "parent": 2}, 201),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/3",
            {"name": "Cafe 1", "locations": [2], "locationGroups": []}, 200, {"message": ...}),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/2", NORTH | {"name": "The north"}),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/3", {"parent": 4}, by="root"),
    Example("VEND-USERGROUP-ADD", "PUT", "/usergroup/3/locations/2", answer={"id": 3}),
    Example("VEND-USERGROUP-ADD", "POST", "/usergroup/3/locationGroups/6", answer={"id": 3}),
    Example("VEND-USERGROUP-DELETE", "DELETE", "/usergroup/3", answer={"message": ...}),
    Example("VEND-X-ROOT-CREATE", "POST", "/admin/usergroup", {"name": "Other"}, 201, by="root"),
    Example("VEND-X-USERGROUP-UPDATE", "PATCH", "/admin/usergroup/2", {"admin": 1}, by="root"),
    Example(PERMIT, "PUT", "/admin/usergroup/2/permissions", ["user:read"], by="root"),
    Example(PERMIT, "PUT", "/admin/usergroup/2/permissions", [], by="root"),
)  # fmt: skip

# None of them changes anything.
READS = (
    Example(LIST, "GET", "/user", answer=[NORA]),
    Example(LIST, "GET", "/user?where[username][startsWith]=N&limit=1", answer=[2]),
    Example(LIST, "GET", "/user?sort=username desc", answer=[4, 1, 2], by="root"),
    Example("VEND-USER-GET", "GET", "/user/2", answer=NORA),
    Example("VEND-USER-GET", "GET", "/user/4", None, 404, refused("not_found")),
    Example("VEND-USER-POPULATE", "GET", "/user/2/userGroup", answer=NORTH),
    Example("VEND-USER-POPULATE", "GET", "/user/2/language", answer={"id": 1, "locale": "en-GB"}),
    Example("VEND-USER-POPULATE", "GET", "/user/2/password", None, 404, refused("not_found")),
    Example("VEND-USERGROUP-LIST", "GET", "/usergroup", answer=[2, 3]),
    Example("VEND-USERGROUP-GET", "GET", "/usergroup/2", answer=NORTH),
    Example("VEND-USERGROUP-GET", "GET", "/usergroup/1", None, 404, refused("not_found")),
    Example(CHILDREN, "GET", "/usergroup/2/children",
            answer=[{"id": 3, "name": "Cafe", "parent": 2, "admin": 0, "deleted": False}]),
    Example(CHILDREN, "GET", "/usergroup/3/children", answer=[]),
    Example(CHILDREN, "GET", "/usergroup/4/children", None, 404, refused("not_found")),
    Example(POPULATE, "GET", "/usergroup/3/parent", answer={"id": 2}),
    Example(POPULATE, "GET", "/usergroup/2/parent", answer={}),
    Example(POPULATE, "GET", "/usergroup/2/users", answer=[{"id": 2}]),
    Example(POPULATE, "GET", "/usergroup/2/users?where[id][!]=2", answer=[]),
    Example(POPULATE, "GET", "/usergroup/2/machine", answer=[80]),
    Example(POPULATE, "GET", "/usergroup/2/permissions?limit=2",
            answer=[{"id": 1, "name": "command:write"}, {"id": 2, "name": "export:read"}]),
    Example(POPULATE, "GET", "/usergroup/2/permissions?name=machine:write", answer=[...]),
    *(Example(POPULATE, "GET", f"/usergroup/2/{alias}") for alias in (
        "errorCodes", "manufacturers", "locations", "errorProfiles", "alertGroups",
        "alertRecipients", "locationGroups", "languages", "translations", "machineModels",
        "machineGroups", "alertObservers")),
    Example(POPULATE, "GET", "/usergroup/2/nothing", None, 404, refused("not_found")),
    Example(POPULATE, "GET", "/usergroup/4/users", None, 404, refused("not_found")),
    Example(POPULATE, "GET", "/usergroup/x/users", None, 404, refused("not_found")),
    # Bad arguments.
    Example(CREATE, "POST", "/user", {}, 400, refused(
        "missing_parameters", username=..., email=..., userGroup=..., language=...)),
    Example(CREATE, "POST", "/user", KIM | {"username": "x y", "email": 5, "userGroup": "abc"}, 400,
            refused("invalid_parameter", username=..., email=..., userGroup=...)),
    Example(CREATE, "POST", "/user", KIM | {"nam": "x"}, 400, refused("unknown_field", nam=...)),
    Example(CREATE, "POST", "/user", [], 400, refused("invalid_parameter")),
    Example(CREATE, "POST", "/user", KIM | {"userGroup": 4, "language": 9}, 400,
            refused("invalid_reference", userGroup=..., language=...)),
    Example(CREATE, "POST", "/user", KIM | {"username": "SAM"}, 409,
            refused("duplicate", username=...)),
    Example(CREATE, "POST", "/user", KIM | {"email": "Nora@Example.test"}, 409,
            refused("duplicate", email=...)),
    Example(UPDATE, "PATCH", "/user/2", {}, 400, refused("missing_parameters")),
    Example(UPDATE, "PATCH", "/user/2", {"email": None}, 400, refused("missing_parameters")),
    Example(UPDATE, "PATCH", "/user/2", {"userGroup": 1}, 400, refused("invalid_reference")),
    Example(UPDATE, "PATCH", "/user/4", {"language": 1}, 404, refused("not_found")),
    Example(UPDATE, "PATCH", "/user/4x", {"language": 1}, 404, refused("not_found")),
    Example("VEND-USER-DELETE", "DELETE", "/user/2", None, 403, refused("forbidden")),
    Example(GROUP_CREATE, "POST", "/usergroup", {"name": "x"}, 400,
            refused("missing_parameters", parent=...)),
    Example(GROUP_CREATE, "POST", "/usergroup", KIOSK | {"parent": 4}, 400,
            refused("invalid_reference", parent=...)),
    Example(GROUP_CREATE, "POST", "/usergroup", KIOSK | {"locations": [2, 3]}, 400,
            refused("invalid_reference", locations="does not exist: 3")),
    Example(GROUP_CREATE, "POST", "/usergroup", {"name": "Cafe", "parent": 2}, 409,
            refused("duplicate", name=...)),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/2", {"parent": 3}, 403, refused("forbidden")),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/2", {"locations": []}, 403, refused("forbidden")),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/3", {"parent": 3}, 400,
            refused("invalid_reference", parent="cycle")),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/3", {"parent": None}, 400,
            refused("missing_parameters", parent=...)),
    Example(GROUP_UPDATE, "PATCH", "/usergroup/4", {"name": "x"}, 404, refused("not_found")),
    Example("VEND-USERGROUP-DELETE", "DELETE", "/usergroup/2", None, 409,
            refused("in_use", usergroup=..., user=...)),
    Example("VEND-USERGROUP-ADD", "PUT", "/usergroup/2/locations/2", None, 403,
            refused("forbidden")),
    Example("VEND-USERGROUP-ADD", "PUT", "/usergroup/3/users/2", None, 404, refused("not_found")),
    # Operators' business.
    Example("VEND-X-ROOT-CREATE", "POST", "/admin/usergroup", {"name": "Other"}, 403,
            refused("forbidden")),
    Example("VEND-X-USERGROUP-UPDATE", "PATCH", "/admin/usergroup/3", {"admin": True}, 403,
            refused("forbidden")),
    Example("VEND-X-USERGROUP-UPDATE", "PATCH", "/admin/usergroup/4", {"admin": True}, 404,
            refused("not_found")),
    Example("VEND-X-USERGROUP-UPDATE", "PATCH", "/admin/usergroup/1", {"admin": False}, 403,
            refused("forbidden"), by="root"),
    Example(PERMIT, "PUT", "/admin/usergroup/2/permissions", ["fly:write", "user:read"], 400,
            refused("invalid_parameter", permissions="unknown: fly:write"), by="root"),
    Example(PERMIT, "PUT", "/admin/usergroup/2/permissions", {"user:read": 1}, 400,
            refused("invalid_parameter"), by="root"),
    Example(PERMIT, "PUT", "/admin/usergroup/2/permissions", [], 403, refused("forbidden")),
    Example(LIST, "GET", "/user", None, 401, refused("unauthorized"), by="nobody"),
    Example(LIST, "GET", "/user", None, 403, refused("forbidden"), by="device"),
)  # fmt: skip


@each(WRITES)
async def test_writes(golden: Golden, example: Example) -> None:
    """Each answers as documented."""
    await golden(example)


async def test_reads_and_refusals(golden: Golden) -> None:
    """All answer as documented, on one database."""
    await golden(*READS)


async def test_a_new_user_is_invited_and_confirms(api: Api) -> None:
    """One mail and a dashboard; no sign-in before the token; a new address starts over."""
    nora = await api.login("nora")
    key = (await nora.post("/user", KIM)).json()["id"]
    (mail,) = await api.mails()
    assert "kim@example.test" == mail["to"]
    own = "select name from vending.dashboard where users = $1"
    assert "Dashboard" == await api.fetchval(own, key)
    token, login = mail["text"].split("\n\n")[1], {"username": "kim", "password": "first horse 99"}
    assert 401 == (await api.nobody.post("/auth/login", login)).status_code
    body = {"token": token, "password": "first horse 99"}
    assert 200 == (await api.nobody.post("/auth/activate", body)).status_code
    pair = await api.tokens("kim", "first horse 99")
    await nora.patch(f"/user/{key}", {"email": "kim@example.com"})
    assert "kim@example.com" == (await api.mails())[-1]["to"]
    assert 0 == (await nora.get(f"/user/{key}")).json()["emailConfirmed"]
    again = await api.nobody.post("/auth/login", login)
    assert (401, "email_not_confirmed") == (again.status_code, again.json()["code"])
    assert 200 == (await api.bearer(pair["access_token"]).get("/user/me")).status_code


async def test_a_deleted_user_is_gone_but_listed(api: Api) -> None:
    """Disabled with the time, all sessions ended, and the second delete finds nobody."""
    root, pair = await api.login("root"), await api.tokens("nora")
    assert 200 == (await root.delete("/user/2")).status_code
    assert "2026-03-10T09:00:00Z" == (await root.get("/user/2")).json()["disabledAt"]
    me = await api.bearer(pair["access_token"]).get("/user/me")
    assert (401, "token_revoked") == (me.status_code, me.json()["code"])
    assert 404 == (await root.delete("/user/2")).status_code


async def test_nothing_is_put_into_a_deleted_group(api: Api) -> None:
    """Neither users nor groups, by create or by move."""
    nora = await api.login("nora")
    assert 200 == (await nora.delete("/usergroup/3")).status_code
    for method, path, body in (
        ("POST", "/user", KIM),
        ("PATCH", "/user/2", {"userGroup": 3}),
        ("POST", "/usergroup", {"name": "x", "parent": 3}),
    ):
        answer = await nora.send(method, path, body)
        assert (400, "invalid_reference") == (answer.status_code, answer.json()["code"])
    assert [] == (await nora.get("/usergroup/2/children")).json()


async def test_members_of_a_closed_group_cannot_sign_in(api: Api) -> None:
    """A group that is disabled takes all below it along, with the tokens they hold."""
    pair = await api.tokens("nora")
    await api.execute("update vending.usergroup set disabled_at_ms = 1 where id = 1")
    api.services.access.forget()
    me = await api.bearer(pair["access_token"]).get("/user/me")
    assert (401, "user_disabled") == (me.status_code, me.json()["code"])
    body = {"username": "nora", "password": "correct horse 9"}
    answer = await api.nobody.post("/auth/login", body)
    assert (401, "user_disabled") == (answer.status_code, answer.json()["code"])


GRANTS: tuple[tuple[list[str] | None, list[str] | None, dict[str, int]], ...] = (
    # root's, north's, and what a user of North may then do.
    (None, None, {"GET /machine": 200, "GET /location": 200, "PATCH /machine/80": 200}),
    (None, ["machine:read"], {"GET /machine": 200, "PATCH /machine/80": 403, "GET /location": 403,
                              "GET /machine/80/location": 403, "GET /machine/81": 404}),
    (["machine:read"], None, {"GET /machine": 200, "PATCH /machine/80": 403}),
    (["machine:write"], ["machine:read", "machine:write"],
     {"GET /machine": 403, "PATCH /machine/80": 200}),
    (None, [], {"GET /machine": 403, "GET /user": 403, "GET /user/me": 200}),
)  # fmt: skip


@pytest.mark.parametrize(("above", "own", "outcomes"), GRANTS)
async def test_a_group_may_what_all_above_it_may(
    api: Api, above: list[str] | None, own: list[str] | None, outcomes: dict[str, int]
) -> None:
    """Effective is what every group up to the root was granted, in the very next request."""
    root, nora = await api.login("root"), await api.login("nora")
    await api.execute("update vending.usergroup set permissions = $1 where id = 1", above)
    json_type = {"Content-Type": "application/json"}
    body = msgspec.json.encode(own)
    path = "/admin/usergroup/2/permissions"
    answer = await root.send("PUT", path, content=body, headers=json_type)
    assert 200 == answer.status_code, answer.text
    api.services.access.forget()
    for request, status in outcomes.items():
        method, path = request.split()
        change = {"tag": "x"} if method == "PATCH" else None
        assert status == (await nora.send(method, path, change)).status_code, request


def test_every_resource_has_its_permissions() -> None:
    """The list is complete and names nothing twice."""
    wanted = {f"{name}:{right}" for name in CATALOGUE for right in ("read", "write")}
    assert set() == wanted - set(PERMISSIONS)
    assert len(PERMISSIONS) == len(set(PERMISSIONS))
