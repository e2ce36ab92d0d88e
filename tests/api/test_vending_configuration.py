"""Configuration of machines and gateways, and templates of it (vending-platform.md 3.2, 3.5, 5)."""

from typing import Any

from tests.api.conftest import Api, Golden
from tests.golden import Example

UNSET = dict.fromkeys(
    ("apn", "config", "sharing", "mode", "encryption", "encryptionKey", "ssid"), None
)
PLATFORM = {"name": "Platform 2", **UNSET}
ALL_AT_2: dict[str, Any] = {"type": "location", "ids": [2]}
APN = {"apn": {"apn": "m2m"}}


def state(expected: str) -> Example:
    """What configState of machine 80 must be."""
    return Example("VEND-MACHINE-GET", "GET", "/machine/80", None, 200, {"configState": expected})


def stored(**members: str | None) -> Example:
    """What the configuration of machine 80 must be."""
    return Example(
        "VEND-MACHINECONFIG-GET", "GET", "/machineconfig/80", None, 200, {**PLATFORM, **members}
    )


def bulk(selection: Any, sections: Any, status: int = 200, answer: Any = ...) -> Example:
    """A bulk change."""
    body = {"filter": selection, "configuration": sections}
    return Example("VEND-MACHINECONFIG-BULK", "PATCH", "/machineconfig", body, status, answer)


EXAMPLES = (
    Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/gw-0080", None, 200, PLATFORM),
    Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/GW-0080", None, 200, PLATFORM),
    state("applied"),
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80",
            {"ssid": "cafe", "machine": 80}, 200, {"message": "Machine configuration updated"}),
    stored(ssid="cafe"),
    state("scheduled"),
    Example("VEND-MACHINECONFIG-UPDATE", "PUT", "/machineconfig/gw-0080",
            {**PLATFORM, "config": "a\n b", "encryptionKey": "secret"}, 200),
    stored(config="a\n b", encryptionKey="secret"),
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80",
            {"encryptionKey": "********", "mode": "client"}, 200),
    stored(config="a\n b", encryptionKey="secret", mode="client"),
    bulk(ALL_AT_2, APN, 200, {"message": "Configuration scheduled for 1 machines"}),
    stored(config="a\n b", encryptionKey="secret", mode="client", apn="m2m"),
    # A wireless network is given whole.
    bulk({"type": "machinegroup", "ids": [5]}, {"wlan": {"ssid": "x"}, "sharing": {"sharing": ""}}),
    stored(config="a\n b", ssid="x", apn="m2m"),
    bulk({"type": "locationgroup", "ids": [6]}, {"config": {"config": None}}),
    stored(ssid="x", apn="m2m"),
    Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0080", {"config": "poll=30"}, 200,
            {"message": "Houdini configuration updated"}),
    Example("VEND-CONFIGTEMPLATE-LIST", "GET", "/machineconfigtemplate?hostname=gw-0080", None, 200,
            [{**UNSET, "id": 1, "name": "Default", "config": "poll=60", "apn": "m2m"}]),
    Example("VEND-CONFIGTEMPLATE-LIST", "GET", "/machineconfigtemplate?hostname=nope", None, 404),
    Example("VEND-CONFIGTEMPLATE-GET", "GET", "/machineconfigtemplate/1", None, 200,
            {**UNSET, "name": "Default", "config": "poll=60", "apn": "m2m"}),
    Example("VEND-CONFIGTEMPLATE-CREATE", "POST", "/machineconfigtemplate",
            {"name": "Wireless", "ssid": "x", "encryptionKey": "k", "config": "a\nb"}, 201, 2),
    Example("VEND-CONFIGTEMPLATE-UPDATE", "PATCH", "/machineconfigtemplate/2",
            {"encryptionKey": "********", "ssid": None}, 200),
    Example("VEND-CONFIGTEMPLATE-GET", "GET", "/machineconfigtemplate/2", None, 200,
            {"name": "Wireless", "encryptionKey": "k", "ssid": None, "config": "a\nb"}),
    Example("VEND-CONFIGTEMPLATE-DELETE", "DELETE", "/machineconfigtemplate/2", None, 200),
)  # fmt: skip

REFUSED = (
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"machine": 81}, 400,
            {"fields": {"machine": ...}}),
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {}, 400,
            {"code": "missing_parameters"}),
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"ssid": 5, "x": 1}, 400,
            {"code": "unknown_field", "fields": {"ssid": ..., "x": ...}}),
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"config": "x" * 65_537},
            400, {"fields": {"config": ...}}),
    Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/gw-0081", {"ssid": "x"}, 404),
    Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/81", None, 404),
    Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/gw-0081", None, 404),
    Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/%00", None, 404),
    bulk({"type": "location", "ids": [3]}, APN, 400,
         {"code": "invalid_reference", "fields": {"filter.ids": ...}}),
    bulk({"type": "machine", "ids": [80, 81]}, APN, 400, {"code": "invalid_reference"}),
    bulk({"type": "machine", "ids": []}, APN, 400, {"fields": {"filter.ids": ...}}),
    bulk({"type": "machine", "ids": [*range(1, 1002)]}, APN, 400, {"fields": {"filter.ids": ...}}),
    bulk({"type": "gateway", "ids": [1]}, APN, 400, {"fields": {"filter.type": ...}}),
    bulk(ALL_AT_2, {}, 400, {"fields": {"configuration": ...}}),
    bulk(ALL_AT_2, {"apn": {}}, 400, {"fields": {"configuration.apn.apn": ...}}),
    bulk(ALL_AT_2, {"apn": {"ssid": "x"}}, 400, {"code": "unknown_field"}),
    bulk(ALL_AT_2, {"apn": "x", "lan": {}}, 400,
         {"fields": {"configuration.apn": ..., "configuration.lan": ...}}),
    bulk(ALL_AT_2, {"apn": {"apn": 5}}, 400, {"fields": {"configuration.apn.apn": ...}}),
    Example("VEND-MACHINECONFIG-BULK", "PATCH", "/machineconfig", {}, 400,
            {"code": "missing_parameters", "fields": {"filter": ..., "configuration": ...}}),
    Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0080", {"config": ""}, 400),
    Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0080", {"config": "x" * 65_537}, 400),
    Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0081", {"config": "x"}, 404),
    Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/80", {"config": "x"}, 404),
    Example("VEND-CONFIGTEMPLATE-GET", "GET", "/machineconfigtemplate/1", None, 404, by="sam"),
    Example("VEND-CONFIGTEMPLATE-LIST", "GET",
            "/machineconfigtemplate?where[encryptionKey]=x", None, 400, {"code": "invalid_filter"}),
)  # fmt: skip


async def test_worked_examples(golden: Golden) -> None:
    """The calls of the document are answered as it says."""
    await golden(*EXAMPLES)


async def test_refusals(golden: Golden) -> None:
    """What is wrong, too long or foreign is refused, and nothing is written."""
    await golden(*REFUSED, stored(), state("applied"))


async def test_only_changes_are_scheduled(golden: Golden, api: Api) -> None:
    """A change raises the version once; the same again does not, except for many at once."""

    async def version() -> Any:
        await api.execute("update vending.machine set config_state = 'applied' where id = 80")
        return await api.fetchval("select config_version from vending.machine where id = 80")

    houdini = Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0080", {"config": " a\n"})
    single = Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"apn": "m2m"})
    nothing = Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"ssid": None})
    steps = (
        (nothing, "applied", 0),
        (single, "scheduled", 1),
        (single, "applied", 1),
        (nothing, "applied", 1),
        (houdini, "scheduled", 2),
        (houdini, "applied", 2),
        (bulk(ALL_AT_2, APN), "scheduled", 3),
    )
    for step, expected, number in steps:
        await golden(step, state(expected))
        assert number == await version()
    text = "select config from vending.houdiniconfig where machine = 80 and version = 1"
    assert " a\n" == await api.fetchval(text)


async def test_keys_are_shown_to_those_who_may_write(golden: Golden, api: Api) -> None:
    """Without `machine:write` the key of the network is masked, in templates too."""
    await golden(
        Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"encryptionKey": "k"}),
        Example("VEND-CONFIGTEMPLATE-UPDATE", "PATCH", "/machineconfigtemplate/1",
                {"encryptionKey": "k"}),
    )  # fmt: skip
    rights = "{machineconfig:read,machineconfig:write,machineconfigtemplate:read}"
    await api.execute("update vending.usergroup set permissions = $1::text[] where id = 2",
                      rights.strip("{}").split(","))  # fmt: skip
    api.services.access.forget()
    masked = {"encryptionKey": "********"}
    await golden(
        stored(**masked),
        Example("VEND-CONFIGTEMPLATE-LIST", "GET", "/machineconfigtemplate", None, 200, [masked]),
        Example("VEND-CONFIGTEMPLATE-GET", "GET", "/machineconfigtemplate/1", None, 200, masked),
        Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {**masked, "apn": "a"}),
        Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0080", {"config": "x"}, 403),
        Example("VEND-HOUDINI-SET", "POST", "/houdiniconfig/gw-0081", {"config": "x"}, 404),
    )  # fmt: skip
    device = await api.device()
    assert "k" == (await device.get("/device/config")).json()["encryptionKey"]


async def test_keys_are_stored_sealed(golden: Golden, api: Api) -> None:
    """No table holds a key in clear text; the same key again is no change, wherever it is said."""
    bulk = {"filter": {"type": "machine", "ids": [80]},
            "configuration": {"wlan": {"encryptionKey": "hush"}}}  # fmt: skip
    key = {"encryptionKey": "hush"}
    update = Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", key)
    template = Example("VEND-CONFIGTEMPLATE-UPDATE", "PATCH", "/machineconfigtemplate/1", key)
    await golden(update, template)
    held = (
        "select c.encryption_key, t.encryption_key, m.config_version"
        " from vending.machineconfig c, vending.machineconfigtemplate t, vending.machine m"
        " where c.machine = 80 and t.id = 1 and m.id = 80"
    )
    before = await api.services.pool.fetchrow(held)
    assert all(text.startswith("sealed:") and "hush" not in text for text in before[:2])
    await golden(update, template, stored(**key))
    assert before == await api.services.pool.fetchrow(held)
    await golden(Example("VEND-MACHINECONFIG-BULK", "PATCH", "/machineconfig", bulk))
    assert (before[0], before[2] + 1) == (await api.services.pool.fetchrow(held))[0::2]
    # Sealed by a ring that is gone: masked for people, refused to machines, and set anew.
    for table in ("machineconfig", "machineconfigtemplate"):
        await api.execute(f"update vending.{table} set encryption_key = 'sealed:AWtub25jZQ=='")
    masked = {"encryptionKey": "********"}
    await golden(
        stored(**masked),
        Example("VEND-CONFIGTEMPLATE-LIST", "GET", "/machineconfigtemplate", None, 200, [masked]),
        Example("VEND-X-DEVICE-CONFIG", "GET", "/device/config", None, 503, by="device"),
        update,
        stored(**key),
    )


async def test_templates_for_a_place(golden: Golden, api: Api) -> None:
    """A hostname chooses the templates of its location's owner and of the groups above it."""
    await api.execute(
        "insert into vending.machineconfigtemplate (owner, name, created_at_ms, updated_at_ms)"
        " values (1, 'Root', 0, 0), (3, 'Cafe', 0, 0), (4, 'South', 0, 0), (null, 'All', 0, 0)"
    )
    path = "/machineconfigtemplate"
    await golden(
        Example("VEND-CONFIGTEMPLATE-LIST", "GET", path, None, 200, [1, 2, 3, 5]),
        Example("VEND-CONFIGTEMPLATE-LIST", "GET", f"{path}?hostname=gw-0080&sort=name", None, 200,
                [{"name": "All"}, {"name": "Default"}, {"name": "Root"}]),
        Example("VEND-CONFIGTEMPLATE-UPDATE", "PATCH", f"{path}/2", {"apn": "x"}, 403),
    )  # fmt: skip


async def test_configuration_is_copied_with_a_machine(golden: Golden) -> None:
    """A copy of a configured machine is scheduled to be configured the same."""
    await golden(
        Example("VEND-MACHINECONFIG-UPDATE", "PATCH", "/machineconfig/80", {"apn": "m2m"}),
        Example("VEND-MACHINE-CREATE", "POST", "/machine?source=80",
                {"name": "B", "hostname": "gw-0091"}, 201, 90),
        Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/gw-0091", None, 200,
                {"name": "B", "apn": "m2m"}),
        Example("VEND-MACHINE-GET", "GET", "/machine/90", None, 200, {"configState": "scheduled"}),
    )  # fmt: skip


async def test_a_number_is_a_hostname_first(golden: Golden, api: Api) -> None:
    """Digits mean the machine of that hostname, if the caller sees one, else of that id."""
    await api.execute("update vending.machine set hostname = '80' where id = 81")
    told = Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/80", None, 200, PLATFORM)
    await golden(told)
    pier = {"name": "Pier head"}
    await golden(
        Example("VEND-MACHINECONFIG-GET", "GET", "/machineconfig/80", None, 200, pier, by="root")
    )
