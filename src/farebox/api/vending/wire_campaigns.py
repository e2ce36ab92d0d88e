"""What crosses the wire about campaigns and their rules (vending-commerce.md 2.6, 3.35-3.40).

Requests are read member by member, so that everything wrong with one is named together; the structs
describe them in the OpenAPI document and spell the answers that are no rows. Members that an answer
shows and a request may not set are ignored when they are sent back.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from farebox.api.vending.dialect import Fields
from farebox.api.vending.fields import INT32_MAX, as_integer
from farebox.domain import codes, expiry, instants, windows
from farebox.domain.campaigns import (
    FREQUENCIES,
    TOTAL_MAX,
    TYPES,
    UNFINISHED,
    VALUE_MAX,
    VALUE_TYPES,
    WANTED_STATUSES,
    CampaignChange,
    CampaignDraft,
)
from farebox.domain.errors import InvalidError
from farebox.domain.rules import RULES_MAX, Rule, check_rules
from farebox.domain.styles import check_style

TEXT_MAX: Final = 1000
STYLE_MAX: Final = 65_536
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_TEXTS = ("voucherText1", "voucherText2", "voucherText3", "voucherText4")


class CampaignCreate(msgspec.Struct, rename="camel"):
    """Body of POST /campaign."""

    name: str
    total_vouchers: int
    voucher_value: int
    type: str | UnsetType = UNSET
    value_type: str | UnsetType = UNSET
    redemption_limit: int | UnsetType = UNSET
    reset_frequency: str | UnsetType = UNSET
    expires_on: str | UnsetType | None = UNSET
    currency: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    voucher_text1: str | UnsetType | None = UNSET
    voucher_text2: str | UnsetType | None = UNSET
    voucher_text3: str | UnsetType | None = UNSET
    voucher_text4: str | UnsetType | None = UNSET
    voucher_style: str | UnsetType | None = UNSET
    voucher_logo_img: int | UnsetType | None = UNSET
    status: str | UnsetType = UNSET


class CampaignUpdate(msgspec.Struct, rename="camel"):
    """Body of PATCH /campaign/{id}."""

    name: str | UnsetType = UNSET
    value_type: str | UnsetType = UNSET
    redemption_limit: int | UnsetType = UNSET
    reset_frequency: str | UnsetType = UNSET
    expires_on: str | UnsetType | None = UNSET
    currency: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    voucher_text1: str | UnsetType | None = UNSET
    voucher_text2: str | UnsetType | None = UNSET
    voucher_text3: str | UnsetType | None = UNSET
    voucher_text4: str | UnsetType | None = UNSET
    voucher_style: str | UnsetType | None = UNSET
    voucher_logo_img: int | UnsetType | None = UNSET
    status: str | UnsetType = UNSET


class RuleBody(msgspec.Struct, rename="camel"):
    """One validation rule in a request."""

    field: str
    value: str
    id: int | UnsetType = UNSET
    campaign: int | UnsetType = UNSET


class RuleRow(msgspec.Struct, rename="camel"):
    """One validation rule of a campaign."""

    id: int
    campaign: int
    field: str
    value: str


class StatsAnswer(msgspec.Struct, rename="camel"):
    """Answer of GET /campaign/{id}/stats; redemptions and amount are net of rollbacks."""

    id: int
    campaign: int
    vouchers: int
    vouchers_used: int
    redemptions: int
    amount_redeemed: int
    rollbacks: int
    refusals: dict[str, int]


_CREATED_BY = CampaignCreate.__struct_encode_fields__
_CHANGED_BY = CampaignUpdate.__struct_encode_fields__


def read_campaign(
    body: dict[str, object], shown: Sequence[str], default_zone: str
) -> CampaignDraft:
    """The campaign that a POST asks for; `shown` are the members an answer may have."""
    reader = Fields(body, known=_CREATED_BY, ignored=shown)
    zone = time_zone(reader) or default_zone
    text, expires_before_ms = expires_on(reader, zone)
    reader.enum("valueType", VALUE_TYPES)
    draft = CampaignDraft(
        name=reader.string("name"),
        total_vouchers=reader.integer("totalVouchers", low=0, high=TOTAL_MAX),
        voucher_value=reader.integer("voucherValue", low=0, high=VALUE_MAX),
        type=reader.enum("type", TYPES) or "discount",
        redemption_limit=reader.integer("redemptionLimit", low=0, high=VALUE_MAX, required=False),
        reset_frequency=reader.enum("resetFrequency", FREQUENCIES) or "never",
        expires_on=text,
        expires_before_ms=expires_before_ms,
        currency=_currency(reader) or "EUR",
        time_zone=zone,
        prefix=prefix(reader),
        texts=cast("Any", tuple(printed_text(reader, name) for name in _TEXTS)),
        style=style(reader, "voucherStyle"),
        logo_image=reader.optional_integer("voucherLogoImg", low=1, high=INT32_MAX),
        status=reader.enum("status", WANTED_STATUSES) or "active",
    )
    reader.finish()
    return draft


def read_change(body: dict[str, object], shown: Sequence[str]) -> CampaignChange:
    """What a PATCH changes; only the members it names."""
    if not body:
        raise InvalidError("There is nothing to change", "missing_parameters")
    reader = Fields(body, known=_CHANGED_BY, ignored=shown)
    values: dict[str, Any] = {}

    def take(name: str, member: str, read: Callable[[], Any]) -> None:
        if reader.has(name):
            values[member] = read()

    def amount() -> int:
        # Null is no limit, as nothing is when a campaign is made.
        return reader.integer("redemptionLimit", low=0, high=VALUE_MAX, required=False)

    take("name", "name", lambda: reader.string("name"))
    take("redemptionLimit", "redemption_limit", amount)
    take(
        "resetFrequency",
        "reset_frequency",
        lambda: reader.enum("resetFrequency", FREQUENCIES, required=True),
    )
    take("expiresOn", "expires_on", lambda: expiry_text(reader))
    take("currency", "currency", lambda: _currency(reader, required=True))
    take("timeZone", "time_zone", lambda: time_zone(reader, required=True))
    for number, name in enumerate(_TEXTS, 1):
        take(name, f"voucher_text{number}", partial(printed_text, reader, name))
    take("voucherStyle", "voucher_style", lambda: style(reader, "voucherStyle"))
    take(
        "voucherLogoImg",
        "logo_image",
        lambda: reader.optional_integer("voucherLogoImg", low=1, high=INT32_MAX),
    )
    reader.enum("valueType", VALUE_TYPES, required=reader.has("valueType"))
    status = reader.enum("status", (*WANTED_STATUSES, *UNFINISHED))
    if status in WANTED_STATUSES:
        values["status"] = status
    reader.finish()
    return CampaignChange(**values)


def read_rules(value: object, campaign: int) -> list[tuple[int | None, Rule]]:
    """The rules of a PUT with the ids they name."""
    if not isinstance(value, list):
        raise InvalidError("The body must be an array of rules")
    if len(value) > RULES_MAX:
        reason = f"must have at most {RULES_MAX} rules"
        raise InvalidError(f"The body {reason}", fields={"validationrules": reason})
    faults: dict[str, str] = {}
    code = None
    try:
        check_rules(value, "")
    except InvalidError as error:
        faults, code = dict(error.fields), error.code
    ids: list[int | None] = []
    for index, item in enumerate(value):
        members = item if isinstance(item, dict) else {}
        ids.append(as_integer(members.get("id")))
        if members.get("id") is not None and ids[-1] is None:
            faults[f"[{index}].id"] = "must be an integer"
        named = members.get("campaign")
        if named is not None and as_integer(named) != campaign:
            faults[f"[{index}].campaign"] = "is another campaign"
        for name in members.keys() - {"id", "campaign", "field", "value"}:
            faults[f"[{index}].{name}"] = "is unknown"
    if faults:
        raise InvalidError("The validation rules are not valid", code, faults)
    return [(key, check_rules([item])[0]) for key, item in zip(ids, value, strict=True)]


def time_zone(reader: Fields, *, required: bool = False) -> str | None:
    """A zone of the installed database."""
    read = reader.string if required else reader.optional_string
    name = read("timeZone")
    if name:
        try:
            windows.zone(name)
        except InvalidError as error:
            reader.wrong("timeZone", "is not a known time zone", error.code)
    return name


def expires_on(reader: Fields, zone: str) -> tuple[str | None, int | None]:
    """An expiry in a zone: its normalised text and the first instant that is too late."""
    text = expiry_text(reader)
    if text is None or zone not in windows.zone_names():
        return None, None
    return expiry.parse_expiry(text, zone)


def expiry_text(reader: Fields) -> str | None:
    """An expiry that can be read, in whatever zone; null is none."""
    text = reader.optional_string("expiresOn")
    if text is None:
        return None
    try:
        instants.parse(text)
    except InvalidError as error:
        reader.wrong("expiresOn", error.message.removeprefix("The date "))
        return None
    return text


def prefix(reader: Fields) -> str:
    """What generated codes start with."""
    text = reader.optional_string("prefix")
    if text is not None and not codes.is_prefix(text):
        reader.wrong("prefix", "must be 1 to 5 letters and digits")
    return text or codes.DEFAULT_PREFIX


def printed_text(reader: Fields, name: str) -> str | None:
    """A text for the sheet; it may have lines."""
    return reader.optional_string(name, high=TEXT_MAX, lines=True)


def style(reader: Fields, name: str) -> str | None:
    """A style that a sheet can be drawn with."""
    text = reader.optional_string(name, high=STYLE_MAX, lines=True)
    try:
        check_style(text, name)
    except InvalidError as error:
        for place, reason in error.fields.items():
            reader.wrong(place, reason, error.code)
    return text


def _currency(reader: Fields, *, required: bool = False) -> str | None:
    read = reader.string if required else reader.optional_string
    return read("currency", pattern=_CURRENCY)
