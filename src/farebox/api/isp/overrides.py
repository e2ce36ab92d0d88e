"""What holds for one subscriber alone: his speed and his attributes (isp.md E28, E30).

Both have one grammar under two prefixes. Alone, the subscriber's id removes the override. What the
chosen mode does not use is checked all the same, and then dropped.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from farebox.api.isp.arguments import Argument, fold, is_absent
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, message
from farebox.api.isp.kinds import FLAG, ID, MONEY, Kind, choice, text, whole
from farebox.api.isp.wire import Message
from farebox.domain import attributes, thousandths
from farebox.domain.errors import InvalidError
from farebox.domain.quotas import BYTES_MAX, EVERY, MODES, UNITS, Policy, policy_of, volume

SIGNS: Final = ("=", ":=", "==", "+=", "!=", ">", ">=", "<", "<=", "=~", "!~", "=*", "!*")
SETS_MAX: Final = 50
VALUE_BYTES_MAX: Final = 253
_TEXT: Final = text(VALUE_BYTES_MAX)


class VendorAttribute(msgspec.Struct):
    """An attribute that is sent to the network, or asked of it."""

    type: str
    vendor: str
    attribute: str
    equals: str
    value: str


def _read_attributes(value: object) -> list[VendorAttribute]:
    if not isinstance(value, list) or not 1 <= len(value) <= SETS_MAX:
        raise ValueError(f"must be a list of 1 to {SETS_MAX} attributes")
    return [_read_attribute(one) for one in value]


def _read_attribute(value: object) -> VendorAttribute:
    given = {fold(name): one for name, one in value.items()} if isinstance(value, dict) else {}
    missing = [n for n in VendorAttribute.__struct_fields__ if is_absent(given.get(n))]
    if missing:
        raise ValueError(f"must have {', '.join(missing)} in every attribute")
    kind = choice("reply", "check").read(given["type"])
    sign = str(given["equals"]).strip()
    # The asterisk of the last two got lost in the document.
    sign = "!*" if sign == "!" else sign
    if sign not in SIGNS:
        raise ValueError(f"must have one of {' '.join(SIGNS)} as equals")
    vendor, name, content = (_TEXT.read(given[n]) for n in ("vendor", "attribute", "value"))
    if len(content.encode()) > VALUE_BYTES_MAX:
        raise ValueError(f"must have values of at most {VALUE_BYTES_MAX} bytes")
    if not attributes.belongs(name, vendor):
        raise ValueError(f"must not name {name}, which {vendor} does not have")
    return VendorAttribute(kind, vendor, name, sign, content)


_ATTRIBUTES: Final = Kind(_read_attributes, list[VendorAttribute])


def _amount(value: object) -> int:
    amount: int = MONEY.read(value)
    if amount == 0:
        raise ValueError("must be more than 0")
    return amount


def _grammar(prefix: str, first: Argument, second: Argument) -> tuple[Argument, ...]:
    """The arguments of an override; all but the first two count only when it is on."""

    def is_on(values: Mapping[str, Any]) -> bool:
        return bool(values[f"{prefix}Restriction"] == "on")

    def is_limited(values: Mapping[str, Any]) -> bool:
        return bool(values[f"{prefix}Reset"] != "always")

    def every(rhythm: str) -> Any:
        return lambda values: is_limited(values) and values[f"{prefix}ResetEvery"] == rhythm

    def argument(name: str, kind: Kind, required: Any, default: Any = None) -> Argument:
        return Argument(name, kind, required=required, default=default, only=is_on)

    return (
        Argument("userId", ID),
        Argument(f"{prefix}Restriction", choice("on", "off"), required=False),
        argument(f"{prefix}Reset", choice(*MODES), True),
        argument(f"{prefix}ResetLimit", Kind(_amount), is_limited),
        argument(f"{prefix}ResetUnitData", choice(*UNITS), is_limited),
        argument(f"{prefix}ResetEvery", choice(*EVERY), is_limited),
        argument(f"{prefix}ResetEveryValue", whole(1, 31), every("monthly")),
        argument(f"{prefix}ResetEveryValueDay", whole(0, 6), every("weekly")),
        argument(first.name, first.kind, True),
        argument(f"{prefix}Reset2", choice("always"), is_limited),
        argument(second.name, second.kind, is_limited),
        argument("excludeUpload", FLAG, False, False),
        argument("carryForwardPreviousData", FLAG, False, False),
    )


def _is_removal(call: Call, prefix: str, takes: tuple[Argument, ...]) -> bool:
    if call[f"{prefix}Restriction"] == "on":
        return False
    if any(not is_absent(call.given.get(fold(argument.name))) for argument in takes[2:]):
        raise InvalidError(
            f"{prefix}Restriction must be on for the other arguments to take effect",
            "invalid_argument",
        )
    return True


def policy_from(prefix: str, given: Mapping[str, Any]) -> Policy:
    """The policy that checked arguments describe; InvalidError for a volume out of range."""
    values = dict(given)
    if values[f"{prefix}Reset"] != "always":
        limit = Decimal(values[f"{prefix}ResetLimit"]) / 1000
        values[f"{prefix}ResetLimit"] = limit
        if not 1 <= volume(limit, values[f"{prefix}ResetUnitData"]) <= BYTES_MAX:
            raise InvalidError(f"{prefix}ResetLimit must be 1 to 2^60-1 bytes", "invalid_argument")
    return policy_of(prefix, values)


def policy_told(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored policy in the words of E28; the smaller unit says every volume exactly."""
    policy = msgspec.convert(stored, Policy)
    told: dict[str, Any] = {
        "bandwidthReset": policy.mode,
        "bandwidthTemplate": str(policy.first),
        "excludeUpload": policy.excludes_upload,
        "carryForwardPreviousData": policy.carries,
    }
    if policy.mode == "always":
        return told
    told |= {
        "bandwidthResetLimit": thousandths.text(-(-policy.limit * 1000 // UNITS["mb"])),
        "bandwidthResetUnitData": "mb",
        "bandwidthResetEvery": policy.every,
        "bandwidthReset2": "always",
        "bandwidthTemplate2": str(policy.second),
    }
    if policy.every == "monthly":
        told["bandwidthResetEveryValue"] = policy.dom
    if policy.every == "weekly":
        told["bandwidthResetEveryValueDay"] = policy.dow
    return told


async def override_user_bandwidth(call: Call) -> Answer:
    """Sets or removes the speed of one subscriber."""
    overrides, number = call.services.provider.overrides, call["userId"]
    if _is_removal(call, "bandwidth", BANDWIDTH):
        await overrides.remove(call.account.id, number, "bandwidth")
        return message("Profile override removed for user")
    policy = policy_from("bandwidth", call.values)
    templates = [policy.first] if policy.mode == "always" else [policy.first, policy.second]
    await overrides.set(
        call.account.id, number, "bandwidth", policy, call.caller.token, templates=templates
    )
    return message("Profile values overriden for user")


async def override_user_vendor_attributes(call: Call) -> Answer:
    """Sets or removes the attributes of one subscriber."""
    overrides, number = call.services.provider.overrides, call["userId"]
    if _is_removal(call, "vendor", _VENDOR):
        await overrides.remove(call.account.id, number, "vendor")
        return message("Profile vendor attributes override removed for user")
    policy = policy_from("vendor", call.values)
    sets = [call["vendorData"]]
    if policy.mode != "always":
        sets.append(call["vendorData1"])
    await overrides.set(
        call.account.id, number, "vendor", policy, call.caller.token, attributes=sets
    )
    return message("Profile vendor attributes values overriden for user")


BANDWIDTH: Final = _grammar(
    "bandwidth", Argument("bandwidthTemplate", ID), Argument("bandwidthTemplate2", ID)
)
_VENDOR: Final = _grammar(
    "vendor", Argument("vendorData", _ATTRIBUTES), Argument("vendorData1", _ATTRIBUTES)
)
OPERATIONS: Final = (
    Operation(
        id="ISP-E28", method="POST", path="override_user_bandwidth", scope="write",
        run=override_user_bandwidth, gives=Message[str], takes=BANDWIDTH,
    ),
    Operation(
        id="ISP-E30", method="POST", path="override_user_vendor_attributes", scope="write",
        run=override_user_vendor_attributes, gives=Message[str], takes=_VENDOR,
    ),
)  # fmt: skip
