"""What an operator provisions before the documented operations have anything to work on
(isp.md 4.9): speeds, packages, groups, subscribers, collectors, devices, servers, tickets.

Secrets are written and never shown. A package's policy has the names of E28. Subscribers change
group, expiry by grace and life's end through the documented operations; their status here, along
the arrows of isp.md 2.2.
"""

from ipaddress import ip_address
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from farebox.api.isp import bulk
from farebox.api.isp.arguments import fold, read_all
from farebox.api.isp.overrides import BANDWIDTH, policy_from, policy_told
from farebox.api.isp.owned import COUNTS, Owned, clock_of
from farebox.api.services import Services
from farebox.domain import cycles, wall_clocks
from farebox.domain.errors import InvalidError
from farebox.domain.windows import zone
from farebox.engine.metering import settle
from farebox.engine.overriding import strangers
from farebox.resource.definition import Field, Resource, Scope, View, Write

_ID: Final = Field("id", "bigtext")
_MINE: Final = Scope("t.account = {group}")
_SHARED: Final = Scope(
    "t.account in (select isp.ancestry({group}))", "t.account = {group}", "t.account = {group}"
)
_NAME: Final = Field("name", "text", "RO")


def _speed(name: str, column: str, write: str = "OO") -> Field:
    default = None if write[0] == "R" else 0
    return Field(name, "int", write, column=column, low=int(write[0] == "R"), default=default)


TEMPLATE: Final = Resource(
    name="bandwidth_templates", table="isp.bandwidth_template", title="Template",
    owner="account", scope=_SHARED,
    fields=(
        _ID, _NAME, _speed("upKbps", "up_kbps", "RO"), _speed("downKbps", "down_kbps", "RO"),
        _speed("minUpKbps", "min_up_kbps"), _speed("minDownKbps", "min_down_kbps"),
        _speed("burstUpKbps", "burst_up_kbps"), _speed("burstDownKbps", "burst_down_kbps"),
        _speed("burstThresholdUpKbps", "burst_threshold_up_kbps"),
        _speed("burstThresholdDownKbps", "burst_threshold_down_kbps"),
        _speed("burstTimeUpS", "burst_time_up_s"), _speed("burstTimeDownS", "burst_time_down_s"),
        Field("priority", "int", "OO", high=8, default=0),
    ),
    unique={"bandwidth_template_name_once": "name"},
)  # fmt: skip


async def _policy(write: Write) -> None:
    """A package's policy is read as E28 reads an override; its speeds must be the account's."""
    if "policy" in write.values:
        given = {fold(name): value for name, value in write.values["policy"].items()}
        given["bandwidthrestriction"], given["userid"] = "on", "1"
        policy = policy_from("bandwidth", read_all(BANDWIDTH, given))
        chosen = [policy.first] if policy.mode == "always" else [policy.first, policy.second]
        if strange := await strangers(write.connection, write.view.caller.group, chosen):
            raise InvalidError(f"Template {strange[0]} does not exist", "invalid_reference")
        write.values["policy"] = msgspec.to_builtins(policy)

    for name in _AMOUNTS:
        if name in write.values:
            write.columns[f"{name}_thousandths"] = write.values.pop(name)


def _package(row: Any, _: View) -> Any:
    """A package as it was given."""
    row.policy = policy_told(row.policy)
    return row


_AMOUNTS: Final = ("price", "tax")
PROFILE: Final = Resource(
    name="profiles", table="isp.profile", title="Profile", owner="account", scope=_SHARED,
    fields=(
        _ID, _NAME, Field("policy", "json", "RO"),
        Field("billingResetType", "text", "OO", column="billing_reset_type", default="monthly",
              choices=cycles.RESET_TYPES),
        Field("billingResetValue", "int", "OO", column="billing_reset_value", low=1, high=31,
              default=1),
        Field("validityDays", "int", "OO", column="validity_days", low=1, high=3660, default=30),
        *(Field(name, "decimal", "OO", column=f"t.{name}_thousandths / 1000.0", default=0)
          for name in _AMOUNTS),
        Field("deactivated", "bool", "OO", default=False),
    ),
    prepare=_policy, render=_package,
)  # fmt: skip

GROUP: Final = Resource(
    name="groups", table="isp.user_group", title="Group", owner="account", scope=_MINE,
    fields=(
        _ID, _NAME, Field("profileId", "bigtext", "RO", column="profile", reference="profiles"),
        Field("allowedForMove", "bool", "OO", column="allowed_for_move", default=True),
        # Counted where a group is shown.
        *(Field(name, "int", column="0") for name in COUNTS),
    ),
    unique={"user_group_name_once": "name"},
)  # fmt: skip

ADMIN: Final = Resource(
    name="admins", table="isp.admin", title="Admin", owner="account", scope=_MINE,
    fields=(
        _ID, Field("username", "text", "RO", high=64), Field("name", "text", "OO", default=""),
        Field("phone", "text", "OO", default="", high=20),
        Field("email", "text", "OO", default=""), Field("enabled", "bool", "OO", default=True),
    ),
    unique={"admin_username_once": "username"},
)  # fmt: skip


async def _address(write: Write) -> None:
    """The secret is sealed once the row has its id; an address must be one."""
    write.values.pop("secret", None)
    if "ip" in write.values:
        try:
            write.values["ip"] = str(ip_address(write.values["ip"]))
        except ValueError:
            raise InvalidError("ip must be an IP address") from None


# Written, sealed and never shown.
_SECRET: Final = Field("secret", "text", "RO", column="null::text", high=128)
NAS: Final = Resource(
    name="nas", table="isp.nas", title="Nas", owner="account", scope=_MINE,
    fields=(
        _ID, Field("name", "text", "OO", default=""), Field("ip", "text", "RO"),
        Field("identifier", "text", "OO", default="", high=253),
        Field("vendor", "text", "OO", default="generic", high=32),
        Field("coaPort", "int", "OO", column="coa_port", low=1, high=65_535, default=3799),
        Field("coaEnabled", "bool", "OO", column="coa_enabled", default=True), _SECRET,
    ),
    prepare=_address,
)  # fmt: skip

SERVER: Final = Resource(
    name="radius_servers", table="isp.radius_server", title="Server", owner="account",
    scope=_MINE,
    fields=(
        _ID, Field("host", "text", "RO", high=253),
        Field("statusPort", "int", "OO", column="status_port", low=1, high=65_535, default=18121),
        _SECRET,
    ),
    prepare=_address,
)  # fmt: skip

TICKET: Final = Resource(
    name="tickets", table="isp.ticket", title="Ticket", owner="account", scope=_MINE,
    fields=(
        _ID, Field("userId", "bigtext", "RO", column="subscriber", reference="users"),
        Field("title", "text", "OO", default=""), Field("status", "text", "OO", default="open"),
    ),
)  # fmt: skip


async def _subscriber(write: Write) -> None:
    """Times are made instants; before an input of the quota changes, it is settled."""
    if "installationTime" in write.values:
        write.columns["installed_on"] = write.values.pop("installationTime")
    where = clock_of(write.values, write.current, str(write.view.value("zone")))
    zone_name = zone(where).key
    for name in ("expirationTime", "activationTime"):
        moment = write.values.get(name)
        if moment is not None:
            write.values[name] = wall_clocks.of_moment(moment, zone_name)
    if write.current is not None:
        if not _QUOTA.isdisjoint(write.values):
            await settle(write.connection, int(write.current.id), write.view.now_ms)
        return
    write.columns |= {
        "group_since_ms": write.view.now_ms,
        "status": write.values.pop("status", "active"),
    }
    if write.values.get("activationTime") is None:
        write.values["activationTime"] = write.view.now_ms


# Inputs of the quota.
_QUOTA: Final = frozenset(("timezone", "expirationTime", "activationTime"))
_EFFECTIVE: Final = "isp.effective(t.status, t.expires_at_ms, {now_ms})"


def _words(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "text", "OO", default="") for name in names)


USER: Final = Resource(
    name="users", table="isp.subscriber", title="User", owner="account",
    scope=Scope("t.account = {group} and t.status <> 'deleted'"),
    fields=(
        _ID, Field("username", "text", "RO", high=64),
        Field("groupId", "bigtext", "R-", column="user_group", reference="groups"),
        # What is shown depends on the clock; what is written is the first one.
        Field("status", "text", "O-", default="active", column=_EFFECTIVE,
              choices=("active", "pending", "pending-approval")),
        *_words("name", "last_name", "phone", "alt_phone", "email", "alt_email", "address_line1",
                "address_line2", "address_city", "address_pin", "address_state", "type"),
        Field("comments", "json_text", "OO", default="", high=4000),
        Field("person_title", "text", "OO"), Field("company_name", "text", "OO"),
        Field("address", "text", "OO"), Field("country_code", "text", "OO"),
        Field("installationTime", "text", "OO", column="t.installed_on::text"),
        Field("billing_id", "text", "OO", high=64),
        Field("timezone", "text", "OO", column="time_zone", high=64),
        Field("afterAction", "text", "OO", column="after_action", default="suspend",
              choices=("suspend", "nothing")),
        Field("expirationTime", "instant", "OO", column="expires_at_ms"),
        Field("activationTime", "instant", "OO", column="activated_at_ms"),
        Field("createdTime", "instant", column="created_at_ms"),
        Field("modified", "instant", column="updated_at_ms"),
    ),
    unique={"subscriber_username_once": "username"}, prepare=_subscriber,
)  # fmt: skip

RESOURCES: Final = (TEMPLATE, PROFILE, GROUP, ADMIN, NAS, SERVER, TICKET, USER)


def routes(services: Services) -> list[HTTPRouteHandler]:
    """Their routes."""
    catalogue = {resource.name: resource for resource in RESOURCES}
    owned = Owned(services, catalogue)
    declared = [handler for resource in RESOURCES for handler in owned.routes(resource)]
    return [*declared, *bulk.routes(services, catalogue)]
