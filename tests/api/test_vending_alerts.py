"""Alert groups, recipients and observers: the examples of vending-platform.md 5, and 2.5, 2.7."""

from tests.api.conftest import Api, Golden
from tests.clocks import SettableClock
from tests.golden import Example

NO_SALES = {
    "name": "No sales", "type": "transaction", "observer": "non_occurrence", "timer": 2,
    "timerType": 2, "alertGroup": 7, "machines": [80], "openingHours": True,
}  # fmt: skip
RULE = {key: value for key, value in NO_SALES.items() if key not in ("machines", "openingHours")}
OPS = {"name": "Ops", "email": "ops@example.test", "language": 1, "alertGroup": 7}

OBSERVERS = (
    Example("VEND-ALERTOBSERVER-CREATE", "POST", "/alertobserver", NO_SALES, 201, {"id": 1}),
    Example("VEND-ALERTOBSERVER-LIST", "GET", "/alertobserver", answer=[1]),
    Example("VEND-ALERTOBSERVER-GET", "GET", "/alertobserver/1", answer={
        "id": 1, "name": "No sales", "error": None, "observer": "non_occurrence", "occurs": 1,
        "timer": 2, "timerType": 2, "alertGroup": 7, "sentAt": None, "type": "transaction",
        "paymentMethod": None, "openingHours": 1, "userGroup": 2,
        "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z"}),
    Example("VEND-ALERTOBSERVER-UPDATE", "PATCH", "/alertobserver/1",
            {"observer": "non_resolution"}, 400, {"fields": {"observer": ...}}),
    Example("VEND-ALERTOBSERVER-UPDATE", "PATCH", "/alertobserver/1", {"timer": 3},
            answer={"message": "Alert observer updated"}),
    Example("VEND-ALERTOBSERVER-POPULATE", "GET", "/alertobserver/1/machines", answer=[80]),
    Example("VEND-MACHINE-POPULATE", "GET", "/machine/80/alertObservers", answer=[1]),
    Example("VEND-ALERTOBSERVER-POPULATE", "GET", "/alertobserver/1/alertGroup", answer=7),
    Example("VEND-ALERTOBSERVER-POPULATE", "GET", "/alertobserver/1/error", answer={}),
    Example("VEND-ALERTOBSERVER-POPULATE", "GET", "/alertobserver/1/userGroup", answer=2),
    Example("VEND-ALERTOBSERVER-REMOVE", "DELETE", "/alertobserver/1/machines/80"),
    Example("VEND-ALERTOBSERVER-POPULATE", "GET", "/alertobserver/1/machines", answer=[]),
    Example("VEND-ALERTOBSERVER-ADD", "PUT", "/alertobserver/1/machines/80", answer={"id": 1}),
    Example("VEND-ALERTOBSERVER-ADD", "PUT", "/alertobserver/1/machines/81", status=400),
    Example("VEND-ALERTOBSERVER-GET", "GET", "/alertobserver/1", status=404, by="sam"),
    # The rule holds for the row as it will be: both members at once are fine.
    Example("VEND-ALERTOBSERVER-UPDATE", "PATCH", "/alertobserver/1",
            {"type": "event", "observer": "non_resolution", "occurs": None}),
    Example("VEND-ALERTOBSERVER-GET", "GET", "/alertobserver/1",
            answer={"type": "event", "occurs": 1, "timer": 3}),
    Example("VEND-ALERTOBSERVER-UPDATE", "PATCH", "/alertobserver/1", {"type": "transaction"},
            400),
    Example("VEND-ALERTGROUP-DELETE", "DELETE", "/alertgroup/7", status=409,
            answer={"code": "in_use", "fields": {"alertobserver": ...}}),
    Example("VEND-ALERTOBSERVER-DELETE", "DELETE", "/alertobserver/1"),
    Example("VEND-ALERTOBSERVER-LIST", "GET", "/alertobserver", answer=[]),
)  # fmt: skip

WRONG_RULES: tuple[tuple[dict[str, object], tuple[str, ...]], ...] = (
    ({}, ("name", "type", "observer", "timer", "timerType", "alertGroup")),
    ({**RULE, "type": "sale"}, ("type",)),
    ({**RULE, "observer": "absence"}, ("observer",)),
    ({**RULE, "timer": 0}, ("timer",)),
    ({**RULE, "timer": 10_001, "timerType": 5}, ("timer", "timerType")),
    ({**RULE, "occurs": 0}, ("occurs",)),
    ({**RULE, "paymentMethod": "gold"}, ("paymentMethod",)),
    ({**RULE, "type": "event", "paymentMethod": "cash"}, ("paymentMethod",)),
    ({**RULE, "observer": "non_resolution"}, ("observer",)),
    ({**RULE, "error": 1}, ("error",)),
    ({**RULE, "alertGroup": 8}, ("alertGroup",)),
    ({**RULE, "machines": [80, 81]}, ("machines",)),
    ({**RULE, "sentAt": 5, "openingHours": 2}, ("openingHours",)),
)
REFUSED = tuple(
    Example("VEND-ALERTOBSERVER-CREATE", "POST", "/alertobserver", body, 400,
            {"fields": dict.fromkeys(fields, ...)})
    for body, fields in WRONG_RULES
)  # fmt: skip

RECIPIENTS = (
    Example("VEND-ALERTRECIPIENT-CREATE", "POST", "/alertrecipient", OPS, 201, {"id": 1}),
    Example("VEND-ALERTRECIPIENT-GET", "GET", "/alertrecipient/1", answer={
        "id": 1, "name": "Ops", "email": "ops@example.test", "alertGroup": 7, "language": 1,
        "active": 1, "userGroup": 2}),
    Example("VEND-ALERTRECIPIENT-UPDATE", "PATCH", "/alertrecipient/1", {"active": False},
            answer={"message": "Alert recipient updated"}),
    Example("VEND-ALERTRECIPIENT-GET", "GET", "/alertrecipient/1", answer={"active": 0}),
    Example("VEND-ALERTRECIPIENT-CREATE", "POST", "/alertrecipient",
            {**OPS, "email": "OPS@example.test"}, 409, {"fields": {"email": ...}}),
    Example("VEND-ALERTRECIPIENT-CREATE", "POST", "/alertrecipient", {**OPS, "email": "ops"}, 400),
    Example("VEND-ALERTRECIPIENT-CREATE", "POST", "/alertrecipient", {**OPS, "alertGroup": 9},
            400, {"code": "invalid_reference"}),
    Example("VEND-ALERTRECIPIENT-CREATE", "POST", "/alertrecipient", OPS, 400,
            {"code": "invalid_reference", "fields": {"alertGroup": ...}}, by="sam"),
    Example("VEND-ALERTRECIPIENT-GET", "GET", "/alertrecipient/1", status=404, by="sam"),
    Example("VEND-ALERTRECIPIENT-LIST", "GET", "/alertrecipient?active=0", answer=[1]),
    Example("VEND-ALERTRECIPIENT-POPULATE", "GET", "/alertrecipient/1/language", answer=1),
    Example("VEND-ALERTGROUP-POPULATE", "GET", "/alertgroup/7/alertRecipients", answer=[1]),
    Example("VEND-LANGUAGE-DELETE", "DELETE", "/language/1", status=409, by="root",
            answer={"fields": {"alertrecipient": ..., "user": ...}}),
    Example("VEND-ALERTRECIPIENT-DELETE", "DELETE", "/alertrecipient/1"),
)  # fmt: skip

GROUPS = (
    Example(
        "VEND-ALERTGROUP-UPDATE",
        "PATCH",
        "/alertgroup/7",
        {"name": "Night"},
        answer={
            "id": 7,
            "name": "Night",
            "userGroup": 2,
            "createdAt": "2026-03-10T09:00:00Z",
            "updatedAt": "2026-03-10T09:00:00Z",
        },
    ),
    Example("VEND-ALERTGROUP-UPDATE", "PUT", "/alertgroup/7", {"name": "Day"}, answer=7),
    Example("VEND-ALERTGROUP-UPDATE", "PATCH", "/alertgroup/7", {"name": "x"}, 404, by="sam"),
    Example("VEND-ALERTGROUP-UPDATE", "PATCH", "/alertgroup/7", {}, 400),
    Example("VEND-ALERTGROUP-CREATE", "POST", "/alertgroup", {"name": "Late"}, 201, {"id": 8}),
    Example("VEND-ALERTGROUP-LIST", "GET", "/alertgroup", answer=[7, 8]),
    Example("VEND-ALERTGROUP-CREATE", "POST", "/alertgroup", {"name": "Day"}, 409),
    Example("VEND-ALERTGROUP-DELETE", "DELETE", "/alertgroup/8"),
    Example("VEND-ALERTGROUP-GET", "GET", "/alertgroup/8", status=404),
)


async def test_life_of_an_observer(golden: Golden) -> None:
    """Its rule must make sense after every update; machines come and go."""
    await golden(*OBSERVERS)


async def test_rules_that_make_no_sense(golden: Golden) -> None:
    """Every wrong member is named."""
    await golden(*REFUSED)


async def test_life_of_a_recipient(golden: Golden) -> None:
    """One address once in each group, however it is spelled."""
    await golden(*RECIPIENTS)


async def test_life_of_a_group(golden: Golden) -> None:
    """An update answers the group."""
    await golden(*GROUPS)


async def test_a_changed_rule_starts_anew(api: Api, clock: SettableClock) -> None:
    """Changing what is watched ends what fires and keeps when it was sent; a name does not."""
    nora = await api.login("nora")
    await nora.post("/alertobserver", NO_SALES)
    await api.execute("update vending.alertobserver set sent_at_ms = 5000 where id = 1")
    state = "select fired_at_ms is not null from vending.alertobserver_machine"
    for body, fires in (({"name": "Quiet"}, True), ({"timer": 2}, True), ({"timer": 4}, False)):
        await api.execute("update vending.alertobserver_machine set fired_at_ms = 5000")
        clock.advance_ms(1000)
        assert 200 == (await nora.patch("/alertobserver/1", body)).status_code
        assert fires is await api.fetchval(state), body
    assert "1970-01-01T00:00:05Z" == (await nora.get("/alertobserver/1")).json()["sentAt"]
