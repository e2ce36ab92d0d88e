"""Machines (vending-platform.md 2.3, 3.3, 5)."""

from typing import Any

from tests.api.conftest import Api, Golden
from tests.golden import Example

WHEN = "2026-03-10T09:00:00Z"
HALL = {
    "name": "Hall", "hostname": "gw-0090", "location": 2, "machineModel": 1, "machineType": 1,
    "manufacturer": 1, "currency": 978,
}  # fmt: skip
# The members in the order of the document.
MACHINE_80: dict[str, Any] = {
    "id": 80, "name": "Platform 2", "hostname": "gw-0080", "gateway": None, "location": 2,
    "machineModel": 1, "machineType": 1, "manufacturer": 1, "lastRevenuetransaction": None,
    "lastLog": None, "lastIotevent": None, "tag": None, "notes": None, "virtualPrices": 0,
    "active": 1, "currency": 978, "debtor": None, "logSynced": 0, "revenuetransactionSynced": 0,
    "ioteventSynced": 0, "ruleSet": None, "createdAt": WHEN, "updatedAt": WHEN, "lastSoldId": None,
    "isManagedAssortment": 0, "configState": "applied", "transactionProfile": 1,
    "hasSubscription": 1,
}  # fmt: skip

EXAMPLES = (
    Example("VEND-MACHINE-GET", "GET", "/machine/80", None, 200, MACHINE_80),
    Example("VEND-MACHINE-LIST", "GET",
            "/machine?where[name][contains]=platform&sort=name desc&limit=10", None, 200, [80]),
    Example("VEND-MACHINE-LIST", "GET", "/machine?where[machineModel]=1&configState=applied", None,
            200, [80]),
    Example("VEND-MACHINE-LIST", "GET", "/machine", None, 200, [80, 81], by="root"),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/location", None, 200,
            {"id": 2, "name": "Central Station"}),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineModel", None, 200, 1),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineType", None, 200, 1),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/manufacturer", None, 200, 1),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineGroups", None, 200, [5]),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/secret", None, 404),
    Example("VEND-MACHINE-GATEWAYS", "GET", "/machine/gateways", None, 200,
            [{"id": 80, "gateway": None}]),
    Example("VEND-MACHINE-BYLOCATION", "GET", "/machine/bylocation", None, 200,
            [{"name": "Central Station", "timeZone": "Europe/Amsterdam", "id": 2,
              "machines": [MACHINE_80]}]),
    Example("VEND-MACHINE-BYLOCATION", "GET", "/machine/bylocation", None, 200,
            [{"id": 2, "machines": [80]}, {"id": 3, "machines": [81]}], by="root"),
    Example("VEND-MACHINE-ADD", "PUT", "/machine/80/machineGroups/5", None, 200, {"id": 80}),
    Example("VEND-MACHINE-REMOVE", "DELETE", "/machine/80/machineGroups/5", None, 200),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineGroups", None, 200, []),
    Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", {"tag": "lobby", "machineGroups": [5]},
            200, {"message": "Machine updated"}),
    Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", MACHINE_80, 200),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineGroups", None, 200, [5]),
    Example("VEND-MACHINE-CREATE", "POST", "/machine", HALL | {"virtualPrices": True}, 201,
            {"id": 90}),
    Example("VEND-MACHINE-GET", "GET", "/machine/90", None, 200,
            {**MACHINE_80, **HALL, "id": 90, "virtualPrices": 1, "transactionProfile": None}),
    Example("VEND-MACHINE-DELETE", "DELETE", "/machine/90", None, 200,
            {"message": "Machine deleted"}),
    Example("VEND-MACHINE-GET", "GET", "/machine/90", None, 404),
)  # fmt: skip

REFUSED = (
    Example("VEND-MACHINE-LIST", "GET", "/machine?limit=101", None, 400,
            {"code": "invalid_parameter"}),
    Example("VEND-MACHINE-LIST", "GET", "/machine?where[last_seen_ms]=1", None, 400,
            {"code": "invalid_filter"}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine", {}, 400,
            {"code": "missing_parameters",
             "fields": dict.fromkeys(HALL, ...)}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine",
            HALL | {"machineModel": 9, "machineType": 9, "manufacturer": 9, "currency": 9}, 400,
            {"code": "invalid_reference", "fields": dict.fromkeys(
                ("machineModel", "machineType", "manufacturer", "currency"), ...)}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine", HALL | {"hostname": "-gw"}, 400,
            {"fields": {"hostname": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine", HALL | {"hostname": "GW-0081"}, 409,
            {"code": "duplicate", "fields": {"hostname": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine", HALL | {"debtor": -1}, 400,
            {"fields": {"debtor": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine", HALL | {"notes": "x" * 4001}, 400,
            {"fields": {"notes": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine?source=81", {"name": "B", "hostname": "b"},
            400, {"code": "invalid_reference", "fields": {"source": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine?source=x", {"name": "B", "hostname": "b"},
            400, {"fields": {"source": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine?source=80", {"name": "B"}, 400,
            {"code": "missing_parameters", "fields": {"hostname": ...}}),
    Example("VEND-MACHINE-CREATE", "POST", "/machine?source=80",
            {"name": "B", "hostname": "gw-0080"}, 409, {"code": "duplicate"}),
    Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", {}, 400,
            {"code": "missing_parameters"}),
    Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", {"hostname": "gw-0099"}, 400,
            {"fields": {"hostname": ...}}),
    Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", {"machineModel": None}, 400),
    Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/81", {"tag": "x"}, 404),
    Example("VEND-MACHINE-DELETE", "DELETE", "/machine/81", None, 404),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/81/location", None, 404),
    Example("VEND-MACHINE-GATEWAYS", "GET", "/machine/gateways?sort=secret", None, 400,
            {"code": "invalid_sort"}),
)  # fmt: skip


async def test_worked_examples(golden: Golden) -> None:
    """The calls of the document are answered as it says."""
    await golden(*EXAMPLES)


async def test_refusals(golden: Golden) -> None:
    """What is wrong or foreign is refused and changes nothing."""
    await golden(*REFUSED)


async def test_a_copy_of_a_machine(golden: Golden, api: Api) -> None:
    """It sells the same, at the same hours, configured the same; it has its own past and keys."""
    await api.execute(
        "insert into vending.openinghours (machine, day, start_s, end_s) values (80, 1, 0, 3600)"
    )
    await api.execute(
        "update vending.machine set rule_set = 'r', debtor = 7, is_managed_assortment = true,"
        " last_log = 5, log_synced = 9, config_state = 'failed' where id = 80"
    )
    taken = {**MACHINE_80, "name": "B", "hostname": "gw-0091", "ruleSet": "r", "debtor": 7}
    await golden(
        Example("VEND-MACHINE-CREATE", "POST", "/machine?source=80",
                {"name": "B", "hostname": "gw-0091"}, 201, {"id": 90}),
        Example("VEND-MACHINE-GET", "GET", "/machine/90", None, 200, {**taken, "id": 90}),
        Example("VEND-MACHINE-POPULATE", "GET", "/machine/90/machineGroups", None, 200, [5]),
        # What is said counts, null included where a machine may be without.
        Example("VEND-MACHINE-CREATE", "POST", "/machine?source=80",
                {"name": "C", "hostname": "gw-0092", "debtor": None, "location": None,
                 "active": False, "virtualPrices": None, "machineGroups": []}, 201, {"id": 91}),
        Example("VEND-MACHINE-GET", "GET", "/machine/91", None, 200,
                {"debtor": None, "location": 2, "active": 0, "ruleSet": "r"}),
        Example("VEND-MACHINE-POPULATE", "GET", "/machine/91/machineGroups", None, 200, []),
    )  # fmt: skip
    goods = "select array_agg((plu, name, price)::text order by plu) from vending.product"
    sold = await api.fetchval(f"{goods} where machine = 80")
    assert 4 == len(sold)
    assert sold == await api.fetchval(f"{goods} where machine = 90")
    hours = "select count(*) from vending.openinghours where machine = 90"
    assert 1 == await api.fetchval(hours)
    keys = "select count(*) from vending.device_key where machine = 90"
    assert 0 == await api.fetchval(keys)


async def test_a_copy_for_somebody_else(golden: Golden, api: Api) -> None:
    """Whoever sees a machine may copy it, with a model that is not seen, but not its groups."""
    await api.execute("insert into vending.usergroup_location (usergroup, location) values (4, 2)")
    await api.execute("update vending.machinemodel set owner = 2")
    await golden(
        Example("VEND-MACHINE-CREATE", "POST", "/machine?source=80",
                {"name": "B", "hostname": "gw-0091"}, 201, {"id": 90}, by="sam"),
        Example("VEND-MACHINE-GET", "GET", "/machine/90", None, 200,
                {"machineModel": 1, "transactionProfile": 1}, by="sam"),
        Example("VEND-MACHINE-POPULATE", "GET", "/machine/90/machineModel", None, 200, {},
                by="sam"),
        Example("VEND-MACHINE-POPULATE", "GET", "/machine/90/machineGroups", None, 200, []),
    )  # fmt: skip


async def test_a_machine_with_a_past_stays(golden: Golden, api: Api) -> None:
    """Transactions, logs and machines behind it keep a machine; its own belongings go with it."""
    for column, referrer in (
        ("last_log", "log"),
        ("last_revenuetransaction", "revenuetransaction"),
    ):
        await api.execute(f"update vending.machine set {column} = 1 where id = 80")
        held = {"code": "in_use", "fields": {referrer: ...}}
        await golden(Example("VEND-MACHINE-DELETE", "DELETE", "/machine/80", None, 409, held))
        await api.execute(f"update vending.machine set {column} = null where id = 80")
    await api.execute("update vending.machine set gateway = 80 where id = 81")
    held = {"code": "in_use", "fields": {"machine": ...}}
    await golden(Example("VEND-MACHINE-DELETE", "DELETE", "/machine/80", None, 409, held))
    await api.execute("update vending.machine set gateway = null where id = 81")
    await golden(Example("VEND-MACHINE-DELETE", "DELETE", "/machine/80", None, 200))
    assert 0 == await api.fetchval("select count(*) from vending.product")


def provisioned(machine: int, body: Any, status: int = 200, by: str = "root") -> Example:
    """What an operator settles."""
    path = f"/admin/machine/{machine}"
    answer = ... if status == 200 else {"fields": dict.fromkeys(body, ...)}
    return Example("VEND-X-MACHINE-PROVISION", "PATCH", path, body, status, answer, by=by)


async def test_what_only_operators_settle(golden: Golden) -> None:
    """Gateways lie one deep; rule sets and subscriptions are not the owner's to write."""
    await golden(
        Example("VEND-X-MACHINE-PROVISION", "PATCH", "/admin/machine/80", {"ruleSet": "r"}, 403),
        Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80",
                {"gateway": 81, "ruleSet": "r", "hasSubscription": 0}, 200),
        Example("VEND-MACHINE-GET", "GET", "/machine/80", None, 200, MACHINE_80),
        provisioned(80, {"gateway": 81, "ruleSet": "r", "hasSubscription": False}),
        Example("VEND-MACHINE-GET", "GET", "/machine/80", None, 200,
                {"gateway": 81, "ruleSet": "r", "hasSubscription": 0}),
        Example("VEND-MACHINE-GATEWAYS", "GET", "/machine/gateways", None, 200, [81], by="root"),
        provisioned(81, {"gateway": 80}, 400),
        provisioned(81, {"gateway": 81}, 400),
        provisioned(81, {"gateway": 99}, 400),
        provisioned(81, {"hasSubscription": None}, 400),
        Example("VEND-MACHINE-CREATE", "POST", "/machine", HALL, 201, 90),
        provisioned(90, {"gateway": 80}, 400),
        provisioned(80, {"gateway": None}),
        provisioned(90, {"gateway": 80}),
        provisioned(80, {"gateway": 81}, 400),
        Example("VEND-X-MACHINE-PROVISION", "PATCH", "/admin/machine/77", {"ruleSet": "r"}, 404,
                by="root"),
    )  # fmt: skip


async def test_transaction_profiles(golden: Golden) -> None:
    """A machine may have one that its owner sees, and may lose it again."""

    def update(profile: int | None, status: int = 200) -> Example:
        body = {"transactionProfile": profile}
        return Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", body, status)

    await golden(
        update(None),
        Example("VEND-MACHINE-GET", "GET", "/machine/80", None, 200, {"transactionProfile": None}),
        update(9, 400),
        update(1),
        Example("VEND-MACHINE-CREATE", "POST", "/machine",
                HALL | {"transactionProfile": 1}, 201, 90),
        Example("VEND-MACHINE-GET", "GET", "/machine/90", None, 200, {"transactionProfile": 1}),
    )  # fmt: skip


async def test_groups_of_strangers_keep_their_machines(golden: Golden, api: Api) -> None:
    """Whoever shares a machine neither sees nor changes that it is in others' groups."""
    await api.execute("insert into vending.usergroup_location (usergroup, location) values (4, 2)")
    groups = Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineGroups", None, 200, [5])
    none = Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/machineGroups", None, 200, [],
                   by="sam")  # fmt: skip
    await golden(
        none,
        Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", {"machineGroups": []}, by="sam"),
        Example("VEND-MACHINE-REMOVE", "DELETE", "/machine/80/machineGroups/5", by="sam"),
        Example("VEND-MACHINE-ADD", "PUT", "/machine/80/machineGroups/5", None, 400, by="sam"),
        groups,
        Example("VEND-MACHINEGROUP-CREATE", "POST", "/machinegroup",
                {"name": "Mine", "machines": [80]}, 201, 6, by="sam"),
        Example("VEND-MACHINE-UPDATE", "PATCH", "/machine/80", {"machineGroups": [5]}),
        Example("VEND-MACHINEGROUP-POPULATE", "GET", "/machinegroup/6/machines", None, 200, [80],
                by="sam"),
        Example("VEND-MACHINE-REMOVE", "DELETE", "/machine/80/machineGroups/6", by="sam"),
        none,
        groups,
    )  # fmt: skip
