"""Commands over HTTP: one machine, many machines, history, taking back, a day's life."""

from tests.api.conftest import Api, Golden
from tests.golden import Example

REBOOT = "/command/gw-0080/reboot"
BULK = {"filter": {"type": "machinegroup", "ids": [5]}, "params": [{}]}
QUEUED = {
    "id": 1, "machine": 80, "command": "reboot", "params": [], "state": "queued", "result": None,
    "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z", "deliveredAt": None,
    "finishedAt": None, "expiresAt": "2026-03-11T09:00:00Z",
}  # fmt: skip


def send(
    path: str, body: object = None, status: int = 200, answer: object = ..., by: str = "nora"
) -> Example:
    """A command for one machine."""
    return Example("VEND-COMMAND-SEND", "POST", path, body, status, answer, by)


def bulk(
    body: object, status: int = 200, answer: object = ..., path: str = "/command/sync"
) -> Example:
    """A command for many machines."""
    return Example("VEND-COMMAND-BULK", "POST", path, body, status, answer)


def chosen(kind: object, *ids: object) -> dict[str, object]:
    """A bulk body with a filter."""
    return {"filter": {"type": kind, "ids": list(ids)}, "params": []}


def message(count: int) -> dict[str, str]:
    """The answer of a bulk command."""
    return {"message": f"Command queued for {count} machines"}


SENT = (
    send(REBOOT, {"params": []}, answer={"message": "Command queued", "command": 1}),
    send("/command/GW-0080/lock", {"params": [1, "2", 3.0]}),
    send(REBOOT, {}),
    send(REBOOT, None),
    bulk(BULK, answer=message(1)),
    bulk(chosen("machine", 80, "80", 80.0), answer=message(1)),
    bulk(chosen("location", 2), answer=message(1)),
    bulk(chosen("locationgroup", 6), answer=message(1)),
)
REFUSED = (
    send("/command/gw-0080/format", {"params": []}, 400, {"code": "invalid_parameter"}),
    send(REBOOT, {"params": ["x"]}, 400, {"fields": {"params": "must be an array of integers"}}),
    send(REBOOT, {"params": [True]}, 400),
    send(REBOOT, {"params": [2**31]}, 400),
    send(REBOOT, {"params": [0] * 17}, 400),
    send(REBOOT, {"params": 1}, 400),
    send(REBOOT, {"param": []}, 400, {"code": "unknown_field"}),
    send(REBOOT, [], 400, {"code": "invalid_parameter"}),
    send("/command/gw-0081/reboot", {}, 404, {"code": "not_found"}),
    send("/command/nope/reboot", {}, 404, {"code": "not_found"}),
    send("/command/gw-0081/format", {}, 400),
    send(REBOOT, {}, 401, by="nobody"),
    send(REBOOT, {}, 403, by="device"),
    send(REBOOT, {}, 404, by="sam"),
    bulk(chosen("planet", 2), 400, {"code": "invalid_parameter"}),
    bulk(chosen("location"), 400, {"fields": {"filter.ids": "must have 1 to 1000 members"}}),
    bulk(chosen("location", *range(1, 1002)), 400),
    bulk(chosen("machine", 80, 81), 400, {"code": "invalid_reference",
                                          "fields": {"filter.ids": "does not exist: 81"}}),
    bulk({"params": []}, 400, {"code": "missing_parameters", "fields": {"filter": "is required"}}),
    bulk({"filter": BULK["filter"]}, 400, {"fields": {"params": "is required"}}),
    bulk(BULK | {"params": [1]}, 400, {"fields": {"params": "must be an array of objects"}}),
    bulk(BULK | {"params": [{"a": "x" * 5000}]}, 400),
    bulk(BULK | {"params": [{}] * 17}, 400),
    bulk(BULK | {"params": [{"a": "\0"}]}, 400),
    send("/command/%00/reboot", {}, 404),
    send("/command/gw%200080/reboot", {}, 404),
    bulk(BULK, 400, path="/command/rm"),
)  # fmt: skip


async def queued(golden: Golden) -> int:
    """How many commands were queued."""
    return int(await golden.api.fetchval("select count(*) from vending.devicecommand"))


async def test_refusals(golden: Golden) -> None:
    """What is refused queues nothing."""
    await golden(*REFUSED)
    assert 0 == await queued(golden)


async def test_commands(golden: Golden) -> None:
    """Each command is queued once for each machine, in the order of the calls."""
    await golden(*SENT)
    assert len(SENT) == await queued(golden)


async def test_an_empty_place_is_no_fault(golden: Golden) -> None:
    """A group without places gets nothing, successfully."""
    await golden.api.execute("delete from vending.locationgroup_location")
    await golden(bulk(chosen("locationgroup", 6), answer=message(0)))


async def test_history_and_taking_back(golden: Golden) -> None:
    """A queued command is taken back once; a delivered one no more; strangers see neither."""
    await golden(
        send(REBOOT, {}),
        send(REBOOT, {}),
        Example("VEND-COMMAND-GET", "GET", "/devicecommand/1", answer=QUEUED),
        Example("VEND-COMMAND-LIST", "GET", "/machine/80/commands?limit=1", answer=[QUEUED]),
        Example("VEND-COMMAND-LIST", "GET", "/machine/81/commands", status=404),
        Example("VEND-COMMAND-GET", "GET", "/devicecommand/1", status=404, by="sam"),
        Example("VEND-COMMAND-CANCEL", "DELETE", "/devicecommand/1", status=404, by="sam"),
        Example("VEND-COMMAND-CANCEL", "DELETE", "/devicecommand/1"),
        Example("VEND-COMMAND-CANCEL", "DELETE", "/devicecommand/1", status=409),
        Example(
            "VEND-COMMAND-LIST", "GET", "/machine/80/commands?state=cancelled",
            answer=[{"id": 1, "finishedAt": "2026-03-10T09:00:00Z"}],
        ),
    )  # fmt: skip
    await golden.api.execute(
        "update vending.devicecommand set state = 'delivered', delivered_at_ms = 1 where id = 2"
    )
    await golden(
        Example("VEND-COMMAND-CANCEL", "DELETE", "/devicecommand/2", status=409,
                answer={"code": "in_use"}),
    )  # fmt: skip


async def test_a_command_lives_a_day(api: Api) -> None:
    """After 24 hours what was not executed is over; what was stays as it is."""
    nora = await api.login("nora")
    for _ in range(3):
        assert 200 == (await nora.post(REBOOT, {})).status_code
    await api.execute(
        "update vending.devicecommand set state = 'delivered', delivered_at_ms = 1 where id = 2"
    )
    await api.execute(
        "update vending.devicecommand set state = 'failed', delivered_at_ms = 1,"
        " finished_at_ms = 1 where id = 3"
    )
    for hours, expected in ((23, ["queued", "delivered"]), (1, ["expired", "expired"])):
        api.clock.advance_ms(hours * 3_600_000)
        await api.services.commands.expire()
        rows = await api.services.pool.fetch("select state from vending.devicecommand order by id")
        assert [*expected, "failed"] == [row["state"] for row in rows]


async def test_permission(api: Api) -> None:
    """Sending needs command:write."""
    await api.execute("update vending.usergroup set permissions = '{machine:read}' where id = 2")
    nora = await api.login("nora")
    for path, body in ((REBOOT, {}), ("/command/sync", BULK)):
        assert 403 == (await nora.post(path, body)).status_code
