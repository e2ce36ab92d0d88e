"""Alert groups, their recipients, and the observers that alert them (vending-platform.md 2.5, 2.7).

What is declared here is looked at elsewhere. A changed rule starts anew at every machine; a changed
name does not. Deleting a group takes its recipients along, and is refused while observers use it.
"""

from typing import Any, Final

from litestar import patch, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.api.operations import documented
from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Blueprint, Exposed, operations, row_id
from farebox.api.vending.bodies import arguments, shape
from farebox.api.vending.dialect import Answer, Call, read_body, reply
from farebox.domain.errors import InvalidError
from farebox.domain.records import PAYMENT_METHODS
from farebox.resource import store
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource, Write

_MACHINES: Final = ("vending.alertobserver_machine", "alertobserver", "machine")
_EMAIL: Final = r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"


async def _prepare_recipient(write: Write) -> None:
    if "email" in write.values:
        write.values["email"] = write.values["email"].lower()


async def _prepare_observer(write: Write) -> None:
    """The rule as it will be after the write must make sense."""

    def then(name: str) -> Any:
        return write.values.get(name, getattr(write.current, name, None))

    faults = {}
    if then("type") == "transaction" and then("observer") == "non_resolution":
        faults["observer"] = "is for events only"
    if then("type") == "transaction" and then("error") is not None:
        faults["error"] = "is for events only"
    if then("type") == "event" and then("paymentMethod") is not None:
        faults["paymentMethod"] = "is for transactions only"
    if faults:
        first = next(iter(faults))
        raise InvalidError(f"{first} {faults[first]}", fields=faults)


ALERTGROUP = Resource(
    name="alertgroup",
    title="Alert group",
    table="vending.alertgroup",
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("alertRecipients", "alertrecipient", back="t.alert_group = {parent}::int"),
        Association("alertObservers", "alertobserver", back="t.alert_group = {parent}::int"),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"alertgroup_name_once": "name"},
    referrers=(("alertobserver", "vending.alertobserver", "alert_group"),),
)

ALERTRECIPIENT = Resource(
    name="alertrecipient",
    title="Alert recipient",
    table="vending.alertrecipient",
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("email", write="RO", high=254, pattern=_EMAIL),
        Field("alertGroup", "int", "RO", column="alert_group", reference="alertgroup"),
        Field("language", "int", "RO", reference="language"),
        Field("active", "bool01", "OO", default=True),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("language", "language", column="language"),
        Association("alertGroup", "alertgroup", column="alert_group"),
        Association("userGroup", "usergroup", column="owner"),
    ),
    unique={"alertrecipient_email_once": "email"},
    prepare=_prepare_recipient,
)

ALERTOBSERVER = Resource(
    name="alertobserver",
    title="Alert observer",
    table="vending.alertobserver",
    scope=tenancy.owned(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("error", "int", "OO", reference="erroridentity"),
        Field("observer", write="RO", choices=("occurrence", "non_occurrence", "non_resolution")),
        Field("occurs", "int", "OO", default=1, low=1),
        Field("timer", "int", "RO", low=1, high=10_000),
        # Minutes, hours, days, weeks.
        Field("timerType", "int", "RO", column="timer_type", low=1, high=4),
        Field("alertGroup", "int", "RO", column="alert_group", reference="alertgroup"),
        Field("sentAt", "instant", column="sent_at_ms"),
        Field("type", write="RO", choices=("event", "transaction")),
        Field("paymentMethod", write="OO", column="payment_method", choices=PAYMENT_METHODS),
        Field("openingHours", "bool01", "OO", column="opening_hours", default=False),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("machines", "machine", through=_MACHINES, writable=True),
        Association("alertGroup", "alertgroup", column="alert_group"),
        Association("error", "erroridentity", column="error"),
        Association("userGroup", "usergroup", column="owner"),
    ),
    prepare=_prepare_observer,
)

EXPOSED: Final = (
    Exposed(
        resource=ALERTGROUP,
        operations=operations("VEND-ALERTGROUP", "list get create delete populate"),
    ),
    Exposed(
        resource=ALERTRECIPIENT,
        operations=operations("VEND-ALERTRECIPIENT", "list get create update delete populate"),
    ),
    Exposed(
        resource=ALERTOBSERVER,
        operations=operations(
            "VEND-ALERTOBSERVER", "list get create update delete populate add remove"
        ),
    ),
)


def routes(made: Blueprint) -> list[HTTPRouteHandler]:
    """The update of an alert group, which answers the group and not a message."""

    async def update(request: Call, id: FromPath[str]) -> Answer:
        """Changes an alert group and gives it."""
        key = row_id(ALERTGROUP, id)
        values = arguments(ALERTGROUP, await read_body(request), creating=False)
        await made.change(request, ALERTGROUP, key, values)
        return reply(await store.read(made.services.pool, ALERTGROUP, key, made.view(request)))

    path, changed = "/alertgroup/{id:str}", shape(ALERTGROUP)
    return [
        patch(path, **documented("VEND-ALERTGROUP-UPDATE", changed, ALERTGROUP.row))(update),
        put(path, include_in_schema=False)(update),
    ]
